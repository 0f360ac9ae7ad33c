package scim

import (
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
)

// projection is what a client wants to see of resources: attributes or
// excludedAttributes (RFC 7644, section 3.9). The zero value shows all.
type projection struct {
	t    *resourceType
	only tree // nil: all
	but  tree
}

// tree is a set of attributes and, in them, of sub-attributes; an empty tree
// stands for the whole attribute.
type tree map[*attribute]tree

func (q *request) projection(t *resourceType, only, but []string) (projection, error) {
	p := projection{t: t}
	if len(only) > 0 && len(but) > 0 {
		return p, fault(scimerrors.ScimTypeInvalidValue, "attributes and excludedAttributes exclude each other")
	}
	p.only, p.but = t.asked(only), t.excluded(but)
	return p, nil
}

// asked reads a list of attributes to show; unknown ones are nowhere. The whole
// of a complex attribute is all that does not ask to be named itself (RFC
// 7643, section 7, "returned"). What is never returned is not kept either.
func (t *resourceType) asked(names []string) tree {
	if len(names) == 0 {
		return nil
	}
	root := tree{}
	for _, name := range names {
		way := t.resolve(strings.TrimSpace(name))
		if way == nil {
			continue
		}
		subs := way[len(way)-1].subs
		for _, s := range subs {
			if s.returned == "request" {
				for _, s := range subs {
					if s.returned != "request" {
						root.add(append(way[:len(way):len(way)], s))
					}
				}
				way = nil
				break
			}
		}
		if way != nil {
			root.add(way)
		}
	}
	return root
}

// excluded reads a list of attributes not to show, and adds those that nobody
// sees unasked.
func (t *resourceType) excluded(names []string) tree {
	if len(names)+len(t.reserved) == 0 {
		return nil
	}
	root := tree{}
	for _, name := range names {
		if way := t.resolve(strings.TrimSpace(name)); way != nil {
			root.add(way)
		}
	}
	for _, way := range t.reserved {
		root.add(way)
	}
	return root
}

func (t tree) add(path []*attribute) {
	next, ok := t[path[0]]
	switch {
	case len(path) == 1:
		t[path[0]] = tree{}
	case ok && len(next) == 0: // the whole of it is in already
	default:
		if !ok {
			next = tree{}
			t[path[0]] = next
		}
		next.add(path[1:])
	}
}

func (p projection) all() bool { return p.only == nil && len(p.but) == 0 }

// shows reports whether anything of a top-level attribute will be seen.
func (p projection) shows(a *attribute) bool {
	if p.only != nil {
		_, ok := p.only[a]
		return ok
	}
	sub, ok := p.but[a]
	return !ok || len(sub) > 0
}

// asks reports whether an attribute is asked for by name.
func (p projection) asks(way []*attribute) bool {
	in := p.only
	if in == nil || way == nil {
		return false
	}
	for _, a := range way {
		next, ok := in[a]
		if !ok {
			return false
		}
		in = next
	}
	return true
}

// of returns what the projection shows of a resource.
func (p projection) of(res map[string]any) map[string]any {
	out := make(map[string]any, len(res))
	for name, v := range res {
		a := p.t.top[strings.ToLower(name)]
		sub, listed := p.but[a]
		if p.only != nil {
			sub, listed = p.only[a]
		}
		switch {
		case a.returned == "always":
			out[name] = v
		case listed && len(sub) > 0:
			if v = portion(v, sub, p.only != nil); v != nil {
				out[name] = v
			}
		case listed == (p.only != nil):
			out[name] = v
		}
	}
	return out
}

// portion returns a complex value with only the listed sub-attributes, or without
// them; nil if nothing is left.
func portion(v any, listed tree, only bool) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if e = portion(e, listed, only); e != nil {
				out = append(out, e)
			}
		}
		if len(out) > 0 {
			return out
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, e := range v {
			out[name] = e
		}
		for a, sub := range listed {
			if e := out[a.name]; len(sub) > 0 && e != nil {
				out[a.name] = portion(e, sub, only)
			} else if !only {
				delete(out, a.name)
			}
		}
		for name := range out {
			if only && !listed.has(name) || out[name] == nil {
				delete(out, name)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

func (t tree) has(name string) bool {
	for a := range t {
		if a.name == name {
			return true
		}
	}
	return false
}
