package ledger

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// signedMemory is a log of 1000 events with checkpoints at 500 and 1000.
func signedMemory(t testing.TB) (*memory, *Signer, []byte) {
	t.Helper()
	m, s := newMemory(t, 1000), testSigner(t)
	m.sign(t, s, 500)
	return m, s, m.sign(t, s, 1000)
}

func TestVerify(t *testing.T) {
	m, s, held := signedMemory(t)
	got, err := Verify(m, Options{VerifierKey: s.VerifierKey(), Held: held, DistinctIDs: true})
	if err != nil {
		t.Fatal(err)
	}
	want := Report{Origin: "exeunt/test", Size: 1000, Root: m.root(t, 1000), Hashes: tlog.StoredHashCount(1000),
		Checkpoints: 2, Signed: 1000, Anchored: 1000, DistinctIDs: true}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Every size, with checkpoints at every size or here and there.
func TestVerifySizes(t *testing.T) {
	s := testSigner(t)
	for n := range 70 {
		m := newMemory(t, n)
		for size := int64(0); size <= int64(n); size++ {
			if n%2 == 0 || size%7 == 3 || size == int64(n) {
				m.sign(t, s, size)
			}
		}
		r, err := Verify(m, Options{VerifierKey: s.VerifierKey()})
		if err != nil {
			t.Fatalf("%d events: %v", n, err)
		}
		if r.Size != int64(n) || r.Signed != int64(n) || r.Checkpoints != len(m.notes) || r.Root != m.root(t, int64(n)) {
			t.Fatalf("%d events, %d checkpoints: %+v", n, len(m.notes), r)
		}
	}
}

// More checkpoints than are read at a time are all checked.
func TestVerifyManyCheckpoints(t *testing.T) {
	const n = readLimit + 90
	m, s := newMemory(t, n), testSigner(t)
	for size := int64(1); size <= n; size++ {
		m.sign(t, s, size)
	}
	r, err := Verify(m, Options{VerifierKey: s.VerifierKey()})
	if err != nil || r.Checkpoints != n {
		t.Fatalf("%d checkpoints, %v", r.Checkpoints, err)
	}
	m.notes[readLimit+50].note = m.notes[readLimit+49].note
	wantFault(t, m, Options{VerifierKey: s.VerifierKey()}, FaultSignature)
}

// wantFault verifies and expects bad evidence of a kind; "" expects success.
func wantFault(t *testing.T, m Source, opt Options, want Fault) Report {
	t.Helper()
	r, err := Verify(m, opt)
	var e *EvidenceError
	switch {
	case want == "" && err != nil:
		t.Errorf("not accepted: %v", err)
	case want != "" && (!errors.As(err, &e) || e.Fault != want):
		t.Errorf("got %v, want %s", err, want)
	case want != "" && r != Report{}:
		t.Errorf("bad evidence, and a report: %+v", r)
	}
	return r
}

// tamper changes the body of leaf i so that it still parses.
func tamper(m *memory, i int) {
	m.leaves[i][leafHead+7] ^= 1 // time, one microsecond
}

// What an attacker may do, and whether it is seen by an auditor who holds
// nothing but the verifier key, and by one who holds the last checkpoint too.
// Two attacks are accepted without it: that is the limit of any log that is
// not anchored elsewhere, and the report must say so.
func TestAttacks(t *testing.T) {
	log, signer, held := signedMemory(t)
	early := log.notes[0].note
	tests := []struct {
		name   string
		attack func(*memory)
		alone  Fault // holding nothing; "" is accepted
		held   Fault // holding the checkpoint of 1000 events
	}{
		{"nothing is changed", func(m *memory) {}, "", ""},
		{"edit a leaf", func(m *memory) { tamper(m, 700) }, FaultRoot, FaultFork},
		{"edit a leaf that ends a tree", func(m *memory) { tamper(m, 999) }, FaultRoot, FaultFork},
		{"edit and rebuild, without the key", func(m *memory) {
			tamper(m, 700)
			m.rebuild()
		}, FaultRoot, FaultFork},
		{"edit, rebuild and sign with another key", func(m *memory) {
			tamper(m, 700)
			m.rebuild()
			m.notes = nil
			m.sign(t, testSigner(t), 1000)
		}, FaultSignature, FaultSignature},
		{"cut the tail", func(m *memory) {
			m.leaves = m.leaves[:900]
			m.rebuild()
		}, FaultMissing, FaultRollback},
		{"roll back to the first checkpoint", func(m *memory) {
			m.leaves, m.notes = m.leaves[:500], m.notes[:1]
			m.rebuild()
		}, "", FaultRollback},
		{"insider with the key: edit, rebuild, sign again", func(m *memory) {
			tamper(m, 300)
			m.rebuild()
			m.notes = nil
			m.sign(t, signer, 500)
			m.sign(t, signer, 1000)
		}, "", FaultFork},
		{"insider: edit, and sign again only the last", func(m *memory) {
			tamper(m, 300)
			m.rebuild()
			m.notes = m.notes[:1]
			m.sign(t, signer, 1000)
		}, FaultRoot, FaultRoot},
		{"insider: roll back, and go on differently", func(m *memory) {
			m.leaves, m.notes = m.leaves[:500], m.notes[:1]
			for i := 500; i < 1200; i++ {
				m.leaves = append(m.leaves, Leaf(uint64(i), testBody(t, uint64(i)+5000)))
			}
			m.rebuild()
			m.sign(t, signer, 1200)
		}, "", FaultFork},
		{"drop all checkpoints, edit, rebuild", func(m *memory) {
			tamper(m, 300)
			m.rebuild()
			m.notes = nil
		}, FaultUnsigned, FaultFork},
		{"exchange two leaves", func(m *memory) {
			m.leaves[1], m.leaves[2] = m.leaves[2], m.leaves[1]
			m.rebuild()
		}, FaultLeaf, FaultLeaf},
		{"remove a leaf from the middle", func(m *memory) {
			m.leaves = append(m.leaves[:10:10], m.leaves[11:]...)
			m.notes = nil
		}, FaultLeaf, FaultRollback},
		{"break a leaf", func(m *memory) { m.leaves[10] = append(m.leaves[10], 0) }, FaultLeaf, FaultLeaf},
		{"change a stored hash", func(m *memory) { m.hashes[777][0] ^= 1 }, FaultHash, FaultHash},
		{"drop the last stored hash", func(m *memory) { m.hashes = m.hashes[:len(m.hashes)-1] }, FaultMissing, FaultMissing},
		{"a stored hash too many", func(m *memory) { m.hashes = append(m.hashes, tlog.Hash{}) }, FaultSurplus, FaultSurplus},
		{"break a checkpoint", func(m *memory) { m.notes[0].note = []byte("broken") }, FaultSignature, FaultSignature},
		{"show the first checkpoint as the last", func(m *memory) { m.notes[1].note = early }, FaultSignature, FaultSignature},
		{"log one event twice", func(m *memory) {
			m.leaves[999] = Leaf(999, m.leaves[998][leafHead:])
			m.rebuild()
			m.notes = m.notes[:1]
			m.sign(t, signer, 1000)
		}, FaultDuplicate, FaultFork},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := log.clone()
			tt.attack(m)
			opt := Options{VerifierKey: signer.VerifierKey(), DistinctIDs: true}
			r := wantFault(t, m, opt, tt.alone)
			if tt.alone == "" && (r.Anchored != 0 || !strings.Contains(r.String(), "would not be noticed")) {
				t.Errorf("the report claims too much: %s", r)
			}
			opt.Held = held
			r = wantFault(t, m, opt, tt.held)
			if tt.held == "" && (r.Anchored != 1000 || strings.Contains(r.String(), "noticed")) {
				t.Errorf("the report claims too little: %s", r)
			}
		})
	}
}

// What is not signed yet is not protected, and the report says where it begins.
func TestUnsignedTail(t *testing.T) {
	m, s, _ := signedMemory(t)
	m.notes = m.notes[:1]
	tamper(m, 700)
	m.rebuild()
	r := wantFault(t, m, Options{VerifierKey: s.VerifierKey()}, "")
	if r.Signed != 500 || !strings.Contains(r.String(), "the last 500 are not signed yet") {
		t.Errorf("signed %d: %s", r.Signed, r)
	}
}

// A checkpoint kept elsewhere proves the events up to it, also when no stored
// one is left.
func TestOldCheckpointHeld(t *testing.T) {
	m, s, _ := signedMemory(t)
	opt := Options{VerifierKey: s.VerifierKey(), Held: m.notes[0].note}
	if r := wantFault(t, m, opt, ""); r.Anchored != 500 || r.Signed != 1000 || r.Checkpoints != 2 {
		t.Errorf("%+v", r)
	}
	m.notes = nil
	if r := wantFault(t, m, opt, ""); r.Anchored != 500 || r.Signed != 500 || r.Checkpoints != 0 {
		t.Errorf("%+v", r)
	}
	tamper(m, 499)
	m.rebuild()
	wantFault(t, m, opt, FaultFork)
}

// Without comparing ids a repeated id is not seen, and not said to be.
func TestDistinctIDsIsAsked(t *testing.T) {
	m, s := newMemory(t, 2), testSigner(t)
	m.leaves[1] = Leaf(1, m.leaves[0][leafHead:])
	m.rebuild()
	m.sign(t, s, 2)
	if r := wantFault(t, m, Options{VerifierKey: s.VerifierKey()}, ""); r.DistinctIDs || strings.Contains(r.String(), "twice") {
		t.Errorf("the report claims too much: %s", r)
	}
	wantFault(t, m, Options{VerifierKey: s.VerifierKey(), DistinctIDs: true}, FaultDuplicate)
}

// lying is a source that breaks its promises.
type lying struct {
	*memory
	size   int64
	greedy bool
	broken error
}

func (l lying) Size() (int64, error) { return l.size, nil }
func (l lying) Leaves(from int64, limit int) ([][]byte, error) {
	if l.greedy {
		limit *= 2
	}
	leaves, _ := l.memory.Leaves(from, limit)
	return leaves, l.broken
}

func TestSourceThatLies(t *testing.T) {
	m, s, _ := signedMemory(t)
	opt := Options{VerifierKey: s.VerifierKey()}
	m.notes = m.notes[:1]
	wantFault(t, lying{memory: m, size: 1001}, opt, FaultMissing)
	wantFault(t, lying{memory: m, size: 999}, opt, FaultSurplus)
	wantFault(t, lying{memory: m, size: 499}, opt, FaultMissing)
	io := errors.New("the disk is gone")
	for _, src := range []lying{
		{memory: m, size: -1}, {memory: m, size: maxSize}, {memory: m, size: 1000, greedy: true},
		{memory: m, size: 1000, broken: io},
	} {
		_, err := Verify(src, opt)
		var e *InputError
		if !errors.As(err, &e) || src.broken != nil && !errors.Is(err, io) {
			t.Errorf("%+v: %v", src, err)
		}
	}
}

func TestInputErrors(t *testing.T) {
	m, s, held := signedMemory(t)
	foreign, err := testSigner(t).Sign(1000, m.root(t, 1000))
	if err != nil {
		t.Fatal(err)
	}
	for name, opt := range map[string]Options{
		"no key":                {Held: held},
		"broken key":            {VerifierKey: "exeunt/test+12345678+AAAA"},
		"empty checkpoint":      {VerifierKey: s.VerifierKey(), Held: []byte{}},
		"broken checkpoint":     {VerifierKey: s.VerifierKey(), Held: held[1:]},
		"checkpoint of another": {VerifierKey: s.VerifierKey(), Held: foreign},
	} {
		r, err := Verify(m, opt)
		var e *InputError
		if !errors.As(err, &e) || r != (Report{}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReportString(t *testing.T) {
	const alone = "; no checkpoint kept elsewhere was given, so it would not be noticed if whoever holds the signing key" +
		" had rewritten the log and signed it again, or if it had been set back to an earlier state"
	const limit = "; that everything that happened was logged, a log cannot prove."
	full := Report{Origin: "exeunt/a", Size: 9, Hashes: 16, Checkpoints: 1, Signed: 9, Anchored: 9}
	for want, r := range map[string]Report{
		"The log is empty" + alone + limit: {Origin: "exeunt/a"},
		"All 9 events of exeunt/a agree with 16 stored hashes and 1 signed checkpoint" +
			"; they are those of the checkpoint kept elsewhere" + limit: full,
		"All 9 events of exeunt/a agree with 16 stored hashes and 2 signed checkpoints, and no event id occurs twice" +
			"; the last 1 is not signed yet and could still be changed unnoticed" +
			"; the first 7 are those of the checkpoint kept elsewhere, and the last 2 are newer than it" + limit: {
			Origin: "exeunt/a", Size: 9, Hashes: 16, Checkpoints: 2, Signed: 8, Anchored: 7, DistinctIDs: true},
	} {
		if got := r.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
