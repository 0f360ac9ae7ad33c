package scim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
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
	Body       int64 // bytes of a body: 16 MiB
	Depth      int   // levels of JSON, or of brackets in a filter: 32
	Values     int   // values in a body: 500,000
	Filter     int   // bytes of a filter or path: 8 KiB
	Terms      int   // comparisons in a filter: 100
	Operations int   // of a PATCH: 1,000
	Bulk       int   // operations of a Bulk: 1,000
	Results    int   // resources in one answer: 1,000
	Page       int   // resources in one answer if nobody says how many: 100
	Members    int   // members of groups, or groups of users, in one answer: 200,000
	Scan       int   // resources looked at for a filter or order that no index serves: 200,000
}

func (l Limits) orDefault() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	if l.Body <= 0 {
		l.Body = 16 << 20
	}
	def(&l.Depth, 32)
	def(&l.Values, 500_000)
	def(&l.Filter, 8<<10)
	def(&l.Terms, 100)
	def(&l.Operations, 1000)
	def(&l.Bulk, 1000)
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
	// Heard is told in which dialect each request was read, which is news where
	// the source's is Auto; may be nil.
	Heard func(r *http.Request, d Dialect)
	// BaseURL is where the handler is mounted as clients see it, without a
	// slash at the end; nil: the request's host, and Mount.
	BaseURL func(r *http.Request) string
	// Schemes are the ways in which a source may say who it is, the preferred
	// one first; nil: with a bearer token, for all.
	Schemes func(source string) []Scheme
	Limits  Limits
	// MaxBody is Limits.Body where that may change while the handler works;
	// nil if it does not.
	MaxBody func() int64
	// Charge counts further requests against the caller's rate; nil if there is
	// none. If the rate is used up, it counts none and says how long to wait.
	Charge func(ctx context.Context, requests int) (wait time.Duration)
	// Report is told of errors whose text the caller does not see; may be nil.
	Report func(r *http.Request, err error)
}

// Mount is where the handler is expected to be: the path before what it sees.
const Mount = "/scim/v2"

// New returns the door. The paths it serves begin after [Mount]: mount it with
// http.StripPrefix(Mount, …). Each request's context must carry the
// bridge.Caller, a source, but for that of the ServiceProviderConfig. It is safe
// for concurrent use.
func New(o Options) http.Handler {
	if o.Dialect == nil {
		o.Dialect = func(string) Dialect { return Generic }
	}
	if o.BaseURL == nil {
		o.BaseURL = ownURL
	}
	if o.Schemes == nil {
		o.Schemes = func(string) []Scheme { return []Scheme{BearerToken} }
	}
	o.Limits = o.Limits.orDefault()
	h := &handler{Options: o, user: userType(), group: groupType(), mendings: map[Dialect]*mending{}, signs: signs(),
		few: fewScanned, scanning: make(chan struct{}, 1), waiting: make(chan struct{}, maxScans)}
	for _, d := range Dialects() {
		if d != Auto {
			h.mendings[d] = newMending(d, mends())
		}
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
		"/Bulk":                  {"POST": (*request).bulk},
	}
	return h
}

type handler struct {
	Options
	user, group *resourceType
	mendings    map[Dialect]*mending
	signs       []sign
	discovery   discovery
	routes      map[string]methods // by path; * stands for an id

	few               int           // resources that may be looked at without a turn
	scanning, waiting chan struct{} // whose turn it is, and who waits; see turn
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
	id      string  // of the resource, schema or resource type in the path
	dialect Dialect // in which it is read; never Auto
	auto    bool    // the dialect is recognised, not named
	mending *mending
	media   string // of the answer
	base    string
	part    bool           // of a Bulk
	data    map[string]any // then: what would be the body
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
	if err != nil && q.URL.Path != "/ServiceProviderConfig" { // which tells how to become one
		return err
	}
	q.listen(q.Dialect(caller.Source))
	if q.Heard != nil && err == nil {
		defer func() { q.Heard(q.Request, q.dialect) }()
	}
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
		if m, ok := q.routes[path[:i]+"/*"]; ok && err == nil && legible(id) {
			q.id = id
			return m, nil
		}
	}
	return nil, refusal(http.StatusNotFound, "There is nothing at this path.")
}

// legible reports whether an id in a path may be looked for.
func legible(id string) bool {
	return id != "" && utf8.ValidString(id) && !strings.Contains(id, "\x00")
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
	asked := strings.Contains(accept, mediaSCIM)
	if q.mending.may(answerPlainJSON) && !(q.auto && asked) || strings.Contains(accept, mediaJSON) && !asked {
		return mediaJSON
	}
	return mediaSCIM
}

// body reads the request's body, a JSON object.
func (q *request) body() (map[string]any, error) {
	if q.part {
		q.listenTo(q.data)
		return q.data, nil
	}
	return q.read(q.Limits)
}

// maxBody is how long a body may be now.
func (q *request) maxBody() int64 {
	if q.MaxBody != nil {
		return q.MaxBody()
	}
	return q.Limits.Body
}

// tooLarge names the limit, as RFC 7644, section 3.7.4, demands of a Bulk.
func tooLarge(limit int64) error {
	return refusal(http.StatusRequestEntityTooLarge, "The body is longer than "+strconv.FormatInt(limit, 10)+" bytes (maxPayloadSize).")
}

func (q *request) read(l Limits) (map[string]any, error) {
	media, _, _ := strings.Cut(q.Header.Get("Content-Type"), ";")
	switch strings.ToLower(strings.TrimSpace(media)) {
	case mediaSCIM, mediaJSON, "":
	default:
		return nil, refusal(http.StatusUnsupportedMediaType, "The body must be "+mediaSCIM+" or "+mediaJSON+".")
	}
	if e := q.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, refusal(http.StatusUnsupportedMediaType, "The body must not be compressed.")
	}
	limit := q.maxBody()
	if q.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	data := make([]byte, 0, max(q.ContentLength, 511)+1)
	r := io.LimitReader(q.Body, limit+1)
	for {
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF {
			break
		}
		if over := (*http.MaxBytesError)(nil); errors.As(err, &over) {
			return nil, tooLarge(limit)
		}
		if err != nil {
			return nil, refusal(http.StatusBadRequest, "The body could not be read.")
		}
		if len(data) == cap(data) {
			data = slices.Grow(data, len(data))
		}
	}
	if int64(len(data)) > limit {
		return nil, tooLarge(limit)
	}
	object, err := decodeObject(data, l)
	if err == nil {
		q.listenTo(object)
	}
	return object, err
}
