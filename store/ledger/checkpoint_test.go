package ledger

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func TestCheckpointRoundTrip(t *testing.T) {
	s := testSigner(t)
	for _, want := range []Checkpoint{
		{"exeunt/test", 0, emptyRoot()},
		{"exeunt/test", 1, tlog.Hash{1}},
		{"exeunt/test", maxSize - 1, tlog.Hash{31: 0xff}},
	} {
		b, err := s.Sign(want.Size, want.Root)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Open(b, s.VerifierKey())
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		// The C2SP parser of others reads the same, without extension lines.
		v, err := note.NewVerifier(s.VerifierKey())
		if err != nil {
			t.Fatal(err)
		}
		c, rest, _, err := log.ParseCheckpoint(b, want.Origin, v)
		if err != nil || len(rest) > 0 || c.Size != uint64(want.Size) || !bytes.Equal(c.Hash, want.Root[:]) {
			t.Errorf("another parser reads %v, %q, %v", c, rest, err)
		}
	}
	for _, size := range []int64{-1, 0, maxSize} {
		if _, err := s.Sign(size, tlog.Hash{1}); err == nil {
			t.Errorf("size %d was signed", size)
		}
	}
}

// No byte of a checkpoint can be changed.
func TestCheckpointMutation(t *testing.T) {
	s := testSigner(t)
	good, err := s.Sign(123, tlog.Hash{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		for x := 1; x < 256; x++ {
			b := append([]byte(nil), good...)
			b[i] ^= byte(x)
			if c, err := Open(b, s.VerifierKey()); err == nil {
				t.Fatalf("byte %d %q -> %q: accepted as %v", i, good[i], b[i], c)
			}
		}
		if _, err := Open(good[:i], s.VerifierKey()); err == nil {
			t.Fatalf("the first %d bytes: accepted", i)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	s, other := testSigner(t), testSigner(t) // of the same name
	root := base64.StdEncoding.EncodeToString(make([]byte, 32))
	sign := func(text string, signers ...*Signer) []byte {
		n := &note.Note{Text: text}
		keys := []note.Signer{}
		for _, s := range signers {
			keys = append(keys, s.key)
		}
		b, err := note.Sign(n, keys...)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	body := "exeunt/test\n5\n" + root + "\n"
	witnessed := sign(body, other, s)
	if _, err := Open(witnessed, s.VerifierKey()); err != nil {
		t.Errorf("a second signature: %v", err)
	}
	tests := map[string][]byte{
		"nothing":             nil,
		"another key":         sign(body, other),
		"extension line":      sign(body+"more\n", s),
		"another origin":      sign("exeunt/other\n5\n"+root+"\n", s),
		"leading zero":        sign("exeunt/test\n05\n"+root+"\n", s),
		"size too large":      sign("exeunt/test\n281474976710656\n"+root+"\n", s),
		"size beyond int64":   sign("exeunt/test\n18446744073709551615\n"+root+"\n", s),
		"negative size":       sign("exeunt/test\n-1\n"+root+"\n", s),
		"short hash":          sign("exeunt/test\n5\nAAAA\n", s),
		"hash, other bits":    sign("exeunt/test\n5\n"+strings.Replace(root, "A=", "B=", 1)+"\n", s),
		"empty, wrong hash":   sign("exeunt/test\n0\n"+root+"\n", s),
		"no origin":           sign("\n5\n"+root+"\n", s),
		"too few lines":       sign("exeunt/test\n5\n", s),
		"too large":           append(sign(body, s), "— a "+base64.StdEncoding.EncodeToString(make([]byte, maxNote))+"\n"...),
		"too many signatures": append(sign(body, s), bytes.Repeat([]byte("— a AAAAAAAA\n"), 101)...),
	}
	for name, b := range tests {
		if c, err := Open(b, s.VerifierKey()); err == nil {
			t.Errorf("%s: accepted as %v", name, c)
		}
	}
	for _, key := range []string{"", "exeunt/test", "exeunt/test+00000000+AAAA", s.VerifierKey() + "x"} {
		if _, err := Open(witnessed, key); err == nil {
			t.Errorf("verifier key %q: accepted", key)
		}
	}
}

func TestOrigin(t *testing.T) {
	if a, b := NewOrigin(), NewOrigin(); a == b || CheckOrigin(a) != nil || !strings.HasPrefix(a, "exeunt/") {
		t.Errorf("new origins %q, %q", a, b)
	}
	for _, o := range []string{"", "a b", "a+b", "a\nb", "a\u00a0b", "é", "\x00", strings.Repeat("x", 201)} {
		if CheckOrigin(o) == nil {
			t.Errorf("%q: accepted", o)
		}
		if _, _, err := NewKey(o); err == nil {
			t.Errorf("key for %q: made", o)
		}
	}
}

func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log.key")
	if _, err := LoadKey(path, "exeunt/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no file: %v", err)
	}
	s, err := LoadOrCreateKey(path, "exeunt/a")
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	pub, err := os.ReadFile(path + ".pub")
	if err != nil || string(pub) != s.VerifierKey()+"\n" {
		t.Fatalf("verifier key %q, %v", pub, err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("left behind: %v", files)
	}
	note, err := s.Sign(0, emptyRoot())
	if err != nil {
		t.Fatal(err)
	}

	// Again: the same key; and a lost verifier key comes back.
	if err := os.Remove(path + ".pub"); err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrCreateKey(path, "exeunt/a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(note, again.VerifierKey()); err != nil || again.VerifierKey() != s.VerifierKey() {
		t.Error("another key was loaded", err)
	}
	if b, err := os.ReadFile(path + ".pub"); err != nil || !bytes.Equal(b, pub) {
		t.Errorf("verifier key %q, %v", b, err)
	}

	refuse := func(what, path, origin string) {
		t.Helper()
		_, err := LoadOrCreateKey(path, origin)
		if err == nil {
			t.Errorf("%s: accepted", what)
		} else if secret, _ := os.ReadFile(path); len(secret) > 20 && strings.Contains(err.Error(), string(secret[len(secret)-20:])) {
			t.Errorf("%s: the error tells the key", what)
		}
	}
	refuse("another origin", path, "exeunt/b")
	refuse("no origin", filepath.Join(dir, "x"), "")
	refuse("no folder", filepath.Join(dir, "no", "x"), "exeunt/a")
	write := func(name, text string, mode fs.FileMode) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	secret, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refuse("readable by others", write("open", string(secret), 0o644), "exeunt/a")
	refuse("empty", write("empty", "", 0o600), "exeunt/a")
	refuse("half a key", write("half", string(secret[:len(secret)/2]), 0o600), "exeunt/a")
	refuse("verifier key", write("public", string(pub), 0o600), "exeunt/a")
	refuse("folder", dir, "exeunt/a")
	write("log.key.pub", testSigner(t).VerifierKey()+"\n", 0o644)
	refuse("verifier key of another", path, "exeunt/a")
}

// Of many that create the key at once, all get the same.
func TestKeyFileRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.key")
	var wg sync.WaitGroup
	keys := make([]string, 8)
	for i := range keys {
		wg.Go(func() {
			if s, err := LoadOrCreateKey(path, "exeunt/a"); err != nil {
				t.Error(err)
			} else {
				keys[i] = s.VerifierKey()
			}
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k != keys[0] {
			t.Errorf("two keys: %s, %s", k, keys[0])
		}
	}
}

// A base64 seed may contain a plus; the key is cut into its parts nonetheless.
func TestSignerOfAnySeed(t *testing.T) {
	for i := range 64 {
		seed := bytes.Repeat([]byte{byte(i) | 0xf8, byte(i) * 4, 0xef}, 11)[:ed25519.SeedSize]
		secret, verifier, err := note.GenerateKey(bytes.NewReader(seed), "exeunt/a")
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewSigner(secret)
		if err != nil || s.VerifierKey() != verifier {
			t.Fatalf("%v, %v", s, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	s := testSigner(f)
	good, err := s.Sign(3, tlog.Hash{1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, s.VerifierKey())
	f.Add([]byte("exeunt/test\n0\n\n— a AAAAAAAA\n"), "a+00000000+AAAA")
	f.Add([]byte("\n\n"), "exeunt/test")
	f.Fuzz(func(t *testing.T, b []byte, key string) {
		c, err := Open(b, key)
		if err != nil {
			return
		}
		if CheckOrigin(c.Origin) != nil || c.Size < 0 || c.Size >= maxSize || !bytes.HasPrefix(b, []byte(c.text()+"\n")) {
			t.Errorf("opened as %v", c)
		}
	})
}
