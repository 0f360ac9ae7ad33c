package saml

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"mime"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
)

// Logouts is what the desk asks of the engine; *[bridge.Bridge] has it.
type Logouts interface {
	// LogOut opens a case that ends a person's sessions.
	LogOut(ctx context.Context, person, from string) (bridge.Case, error)
	// AwaitCase returns a case when nothing is under way in it, or when ctx ends.
	AwaitCase(ctx context.Context, id string) (bridge.Case, []bridge.Action, error)
	// ShutByBrowser notes that an app confirmed an action through a browser.
	ShutByBrowser(ctx context.Context, action string, r bridge.Receipt) error
}

// Memory is where what must be remembered between two messages is kept, and who
// is who; every [bridge.Store] has it.
type Memory interface {
	Update(ctx context.Context, fn func(bridge.Tx) error) error
	View(ctx context.Context, fn func(bridge.Tx) error) error
}

// Page is what a person in a browser is shown.
type Page string

const (
	PageOut     Page = "out"     // every app confirmed
	PagePartial Page = "partial" // not every app did
	PageRefused Page = "refused" // the message is not good, or was used before: it is not said which
	PageFailed  Page = "failed"  // ours
	PageNoEntry Page = "noentry" // nobody signs in here
)

// DeskOptions is what a [Desk] needs.
type DeskOptions struct {
	Logouts Logouts
	Memory  Memory
	Note    func(context.Context, bridge.Event) error // appends to the log
	Show    func(http.ResponseWriter, int, Page)      // writes a page
	Wait    time.Duration                             // how long an answer waits for the apps
	Now     func() time.Time
	Log     zerolog.Logger
}

// Circle is whom the desk knows, by one configuration.
type Circle struct {
	Authority *Authority           // nil: SAML is not configured
	Apps      []bridge.App         // among them those that people are signed out of
	People    map[string]Namesakes // by name of the identity provider
}

// Namesakes is whom an identity provider means by a NameID of which nothing else
// is known: the person of a source with that value.
type Namesakes struct {
	Source string
	By     bridge.Attribute
}

// Desk takes logout messages from identity providers and apps: /saml/slo, on
// three bindings. It is safe for concurrent use.
type Desk struct {
	DeskOptions
	circle  atomic.Pointer[Circle]
	changed chan struct{} // the circle
	waiting chan struct{} // those who wait for apps
	refused refusals
}

// mostWaiting is how many wait for the apps at once: each looks at the store again and
// again. Others are answered at once, with what is known by then; the apps are told
// all the same.
const mostWaiting = 64

// NewDesk returns a desk that knows nobody; see [Desk.Know].
func NewDesk(o DeskOptions) *Desk {
	d := &Desk{DeskOptions: o, changed: make(chan struct{}, 1), waiting: make(chan struct{}, mostWaiting), refused: newRefusals()}
	d.circle.Store(&Circle{})
	return d
}

// Know replaces whom the desk knows. What has begun goes on with the new ones.
func (d *Desk) Know(c Circle) {
	d.circle.Store(&c)
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// Run keeps what is known of partners fresh, and tells of refusals that were too
// many to be told one by one, until ctx ends.
func (d *Desk) Run(ctx context.Context) {
	for ctx.Err() == nil {
		d.runOne(ctx)
	}
	d.tellRefusals(context.WithoutCancel(ctx))
}

// runOne runs until the circle changes.
func (d *Desk) runOne(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	fresh := make(chan struct{})
	defer func() { cancel(); <-fresh }()
	go func() {
		defer close(fresh)
		if a := d.circle.Load().Authority; a != nil {
			a.Run(ctx)
		}
	}()
	tell := time.NewTicker(time.Minute)
	defer tell.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.changed:
			return
		case <-tell.C:
			d.tellRefusals(ctx)
		}
	}
}

// nothingSaid answers where SAML is not configured.
const nothingSaid = "nothing is said here in SAML"

// MaxBody is how many bytes of a body are read. Base64 and percent signs make a form
// longer than what it holds.
const MaxBody = 1 << 20

// ServeHTTP answers /saml/slo: GET is the Redirect binding, POST of a form the POST
// binding, POST of text/xml SOAP (SAML bindings, sections 3.2, 3.4 and 3.5).
func (d *Desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := d.circle.Load()
	if s.Authority == nil {
		http.Error(w, nothingSaid, http.StatusNotFound)
		return
	}
	headers(w.Header())
	// Whoever hangs up must not stop what they asked for.
	x := &exchange{Desk: d, Circle: s, w: w, r: r, ctx: context.WithoutCancel(r.Context()), binding: bindingOf(r)}
	m, err := x.read()
	switch {
	case err != nil:
		x.refuse(err)
	case m.Request != nil:
		x.request(m)
	default:
		x.response(m)
	}
}

// exchange is one message and its answer.
type exchange struct {
	*Desk
	*Circle
	w       http.ResponseWriter
	r       *http.Request
	ctx     context.Context
	binding Binding  // "" if it is none
	seen    [32]byte // key of the note that the message came
}

// bindingOf tells by method and type of content how a message travels.
func bindingOf(r *http.Request) Binding {
	if r.Method == http.MethodGet {
		return Redirect
	}
	switch mime, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mime {
	case "application/x-www-form-urlencoded":
		return POST
	case "text/xml":
		return SOAP
	}
	return ""
}

// read reads and verifies the message. A message is in one place only: a GET with
// a body, or a POST with a query, is for somebody who reads the other one.
func (x *exchange) read() (Message, error) {
	verifier := Verifier{Endpoint: x.Authority.Endpoint(), Trust: x.Authority.Partner, Keys: x.Authority.Pairs, Fresh: x.fresh, Now: x.Now}
	if x.binding == Redirect {
		if n, _ := io.ReadFull(x.r.Body, make([]byte, 1)); n > 0 {
			return Message{}, refuse(BadEncoding, "a GET with a body")
		}
		return verifier.Redirect(x.ctx, x.r.URL.RawQuery)
	}
	if x.binding == "" || x.r.URL.RawQuery != "" || x.r.URL.ForceQuery {
		return Message{}, refuse(BadEncoding, "a POST with a query, or of another type")
	}
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, MaxBody))
	if err != nil {
		return Message{}, refuse(BadEncoding, "the body is too long, or breaks off")
	}
	if x.binding == POST {
		return verifier.POST(x.ctx, body)
	}
	return verifier.SOAP(x.ctx, body)
}

// fresh remembers a message until it would not be taken any more because of its
// age, and reports whether it had not come before: also on another node, and
// before a restart.
func (x *exchange) fresh(ctx context.Context, key [32]byte, until time.Time) (bool, error) {
	x.seen = key
	err := x.Memory.Update(ctx, func(tx bridge.Tx) error { return tx.PutNote(key, nil, x.Now(), until) })
	if bridge.IsKind(err, bridge.KindConflict) {
		return false, nil
	}
	return err == nil, err
}

// unsee forgets a message that nothing could be done about, so that whoever sends
// it once more is not refused.
func (x *exchange) unsee() {
	if err := x.Memory.Update(x.ctx, func(tx bridge.Tx) error {
		_, err := tx.TakeNote(x.seen, x.Now())
		return err
	}); err != nil {
		x.fault(err).Msg("a logout could not begin, and its message will be refused if it comes again")
	}
}

// refuse answers a message that is not good. Whoever sent it is not told what is
// wrong: it may be somebody who tries. A partner who signed it and is connected
// itself gets an answer of its binding, which SOAP wants (bindings, section
// 3.2.3.3); a person gets a page.
func (x *exchange) refuse(err error) {
	var r *Refusal
	if !errors.As(err, &r) {
		x.fail(err)
		return
	}
	x.note(x.ctx, refusal{r.Reason, r.Partner, x.binding})
	switch {
	case x.binding != SOAP && x.binding != "":
		x.Show(x.w, http.StatusBadRequest, PageRefused)
	case r.ID != "" && r.Reason != BadShape:
		x.answer(asker{Partner: r.Partner, Request: r.ID, Binding: SOAP}, denied)
	default:
		http.Error(x.w, "refused", http.StatusBadRequest)
	}
}

// id is the request's, for the log.
func (x *exchange) id() string { return x.w.Header().Get("X-Request-Id") }

// fault begins a line of the log about something that we could not do.
func (x *exchange) fault(err error) *zerolog.Event {
	return x.Log.Error().Str("request", x.id()).Err(err)
}

// Metadata answers /saml/metadata.
func (d *Desk) Metadata(w http.ResponseWriter, r *http.Request) {
	s := d.circle.Load()
	if s.Authority == nil {
		http.Error(w, nothingSaid, http.StatusNotFound)
		return
	}
	data, err := s.Authority.Metadata(MetadataValid)
	if err != nil {
		d.Log.Error().Err(err).Msg("our SAML metadata cannot be made")
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	w.Write(data)
}

// NoEntry answers /saml/acs and /saml/sso, which metadata must name (SAML metadata,
// sections 2.4.3 and 2.4.4): nobody signs in here. Nothing of the message is read.
func (d *Desk) NoEntry(w http.ResponseWriter, r *http.Request) {
	if d.circle.Load().Authority == nil {
		http.Error(w, nothingSaid, http.StatusNotFound)
		return
	}
	d.Show(w, http.StatusNotImplemented, PageNoEntry)
}

// headers are those of every answer with a message in it.
func headers(h http.Header) {
	h.Set("Cache-Control", "no-store") // bindings, sections 3.4.5.1 and 3.5.5.1
	h.Set("Pragma", "no-cache")
	h.Set("Referrer-Policy", "no-referrer")
}

// keyOf is the key of a note; what keeps keys of different kinds apart.
func keyOf(what, value string) [32]byte { return sha256.Sum256([]byte(what + "\x00" + value)) }
