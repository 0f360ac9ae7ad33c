package ledger

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Append returns the hashes to store when leaf becomes number size of the
// tree; the first is stored at tlog.StoredHashIndex(0, size), and the others
// behind it. It reads up to log2(size) hashes; for more than one leaf
// [Frontier] needs fewer.
func Append(size int64, leaf []byte, r tlog.HashReader) ([]tlog.Hash, error) {
	if size < 0 || size >= maxSize {
		return nil, fmt.Errorf("ledger: %d is no size of a log", size)
	}
	return tlog.StoredHashes(size, leaf, r)
}

// Frontier is the right edge of a tree: the roots of the perfect subtrees that
// later leaves are joined to. It is all that appending needs of the tree, in
// constant memory. The zero value is that of the empty tree; a copy is
// independent of its original.
type Frontier struct {
	size int64
	edge [64]tlog.Hash // by level, valid where size has a bit, else zero
}

// ReadFrontier reads the frontier of the first size leaves, in one call of at
// most log2(size)+1 hashes.
func ReadFrontier(size int64, r tlog.HashReader) (Frontier, error) {
	if size < 0 || size >= maxSize {
		return Frontier{}, fmt.Errorf("ledger: %d is no size of a log", size)
	}
	f := Frontier{size: size}
	var indexes []int64 // ascending: the largest subtree stands first
	var levels []int
	for l := bits.Len64(uint64(size)) - 1; l >= 0; l-- {
		if size>>l&1 == 1 {
			indexes = append(indexes, tlog.StoredHashIndex(l, size>>l-1))
			levels = append(levels, l)
		}
	}
	if len(indexes) == 0 {
		return f, nil
	}
	hashes, err := r.ReadHashes(indexes)
	if err != nil {
		return Frontier{}, err
	}
	if len(hashes) != len(indexes) {
		return Frontier{}, errors.New("ledger: hashes of the tree are missing")
	}
	for i, l := range levels {
		f.edge[l] = hashes[i]
	}
	return f, nil
}

// Size is the number of leaves.
func (f *Frontier) Size() int64 { return f.size }

// Append adds a leaf. It appends to dst the hashes to store, which follow
// those of the leaves before without a gap: the first of all stands at
// tlog.StoredHashCount of the size before.
func (f *Frontier) Append(dst []tlog.Hash, leaf []byte) []tlog.Hash {
	return f.AppendHash(dst, tlog.RecordHash(leaf))
}

// AppendHash is [Frontier.Append] for a leaf of which only the hash is left.
func (f *Frontier) AppendHash(dst []tlog.Hash, h tlog.Hash) []tlog.Hash {
	dst = append(dst, h)
	l := 0
	for ; f.size>>l&1 == 1; l++ {
		h = tlog.NodeHash(f.edge[l], h)
		dst = append(dst, h)
		f.edge[l] = tlog.Hash{} // so that equal frontiers are ==
	}
	f.edge[l] = h
	f.size++
	return dst
}

// Root is the RFC 6962 hash of the tree.
func (f *Frontier) Root() tlog.Hash {
	if f.size == 0 {
		return emptyRoot()
	}
	l := bits.TrailingZeros64(uint64(f.size))
	h := f.edge[l]
	for l++; l < bits.Len64(uint64(f.size)); l++ {
		if f.size>>l&1 == 1 {
			h = tlog.NodeHash(f.edge[l], h)
		}
	}
	return h
}

// emptyRoot is the hash of the tree without leaves: SHA-256 of nothing.
func emptyRoot() tlog.Hash {
	h, _ := tlog.TreeHash(0, nil) // reads nothing, so cannot fail
	return h
}
