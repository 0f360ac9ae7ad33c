package saml

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

// peer is a partner as a real server that is strict about what we send: an app, or
// the identity provider. People have a session there, by the name that it has for
// them.
type peer struct {
	*testing.T
	*httptest.Server
	role     Role
	key      Pair
	bindings []Binding
	us       *Authority // whom it believes
	back     Binding    // by which a browser brings its answers

	mu    sync.Mutex
	live  map[string]bool
	got   []Message       // what came, verified
	forge func(*Response) // what it answers otherwise than it should
	signs *Pair           // and by what other key
	mute  chan struct{}   // not nil: it answers when that is closed
}

func newPeer(t *testing.T, role Role, key Pair, bindings ...Binding) *peer {
	p := &peer{T: t, role: role, key: key, bindings: bindings, back: Redirect, live: map[string]bool{}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *peer) id() string { return p.URL + "/entity" }
func (p *peer) at() string { return p.URL + "/slo" }

// metadata is a file that describes it.
func (p *peer) metadata() string {
	tag := p.role.tag()
	text := `<md:EntityDescriptor xmlns:md="` + nsMetadata + `" entityID="` + p.id() + `"><md:` + tag +
		` protocolSupportEnumeration="` + nsProtocol + `"><md:KeyDescriptor><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>` +
		base64.StdEncoding.EncodeToString(p.key.Certificate.Raw) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`
	for _, b := range p.bindings {
		text += `<md:SingleLogoutService Binding="` + string(b) + `" Location="` + p.at() + `"/>`
	}
	file := filepath.Join(p.TempDir(), "metadata.xml")
	if err := os.WriteFile(file, []byte(text+`</md:`+tag+`></md:EntityDescriptor>`), 0o600); err != nil {
		p.Fatal(err)
	}
	return file
}

func (p *peer) origin() (o Origin) {
	o.Metadata = p.metadata()
	o.AllowNetworks = []string{"127.0.0.1/32"}
	return o
}

func (p *peer) sign(name string) { p.mu.Lock(); defer p.mu.Unlock(); p.live[name] = true }

func (p *peer) alive(name string) bool { p.mu.Lock(); defer p.mu.Unlock(); return p.live[name] }

func (p *peer) messages() []Message { p.mu.Lock(); defer p.mu.Unlock(); return slices.Clone(p.got) }

func (p *peer) verifier() *Verifier {
	return &Verifier{Endpoint: p.at(), Now: time.Now, Keys: func() []Pair { return nil }, Trust: func(issuer string, role Role) (Partner, bool) {
		one := Partner{Name: "exeunt", EntityID: p.us.EntityID(), Role: role}
		for _, pair := range p.us.Pairs() {
			one.Signing = append(one.Signing, pair.Certificate)
		}
		return one, issuer == one.EntityID
	}}
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var m Message
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
	case r.Method == http.MethodGet:
		m, err = p.verifier().Redirect(r.Context(), r.URL.RawQuery)
	case strings.HasPrefix(r.Header.Get("Content-Type"), "text/xml"):
		m, err = p.verifier().SOAP(r.Context(), body)
	default:
		m, err = p.verifier().POST(r.Context(), body)
	}
	if err != nil {
		p.Errorf("%s does not take what exeunt sends: %v", p.id(), err)
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, m)
	if m.Request == nil {
		io.WriteString(w, "at the end")
		return
	}
	if p.mute != nil {
		p.mu.Unlock()
		<-p.mute
		p.mu.Lock()
	}
	response := p.answerTo(m)
	to := p.us.Endpoint()
	if m.Binding == SOAP {
		envelope, err := SOAPEnvelope(signed(p, response.Element(), p.answerKey()))
		if err != nil {
			p.Error(err)
		}
		w.Header().Set("Content-Type", "text/xml")
		w.Write(envelope)
		return
	}
	if p.back == POST {
		page, _, err := POSTForm(to, signed(p, response.Element(), p.answerKey()), false, m.RelayState)
		if err != nil {
			p.Error(err)
		}
		w.Write(page)
		return
	}
	at, err := RedirectURL(to, response.Element(), false, m.RelayState, p.answerKey())
	if err != nil {
		p.Error(err)
	}
	http.Redirect(w, r, at, http.StatusFound)
}

// answerTo ends the session of whom a request names. p.mu is held.
func (p *peer) answerTo(m Message) Response {
	response := Response{ID: NewID(), Issuer: p.id(), Destination: p.us.Endpoint(), Issued: time.Now(), InResponseTo: m.Request.ID, Status: StatusSuccess}
	if !p.live[m.Request.Name.Value] {
		response.Status, response.Second = StatusResponder, StatusRequestDenied
	}
	p.live[m.Request.Name.Value] = false
	if p.forge != nil {
		p.forge(&response)
	}
	return response
}

func (p *peer) answerKey() Pair {
	if p.signs != nil {
		return *p.signs
	}
	return p.key
}

// request is a LogoutRequest of the peer.
func (p *peer) request(name string) Request {
	return Request{ID: NewID(), Issuer: p.id(), Destination: p.us.Endpoint(), Issued: time.Now(), Name: bridge.NameID{Value: name}}
}

// organisation is a desk with an engine and a store, an identity provider, and apps.
type organisation struct {
	*testing.T
	store     *store.Store
	bridge    *bridge.Bridge
	desk      *Desk
	authority *Authority
	url       string
	idp       *peer
	apps      map[string]*peer
	list      []bridge.App
	pages     map[Page]bool // shown
	roots     *x509.CertPool

	mu    sync.Mutex
	noted []bridge.Facts
}

// founded is an organisation with those apps, which are hubs' (sessions are ours).
func founded(t *testing.T, idp *peer, apps map[string]*peer, more ...func(*DeskOptions)) *organisation {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	o := &organisation{T: t, store: s, idp: idp, apps: apps, pages: map[Page]bool{}}
	o.bridge = bridge.New(bridge.Options{Store: s, Queues: s, Logger: zerolog.Nop()})
	options := DeskOptions{Logouts: o.bridge, Memory: s, Wait: 5 * time.Second, Now: time.Now, Log: zerolog.New(zerolog.NewTestWriter(t)),
		Note: func(ctx context.Context, e bridge.Event) error {
			o.mu.Lock()
			o.noted = append(o.noted, e.Facts)
			o.mu.Unlock()
			return s.Update(ctx, func(tx bridge.Tx) error { return tx.Append(e) })
		},
		Show: func(w http.ResponseWriter, status int, p Page) {
			o.mu.Lock()
			o.pages[p] = true
			o.mu.Unlock()
			w.WriteHeader(status)
			fmt.Fprint(w, "page ", p)
		}}
	for _, f := range more {
		f(&options)
	}
	o.desk = NewDesk(options)
	front := httptest.NewTLSServer(o.desk)
	t.Cleanup(front.Close)
	o.url, o.roots = front.URL, x509.NewCertPool()
	o.roots.AddCert(front.Certificate())

	o.authority = NewAuthority(Options{BaseURL: front.URL, Keys: []string{keyFile(t, ourKey())}, Now: time.Now})
	o.authority.Equip(t.TempDir(), true, zerolog.New(zerolog.NewTestWriter(t)))
	o.know("idp", idp, RoleIdP)
	for name, app := range apps {
		app.us = o.authority
		c := &Config{Role: roleHub, Origin: app.origin(), NameID: &NameIDConfig{Value: "userName"}}
		c.Speak(o.authority, name)
		opened, err := c.Open()
		if err != nil {
			t.Fatal(name, err)
		}
		o.list = append(o.list, bridge.App{Name: name, Protocol: "saml", Connector: opened, Policy: bridge.Policy{bridge.LoggedOut: {bridge.Revoke}},
			Limits: bridge.Limits{Rate: 1000, Concurrency: 4, RetryMin: 20 * time.Millisecond, RetryMax: 100 * time.Millisecond}})
	}
	if err := o.authority.Load(false); err != nil {
		t.Fatal(err)
	}
	o.stand()
	o.start()
	return o
}

// keyFile is a file with a pair, as a configuration names it.
func keyFile(t *testing.T, p Pair) string {
	t.Helper()
	private, err := x509.MarshalPKCS8PrivateKey(p.Private)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate.Raw})...)
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (o *organisation) know(name string, p *peer, role Role) {
	p.us = o.authority
	if e := o.authority.Register(PartnerConfig{Name: name, Role: role, Origin: p.origin()}); e != nil {
		o.Fatal(name, e)
	}
}

func (o *organisation) stand() {
	o.desk.Know(Circle{Authority: o.authority, Apps: o.list, People: map[string]Namesakes{"idp": {"hr", bridge.ByUserName}}})
}

func (o *organisation) start() {
	o.bridge.SetApps(o.list)
	var queues []store.Queue
	for _, a := range o.list {
		queues = append(queues, store.Queue{App: a.Name, Concurrency: 4})
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- o.bridge.Run(ctx) }()
	if err := o.store.Start(o.Context(), o.bridge, queues); err != nil {
		o.Fatal(err)
	}
	o.Cleanup(func() {
		stop, end := context.WithTimeout(context.Background(), 10*time.Second)
		defer end()
		if err := o.store.Stop(stop); err != nil {
			o.Error(err)
		}
		cancel()
		if err := <-ended; err != nil {
			o.Error(err)
		}
	})
}

// person has a session in every app.
func (o *organisation) person(name string) bridge.Person {
	o.Helper()
	ctx := bridge.WithCaller(o.Context(), bridge.Caller{Source: "hr", Token: "t"})
	p, err := o.bridge.AddPerson(ctx, bridge.Person{UserName: name, Active: true, Resource: []byte(`{}`)})
	if err != nil {
		o.Fatal(err)
	}
	for _, app := range o.apps {
		app.sign(name)
	}
	return p
}

// browser is somebody's, which follows redirects until the end, and submits forms.
func (o *organisation) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		o.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: o.roots}}}
}

// visit brings a message to the desk in a browser, goes wherever that leads, and
// returns the last answer.
func (o *organisation) visit(b *http.Client, binding Binding, el Request, relay string, key Pair) (status int, body string) {
	o.Helper()
	var resp *http.Response
	var err error
	if binding == Redirect {
		var at string
		if at, err = RedirectURL(o.authority.Endpoint(), el.Element(), true, relay, key); err == nil {
			resp, err = b.Get(at)
		}
	} else {
		resp, err = b.PostForm(o.authority.Endpoint(), url.Values{"RelayState": {relay},
			"SAMLRequest": {base64.StdEncoding.EncodeToString(bytesOf(o, signed(o, el.Element(), key)))}})
	}
	if err != nil {
		o.Fatal(err)
	}
	for {
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			o.Fatal(err)
		}
		action, form, ok := formIn(string(text))
		if !ok {
			return resp.StatusCode, string(text)
		}
		if resp, err = b.PostForm(action, form); err != nil {
			o.Fatal(err)
		}
	}
}

// soap brings a message by SOAP, and returns the answer, verified.
func (o *organisation) soap(p *peer, r Request, key Pair) (Response, int) {
	o.Helper()
	envelope, err := SOAPEnvelope(signed(o, r.Element(), key))
	if err != nil {
		o.Fatal(err)
	}
	resp, err := o.browser().Post(o.authority.Endpoint(), "text/xml", strings.NewReader(string(envelope)))
	if err != nil {
		o.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		o.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		return Response{}, resp.StatusCode
	}
	us, _ := p.verifier().Trust(o.authority.EntityID(), p.role)
	answer, err := p.verifier().SOAPAnswer(body, us, r.ID)
	if err != nil {
		o.Fatal(err)
	}
	return answer, resp.StatusCode
}

// formIn reads the page that POSTForm writes.
func formIn(page string) (action string, form url.Values, ok bool) {
	value := func(before string) string {
		_, rest, found := strings.Cut(page, before)
		ok = ok && found
		text, _, _ := strings.Cut(rest, `"`)
		return unescape.Replace(text)
	}
	ok = strings.Contains(page, `<form method="post"`)
	form = url.Values{}
	action = value(`action="`)
	for _, name := range []string{"SAMLRequest", "SAMLResponse", "RelayState"} {
		if at := `name="` + name + `" value="`; strings.Contains(page, at) {
			form.Set(name, value(at))
		}
	}
	return action, form, ok
}

var unescape = strings.NewReplacer("&#43;", "+", "&amp;", "&", "&#34;", `"`, "&lt;", "<")

// refusals are what the log says of messages that were refused.
func (o *organisation) refusals() []bridge.Facts {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.noted)
}

// cases are all there are, newest first, with their actions.
func (o *organisation) cases() (cases []bridge.Case, actions []map[string]bridge.Action) {
	o.Helper()
	if err := o.store.View(o.Context(), func(tx bridge.Tx) (err error) {
		if cases, err = tx.Cases(nil, time.Time{}, 100); err != nil {
			return err
		}
		for _, c := range cases {
			list, err := tx.Actions(c.ID)
			if err != nil {
				return err
			}
			of := map[string]bridge.Action{}
			for _, a := range list {
				of[a.Lane.App] = a
			}
			actions = append(actions, of)
		}
		return nil
	}); err != nil {
		o.Fatal(err)
	}
	return cases, actions
}
