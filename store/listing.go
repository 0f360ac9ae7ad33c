package store

import (
	"fmt"
	"strconv"

	"github.com/exeunt/exeunt/bridge"
)

// listing serves queries on one table and its keys.
type listing[T any] struct {
	table, columns string
	scan           func(*tx, scanner) (T, error)
	id             func(T) string
	ordered        bridge.Attribute // the key that each has exactly one of; "" if they cannot be ordered by one
	blind          bool             // the keys are keyed hashes
}

// page returns what q asks for and the number of all matches.
func (l listing[T]) page(t *tx, q bridge.Query) (page []T, total int, err error) {
	c, err := l.match(t, q.Source, q.Where)
	if err != nil {
		return nil, 0, err
	}
	if q.Limit > 0 {
		query, args, err := l.cut(c, q)
		if err != nil {
			return nil, 0, err
		}
		if err := t.each(query, args, func(s scanner) error {
			v, err := l.scan(t, s)
			page = append(page, v)
			return err
		}); err != nil {
			return nil, 0, err
		}
		if n := len(page); q.After == nil && n < q.Limit && (n > 0 || q.Offset <= 0) { // the last page: the number is known
			return page, max(q.Offset, 0) + n, nil
		}
	}
	if q.Where.Always() {
		err = t.tallied(l.table, q.Source, &total)
		return page, total, err
	}
	err = t.get("list", "SELECT count(*) FROM "+l.table+" WHERE "+c.sql(), c.args, &total)
	return page, total, err
}

// cut is the query for the page that q asks for.
func (l listing[T]) cut(c condition, q bridge.Query) (string, []any, error) {
	args := append(c.args[:len(c.args):len(c.args)], q.Limit, max(q.Offset, 0))
	limit := fmt.Sprintf(" LIMIT $%d OFFSET $%d", len(args)-1, len(args))
	after, down := ">", ""
	if q.Sort.Descending {
		after, down = "<", " DESC"
	}
	// place is the condition that something comes after q.After.
	place := func(columns string, key ...any) string {
		if q.After == nil {
			return ""
		}
		args = append(append(args, key...), q.After.ID)
		params := fmt.Sprintf("$%d", len(args))
		if len(key) > 0 {
			params = fmt.Sprintf("$%d, $%d", len(args)-1, len(args))
		}
		return fmt.Sprintf(" AND (%s) %s (%s)", columns, after, params)
	}
	switch by := q.Sort.By; {
	case by == "" && c.narrow:
		key, err := l.micros(q.After)
		return "SELECT " + l.columns + " FROM " + l.table + " WHERE " + c.sql() + place("created, id", key) +
			" ORDER BY created" + down + ", id" + down + limit, args, err
	case by == "": // skip over the narrow index, not over the rows
		key, err := l.micros(q.After)
		order := " ORDER BY created" + down + ", id" + down
		return "SELECT " + l.columns + " FROM " + l.table + " WHERE id IN (SELECT id FROM " + l.table + " WHERE " + c.sql() +
			place("created, id", key) + order + limit + ")" + order, args, err
	case by == bridge.ByID:
		return "SELECT " + l.columns + " FROM " + l.table + " WHERE " + c.sql() + place("id") + " ORDER BY id" + down + limit, args, nil
	case by == l.ordered: // and not ""
		args = append(args, string(by))
		keys := fmt.Sprintf("SELECT id AS key_id, value AS key_value FROM %s_keys WHERE source = $1 AND attribute = $%d", l.table, len(args))
		if !q.Where.Always() {
			keys += " AND id IN (SELECT id FROM " + l.table + " WHERE " + c.sql() + ")"
		}
		if q.After != nil {
			keys += place("value, id", q.After.Key)
		}
		return "SELECT " + l.columns + " FROM " + l.table + " JOIN (" + keys + " ORDER BY value" + down + ", id" + down + limit +
			") k ON id = key_id ORDER BY key_value" + down + ", key_id" + down, args, nil
	}
	return "", nil, bridge.Errorf(bridge.KindInvalid, "there is no order by %s", q.Sort.By)
}

// micros is the key of a place in the order of creation.
func (l listing[T]) micros(p *bridge.Place) (int64, error) {
	if p == nil {
		return 0, nil
	}
	us, err := strconv.ParseInt(p.Key, 10, 64)
	if err != nil {
		return 0, bridge.Errorf(bridge.KindInvalid, "there is no such place in this order")
	}
	return us, nil
}

// scanned is how many rows are handed on at a time.
const scanned = 256

// each hands on everything that matches, in the order of creation.
func (l listing[T]) each(t *tx, source string, where bridge.Cond, hand func([]T) error) error {
	c, err := l.match(t, source, where)
	if err != nil {
		return err
	}
	var ids []string
	if err := t.each("SELECT id FROM "+l.table+" WHERE "+c.sql()+" ORDER BY created, id", c.args, func(s scanner) error {
		var id string
		err := s.Scan(&id)
		ids = append(ids, id)
		return err
	}); err != nil {
		return err
	}
	_, err = chunks(ids, scanned, func(part []string) (int64, error) {
		if err := t.ctx.Err(); err != nil { // whoever asked may be gone
			return 0, err
		}
		at := make(map[string]int, len(part))
		for i, id := range part {
			at[id] = i
		}
		some := make([]T, len(part))
		if err := t.each("SELECT "+l.columns+" FROM "+l.table+" WHERE id "+t.in("$1"), []any{t.list(part)}, func(s scanner) error {
			v, err := l.scan(t, s)
			some[at[l.id(v)]] = v
			return err
		}); err != nil {
			return 0, err
		}
		return 0, hand(some)
	})
	return err
}
