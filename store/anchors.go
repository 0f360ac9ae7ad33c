package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/store/ledger"
)

// ErrUnasked is what Options.Doubt is until those who hold checkpoints elsewhere
// have been asked: it keeps a log that was set back from being signed at the start.
var ErrUnasked = errors.New("those who hold the log's checkpoints were not asked yet")

// Doubt says that somebody outside holds another log than this: nothing is
// signed until Doubt is called with nil.
func (s *Store) Doubt(err error) {
	if err == nil {
		s.doubt.Store(nil)
		return
	}
	s.doubt.Store(&err)
}

// Anchor is what a place outside is known to have kept.
type Anchor struct {
	Size int64
	Note []byte // the signed checkpoint
	Kept time.Time
}

// Anchored notes that a place has kept a checkpoint. An older one changes nothing.
func (s *Store) Anchored(ctx context.Context, place string, size int64, note []byte) error {
	now := s.now().UnixMicro()
	return s.update(ctx, func(t *tx) error {
		_, err := t.do(`INSERT INTO anchors (place, size, note, kept) VALUES ($1, $2, $3, $4)
			ON CONFLICT (place) DO UPDATE SET size = excluded.size, note = excluded.note, kept = excluded.kept
			WHERE excluded.size >= anchors.size`, place, size, note, now)
		return err
	})
}

// Anchors returns what each place has kept, by its name.
func (s *Store) Anchors(ctx context.Context) (anchors map[string]Anchor, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		anchors, err = t.anchors()
		return err
	})
	return anchors, err
}

func (t *tx) anchors() (map[string]Anchor, error) {
	anchors := make(map[string]Anchor)
	err := t.each(`SELECT place, size, note, kept FROM anchors`, nil, func(r scanner) error {
		var (
			place string
			a     Anchor
			kept  int64
		)
		err := r.Scan(&place, &a.Size, &a.Note, &kept)
		a.Kept = time.UnixMicro(kept).UTC()
		anchors[place] = a
		return err
	})
	return anchors, err
}

// Cosigned keeps a witness's signature line on the checkpoint of that size; the
// first of each witness stays.
func (s *Store) Cosigned(ctx context.Context, size int64, witness string, line []byte) error {
	return s.update(ctx, func(t *tx) error {
		if err := t.sealAlone(); err != nil {
			return err
		}
		var n int
		if err := t.get("checkpoint", `SELECT count(*) FROM log_checkpoint c WHERE c.size = $1 AND NOT EXISTS
			(SELECT 1 FROM log_cosignature o WHERE o.size = c.size AND o.witness = $2)`, []any{size, witness}, &n); err != nil || n == 0 {
			return err
		}
		_, err := t.do(`INSERT INTO log_cosignature (size, witness, line) VALUES ($1, $2, $3)`, size, witness, line)
		return err
	})
}

// searched bounds how many checkpoints LastCosigned looks at.
const searched = 1000

// LastCosigned returns the newest checkpoint that is good enough, with the
// signatures of witnesses; nil if there is none among the last thousand.
func (s *Store) LastCosigned(ctx context.Context, enough func(note []byte) bool) (note []byte, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		var last int64 = -1
		var found []byte
		// Each checkpoint comes once for each of its cosignatures, or once without.
		err := t.each(`SELECT c.size, c.note, coalesce(o.line, $2) FROM (SELECT size, note FROM log_checkpoint ORDER BY size DESC LIMIT $1) c
			LEFT JOIN log_cosignature o ON o.size = c.size ORDER BY c.size DESC, o.witness`, []any{searched, []byte{}}, func(r scanner) error {
			var (
				size       int64
				bare, line []byte
			)
			if err := r.Scan(&size, &bare, &line); err != nil {
				return err
			}
			if size != last {
				if last >= 0 && enough(found) {
					return errEnough
				}
				last, found = size, bytes.Clone(bare)
			}
			found = ledger.Cosign(found, line)
			return nil
		})
		if err == nil && last >= 0 && enough(found) {
			note = found
		}
		return err
	})
	return note, err
}

// Consistency proves that the log of the first size events begins with the log
// of the first old ones.
func (s *Store) Consistency(ctx context.Context, size, old int64) (proof tlog.TreeProof, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		n, err := t.logSize()
		if err != nil {
			return err
		}
		if size > n {
			return fmt.Errorf("store: there are %d events, not %d", n, size)
		}
		proof, err = ledger.Consistency(size, old, nodes{t})
		return err
	})
	return proof, err
}

// trusted makes sure that the log goes on from whatever was kept elsewhere, as
// far as that is known here: it was not set back, and has not become another one.
func (t *tx) trusted(key *ledger.Signer) error {
	anchors, err := t.anchors()
	if err != nil {
		return err
	}
	for _, a := range anchors {
		if !bytes.HasPrefix(a.Note, []byte(key.Origin()+"\n")) {
			continue // of a log that was closed
		}
		if err := t.goesOn(key, a.Note); err != nil {
			return err
		}
	}
	return nil
}

// whole makes sure that the tree has as many hashes as its leaves need: one that
// is missing in the middle would be noticed only when a proof needs it.
func (t *tx) whole() error {
	var hashes, end int64
	if err := t.get("log", `SELECT count(*), coalesce(max(id) + 1, 0) FROM log_node`, nil, &hashes, &end); err != nil {
		return err
	}
	size, err := t.logSize()
	if err != nil {
		return err
	}
	if want := tlog.StoredHashCount(size); hashes != want || end != want {
		return fmt.Errorf("%w: %d events need %d hashes, %d are there", ErrTampered, size, want, hashes)
	}
	return nil
}
