package anchor

import (
	"context"
	"fmt"

	"github.com/exeunt/exeunt/store/ledger"
)

// Checkpoint is a signed checkpoint of our log, and what it says.
type Checkpoint struct {
	ledger.Checkpoint
	Note []byte
}

func checkpoint(note []byte) (Checkpoint, error) {
	c, err := ledger.Read(note)
	return Checkpoint{c, note}, err
}

// Place is where checkpoints are kept. It is used by one goroutine at a time.
type Place interface {
	// Put has it keep a checkpoint. It may be repeated: the last answer may have
	// been lost. nil says that the place has it, as far as the place can say so;
	// a *Contradiction that it holds another history of this log.
	Put(ctx context.Context, c Checkpoint) error
}

// holder is a place that can say what it kept last of a log; nil: nothing.
type holder interface {
	Held(ctx context.Context, origin string) ([]byte, error)
}

// Contradiction says that somebody outside holds another history of this log.
// Either it was rewritten or set back, or they are mistaken; a person must look.
type Contradiction struct {
	why  string
	size int64 // that it holds, if that is more than there was here when it was asked
}

func (c *Contradiction) Error() string { return c.why }

func contradicts(format string, args ...any) error {
	return &Contradiction{why: fmt.Sprintf(format, args...)}
}

// compare says whether what a place holds can stand beside ours, as far as that
// can be seen without a proof.
func compare(held ledger.Checkpoint, ours Checkpoint) error {
	switch {
	case held.Origin != ours.Origin:
		return nil // of a log that was closed
	case held.Size > ours.Size:
		return &Contradiction{fmt.Sprintf("it holds a checkpoint of %d events, and here are %d", held.Size, ours.Size), held.Size}
	case held.Size == ours.Size && held.Root != ours.Root:
		return contradicts("it holds another history of %d events", held.Size)
	}
	return nil
}
