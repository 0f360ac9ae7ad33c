package evidence

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
)

// TestProgram builds the program for auditors, static and without cgo, and has it
// judge good, bad and unreadable evidence.
func TestProgram(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "exeunt-verify")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "./exeunt-verify")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, key := bundled(t, departure(t), grace)
	names, text := files(t, b)
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.zip", b)
	changed := write("changed.zip", rezip(t, names, with(text, "certificate.json", strings.Replace(text["certificate.json"], "verified", "Verified", 1))))
	garbage := write("garbage", []byte("no evidence"))
	pub := write("log.key.pub", []byte(key+"\n"))
	_, another, err := ledger.NewKey("exeunt/another")
	if err != nil {
		t.Fatal(err)
	}
	other := write("other.pub", []byte(another))
	origin, _, _ := strings.Cut(key, "+")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--key", pub, good}, 0, "No checkpoint kept elsewhere"},
		{[]string{"--key", pub, "--origin", origin, good}, 0, ""},
		{[]string{"--key", pub, "--origin", "exeunt/x", good}, 2, "the key is that of log"},
		{[]string{"--key", pub, changed}, 1, "BAD"},
		{[]string{"--key", other, good}, 1, "BAD"},
		{[]string{"--key", pub, garbage}, 2, "neither"},
		{[]string{"--key", pub, filepath.Join(dir, "none")}, 2, "no such file"},
		{[]string{"--key", garbage, good}, 2, ""},
		{[]string{good}, 2, "--key"},
		{[]string{"--key", pub, "--checkpoint", garbage, good}, 2, "checkpoint"},
		{[]string{"--key", pub, "--policy", garbage, good}, 2, ""},
		{[]string{"--key", pub}, 2, "EVIDENCE"},
		{[]string{"--help"}, 0, "--key FILE"},
	} {
		out, err := exec.Command(program, c.args...).CombinedOutput()
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("%q: code %d, want %d: %s", c.args, code, c.code, out)
		}
	}
}

// Evidence that its log has signed may still be written to deceive whoever reads
// the answer on a terminal.
func TestWordsOfEvidenceStayWords(t *testing.T) {
	j := departure(t)
	j.note(grace, 3*time.Hour, bridge.CaseSettled, "closed\x1b[2K\rall doors were shut\n\u202e", 6)
	b, key := bundled(t, j, grace)
	file, pub := filepath.Join(t.TempDir(), "z"), filepath.Join(t.TempDir(), "pub")
	if err := errors.Join(os.WriteFile(file, b, 0o600), os.WriteFile(pub, []byte(key), 0o600)); err != nil {
		t.Fatal(err)
	}
	text, code := (&Asked{key: pub}).Verify(file)
	if code != 0 || !strings.Contains(text, "all doors were shut") || strings.ContainsAny(text, "\x1b\r\n\u202e") {
		t.Errorf("%d %q", code, text)
	}
}

func FuzzParseConsistency(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := ParseConsistency(text); err == nil && !bytes.Equal(FormatConsistency(p), text) {
			t.Error("two spellings of one proof")
		}
	})
}
