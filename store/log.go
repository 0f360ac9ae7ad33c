package store

import (
	"context"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
)

// Append adds e to the log: the leaf without its position, and beside it, to
// be destroyed without touching it, what the leaf only commits to. The place
// in the tree is given later, by [Store.Seal]: hashing here would make every
// writer wait for the one before.
func (t *tx) Append(e bridge.Event) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	body, openings, err := ledger.Body(e)
	if err != nil {
		return err
	}
	if _, err := t.do(`INSERT INTO log_event (body) VALUES ($1)`, body); err != nil {
		return err
	}
	for n, o := range openings {
		if _, err := t.do(`INSERT INTO log_payload (event, n, role, handle, opening, payload)
			VALUES (`+t.event+`, $1, $2, $3, $4, $5)`, n, int64(o.Role), o.Handle[:], o.R[:], filled(o.Payload)); err != nil {
			return err
		}
	}
	t.appended = true
	return nil
}

// dirtied says that there is something to seal.
func (s *Store) dirtied() { s.dirty.Store(true) }

// LoggedEvent is an event as the log has it.
type LoggedEvent struct {
	Seq int64 // position, from 0; -1 while it is pending
	bridge.Event
}

// maxTail bounds how many events are read at once.
const maxTail = 1000

// Tail returns sealed events after position after (-1: from the first), oldest
// first, at most limit and at most 1,000. Payloads that were destroyed are nil.
func (s *Store) Tail(ctx context.Context, after int64, limit int) ([]LoggedEvent, error) {
	return s.events(ctx, `SELECT l.seq, e.id, e.body FROM log_leaf l JOIN log_event e ON e.id = l.event
		WHERE l.seq > $1 ORDER BY l.seq LIMIT $2`, after, min(limit, maxTail))
}

func (s *Store) events(ctx context.Context, query string, args ...any) ([]LoggedEvent, error) {
	var list []LoggedEvent
	err := s.engine.view(ctx, s, func(t *tx) error {
		list = nil
		var ids []int64
		if err := t.each(query, args, func(r scanner) error {
			var (
				e    LoggedEvent
				id   int64
				body []byte
			)
			if err := r.Scan(&e.Seq, &id, &body); err != nil {
				return err
			}
			l, err := ledger.ParseLeaf(ledger.Leaf(uint64(max(e.Seq, 0)), body))
			if err != nil {
				return err
			}
			e.Event = bridge.Event{ID: l.ID, At: l.At, Type: l.Type, Request: l.Request, Facts: l.Facts}
			for _, p := range l.Parties {
				e.Parties = append(e.Parties, bridge.Party{Role: p.Role, Handle: p.Handle})
			}
			list, ids = append(list, e), append(ids, id)
			return nil
		}); err != nil {
			return err
		}
		for i, id := range ids {
			if err := t.each(`SELECT n, payload FROM log_payload WHERE event = $1`, []any{id}, func(r scanner) error {
				var (
					n       int
					payload []byte
				)
				err := r.Scan(&n, &payload)
				if err == nil && n >= 0 && n < len(list[i].Parties) {
					list[i].Parties[n].Payload = payload
				}
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}
