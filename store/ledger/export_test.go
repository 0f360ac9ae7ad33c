package ledger

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// exported is the export of a log of so many events with a checkpoint at each
// of the sizes.
func exported(t testing.TB, size int64, sizes ...int64) ([]byte, *Signer) {
	t.Helper()
	return export(t, newMemory(t, int(size)), sizes...)
}

func export(t testing.TB, m *memory, sizes ...int64) ([]byte, *Signer) {
	t.Helper()
	secret, _, err := NewKey("exeunt/export")
	if err != nil {
		t.Fatal(err)
	}
	key, err := NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range sizes {
		f, err := ReadFrontier(n, m)
		if err != nil {
			t.Fatal(err)
		}
		note, err := key.Sign(n, f.Root())
		if err != nil {
			t.Fatal(err)
		}
		m.notes = append(m.notes, signed{n, note})
	}
	var b bytes.Buffer
	if err := WriteExport(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), key
}

func TestExport(t *testing.T) {
	for _, c := range []struct {
		size   int64
		signed []int64
	}{{0, nil}, {1, []int64{1}}, {7, []int64{3, 7}}, {1300, []int64{1, 512, 513, 1200}}} {
		b, key := exported(t, c.size, c.signed...)
		r, last, err := VerifyExport(bytes.NewReader(b), Options{VerifierKey: key.VerifierKey(), DistinctIDs: true})
		if err != nil || r.Size != c.size || r.Checkpoints != len(c.signed) {
			t.Fatalf("%d: %+v, %v", c.size, r, err)
		}
		if len(c.signed) > 0 {
			want := c.signed[len(c.signed)-1]
			if got, err := Open(last, key.VerifierKey()); err != nil || got.Size != want || r.Signed != want {
				t.Errorf("%d: last %+v, signed %d, %v", c.size, got, r.Signed, err)
			}
		}
	}
}

// Every byte of an export matters: changed, or cut off behind it, it does not verify.
func TestExportEveryByte(t *testing.T) {
	b, key := exported(t, 5, 2, 5)
	opt := Options{VerifierKey: key.VerifierKey()}
	for i := range b {
		changed := bytes.Clone(b)
		changed[i] ^= 1
		if _, _, err := VerifyExport(bytes.NewReader(changed), opt); err == nil {
			t.Errorf("byte %d changed, and it verifies", i)
		}
		if _, _, err := VerifyExport(bytes.NewReader(b[:i]), opt); err == nil {
			t.Errorf("cut to %d bytes, and it verifies", i)
		}
	}
	if _, _, err := VerifyExport(strings.NewReader(string(b)+"x"), opt); err == nil {
		t.Error("something after the end, and it verifies")
	}
}

func TestExportHeld(t *testing.T) {
	m := newMemory(t, 30)
	shown := &memory{leaves: m.leaves[:20], hashes: m.hashes}
	b, key := export(t, shown, 10, 20)
	sign := func(size int64, flip byte) []byte {
		f, err := ReadFrontier(size, m)
		if err != nil {
			t.Fatal(err)
		}
		root := f.Root()
		root[0] ^= flip
		note, err := key.Sign(size, root)
		if err != nil {
			t.Fatal(err)
		}
		return note
	}
	for _, c := range []struct {
		name string
		held []byte
		want Fault
	}{{"earlier", sign(7, 0), ""}, {"the same", sign(20, 0), ""}, {"newer", sign(21, 0), FaultRollback}, {"another history", sign(7, 1), FaultFork}} {
		r, _, err := VerifyExport(bytes.NewReader(b), Options{VerifierKey: key.VerifierKey(), Held: c.held})
		var bad *EvidenceError
		if c.want == "" && (err != nil || r.Anchored == 0) || c.want != "" && (!errors.As(err, &bad) || bad.Fault != c.want) {
			t.Errorf("%s: %+v, %v", c.name, r, err)
		}
	}
	var bad *InputError
	if _, _, err := VerifyExport(bytes.NewReader(b), Options{VerifierKey: "nonsense"}); !errors.As(err, &bad) {
		t.Error(err)
	}
}

func FuzzExport(f *testing.F) {
	b, key := exported(f, 5, 2, 5)
	f.Add(b)
	f.Add([]byte(exportVersion + " 0\nE\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, x []byte) {
		r, _, err := VerifyExport(bytes.NewReader(x), Options{VerifierKey: key.VerifierKey()})
		if err == nil && r.Size > 0 && !bytes.Equal(x, b) {
			t.Error("something else verifies")
		}
	})
}
