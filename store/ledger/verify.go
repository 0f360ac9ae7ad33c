package ledger

import (
	"errors"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Source is a stored log, as of one moment: what is appended while it is read
// is not seen. An error means that it could not be read; what is not there is
// just not returned.
type Source interface {
	// Size is the number of events in the tree.
	Size() (int64, error)
	// Leaves returns the leaves from position from on, at most limit; nil stands for
	// one that was pruned, of which only the hash is left.
	Leaves(from int64, limit int) ([][]byte, error)
	// Hashes returns the stored hashes from index from on, at most limit; see
	// tlog.StoredHashIndex.
	Hashes(from int64, limit int) ([]tlog.Hash, error)
	// Checkpoints returns signed checkpoints of sizes greater than after,
	// ascending, at most limit; -1 asks for all from the first.
	Checkpoints(after int64, limit int) ([][]byte, error)
}

// Options is what the auditor brings along. Neither key nor checkpoint should
// come from where the log is kept: they would prove little.
type Options struct {
	VerifierKey string // of the log; see [Signer.VerifierKey]. Required
	Held        []byte // a signed checkpoint kept elsewhere; nil if there is none
	DistinctIDs bool   // compare event ids too; takes 16 bytes of memory per event
	Policy      Policy // whose cosignatures a checkpoint of an export needs to be returned
}

// readLimit is how many leaves or checkpoints are read at a time. Only they
// are in memory.
const readLimit = 512

// Verify recomputes everything from the stored leaves and compares it with the
// stored hashes, with every signed checkpoint, and with the one that was kept
// elsewhere. The error is an [*EvidenceError] if the log is not what it should
// be, else an [*InputError]; in both cases nothing is proven, and the Report is
// empty. What success means, and what not, the Report says.
func Verify(src Source, opt Options) (Report, error) {
	v, err := begin(src, opt)
	if err != nil {
		return Report{}, err
	}
	if err := v.compare(); err != nil { // the empty tree
		return Report{}, err
	}
	for v.tree.Size() < v.size {
		if err := v.batch(); err != nil {
			return Report{}, err
		}
	}
	if err := v.end(); err != nil {
		return Report{}, err
	}
	v.report.Size, v.report.Root = v.size, v.tree.Root()
	return v.report, nil
}

// verification is one run: the tree so far, and the checkpoints it will pass.
type verification struct {
	src    Source
	key    note.Verifier
	size   int64
	tree   Frontier
	hashes []tlog.Hash             // of the batch
	held   *Checkpoint             // nil if none was given
	next   *Checkpoint             // the next stored one; nil after the last
	page   [][]byte                // those after it, as far as read
	told   int64                   // how many leaves the log says were pruned
	each   func(leaf []byte) error // told of each leaf of an export; nil for nobody
	ids    [][16]byte              // nil unless they are to be compared
	report Report
}

func begin(src Source, opt Options) (*verification, error) {
	v := &verification{src: src}
	var err error
	if v.key, err = newVerifier(opt.VerifierKey); err != nil {
		return nil, &InputError{err}
	}
	v.report = Report{Origin: v.key.Name(), DistinctIDs: opt.DistinctIDs}
	if v.size, err = src.Size(); err != nil {
		return nil, &InputError{err}
	}
	if v.size < 0 || v.size >= maxSize {
		return nil, input("ledger: %d is no size of a log", v.size)
	}
	if opt.Held != nil {
		c, err := open(opt.Held, v.key)
		if err != nil {
			return nil, input("checkpoint kept elsewhere: %w", err)
		}
		if c.Size > v.size {
			return nil, evidence(FaultRollback, v.size,
				"the log has %d events, but the checkpoint kept elsewhere says it once had %d", v.size, c.Size)
		}
		v.held = &c
	}
	if opt.DistinctIDs {
		v.ids = [][16]byte{}
	}
	return v, v.advance(-1)
}

// advance makes the stored checkpoint after that of the given size the next.
func (v *verification) advance(after int64) error {
	v.next = nil
	if len(v.page) == 0 {
		var err error
		if v.page, err = v.src.Checkpoints(after, readLimit); err != nil {
			return &InputError{err}
		}
	}
	if len(v.page) == 0 {
		return nil
	}
	c, err := open(v.page[0], v.key)
	switch {
	case err != nil:
		return evidence(FaultSignature, after, "the checkpoint stored after that of %d events is bad: %v", max(after, 0), err)
	case c.Size <= after:
		return evidence(FaultSignature, after, "the checkpoint stored after that of %d events says %d", after, c.Size)
	case c.Size > v.size:
		return evidence(FaultMissing, v.size, "a checkpoint was signed for %d events, but the log has %d", c.Size, v.size)
	}
	v.next, v.page = &c, v.page[1:]
	return nil
}

// batch reads some leaves, adds them to the tree, and compares the hashes.
func (v *verification) batch() error {
	from := v.tree.Size()
	limit := int(min(v.size-from, readLimit))
	leaves, err := v.src.Leaves(from, limit)
	switch {
	case err != nil:
		return &InputError{err}
	case len(leaves) > limit:
		return input("ledger: %d leaves were read where %d were asked for", len(leaves), limit)
	case len(leaves) == 0:
		return evidence(FaultMissing, from, "event %d is missing", from)
	}
	v.hashes = v.hashes[:0]
	for _, leaf := range leaves {
		if leaf == nil {
			err = v.prunedLeaf()
		} else {
			err = v.leaf(leaf)
		}
		if err != nil {
			return err
		}
		if err := v.compare(); err != nil {
			return err
		}
	}
	return v.compareHashes(tlog.StoredHashCount(from))
}

// prunedLeaf adds a leaf to the tree of which only the hash is left. That it is the
// right one the checkpoints say, and that it was pruned an event that is left.
func (v *verification) prunedLeaf() error {
	seq := v.tree.Size()
	hashes, err := v.src.Hashes(tlog.StoredHashIndex(0, seq), 1)
	if err != nil {
		return &InputError{err}
	}
	if len(hashes) == 0 {
		return evidence(FaultMissing, seq, "event %d is missing, and its hash too", seq)
	}
	return v.prune(hashes[0])
}

func (v *verification) prune(h tlog.Hash) error {
	if seq := v.tree.Size(); seq != v.report.Pruned {
		return evidence(FaultMissing, seq, "event %d is missing", seq)
	}
	v.report.Pruned++
	v.hashes = v.tree.AppendHash(v.hashes, h)
	return nil
}

// accounted makes sure that an event of the log says that what is missing was to be
// pruned. Whoever was cut short in it may have left more than that.
func (v *verification) accounted() error {
	if v.report.Pruned > v.told {
		return evidence(FaultMissing, 0, "events 0 to %d are missing, and the log does not say that they were pruned", v.report.Pruned-1)
	}
	return nil
}

// compareHashes compares the stored hashes from index first on with those of
// the batch.
func (v *verification) compareHashes(first int64) error {
	stored, err := v.src.Hashes(first, len(v.hashes))
	if err != nil {
		return &InputError{err}
	}
	for i, h := range v.hashes {
		level, n := tlog.SplitStoredHashIndex(first + int64(i))
		at := n << level
		if i >= len(stored) {
			return evidence(FaultMissing, at, "the stored hash of level %d that begins at event %d is missing", level, at)
		}
		if stored[i] != h {
			return evidence(FaultHash, at, "the stored hash of level %d that begins at event %d is not that of the stored events", level, at)
		}
	}
	v.report.Hashes += int64(len(v.hashes))
	return nil
}

// compare compares the tree with the checkpoints of its size, if there are any.
func (v *verification) compare() error {
	n := v.tree.Size()
	if v.held != nil && v.held.Size == n {
		if v.tree.Root() != v.held.Root {
			return evidence(FaultFork, n, "the first %d events are not those of the checkpoint kept elsewhere", n)
		}
		v.report.Anchored, v.report.Signed = n, n // it is signed by the same key
	}
	if v.next == nil || v.next.Size != n {
		return nil
	}
	if v.tree.Root() != v.next.Root {
		return evidence(FaultRoot, n, "the first %d events are not those that were signed", n)
	}
	v.report.Checkpoints++
	v.report.Signed = n
	return v.advance(n)
}

// end sees to it that nothing stands after the end, and that something was
// signed at all.
func (v *verification) end() error {
	leaves, err1 := v.src.Leaves(v.size, 1)
	hashes, err2 := v.src.Hashes(tlog.StoredHashCount(v.size), 1)
	if err := errors.Join(err1, err2); err != nil {
		return &InputError{err}
	}
	if len(leaves) > 0 || len(hashes) > 0 {
		return evidence(FaultSurplus, v.size, "there is more after the last of %d events", v.size)
	}
	if v.size > 0 && v.report.Signed == 0 {
		return evidence(FaultUnsigned, v.size, "there are %d events, and no checkpoint signs any of them", v.size)
	}
	if err := v.accounted(); err != nil {
		return err
	}
	return v.distinct()
}
