package ledger

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"
)

// The frontier stores what tlog stores, wherever a batch begins, and its root
// is that of tlog and of compact ranges.
func TestFrontier(t *testing.T) {
	const n = 300
	m := newMemory(t, n)
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	second := factory.NewEmptyRange(0)
	var one memory // leaf by leaf with Append
	var whole Frontier
	for size := int64(0); size <= n; size++ {
		f, err := ReadFrontier(size, m)
		if err != nil {
			t.Fatal(err)
		}
		if f != whole {
			t.Fatalf("size %d: the frontier read is not the one computed", size)
		}
		if f.Size() != size || f.Root() != m.root(t, size) {
			t.Fatalf("size %d: wrong root", size)
		}
		if size > 0 {
			h, err := second.GetRootHash(nil)
			if err != nil || f.Root() != tlog.Hash(h) {
				t.Fatalf("size %d: compact ranges say another root (%v)", size, err)
			}
		}
		if size == n {
			break
		}
		leaf := m.leaves[size]
		got := whole.Append(nil, leaf)
		want, err := Append(size, leaf, &one)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("size %d: other hashes than tlog's", size)
		}
		one.hashes = append(one.hashes, want...)
		if err := second.Append(rfc6962.DefaultHasher.HashLeaf(leaf), nil); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(one.hashes, m.hashes) {
		t.Error("hashes leaf by leaf differ from those of one batch")
	}
}

func TestTreeRefuses(t *testing.T) {
	short := tlog.HashReaderFunc(func([]int64) ([]tlog.Hash, error) { return nil, nil })
	for _, size := range []int64{-1, maxSize, 1<<63 - 1} {
		if _, err := ReadFrontier(size, short); err == nil {
			t.Errorf("frontier of %d: accepted", size)
		}
		if _, err := Append(size, nil, short); err == nil {
			t.Errorf("append to %d: accepted", size)
		}
		if _, err := Inclusion(size, 0, short); err == nil {
			t.Errorf("inclusion in %d: accepted", size)
		}
		if _, err := Consistency(size, 1, short); err == nil {
			t.Errorf("consistency of %d: accepted", size)
		}
		c := Checkpoint{Size: size}
		if CheckInclusion(c, goldenLeaf(t, "bare"), nil) == nil || CheckConsistency(c, Checkpoint{Size: 1}, nil) == nil {
			t.Errorf("proof for %d: accepted", size)
		}
	}
	if _, err := ReadFrontier(3, short); err == nil {
		t.Error("frontier without hashes: accepted")
	}
}

// Both proofs mean the same to the verifiers of tlog and of
// transparency-dev/merkle, also when they are wrong.
func TestProofsDifferential(t *testing.T) {
	const n = 700
	m := newMemory(t, n)
	rnd := rand.New(rand.NewPCG(1, 2))
	at := func(size int64) Checkpoint { return Checkpoint{"exeunt/test", size, m.root(t, size)} }
	for range 400 {
		size := 1 + rnd.Int64N(n)
		c, seq, old := at(size), rnd.Int64N(size), at(rnd.Int64N(size+1))

		in, err := Inclusion(size, seq, m)
		if err != nil {
			t.Fatal(err)
		}
		checkBoth(t, in, rnd, true, func(p []tlog.Hash) (error, error) {
			return CheckInclusion(c, m.leaves[seq], p), proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(seq), uint64(size),
				rfc6962.DefaultHasher.HashLeaf(m.leaves[seq]), raw(p), c.Root[:])
		})
		con, err := Consistency(size, old.Size, m)
		if err != nil {
			t.Fatal(err)
		}
		checkBoth(t, con, rnd, true, func(p []tlog.Hash) (error, error) {
			return CheckConsistency(c, old, p), proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(old.Size), uint64(size),
				raw(p), old.Root[:], c.Root[:])
		})

		// The right proof for something else is a wrong proof.
		if size < 2 {
			continue
		}
		fork := c
		fork.Root[rnd.IntN(32)] ^= 1
		other := (seq + 1) % size
		checkBoth(t, in, rnd, false, func(p []tlog.Hash) (error, error) {
			return CheckInclusion(c, m.leaves[other], p), proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(other), uint64(size),
				rfc6962.DefaultHasher.HashLeaf(m.leaves[other]), raw(p), c.Root[:])
		})
		if old.Size > 0 {
			checkBoth(t, con, rnd, false, func(p []tlog.Hash) (error, error) {
				return CheckConsistency(fork, old, p), proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(old.Size), uint64(size),
					raw(p), old.Root[:], fork.Root[:])
			})
		}
	}
}

// checkBoth runs p and mutations of p through two verifiers.
func checkBoth(t *testing.T, p []tlog.Hash, rnd *rand.Rand, good bool, check func([]tlog.Hash) (ours, theirs error)) {
	t.Helper()
	expect := func(what string, p []tlog.Hash, good bool) {
		t.Helper()
		ours, theirs := check(p)
		if (ours == nil) != good || (theirs == nil) != good {
			t.Fatalf("%s: want %v, got %v and %v", what, good, ours, theirs)
		}
	}
	expect("as proven", p, good)
	expect("one hash more", append(slices.Clone(p), tlog.Hash{1}), false)
	if len(p) == 0 {
		return
	}
	flipped := slices.Clone(p)
	flipped[rnd.IntN(len(p))][rnd.IntN(32)] ^= 1 << rnd.IntN(8)
	expect("one bit flipped", flipped, false)
	expect("last hash gone", p[:len(p)-1], false)
	expect("first hash gone", p[1:], false)
	if i := rnd.IntN(len(p)); len(p) > 1 && p[i] != p[(i+1)%len(p)] {
		swapped := slices.Clone(p)
		swapped[i], swapped[(i+1)%len(p)] = p[(i+1)%len(p)], p[i]
		expect("two hashes exchanged", swapped, false)
	}
}

func raw(p []tlog.Hash) [][]byte {
	out := make([][]byte, len(p))
	for i := range p {
		out[i] = p[i][:]
	}
	return out
}

func TestProofsRefuse(t *testing.T) {
	m := newMemory(t, 9)
	c, old := Checkpoint{"exeunt/a", 9, m.root(t, 9)}, Checkpoint{"exeunt/b", 5, m.root(t, 5)}
	p, err := Consistency(9, 5, m)
	if err != nil {
		t.Fatal(err)
	}
	if CheckConsistency(c, old, p) == nil {
		t.Error("checkpoints of two logs: accepted")
	}
	old.Origin = c.Origin
	if err := CheckConsistency(c, old, p); err != nil {
		t.Error(err)
	}
	if CheckConsistency(old, c, p) == nil {
		t.Error("a log that shrank: accepted")
	}
	if CheckConsistency(c, Checkpoint{Origin: c.Origin}, nil) == nil {
		t.Error("the empty log with a wrong root: accepted")
	}
	in, err := Inclusion(9, 3, m)
	if err != nil {
		t.Fatal(err)
	}
	body := m.leaves[3][leafHead:]
	if CheckInclusion(c, Leaf(4, body), in) == nil || CheckInclusion(c, Leaf(9, body), in) == nil {
		t.Error("an event at another position: accepted")
	}
}
