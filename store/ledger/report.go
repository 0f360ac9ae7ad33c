package ledger

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Report is what [Verify] proved. It is worth what its fields say, no more;
// String says it in words.
type Report struct {
	Origin string
	Size   int64     // events: every leaf parses, stands where it says, and hashes to the stored tree
	Root   tlog.Hash // recomputed from the leaves
	Hashes int64     // stored hashes that were recomputed and agree; none in an export

	Pruned      int64      // the first so many, as an event says: only their hashes are left, and agree
	Continues   Checkpoint // of the log that ended, and that this one goes on from; the last if there were several
	Checkpoints int        // signed by the given key, each with the recomputed root at its size
	Signed      int64      // events under a signature; those from here to Size are not yet

	Anchored    int64 // events under the checkpoint kept elsewhere; 0 if there was none
	DistinctIDs bool  // event ids were compared, and no two are the same
}

// String is one sentence: what was proven, and what was not.
func (r Report) String() string {
	var b strings.Builder
	if r.Size == 0 {
		b.WriteString("The log is empty")
	} else {
		fmt.Fprintf(&b, "All %d events of %s agree with ", r.Size, r.Origin)
		if r.Hashes > 0 {
			fmt.Fprintf(&b, "%d stored hashes and ", r.Hashes)
		}
		b.WriteString(count(r.Checkpoints, "signed checkpoint"))
	}
	if r.Pruned > 0 {
		fmt.Fprintf(&b, "; events 0 to %d were pruned by policy, and only their hashes are still part of it", r.Pruned-1)
	}
	if c := r.Continues; c.Origin != "" {
		fmt.Fprintf(&b, "; it continues %s, which had %d events when it was closed, not all of which must be here", c.Origin, c.Size)
	}
	if r.DistinctIDs && r.Size > 0 {
		b.WriteString(", and no event id occurs twice")
	}
	if n := r.Size - r.Signed; n > 0 {
		fmt.Fprintf(&b, "; the last %s not signed yet and could still be changed unnoticed", isAre(n))
	}
	switch n := r.Size - r.Anchored; {
	case r.Anchored == 0:
		b.WriteString("; no checkpoint kept elsewhere was given, so it would not be noticed if whoever holds the signing key" +
			" had rewritten the log and signed it again, or if it had been set back to an earlier state")
	case n > 0:
		fmt.Fprintf(&b, "; the first %d are those of the checkpoint kept elsewhere, and the last %s newer than it", r.Anchored, isAre(n))
	default:
		b.WriteString("; they are those of the checkpoint kept elsewhere")
	}
	b.WriteString("; that everything that happened was logged, a log cannot prove.")
	return b.String()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// isAre agrees with "the last": "1 is", "7 are".
func isAre(n int64) string {
	if n == 1 {
		return "1 is"
	}
	return fmt.Sprintf("%d are", n)
}

// Fault says in what way evidence is bad.
type Fault string

const (
	FaultLeaf      Fault = "leaf"      // is not a leaf, or stands elsewhere than it says
	FaultDuplicate Fault = "duplicate" // two events have the same id
	FaultHash      Fault = "hash"      // a stored hash is not that of the leaves
	FaultRoot      Fault = "root"      // the leaves are not those that were signed
	FaultSignature Fault = "signature" // a stored checkpoint is malformed, or not signed by the key
	FaultUnsigned  Fault = "unsigned"  // there are events, and no checkpoint of any of them
	FaultMissing   Fault = "missing"   // a leaf or hash is gone, or more were signed than are there
	FaultSurplus   Fault = "surplus"   // leaves or hashes stand after the end
	FaultRollback  Fault = "rollback"  // shorter than the checkpoint kept elsewhere
	FaultFork      Fault = "fork"      // another history than the checkpoint kept elsewhere
)

// EvidenceError says that the log is not what was logged and signed.
type EvidenceError struct {
	Fault   Fault
	At      int64  // the event, or the size of the checkpoint, it was seen at
	Message string // one sentence, without personal data
}

func (e *EvidenceError) Error() string { return e.Message }

func evidence(f Fault, at int64, format string, args ...any) error {
	return &EvidenceError{f, at, fmt.Sprintf(format, args...)}
}

// InputError says that nothing can be said about the log: a key or checkpoint
// given to [Verify] is unusable, or the log could not be read.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }

func input(format string, args ...any) error {
	return &InputError{fmt.Errorf(format, args...)}
}
