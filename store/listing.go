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

// where is the condition of q in SQL. Every part of it is served by an index.
func (l listing[T]) where(q bridge.Query[T]) (string, []any, error) {
	if len(q.Where) > maxWhere {
		return "", nil, bridge.Errorf(bridge.KindInvalid, "the filter has too many conditions")
	}
	sql, args := "source = $1", []any{q.Source}
	for _, k := range q.Where {
		if strings.ContainsRune(k.Value, 0) { // nothing stored has it
			return sql + " AND 1 = 0", args, nil
		}
		if k.Attribute == bridge.ByID {
			args = append(args, k.Value)
			sql += fmt.Sprintf(" AND id = $%d", len(args))
			continue
		}
		args = append(args, string(k.Attribute), k.Value)
		sql += fmt.Sprintf(" AND id IN (SELECT id FROM %s_keys WHERE source = $1 AND attribute = $%d AND value = $%d)",
			l.table, len(args)-1, len(args))
	}
	return sql, args, nil
}

// page returns what q asks for and the number of all matches.
func (l listing[T]) page(t *tx, q bridge.Query[T]) ([]T, int, error) {
	where, args, err := l.where(q)
	if err != nil {
		return nil, 0, err
	}
	if q.Keep != nil {
		return l.sift(t, q, where, args)
	}
	// The number comes from the narrow index, never from the rows.
	var total int
	if err := t.get("list", "SELECT count(*) FROM "+l.table+" WHERE "+where, args, &total); err != nil {
		return nil, 0, err
	}
	if q.Limit <= 0 || q.Offset >= total {
		return nil, total, nil
	}
	var page []T
	n := len(args)
	err = t.each(fmt.Sprintf(`SELECT %s FROM %s WHERE id IN
		(SELECT id FROM %s WHERE %s ORDER BY created, id LIMIT $%d OFFSET $%d) ORDER BY created, id`,
		l.columns, l.table, l.table, where, n+1, n+2), append(args, q.Limit, max(q.Offset, 0)), func(s scanner) error {
		v, err := l.scan(s)
		page = append(page, v)
		return err
	})
	return page, total, err
}

// sift reads everything that where leaves, and lets Keep decide.
func (l listing[T]) sift(t *tx, q bridge.Query[T], where string, args []any) ([]T, int, error) {
	var (
		page  []T
		total int
	)
	err := t.each("SELECT "+l.columns+" FROM "+l.table+" WHERE "+where+" ORDER BY created, id", args, func(s scanner) error {
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
