package ledger

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// A span is every leaf from one position up to, but not including, another. Its
// proof is the hashes of the subtrees beside it, from left to right, at most
// about two for each level of the tree: with them and the leaves the root can
// be computed, so none of the leaves between can be missing or changed.

// ProveSpan proves the leaves from up to to of a log of size leaves.
func ProveSpan(size, from, to int64, r tlog.HashReader) ([]tlog.Hash, error) {
	if from < 0 || from >= to || to > size || size >= maxSize {
		return nil, fmt.Errorf("ledger: a log of %d has no events %d to %d", size, from, to)
	}
	var indexes []int64
	if _, err := span(0, size, from, to, func(level int, n int64) (tlog.Hash, error) {
		indexes = append(indexes, tlog.StoredHashIndex(level, n))
		return tlog.Hash{}, nil
	}, func() (tlog.Hash, error) { return tlog.Hash{}, nil }); err != nil {
		return nil, err
	}
	if len(indexes) == 0 {
		return nil, nil // all leaves
	}
	hashes, err := r.ReadHashes(indexes)
	if err == nil && len(hashes) != len(indexes) {
		err = errors.New("ledger: hashes of the tree are missing")
	}
	return hashes, err
}

// CheckSpan says whether the leaves that next hands out, one by one, are all of
// those from up to to in the log of c, in their order. It needs memory for one
// leaf only, and hands each on to nobody: next sees them before they are proven.
// An error of next is returned as it is.
func CheckSpan(c Checkpoint, from, to int64, proof []tlog.Hash, next func() (leaf []byte, err error)) error {
	if from < 0 || from >= to || to > c.Size || c.Size >= maxSize {
		return fmt.Errorf("ledger: a log of %d has no events %d to %d", c.Size, from, to)
	}
	at := from
	root, err := span(0, c.Size, from, to, func(int, int64) (h tlog.Hash, err error) {
		if len(proof) == 0 {
			return h, errors.New("ledger: the proof ends too early")
		}
		h, proof = proof[0], proof[1:]
		return h, nil
	}, func() (tlog.Hash, error) {
		leaf, err := next()
		if err != nil {
			return tlog.Hash{}, err
		}
		l, err := ParseLeaf(leaf)
		if err != nil {
			return tlog.Hash{}, err
		}
		if int64(l.Seq) != at {
			return tlog.Hash{}, fmt.Errorf("ledger: where event %d belongs stands event %d", at, l.Seq)
		}
		at++
		return tlog.RecordHash(leaf), nil
	})
	switch {
	case err != nil:
		return err
	case len(proof) > 0:
		return errors.New("ledger: the proof has hashes left over")
	case root != c.Root:
		return fmt.Errorf("ledger: events %d to %d are not those of the log", from, to-1)
	}
	return nil
}

// span computes the hash of the subtree of leaves lo up to hi. Perfect subtrees
// beside from and to are asked for by level and number there, and leaves within
// one by one, all from left to right.
func span(lo, hi, from, to int64, beside func(level int, n int64) (tlog.Hash, error), within func() (tlog.Hash, error)) (tlog.Hash, error) {
	width := hi - lo
	switch outside := hi <= from || lo >= to; {
	case outside && width&(width-1) == 0:
		level := bits.TrailingZeros64(uint64(width))
		return beside(level, lo>>level)
	case width == 1:
		return within()
	}
	middle := lo + 1<<(bits.Len64(uint64(width-1))-1)
	left, err := span(lo, middle, from, to, beside, within)
	if err != nil {
		return tlog.Hash{}, err
	}
	right, err := span(middle, hi, from, to, beside, within)
	return tlog.NodeHash(left, right), err
}
