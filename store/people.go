package store

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/exeunt/exeunt/bridge"
)

var personColumns = `id, source, active, sealed, version, created, modified, ` + wrappedOf("people")

func (t *tx) scanPerson(s scanner) (p bridge.Person, err error) {
	var (
		sealed, handle    []byte
		wrapped           []byte
		created, modified int64
	)
	if err := s.Scan(&p.ID, &p.Source, &p.Active, &sealed, &p.Version, &created, &modified, &handle, &wrapped); err != nil {
		return bridge.Person{}, err
	}
	copy(p.Handle[:], handle)
	p.Created, p.Modified = fromMicros(created), fromMicros(modified)
	subject, err := t.unwrap(p.Handle, wrapped)
	if err != nil {
		return bridge.Person{}, err
	}
	plain, err := subject.Open(place("people", p.ID), sealed)
	if err != nil {
		return bridge.Person{}, err
	}
	err = unpackPerson(plain, &p)
	return p, err
}

// packPerson is what is sealed of a person: the texts, each after its length, then
// whether they are under a hold, and the resource.
func packPerson(p bridge.Person) []byte {
	b := make([]byte, 0, len(p.Resource)+256)
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	text(p.UserName)
	text(p.ExternalID)
	text(p.DisplayName)
	b = binary.AppendUvarint(b, uint64(len(p.Emails)))
	for _, e := range p.Emails {
		text(e)
	}
	hold := byte(0)
	if p.Hold {
		hold = 1
	}
	return append(append(b, hold), p.Resource...)
}

func unpackPerson(b []byte, p *bridge.Person) error {
	short := false
	number := func() uint64 {
		n, k := binary.Uvarint(b)
		if k <= 0 || n > uint64(len(b)-k) {
			short = true
			return 0
		}
		b = b[k:]
		return n
	}
	text := func() string {
		n := number()
		s := string(b[:n])
		b = b[n:]
		return s
	}
	p.UserName, p.ExternalID, p.DisplayName = text(), text(), text()
	for n := number(); n > 0 && !short; n-- {
		p.Emails = append(p.Emails, text())
	}
	p.Hold = number() == 1
	if short {
		return errors.New("store: what is sealed of a person is no person")
	}
	p.Resource = b
	return nil
}

// A person's texts are found only by what they are, not by parts or in an order:
// the index has keyed hashes of them.
var peopleListing = listing[bridge.Person]{
	table: "people", columns: personColumns, scan: (*tx).scanPerson,
	id: func(p bridge.Person) string { return p.ID }, blind: true,
}

func (t *tx) Person(id string) (bridge.Person, error) {
	p, err := t.scanPerson(single{t, "person", "SELECT " + personColumns + " FROM people WHERE id = $1" + t.forUpdate(), id})
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
	if p.Version == 1 {
		subject, err := t.newSubject(p.Handle, p.ID)
		if err != nil {
			return err
		}
		_, err = t.do(`INSERT INTO people (id, source, handle, active, sealed, version, created, modified)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, p.ID, p.Source, p.Handle[:], p.Active,
			subject.Seal(place("people", p.ID), packPerson(p)), p.Version, micros(p.Created), micros(p.Modified))
		if t.unique(err) {
			return bridge.Errorf(bridge.KindConflict, "there is already a person with this id")
		}
		if err != nil {
			return err
		}
		if err := t.tally("people", p.ID, 1); err != nil {
			return err
		}
		return peopleListing.putKeys(t, p.Source, p.ID, nil, keys)
	}
	before, known := t.keys[p.ID]
	if !known {
		old, err := t.Person(p.ID)
		if err != nil {
			return err
		}
		before = old.Keys()
	}
	subject, err := t.subject(p.Handle)
	if err != nil {
		return err
	}
	n, err := t.do(`UPDATE people SET active = $2, sealed = $3, version = $4, modified = $5 WHERE id = $1`,
		p.ID, p.Active, subject.Seal(place("people", p.ID), packPerson(p)), p.Version, micros(p.Modified))
	if err != nil {
		return err
	}
	if n == 0 {
		return bridge.Errorf(bridge.KindNotFound, "there is no such person")
	}
	return peopleListing.putKeys(t, p.Source, p.ID, before, keys)
}

func (t *tx) DeletePerson(id string, by []bridge.Key) error {
	if len(by) > 0 {
		var source string
		if err := t.get("person", `SELECT source FROM people WHERE id = $1`, []any{id}, &source); err != nil {
			return err
		}
		for _, k := range by {
			value, err := t.blind(source, k)
			if err != nil {
				return err
			}
			if _, err := t.do(`INSERT INTO gone_keys (source, attribute, value, person) VALUES ($1, $2, $3, $4)`,
				source, string(k.Attribute), value, id); err != nil {
				return err
			}
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
func (l listing[T]) putKeys(t *tx, source, id string, before, after []bridge.Key) error {
	for _, k := range before {
		if slices.Contains(after, k) {
			continue
		}
		value, err := l.indexed(t, source, k)
		if err != nil {
			return err
		}
		if _, err := t.do(`DELETE FROM `+l.table+`_keys WHERE source = $1 AND attribute = $2 AND value = $3 AND id = $4`,
			source, string(k.Attribute), value, id); err != nil {
			return err
		}
	}
	for _, k := range after {
		if slices.Contains(before, k) {
			continue
		}
		value, err := l.indexed(t, source, k)
		if err != nil {
			return err
		}
		if _, err := t.do(`INSERT INTO `+l.table+`_keys (source, attribute, value, id) VALUES ($1, $2, $3, $4)`,
			source, string(k.Attribute), value, id); t.unique(err) {
			return &bridge.Error{Kind: bridge.KindConflict, Field: string(k.Attribute), Message: "the value is already taken"}
		} else if err != nil {
			return err
		}
	}
	t.remember(id, after)
	return nil
}

// indexed is a key's value as the index has it.
func (l listing[T]) indexed(t *tx, source string, k bridge.Key) (any, error) {
	if !l.blind {
		return k.Value, nil
	}
	return t.blind(source, k)
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
