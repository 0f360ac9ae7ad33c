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

// match is the condition of q in SQL. Conditions on keys become a list of ids
// from the narrow index; the source must not stand beside it, lest the planner
// walk through all of the source's people instead.
func (l listing[T]) match(q bridge.Query[T]) (string, []any, error) {
	if len(q.Where) > maxWhere {
		return "", nil, bridge.Errorf(bridge.KindInvalid, "the filter has too many conditions")
	}
	args := []any{q.Source}
	if len(q.Where) == 0 {
		return "source = $1", args, nil
	}
	var sets []string
	for _, k := range q.Where {
		switch {
		case strings.ContainsRune(k.Value, 0): // nothing stored has it, and PostgreSQL refuses it
			return "source = $1 AND 1 = 0", args[:1], nil
		case k.Attribute == bridge.ByID:
			args = append(args, k.Value)
			sets = append(sets, fmt.Sprintf("SELECT id FROM %s WHERE id = $%d AND source = $1", l.table, len(args)))
		default:
			args = append(args, string(k.Attribute), k.Value)
			sets = append(sets, fmt.Sprintf("SELECT id FROM %s_keys WHERE source = $1 AND attribute = $%d AND value = $%d",
				l.table, len(args)-1, len(args)))
		}
	}
	return "id IN (" + strings.Join(sets, " INTERSECT ") + ")", args, nil
}

// page returns what q asks for and the number of all matches.
func (l listing[T]) page(t *tx, q bridge.Query[T]) (page []T, total int, err error) {
	match, args, err := l.match(q)
	if err != nil {
		return nil, 0, err
	}
	if q.Keep != nil {
		return l.sift(t, q, match, args)
	}
	if q.Limit > 0 {
		rows := match + l.cut(args)
		if len(q.Where) == 0 { // skip over the narrow index, not over the rows
			rows = "id IN (SELECT id FROM " + l.table + " WHERE " + rows + ") ORDER BY created, id"
		}
		if err := t.each("SELECT "+l.columns+" FROM "+l.table+" WHERE "+rows,
			append(args, q.Limit, max(q.Offset, 0)), func(s scanner) error {
				v, err := l.scan(s)
				page = append(page, v)
				return err
			}); err != nil {
			return nil, 0, err
		}
		if n := len(page); n < q.Limit && (n > 0 || q.Offset <= 0) { // the last page: the number is known
			return page, max(q.Offset, 0) + n, nil
		}
	}
	err = t.get("list", "SELECT count(*) FROM "+l.table+" WHERE "+match, args, &total)
	return page, total, err
}

// cut cuts a page out of an ordered list; its numbers follow args.
func (l listing[T]) cut(args []any) string {
	return fmt.Sprintf(" ORDER BY created, id LIMIT $%d OFFSET $%d", len(args)+1, len(args)+2)
}

// sift reads everything that matches, and lets Keep decide.
func (l listing[T]) sift(t *tx, q bridge.Query[T], match string, args []any) ([]T, int, error) {
	var (
		page  []T
		total int
	)
	err := t.each("SELECT "+l.columns+" FROM "+l.table+" WHERE "+match+" ORDER BY created, id", args, func(s scanner) error {
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
