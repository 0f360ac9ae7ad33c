// Package sandbox has small applications as real HTTP servers, for the demo and
// for tests. They are strict with whoever calls them, keep an account of what
// was really changed, and fail on purpose when told to.
//
//	app.go       App: one running app; its listener, its record, its faults at work
//	faults.go    Fault, Faults: what goes wrong, when and how often
//	control.go   /_faults, /_record: the same over HTTP, for an app in its own process
//	serve.go     Serve: one app as a process of its own
//	people.go    who is in an app: passwords, sessions, API keys
//	scim.go      SCIM: an app with a SCIM 2.0 interface and password login
//	scimuser.go  its users and its PATCH
//	saas.go      SaaS: an app with a REST interface, sessions and API keys
//	hook.go      Hook: a receiver of signed webhooks
//	party.go     Party: an app that people are signed in to by OpenID Connect
//	tokens.go    Issuer: an authorization server of OAuth
//	provider.go  Provider: an app that people are signed in to by SAML
//
// An app's state is one value (a world) that can be copied. So a lie is a
// request carried out on a copy that is thrown away, and a stale read is a read
// of an old copy: no app has code for either.
package sandbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options is how an app is started.
type Options struct {
	Addr  string // to listen on; "" is a free port on the loopback
	Admin string // bearer token (hook: signing secret) of the administrator; "" makes one
	Users []User // who is in it from the start
}

// User is a person as an app knows them.
type User struct {
	UserName    string `json:"userName" yaml:"userName"`
	Email       string `json:"email" yaml:"email"`
	ExternalID  string `json:"externalId,omitempty" yaml:"externalId"`
	DisplayName string `json:"displayName,omitempty" yaml:"displayName"`
	Password    string `json:"password" yaml:"password"` // "" cannot log in
}

// Change is something that really became different in an app.
type Change struct {
	Account string    `json:"account"` // the app's id of it
	What    string    `json:"what"`    // "lock", "restore", "delete", "session ended", "key revoked" …
	At      time.Time `json:"at"`
}

// Asked is one request that an app got.
type Asked struct {
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Status int       `json:"status"` // answered; 0 if the connection was dropped
	Fault  Kind      `json:"fault,omitempty"`
	Key    string    `json:"key,omitempty"` // idempotency key or webhook id
	At     time.Time `json:"at"`
}

// world is the whole state of an app. It is used by one request at a time.
type world interface {
	http.Handler
	copy() world
	changes() []Change
}

// App is one running app. It is safe for concurrent use.
type App struct {
	Faults *Faults

	admin  string
	url    string
	server *http.Server
	served chan struct{}

	mu          sync.Mutex
	live        world
	under, most int   // requests under way, and the most there ever were
	stale       world // what reads see until staleUntil
	staleUntil  time.Time
	asked       []Asked
}

func start(o Options, w world) (*App, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Admin == "" {
		o.Admin = random()
	}
	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, err
	}
	a := &App{Faults: &Faults{}, admin: o.Admin, live: w, served: make(chan struct{}),
		url: "http://" + listener.Addr().String()}
	a.server = &http.Server{Handler: a, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		MaxHeaderBytes: 64 << 10}
	go func() {
		defer close(a.served)
		a.server.Serve(listener)
	}()
	return a, nil
}

// URL is where the app is: "http://127.0.0.1:PORT".
func (a *App) URL() string { return a.url }

// Admin is the administrator's bearer token (hook: signing secret).
func (a *App) Admin() string { return a.admin }

// Close drops every connection and returns when the app listens no more.
func (a *App) Close() error {
	err := a.server.Close()
	<-a.served
	return err
}

// shutdown lets running requests end first.
func (a *App) shutdown(ctx context.Context) error {
	err := a.server.Shutdown(ctx)
	<-a.served
	return err
}

// Changes is what really became different, oldest first: of one account, or of
// all if account is "".
func (a *App) Changes(account string) (list []Change) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.live.changes() {
		if account == "" || c.Account == account {
			list = append(list, c)
		}
	}
	return list
}

// Asked is every request the app got, oldest first, its own control apart.
func (a *App) Asked() []Asked {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

// AtOnce is the most requests that were ever under way at once.
func (a *App) AtOnce() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.most
}

// enter counts one request in, and the function that it returns counts it out.
func (a *App) enter() (leave func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.under++
	a.most = max(a.most, a.under)
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.under--
	}
}

const maxBody = 1 << 20

func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if strings.HasPrefix(r.URL.Path, "/_") {
		a.control(w, r)
		return
	}
	defer a.enter()()
	// Read before the lock is taken: a slow sender holds up nobody else.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	fault, _ := a.Faults.next(r.Method, r.URL.Path, time.Now())
	if fault.Delay > 0 {
		select {
		case <-time.After(time.Duration(fault.Delay)):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	answer := a.carryOut(fault, r)
	if answer == nil {
		panic(http.ErrAbortHandler) // closes the connection without a word
	}
	answer.writeTo(w)
}

// carryOut makes one request take effect as far as the fault lets it, and
// returns the answer; nil drops the connection.
func (a *App) carryOut(f Fault, r *http.Request) (out *answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() {
		entry := Asked{Method: r.Method, Path: r.URL.Path, Fault: f.Kind, Key: keyOf(r), At: time.Now()}
		if out != nil {
			entry.Status = out.status
		}
		a.asked = append(a.asked, entry)
	}()
	out = newAnswer()
	switch f.Kind {
	case Fail:
		f.fail(out)
	case Drop:
		return nil
	case Lost:
		a.live.ServeHTTP(out, r)
		return nil
	case Lie:
		a.live.copy().ServeHTTP(out, r)
	case Ignore:
		// Carried out as the read of the same thing: success, and the old value.
		read := r.Clone(r.Context())
		read.Method, read.Body = http.MethodGet, http.NoBody
		a.live.copy().ServeHTTP(out, read)
	case Stale:
		a.stale, a.staleUntil = a.live.copy(), time.Now().Add(time.Duration(f.For))
		a.live.ServeHTTP(out, r)
	default:
		if r.Method == http.MethodGet && a.stale != nil && time.Now().Before(a.staleUntil) {
			a.stale.copy().ServeHTTP(out, r)
		} else {
			a.live.ServeHTTP(out, r)
		}
	}
	return out
}

func keyOf(r *http.Request) string {
	if k := r.Header.Get("Idempotency-Key"); k != "" {
		return k
	}
	return r.Header.Get("Webhook-Id")
}

// answer holds an answer back until it is known whether it may be sent.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newAnswer() *answer { return &answer{header: http.Header{}, status: http.StatusOK} }

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

func (a *answer) writeTo(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	w.Write(a.body.Bytes())
}

func writeJSON(w http.ResponseWriter, status int, kind string, v any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

var errBody = errors.New("the body is not the JSON object it should be")

// readJSON reads exactly one JSON value of a declared JSON type.
func readJSON(r *http.Request, v any) error {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if kind != "application/json" && kind != "application/scim+json" {
		return errBody
	}
	d := json.NewDecoder(r.Body)
	if d.Decode(v) != nil {
		return errBody
	}
	if _, err := d.Token(); err != io.EOF {
		return errBody
	}
	return nil
}

func bearer(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}

func same(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

func random() string { return strings.ToLower(rand.Text()) }
