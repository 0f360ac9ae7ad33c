package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/testdata/peers"
)

const feedToken = "feed-token-0123456789abcdef0123456"

// federation is an organisation whose people sign in at apps that others wrote, and
// exeunt, to whom its identity providers have given the right to end sessions there:
//
//	shibboleth  Shibboleth SP; old cookies are tried
//	mellon      mod_auth_mellon
//	wiki        mod_auth_openidc; old cookies are tried
//	intranet    the same server, but nobody tells the sid of its sessions
//	unseen      the same as intranet, but nobody tries
//	forum       express-openid-connect, which finds sessions by sub too; old cookies are tried
//	mobile      oidc-provider, which gives tokens and says whether they are good
type federation struct {
	*product
	front  *httptest.Server // before exeunt, as a proxy is: its address is known before exeunt's
	idp    *peers.IdP
	signIn *httptest.Server   // the identity provider as a browser sees it
	back   chan *http.Request // what came back to it through a browser
	op     *peers.OP
	sps    map[string]*peers.SP           // by the name of the app
	rps    map[string]*peers.RelyingParty // likewise
	mobile *peers.AuthorizationServer
	ears   map[string]*ear   // of shibboleth, mellon and wiki
	ids    map[string]string // of people, by name
}

var soapEndpoint = regexp.MustCompile(`(<[^<>]*SingleLogoutService [^<>]*bindings:SOAP"[^<>]* Location=")([^"]+)("[^<>]*/>)`)

// newFederation starts all of it. onlyByBrowser keeps from exeunt that service
// providers can be reached otherwise.
func newFederation(t *testing.T, onlyByBrowser bool) *federation {
	f := &federation{ids: map[string]string{}, back: make(chan *http.Request, 10), ears: map[string]*ear{}}
	var home atomic.Pointer[url.URL]
	f.front = httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(home.Load())
		p.Out.Host = p.In.Host
	}})
	t.Cleanup(f.front.Close)
	f.signIn = httptest.NewServer(http.HandlerFunc(f.identify))
	t.Cleanup(f.signIn.Close)

	key := peers.NewKey(t, "exeunt.example")
	f.idp, f.op = peers.NewIdP(t, f.front.URL+"/saml/slo", key.Base64()), peers.NewOP(t)
	f.sps = map[string]*peers.SP{"shibboleth": peers.Shibboleth(t, f.idp), "mellon": peers.Mellon(t, f.idp)}
	wiki := peers.ModAuthOpenIDC(t, f.op)
	f.rps = map[string]*peers.RelyingParty{"wiki": wiki, "intranet": wiki, "unseen": wiki, "forum": peers.ExpressRP(t, f.op)}
	f.mobile = peers.OIDCProvider(t)

	config, files := f.config(t, onlyByBrowser)
	files["saml.pem"] = key.File()
	f.product = newProduct(t, config, files)
	t.Cleanup(func() {
		if strings.Contains(f.said(), "@example.com") {
			t.Error("the log of the program has a name in it")
		}
	})
	f.start()
	at, err := url.Parse(f.url)
	if err != nil {
		t.Fatal(err)
	}
	home.Store(at)
	f.op.Publish(f.keys().Keys...)
	return f
}

// config is what exeunt is told of it all, and the files that are named in it. From then on
// there are ears for what is said to shibboleth, mellon and wiki.
func (f *federation) config(t *testing.T, onlyByBrowser bool) (config string, files map[string]string) {
	files = map[string]string{"idp.xml": string(f.idp.Own(f.signIn.URL + "/slo")),
		"feed-token": feedToken, "client-secret": peers.ClientSecret}
	config = fmt.Sprintf(`public_url: %s
sources: {hr: {token: file:hr-token}}
saml:
  keys: [saml.pem]
  idps: {corp: {metadata: idp.xml, source: hr, name_id: userName, allow_networks: [127.0.0.1/32]}}
feeds: {idp: {token: file:feed-token, source: hr, apps: [shibboleth, mellon, wiki, intranet, unseen, forum, mobile]}}
apps:
`, f.front.URL)
	app := func(name, connector, with string) {
		config += fmt.Sprintf(`  %s:
    connector: %s
    with: {complete: true, allow_networks: [127.0.0.1/32], %s}
    limits: {rate: 1000, timeout: 3s, retry_min: 50ms, retry_max: 200ms, deadline: 10s}
`, name, connector, with)
	}
	probe := func(page, cookie string) string {
		return fmt.Sprintf(", probe: {url: %q, present: 'cookie:%s'}", page, cookie)
	}
	for name, sp := range f.sps {
		metadata, hidden := string(sp.Metadata), ""
		if !onlyByBrowser {
			f.ears[name] = newEar(t, soapEndpoint.FindStringSubmatch(metadata)[2])
			hidden = "${1}" + f.ears[name].url + "${3}"
		}
		files[name+".xml"] = soapEndpoint.ReplaceAllString(metadata, hidden)
		with := fmt.Sprintf("metadata: %s.xml, role: delegate, issuer: %q", name, f.idp.EntityID)
		if name == "shibboleth" {
			with += probe(sp.PageURL(), sp.Cookie)
		}
		app(name, "saml", with)
	}
	party := func(rp *peers.RelyingParty, at, more string) string {
		return fmt.Sprintf("role: delegate, issuer: %q, client_id: %s, backchannel_logout_uri: %q%s", f.op.URL, rp.ClientID, at, more)
	}
	wiki, forum := f.rps["wiki"], f.rps["forum"]
	f.ears["wiki"] = newEar(t, wiki.BackChannel)
	app("wiki", "oidc", party(wiki, f.ears["wiki"].url, probe(wiki.PageURL, wiki.Cookie)))
	app("intranet", "oidc", party(wiki, wiki.BackChannel, probe(wiki.PageURL, wiki.Cookie)))
	app("unseen", "oidc", party(wiki, wiki.BackChannel, ""))
	app("forum", "oidc", party(forum, forum.BackChannel, ", indexes_by: sub"+probe(forum.PageURL, forum.Cookie)))
	app("mobile", "oauth", fmt.Sprintf("revocation_endpoint: %q, introspection_endpoint: %q, client_id: %s, client_secret: file:client-secret",
		f.mobile.Revocation, f.mobile.Introspect, f.mobile.ClientID))
	return config, files
}

// identify is the identity provider as a browser sees it.
func (f *federation) identify(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	switch r.URL.Path {
	case "/signin":
		sp := f.sps[r.FormValue("app")]
		w.Write(f.idp.Form(sp, r.FormValue("name"), r.FormValue("index"), sp.PageURL()))
	case "/slo":
		io.WriteString(w, "<title>signed out</title>")
		f.back <- r
	default:
		http.NotFound(w, r)
	}
}

// hired has somebody begin, and leaves has them leave: by one SCIM request.
func (f *federation) hired(person string) {
	f.t.Helper()
	f.ids[person] = f.hire(fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"active":true}`, person))
}

func (f *federation) leaves(person string) {
	f.t.Helper()
	f.deactivate(f.ids[person])
}

// way is a way in that somebody has: a cookie, or tokens.
type way struct {
	app  string
	open func() bool
}

// enters signs a person in at an app, and has that told. index is the session's
// SessionIndex, or the end of its sid, which is not told if there is no index.
func (f *federation) enters(person, app, index string) way {
	f.t.Helper()
	switch {
	case f.sps[app] != nil:
		return f.entered(person, app, index, f.idp.SignIn(f.sps[app], person, index).Value)
	case f.rps[app] != nil:
		return f.entered(person, app, index, f.rps[app].SignIn(f.t, person, sid(person, app, index)))
	}
	its := f.mobile.Grant(f.t, person)
	f.tell(person, app, map[string]any{"oauth": map[string]string{"accessToken": its.Access, "refreshToken": its.Refresh}})
	return way{app, func() bool {
		return f.mobile.Open(f.t, its.Access) == http.StatusOK || f.mobile.Active(f.t, its.Refresh) ||
			f.mobile.Refresh(f.t, its.Refresh) == http.StatusOK
	}}
}

func sid(person, app, index string) string { return strings.Join([]string{person, app, index}, " ") }

// entered tells of a session whose cookie somebody has.
func (f *federation) entered(person, app, index, cookie string) way {
	f.t.Helper()
	known := map[string]any{"credential": cookie}
	var page func() int
	if sp := f.sps[app]; sp != nil {
		name := f.idp.NameID(sp, person)
		known["saml"] = map[string]string{"nameId": name.Value, "format": name.Format, "nameQualifier": name.NameQualifier,
			"spNameQualifier": name.SPNameQualifier, "sessionIndex": index}
		page = func() int { return sp.Page(&http.Cookie{Name: sp.Cookie, Value: cookie}) }
	} else {
		sub := map[string]string{"sub": person}
		if index != "" {
			sub["sid"] = sid(person, app, index)
		}
		known["oidc"] = sub
		page = func() int { return f.rps[app].Page(f.t, cookie) }
	}
	f.tell(person, app, known)
	return way{app, func() bool {
		status := page()
		if !slices.Contains([]int{http.StatusOK, http.StatusFound, http.StatusSeeOther, http.StatusUnauthorized}, status) {
			f.t.Errorf("%s answers a cookie with %d", app, status)
		}
		return status == http.StatusOK
	}}
}

// lead checks that all ways, or none, lead in.
func (f *federation) lead(person string, ways []way, in bool) {
	f.t.Helper()
	for _, w := range ways {
		if w.open() != in {
			f.t.Errorf("%s is let in at %s: %v", person, w.app, !in)
		}
	}
}

// refused waits until no way leads in any more.
func (f *federation) refused(person string, ways []way) {
	f.t.Helper()
	open := slices.Clone(ways)
	within(f.t, 20*time.Second, func() error {
		if open = slices.DeleteFunc(open, func(w way) bool { return !w.open() }); len(open) > 0 {
			return fmt.Errorf("%s is still let in at %s", person, open[0].app)
		}
		return nil
	})
}

// says is what a person's case says of each app in which something was to do: state
// and word. There is one case.
func (f *federation) says(person string) map[string]string {
	f.t.Helper()
	var says map[string]string
	for _, c := range f.settled(30 * time.Second) {
		if c.Who.UserName != person {
			continue
		}
		if says != nil {
			f.t.Errorf("%s has two cases", person)
		}
		says = map[string]string{}
		for _, a := range c.Actions {
			if a.State == bridge.ActionUnverified && a.Done.Word == bridge.NoSession {
				continue // complete: true, and no session there
			}
			says[a.App] = string(a.State)
			if a.Done != nil {
				says[a.App] += " " + a.Done.Word
			}
		}
	}
	return says
}

// tell tells of one session of a person in an app, as the identity provider does.
func (p *product) tell(userName, app string, known map[string]any) {
	p.t.Helper()
	known["app"], known["person"] = app, map[string]string{"userName": userName}
	body, err := json.Marshal(map[string]any{"sessions": []any{known}})
	if err != nil {
		p.t.Fatal(err)
	}
	status, answer, err := call(http.MethodPost, p.url+"/v1/sessions", feedToken, string(body), "Content-Type: application/json")
	if err != nil || status != http.StatusOK {
		p.t.Fatalf("a session is not taken: %d %s %v", status, answer, err)
	}
}

// mishap is what happens to a message on its way to an app.
type mishap int

const (
	none     mishap = iota
	failed          // it does not arrive
	lost            // it arrives, and its answer does not
	replayed        // it does not arrive, and is answered by what the app said to an earlier one
)

// ear is where logouts arrive at an app: it keeps them, and brings them on.
type ear struct {
	url   string
	app   http.Handler
	mu    sync.Mutex
	heard []string
	said  *httptest.ResponseRecorder // the app, last
	next  mishap                     // of the next one
}

func newEar(t *testing.T, app string) *ear {
	to, err := url.Parse(app)
	if err != nil {
		t.Fatal(err)
	}
	e := &ear{app: &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.Out.URL, p.Out.Host = to, "" }}}
	s := httptest.NewServer(e)
	t.Cleanup(s.Close)
	e.url = s.URL
	return e
}

func (e *ear) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	e.mu.Lock()
	defer e.mu.Unlock()
	what := e.next
	e.next, e.heard = none, append(e.heard, string(body))
	if err == nil && what != failed && what != replayed {
		r.Body, e.said = io.NopCloser(bytes.NewReader(body)), httptest.NewRecorder()
		e.app.ServeHTTP(e.said, r)
	}
	if err != nil || what == failed || what == lost {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), e.said.Header())
	w.WriteHeader(e.said.Code)
	w.Write(e.said.Body.Bytes())
}

// suffers has the next message suffer a mishap.
func (e *ear) suffers(m mishap) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next = m
}

// all are the messages so far.
func (e *ear) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.heard)
}
