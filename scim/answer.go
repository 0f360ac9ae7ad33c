package scim

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/exeunt/exeunt/bridge"
)

// stored is a person or group on its way out.
type stored struct {
	id                string
	resource          []byte
	version           int64
	created, modified time.Time
	belongs           []any // members of a group, groups of a user; nil for none
	caseState         string
}

// etag is the version of a resource, also in its meta (RFC 7644, section 3.14).
func etag(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }

func (q *request) location(t *resourceType, id string) string { return q.base + t.endpoint + "/" + id }

func (q *request) meta(t *resourceType, s stored) map[string]any {
	return map[string]any{
		"resourceType": t.name,
		"created":      s.created.UTC().Format(time.RFC3339Nano),
		"lastModified": s.modified.UTC().Format(time.RFC3339Nano),
		"location":     q.location(t, s.id),
		"version":      etag(s.version),
	}
}

// whole is the resource with everything that is not stored in it.
func (q *request) whole(t *resourceType, s stored) (map[string]any, error) {
	res, err := decodeStored(s.resource)
	if err != nil {
		return nil, err
	}
	res["id"], res["meta"] = s.id, q.meta(t, s)
	if len(s.belongs) > 0 {
		res[t.belongs.name] = s.belongs
	}
	if s.caseState != "" {
		e, state := t.caseState[0].name, t.caseState[1].name
		if _, ok := res[e].(map[string]any); !ok {
			res[e] = map[string]any{}
			res["schemas"] = append(res["schemas"].([]any), e)
		}
		res[e].(map[string]any)[state] = s.caseState
	}
	return res, nil
}

// appendResource appends a resource as the client asked for it. If it asked for
// all of it, what is stored is not decoded again.
func (q *request) appendResource(b []byte, t *resourceType, s stored, p projection) ([]byte, error) {
	if !p.all() {
		res, err := q.whole(t, s)
		if err != nil {
			return nil, err
		}
		return appendJSON(b, p.of(res)), nil
	}
	b = append(b, s.resource[:len(s.resource)-1]...) // never empty: schemas is always in it
	b = appendString(append(b, `,"id":`...), s.id)
	if len(s.belongs) > 0 {
		b = appendString(append(b, ','), t.belongs.name)
		b = appendJSON(append(b, ':'), s.belongs)
	}
	b = append(b, `,"meta":{"created":"`...)
	b = s.created.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","lastModified":"`...)
	b = s.modified.UTC().AppendFormat(b, time.RFC3339Nano)
	b = appendString(append(b, `","location":`...), q.location(t, s.id))
	b = appendString(append(b, `,"resourceType":`...), t.name)
	b = appendString(append(b, `,"version":`...), etag(s.version))
	return append(b, '}', '}'), nil
}

// answer sends one resource.
func (q *request) answer(status int, t *resourceType, s stored, p projection) error {
	var b []byte
	if !q.part { // an answer to a Bulk has no resources in it
		var err error
		if b, err = q.appendResource(make([]byte, 0, len(s.resource)+512), t, s, p); err != nil {
			return err
		}
	}
	q.w.Header().Set("ETag", etag(s.version))
	if status == http.StatusCreated {
		q.w.Header().Set("Location", q.location(t, s.id))
	}
	writeJSON(q.w, q.media, status, b)
	return nil
}

// answerNow sends one resource, with what belongs to it now as far as it will be
// seen.
func (q *request) answerNow(status int, t *resourceType, s stored, shows projection) error {
	if !shows.shows(t.belongs) && !shows.asks(t.caseState) {
		return q.answer(status, t, s, shows)
	}
	page := []stored{s}
	if err := q.Reader.See(q.Context(), func(v bridge.Sight) error {
		_, err := q.beside(v, t, shows, page, q.Limits.Members)
		return err
	}); err != nil {
		return err
	}
	return q.answer(status, t, page[0], shows)
}

// beside adds to resources what is kept apart from them, as far as it will be
// seen: at most limit groups or members, and says how many more it would bear.
func (q *request) beside(v bridge.Sight, t *resourceType, shows projection, some []stored, limit int) (left int, err error) {
	if shows.asks(t.caseState) {
		if err := q.addCaseStates(v, some); err != nil {
			return limit, err
		}
	}
	if !shows.shows(t.belongs) {
		return limit, nil
	}
	return t.belong(q, v, some, limit)
}

// get sends the resource that the path names.
func (q *request) get(t *resourceType) error {
	shows, err := q.shown(t)
	if err != nil {
		return err
	}
	page := make([]stored, 1)
	if err := q.Reader.See(q.Context(), func(v bridge.Sight) (err error) {
		if page[0], err = t.one(v, q.id); err == nil && !q.unchanged(page[0].version) {
			_, err = q.beside(v, t, shows, page, q.Limits.Members)
		}
		return err
	}); err != nil {
		return err
	}
	if q.unchanged(page[0].version) {
		q.w.Header().Set("ETag", etag(page[0].version))
		q.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return q.answer(http.StatusOK, t, page[0], shows)
}

func writeJSON(w http.ResponseWriter, media string, status int, b []byte) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b) // if it does not arrive, nobody is there to tell
}

// unchanged reports whether the client has this version already (RFC 7644,
// section 3.14).
func (q *request) unchanged(version int64) bool {
	return lists(q.Header.Get("If-None-Match"), etag(version))
}

// expected refuses to change another version than the client expects.
func (q *request) expected(version int64) error {
	want, not := q.Header.Get("If-Match"), q.Header.Get("If-None-Match")
	if want != "" && !lists(want, etag(version)) || lists(not, etag(version)) {
		return refusal(http.StatusPreconditionFailed, "The resource is at another version.")
	}
	return nil
}

// lists reports whether a list of entity tags has tag or is *. Tags are
// compared weakly (RFC 9110, section 8.8.3.2): ours are weak.
func lists(header, tag string) bool {
	for header != "" {
		var one string
		one, header, _ = strings.Cut(header, ",")
		one = strings.TrimSpace(one)
		if one == "*" || one != "" && strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

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
