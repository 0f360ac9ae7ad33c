package saml

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// Apps that only a browser can reach are visited with the person's, one after the
// other, and then it is led back; an app that comes back by POST too.
func TestWalk(t *testing.T) {
	for _, by := range []Binding{Redirect, POST} {
		t.Run(by.word(), func(t *testing.T) {
			idp := newPeer(t, RoleIdP, idpKey(), SOAP, Redirect)
			crm, mail, wiki := newPeer(t, RoleSP, otherKey(), POST), newPeer(t, RoleSP, newKey(), SOAP), newPeer(t, RoleSP, spKey(), Redirect)
			wiki.back = POST
			o := founded(t, idp, map[string]*peer{"crm": crm, "mail": mail, "wiki": wiki})
			o.person("ada")
			request := idp.request("ada")
			if status, body := o.visit(o.browser(), by, request, "r", idpKey()); status != http.StatusOK || body != "at the end" {
				t.Fatal(status, body)
			}
			got := idp.messages()
			if len(got) != 1 || got[0].Response.Status != StatusSuccess || got[0].Response.Second != "" ||
				got[0].Response.InResponseTo != request.ID || got[0].RelayState != "r" {
				t.Errorf("the identity provider got %+v", got)
			}
			for name, app := range o.apps {
				if asked := app.messages(); app.alive("ada") || asked[0].Request.Name.Value != "ada" {
					t.Errorf("%s: alive, or asked of somebody else: %+v", name, asked)
				}
			}
			cases, actions := o.cases()
			for _, name := range []string{"crm", "wiki"} {
				if a := actions[0][name]; a.State != bridge.ActionUnverified || a.Done.Word != bridge.Confirmed || cases[0].State != bridge.CaseClosed {
					t.Errorf("%s: %+v", name, a)
				}
			}
			if len(o.refusals()) != 0 {
				t.Error(o.refusals())
			}
		})
	}
}

// An app that did not do it, or says so in another's name, is not confirmed.
func TestWalkUnconfirmed(t *testing.T) {
	idp := newPeer(t, RoleIdP, idpKey(), Redirect)
	crm, wiki := newPeer(t, RoleSP, otherKey(), Redirect), newPeer(t, RoleSP, spKey(), Redirect)
	crm.forge = func(r *Response) { r.Second = StatusPartialLogout }
	o := founded(t, idp, map[string]*peer{"crm": crm, "wiki": wiki})
	o.person("ada")
	o.visit(o.browser(), Redirect, idp.request("ada"), "", idpKey())
	if got := idp.messages(); len(got) != 1 || got[0].Response.Second != StatusPartialLogout {
		t.Errorf("the identity provider got %+v", got)
	}
	if _, actions := o.cases(); actions[0]["crm"].State != bridge.ActionImpossible || actions[0]["wiki"].Done.Word != bridge.Confirmed {
		t.Errorf("%+v", actions)
	}
}

// A browser asks an app once, of one name. That confirms nothing if more sessions are
// known, and the app may end one at a time.
func TestWalkWithSeveralSessions(t *testing.T) {
	for _, tt := range []struct {
		name  string
		told  []bridge.Session
		once  bool
		whole bool
	}{
		{"one", []bridge.Session{{Name: bridge.NameID{Value: "ada"}, Index: "1"}}, false, true},
		{"two of one name", []bridge.Session{{Name: bridge.NameID{Value: "ada"}, Index: "1"}, {Name: bridge.NameID{Value: "ada"}, Index: "2"}}, false, false},
		{"two of one name, which the app ends at once", []bridge.Session{{Name: bridge.NameID{Value: "ada"}, Index: "1"}, {Name: bridge.NameID{Value: "ada"}, Index: "2"}}, true, true},
		{"of two names", []bridge.Session{{Name: bridge.NameID{Value: "ada"}}, {Name: bridge.NameID{Value: "7f3a"}}}, true, false},
		{"one, of another name than is made for it", []bridge.Session{{Subject: "7f3a"}}, true, false},
		{"one that has no name", []bridge.Session{{Name: bridge.NameID{Value: "ada"}}, {Subject: "7f3a"}}, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			idp, wiki := newPeer(t, RoleIdP, idpKey(), Redirect), newPeer(t, RoleSP, spKey(), Redirect)
			wiki.forge = func(r *Response) { r.Status, r.Second = StatusSuccess, "" }
			o := founded(t, idp, map[string]*peer{"wiki": wiki})
			o.list[0].Connector.(*door).once = tt.once
			ada := o.person("ada")
			if err := o.store.Update(t.Context(), func(tx bridge.Tx) error {
				for _, s := range tt.told {
					s.App, s.Person, s.Handle, s.Feed, s.Learned, s.Expires = "wiki", ada.ID, ada.Handle, "f", time.Now(), time.Now().Add(time.Hour)
					if err := tx.PutSession(s); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			o.visit(o.browser(), Redirect, idp.request("ada"), "", idpKey())
			word, second := bridge.Confirmed, ""
			if !tt.whole {
				word, second = bridge.Unconfirmed, StatusPartialLogout
			}
			if _, actions := o.cases(); actions[0]["wiki"].State != bridge.ActionUnverified || actions[0]["wiki"].Done.Word != word {
				t.Errorf("%+v", actions[0]["wiki"])
			}
			if got := idp.messages(); len(got) != 1 || got[0].Response.Status != StatusSuccess || got[0].Response.Second != second {
				t.Errorf("the identity provider got %+v", got)
			}
		})
	}
}

// An app may be one entity with an identity provider, and have one key with it.
func TestWalkToAnAppThatIsAlsoAProvider(t *testing.T) {
	idp, wiki := newPeer(t, RoleIdP, idpKey(), Redirect), newPeer(t, RoleSP, spKey(), Redirect)
	o := founded(t, idp, map[string]*peer{"wiki": wiki})
	wiki.role = RoleIdP // it describes itself as that too
	o.know("portal", wiki, RoleIdP)
	if err := o.authority.Load(false); err != nil {
		t.Fatal(err)
	}
	o.person("ada")
	if status, body := o.visit(o.browser(), Redirect, idp.request("ada"), "", idpKey()); status != http.StatusOK || body != "at the end" {
		t.Fatal(status, body)
	}
	if got := idp.messages(); len(got) != 1 || got[0].Response.Second != "" || len(o.refusals()) != 0 {
		t.Errorf("the identity provider got %+v; refused: %+v", got, o.refusals())
	}
}

// In a frame of another site there are no cookies, so no app is visited.
func TestNoWalkInFrames(t *testing.T) {
	idp, wiki := newPeer(t, RoleIdP, idpKey(), Redirect), newPeer(t, RoleSP, spKey(), Redirect)
	o := founded(t, idp, map[string]*peer{"wiki": wiki})
	o.person("ada")
	at, err := RedirectURL(o.authority.Endpoint(), idp.request("ada").Element(), true, "", idpKey())
	if err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequest("GET", at, nil)
	r.Header.Set("Sec-Fetch-Dest", "iframe")
	resp, err := o.browser().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := idp.messages(); len(got) != 1 || got[0].Response.Second != StatusPartialLogout || len(wiki.messages()) != 0 {
		t.Errorf("%+v, and the app got %+v", got, wiki.messages())
	}
}

// stopped is a browser that has got as far as one app, and what the app has it
// bring back.
type stopped struct {
	*organisation
	browser *http.Client
	back    url.Values // the query
	relay   string
	asked   Request
}

// stop has ada sign out, and stops before the app wiki is left.
func stop(t *testing.T) *stopped {
	idp := newPeer(t, RoleIdP, idpKey(), Redirect)
	crm, wiki := newPeer(t, RoleSP, otherKey(), SOAP), newPeer(t, RoleSP, spKey(), Redirect)
	o := founded(t, idp, map[string]*peer{"wiki": wiki, "crm": crm})
	o.person("ada")
	s := &stopped{organisation: o, browser: o.browser()}
	s.browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), o.authority.Endpoint()) && r.URL.Query().Has("SAMLResponse") {
			s.back = r.URL.Query()
			return http.ErrUseLastResponse
		}
		return nil
	}
	o.visit(s.browser, Redirect, idp.request("ada"), "", idpKey())
	s.browser.CheckRedirect = nil
	if s.relay = s.back.Get("RelayState"); s.relay == "" || len(s.relay) > 80 {
		t.Fatalf("RelayState is %q", s.relay)
	}
	s.asked = *wiki.messages()[0].Request
	return s
}

// bring brings an answer, and returns how the desk answers.
func (s *stopped) bring(b *http.Client, binding Binding, r Response, relay string, key Pair) (int, string) {
	s.Helper()
	resp, err := func() (*http.Response, error) {
		switch binding {
		case Redirect:
			at, err := RedirectURL(s.authority.Endpoint(), r.Element(), false, relay, key)
			if err != nil {
				return nil, err
			}
			return b.Get(at)
		case POST:
			page, _, err := POSTForm(s.authority.Endpoint(), signed(s, r.Element(), key), false, relay)
			if err != nil {
				return nil, err
			}
			_, form, _ := formIn(string(page))
			return b.PostForm(s.authority.Endpoint(), form)
		}
		envelope, err := SOAPEnvelope(signed(s, r.Element(), key))
		if err != nil {
			return nil, err
		}
		return b.Post(s.authority.Endpoint(), "text/xml", strings.NewReader(string(envelope)))
	}()
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (s *stopped) answer() Response {
	return Response{ID: NewID(), Issuer: s.apps["wiki"].id(), Destination: s.authority.Endpoint(), Issued: time.Now(),
		InResponseTo: s.asked.ID, Status: StatusSuccess}
}

// An answer counts only if this browser was sent to this app with this question, and
// once. What does not count confirms nothing, and does not end the walk of whoever
// it belongs to.
func TestAnswersNobodyAskedFor(t *testing.T) {
	s := stop(t)
	// A second walk of somebody else, whose question and RelayState are known.
	other := stop(t)
	namesake := newPeer(t, RoleIdP, newKey(), SOAP)
	s.know("wiki", namesake, RoleIdP)
	if err := s.authority.Load(false); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		binding Binding
		browser *http.Client
		relay   string
		key     Pair
		change  func(*Response)
		reason  Reason
	}{
		{"to nothing that was asked", Redirect, s.browser, s.relay, spKey(), func(r *Response) { r.InResponseTo = NewID() }, Unasked},
		{"to nothing at all", POST, s.browser, s.relay, spKey(), func(r *Response) { r.InResponseTo = "" }, Unasked},
		{"to what was asked on another walk", Redirect, s.browser, s.relay, spKey(), func(r *Response) { r.InResponseTo = other.asked.ID }, Unasked},
		{"of another app", Redirect, s.browser, s.relay, otherKey(), func(r *Response) { r.Issuer = s.apps["crm"].id() }, Unasked},
		{"of another app, by post", POST, s.browser, s.relay, otherKey(), func(r *Response) { r.Issuer = s.apps["crm"].id() }, Unasked},
		{"of the app, signed by another", Redirect, s.browser, s.relay, otherKey(), func(*Response) {}, BadSignature},
		{"of the app, signed by another, by post", POST, s.browser, s.relay, otherKey(), func(*Response) {}, BadSignature},
		{"of the identity provider", Redirect, s.browser, s.relay, idpKey(), func(r *Response) { r.Issuer = s.idp.id() }, Unasked},
		{"of an identity provider with the app's name", POST, s.browser, s.relay, newKey(), func(r *Response) { r.Issuer = namesake.id() }, Unasked},
		{"by another browser", Redirect, s.organisation.browser(), s.relay, spKey(), func(*Response) {}, Unasked},
		{"by another browser that walks itself", POST, other.browser, s.relay, spKey(), func(*Response) {}, Unasked},
		{"without RelayState", Redirect, s.browser, "", spKey(), func(*Response) {}, Unasked},
		{"with a RelayState of nobody's", POST, s.browser, "https://evil.example", spKey(), func(*Response) {}, Unasked},
		{"with the RelayState of another walk", Redirect, s.browser, other.relay, spKey(), func(*Response) {}, Unasked},
		{"by SOAP", SOAP, s.browser, "", spKey(), func(*Response) {}, BadShape},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(s.refusals())
			r := s.answer()
			tt.change(&r)
			status, body := s.bring(tt.browser, tt.binding, r, tt.relay, tt.key)
			if status != http.StatusBadRequest || body != "page refused" && body != "refused\n" {
				t.Error(status, body)
			}
			noted := s.refusals()[before:]
			if len(noted) != 1 || noted[0].Outcome != string(tt.reason) || noted[0].Operator != "partner" || noted[0].Protocol != tt.binding.word() {
				t.Errorf("noted: %+v", noted)
			}
			if _, actions := s.cases(); actions[0]["wiki"].State != bridge.ActionImpossible || len(s.idp.messages()) != 0 {
				t.Error("it counted")
			}
		})
	}
	// The real one gets through all the same, and ends the walk; coming twice, or by
	// the browser's back button, it does nothing, and says that there is no more to do.
	r := s.answer()
	if status, body := s.bring(s.browser, Redirect, r, s.relay, spKey()); status != http.StatusOK || body != "at the end" {
		t.Fatal(status, body)
	}
	if got := s.idp.messages(); len(got) != 1 || got[0].Response.Second != "" {
		t.Errorf("the identity provider got %+v", got)
	}
	for name, again := range map[string]Response{"the same": r, "another with the same RelayState": s.answer()} {
		if status, body := s.bring(s.browser, Redirect, again, s.relay, spKey()); status != http.StatusBadRequest || body != "page refused" {
			t.Error(name, status, body)
		}
	}
	if len(s.idp.messages()) != 1 {
		t.Error("it was answered twice")
	}
}

// A walk that never comes back leaves its apps unconfirmed; after its time it is
// over, also for the browser whose it was.
func TestWalkThatNeverReturns(t *testing.T) {
	s := stop(t)
	late := time.Now().Add(walkFor + time.Second)
	s.desk.Now = func() time.Time { return late }
	r := s.answer()
	r.Issued = late
	if status, _ := s.bring(s.browser, Redirect, r, s.relay, spKey()); status != http.StatusBadRequest {
		t.Error(status)
	}
	cases, actions := s.cases()
	if a := actions[0]["wiki"]; a.State != bridge.ActionImpossible || !strings.Contains(a.Problem, "browser") || cases[0].State != bridge.CaseClosed {
		t.Errorf("%+v %+v", cases[0], a)
	}
}

// What was begun under one configuration ends under the next: an app that was taken
// out is passed over.
func TestWalkAfterReload(t *testing.T) {
	idp := newPeer(t, RoleIdP, idpKey(), Redirect)
	crm, wiki := newPeer(t, RoleSP, otherKey(), Redirect), newPeer(t, RoleSP, spKey(), Redirect)
	o := founded(t, idp, map[string]*peer{"crm": crm, "wiki": wiki})
	o.person("ada")
	crm.forge = func(*Response) { // crm is visited first
		o.list = o.list[:0:0]
		o.desk.Know(Circle{Authority: o.authority, People: o.desk.circle.Load().People})
	}
	if status, body := o.visit(o.browser(), Redirect, idp.request("ada"), "", idpKey()); status != http.StatusOK || body != "at the end" {
		t.Fatal(status, body)
	}
	if got := idp.messages(); len(got) != 1 || got[0].Response.Second != StatusPartialLogout {
		t.Errorf("%+v", got)
	}
	if !wiki.alive("ada") || crm.alive("ada") {
		t.Error("the wrong app was visited")
	}
}

// The cookie is one that no other host can set, and no script reads.
func TestWalkCookie(t *testing.T) {
	s := stop(t)
	here, _ := url.Parse(s.url)
	jar := s.browser.Jar.Cookies(here)
	if len(jar) != 1 || jar[0].Name != "__Host-exeunt-logout" {
		t.Fatal(jar)
	}
	at, err := RedirectURL(s.authority.Endpoint(), s.idp.request("ada").Element(), true, "", idpKey())
	if err != nil {
		t.Fatal(err)
	}
	s.browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := s.browser.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	set := resp.Cookies()
	if len(set) != 1 || set[0].Value != jar[0].Value {
		t.Fatal("a second walk of the same browser has another cookie", set)
	}
	if c := set[0]; !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteNoneMode || c.MaxAge != 600 {
		t.Errorf("%+v", c)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// If what an app confirmed cannot be written down, the person is led on, and the
// answer does not say more than is known.
func TestWalkThatCannotBeWrittenDown(t *testing.T) {
	idp, wiki := newPeer(t, RoleIdP, idpKey(), Redirect), newPeer(t, RoleSP, spKey(), Redirect)
	o := founded(t, idp, map[string]*peer{"wiki": wiki}, func(d *DeskOptions) { d.Logouts = forgetful{d.Logouts} })
	o.person("ada")
	if status, body := o.visit(o.browser(), Redirect, idp.request("ada"), "", idpKey()); status != http.StatusOK || body != "at the end" {
		t.Fatal(status, body)
	}
	if got := idp.messages(); len(got) != 1 || got[0].Response.Second != StatusPartialLogout {
		t.Errorf("%+v", got)
	}
}

type forgetful struct{ Logouts }

func (forgetful) ShutByBrowser(context.Context, string, bridge.Receipt) error {
	return io.ErrNoProgress
}
