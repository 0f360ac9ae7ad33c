package scim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/exeunt/exeunt/bridge"
)

// People is how the door has users changed. All methods concern the people of
// the source that is the caller in ctx; errors that callers may see are of type
// *bridge.Error, or what a function given to them returned.
type People interface {
	AddPerson(ctx context.Context, p bridge.Person) (bridge.Person, error)
	ChangePerson(ctx context.Context, id string, change func(*bridge.Person) error) (bridge.Person, error)
	RemovePerson(ctx context.Context, id string, allow func(bridge.Person) error) error
}

// Groups is how it has groups changed, as [People].
type Groups interface {
	AddGroup(ctx context.Context, g bridge.Group, members []string) (bridge.Group, error)
	ChangeGroup(ctx context.Context, id string, change func(*bridge.Group, bridge.Members) error) (bridge.Group, error)
	RemoveGroup(ctx context.Context, id string, allow func(bridge.Group) error) error
}

// Reader is how it sees what there is.
type Reader interface {
	// See runs fn on a snapshot of what the caller in ctx may see.
	See(ctx context.Context, fn func(bridge.Sight) error) error
}

// Limits bound what one request may ask for. Zero fields mean the default.
type Limits struct {
	Body       int64 // bytes of a body: 1 MiB
	Depth      int   // levels of JSON, or of brackets in a filter: 32
	Values     int   // values in a body: 100,000
	Filter     int   // bytes of a filter or path: 8 KiB
	Terms      int   // comparisons in a filter: 100
	Operations int   // of a PATCH: 1,000
	Results    int   // resources in one answer: 1,000
	Page       int   // resources in one answer if nobody says how many: 100
	Members    int   // members in one answer: 200,000
	Scan       int   // resources looked at for a filter or order that no index serves: 200,000
}

func (l Limits) orDefault() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	if l.Body <= 0 {
		l.Body = 1 << 20
	}
	def(&l.Depth, 32)
	def(&l.Values, 100_000)
	def(&l.Filter, 8<<10)
	def(&l.Terms, 100)
	def(&l.Operations, 1000)
	def(&l.Results, 1000)
	def(&l.Page, 100)
	def(&l.Members, 200_000)
	def(&l.Scan, 200_000)
	return l
}

// Options is what a handler needs. *bridge.Bridge is all of the first three.
type Options struct {
	People People
	Groups Groups
	Reader Reader

	// Dialect says how a source's client speaks; nil: Generic, for all.
	Dialect func(source string) Dialect
	// BaseURL is where the handler is mounted as clients see it, without a
	// slash at the end; nil: the request's host, and Mount.
	BaseURL func(r *http.Request) string
	Limits  Limits
	// Report is told of errors whose text the caller does not see; may be nil.
	Report func(r *http.Request, err error)
}

// Mount is where the handler is expected to be: the path before what it sees.
const Mount = "/scim/v2"

// New returns the door. The paths it serves begin after [Mount]: mount it with
// http.StripPrefix(Mount, …). Each request's context must carry the
// bridge.Caller, a source. It is safe for concurrent use.
func New(o Options) http.Handler {
	if o.Dialect == nil {
		o.Dialect = func(string) Dialect { return Generic }
	}
	if o.BaseURL == nil {
		o.BaseURL = ownURL
	}
	o.Limits = o.Limits.orDefault()
	h := &handler{Options: o, user: userType(), group: groupType(), mendings: map[Dialect]*mending{}}
	for _, d := range Dialects() {
		h.mendings[d] = newMending(d, mends())
	}
	h.discovery = newDiscovery(h.Limits, h.user, h.group)
	h.routes = map[string]methods{
		"":               {"GET": listing(h.user, h.group)},
		"/.search":       {"POST": listing(h.user, h.group)},
		"/Users":         {"GET": listing(h.user), "POST": (*request).createUser},
		"/Users/.search": {"POST": listing(h.user)},
		"/Users/*": {"GET": getting(h.user), "PUT": (*request).replaceUser,
			"PATCH": (*request).patchUser, "DELETE": (*request).deleteUser},
		"/Groups":         {"GET": listing(h.group), "POST": (*request).createGroup},
		"/Groups/.search": {"POST": listing(h.group)},
		"/Groups/*": {"GET": getting(h.group), "PUT": (*request).replaceGroup,
			"PATCH": (*request).patchGroup, "DELETE": (*request).deleteGroup},
		"/ServiceProviderConfig": {"GET": (*request).providerConfig},
		"/ResourceTypes":         {"GET": (*request).resourceTypes},
		"/ResourceTypes/*":       {"GET": (*request).resourceType},
		"/Schemas":               {"GET": (*request).schemas},
		"/Schemas/*":             {"GET": (*request).schema},
		"/Me":                    absent("GET", "POST", "PUT", "PATCH", "DELETE"),
		"/Bulk":                  absent("POST"),
	}
	return h
}

type handler struct {
	Options
	user, group *resourceType
	mendings    map[Dialect]*mending
	discovery   discovery
	routes      map[string]methods // by path; * stands for an id
}

// methods is what one path serves, by HTTP method.
type methods map[string]func(*request) error

// listing serves collections of the given types.
func listing(types ...*resourceType) func(*request) error {
	return func(q *request) error { return q.list(types...) }
}

// getting serves single resources.
func getting(t *resourceType) func(*request) error {
	return func(q *request) error { return q.get(t) }
}

// absent is what RFC 7644 names and this server does not offer.
func absent(names ...string) methods {
	m := methods{}
	for _, name := range names {
		m[name] = func(*request) error { return refusal(http.StatusNotImplemented, "This is not offered here.") }
	}
	return m
}

// request is one request being served.
type request struct {
	*handler
	*http.Request
	w       http.ResponseWriter
	id      string // of the resource, schema or resource type in the path
	mending *mending
	media   string // of the answer
	base    string
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &request{handler: h, Request: r, w: w, media: mediaSCIM}
	if err := q.serve(); err != nil {
		answer, shown := asAnswer(err)
		if !shown && h.Report != nil {
			h.Report(r, err)
		}
		writeError(w, q.media, answer)
	}
}

func (q *request) serve() error {
	caller, err := bridge.CallerFrom(q.Context())
	if err != nil {
		return err
	}
	if q.mending = q.mendings[q.Dialect(caller.Source)]; q.mending == nil {
		q.mending = q.mendings[Generic]
	}
	q.media = q.answerMedia()
	q.base = q.BaseURL(q.Request)
	route, err := q.route()
	if err != nil {
		return err
	}
	method := q.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	serve, ok := route[method]
	if !ok {
		q.w.Header().Set("Allow", route.allow())
		return refusal(http.StatusMethodNotAllowed, "This path does not serve that method.")
	}
	return serve(q)
}

// route finds what the path serves, and the id in it.
func (q *request) route() (methods, error) {
	path := strings.TrimSuffix(q.URL.EscapedPath(), "/")
	if m, ok := q.routes[path]; ok && !strings.HasSuffix(path, "*") {
		return m, nil
	}
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		id, err := url.PathUnescape(path[i+1:])
		legible := err == nil && id != "" && utf8.ValidString(id) && !strings.Contains(id, "\x00")
		if m, ok := q.routes[path[:i]+"/*"]; ok && legible {
			q.id = id
			return m, nil
		}
	}
	return nil, refusal(http.StatusNotFound, "There is nothing at this path.")
}

func (m methods) allow() string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// ownURL is the base URL as the client sees it.
func ownURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + Mount
}

const (
	mediaSCIM = "application/scim+json"
	mediaJSON = "application/json"
)

// answerMedia decides the type of the answer: application/scim+json (RFC
// 7644, section 3.1), unless the client wants to hear application/json.
func (q *request) answerMedia() string {
	accept := strings.ToLower(strings.Join(q.Header.Values("Accept"), ","))
	if q.mending.may(answerPlainJSON) || strings.Contains(accept, mediaJSON) && !strings.Contains(accept, mediaSCIM) {
		return mediaJSON
	}
	return mediaSCIM
}

// body reads the request's body, a JSON object.
func (q *request) body() (map[string]any, error) {
	media, _, _ := strings.Cut(q.Header.Get("Content-Type"), ";")
	switch strings.ToLower(strings.TrimSpace(media)) {
	case mediaSCIM, mediaJSON, "":
	default:
		return nil, refusal(http.StatusUnsupportedMediaType, "The body must be "+mediaSCIM+" or "+mediaJSON+".")
	}
	if e := q.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, refusal(http.StatusUnsupportedMediaType, "The body must not be compressed.")
	}
	tooLarge := refusal(http.StatusRequestEntityTooLarge, "The body is too large.")
	if q.ContentLength > q.Limits.Body {
		return nil, tooLarge
	}
	data := make([]byte, 0, max(q.ContentLength, 511)+1)
	r := io.LimitReader(q.Body, q.Limits.Body+1)
	for {
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF {
			break
		}
		if over := (*http.MaxBytesError)(nil); errors.As(err, &over) {
			return nil, tooLarge
		}
		if err != nil {
			return nil, refusal(http.StatusBadRequest, "The body could not be read.")
		}
		if len(data) == cap(data) {
			data = slices.Grow(data, len(data))
		}
	}
	if int64(len(data)) > q.Limits.Body {
		return nil, tooLarge
	}
	return decodeObject(data, q.Limits)
}
