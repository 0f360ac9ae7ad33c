package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

const caseColumns = `id, source, person, sealed, "trigger", state, ordered_by, opened, closed, returned, returned_as, `

var caseRow = caseColumns + wrappedOf("cases")

func (t *tx) scanCase(s scanner) (c bridge.Case, err error) {
	var (
		sealed, handle, by []byte
		wrapped            []byte
		opened, closed     int64
		returned           int64
	)
	if err := s.Scan(&c.ID, &c.Source, &c.Person, &sealed, &c.Trigger, &c.State, &by, &opened, &closed, &returned, &c.ReturnedAs, &handle, &wrapped); err != nil {
		return bridge.Case{}, err
	}
	copy(c.Handle[:], handle)
	c.Opened, c.Closed, c.Returned = fromMicros(opened), fromMicros(closed), fromMicros(returned)
	if err := json.Unmarshal(by, &c.By); err != nil {
		return bridge.Case{}, err
	}
	if len(sealed) == 0 { // they were erased
		c.Who.Person = c.Person
		return c, nil
	}
	subject, err := t.unwrap(c.Handle, wrapped)
	if err != nil {
		return bridge.Case{}, err
	}
	err = openJSON(subject, place("cases", c.ID), sealed, &c.Who)
	return c, err
}

func (t *tx) listCases(query string, args ...any) ([]bridge.Case, error) {
	var list []bridge.Case
	err := t.each(query, args, func(s scanner) error {
		c, err := t.scanCase(s)
		list = append(list, c)
		return err
	})
	return list, err
}

func (t *tx) Case(id string) (bridge.Case, error) {
	return t.scanCase(single{t, "case", "SELECT " + caseRow + " FROM cases WHERE id = $1" + t.forUpdate(), id})
}

func (t *tx) Cases(states []bridge.CaseState, before time.Time, limit int) ([]bridge.Case, error) {
	if before.IsZero() {
		before = t.store.now()
		before = before.Add(time.Microsecond) // what was opened just now belongs to it
	}
	if len(states) == 0 {
		return t.listCases(`SELECT `+caseRow+` FROM cases WHERE opened < $1 ORDER BY opened DESC, id DESC LIMIT $2`,
			micros(before), limit)
	}
	words := make([]string, len(states))
	for i, s := range states {
		words[i] = string(s)
	}
	return t.listCases(`SELECT `+caseRow+` FROM cases WHERE state `+t.in("$1")+` AND opened < $2
		ORDER BY opened DESC, id DESC LIMIT $3`, t.list(words), micros(before), limit)
}

func (t *tx) CasesOf(source, person string, keys []bridge.Key) ([]bridge.Case, error) {
	people, err := t.gone(source, keys)
	if err != nil {
		return nil, err
	}
	var cases []bridge.Case
	for _, id := range append(people, person) {
		list, err := t.listCases(`SELECT `+caseRow+` FROM cases WHERE source = $1 AND person = $2 AND returned = 0 AND "trigger" <> 'logout'`+
			t.forUpdate(), source, id)
		if err != nil {
			return nil, err
		}
		cases = append(cases, list...)
	}
	slices.SortFunc(cases, func(a, b bridge.Case) int {
		return cmp.Or(b.Opened.Compare(a.Opened), cmp.Compare(b.ID, a.ID))
	})
	return cases, nil
}

func (t *tx) CaseStates(source string, people ...string) (map[string]bridge.CaseState, error) {
	states := make(map[string]bridge.CaseState)
	err := t.each(`SELECT person, state FROM cases WHERE source = $1 AND person `+t.in("$2")+` AND returned = 0 AND "trigger" <> 'logout'
		ORDER BY opened, id`, []any{source, t.list(people)}, func(r scanner) error {
		var person string
		var state bridge.CaseState
		err := r.Scan(&person, &state)
		states[person] = state // the newest comes last
		return err
	})
	return states, err
}

// gone returns the people of a source who were deleted by one of the keys.
func (t *tx) gone(source string, keys []bridge.Key) (people []string, err error) {
	args, pairs := []any{source}, []string{}
	for _, k := range keys {
		value, err := t.blind(source, k)
		if err != nil {
			return nil, err
		}
		args = append(args, string(k.Attribute), value)
		pairs = append(pairs, fmt.Sprintf("attribute = $%d AND value = $%d", len(args)-1, len(args)))
	}
	if len(pairs) == 0 {
		return nil, nil
	}
	err = t.each(`SELECT DISTINCT person FROM gone_keys WHERE source = $1 AND (`+
		strings.Join(pairs, " OR ")+`)`, args, func(r scanner) error {
		var id string
		err := r.Scan(&id)
		people = append(people, id)
		return err
	})
	return people, err
}

func (t *tx) OpenCases(n int) ([]bridge.Case, error) {
	query := `SELECT ` + caseRow + ` FROM cases WHERE state = 'open' ORDER BY opened, id LIMIT $1`
	if t.write {
		query += t.claim
	}
	return t.listCases(query, n)
}

func (t *tx) PutCase(c bridge.Case) error {
	sealed := []byte{}
	subject, err := t.subject(c.Handle)
	if err == nil {
		sealed, err = sealJSON(subject, place("cases", c.ID), c.Who)
	}
	if err != nil && err != errErased {
		return err
	}
	by, err := json.Marshal(c.By)
	if err != nil {
		return err
	}
	// Whose it is and when it was opened never changes.
	_, err = t.do(`INSERT INTO cases (`+caseColumns+`handle) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, "trigger" = excluded."trigger", state = excluded.state,
		ordered_by = excluded.ordered_by, closed = excluded.closed, returned = excluded.returned, returned_as = excluded.returned_as`,
		c.ID, c.Source, c.Person, sealed, string(c.Trigger), string(c.State), string(by),
		micros(c.Opened), micros(c.Closed), micros(c.Returned), c.ReturnedAs, c.Handle[:])
	return err
}
