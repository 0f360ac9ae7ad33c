package saml

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// The identity provider has somebody signed out, on each binding: the sessions are
// dead in every app before it is answered, on the binding that it takes answers by,
// and RelayState comes back as it was, whatever it is.
func TestLogout(t *testing.T) {
	for _, tt := range []struct {
		name    string
		by      Binding
		takes   []Binding
		answers Binding
	}{
		{"soap", SOAP, []Binding{SOAP}, SOAP},
		{"redirect", Redirect, []Binding{SOAP, POST, Redirect}, Redirect},
		{"post", POST, []Binding{SOAP, Redirect, POST}, POST},
		{"post, answered by redirect", POST, []Binding{Redirect}, Redirect},
		{"redirect, answered by post", Redirect, []Binding{POST}, POST},
	} {
		t.Run(tt.name, func(t *testing.T) {
			idp := newPeer(t, RoleIdP, idpKey(), tt.takes...)
			wiki, crm := newPeer(t, RoleSP, spKey(), SOAP), newPeer(t, RoleSP, otherKey(), SOAP)
			o := founded(t, idp, map[string]*peer{"wiki": wiki, "crm": crm})
			o.person("ada")
			o.person("bob")
			request := idp.request("ada")
			const relay = "https://evil.example/?a=b&c=%20+" // nobody goes there
			var answer Response
			if tt.by == SOAP {
				answer, _ = o.soap(idp, request, idpKey())
			} else {
				if status, body := o.visit(o.browser(), tt.by, request, relay, idpKey()); status != http.StatusOK || body != "at the end" {
					t.Fatal(status, body)
				}
				got := idp.messages()
				if len(got) != 1 || got[0].Response == nil || got[0].Binding != tt.answers || got[0].RelayState != relay {
					t.Fatalf("the identity provider got %+v", got)
				}
				answer = *got[0].Response
			}
			if answer.Status != StatusSuccess || answer.Second != "" || answer.InResponseTo != request.ID || answer.Issuer != o.authority.EntityID() {
				t.Errorf("answer: %+v", answer)
			}
			for name, app := range o.apps {
				if app.alive("ada") {
					t.Error("ada is still signed in at", name)
				}
				if !app.alive("bob") {
					t.Error("bob was signed out of", name)
				}
			}
			cases, actions := o.cases()
			if len(cases) != 1 || cases[0].Trigger != bridge.LoggedOut || cases[0].State != bridge.CaseClosed || cases[0].By.Token != "idp" || cases[0].By.Operator != "partner" {
				t.Fatalf("cases: %+v", cases)
			}
			if a := actions[0]; len(a) != 2 || a["wiki"].Done.Word != bridge.Confirmed || a["crm"].Done.Word != bridge.Confirmed {
				t.Errorf("actions: %+v", a)
			}
			if len(o.refusals()) != 0 {
				t.Error(o.refusals())
			}
		})
	}
}

// Without proof from every app a logout is partial, and the answer says no more than that.
func TestPartialLogout(t *testing.T) {
	for _, tt := range []struct {
		name string
		who  string
		make func(wiki *peer)
	}{
		{"nobody has that name", "nobody", func(*peer) {}},
		{"an app lies about who it is", "ada", func(p *peer) { p.signs = &[]Pair{newKey()}[0] }},
		{"an app is not done", "ada", func(p *peer) { p.forge = func(r *Response) { r.Second = StatusPartialLogout } }},
		{"an app does not answer", "ada", func(p *peer) {
			p.mute = make(chan struct{})
			p.Cleanup(func() { close(p.mute) })
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			idp, wiki := newPeer(t, RoleIdP, idpKey(), SOAP), newPeer(t, RoleSP, spKey(), SOAP)
			crm := newPeer(t, RoleSP, otherKey(), SOAP)
			o := founded(t, idp, map[string]*peer{"wiki": wiki, "crm": crm}, func(d *DeskOptions) { d.Wait = time.Second })
			tt.make(wiki)
			o.person("ada")
			answer, status := o.soap(idp, idp.request(tt.who), idpKey())
			if status != http.StatusOK || answer.Status != StatusSuccess || answer.Second != StatusPartialLogout {
				t.Errorf("%d %+v", status, answer)
			}
			if crm.alive(tt.who) {
				t.Error("the other app was not told")
			}
		})
	}
}

// An app whose user signs out there has them signed out everywhere else. What it
// calls them is remembered, and used when they leave.
func TestLogoutByApp(t *testing.T) {
	idp := newPeer(t, RoleIdP, idpKey(), SOAP)
	wiki, crm := newPeer(t, RoleSP, spKey(), SOAP, Redirect), newPeer(t, RoleSP, otherKey(), SOAP)
	o := founded(t, idp, map[string]*peer{"wiki": wiki, "crm": crm})
	ada := o.person("ada")
	request := wiki.request("opaque-7")

	// Of this name nothing is known yet.
	if answer, _ := o.soap(wiki, request, spKey()); answer.Second != StatusPartialLogout || !crm.alive("ada") {
		t.Fatal(answer)
	}
	now := time.Now()
	if err := o.store.Update(t.Context(), func(tx bridge.Tx) error {
		return tx.PutSession(bridge.Session{App: "wiki", Person: ada.ID, Handle: ada.Handle, Name: bridge.NameID{Value: "opaque-7"},
			Credential: "cookie", Feed: "f", Learned: now, Expires: now.Add(time.Hour)})
	}); err != nil {
		t.Fatal(err)
	}
	status, body := o.visit(o.browser(), Redirect, wiki.request("opaque-7"), "back", spKey())
	if status != http.StatusOK || body != "at the end" {
		t.Fatal(status, body)
	}
	got := wiki.messages()
	if len(got) != 1 || got[0].Response == nil || got[0].Response.Second != "" || got[0].RelayState != "back" {
		t.Fatalf("the app was asked itself, or not answered: %+v", got)
	}
	if crm.alive("ada") {
		t.Error("ada is still signed in")
	}
	if err := o.store.View(t.Context(), func(tx bridge.Tx) error {
		known, err := tx.Sessions(bridge.Lane{App: "wiki", Person: ada.ID}, now)
		if err == nil && (len(known) != 1 || known[0].Credential != "cookie") {
			t.Errorf("what a feed had told was written over: %+v", known)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// An app that has its sessions from the organisation's identity provider calls
// people as that does.
func TestLogoutByDelegate(t *testing.T) {
	idp := newPeer(t, RoleIdP, idpKey(), SOAP)
	wiki, crm := newPeer(t, RoleSP, spKey(), SOAP), newPeer(t, RoleSP, otherKey(), SOAP)
	o := founded(t, idp, map[string]*peer{"crm": crm})
	wiki.us = o.authority
	if e := o.authority.Register(PartnerConfig{Name: "wiki", Role: RoleSP, Issuer: idp.id(), Origin: wiki.origin()}); e != nil {
		t.Fatal(e)
	}
	if err := o.authority.Load(false); err != nil {
		t.Fatal(err)
	}
	ada := o.person("ada")
	r := wiki.request("ada")
	x := &exchange{Desk: o.desk, Circle: o.desk.circle.Load(), ctx: t.Context()}
	from, _ := o.authority.Partner(wiki.id(), RoleSP)
	who, err := x.who(Message{Request: &r, From: from})
	if err != nil || who.ID != ada.ID {
		t.Fatal(who, err)
	}
	r.Name.Format = transient
	if _, err := x.who(Message{Request: &r, From: from}); !bridge.IsKind(err, bridge.KindNotFound) {
		t.Error("a transient name was taken for somebody's", err)
	}
	if err := x.learn(Message{Request: &Request{Name: bridge.NameID{Value: "ada"}}, From: from}, ada); err != nil {
		t.Fatal(err)
	}
	if err := o.store.View(t.Context(), func(tx bridge.Tx) error {
		known, err := tx.SessionsNamed("wiki", bridge.NameID{Value: "ada"}, time.Now())
		if err == nil && (len(known) != 1 || known[0].Person != ada.ID) {
			t.Errorf("%+v", known)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// A name that a feed of another source's people has told, or that somebody had who is
// gone, does not have an identity provider's sign-out miss whom it means.
func TestLogoutOfNamesakes(t *testing.T) {
	idp, wiki := newPeer(t, RoleIdP, idpKey(), SOAP), newPeer(t, RoleSP, spKey(), SOAP)
	o := founded(t, idp, map[string]*peer{"wiki": wiki})
	sales := bridge.WithCaller(t.Context(), bridge.Caller{Source: "sales", Token: "t"})
	sal, err := o.bridge.AddPerson(sales, bridge.Person{UserName: "sal", Active: true, Resource: []byte(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	old := o.person("ada")
	hr := bridge.WithCaller(t.Context(), bridge.Caller{Source: "hr", Token: "t"})
	if err := o.bridge.RemovePerson(hr, old.ID, nil); err != nil {
		t.Fatal(err)
	}
	ada := o.person("ada")
	for _, p := range []bridge.Person{sal, old} {
		if err := o.store.Update(t.Context(), func(tx bridge.Tx) error {
			return tx.PutSession(bridge.Session{App: "idp", Person: p.ID, Handle: p.Handle, Name: bridge.NameID{Value: "ada"},
				Feed: "f", Learned: time.Now(), Expires: time.Now().Add(time.Hour)})
		}); err != nil {
			t.Fatal(err)
		}
	}
	if answer, _ := o.soap(idp, idp.request("ada"), idpKey()); answer.Status != StatusSuccess || answer.Second != "" || wiki.alive("ada") {
		t.Errorf("ada is alive: %v; %+v", wiki.alive("ada"), answer)
	}
	if cases, _ := o.cases(); cases[0].Trigger != bridge.LoggedOut || cases[0].Person != ada.ID {
		t.Errorf("somebody else was signed out: %+v", cases[0])
	}
}

// Who wants no answer gets none, and the sessions die all the same.
func TestAsynchronous(t *testing.T) {
	idp, wiki := newPeer(t, RoleIdP, idpKey(), SOAP, Redirect), newPeer(t, RoleSP, spKey(), SOAP)
	o := founded(t, idp, map[string]*peer{"wiki": wiki})
	o.person("ada")
	request := idp.request("ada")
	request.Asynchronous = true
	if status, body := o.visit(o.browser(), Redirect, request, "", idpKey()); status != http.StatusOK || body != "page out" {
		t.Error(status, body)
	}
	if wiki.alive("ada") || len(idp.messages()) != 0 {
		t.Error("alive, or answered", idp.messages())
	}
}

// When many wait already, the answer does not wait; the apps are told all the same.
func TestManyWait(t *testing.T) {
	idp, wiki := newPeer(t, RoleIdP, idpKey(), SOAP), newPeer(t, RoleSP, spKey(), SOAP)
	o := founded(t, idp, map[string]*peer{"wiki": wiki}, func(d *DeskOptions) { d.Wait = time.Hour })
	o.person("ada")
	wiki.mute = make(chan struct{})
	for range mostWaiting {
		o.desk.waiting <- struct{}{}
	}
	if answer, _ := o.soap(idp, idp.request("ada"), idpKey()); answer.Second != StatusPartialLogout {
		t.Error(answer)
	}
	close(wiki.mute)
	until(t, "the app is told", func() bool { return !wiki.alive("ada") })
}

// What an answer may say of a case.
func TestOutcome(t *testing.T) {
	did := func(s bridge.ActionState, word string) bridge.Action {
		return bridge.Action{State: s, Done: bridge.Receipt{Word: word}}
	}
	closed := bridge.Case{State: bridge.CaseClosed}
	for _, tt := range []struct {
		name    string
		of      bridge.Case
		actions []bridge.Action
		want    status
	}{
		{"nothing was to be done", closed, nil, complete},
		{"proven, absent, confirmed, no session", closed, []bridge.Action{did(bridge.ActionVerified, bridge.Unconfirmed), did(bridge.ActionAbsent, ""),
			did(bridge.ActionUnverified, bridge.Confirmed), did(bridge.ActionUnverified, bridge.NoSession)}, complete},
		{"not planned", bridge.Case{State: bridge.CaseOpen}, nil, partial},
		{"unconfirmed", closed, []bridge.Action{did(bridge.ActionUnverified, bridge.Unconfirmed)}, partial},
		{"an app that says nothing of sessions", closed, []bridge.Action{did(bridge.ActionUnverified, "")}, partial},
		{"impossible", closed, []bridge.Action{did(bridge.ActionVerified, ""), did(bridge.ActionImpossible, "")}, partial},
		{"stuck", closed, []bridge.Action{did(bridge.ActionStuck, bridge.Confirmed)}, partial},
		{"under way", closed, []bridge.Action{did(bridge.ActionWaiting, "")}, partial},
		{"not checked", closed, []bridge.Action{did(bridge.ActionPending, bridge.Confirmed)}, partial},
		{"dropped", closed, []bridge.Action{did(bridge.ActionDropped, "")}, partial},
	} {
		if got := outcome(tt.of, tt.actions); got != tt.want {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// Nobody signs in here, and whoever tries is told so.
func TestNoEntry(t *testing.T) {
	o := founded(t, newPeer(t, RoleIdP, idpKey(), SOAP), nil)
	w := httptest.NewRecorder()
	o.desk.NoEntry(w, httptest.NewRequest("POST", "/saml/acs", strings.NewReader("SAMLResponse=x")))
	if w.Code != http.StatusNotImplemented || !strings.Contains(w.Body.String(), "noentry") {
		t.Error(w.Code, w.Body)
	}
	empty := NewDesk(DeskOptions{})
	for _, h := range []http.HandlerFunc{empty.ServeHTTP, empty.Metadata, empty.NoEntry} {
		w := httptest.NewRecorder()
		h(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != http.StatusNotFound {
			t.Error("without SAML in the configuration:", w.Code)
		}
	}
}
