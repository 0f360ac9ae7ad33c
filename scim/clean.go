package scim

import (
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/exeunt/exeunt/bridge"
)

// cleaner brings values that clients sent into the form that their definitions
// demand: names spelled as in the schema, sub-attributes that nobody may set
// left out, unknown ones too, nothing empty. What it returns shares nothing
// with what it was given.
type cleaner struct {
	mending *mending
	nulls   bool // keep null in objects: there it says what to unassign (PATCH)
}

// resource cleans a whole resource. What is not there any more, is unassigned.
func (c cleaner) resource(t *resourceType, body map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(body))
	for name, v := range body {
		a := t.top[strings.ToLower(name)]
		if a == nil && t.named(name) {
			// passed over, a departure would be answered as if it were done
			return nil, fault(scimerrors.ScimTypeInvalidSyntax, "%.100q: core attributes stand in a resource without their schema's URN", name)
		}
		if a == nil || a.mutability == "readOnly" {
			continue // RFC 7644, section 3.3: ignored
		}
		v, err := c.value(a, v)
		if err != nil {
			return nil, err
		}
		if v != nil {
			out[a.name] = v
		}
	}
	return out, nil
}

// value cleans what stands where a belongs. nil means unassigned: null, empty,
// or not to be kept.
func (c cleaner) value(a *attribute, v any) (any, error) {
	for _, mend := range c.mending.values {
		v = mend(a, v)
	}
	if v == nil {
		return nil, nil
	}
	clean, err := c.assigned(a, v)
	if err != nil || a.mutability == "writeOnly" || a.returned == "never" {
		return nil, err // passwords: accepted, kept nowhere
	}
	return clean, nil
}

// assigned cleans a value that is not null.
func (c cleaner) assigned(a *attribute, v any) (any, error) {
	if !a.multi {
		return c.single(a, v)
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fault(scimerrors.ScimTypeInvalidValue, "%s takes a list", a.name)
	}
	if err := bounded(a, list); err != nil {
		return nil, err
	}
	out := make([]any, 0, len(list))
	for _, e := range list {
		e, err := c.single(a, e)
		if err != nil {
			return nil, err
		}
		if e != nil {
			out = append(out, e)
		}
	}
	if out = a.distinct(out); len(out) == 0 {
		return nil, nil
	}
	if primaries(out) > 1 {
		return nil, fault(scimerrors.ScimTypeInvalidValue, "%s has more than one primary value", a.name)
	}
	return out, nil
}

// single cleans one value of a.
func (c cleaner) single(a *attribute, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	if !a.complex() {
		return simple(a, v)
	}
	if c.mending.element != nil {
		v = c.mending.element(a, v)
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fault(scimerrors.ScimTypeInvalidValue, "%s takes an object", a.name)
	}
	out := make(map[string]any, len(object))
	for name, v := range object {
		sub := a.subs[strings.ToLower(name)]
		if sub == nil || sub.mutability == "readOnly" {
			continue
		}
		v, err := c.value(sub, v)
		if err != nil {
			return nil, err
		}
		if v != nil || c.nulls {
			out[sub.name] = v
		}
	}
	if len(out) == 0 && !c.nulls {
		return nil, nil
	}
	return out, nil
}

// finish checks and completes a resource that is about to be stored: all that
// is required is there, and schemas says what there is.
func (t *resourceType) finish(res map[string]any, missing scimerrors.ScimType) error {
	for _, a := range t.required {
		if v, ok := res[a.name]; !ok || v == "" {
			return fault(missing, "%s is required", a.name)
		}
	}
	schemas := []any{t.urn}
	for _, s := range t.extensions {
		if _, ok := res[s.ID]; ok {
			schemas = append(schemas, s.ID)
		}
	}
	res["schemas"] = schemas
	return nil
}

// keepFixed sees to it that what is immutable stays as it was set (RFC 7644,
// sections 3.5.1 and 3.5.2): what is not mentioned is kept, another value is a
// fault. before is the resource as it is stored; nil if it is new.
func (t *resourceType) keepFixed(before []byte, res map[string]any) error {
	if len(t.fixed) == 0 || before == nil {
		return nil
	}
	stored, err := decodeStored(before)
	if err != nil {
		return err
	}
	for _, way := range t.fixed {
		was := reach(stored, way)
		switch is := reach(res, way); {
		case was == nil:
		case is == nil:
			in := res
			for _, a := range way[:len(way)-1] {
				inner, ok := in[a.name].(map[string]any)
				if !ok {
					inner = map[string]any{}
					in[a.name] = inner
				}
				in = inner
			}
			in[way[len(way)-1].name] = was
		case string(appendJSON(nil, is)) != string(appendJSON(nil, was)):
			return fault(scimerrors.ScimTypeMutability, "%s cannot be changed once it is set", way[len(way)-1].name)
		}
	}
	return nil
}

// reach returns the value at the end of a way through objects, or nil.
func reach(v any, way []*attribute) any {
	for _, a := range way {
		object, _ := v.(map[string]any)
		v = object[a.name]
	}
	return v
}

// maxValues is how many values an attribute of a resource may have. Members
// are no such attribute: they are not kept in the resource.
const maxValues = 500

// bounded refuses lists that are too long to be worked on while others wait.
func bounded(a *attribute, v any) error {
	if list, ok := v.([]any); ok && len(list) > maxValues && !a.computed {
		return fault(scimerrors.ScimTypeInvalidValue, "%s has more than %d values", a.name, maxValues)
	}
	return nil
}

// distinct leaves one of each value in a list (RFC 7643, section 2.4): where one
// stands again, the first takes from it what it does not say itself, and stays
// primary if either is.
func (a *attribute) distinct(list []any) []any {
	if len(list) < 2 {
		return list
	}
	first := make(map[string]map[string]any, len(list))
	out := list[:0]
	for _, e := range list {
		key := a.identity(e)
		have, again := first[key]
		if !again {
			first[key], _ = e.(map[string]any)
			out = append(out, e)
			continue
		}
		more, _ := e.(map[string]any)
		for name, v := range more {
			if have[name] == nil || name == "primary" && v == true {
				have[name] = v
			}
		}
	}
	return out
}

// identity is by what one value of a is told from another: its type and value,
// or all of it where there is no value, as in addresses.
func (a *attribute) identity(e any) string {
	m, ok := e.(map[string]any)
	if !ok || m["value"] == nil {
		return string(appendJSON(nil, e))
	}
	kind, _ := m["type"].(string)
	value, _ := m["value"].(string)
	return a.subs["type"].folded(kind) + "\x00" + a.subs["value"].folded(value)
}

// folded is the form in which strings of a are equal if they mean the same.
func (a *attribute) folded(s string) string {
	if a == nil || a.exact {
		return s
	}
	return bridge.Fold(s)
}

// primaries counts the values marked as primary.
func primaries(list []any) (n int) {
	for _, e := range list {
		if isPrimary(e) {
			n++
		}
	}
	return n
}

func isPrimary(e any) bool {
	m, ok := e.(map[string]any)
	return ok && m["primary"] == true
}

// clone copies a value deeply, without what is null and, in lists, empty.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, e := range v {
			if e != nil {
				out[name] = clone(e)
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			e = clone(e)
			if m, ok := e.(map[string]any); ok && len(m) == 0 {
				continue
			}
			out = append(out, e)
		}
		return out
	}
	return v
}
