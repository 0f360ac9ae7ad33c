package scim

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/exeunt/exeunt/bridge"
)

// ordering is sortBy and sortOrder (RFC 7644, section 3.4.2.3). The zero value
// is the order of creation.
type ordering struct {
	by   string
	down bool
}

func readOrder(from url.Values) (o ordering, err error) {
	o.by = strings.TrimSpace(from.Get("sortBy"))
	switch strings.ToLower(from.Get("sortOrder")) {
	case "", "ascending":
	case "descending":
		o.down = o.by != ""
	default:
		return o, fault(scimerrors.ScimTypeInvalidValue, "sortOrder is ascending or descending")
	}
	return o, nil
}

// bind returns the way to the attribute by which resources of a type are
// sorted; nil if they are not, or have none: what only others have is
// unassigned.
func (o ordering) bind(t *resourceType, others []*resourceType) ([]*attribute, error) {
	if o.by == "" {
		return nil, nil
	}
	path, known := t.resolve(o.by), false
	for _, other := range others {
		known = known || other.resolve(o.by) != nil
	}
	if path == nil {
		if !known {
			return nil, fault(scimerrors.ScimTypeInvalidPath, "there is no attribute %.100q to sort by", o.by)
		}
		return nil, nil
	}
	a := path[len(path)-1]
	if a.complex() {
		if a = a.value(); a == nil {
			return nil, fault(scimerrors.ScimTypeInvalidPath, "%s has no value of its own to sort by; name a sub-attribute", o.by)
		}
		path = append(path[:len(path):len(path)], a)
	}
	if a.mutability == "writeOnly" || a.computed && a != path[0] {
		return nil, fault(scimerrors.ScimTypeInvalidPath, "there is nothing to sort by in %s", o.by)
	}
	return path, nil
}

// stored returns how the store brings a type's resources into this order, if it
// can.
func (p part) stored(o ordering) (bridge.Sort, bool) {
	if o.by == "" {
		return bridge.Sort{}, true
	}
	if len(p.by) == 0 {
		return bridge.Sort{}, false
	}
	switch a := p.by[len(p.by)-1]; {
	case a.index == bridge.ByCreated:
		return bridge.Sort{Descending: o.down}, true
	case a.index == bridge.ByID, a == p.t.ordered: // which is not nil, as a is not
		return bridge.Sort{By: a.index, Descending: o.down}, true
	}
	return bridge.Sort{}, false
}

// key is the text by which a resource of the i-th part is ordered: compared byte
// by byte, as the store compares what it orders.
func (x query) key(i int, s stored, res map[string]any) string {
	p := x.parts[i]
	sort, ok := p.stored(x.order)
	switch {
	case x.order.by != "" && (!ok || len(x.parts) > 1):
		return missingLast(res, p.by)
	case sort.By == "":
		return fmt.Sprintf("%020d", s.created.UnixMicro())
	case sort.By == bridge.ByID:
		return ""
	}
	return rank(p.t.ordered, res[p.t.ordered.name])
}

// missingLast is the key of the value to which path leads; what has none comes
// last, or first if descending.
func missingLast(res map[string]any, path []*attribute) string {
	if len(path) == 0 {
		return "1"
	}
	v := first(res, path)
	if !present(v) {
		return "1"
	}
	return "0" + rank(path[len(path)-1], v)
}

// first returns the value to which path leads; of several the primary one, or
// else the first.
func first(v any, path []*attribute) any {
	if list, ok := v.([]any); ok {
		if len(list) == 0 {
			return nil
		}
		v = list[0]
		for _, e := range list {
			if isPrimary(e) {
				v = e
			}
		}
	}
	if len(path) == 0 {
		return v
	}
	m, _ := v.(map[string]any)
	return first(m[path[0].name], path[1:])
}

// rank brings a value of a into a form whose bytes are in the values' order.
func rank(a *attribute, v any) string {
	switch v := v.(type) {
	case bool:
		if v {
			return "1"
		}
		return "0"
	case string:
		if at, ok := moment(v); ok && a.kind == "dateTime" {
			return at.UTC().Format("2006-01-02T15:04:05.000000000")
		}
		if a.exact || a.kind == "binary" {
			return v
		}
		return bridge.Fold(v)
	case json.Number, int64, float64:
		f, _ := json.Number(fmt.Sprint(v)).Float64()
		bits := math.Float64bits(f)
		if bits>>63 == 1 {
			bits = ^bits
		} else {
			bits |= 1 << 63
		}
		return fmt.Sprintf("%016x", bits)
	}
	return ""
}
