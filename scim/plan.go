package scim

import (
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// plan splits a bound filter into a condition that the store decides, by an
// index, and the rest, which must be decided on each resource that the
// condition leaves; a nil rest means that the condition decides alone.
// Splitting never changes what matches.
func (t *resourceType) plan(f *filter) (where bridge.Cond, rest *filter) {
	switch f.op {
	case "and":
		return t.planBoth(f)
	case "or":
		left, l := t.plan(f.left)
		right, r := t.plan(f.right)
		if left.Always() || right.Always() {
			if left.Always() && l == nil || right.Always() && r == nil {
				return bridge.Cond{}, nil
			}
			return bridge.Cond{}, f
		}
		if l == nil && r == nil {
			return bridge.Any(left, right), nil
		}
		return bridge.Any(left, right), f
	case "not":
		return bridge.Cond{}, f
	}
	if f.foreign { // nothing has it here
		return known(f.matches(nil)), nil
	}
	if f.op == "has" {
		// A resource with a value that meets all conditions has one that meets
		// those an index knows; only if there is no other, the index decides.
		where, inner := t.plan(f.left)
		if inner == nil && single(where) {
			return where, nil
		}
		return where, f
	}
	return t.planOne(f)
}

// planBoth plans an "and". What leaves many is better decided on what something
// else leaves, if that is little.
func (t *resourceType) planBoth(f *filter) (bridge.Cond, *filter) {
	left, l := t.plan(f.left)
	right, r := t.plan(f.right)
	switch {
	case left.Always():
		return right, both(l, r)
	case right.Always():
		return left, both(l, r)
	case points(left) && !points(right):
		return left, both(l, f.right)
	case points(right) && !points(left):
		return right, both(f.left, r)
	}
	return bridge.All(left, right), both(l, r)
}

func both(l, r *filter) *filter {
	switch {
	case l == nil:
		return r
	case r == nil:
		return l
	}
	return &filter{op: "and", left: l, right: r}
}

// known is the condition that is true or false of everything.
func known(yes bool) bridge.Cond {
	if yes {
		return bridge.Cond{}
	}
	return bridge.Any()
}

// single reports whether a condition asks for one value at a time.
func single(c bridge.Cond) bool {
	if c.Always() || c.Op == bridge.And {
		return false
	}
	for _, x := range c.Of {
		if !single(x) {
			return false
		}
	}
	return true
}

// points reports whether a condition names what it means, and so leaves little.
func points(c bridge.Cond) bool {
	switch c.Op {
	case bridge.And:
		for _, x := range c.Of {
			if points(x) {
				return true
			}
		}
		return false
	case bridge.Or:
		for _, x := range c.Of {
			if !points(x) {
				return false
			}
		}
		return true
	}
	return c.Op == bridge.Equal && c.By != bridge.ByActive && c.By != bridge.ByModified
}

// planOne plans a comparison.
func (t *resourceType) planOne(f *filter) (bridge.Cond, *filter) {
	a := f.path[len(f.path)-1]
	if a == t.top["meta"].subs["resourcetype"] { // all have the same
		return known(f.matches(map[string]any{"meta": map[string]any{a.name: t.name}})), nil
	}
	c := bridge.Cond{Op: bridge.Op(f.op), By: a.index} // they are called the same
	switch v := f.value.(type) {
	case bool: // active is true or false of everybody
		if a.index == bridge.ByActive {
			return bridge.Cond{Op: bridge.Equal, By: a.index, Value: v == (f.op == "eq")}, nil
		}
	case time.Time:
		if c.Value = v; a.index != "" && f.op != "ne" {
			return c, nil
		}
	case string:
		c.Value = bridge.Normalise(a.index, v).Value
		switch a.index {
		case bridge.ByID, bridge.ByGroup, bridge.ByMember:
			if f.op == "eq" {
				return c, nil
			}
		case bridge.ByUserName, bridge.ByExternalID, bridge.ByEmail, bridge.ByDisplayName:
			switch {
			case v == "" || f.op == "ne":
			case t.blind && f.op != "eq":
			case f.op == "ew": // what ends so contains it
				c.Op = bridge.Contains
				return c, f
			default:
				return c, nil
			}
		}
	}
	return bridge.Cond{}, f
}
