package scim

import (
	"maps"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
)

// apply carries an operation out on a resource, which it changes. The
// operation itself stays as it is: it may be applied again, to a newer version.
func (o operation) apply(res map[string]any, m *mending) error {
	in := res
	last := len(o.path) - 1
	for _, a := range o.path[:last] {
		next, ok := in[a.name].(map[string]any)
		if !ok {
			if o.value == nil || o.op == "remove" {
				return nil
			}
			next = map[string]any{}
			in[a.name] = next
		}
		in = next
	}
	a := o.path[last]
	var err error
	switch {
	case o.values():
		err = o.change(in, a, m)
	case o.some:
		list, _ := in[a.name].([]any)
		put(in, a, a.without(list, o.value))
	case o.op == "remove":
		delete(in, a.name)
	default:
		assign(in, a, o.value, o.op == "add")
	}
	if err == nil {
		err = bounded(a, in[a.name])
	}
	prune(res, o.path)
	return err
}

// assign sets a in m to v (RFC 7644, sections 3.5.2.1 and 3.5.2.3): nil
// removes it, the parts of a complex value are set one by one, others stay.
func assign(m map[string]any, a *attribute, v any, add bool) {
	switch parts, complex := v.(map[string]any); {
	case a.multi && add:
		more, _ := v.([]any)
		old, _ := m[a.name].([]any)
		put(m, a, a.join(old, more))
	case v == nil:
		delete(m, a.name)
	case a.multi || !complex:
		put(m, a, clone(v))
	default:
		old, ok := m[a.name].(map[string]any)
		if !ok {
			old = make(map[string]any, len(parts))
		}
		merge(old, a, parts, add)
		put(m, a, old)
	}
}

// put sets a in m, or removes it if nothing is in the value.
func put(m map[string]any, a *attribute, v any) {
	switch x := v.(type) {
	case []any:
		if len(x) == 0 {
			delete(m, a.name)
			return
		}
	case map[string]any:
		if len(x) == 0 {
			delete(m, a.name)
			return
		}
	}
	m[a.name] = v
}

// merge assigns each part of a complex value.
func merge(m map[string]any, a *attribute, parts map[string]any, add bool) {
	for name, v := range parts {
		assign(m, a.subs[strings.ToLower(name)], v, add)
	}
}

// join adds values to a list. One that is in it already takes over what is
// said of it now; a new primary value takes the place of the old.
func (a *attribute) join(old, more []any) []any {
	all := old[:len(old):len(old)]
	at := make(map[string]int, len(old)+len(more))
	for i, e := range old {
		at[a.identity(e)] = i
	}
	primary := -1
	for _, e := range clone(more).([]any) {
		key := a.identity(e)
		i, have := at[key]
		parts, isObject := e.(map[string]any)
		switch {
		case !have:
			i = len(all)
			at[key] = i
			all = append(all, e)
		case isObject:
			merge(all[i].(map[string]any), a, parts, true)
		}
		if isPrimary(e) {
			primary = i
		}
	}
	if primary >= 0 {
		demote(all[:primary])
		demote(all[primary+1:])
	}
	return all
}

// demote makes values not primary.
func demote(list []any) {
	for _, e := range list {
		if isPrimary(e) {
			e.(map[string]any)["primary"] = false
		}
	}
}

// without returns list without the values that are listed in unwanted: of the
// same value, and the same type if they say one.
func (a *attribute) without(list []any, unwanted any) []any {
	listed, _ := unwanted.([]any)
	drop := make(map[string]bool, len(listed))
	for _, e := range listed {
		drop[a.identity(e)] = true
	}
	out := make([]any, 0, len(list))
	for _, e := range list {
		m, _ := e.(map[string]any)
		if !drop[a.identity(e)] && (m["value"] == nil || !drop[a.identity(map[string]any{"value": m["value"]})]) {
			out = append(out, e)
		}
	}
	return out
}

// change carries an operation out on the values that its path selects.
func (o operation) change(in map[string]any, a *attribute, m *mending) error {
	list, _ := in[a.name].([]any)
	var hits, rest, out []any
	for _, e := range list {
		v, ok := e.(map[string]any)
		if !ok || o.pick != nil && !o.pick.matches(v) {
			rest, out = append(rest, e), append(out, e)
			continue
		}
		if v = o.changed(v, a); len(v) > 0 {
			out = append(out, v)
		}
		hits = append(hits, v)
	}
	removes := o.op == "remove" || o.value == nil
	if len(hits) == 0 && !removes {
		allowed := createMissing
		if o.op == "add" {
			allowed = addMissing
		}
		v, ok := seed(o.pick)
		if !ok || !m.may(allowed) {
			return fault(scimerrors.ScimTypeNoTarget, "%s has no such value", a.name)
		}
		if o.sub != nil {
			assign(v, o.sub, o.value, true)
		} else {
			merge(v, a, o.value.(map[string]any), true)
		}
		if len(v) > 0 {
			hits, out = append(hits, v), append(out, v)
		}
	}
	if n := primaries(hits); n > 1 {
		return fault(scimerrors.ScimTypeInvalidValue, "%s has more than one primary value", a.name)
	} else if n == 1 && !removes {
		demote(rest)
	}
	put(in, a, a.distinct(out))
	return nil
}

// changed returns what becomes of one selected value; empty if nothing is left.
func (o operation) changed(v map[string]any, a *attribute) map[string]any {
	parts, _ := o.value.(map[string]any)
	switch {
	case o.sub != nil && o.op == "remove":
		delete(v, o.sub.name)
	case o.sub != nil:
		assign(v, o.sub, o.value, o.op == "add")
	case o.op == "remove" || o.value == nil:
		return nil
	case o.op == "add":
		merge(v, a, parts, true)
	default:
		return clone(parts).(map[string]any)
	}
	return v
}

// seed returns the value that a selection asks for, if it says exactly which:
// equalities joined by and.
func seed(f *filter) (map[string]any, bool) {
	switch {
	case f == nil:
		return map[string]any{}, true
	case f.op == "and":
		v, ok := seed(f.left)
		more, also := seed(f.right)
		if !ok || !also {
			return nil, false
		}
		maps.Copy(v, more)
		return v, true
	case f.op == "eq" && f.value != nil && len(f.path) == 1:
		return map[string]any{f.path[0].name: f.said}, true
	}
	return nil, false
}

// prune removes the complex values on the way to what was changed that are
// empty now.
func prune(m map[string]any, path []*attribute) {
	if len(path) < 2 {
		return
	}
	if inner, ok := m[path[0].name].(map[string]any); ok {
		prune(inner, path[1:])
		put(m, path[0], inner)
	}
}
