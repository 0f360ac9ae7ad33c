package scim

import (
	"context"

	"github.com/exeunt/exeunt/bridge"
)

// plan splits a bound filter into look-ups that an index serves and the rest,
// which must be decided on each resource that they leave; a nil rest means
// that the index decides alone. Splitting never changes what matches.
func plan(f *filter) (where []bridge.Key, rest *filter) {
	switch f.op {
	case "and":
		where, left := plan(f.left)
		more, right := plan(f.right)
		where = append(where, more...)
		switch {
		case left == nil:
			return where, right
		case right == nil:
			return where, left
		}
		return where, &filter{op: "and", left: left, right: right}
	case "has":
		// A resource with a value that meets all conditions has one that meets
		// those an index knows; only if there is no other, the index decides.
		where, inner := plan(f.left)
		if len(where) == 1 && inner == nil {
			return where, nil
		}
		return where, f
	case "eq":
		a := f.path[len(f.path)-1]
		if s, ok := f.value.(string); ok && s != "" && a.index != "" {
			return []bridge.Key{bridge.Normalise(a.index, s)}, nil
		}
	}
	return nil, f
}

// ask finds out who belongs to whom, as far as a filter asks for it.
func (f *filter) ask(ctx context.Context, t *resourceType, m Memberships) error {
	if f == nil {
		return nil
	}
	if f.op != "belongs" {
		if err := f.left.ask(ctx, t, m); err != nil {
			return err
		}
		return f.right.ask(ctx, t, m)
	}
	f.in = map[string]bool{}
	id := f.value.(string)
	if t.name == "User" {
		members, err := m.Members(ctx, id, "", 0)
		for _, x := range members {
			f.in[x.ID] = true
		}
		if bridge.IsKind(err, bridge.KindNotFound) {
			err = nil
		}
		return err
	}
	groups, err := m.Memberships(ctx, id)
	for _, x := range groups[id] {
		f.in[x.Group] = true
	}
	return err
}
