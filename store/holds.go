package store

import (
	"encoding/json"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// What is sealed of a hold is under the installation's key, which is read with it.
const holdRow = `id, handle, source, sealed, placed_by, placed, review, overdue, lifted,
	(SELECT wrapped FROM subject_keys k WHERE k.handle = $1)`

// grounds are an operator's words about a hold; they may name people.
type grounds struct {
	Basis    string `json:"basis"`
	Approver string `json:"approver"`
}

func (t *tx) scanHold(s scanner) (h bridge.Hold, err error) {
	var (
		handle, sealed, by, wrapped []byte
		placed, review, lifted      int64
		why                         grounds
	)
	if err := s.Scan(&h.ID, &handle, &h.Scope.Source, &sealed, &by, &placed, &review, &h.Overdue, &lifted, &wrapped); err != nil {
		return h, err
	}
	copy(h.Scope.Handle[:], handle)
	h.Placed, h.Review, h.Lifted = fromMicros(placed), fromMicros(review), fromMicros(lifted)
	if err := json.Unmarshal(by, &h.By); err != nil {
		return h, err
	}
	if len(sealed) == 0 { // whom it was about was erased
		return h, nil
	}
	subject, err := t.unwrap(everybody, wrapped)
	if err != nil {
		return h, err
	}
	err = openJSON(subject, place("holds", h.ID), sealed, &why)
	h.Basis, h.Approver = why.Basis, why.Approver
	return h, err
}

// oneHold is the hold of a query's only row.
type oneHold struct {
	t     *tx
	query string
	args  []any
}

func (o oneHold) Scan(dest ...any) error {
	return o.t.get("hold", `SELECT `+holdRow+` FROM holds `+o.query, append([]any{everybody[:]}, o.args...), dest...)
}

func (t *tx) listHolds(query string, args ...any) (list []bridge.Hold, err error) {
	err = t.each(`SELECT `+holdRow+` FROM holds `+query, append([]any{everybody[:]}, args...), func(s scanner) error {
		h, err := t.scanHold(s)
		list = append(list, h)
		return err
	})
	return list, err
}

func (t *tx) Hold(id string) (bridge.Hold, error) {
	return t.scanHold(oneHold{t, `WHERE id = $2` + t.forUpdate(), []any{id}})
}

func (t *tx) Holds(all bool, limit int) ([]bridge.Hold, error) {
	return t.listHolds(`WHERE lifted = 0 OR $2 ORDER BY placed DESC, id DESC LIMIT $3`, all, limit)
}

func (t *tx) HoldOn(h bridge.Handle, source string) (bridge.Hold, error) {
	if t.write {
		if err := t.holdsStay("_shared"); err != nil {
			return bridge.Hold{}, err
		}
	}
	return t.scanHold(oneHold{t, `WHERE lifted = 0 AND (handle = $2 AND source = '' OR handle = $1 AND source IN ('', $3))
		ORDER BY placed, id LIMIT 1`, []any{h[:], source}})
}

func (t *tx) HoldBy(source string, h bridge.Handle) (bridge.Hold, error) {
	return t.scanHold(oneHold{t, `WHERE lifted = 0 AND handle = $2 AND source = '' AND by_source = $3 LIMIT 1` + t.forUpdate(), []any{h[:], source}})
}

func (t *tx) HoldsToReview(now time.Time, n int) ([]bridge.Hold, error) {
	return t.listHolds(`WHERE lifted = 0 AND NOT overdue AND review > 0 AND review < $2 ORDER BY review, id LIMIT $3`, micros(now), n)
}

// holdsStay keeps holds from being placed until the transaction ends, for whoever does
// what cannot be undone; on SQLite nobody else writes meanwhile.
func (t *tx) holdsStay(how string) error {
	if t.name != postgresDialect.name {
		return nil
	}
	_, err := t.do(`SELECT pg_advisory_xact_lock`+how+`($1, 0)`, lockHolds)
	return err
}

func (t *tx) PutHold(h bridge.Hold) error {
	if err := t.holdsStay(""); err != nil {
		return err
	}
	subject, err := t.subject(everybody)
	if err != nil {
		return err
	}
	sealed, err := sealJSON(subject, place("holds", h.ID), grounds{h.Basis, h.Approver})
	if err != nil {
		return err
	}
	by, err := json.Marshal(h.By)
	if err != nil {
		return err
	}
	_, err = t.do(`INSERT INTO holds (id, handle, source, sealed, placed_by, by_source, placed, review, overdue, lifted)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, review = excluded.review, overdue = excluded.overdue, lifted = excluded.lifted`,
		h.ID, h.Scope.Handle[:], h.Scope.Source, sealed, string(by), h.By.Source, micros(h.Placed), micros(h.Review), h.Overdue, micros(h.Lifted))
	return err
}

func (t *tx) HeldLanes(after bridge.Lane, n int) (lanes []bridge.Lane, err error) {
	err = t.each(`SELECT DISTINCT app, person FROM actions WHERE held = true AND state = 'waiting' AND (app, person) > ($1, $2)
		ORDER BY app, person LIMIT $3`, []any{after.App, after.Person, n}, func(s scanner) error {
		var l bridge.Lane
		err := s.Scan(&l.App, &l.Person)
		lanes = append(lanes, l)
		return err
	})
	return lanes, err
}
