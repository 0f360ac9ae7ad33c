package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
)

// ErrTampered says that the log is not what it was: it is not signed any more.
// A person must look; departures go on.
var ErrTampered = errors.New("the log is not what it was when it was last signed")

// Checkpoint signs the log as it is now and returns the signed note; if nothing
// is new, that is the last one. Before signing, everything since the last
// checkpoint is read back and recomputed, and the trees that were signed then,
// and that others are known to have kept, must be the beginning of this one;
// else the error is [ErrTampered], or the reason of a [Store.Doubt].
// Pending events are not in it; see [Store.Seal].
func (s *Store) Checkpoint(ctx context.Context) ([]byte, error) {
	key := s.opts.LogKey
	if key == nil {
		return nil, errors.New("store: there is no key to sign the log with")
	}
	s.signing.Lock()
	defer s.signing.Unlock()
	if err := s.doubt.Load(); err != nil {
		return nil, *err
	}
	var (
		note []byte
		tree ledger.Frontier
	)
	if err := s.engine.view(ctx, s, func(t *tx) (err error) {
		if !s.whole {
			if err := t.whole(); err != nil {
				return err
			}
		}
		if err = t.trusted(key); err == nil {
			note, tree, err = t.recompute(key)
		}
		return err
	}); err != nil {
		return nil, err
	}
	s.whole = true
	if note != nil {
		return note, nil
	}
	signed, err := key.Sign(tree.Size(), tree.Root())
	if err != nil {
		return nil, err
	}
	return signed, s.update(ctx, func(t *tx) error {
		if err := t.sealAlone(); err != nil {
			return err
		}
		// Another node may have signed this or a later tree meanwhile.
		last, _, err := t.lastCheckpoint()
		if err != nil || last >= tree.Size() {
			return err
		}
		_, err = t.do(`INSERT INTO log_checkpoint (size, note) VALUES ($1, $2)`, tree.Size(), signed)
		return err
	})
}

// Remember keeps a checkpoint that was signed before the log was set back, and that
// the log now goes on from. It is the last one from then on, unless there is a later.
func (s *Store) Remember(ctx context.Context, note []byte) error {
	return s.update(ctx, func(t *tx) error {
		if err := t.sealAlone(); err != nil {
			return err
		}
		if err := t.goesOn(s.opts.LogKey, note); err != nil {
			return t.failed(err)
		}
		c, err := ledger.Open(note, s.opts.LogKey.VerifierKey())
		if err != nil {
			return t.failed(err)
		}
		last, _, err := t.lastCheckpoint()
		if err != nil || last >= c.Size {
			return err
		}
		_, err = t.do(`INSERT INTO log_checkpoint (size, note) VALUES ($1, $2)`, c.Size, note)
		return err
	})
}

// LastCheckpoint returns the newest signed checkpoint, nil if there is none.
func (s *Store) LastCheckpoint(ctx context.Context) (note []byte, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		_, note, err = t.lastCheckpoint()
		return err
	})
	return note, err
}

func (t *tx) lastCheckpoint() (size int64, note []byte, err error) {
	err = t.get("checkpoint", `SELECT size, note FROM log_checkpoint ORDER BY size DESC LIMIT 1`, nil, &size, &note)
	if bridge.IsKind(err, bridge.KindNotFound) {
		return 0, nil, nil
	}
	return size, note, err
}

// GoesOn makes sure that the log begins with what a checkpoint of key says; the error
// is [ErrTampered] if not. It trusts the stored hashes; see [Store.VerifyLog].
func (s *Store) GoesOn(ctx context.Context, key *ledger.Signer, note []byte) error {
	return s.engine.view(ctx, s, func(t *tx) error { return t.goesOn(key, note) })
}

// goesOn makes sure that the log begins with what a checkpoint says.
func (t *tx) goesOn(key *ledger.Signer, kept []byte) error {
	c, err := ledger.Open(kept, key.VerifierKey())
	if err != nil {
		return fmt.Errorf("%w: the checkpoint kept elsewhere is not signed by our key", ErrTampered)
	}
	size, err := t.logSize()
	if err != nil {
		return err
	}
	if size < c.Size {
		return fmt.Errorf("%w: a checkpoint kept elsewhere has %d events, %d are there", ErrTampered, c.Size, size)
	}
	tree, err := ledger.ReadFrontier(c.Size, nodes{t})
	if err != nil {
		return err
	}
	if tree.Root() != c.Root {
		return fmt.Errorf("%w: a checkpoint kept elsewhere has another root at %d events", ErrTampered, c.Size)
	}
	return nil
}

// recompute returns the tree as the leaves say it is, or the last note if
// there is nothing new. Extending the tree that was signed by what came after
// proves that the old one is the beginning of the new one.
func (t *tx) recompute(key *ledger.Signer) (note []byte, tree ledger.Frontier, err error) {
	size, err := t.logSize()
	if err != nil {
		return nil, tree, err
	}
	lastSize, last, err := t.lastCheckpoint()
	if err != nil {
		return nil, tree, err
	}
	if size < lastSize {
		return nil, tree, fmt.Errorf("%w: %d events were signed, %d are there", ErrTampered, lastSize, size)
	}
	if last != nil {
		c, err := ledger.Open(last, key.VerifierKey())
		if err != nil || c.Size != lastSize {
			return nil, tree, fmt.Errorf("%w: its last checkpoint is not signed by our key", ErrTampered)
		}
		if tree, err = ledger.ReadFrontier(lastSize, nodes{t}); err != nil {
			return nil, tree, fmt.Errorf("%w: %w", ErrTampered, err)
		}
		if tree.Root() != c.Root {
			return nil, tree, fmt.Errorf("%w: the tree of %d events has another root", ErrTampered, lastSize)
		}
	}
	if size == 0 || size == lastSize {
		return filled(last), tree, nil
	}
	node := tlog.StoredHashCount(lastSize)
	for tree.Size() < size {
		leaves, err := logSource{t}.Leaves(tree.Size(), sealBatch)
		if err != nil {
			return nil, tree, err
		}
		if len(leaves) == 0 {
			return nil, tree, fmt.Errorf("%w: event %d is missing", ErrTampered, tree.Size())
		}
		for _, leaf := range leaves {
			hashes := tree.Append(nil, leaf)
			stored, err := logSource{t}.Hashes(node, len(hashes))
			if err != nil {
				return nil, tree, err
			}
			for i, h := range hashes {
				if i >= len(stored) || !bytes.Equal(stored[i][:], h[:]) {
					return nil, tree, fmt.Errorf("%w: event %d has another hash", ErrTampered, tree.Size()-1)
				}
			}
			node += int64(len(hashes))
		}
	}
	return nil, tree, nil
}

// LogKey signs the log; nil if it is not signed here.
func (s *Store) LogKey() *ledger.Signer { return s.opts.LogKey }
