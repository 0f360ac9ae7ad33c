package store

import (
	"reflect"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/vault"
)

const actionColumns = `id, case_id, app, person, effect, state, ordered, due, deadline,
	attempts, begun, checks, held, problem, settled, sealed`

// The key is that of the case's person.
const keyOfCase = `(SELECT handle FROM cases c WHERE c.id = case_id),
	(SELECT wrapped FROM cases c JOIN subject_keys k ON k.handle = c.handle WHERE c.id = case_id)`

const actionRow = actionColumns + `, seq, ` + keyOfCase

// receipts is what is sealed of an action.
type receipts struct {
	Done    bridge.Receipt `json:"done"`
	Checked bridge.Receipt `json:"checked"`
}

func (t *tx) scanAction(s scanner) (a bridge.Action, err error) {
	var (
		ordered, due, deadline, settled int64
		sealed, handle                  []byte
		wrapped                         []byte
	)
	if err := s.Scan(&a.ID, &a.Case, &a.Lane.App, &a.Lane.Person, &a.Effect, &a.State, &ordered, &due, &deadline,
		&a.Attempts, &a.Begun, &a.Checks, &a.Held, &a.Problem, &settled, &sealed, &a.Seq, &handle, &wrapped); err != nil {
		return bridge.Action{}, err
	}
	a.Ordered, a.Due, a.Deadline, a.Settled = fromMicros(ordered), fromMicros(due), fromMicros(deadline), fromMicros(settled)
	if len(sealed) == 0 {
		return a, nil
	}
	var h bridge.Handle
	copy(h[:], handle)
	subject, err := t.unwrap(h, wrapped)
	if err != nil {
		return bridge.Action{}, err
	}
	var r receipts
	err = openJSON(subject, place("actions", a.ID), sealed, &r)
	a.Done, a.Checked = r.Done, r.Checked
	return a, err
}

func (t *tx) listActions(query string, args ...any) ([]bridge.Action, error) {
	var list []bridge.Action
	err := t.each(query, args, func(s scanner) error {
		a, err := t.scanAction(s)
		list = append(list, a)
		return err
	})
	return list, err
}

func (t *tx) Action(id string) (bridge.Action, error) {
	return t.scanAction(single{t, "action", `SELECT ` + actionRow + ` FROM actions WHERE id = $1`, id})
}

func (t *tx) Actions(caseID string) ([]bridge.Action, error) {
	return t.listActions(`SELECT `+actionRow+` FROM actions WHERE case_id = $1 ORDER BY app, person, seq`, caseID)
}

func (t *tx) LaneActions(l bridge.Lane) ([]bridge.Action, error) {
	return t.listActions(`SELECT `+actionRow+` FROM actions WHERE app = $1 AND person = $2
		AND state IN ('waiting', 'pending_check', 'stuck') ORDER BY seq`, l.App, l.Person)
}

func (t *tx) Overdue(before time.Time, n int) (lanes []bridge.Lane, err error) {
	err = t.each(`SELECT DISTINCT app, person FROM actions
		WHERE state IN ('waiting', 'pending_check') AND deadline < $1 ORDER BY app, person LIMIT $2`,
		[]any{micros(before), n}, func(s scanner) error {
			var l bridge.Lane
			err := s.Scan(&l.App, &l.Person)
			lanes = append(lanes, l)
			return err
		})
	return lanes, err
}

func (t *tx) PutAction(a *bridge.Action) error {
	sealed, err := t.sealReceipts(a)
	if err != nil {
		return err
	}
	if a.Seq != 0 {
		n, err := t.do(`UPDATE actions SET effect = $2, state = $3, due = $4, deadline = $5, attempts = $6, checks = $7,
			problem = $8, sealed = $9, settled = $10, begun = $11, held = $13 WHERE seq = $1 AND id = $12`,
			a.Seq, string(a.Effect), string(a.State), micros(a.Due), micros(a.Deadline), a.Attempts, a.Checks,
			a.Problem, sealed, micros(a.Settled), a.Begun, a.ID, a.Held)
		if err == nil && n == 0 {
			err = bridge.Errorf(bridge.KindNotFound, "there is no such action")
		}
		return err
	}
	if err := t.mayWrite(); err != nil {
		return err
	}
	return t.failed(t.row(`INSERT INTO actions (`+actionColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) RETURNING seq`,
		a.ID, a.Case, a.Lane.App, a.Lane.Person, string(a.Effect), string(a.State), micros(a.Ordered), micros(a.Due),
		micros(a.Deadline), a.Attempts, a.Begun, a.Checks, a.Held, a.Problem, micros(a.Settled), sealed).Scan(&a.Seq))
}

// sealReceipts seals what apps answered, if they did, unless the person was erased.
func (t *tx) sealReceipts(a *bridge.Action) ([]byte, error) {
	r := receipts{a.Done, a.Checked}
	if r == (receipts{}) {
		return []byte{}, nil
	}
	subject, err := t.subjectOfCase(a.Case)
	if err == errErased {
		return []byte{}, nil
	} else if err != nil {
		return nil, err
	}
	return sealJSON(subject, place("actions", a.ID), r)
}

// subjectOfCase returns the key of a case's person.
func (t *tx) subjectOfCase(id string) (vault.Subject, error) {
	var h bridge.Handle
	var b []byte
	if err := t.get("case", `SELECT handle FROM cases WHERE id = $1`, []any{id}, &b); err != nil {
		return vault.Subject{}, err
	}
	copy(h[:], b)
	return t.subject(h)
}

func (t *tx) Account(l bridge.Lane) (a bridge.Account, err error) {
	var (
		id             string
		sealed, handle []byte
		wrapped        []byte
		h              bridge.Handle
	)
	if err := t.get("account", `SELECT case_id, sealed, `+keyOfCase+` FROM accounts WHERE app = $1 AND person = $2`,
		[]any{l.App, l.Person}, &id, &sealed, &handle, &wrapped); err != nil {
		return a, err
	}
	copy(h[:], handle)
	subject, err := t.unwrap(h, wrapped)
	if err != nil {
		return a, err
	}
	err = openJSON(subject, place("accounts", l.App+"\x00"+l.Person), sealed, &a)
	a.Case = id
	return a, err
}

func (t *tx) PutAccount(l bridge.Lane, a bridge.Account) error {
	if reflect.ValueOf(a).IsZero() {
		_, err := t.do(`DELETE FROM accounts WHERE app = $1 AND person = $2`, l.App, l.Person)
		return err
	}
	subject, err := t.subjectOfCase(a.Case)
	if err == errErased { // there is nothing to be remembered of them
		return nil
	} else if err != nil {
		return err
	}
	sealed, err := sealJSON(subject, place("accounts", l.App+"\x00"+l.Person), a)
	if err != nil {
		return err
	}
	_, err = t.do(`INSERT INTO accounts (app, person, sealed, case_id) VALUES ($1, $2, $3, $4)
		ON CONFLICT (app, person) DO UPDATE SET sealed = excluded.sealed, case_id = excluded.case_id`, l.App, l.Person, sealed, a.Case)
	return err
}
