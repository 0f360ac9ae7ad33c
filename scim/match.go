package scim

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// matches decides a bound filter on a resource, or on one value of a complex
// attribute. An attribute with several values matches if any of them does; an
// unassigned one is null (RFC 7643, section 2.5), which equals null and
// differs from everything else.
func (f *filter) matches(v map[string]any) bool {
	switch f.op {
	case "and":
		return f.left.matches(v) && f.right.matches(v)
	case "or":
		return f.left.matches(v) || f.right.matches(v)
	case "not":
		return !f.left.matches(v)
	case "has":
		return some(v, f.path, func(e any) bool {
			m, ok := e.(map[string]any)
			return ok && f.left.matches(m)
		})
	case "pr":
		return some(v, f.path, present)
	}
	if !some(v, f.path, present) {
		return (f.value == nil) == (f.op == "eq") && (f.op == "eq" || f.op == "ne")
	}
	if f.value == nil {
		return f.op == "ne"
	}
	a := f.path[len(f.path)-1]
	return some(v, f.path, func(have any) bool { return present(have) && f.holds(a, have) })
}

// some reports whether yes is true of any value that path leads to from v.
func some(v any, path []*attribute, yes func(any) bool) bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if some(e, path, yes) {
				return true
			}
		}
		return false
	case map[string]any:
		if len(path) > 0 {
			return some(v[path[0].name], path[1:], yes)
		}
	}
	return len(path) == 0 && yes(v)
}

// present reports whether a value is there and not empty.
func present(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case []any:
		for _, e := range v {
			if present(e) {
				return true
			}
		}
		return false
	case map[string]any:
		for _, e := range v {
			if present(e) {
				return true
			}
		}
		return false
	}
	return true
}

// holds decides one comparison with one value of a. A value of another kind
// than a's differs from everything.
func (f *filter) holds(a *attribute, have any) bool {
	switch want := f.value.(type) {
	case bool:
		b, ok := have.(bool)
		return (ok && b == want) == (f.op == "eq")
	case int64:
		n, ok := number(a, have)
		return ok && ordered(f.op, cmp.Compare(n.(int64), want)) || !ok && f.op == "ne"
	case float64:
		n, ok := number(a, have)
		return ok && ordered(f.op, cmp.Compare(n.(float64), want)) || !ok && f.op == "ne"
	case time.Time:
		s, _ := have.(string)
		at, ok := moment(s)
		return ok && ordered(f.op, at.Compare(want)) || !ok && f.op == "ne"
	case string:
		s, ok := have.(string)
		if !ok {
			return f.op == "ne"
		}
		if !a.exact && a.kind != "binary" && a.kind != "dateTime" {
			s = bridge.Fold(s)
		}
		switch f.op {
		case "co":
			return strings.Contains(s, want)
		case "sw":
			return strings.HasPrefix(s, want)
		case "ew":
			return strings.HasSuffix(s, want)
		}
		return ordered(f.op, strings.Compare(s, want))
	}
	return false
}

// ordered says what an operator makes of a comparison: c is negative, zero or
// positive.
func ordered(op string, c int) bool {
	switch op {
	case "eq":
		return c == 0
	case "ne":
		return c != 0
	case "gt":
		return c > 0
	case "ge":
		return c >= 0
	case "lt":
		return c < 0
	case "le":
		return c <= 0
	}
	return false
}

// number reads a number of a resource or a filter: an int64 where a is an
// integer, else a float64.
func number(a *attribute, v any) (any, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return nil, false
	}
	if a.kind == "integer" {
		i, err := n.Int64()
		return i, err == nil
	}
	f, err := n.Float64()
	return f, err == nil
}
