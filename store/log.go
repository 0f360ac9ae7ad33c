package store

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
	"github.com/exeunt/exeunt/store/vault"
)

// Append adds e to the log: the leaf without its position, and beside it, to
// be destroyed without touching it, what the leaf only commits to. The place
// in the tree is given later, by [Store.Seal]: hashing here would make every
// writer wait for the one before.
func (t *tx) Append(e bridge.Event) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	subjects, err := t.partiesOf(&e)
	if err != nil {
		return err
	}
	body, openings, err := ledger.Body(e)
	if err != nil {
		return err
	}
	if _, err := t.do(`INSERT INTO log_event (body) VALUES ($1)`, body); err != nil {
		return err
	}
	n := -1 // of the party; only those with a payload have an opening
	for _, o := range openings {
		for n++; e.Parties[n].Payload == nil; n++ {
		}
		sealed := subjects[o.Handle].Seal(payloadPlace(e.ID, n), append(o.R[:], o.Payload...))
		if _, err := t.do(`INSERT INTO log_payload (handle, event, n, sealed) VALUES ($1, `+t.event+`, $2, $3)`,
			o.Handle[:], n, sealed); err != nil {
			return err
		}
	}
	t.appended = true
	return nil
}

// partiesOf returns the keys of those of whom e says something personal. What it
// says of whoever was erased is left out.
func (t *tx) partiesOf(e *bridge.Event) (map[bridge.Handle]vault.Subject, error) {
	subjects := make(map[bridge.Handle]vault.Subject, len(e.Parties))
	e.Parties = slices.Clone(e.Parties)
	for i, p := range e.Parties {
		if p.Payload == nil {
			continue
		}
		s, err := t.subject(p.Handle)
		if err == errErased {
			e.Parties[i].Payload = nil
			continue
		}
		if err != nil {
			return nil, err
		}
		subjects[p.Handle] = s
	}
	return subjects, nil
}

// payloadPlace is the context in which the n-th opening of an event is sealed.
func payloadPlace(event [16]byte, n int) string {
	return place("log_payload", string(event[:])+strconv.Itoa(n))
}

// readOpening opens what was sealed as the n-th opening of an event.
func readOpening(s vault.Subject, event [16]byte, n int, sealed []byte) (o ledger.Opening, err error) {
	plain, err := s.Open(payloadPlace(event, n), sealed)
	if err != nil {
		return o, err
	}
	if len(plain) < len(o.R) {
		return o, errors.New("store: what is sealed of an event is no opening")
	}
	o.Payload = plain[copy(o.R[:], plain):]
	return o, nil
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
			if err := t.payloads(&list[i].Event, id); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// payloads adds to an event, whose row is id, what is kept of its parties.
func (t *tx) payloads(e *bridge.Event, id int64) error {
	if t.store.keys == nil {
		return nil
	}
	seen := map[bridge.Handle]bool{}
	for _, p := range e.Parties {
		if seen[p.Handle] {
			continue
		}
		seen[p.Handle] = true
		if err := t.each(`SELECT n, sealed, `+wrappedOf("log_payload")+` FROM log_payload WHERE handle = $1 AND event = $2`,
			[]any{p.Handle[:], id}, func(r scanner) error {
				var (
					n              int
					sealed, handle []byte
					wrapped        []byte
				)
				if err := r.Scan(&n, &sealed, &handle, &wrapped); err != nil {
					return err
				}
				subject, err := t.unwrap(p.Handle, wrapped)
				if err != nil {
					return err
				}
				o, err := readOpening(subject, e.ID, n, sealed)
				if err == nil && n < len(e.Parties) {
					e.Parties[n].Payload = o.Payload
				}
				return err
			}); err != nil {
			return err
		}
	}
	return nil
}
