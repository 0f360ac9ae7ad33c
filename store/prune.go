package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
)

// firstLeaf is the position of the first event that was not pruned.
func (t *tx) firstLeaf() (n int64, err error) {
	err = t.get("log", `SELECT coalesce(min(seq), 0) FROM log_leaf`, nil, &n)
	return n, err
}

// errPruned says that events are gone by policy.
var errPruned = bridge.Errorf(bridge.KindNotFound, "the events of that time were pruned by policy")

// Prunable returns how many events, from the first on, can be pruned that happened
// before a time: they are under a checkpoint that places outside, if there are any,
// have kept; and no departure or erasure is cut in two, or still open.
func (s *Store) Prunable(ctx context.Context, before time.Time) (size int64, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		size, err = t.prunable(before)
		return err
	})
	return size, err
}

func (t *tx) prunable(before time.Time) (int64, error) {
	size, _, err := t.lastCheckpoint()
	if err != nil {
		return 0, err
	}
	anchors, err := t.anchors()
	if err != nil {
		return 0, err
	}
	for _, a := range anchors {
		size = min(size, a.Size)
	}
	first, err := t.firstLeaf()
	if err != nil {
		return 0, err
	}
	total, err := t.logSize()
	if err != nil {
		return 0, err
	}
	type stretch struct{ first, last int64 }
	stories := map[[16]byte]stretch{} // of departures and erasures
	over := map[[16]byte]bool{}
	for at := first; at < total; {
		leaves, err := logSource{t}.Leaves(at, sealBatch)
		if err != nil {
			return 0, err
		}
		if len(leaves) == 0 {
			return 0, fmt.Errorf("%w: event %d is missing", ErrTampered, at)
		}
		for _, leaf := range leaves {
			l, err := ledger.ParseLeaf(leaf)
			if err != nil {
				return 0, err
			}
			if !l.At.Before(before) {
				size = min(size, at) // events stand about in the order of their times
			}
			if l.Request != ([16]byte{}) {
				x, known := stories[l.Request]
				if !known {
					x.first = at
				}
				x.last = at
				stories[l.Request] = x
				if !tellsState(l.Type) {
					at++
					continue
				}
				over[l.Request] = l.Facts.State == string(bridge.CaseClosed) || l.Facts.State == string(bridge.CaseCancelled) ||
					l.Facts.State == string(bridge.StagePassed) || l.Facts.State == string(bridge.StageRefused)
			}
			at++
		}
	}
	for again := true; again; { // what is cut off with one may cut another
		again = false
		for id, x := range stories {
			if x.first < size && (x.last >= size || !over[id]) {
				size, again = x.first, true
			}
		}
	}
	return max(size, first), nil
}

// tellsState reports whether an event's state is that of its case or erasure; others
// tell that of an action.
func tellsState(t bridge.EventType) bool {
	switch t {
	case bridge.CaseOpened, bridge.CasePlanned, bridge.CaseSettled, bridge.CaseReopened, bridge.PersonCameBack:
		return true
	}
	return t >= bridge.ErasureReceived && t <= bridge.ErasureEscalated
}

// Prune removes the first events of the log and what was kept beside them, while
// exeunt does not run. Their hashes stay: the tree, and every proof of what is left,
// is what it was. An event says that it was done.
func Prune(ctx context.Context, opts Options, before time.Time) (pruned int64, err error) {
	if opts.Dir == "" {
		return 0, bridge.Errorf(bridge.KindInvalid, "a log on PostgreSQL cannot be pruned")
	}
	s, err := Open(ctx, opts)
	if err != nil {
		return 0, err
	}
	first, size := int64(0), int64(0)
	err = s.engine.view(ctx, s, func(t *tx) (err error) {
		if size, err = t.prunable(before); err != nil {
			return err
		}
		first, err = t.firstLeaf()
		return err
	})
	if err == nil && size > first {
		err = s.update(ctx, func(t *tx) error {
			return t.Append(bridge.NewEvent(s.now(), bridge.LogPruned, bridge.Facts{Operator: "operator", Size: size, Count: int(size - first)}))
		})
	}
	if err = errors.Join(err, s.Close()); err != nil || size <= first { // Close seals and signs the event
		return 0, err
	}
	return size - first, removeLeaves(ctx, opts, size)
}

// removeLeaves removes all events before a position, on a connection of its own.
func removeLeaves(ctx context.Context, opts Options, size int64) error {
	guard, err := lock(filepath.Join(opts.Dir, lockFile), "another exeunt is using "+opts.Dir)
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
	if err := withoutTriggers(ctx, tx, []string{"log_event", "log_leaf"}, func() error { return remove(ctx, tx, size) }); err != nil {
		return err
	}
	return tx.Commit()
}

func remove(ctx context.Context, tx *sql.Tx, size int64) error {
	const theirs = `(SELECT event FROM log_leaf WHERE seq < ?)`
	for _, query := range []string{
		`DELETE FROM log_payload WHERE event IN ` + theirs,
		`CREATE TEMP TABLE pruned AS SELECT event FROM log_leaf WHERE seq < ?`,
		`DELETE FROM log_leaf WHERE seq < ?`,
	} {
		if _, err := tx.ExecContext(ctx, query, size); err != nil {
			return err
		}
	}
	for _, query := range []string{`DELETE FROM log_event WHERE id IN (SELECT event FROM pruned)`, `DROP TABLE pruned`} {
		if _, err := tx.ExecContext(ctx, query); err != nil {
			return err
		}
	}
	return nil
}
