package store

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/exeunt/exeunt/bridge"
)

const personColumns = `id, source, handle, user_name, external_id, display_name, emails, active,
	resource, version, created, modified`

func scanPerson(s scanner) (p bridge.Person, err error) {
	var (
		handle, emails    []byte
		created, modified int64
	)
	if err := s.Scan(&p.ID, &p.Source, &handle, &p.UserName, &p.ExternalID, &p.DisplayName, &emails,
		&p.Active, &p.Resource, &p.Version, &created, &modified); err != nil {
		return bridge.Person{}, err
	}
	copy(p.Handle[:], handle)
	p.Created, p.Modified = fromMicros(created), fromMicros(modified)
	return p, json.Unmarshal(emails, &p.Emails)
}

var peopleListing = listing[bridge.Person]{
	table: "people", columns: personColumns, scan: scanPerson,
	id: func(p bridge.Person) string { return p.ID }, ordered: bridge.ByUserName,
}

func (t *tx) Person(id string) (bridge.Person, error) {
	p, err := scanPerson(single{t, "person", "SELECT " + personColumns + " FROM people WHERE id = $1" + t.forUpdate(), id})
	if err == nil && t.write {
		t.remember(p.ID, p.Keys())
	}
	return p, err
}

func (t *tx) People(q bridge.Query) ([]bridge.Person, int, error) { return peopleListing.page(t, q) }

func (t *tx) ScanPeople(source string, where bridge.Cond, each func([]bridge.Person) error) error {
	return peopleListing.each(t, source, where, each)
}

func (t *tx) PutPerson(p bridge.Person) error {
	keys := p.Keys()
	if err := storable(keys); err != nil {
		return err
	}
	emails, err := json.Marshal(p.Emails)
	if err != nil {
		return err
	}
	if p.Version == 1 {
		_, err := t.do(`INSERT INTO people (`+personColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
			p.ID, p.Source, p.Handle[:], p.UserName, p.ExternalID, p.DisplayName, string(emails), p.Active,
			filled(p.Resource), p.Version, micros(p.Created), micros(p.Modified))
		if t.unique(err) {
			return bridge.Errorf(bridge.KindConflict, "there is already a person with this id")
		}
		if err != nil {
			return err
		}
		if err := t.tally("people", p.ID, 1); err != nil {
			return err
		}
		return t.putKeys("people", p.Source, p.ID, nil, keys)
	}
	before, known := t.keys[p.ID]
	if !known {
		old, err := t.Person(p.ID)
		if err != nil {
			return err
		}
		before = old.Keys()
	}
	n, err := t.do(`UPDATE people SET handle = $2, user_name = $3, external_id = $4, display_name = $5, emails = $6,
		active = $7, resource = $8, version = $9, modified = $10 WHERE id = $1`,
		p.ID, p.Handle[:], p.UserName, p.ExternalID, p.DisplayName, string(emails), p.Active,
		filled(p.Resource), p.Version, micros(p.Modified))
	if err != nil {
		return err
	}
	if n == 0 {
		return bridge.Errorf(bridge.KindNotFound, "there is no such person")
	}
	return t.putKeys("people", p.Source, p.ID, before, keys)
}

func (t *tx) DeletePerson(id string, by []bridge.Key) error {
	for _, k := range by {
		if _, err := t.do(`INSERT INTO gone_keys (source, attribute, value, person)
			SELECT source, $2, $3, id FROM people WHERE id = $1`, id, string(k.Attribute), k.Value); err != nil {
			return err
		}
	}
	if _, err := t.do(`DELETE FROM members WHERE member = $1`, id); err != nil {
		return err
	}
	if err := t.tally("people", id, -1); err != nil {
		return err
	}
	n, err := t.do(`DELETE FROM people WHERE id = $1`, id) // and its keys
	if err == nil && n == 0 {
		err = bridge.Errorf(bridge.KindNotFound, "there is no such person")
	}
	delete(t.keys, id)
	return err
}

func (t *tx) remember(id string, keys []bridge.Key) {
	if t.keys == nil {
		t.keys = make(map[string][]bridge.Key)
	}
	t.keys[id] = keys
}

// putKeys makes the index say after instead of before. Mostly they are the
// same, and the index is not touched.
func (t *tx) putKeys(table, source, id string, before, after []bridge.Key) error {
	for _, k := range before {
		if !slices.Contains(after, k) {
			if _, err := t.do(`DELETE FROM `+table+`_keys WHERE source = $1 AND attribute = $2 AND value = $3 AND id = $4`,
				source, string(k.Attribute), k.Value, id); err != nil {
				return err
			}
		}
	}
	for _, k := range after {
		if slices.Contains(before, k) {
			continue
		}
		if _, err := t.do(`INSERT INTO `+table+`_keys (source, attribute, value, id) VALUES ($1, $2, $3, $4)`,
			source, string(k.Attribute), k.Value, id); t.unique(err) {
			return &bridge.Error{Kind: bridge.KindConflict, Field: string(k.Attribute), Message: "the value is already taken"}
		} else if err != nil {
			return err
		}
	}
	t.remember(id, after)
	return nil
}

// maxValue bounds an indexed value in bytes; PostgreSQL's index takes 2704.
const maxValue = 2048

// storable refuses what one of the databases cannot keep or index, on both.
func storable(keys []bridge.Key) error {
	for _, k := range keys {
		if len(k.Value) > maxValue || strings.ContainsRune(k.Value, 0) {
			return &bridge.Error{Kind: bridge.KindInvalid, Field: string(k.Attribute),
				Message: "the value is too long or has a character that cannot be stored"}
		}
	}
	return nil
}

// single is one row to be scanned, with our error if there is none.
type single struct {
	t           *tx
	what, query string
	id          string
}

func (s single) Scan(dest ...any) error { return s.t.get(s.what, s.query, []any{s.id}, dest...) }
