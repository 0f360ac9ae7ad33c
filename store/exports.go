package store

import (
	"context"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
)

// Export is how far an export of the log has come.
type Export struct {
	Name    string
	Origin  string    // of the log that Next counts in
	Next    int64     // position of the first event that was not taken yet
	Moved   time.Time // when that was last changed
	Refused []Refused // the newest hundred
}

// Refused is an event that a receiver did not want, although it took others
// after it.
type Refused struct {
	Seq    int64
	Status int // what it answered
	At     time.Time
}

// Exports returns all exports that were ever begun, by name, and the number of
// sealed events.
func (s *Store) Exports(ctx context.Context) (list []Export, size int64, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		list = nil
		if size, err = t.logSize(); err != nil {
			return err
		}
		if err := t.each(`SELECT name, origin, next, moved FROM exports ORDER BY name`, nil, func(r scanner) error {
			var (
				e     Export
				moved int64
			)
			err := r.Scan(&e.Name, &e.Origin, &e.Next, &moved)
			e.Moved = fromMicros(moved)
			list = append(list, e)
			return err
		}); err != nil {
			return err
		}
		for i := range list {
			if err := t.each(`SELECT seq, status, at FROM exports_refused WHERE name = $1 ORDER BY seq DESC LIMIT 100`,
				[]any{list[i].Name}, func(r scanner) error {
					var (
						one Refused
						at  int64
					)
					err := r.Scan(&one.Seq, &one.Status, &at)
					one.At = fromMicros(at)
					list[i].Refused = append(list[i].Refused, one)
					return err
				}); err != nil {
				return err
			}
		}
		return nil
	})
	return list, size, err
}

// ClaimExport returns where an export stands; a new one, and one of a log that
// was closed, stands at the beginning. mine is false while another holder has
// it, which only nodes that share a PostgreSQL can see. Whoever has it keeps it
// for the given time, or gives it back with none.
func (s *Store) ClaimExport(ctx context.Context, name, origin string, holder [16]byte, keep time.Duration) (next int64, mine bool, err error) {
	now := s.now()
	err = s.update(ctx, func(t *tx) error {
		free := "exports.holder = excluded.holder OR exports.until <= $6"
		if t.name != postgresDialect.name { // whoever has the file is alone
			free = "$6 = $6"
		}
		n, err := t.do(`INSERT INTO exports (name, origin, next, moved, holder, until) VALUES ($1, $2, 0, $6, $3, $4)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until, origin = excluded.origin,
				next = CASE WHEN exports.origin = $5 THEN exports.next ELSE 0 END WHERE `+free,
			name, origin, holder[:], now.Add(keep).UnixMicro(), origin, now.UnixMicro())
		if mine = n > 0; err != nil || !mine {
			return err
		}
		return t.get("export", `SELECT next FROM exports WHERE name = $1`, []any{name}, &next)
	})
	return next, mine, err
}

// Exported notes that the receiver has taken everything from position from on,
// up to but without to, or refused it for good. It changes nothing if the export
// was set elsewhere meanwhile.
func (s *Store) Exported(ctx context.Context, name string, from, to int64, refused []Refused) error {
	now := s.now().UnixMicro()
	return s.update(ctx, func(t *tx) error {
		n, err := t.do(`UPDATE exports SET next = $3, moved = $4 WHERE name = $1 AND next = $2`, name, from, to, now)
		if err != nil || n == 0 {
			return err
		}
		if _, err := t.do(`DELETE FROM exports_refused WHERE name = $1 AND seq >= $2 AND seq < $3`, name, from, to); err != nil {
			return err // it was sent again, and taken or not
		}
		for _, r := range refused {
			if _, err := t.do(`INSERT INTO exports_refused (name, seq, status, at) VALUES ($1, $2, $3, $4)`, name, r.Seq, r.Status, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// Replay has an export begin again at a position.
func (s *Store) Replay(ctx context.Context, name string, from int64) error {
	return s.update(ctx, func(t *tx) error {
		size, err := t.logSize()
		if err != nil {
			return err
		}
		if from < 0 || from > size {
			return &bridge.Error{Kind: bridge.KindInvalid, Field: "from", Message: "is no position in the log; exeunt export status shows how long it is"}
		}
		n, err := t.do(`UPDATE exports SET next = $2, moved = $3 WHERE name = $1`, name, from, s.now().UnixMicro())
		if err == nil && n == 0 {
			err = bridge.Errorf(bridge.KindNotFound, "there is no such export, or it has not begun yet")
		}
		return err
	})
}

// Sealed is one event as the log's tree has it.
type Sealed struct {
	Seq  int64
	Leaf []byte // the exact bytes
}

// Sealed returns sealed events from a position on, in their order, at most
// limit; no personal data is opened for it.
func (s *Store) Sealed(ctx context.Context, from int64, limit int) (list []Sealed, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		list = nil
		return t.each(`SELECT l.seq, e.body FROM log_leaf l JOIN log_event e ON e.id = l.event
			WHERE l.seq >= $1 ORDER BY l.seq LIMIT $2`, []any{from, min(limit, maxTail)}, func(r scanner) error {
			var (
				one  Sealed
				body []byte
			)
			err := r.Scan(&one.Seq, &body)
			one.Leaf = ledger.Leaf(uint64(max(one.Seq, 0)), body)
			list = append(list, one)
			return err
		})
	})
	return list, err
}
