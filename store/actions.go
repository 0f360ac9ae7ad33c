package store

import (
	"encoding/json"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

const actionColumns = `seq, id, case_id, app, person, effect, state, ordered, due, deadline,
	attempts, begun, checks, problem, done, checked, settled`

func scanAction(s scanner) (a bridge.Action, err error) {
	var (
		ordered, due, deadline, settled int64
		done, checked                   []byte
	)
	if err := s.Scan(&a.Seq, &a.ID, &a.Case, &a.Lane.App, &a.Lane.Person, &a.Effect, &a.State, &ordered, &due, &deadline,
		&a.Attempts, &a.Begun, &a.Checks, &a.Problem, &done, &checked, &settled); err != nil {
		return bridge.Action{}, err
	}
	a.Ordered, a.Due, a.Deadline, a.Settled = fromMicros(ordered), fromMicros(due), fromMicros(deadline), fromMicros(settled)
	if err := json.Unmarshal(done, &a.Done); err != nil {
		return bridge.Action{}, err
	}
	return a, json.Unmarshal(checked, &a.Checked)
}

func (t *tx) listActions(query string, args ...any) ([]bridge.Action, error) {
	var list []bridge.Action
	err := t.each(query, args, func(s scanner) error {
		a, err := scanAction(s)
		list = append(list, a)
		return err
	})
	return list, err
}

func (t *tx) Action(id string) (bridge.Action, error) {
	return scanAction(single{t, "action", `SELECT ` + actionColumns + ` FROM actions WHERE id = $1`, id})
}

func (t *tx) Actions(caseID string) ([]bridge.Action, error) {
	return t.listActions(`SELECT `+actionColumns+` FROM actions WHERE case_id = $1 ORDER BY app, person, seq`, caseID)
}

func (t *tx) LaneActions(l bridge.Lane) ([]bridge.Action, error) {
	return t.listActions(`SELECT `+actionColumns+` FROM actions WHERE app = $1 AND person = $2
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
	done, err := json.Marshal(a.Done)
	if err != nil {
		return err
	}
	checked, err := json.Marshal(a.Checked)
	if err != nil {
		return err
	}
	if a.Seq != 0 {
		n, err := t.do(`UPDATE actions SET effect = $2, state = $3, due = $4, deadline = $5, attempts = $6, checks = $7,
			problem = $8, done = $9, checked = $10, settled = $11, begun = $13 WHERE seq = $1 AND id = $12`,
			a.Seq, string(a.Effect), string(a.State), micros(a.Due), micros(a.Deadline), a.Attempts, a.Checks,
			a.Problem, string(done), string(checked), micros(a.Settled), a.ID, a.Begun)
		if err == nil && n == 0 {
			err = bridge.Errorf(bridge.KindNotFound, "there is no such action")
		}
		return err
	}
	if err := t.mayWrite(); err != nil {
		return err
	}
	return t.failed(t.row(`INSERT INTO actions (id, case_id, app, person, effect, state, ordered, due, deadline,
		attempts, begun, checks, problem, done, checked, settled)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) RETURNING seq`,
		a.ID, a.Case, a.Lane.App, a.Lane.Person, string(a.Effect), string(a.State), micros(a.Ordered), micros(a.Due),
		micros(a.Deadline), a.Attempts, a.Begun, a.Checks, a.Problem, string(done), string(checked), micros(a.Settled)).Scan(&a.Seq))
}

func (t *tx) Account(l bridge.Lane) (a bridge.Account, err error) {
	err = t.get("account", `SELECT id, login, matched_by, case_id FROM accounts WHERE app = $1 AND person = $2`,
		[]any{l.App, l.Person}, &a.ID, &a.Login, &a.Match, &a.Case)
	return a, err
}

func (t *tx) PutAccount(l bridge.Lane, a bridge.Account) error {
	if a == (bridge.Account{}) {
		_, err := t.do(`DELETE FROM accounts WHERE app = $1 AND person = $2`, l.App, l.Person)
		return err
	}
	_, err := t.do(`INSERT INTO accounts (app, person, id, login, matched_by, case_id) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (app, person) DO UPDATE SET id = excluded.id, login = excluded.login, matched_by = excluded.matched_by,
		case_id = excluded.case_id`,
		l.App, l.Person, a.ID, a.Login, a.Match, a.Case)
	return err
}
