package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
)

// BeginOrigin begins a new log on what is left of an old one that was set back and
// cannot be refilled: opts.LogKey is the new one's key, old the newest checkpoint of
// the old one that is known. The events stay, under the new name; the first new one
// says which log ended and how many of its events are lost. The old log's checkpoints
// are taken out: the new one has signed none of them. It may be repeated.
func BeginOrigin(ctx context.Context, opts Options, old ledger.Checkpoint) (lost int64, err error) {
	if opts.Dir == "" {
		return 0, errNoBackup
	}
	if opts.LogKey.Origin() == old.Origin {
		return 0, errors.New("a new log needs a name of its own")
	}
	if err := forgetCheckpoints(ctx, opts); err != nil {
		return 0, err
	}
	opts.Aside = true
	opts.Doubt = nil // nobody holds anything of the new log
	s, err := Open(ctx, opts)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if _, err := s.Seal(ctx); err != nil {
		return 0, err
	}
	var size int64
	if err := s.engine.view(ctx, s, func(t *tx) error { size, err = t.logSize(); return err }); err != nil {
		return 0, err
	}
	says := bridge.Facts{Operator: "operator", Origin: old.Origin, Size: old.Size, Root: old.Root.String(), Count: int(max(old.Size-size, 0))}
	if err := s.update(ctx, func(t *tx) error {
		said, err := t.continued(says)
		if lost = int64(said.Count); err != nil || said.Origin != "" {
			return err // by an attempt that was cut short
		}
		lost = int64(says.Count)
		return t.Append(bridge.NewEvent(s.now(), bridge.LogContinued, says))
	}); err != nil {
		return 0, err
	}
	if _, err := s.Seal(ctx); err != nil {
		return 0, err
	}
	_, err = s.Checkpoint(ctx)
	return lost, err
}

// continued is what an event says that tells of the same end of a log; zero if there
// is none.
func (t *tx) continued(f bridge.Facts) (said bridge.Facts, err error) {
	err = t.eventsOf(func(l ledger.ParsedLeaf) {
		if l.Facts.Origin == f.Origin && l.Facts.Size == f.Size && l.Facts.Root == f.Root {
			said = l.Facts
		}
	}, bridge.LogContinued)
	return said, err
}

// eventsOf reads all events of some types, those without a place too.
func (t *tx) eventsOf(fn func(ledger.ParsedLeaf), types ...bridge.EventType) error {
	for _, of := range types {
		kind := binary.BigEndian.AppendUint16(nil, uint16(of)) // behind the time
		if err := t.each(`SELECT body FROM log_event WHERE substr(body, 9, 2) = $1`, []any{kind}, func(r scanner) error {
			var body []byte
			if err := r.Scan(&body); err != nil {
				return err
			}
			l, err := ledger.ParseLeaf(ledger.Leaf(0, body))
			if err == nil {
				fn(l)
			}
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// forgetCheckpoints takes the checkpoints that another key has signed out, on a
// connection of its own: nobody who works may.
func forgetCheckpoints(ctx context.Context, opts Options) error {
	guard, err := lock(filepath.Join(opts.Dir, lockFile), opts.Dir)
	if err != nil {
		return err
	}
	defer guard.Close()
	e := &sqliteEngine{path: filepath.Join(opts.Dir, databaseFile)}
	db := e.connect(1, "rw", "_txlock=immediate", nil)
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var note []byte
	err = tx.QueryRowContext(ctx, `SELECT note FROM log_checkpoint ORDER BY size DESC LIMIT 1`).Scan(&note)
	if err == nil {
		if _, err := ledger.Open(note, opts.LogKey.VerifierKey()); err == nil {
			return nil // the new log has signed already
		}
	}
	if err := withoutTriggers(ctx, tx, []string{"log_checkpoint", "log_cosignature"}, func() error {
		for _, table := range []string{"log_cosignature", "log_checkpoint", "anchors"} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+table); err != nil {
				return fmt.Errorf("%s: %w", table, err)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	return tx.Commit()
}
