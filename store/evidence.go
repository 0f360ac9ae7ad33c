package store

import (
	"context"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
)

// RequestLeaves returns the leaves of all events of one case or erasure, by
// position. KindBusy while one of its events has no place in the tree yet, and
// KindNotFound if there is none at all.
func (s *Store) RequestLeaves(ctx context.Context, request [16]byte) (leaves [][]byte, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		leaves = nil
		return t.each(`SELECT coalesce(l.seq, -1), e.body FROM log_event e LEFT JOIN log_leaf l ON l.event = e.id
			WHERE substr(e.body, 27, 16) = $1 ORDER BY e.id`, []any{request[:]}, func(r scanner) error {
			var (
				seq  int64
				body []byte
			)
			if err := r.Scan(&seq, &body); err != nil {
				return err
			}
			if seq < 0 {
				return bridge.Errorf(bridge.KindBusy, "its newest events are not sealed into the log yet; try again in some seconds")
			}
			leaves = append(leaves, ledger.Leaf(uint64(seq), body))
			return nil
		})
	})
	if err == nil && len(leaves) == 0 {
		err = bridge.Errorf(bridge.KindNotFound, "the log has no such case or erasure")
	}
	return leaves, err
}

// PositionAt returns the position of the first event at or after a time; the
// log's size if there is none. Events stand in the log about in the order of
// their times: those of requests that came together, or from before the clock
// was set back, may stand the other way round, so whoever needs all events
// since then begins some minutes earlier.
func (s *Store) PositionAt(ctx context.Context, at time.Time) (from int64, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		to, err := t.logSize()
		if err != nil {
			return err
		}
		for from = 0; from < to; {
			middle := from + (to-from)/2
			var body []byte
			if err := t.get("event", `SELECT e.body FROM log_leaf l JOIN log_event e ON e.id = l.event WHERE l.seq = $1`,
				[]any{middle}, &body); err != nil {
				return err
			}
			l, err := ledger.ParseLeaf(ledger.Leaf(uint64(middle), body))
			if err != nil {
				return err
			}
			if l.At.Before(at) {
				from = middle + 1
			} else {
				to = middle
			}
		}
		return nil
	})
	return from, err
}
