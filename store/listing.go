package store

import (
	"fmt"
	"strings"

	"github.com/exeunt/exeunt/bridge"
)

// listing serves queries on one table and its keys.
type listing[T any] struct {
	table, columns string
	scan           func(scanner) (T, error)
}

// maxWhere bounds the conditions of one query.
const maxWhere = 32

// from is where the matches of q are, in SQL. The first value that an index
// knows leads: CROSS JOIN keeps SQLite from walking through everybody instead.
func (l listing[T]) from(q bridge.Query[T]) (sql string, args []any, narrow bool, err error) {
	if len(q.Where) > maxWhere {
		return "", nil, false, bridge.Errorf(bridge.KindInvalid, "the filter has too many conditions")
	}
	tables, conditions := l.table+" t", "t.source = $1"
	args = []any{q.Source}
	for _, k := range q.Where {
		if strings.ContainsRune(k.Value, 0) { // nothing stored has it
			return tables + " WHERE 1 = 0 AND t.source = $1", args, true, nil
		}
		if k.Attribute == bridge.ByID {
			args = append(args, k.Value)
			conditions += fmt.Sprintf(" AND t.id = $%d", len(args))
			narrow = true
			continue
		}
		args = append(args, string(k.Attribute), k.Value)
		key := fmt.Sprintf("source = $1 AND attribute = $%d AND value = $%d", len(args)-1, len(args))
		if narrow {
			conditions += fmt.Sprintf(" AND t.id IN (SELECT id FROM %s_keys WHERE %s)", l.table, key)
			continue
		}
		tables = fmt.Sprintf("(SELECT id AS found FROM %s_keys WHERE %s) k CROSS JOIN %s", l.table, key, tables)
		conditions += " AND t.id = k.found"
		narrow = true
	}
	return tables + " WHERE " + conditions, args, narrow, nil
}

// page returns what q asks for and the number of all matches.
func (l listing[T]) page(t *tx, q bridge.Query[T]) (page []T, total int, err error) {
	from, args, narrow, err := l.from(q)
	if err != nil {
		return nil, 0, err
	}
	if q.Keep != nil {
		return l.sift(t, q, from, args)
	}
	rows := fmt.Sprintf(`SELECT %s FROM %s ORDER BY t.created, t.id LIMIT $%d OFFSET $%d`,
		l.columns, from, len(args)+1, len(args)+2)
	if !narrow { // skip over the narrow index, not over the rows
		rows = fmt.Sprintf(`SELECT %s FROM %s t WHERE t.id IN
			(SELECT t.id FROM %s ORDER BY t.created, t.id LIMIT $%d OFFSET $%d) ORDER BY t.created, t.id`,
			l.columns, l.table, from, len(args)+1, len(args)+2)
	}
	if q.Limit > 0 {
		err = t.each(rows, append(args, q.Limit, max(q.Offset, 0)), func(s scanner) error {
			v, err := l.scan(s)
			page = append(page, v)
			return err
		})
		if err != nil {
			return nil, 0, err
		}
		if n := len(page); n < q.Limit && (n > 0 || q.Offset <= 0) { // the last page: the number is known
			return page, max(q.Offset, 0) + n, nil
		}
	}
	err = t.get("list", "SELECT count(*) FROM "+from, args, &total)
	return page, total, err
}

// sift reads everything that where leaves, and lets Keep decide.
func (l listing[T]) sift(t *tx, q bridge.Query[T], from string, args []any) ([]T, int, error) {
	var (
		page  []T
		total int
	)
	err := t.each("SELECT "+l.columns+" FROM "+from+" ORDER BY t.created, t.id", args, func(s scanner) error {
		if err := t.ctx.Err(); err != nil { // whoever asked may be gone
			return err
		}
		v, err := l.scan(s)
		if err != nil || !q.Keep(v) {
			return err
		}
		if total >= q.Offset && len(page) < q.Limit {
			page = append(page, v)
		}
		total++
		return nil
	})
	return page, total, err
}
