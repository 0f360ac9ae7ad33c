package evidence

import (
	"archive/zip"
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
)

func bundled(t testing.TB, j *journal, request string) (bundle []byte, key string) {
	t.Helper()
	c, note, key, hashes := j.sign(t)
	cert, err := Certify(c, j.of(request))
	if err != nil {
		t.Fatal(err)
	}
	var leaves [][]byte
	for _, e := range cert.Events {
		leaves = append(leaves, j.raw[e.Seq])
	}
	var b bytes.Buffer
	if err := WriteBundle(&b, cert, leaves, note, []byte("log x\nquorum none\n"), hashes); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), key
}

func verifyBundle(bundle []byte, key string) (Certificate, error) {
	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		return Certificate{}, err
	}
	found, _, err := Verify(z, key)
	c, _ := found.(Certificate)
	return c, err
}

func TestBundle(t *testing.T) {
	j := departure(t)
	b, key := bundled(t, j, grace)
	c, err := verifyBundle(b, key)
	if want := j.certify(grace).String(); err != nil || c.String() != want {
		t.Fatalf("%s, %v; want %s", c, err, want)
	}
	names, text := files(t, b)
	if _, err := verifyBundle(rezip(t, names, text), key); err != nil {
		t.Fatalf("packed again, it does not verify: %v", err)
	}
	for _, name := range names {
		for i := range text[name] {
			content := []byte(text[name])
			content[i] ^= 1
			_, err := verifyBundle(rezip(t, names, with(text, name, string(content))), key)
			if (err == nil) != (name == readmeFile || name == policyFile) {
				t.Fatalf("%s with byte %d changed (%q): %v", name, i, text[name][max(0, i-20):i+1], err)
			}
		}
	}

	// An event that is left out is missed, as long as the certificate tells of it;
	// and another one is not believed because it is proven.
	without := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return strings.HasPrefix(n, "14.") })
	var evidence *ledger.EvidenceError
	if _, err := verifyBundle(rezip(t, without, text), key); !errors.As(err, &evidence) {
		t.Errorf("without an event: %v", err)
	}
	other, _ := bundled(t, j, alan)
	_, hers := files(t, other)
	if _, err := verifyBundle(rezip(t, names, with(text, certificateFile, hers[certificateFile])), key); !errors.As(err, &evidence) {
		t.Errorf("with another's certificate: %v", err)
	}
	if _, err := verifyBundle(other, key); !errors.As(err, &evidence) || evidence.Fault != ledger.FaultSignature {
		t.Errorf("with another key: %v", err)
	}
	var input *ledger.InputError
	for what, list := range map[string][]string{"a file more": append(slices.Clone(names), "x"), "no certificate": names[1:],
		"no proof": slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "1.tlog-proof" }), "twice": append(slices.Clone(names), "1.leaf"),
		"a proof of nothing": append(slices.Clone(names), "99.tlog-proof"), "out of its folder": append(slices.Clone(names), "../1.leaf", "../1.tlog-proof")[1:]} {
		if _, err := verifyBundle(rezip(t, list, text), key); !errors.As(err, &input) {
			t.Errorf("%s: %v", what, err)
		}
	}
	misplaced := maps.Clone(text)
	misplaced["7.leaf"], misplaced["7.tlog-proof"] = text["1.leaf"], text["1.tlog-proof"]
	if _, err := verifyBundle(rezip(t, names, misplaced), key); !errors.As(err, &evidence) {
		t.Errorf("an event under another's number: %v", err)
	}
}

// The signature covers what the log was when it was signed, and cannot be made
// good for a leaf of one's own.
func TestBundleForged(t *testing.T) {
	j := departure(t)
	j.act(grace, 0, bridge.ActionSettled, "badge", bridge.Revoke, bridge.ActionVerified, "done", 1, 200)
	honest, key := bundled(t, departure(t), grace)
	forged, _ := bundled(t, j, grace)
	names, text := files(t, forged)
	_, good := files(t, honest)
	if _, err := verifyBundle(rezip(t, names, with(text, checkpointFile, good[checkpointFile])), key); err == nil {
		t.Error("a made-up event is believed")
	}
}

// Whoever passes a bundle on may leave an event out and write the certificate
// anew: only the whole log shows that. So nobody may claim more.
func TestWhatABundleCannotShow(t *testing.T) {
	j := departure(t)
	const contradicted = 8
	c, note, key, hashes := j.sign(t)
	told := slices.DeleteFunc(j.of(grace), func(l ledger.ParsedLeaf) bool { return l.Seq == contradicted })
	if len(told) != len(j.of(grace))-1 {
		t.Fatal("nothing is left out")
	}
	cert, err := Certify(c, told)
	if err != nil {
		t.Fatal(err)
	}
	var leaves [][]byte
	for _, e := range cert.Events {
		leaves = append(leaves, j.raw[e.Seq])
	}
	file := filepath.Join(t.TempDir(), "certificate.zip")
	var b bytes.Buffer
	if err := errors.Join(WriteBundle(&b, cert, leaves, note, nil, hashes), os.WriteFile(file, b.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	says, err := Check(file, Brought{VerifierKey: key})
	if err != nil || !strings.Contains(says, "that there are no others about it, only the whole log shows") {
		t.Errorf("%q, %v", says, err)
	}
}

// A policy is of the log that it names, and of no other.
func TestPolicyOfAnotherLog(t *testing.T) {
	b, key := bundled(t, departure(t), grace)
	file := filepath.Join(t.TempDir(), "certificate.zip")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	_, another, err := ledger.NewKey("exeunt/test")
	if err != nil {
		t.Fatal(err)
	}
	for log, good := range map[string]bool{key: true, another: false} {
		_, err := Check(file, Brought{VerifierKey: key, Policy: []byte("log " + log + "\nquorum none\n")})
		var input *ledger.InputError
		if good != (err == nil) || !good && !errors.As(err, &input) {
			t.Errorf("%s: %v", log, err)
		}
	}
}

func FuzzVerifyBundle(f *testing.F) {
	j := departure(&testing.T{})
	b, key := bundled(f, j, alan)
	names, text := files(f, b)
	f.Add(text[certificateFile], text[checkpointFile], text["6.leaf"], text["6.tlog-proof"])
	f.Add("", "", "", "c2sp.org/tlog-proof@v1\nindex 6\n\n")
	f.Fuzz(func(t *testing.T, certificate, checkpoint, leaf, proof string) {
		got := map[string]string{certificateFile: certificate, checkpointFile: checkpoint, "6.leaf": leaf, "6.tlog-proof": proof}
		if _, err := verifyBundle(rezip(t, names, got), key); err == nil && (certificate != text[certificateFile] || leaf != text["6.leaf"]) {
			t.Errorf("accepted: %q %q", certificate, leaf)
		}
	})
}
