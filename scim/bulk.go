package scim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
)

const (
	urnBulkRequest  = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	urnBulkResponse = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
)

// dataDepth is how much deeper than a request's own body the data of an
// operation stands in a Bulk.
const dataDepth = 3

// errand is one operation of a Bulk (RFC 7644, section 3.7). It goes the way of
// a request of its own, through the same handler, in a transaction of its own.
type errand struct {
	method, bulkID, version string
	path                    string // "/Users/bulkId:x"
	t                       *resourceType
	target                  string // what follows the endpoint in path: an id, a reference, or nothing
	data                    map[string]any
	refers                  []string // bulkIds, in path and data

	// The outcome.
	tried    bool
	lacks    bool // created, but without what refers to the rest of its circle
	err      error
	status   int
	etag     string
	location string
}

func (e *errand) patches() bool { return e.method == http.MethodPatch }

// bulk carries out many operations. One that fails keeps none of the others
// from being tried, unless failOnErrors says so.
func (q *request) bulk() error {
	limits := q.Limits
	limits.Depth += dataDepth
	body, err := q.read(limits)
	if err != nil {
		return err
	}
	errands, mayFail, err := q.errands(body)
	if err != nil {
		return err
	}
	if q.Charge != nil && len(errands) > 1 {
		if wait := q.Charge(q.Context(), len(errands)-1); wait > 0 { // the request itself is paid for
			q.w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
			return refusal(http.StatusTooManyRequests, "Too many requests; each operation of a Bulk counts as one.")
		}
	}
	b := &bulk{request: q, made: map[string]string{}, byID: map[string]*errand{}, mayFail: mayFail}
	b.run(errands)
	writeJSON(q.w, q.media, http.StatusOK, b.appendAnswer(nil, errands))
	return nil
}

// errands reads the body of a Bulk. A wrong operation is not its error but that
// operation's. mayFail is how many operations may fail before the rest is left;
// 0: any number.
func (q *request) errands(body map[string]any) (errands []*errand, mayFail int, err error) {
	strict := !q.mending.may(looseBulkIDs)
	if !q.mending.may(anySchemas) && !names(body, urnBulkRequest) {
		return nil, 0, fault(scimerrors.ScimTypeInvalidSyntax, "schemas must name %s", urnBulkRequest)
	}
	switch n := member(body, "failOnErrors").(type) {
	case nil:
	case json.Number:
		if mayFail, err = strconv.Atoi(n.String()); err != nil || mayFail < 0 {
			return nil, 0, fault(scimerrors.ScimTypeInvalidValue, "failOnErrors must be a whole number, and not negative")
		}
	default:
		return nil, 0, fault(scimerrors.ScimTypeInvalidValue, "failOnErrors must be a number")
	}
	list, ok := member(body, "Operations").([]any)
	if !ok {
		return nil, 0, fault(scimerrors.ScimTypeInvalidSyntax, "Operations must be a list")
	}
	if len(list) > q.Limits.Bulk {
		return nil, 0, refusal(http.StatusRequestEntityTooLarge, "The Bulk has more operations than maxOperations, "+strconv.Itoa(q.Limits.Bulk)+".")
	}
	ids := make(map[string]bool, len(list))
	for _, v := range list {
		e := &errand{}
		e.err = q.readErrand(e, v, strict)
		if strict && e.bulkID != "" && ids[e.bulkID] {
			return nil, 0, fault(scimerrors.ScimTypeInvalidValue, "the bulkId %.100q stands twice", e.bulkID)
		}
		ids[e.bulkID] = true
		errands = append(errands, e)
	}
	return errands, mayFail, nil
}

// readErrand reads one operation as far as it is understood.
func (q *request) readErrand(e *errand, v any, strict bool) error {
	object, ok := v.(map[string]any)
	if !ok {
		return fault(scimerrors.ScimTypeInvalidSyntax, "an operation must be an object")
	}
	var wrong error
	for _, field := range []struct {
		name string
		to   *string
	}{{"method", &e.method}, {"bulkId", &e.bulkID}, {"version", &e.version}, {"path", &e.path}} {
		v := member(object, field.name)
		if *field.to, ok = v.(string); !ok && v != nil && wrong == nil {
			wrong = fault(scimerrors.ScimTypeInvalidValue, "%s must be a string", field.name)
		}
	}
	if wrong != nil {
		return wrong
	}
	if !strict {
		e.method = strings.ToUpper(e.method)
		e.path = "/" + strings.TrimPrefix(e.path, "/")
	}
	switch e.method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return fault(scimerrors.ScimTypeInvalidValue, "method must be POST, PUT, PATCH or DELETE")
	}
	if strict && e.method == http.MethodPost && e.bulkID == "" {
		return fault(scimerrors.ScimTypeInvalidValue, "a POST needs a bulkId")
	}
	if err := q.aim(e); err != nil {
		return err
	}
	data, given := find(object, "data")
	if e.data, ok = data.(map[string]any); !ok && (given && data != nil || e.method != http.MethodDelete) {
		return fault(scimerrors.ScimTypeInvalidSyntax, "data must be an object, as in a request of its own")
	}
	seen := map[string]bool{}
	note := func(id string) bool {
		if !seen[id] {
			seen[id] = true
			e.refers = append(e.refers, id)
		}
		return false
	}
	refers("", e.target, false, note)
	refers("", e.data, e.patches(), note)
	return nil
}

// aim finds what the path of an operation means, as route does for a request:
// "/Users", or "/Users/" and an id or a reference to one.
func (q *request) aim(e *errand) error {
	if strings.ContainsAny(e.path, "?#") {
		return fault(scimerrors.ScimTypeInvalidPath, "path must be /Users or /Groups, or one of these, a slash and an id")
	}
	for _, t := range []*resourceType{q.user, q.group} {
		rest, ok := strings.CutPrefix(strings.TrimSuffix(e.path, "/"), t.endpoint)
		if !ok || rest != "" && rest[0] != '/' {
			continue
		}
		e.t = t
		if rest != "" {
			id, err := url.PathUnescape(rest[1:])
			if err != nil || !legible(id) || strings.Contains(rest[1:], "/") && !strings.HasPrefix(id, bulkPrefix) {
				break
			}
			e.target = id
		}
		if (e.target == "") == (e.method == http.MethodPost) {
			return nil
		}
		return refusal(http.StatusMethodNotAllowed, "This path does not serve that method.")
	}
	return refusal(http.StatusNotFound, "There is nothing at this path.")
}

// bulk is a Bulk being carried out.
type bulk struct {
	*request
	byID     map[string]*errand // those that create, by bulkId; nil for one that stands twice
	made     map[string]string  // by bulkId: the id of what was created
	mayFail  int
	failed   int
	reported string // the last error that was
}

// run carries out operations in an order in which references can be resolved.
func (b *bulk) run(errands []*errand) {
	at := make(map[*errand]int, len(errands))
	for i, e := range errands {
		at[e] = i
		if e.method == http.MethodPost && e.bulkID != "" {
			if _, twice := b.byID[e.bulkID]; twice {
				e = nil
			}
			b.byID[errands[i].bulkID] = e
		}
	}
	needs := make([][]int, len(errands))
	for i, e := range errands {
		for _, id := range e.refers {
			if other := b.byID[id]; other != nil {
				needs[i] = append(needs[i], at[other])
			} else if _, twice := b.byID[id]; e.err == nil && twice {
				e.err = fault(scimerrors.ScimTypeInvalidValue, "more than one operation has the bulkId %.100q", id)
			} else if e.err == nil {
				e.err = fault(scimerrors.ScimTypeInvalidValue, "no operation that creates something has the bulkId %.100q", id)
			}
		}
	}
	for _, circle := range order(needs) {
		for _, i := range circle {
			if b.enough() {
				break
			}
			b.try(errands[i])
		}
		for _, i := range circle {
			b.complete(errands[i])
		}
	}
}

// enough reports whether so much has failed that the rest is left.
func (b *bulk) enough() bool { return b.mayFail > 0 && b.failed >= b.mayFail }

// try carries out one operation. If it refers to others of its circle that are
// not there yet, it is created without that.
func (b *bulk) try(e *errand) {
	e.tried = true
	if e.err == nil {
		e.err = b.Context().Err()
	}
	if e.err != nil {
		b.fail(e)
		return
	}
	for _, id := range e.refers {
		other := b.byID[id]
		if _, ok := b.made[id]; ok {
			continue
		}
		if other.tried && other != e {
			e.err = refusal(http.StatusConflict, "The operation refers to one that failed, the one with bulkId "+clip(id)+".")
			b.fail(e)
			return
		}
		e.lacks = true
	}
	target, data := b.resolved(e)
	if e.lacks {
		data = reduced(data, func(id string) bool { _, ok := b.made[id]; return !ok })
	}
	if e.err = b.send(e, e.method, target, data, e.version); e.err != nil {
		if answer, _ := asAnswer(e.err); e.lacks && answer.Status == http.StatusBadRequest {
			e.err = refusal(http.StatusConflict, "The operations refer to each other in a circle, and this one cannot be created without that: "+answer.Detail)
		}
		e.lacks = false
		b.fail(e)
		return
	}
	if e.method == http.MethodPost && e.bulkID != "" && b.byID[e.bulkID] == e {
		b.made[e.bulkID] = strings.TrimPrefix(e.location, b.location(e.t, ""))
	}
}

// complete adds to what was created for the sake of a circle what it lacks.
// What cannot be completed stays: deleting a person would be a departure.
func (b *bulk) complete(e *errand) {
	if !e.lacks {
		return
	}
	for _, id := range e.refers {
		if _, ok := b.made[id]; !ok {
			e.err = refusal(http.StatusConflict, "It was created, at the location given here, but without what refers to bulkId "+clip(id)+", which was not.")
			b.fail(e)
			return
		}
	}
	_, data := b.resolved(e)
	if e.err = b.send(e, http.MethodPut, b.made[e.bulkID], data, e.etag); e.err != nil {
		b.fail(e)
		return
	}
	e.status = http.StatusCreated
}

func (b *bulk) fail(e *errand) {
	b.failed++
	answer, shown := asAnswer(e.err)
	if said := e.err.Error(); !shown && b.Report != nil && said != b.reported {
		b.Report(b.Request, e.err)
		b.reported = said // not once more for each of the rest
	}
	e.err, e.status = answer, answer.Status
}

// resolved returns where an operation goes and its data, with all that was
// created meanwhile in the place of references.
func (b *bulk) resolved(e *errand) (target string, data map[string]any) {
	if len(e.refers) == 0 {
		return e.target, e.data
	}
	f := swap(func(id string) (string, bool) { id, ok := b.made[id]; return id, ok })
	if e.data != nil {
		data = f.resolve("", e.data, e.patches()).(map[string]any)
	}
	return f.text("", e.target, false), data
}

// send has an operation served as a request of its own would be.
func (b *bulk) send(e *errand, method, target string, data map[string]any, version string) error {
	route := b.routes[e.t.endpoint]
	r := b.WithContext(b.Context()) // a copy
	r.Method, r.Header, r.Body, r.ContentLength = method, http.Header{}, http.NoBody, 0
	r.URL = &url.URL{Path: e.t.endpoint}
	if target != "" {
		route = b.routes[e.t.endpoint+"/*"]
		r.URL.Path += "/" + target
		e.location = b.location(e.t, url.PathEscape(target))
	}
	if version != "" && method != http.MethodPost {
		r.Header.Set("If-Match", version)
	}
	o := &outcome{header: http.Header{}}
	one := &request{handler: b.handler, Request: r, w: o, id: target, dialect: b.dialect, auto: b.auto, mending: b.mending, media: b.media, base: b.base, part: true, data: data}
	if err := route[method](one); err != nil {
		return err
	}
	e.status, e.etag = o.status, o.header.Get("ETag")
	if l := o.header.Get("Location"); l != "" {
		e.location = l
	}
	return nil
}

// outcome is what becomes of one operation. Bodies of answers are left out: RFC
// 7644, section 3.7.3, allows it, and a thousand of them are long.
type outcome struct {
	header http.Header
	status int
}

func (o *outcome) Header() http.Header         { return o.header }
func (o *outcome) WriteHeader(status int)      { o.status = status }
func (o *outcome) Write(b []byte) (int, error) { return len(b), nil }

// appendAnswer appends the answer to a Bulk: what was tried, in the order of
// the request.
func (b *bulk) appendAnswer(to []byte, errands []*errand) []byte {
	list := make([]any, 0, len(errands))
	for _, e := range errands {
		if !e.tried {
			continue
		}
		m := map[string]any{"status": strconv.Itoa(e.status)}
		for name, v := range map[string]string{"method": e.method, "bulkId": e.bulkID, "version": e.etag, "location": e.location} {
			if v != "" {
				m[name] = v
			}
		}
		if e.location == "" && e.method != http.MethodPost {
			m["location"] = b.base + e.path // required, even if nothing is there
		}
		if failed, ok := e.err.(scimerrors.ScimError); ok {
			m["response"] = errorBody(failed)
		}
		list = append(list, m)
	}
	return appendJSON(to, map[string]any{"schemas": []any{urnBulkResponse}, "Operations": list})
}

// clip shortens what a client sent, to be quoted to it.
func clip(s string) string {
	if len(s) > 100 {
		s = strings.ToValidUTF8(s[:100], "") + "…"
	}
	return strconv.Quote(s)
}
