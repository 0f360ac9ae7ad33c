package ledger

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// Every span of every small tree is proven, and no other leaves are in its
// place: one left out at an end or in between, one changed, one too many.
func TestSpan(t *testing.T) {
	const most = 20
	hand := func(leaves [][]byte) func() ([]byte, error) {
		return func() ([]byte, error) {
			if len(leaves) == 0 {
				return nil, errors.New("there are no more")
			}
			leaf := leaves[0]
			leaves = leaves[1:]
			return leaf, nil
		}
	}
	log := newMemory(t, most)
	for size := int64(1); size <= most; size++ {
		tree, err := ReadFrontier(size, log)
		if err != nil {
			t.Fatal(err)
		}
		c := Checkpoint{Origin: "exeunt/test", Size: size, Root: tree.Root()}
		for from := int64(0); from < size; from++ {
			for to := from + 1; to <= size; to++ {
				proof, err := ProveSpan(size, from, to, log)
				if err != nil {
					t.Fatal(err)
				}
				if proof, err = ParseSpanProof(proof.Marshal()); err != nil {
					t.Fatal(err)
				}
				leaves := log.leaves[from:to]
				if err := CheckSpan(c, proof, hand(leaves)); err != nil {
					t.Fatalf("%d to %d of %d: %v", from, to, size, err)
				}
				bad := map[string]error{}
				if to < size {
					bad["as if it ended later"] = CheckSpan(c, SpanProof{from, to + 1, proof.Hashes}, hand(log.leaves[from:to+1]))
				}
				if to-from > 1 {
					bad["without the last"] = CheckSpan(c, SpanProof{from, to - 1, proof.Hashes}, hand(leaves[:len(leaves)-1]))
					bad["without the first"] = CheckSpan(c, SpanProof{from + 1, to, proof.Hashes}, hand(leaves[1:]))
					gap := append(slices.Clone(leaves[:1]), leaves[2:]...)
					bad["without one between"] = CheckSpan(c, proof, hand(gap))
				}
				changed := slices.Clone(leaves)
				changed[0] = slices.Clone(changed[0])
				changed[0][len(leafVersion)+8+7] ^= 1 // its time
				bad["with one changed"] = CheckSpan(c, proof, hand(changed))
				bad["with another hash"] = CheckSpan(c, SpanProof{from, to, append(slices.Clone(proof.Hashes), tlog.Hash{})}, hand(leaves))
				if len(proof.Hashes) > 0 {
					bad["with fewer hashes"] = CheckSpan(c, SpanProof{from, to, proof.Hashes[1:]}, hand(leaves))
					other := slices.Clone(proof.Hashes)
					other[len(other)-1][3] ^= 1
					bad["with a changed hash"] = CheckSpan(c, SpanProof{from, to, other}, hand(leaves))
				}
				for how, err := range bad {
					if err == nil {
						t.Errorf("%d to %d of %d is accepted %s", from, to, size, how)
					}
				}
			}
		}
	}
	// A leaf that says it stands elsewhere is refused, although it was signed there.
	log.leaves[4] = Leaf(5, testBody(t, 4))
	log.rebuild()
	proof, err := ProveSpan(most, 3, 6, log)
	if err != nil {
		t.Fatal(err)
	}
	if CheckSpan(Checkpoint{Size: most, Root: log.root(t, most)}, proof, hand(log.leaves[3:6])) == nil {
		t.Error("a leaf with another position is accepted")
	}
	for _, bad := range [][3]int64{{5, -1, 2}, {5, 2, 2}, {5, 3, 6}, {maxSize, 0, 1}} {
		if _, err := ProveSpan(bad[0], bad[1], bad[2], log); err == nil {
			t.Errorf("%v is proven", bad)
		}
		if CheckSpan(Checkpoint{Size: bad[0]}, SpanProof{From: bad[1], To: bad[2]}, hand(nil)) == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}

func FuzzParseSpanProof(f *testing.F) {
	f.Add([]byte("exeunt.span/v1\n0 7\n"))
	f.Add([]byte("exeunt.span/v1\n3 5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"))
	f.Add([]byte("exeunt.span/v1\n03 5\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParseSpanProof(text)
		if err == nil && string(p.Marshal()) != string(text) {
			t.Errorf("%q has another spelling", text)
		}
	})
}
