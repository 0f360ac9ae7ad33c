package store

import (
	"fmt"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// condition is a [bridge.Cond] in SQL, about the rows of people or groups.
type condition struct {
	*tx
	table  string
	source string
	blind  bool  // keys are keyed hashes
	args   []any // $1 is the source
	text   string
	// narrow: it goes through lists of ids, which are the source's alone. Then
	// the source must not stand beside it, lest the planner walk through all of
	// the source's people instead.
	narrow bool
}

func (c condition) sql() string {
	if c.narrow {
		return c.text
	}
	return "source = $1 AND " + c.text
}

func (l listing[T]) match(t *tx, source string, where bridge.Cond) (c condition, err error) {
	c = condition{tx: t, table: l.table, source: source, blind: l.blind, args: []any{source}}
	c.text, c.narrow, err = c.of(where)
	return c, err
}

const (
	always = "1 = 1"
	never  = "1 = 0"
)

// param is the next parameter.
func (c *condition) param(v any) string {
	c.args = append(c.args, v)
	return fmt.Sprintf("$%d", len(c.args))
}

func (c *condition) of(x bridge.Cond) (text string, narrow bool, err error) {
	switch x.Op {
	case "":
		return always, false, nil
	case bridge.And, bridge.Or:
		return c.joined(x)
	}
	text, narrow, ok := c.compared(x)
	if !ok {
		return "", false, bridge.Errorf(bridge.KindInvalid, "%s of %s cannot be asked for", x.By, c.table)
	}
	return text, narrow, nil
}

func (c *condition) joined(x bridge.Cond) (string, bool, error) {
	with, all := " AND ", x.Op == bridge.Or
	if all {
		with = " OR "
	}
	if len(x.Of) == 0 {
		return map[bool]string{true: never, false: always}[all], false, nil
	}
	var texts []string
	narrow := all // all of an Or must be, one of an And
	for _, y := range x.Of {
		text, n, err := c.of(y)
		if err != nil {
			return "", false, err
		}
		texts = append(texts, text)
		narrow = all && narrow && n || !all && (narrow || n)
	}
	return "(" + strings.Join(texts, with) + ")", narrow, nil
}

// compared is one comparison; ok is false if there is none such.
func (c *condition) compared(x bridge.Cond) (text string, narrow, ok bool) {
	equal := x.Op == bridge.Equal
	switch v := x.Value.(type) {
	case bool:
		if x.By == bridge.ByActive && equal && c.table == "people" {
			return fmt.Sprintf("active = %t", v), false, true // not a parameter: a partial index wants to see it
		}
	case time.Time:
		column := map[bridge.Attribute]string{bridge.ByCreated: "created", bridge.ByModified: "modified"}[x.By]
		text, ok = c.moment(column, x.Op, v)
		return text, false, ok && column != ""
	case string:
		return c.texts(x, v)
	}
	return "", false, false
}

// moment compares a time. What is kept is whole microseconds; v need not be.
func (c *condition) moment(column string, op bridge.Op, v time.Time) (string, bool) {
	us, whole := v.UnixMicro(), v.Nanosecond()%1000 == 0
	switch op {
	case bridge.Equal:
		if !whole {
			return never, true
		}
		return column + " = " + c.param(us), true
	case bridge.Greater: // than anything in a microsecond: than the whole of it
		return column + " > " + c.param(us), true
	case bridge.LessEqual:
		return column + " <= " + c.param(us), true
	case bridge.GreaterEqual, bridge.Less:
		if !whole {
			us++
		}
		return column + map[bridge.Op]string{bridge.GreaterEqual: " >= ", bridge.Less: " < "}[op] + c.param(us), true
	}
	return "", false
}

// texts compares a text: a list of the ids of which it holds.
func (c *condition) texts(x bridge.Cond, v string) (text string, narrow, ok bool) {
	if strings.ContainsRune(v, 0) { // nothing that is stored has it, and PostgreSQL refuses it
		return never, false, x.Op == bridge.Equal
	}
	ids := ""
	switch {
	case x.By == bridge.ByID && x.Op == bridge.Equal:
		ids = fmt.Sprintf("SELECT id FROM %s WHERE id = %s AND source = $1", c.table, c.param(v))
	case x.By == bridge.ByGroup && x.Op == bridge.Equal && c.table == "people":
		ids = `WITH RECURSIVE down (id) AS (
			SELECT id FROM groups WHERE id = ` + c.param(v) + ` AND source = $1
			UNION SELECT m.member FROM down JOIN members m ON m.group_id = down.id WHERE m.is_group)
			SELECT m.member FROM down JOIN members m ON m.group_id = down.id`
	case x.By == bridge.ByMember && x.Op == bridge.Equal && c.table == "groups":
		ids = "SELECT m.group_id FROM members m JOIN groups g ON g.id = m.group_id WHERE m.member = " + c.param(v) + " AND g.source = $1"
	case x.By == bridge.ByUserName, x.By == bridge.ByExternalID, x.By == bridge.ByEmail, x.By == bridge.ByDisplayName:
		ids = fmt.Sprintf("SELECT id FROM %s_keys WHERE source = $1 AND attribute = %s AND ", c.table, c.param(string(x.By)))
		value, ok := c.value(x, v)
		if !ok {
			return "", false, false
		}
		ids += value
	}
	return "id IN (" + ids + ")", true, ids != ""
}

// value is a condition on a key's value.
func (c *condition) value(x bridge.Cond, v string) (string, bool) {
	if c.blind {
		hash, err := c.tx.blind(c.source, bridge.Key{Attribute: x.By, Value: v})
		c.failed(err)
		return "value = " + c.param(hash), x.Op == bridge.Equal
	}
	switch op := x.Op; op {
	case bridge.StartsWith: // everything between v and the next text that does not start with it
		text := "value >= " + c.param(v)
		if next, ok := successor(v); ok {
			text += " AND value < " + c.param(next)
		}
		return text, true
	case bridge.Contains:
		return fmt.Sprintf("%s(value, %s) > 0", c.find, c.param(v)), true
	}
	sign, ok := map[bridge.Op]string{bridge.Equal: "=", bridge.Greater: ">", bridge.GreaterEqual: ">=",
		bridge.Less: "<", bridge.LessEqual: "<="}[x.Op]
	return "value " + sign + " " + c.param(v), ok
}

// successor is the first text, in the order of bytes, after all that start
// with s; ok is false if there is none.
func successor(s string) (next string, ok bool) {
	runes := []rune(s)
	for i := len(runes) - 1; i >= 0; i-- {
		switch r := runes[i]; r {
		case 0x10FFFF: // the last there is: look further left
		case 0xD7FF: // surrogates follow, which are no characters
			return string(runes[:i]) + string(rune(0xE000)), true
		default:
			return string(runes[:i]) + string(r+1), true
		}
	}
	return "", false
}

// tally notes that there is one more, or less, in a table. It must be asked
// while the row is there.
func (t *tx) tally(table, id string, by int) error {
	_, err := t.do(`INSERT INTO tallies (source, what, shard, n) SELECT source, '`+table+`', `+t.shard+`, $2 FROM `+table+`
		WHERE id = $1 ON CONFLICT (source, what, shard) DO UPDATE SET n = tallies.n + excluded.n`, id, by)
	return err
}

// tallied reads how many a source has in a table.
func (t *tx) tallied(table, source string, n *int) error {
	return t.get("list", `SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM tallies WHERE source = $1 AND what = '`+table+`'`, []any{source}, n)
}
