package ledger

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	cosign "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func testCosigner(t testing.TB, name string) *Cosigner {
	t.Helper()
	secret, _, err := NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewCosigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Every group of the example in the specification, with every set of witnesses.
func TestPolicyIsMet(t *testing.T) {
	s := testSigner(t)
	signed, err := s.Sign(0, emptyRoot())
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	var lines [6][]byte
	for i, name := range []string{"X1", "X2", "X3", "Y1", "Y2", "Y3"} {
		c := testCosigner(t, "w.example/"+name)
		fmt.Fprintf(&text, "witness %s %s https://%s.example\n", name, c.VerifierKey(), name)
		if lines[i], err = c.Cosign(signed); err != nil {
			t.Fatal(err)
		}
	}
	text.WriteString("# two of one house and one of another\ngroup X 2 X1 X2 X3\n\tgroup Y any Y1 Y2 Y3\ngroup both all X Y\n\nquorum both\nlog " + s.VerifierKey() + " https://log.example")
	p, err := ParsePolicy([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Logs) != 1 || len(p.Witnesses) != 6 || p.Witnesses[3].URL != "https://Y1.example" || !p.Needed() {
		t.Errorf("read %+v", p)
	}
	for set := range 1 << 6 {
		n, x, y := signed, 0, 0
		for i := range lines {
			if set>>i&1 == 1 {
				n = Cosign(n, lines[i])
				if i < 3 {
					x++
				} else {
					y++
				}
			}
		}
		if got := p.Met(n); got != (x >= 2 && y >= 1) {
			t.Errorf("%06b: %v", set, got)
		}
		if _, err := Open(n, s.VerifierKey()); err != nil {
			t.Errorf("cosigned, it is no checkpoint any more: %v", err)
		}
	}
	other, _ := testSigner(t).Sign(1, tlog.RecordHash(nil))
	if p.Met(Cosign(other, lines[:]...)) {
		t.Error("cosignatures of another checkpoint count")
	}
	if none, err := ParsePolicy([]byte("quorum none\n")); err != nil || none.Needed() || !none.Met(signed) {
		t.Errorf("quorum none: %v", err)
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	w, v := testCosigner(t, "w"), testCosigner(t, "v")
	a, b := "witness A "+w.VerifierKey()+"\n", "witness B "+v.VerifierKey()+"\n"
	secret, logKey, _ := NewKey("w")
	twice, err := NewCosigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":                    "",
		"no quorum":                a,
		"two quorums":              a + "quorum A\nquorum A\n",
		"quorum below":             "quorum A\n" + a,
		"unknown word":             a + "witnesses A\nquorum A\n",
		"a name twice":             a + "witness A " + v.VerifierKey() + "\nquorum A\n",
		"a key twice":              a + "witness B " + w.VerifierKey() + "\nquorum A\n",
		"a key of log and witness": "log " + logKey + "\nwitness A " + twice.VerifierKey() + "\nquorum none\n",
		"the key of a log":         "witness A " + logKey + "\nquorum A\n",
		"a broken key":             "witness A " + w.VerifierKey()[:20] + "\nquorum A\n",
		"none as a name":           "witness none " + w.VerifierKey() + "\nquorum none\n",
		"none as a member":         a + "group G any A none\nquorum G\n",
		"an empty group":           "group G any\nquorum G\n",
		"more than there are":      a + "group G 2 A\nquorum G\n",
		"none of them":             a + "group G 0 A\nquorum G\n",
		"another number":           a + "group G 01 A\nquorum G\n",
		"a member twice":           a + b + "group G 2 A A B\nquorum G\n",
		"a member of two":          a + b + "group G any A\ngroup H any A B\ngroup I all G H\nquorum I\n",
		"a group in itself":        a + "group G any A G\nquorum G\n",
		"no address":               "witness A " + w.VerifierKey() + " ftp://x\nquorum A\n",
		"a control character":      a + "quorum A\r\n",
		"more words":               a + "quorum A B\n",
	} {
		if _, err := ParsePolicy([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Both kinds of cosignature, made by another implementation, and what is none.
func TestCosignature(t *testing.T) {
	s := testSigner(t)
	signed, err := s.Sign(0, emptyRoot())
	if err != nil {
		t.Fatal(err)
	}
	w := testCosigner(t, "w.example")
	skey, mldsa, err := cosign.GenerateMLDSAKey("m.example")
	if err != nil {
		t.Fatal(err)
	}
	m, err := cosign.NewMLDSASigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := bytes.Cut(signed, []byte("\n\n"))
	both, err := note.Sign(&note.Note{Text: string(text) + "\n"}, m, w.Signer)
	if err != nil {
		t.Fatal(err)
	}
	lines := both[len(text)+2:]
	for name, key := range map[string]string{"Ed25519": w.VerifierKey(), "ML-DSA-44": mldsa} {
		line, at, err := Cosignature(signed, lines, key)
		if err != nil || time.Since(at) > time.Minute || !bytes.Contains(lines, line) || bytes.Count(line, []byte("\n")) != 1 {
			t.Errorf("%s: %q, %v, %v", name, line, at, err)
		}
		for i := range line {
			broken := bytes.Clone(line)
			broken[i] ^= 1
			if got, _, err := Cosignature(signed, broken, key); err == nil {
				t.Fatalf("%s: with byte %d changed it is %q", name, i, got)
			}
		}
	}
	for name, answer := range map[string]string{"": "", "no line": "200 OK", "another's": string(lines[:bytes.IndexByte(lines, '\n')+1]), "too much": strings.Repeat(string(lines), 100)} {
		if _, _, err := Cosignature(signed, []byte(answer), w.VerifierKey()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzPolicy(f *testing.F) {
	w := testCosigner(f, "w")
	f.Add("witness A " + w.VerifierKey() + " https://x\ngroup G 1 A\nquorum G\n")
	f.Add("log x+01020304+AQ==\nquorum none\n")
	f.Add("witness A a+b\ngroup")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePolicy([]byte(text))
		if err == nil && p.Needed() && p.Met([]byte("x")) {
			t.Error("met by nobody")
		}
	})
}
