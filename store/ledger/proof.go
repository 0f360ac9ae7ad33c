package ledger

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Inclusion proves that leaf number seq is in the tree of the first size
// leaves (RFC 6962, section 2.1.1). It is at most log2(size) hashes.
func Inclusion(size, seq int64, r tlog.HashReader) (tlog.RecordProof, error) {
	if size >= maxSize {
		return nil, fmt.Errorf("ledger: %d is no size of a log", size)
	}
	return tlog.ProveRecord(size, seq, r)
}

// CheckInclusion says whether p proves that leaf, at the position that stands
// in it, is in the tree of c. Whoever asks has got c from [Open].
func CheckInclusion(c Checkpoint, leaf []byte, p tlog.RecordProof) error {
	l, err := ParseLeaf(leaf)
	if err != nil {
		return err
	}
	if c.Size >= maxSize || int64(l.Seq) >= c.Size {
		return fmt.Errorf("ledger: event %d is not in a log of %d", l.Seq, c.Size)
	}
	return tlog.CheckRecord(p, c.Size, c.Root, int64(l.Seq), tlog.RecordHash(leaf))
}

// Consistency proves that the tree of the first size leaves begins with the
// tree of the first old leaves (RFC 6962, section 2.1.2). Every tree begins
// with the empty one, which needs no hashes to prove.
func Consistency(size, old int64, r tlog.HashReader) (tlog.TreeProof, error) {
	switch {
	case size < 0 || size >= maxSize || old < 0 || old > size:
		return nil, fmt.Errorf("ledger: a log of %d does not begin with one of %d", size, old)
	case old == 0:
		return tlog.TreeProof{}, nil
	}
	return tlog.ProveTree(size, old, r)
}

// CheckConsistency says whether p proves that the log of c begins with that of
// old: that nothing was removed or changed since.
func CheckConsistency(c, old Checkpoint, p tlog.TreeProof) error {
	switch {
	case c.Origin != old.Origin:
		return errors.New("ledger: checkpoints of two logs")
	case c.Size >= maxSize || old.Size < 0 || old.Size > c.Size:
		return fmt.Errorf("ledger: a log of %d does not begin with one of %d", c.Size, old.Size)
	case old.Size == 0:
		if len(p) != 0 || old.Root != emptyRoot() {
			return errors.New("ledger: wrong proof for the empty log")
		}
		return nil
	}
	return tlog.CheckTree(p, c.Size, c.Root, old.Size, old.Root)
}
