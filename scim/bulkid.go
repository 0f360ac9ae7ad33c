package scim

import (
	"encoding/json"
	"slices"
	"strings"
)

// bulkPrefix begins a reference to a bulkId, which stands for the id of what a
// POST of the same Bulk creates (RFC 7644, section 3.7.2).
const bulkPrefix = "bulkId:"

// swap says what stands in the place of a reference to a bulkId; false leaves
// the reference as it is.
type swap func(bulkID string) (id string, ok bool)

// text replaces the references in one string, which stands under name. A
// reference is the whole of it; in $ref, the end of a URI is enough; in the
// path of a PATCH, it stands between quotes: members[value eq "bulkId:x"].
func (f swap) text(name, s string, patch bool) string {
	if id, ok := strings.CutPrefix(s, bulkPrefix); ok {
		if to, ok := f(id); ok {
			return to
		}
		return s
	}
	if i := strings.LastIndex(s, "/"+bulkPrefix); i >= 0 && strings.EqualFold(name, "$ref") {
		if to, ok := f(s[i+1+len(bulkPrefix):]); ok {
			return s[:i+1] + to
		}
		return s
	}
	if patch && strings.EqualFold(name, "path") {
		return f.quoted(s)
	}
	return s
}

// quoted replaces the references between quotes.
func (f swap) quoted(s string) string {
	from := 0
	for {
		i := strings.Index(s[from:], `"`+bulkPrefix)
		if i < 0 {
			return s
		}
		i += from
		end := i + 1
		for end < len(s) && s[end] != '"' {
			if s[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(s) {
			return s // it does not end: the path will be refused
		}
		var ref string
		from = end + 1
		if json.Unmarshal([]byte(s[i:from]), &ref) != nil {
			continue
		}
		if to, ok := f(strings.TrimPrefix(ref, bulkPrefix)); ok {
			to = string(appendString(nil, to))
			s, from = s[:i]+to+s[from:], i+len(to)
		}
	}
}

// resolve returns a copy of v, which stands under name, with its references
// replaced.
func (f swap) resolve(name string, v any, patch bool) any {
	switch v := v.(type) {
	case string:
		return f.text(name, v, patch)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = f.resolve(name, e, patch)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, e := range v {
			if patch { // a path-less value has paths as keys
				out[f.quoted(key)] = f.resolve(key, e, patch)
			} else {
				out[key] = f.resolve(key, e, patch)
			}
		}
		return out
	}
	return v
}

// refers reports whether v, which stands under name, refers to a bulkId that
// is wanted. It asks about each until one is.
func refers(name string, v any, patch bool, wanted func(bulkID string) bool) bool {
	found := false
	look := swap(func(id string) (string, bool) { found = found || wanted(id); return "", false })
	var in func(name string, v any) bool
	in = func(name string, v any) bool {
		switch v := v.(type) {
		case string:
			look.text(name, v, patch)
		case []any:
			for _, e := range v {
				if in(name, e) {
					break
				}
			}
		case map[string]any:
			for key, e := range v {
				if patch {
					look.quoted(key)
				}
				if in(key, e) {
					break
				}
			}
		}
		return found
	}
	return in(name, v)
}

// reduced returns a resource without those values that refer to what is
// missing yet: elements of lists, and attributes that are not lists.
func reduced(res map[string]any, missing func(bulkID string) bool) map[string]any {
	out := make(map[string]any, len(res))
	for name, v := range res {
		if !refers(name, v, false, missing) {
			out[name] = v
			continue
		}
		switch v := v.(type) {
		case []any:
			rest := slices.DeleteFunc(slices.Clone(v), func(e any) bool { return refers(name, e, false, missing) })
			if len(rest) > 0 {
				out[name] = rest
			}
		case map[string]any:
			if strings.Contains(name, ":") { // an extension
				out[name] = reduced(v, missing)
			}
		}
	}
	return out
}

// order says in which order the operations of a Bulk are carried out. needs
// says of each which others must be done before it. Those that need each other
// come together, as one circle. Otherwise the order is that of the request: who
// must wait, comes as soon as it need not any more, and delays nobody else.
func order(needs [][]int) [][]int {
	circles := circlesOf(needs)
	in := make([]int, len(needs)) // the circle of each
	for c, circle := range circles {
		for _, i := range circle {
			in[i] = c
		}
	}
	turn := func(c int) int { return circles[c][len(circles[c])-1] }
	waits := make([]int, len(circles)) // for how many others
	delays := make([][]int, len(circles))
	for i, list := range needs {
		for _, n := range list {
			if in[n] != in[i] {
				waits[in[i]]++
				delays[in[n]] = append(delays[in[n]], in[i])
			}
		}
	}
	var ready []int // turns, in order
	free := func(c int) {
		at, _ := slices.BinarySearch(ready, turn(c))
		ready = slices.Insert(ready, at, turn(c))
	}
	for c := range circles {
		if waits[c] == 0 {
			free(c)
		}
	}
	out := make([][]int, 0, len(circles))
	for len(ready) > 0 {
		c := in[ready[0]]
		ready = ready[1:]
		out = append(out, circles[c])
		for _, d := range delays[c] {
			if waits[d]--; waits[d] == 0 {
				free(d)
			}
		}
	}
	return out
}

// circlesOf divides operations into those that need each other, directly or
// through others (Tarjan's strongly connected components). Most are alone.
func circlesOf(needs [][]int) (circles [][]int) {
	const unseen, settled = 0, 1 << 30
	number := make([]int, len(needs)) // by when each was seen, from 1
	lowest := make([]int, len(needs)) // the earliest that is reached from it
	var path []int
	next := 0
	var visit func(i int)
	visit = func(i int) {
		next++
		number[i], lowest[i] = next, next
		from := len(path)
		path = append(path, i)
		for _, n := range needs[i] {
			if number[n] == unseen {
				visit(n)
				lowest[i] = min(lowest[i], lowest[n])
			} else {
				lowest[i] = min(lowest[i], number[n])
			}
		}
		if lowest[i] < number[i] {
			return
		}
		circle := slices.Sorted(slices.Values(path[from:]))
		for _, m := range circle {
			number[m] = settled
		}
		path = path[:from]
		circles = append(circles, circle)
	}
	for i := range needs {
		if number[i] == unseen {
			visit(i)
		}
	}
	return circles
}
