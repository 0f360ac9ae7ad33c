package scim

import (
	"slices"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
)

// operation is one operation of a PATCH (RFC 7644, section 3.5.2), ready to be
// applied.
type operation struct {
	op string // "add", "replace" or "remove"
	target
	value any  // clean; nil in add and replace means unassigned
	some  bool // remove: only the values listed in value
}

// target is what a path leads to.
type target struct {
	path []*attribute // from the resource down; one is multi-valued at most, the last
	pick *filter      // selects among the values of the last; nil means all
	sub  *attribute   // and of those only this; nil means the whole
}

// leaf is the attribute whose value an operation sets or removes.
func (t target) leaf() *attribute {
	if t.sub != nil {
		return t.sub
	}
	return t.path[len(t.path)-1]
}

// values reports whether the target is in or among the values of a list.
func (t target) values() bool { return t.pick != nil || t.sub != nil }

// parsePath reads a path: name, name.sub, name[filter] or name[filter].sub,
// each with or without a schema's URN, or such a URN alone.
func (t *resourceType) parsePath(s string, m *mending, l Limits) (target, error) {
	s = strings.TrimSpace(s)
	if len(s) > l.Filter {
		return target{}, fault(scimerrors.ScimTypeInvalidPath, "the path is longer than %d bytes", l.Filter)
	}
	name, selection, selected := strings.Cut(s, "[")
	path := m.resolve(t, name)
	if path == nil {
		return target{}, fault(scimerrors.ScimTypeInvalidPath, "there is no attribute %.100q", name)
	}
	last := path[len(path)-1]
	if !selected {
		if n := len(path) - 1; n > 0 && path[n-1].multi {
			return target{path: path[:n], sub: last}, nil
		}
		return target{path: path}, nil
	}
	if !last.multi || !last.complex() {
		return target{}, fault(scimerrors.ScimTypeInvalidPath, "%s has no values to select", last.name)
	}
	p := parser{s: selection, depth: l.Depth, terms: l.Terms}
	pick, err := p.inside(']')
	if err == nil {
		err = bindValues(last, pick, m)
	}
	if err != nil {
		return target{}, err
	}
	rest := p.s[p.at:]
	if rest == "" {
		return target{path: path, pick: pick}, nil
	}
	sub := last.subs[strings.ToLower(strings.TrimPrefix(rest, "."))]
	if sub == nil || rest[0] != '.' {
		return target{}, fault(scimerrors.ScimTypeInvalidPath, "there is no attribute %.100q in %s", rest, last.name)
	}
	return target{path: path, pick: pick, sub: sub}, nil
}

// operations reads the body of a PATCH.
func (t *resourceType) operations(body map[string]any, m *mending, l Limits) ([]operation, error) {
	if !m.may(anySchemas) && !names(body, urnPatch) {
		return nil, fault(scimerrors.ScimTypeInvalidSyntax, "schemas must name %s", urnPatch)
	}
	list, ok := member(body, "Operations").([]any)
	switch {
	case !ok || len(list) == 0 && !m.may(noOperations):
		return nil, fault(scimerrors.ScimTypeInvalidSyntax, "Operations must be a list of at least one")
	case len(list) > l.Operations:
		return nil, refusal(413, "too many operations in one PATCH")
	}
	var ops []operation
	for _, e := range list {
		object, ok := e.(map[string]any)
		if !ok {
			return nil, fault(scimerrors.ScimTypeInvalidSyntax, "an operation must be an object")
		}
		more, err := t.operation(object, m, l)
		if err != nil {
			return nil, err
		}
		ops = append(ops, more...)
	}
	if len(ops) == 0 && slices.ContainsFunc(list, func(e any) bool { return namesForeign(t, e) }) {
		return nil, fault(scimerrors.ScimTypeInvalidPath, "there is no such extension here") // else nothing would be done, and answered 200
	}
	return ops, nil
}

// operation reads one operation; one without a path becomes one for each
// attribute in its value.
func (t *resourceType) operation(object map[string]any, m *mending, l Limits) ([]operation, error) {
	op, _ := member(object, "op").(string)
	if m.op != nil {
		op = m.op(op)
	}
	if op != "add" && op != "replace" && op != "remove" {
		return nil, fault(scimerrors.ScimTypeInvalidSyntax, "op must be add, replace or remove")
	}
	value, given := find(object, "value")
	path := member(object, "path")
	s, ok := path.(string)
	if path != nil && !ok {
		return nil, fault(scimerrors.ScimTypeInvalidPath, "path must be a string")
	}
	if ok && m.may(unknownExtension) && foreign(t, s, value) {
		return nil, nil
	}
	if ok && !strings.EqualFold(s, t.urn) { // that is the resource itself
		to, err := t.parsePath(s, m, l)
		if err != nil {
			return nil, err
		}
		o, err := t.prepare(op, to, value, given, m)
		return []operation{o}, err
	}
	if op == "remove" {
		return nil, fault(scimerrors.ScimTypeNoTarget, "remove needs a path")
	}
	whole, ok := value.(map[string]any)
	if !ok {
		return nil, fault(scimerrors.ScimTypeInvalidValue, "without a path, value must be an object")
	}
	attributes := make([]string, 0, len(whole))
	for name := range whole {
		attributes = append(attributes, name)
	}
	slices.Sort(attributes)
	ops := make([]operation, 0, len(whole))
	for _, name := range attributes {
		if m.may(unknownExtension) && foreign(t, name, whole[name]) {
			continue
		}
		to, err := t.parsePath(name, m, l)
		if err != nil {
			return nil, err
		}
		if t.top[strings.ToLower(name)] == nil && !m.may(pathsInside) {
			return nil, fault(scimerrors.ScimTypeInvalidPath, "without a path, value has whole attributes; %.100q is a path", name)
		}
		if a := to.path[0]; a.name == "schemas" || a.mutability == "readOnly" && m.may(readOnlyInside) {
			continue
		}
		o, err := t.prepare(op, to, whole[name], true, m)
		if err != nil {
			return nil, err
		}
		ops = append(ops, o)
	}
	return ops, nil
}

// prepare checks an operation and cleans its value.
func (t *resourceType) prepare(op string, to target, value any, given bool, m *mending) (operation, error) {
	o := operation{op: op, target: to}
	a := to.leaf()
	for _, on := range append(to.path[:len(to.path):len(to.path)], a) {
		if on.mutability == "readOnly" || on.mutability == "immutable" && (op == "remove" || value == nil) {
			return o, fault(scimerrors.ScimTypeMutability, "%s cannot be changed", on.name)
		}
	}
	c := cleaner{mending: m, nulls: true}
	var err error
	switch {
	case op == "remove" && (value == nil || !a.multi || to.values()):
	case op == "remove":
		// Entra lists the members to remove. Removing all instead would be a
		// way of reading the RFC, and a disaster.
		o.some = true
		o.value, err = c.value(a, value)
	case !given:
		return o, fault(scimerrors.ScimTypeInvalidValue, "%s needs a value", op)
	case to.pick != nil && to.sub == nil:
		if list, ok := value.([]any); ok && len(list) == 1 {
			value = list[0]
		}
		o.value, err = c.single(a, value)
	default:
		o.value, err = c.value(a, value)
	}
	if err != nil {
		return o, err
	}
	if a == t.active && o.value == nil {
		fit := scimerrors.ScimTypeInvalidValue
		if op == "remove" {
			fit = scimerrors.ScimTypeMutability // it is required (RFC 7644, section 3.5.2.2)
		}
		return o, fault(fit, "active is true or false; it cannot be removed")
	}
	if clean, ok := o.value.(map[string]any); ok && len(clean) == 0 {
		if raw, ok := value.(map[string]any); ok && len(raw) > 0 {
			return o, fault(scimerrors.ScimTypeInvalidValue, "nothing in the value of %s is known", a.name)
		}
	}
	return o, nil
}

// find returns a member of an object, whatever the case of its name.
func find(object map[string]any, name string) (any, bool) {
	if v, ok := object[name]; ok {
		return v, true
	}
	for n, v := range object {
		if strings.EqualFold(n, name) {
			return v, true
		}
	}
	return nil, false
}

func member(object map[string]any, name string) any {
	v, _ := find(object, name)
	return v
}

// names reports whether a message's schemas name urn.
func names(body map[string]any, urn string) bool {
	list, _ := member(body, "schemas").([]any)
	return slices.ContainsFunc(list, func(e any) bool {
		s, ok := e.(string)
		return ok && strings.EqualFold(s, urn)
	})
}
