package scim

import (
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
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
	if out = distinct(out); len(out) == 0 {
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
		return c.simple(a, v)
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

func (c cleaner) simple(a *attribute, v any) (any, error) {
	clean, err := a.core.ValidateSingular(v)
	if err != nil {
		return nil, fault(scimerrors.ScimTypeInvalidValue, "%s takes a %s", a.name, a.kind)
	}
	if a.mutability == "writeOnly" {
		return nil, nil // passwords: accepted, kept nowhere
	}
	return clean, nil
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

// distinct leaves out what stands twice in a list (RFC 7643, section 2.4).
func distinct(list []any) []any {
	if len(list) < 2 {
		return list
	}
	seen := make(map[string]bool, len(list))
	out := list[:0]
	var b []byte
	for _, e := range list {
		if b = appendJSON(b[:0], e); !seen[string(b)] {
			seen[string(b)] = true
			out = append(out, e)
		}
	}
	return out
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
