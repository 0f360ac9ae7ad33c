package scim

import (
	"encoding/base64"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/exeunt/exeunt/bridge"
)

// binder looks the names in a filter up, and refuses comparisons that mean
// nothing (RFC 7644, section 3.4.2.2), so that matching cannot fail.
type binder struct {
	lookup func(name string) []*attribute
	// elsewhere are the other types that are asked in the same breath; what one
	// of them has, is known but unassigned here (RFC 7644, section 3.4.2.1).
	elsewhere []*resourceType
	words     bool // booleans may be compared with "True" and "False"
	parts     bool // name[…].sub may be compared
}

// bindFilter binds a filter on resources, which may be of other types too.
func (t *resourceType) bindFilter(f *filter, m *mending, elsewhere ...*resourceType) error {
	lookup := func(name string) []*attribute { return m.resolve(t, name) }
	return binder{lookup, elsewhere, m.may(stringBooleans), m.may(partOfSelected)}.bind(f)
}

// bindValues binds a filter on the values of one complex attribute.
func bindValues(a *attribute, f *filter, m *mending) error {
	return binder{words: m.may(stringBooleans)}.within(a).bind(f)
}

// within is the binder for what stands in a[…].
func (b binder) within(a *attribute) binder {
	b.elsewhere = nil
	b.lookup = func(name string) []*attribute {
		if s := a.subs[strings.ToLower(name)]; s != nil {
			return []*attribute{s}
		}
		return nil
	}
	return b
}

func (b binder) bind(f *filter) error {
	switch f.op {
	case "and", "or":
		if err := b.bind(f.left); err != nil {
			return err
		}
		return b.bind(f.right)
	case "not":
		return b.bind(f.left)
	}
	f.path = b.lookup(f.name)
	for _, t := range b.elsewhere {
		if f.path == nil {
			f.path = t.resolve(f.name)
			f.foreign = f.path != nil
		}
	}
	if f.path == nil {
		return fault(scimerrors.ScimTypeInvalidFilter, "there is no attribute %.100q", f.name)
	}
	a := f.path[len(f.path)-1]
	switch {
	case a.mutability == "writeOnly":
		return fault(scimerrors.ScimTypeInvalidFilter, "%s cannot be compared", a.name)
	case a.computed && a != f.path[0]:
		return fault(scimerrors.ScimTypeInvalidFilter, "%s cannot be compared", a.name)
	case f.op == "has":
		return b.has(f, a)
	case f.op == "pr":
		return nil
	case a.complex():
		if a = a.value(); a == nil {
			return fault(scimerrors.ScimTypeInvalidFilter, "%s has no value of its own to compare", f.name)
		}
		f.path = append(f.path[:len(f.path):len(f.path)], a)
	}
	return b.comparison(f, a)
}

// has binds name[…].
func (b binder) has(f *filter, a *attribute) error {
	if !a.complex() || a.extension {
		return fault(scimerrors.ScimTypeInvalidFilter, "%s has no values to select", a.name)
	}
	if f.part && !b.parts {
		return fault(scimerrors.ScimTypeInvalidFilter, "compare within the brackets: %s[… and …]", a.name)
	}
	return b.within(a).bind(f.left)
}

// comparison checks that a can be compared so, and brings the filter's value
// into the form in which values of a are compared.
func (b binder) comparison(f *filter, a *attribute) error {
	equality := f.op == "eq" || f.op == "ne"
	f.said = f.value
	if f.value == nil {
		if equality {
			return nil
		}
		return mismatch(f, a)
	}
	s, isString := f.value.(string)
	switch a.kind {
	case "boolean":
		if isString && b.words {
			f.value = stringBoolean(a, s)
			f.said = f.value
		}
		if _, ok := f.value.(bool); !ok || !equality {
			return mismatch(f, a)
		}
	case "integer", "decimal":
		n, ok := number(a, f.value)
		if !ok || f.op == "co" || f.op == "sw" || f.op == "ew" {
			return mismatch(f, a)
		}
		f.value = n
	case "binary":
		b, ok := unbase64(s)
		if !isString || !equality || !ok {
			return mismatch(f, a)
		}
		f.value = base64.StdEncoding.EncodeToString(b)
		f.said = f.value
	case "dateTime":
		if !isString {
			return mismatch(f, a)
		}
		if f.op == "co" || f.op == "sw" || f.op == "ew" {
			return nil
		}
		at, ok := moment(s)
		if !ok {
			return mismatch(f, a)
		}
		f.value = at
	default:
		if !isString {
			return mismatch(f, a)
		}
		if !a.exact {
			f.value = bridge.Fold(s)
		}
	}
	return nil
}

func mismatch(f *filter, a *attribute) error {
	return fault(scimerrors.ScimTypeInvalidFilter, "%s is a %s and cannot be compared so", a.name, a.kind)
}
