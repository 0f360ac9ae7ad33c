package saml

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
)

func revoke(who bridge.Identifiers, account bridge.Account) bridge.Order {
	return bridge.Order{Key: NewID(), Effect: bridge.Revoke, Account: account, Who: who, Trigger: bridge.Deactivated, Since: time.Now()}
}

// kind names what an error means to the engine.
func kind(err error) string {
	switch {
	case err == nil:
		return "done"
	case bridge.IsPermanent(err):
		return "final"
	case bridge.IsImpossible(err):
		return "impossible"
	case errors.Is(err, bridge.ErrNoneKnown):
		return "none known"
	case errors.Is(err, bridge.ErrStillOpen):
		return "open"
	case errors.Is(err, bridge.ErrCannotCheck):
		return "cannot check"
	}
	return "retry"
}

// What apps say, and what it is worth; whatever an app says, the probe shows what is so.
func TestWhatAppsSay(t *testing.T) {
	requests := func(s *stage) (n int) {
		for _, a := range s.Asked() {
			if a.Path == "/slo" {
				n++
			}
		}
		return n
	}
	status := func(top, second string) func(*etree.Element, *rsa.PrivateKey) *rsa.PrivateKey {
		return func(r *etree.Element, key *rsa.PrivateKey) *rsa.PrivateKey {
			code := r.SelectElement("Status").SelectElement("StatusCode")
			code.CreateAttr("Value", top)
			code.Child = nil
			if second != "" {
				code.CreateElement("samlp:StatusCode").CreateAttr("Value", second)
			}
			return key
		}
	}
	for _, test := range []struct {
		name     string
		f        sandbox.Federation
		sessions int
		once     bool
		word     string
		requests int
		check    string
		says     string
	}{
		{"all at once", sandbox.Federation{}, 3, false, bridge.Confirmed, 2, "done", "Success: 1, then no session left"},
		{"one by one", sandbox.Federation{OneByOne: true}, 3, false, bridge.Confirmed, 4, "done", "Success: 3, then no session left"},
		{"more than are asked for", sandbox.Federation{OneByOne: true}, 60, false, bridge.Confirmed, 61, "done", "Success: 60, then no session left"},
		{"one by one, but called all at once", sandbox.Federation{OneByOne: true}, 3, true, bridge.Confirmed, 1, "open", "Success: 1"},
		{"always Success", sandbox.Federation{Always: true}, 2, false, bridge.Unconfirmed, mostAsked, "done", "Success: 50, but never that there is no session left"},
		{"always Success, called all at once", sandbox.Federation{Always: true}, 2, true, bridge.Confirmed, 1, "done", "Success: 1"},
		{"not everywhere", sandbox.Federation{Always: true, Reply: status(StatusSuccess, StatusPartialLogout)}, 1, true, bridge.Unconfirmed, 1, "done", "Success: 1, but not all was ended"},
		{"refuses like mellon", sandbox.Federation{Reply: status(StatusResponder, StatusRequestDenied)}, 1, false, bridge.NoSession, 1, "done", "it knows of no session"},
		{"knows nobody", sandbox.Federation{Reply: status(StatusRequester, StatusUnknownPrincipal)}, 1, false, bridge.NoSession, 1, "done", "it knows of no session"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t, test.f)
			who := s.signIn(test.sessions, ada)
			other := s.signIn(1, sandbox.Guest{Value: "grace"})
			c := s.config
			c.Once = test.once
			app := s.open(t, c)
			account, err := app.Find(t.Context(), who)
			if err != nil || len(account.Live) != test.sessions || account.Match != "session" {
				t.Fatalf("%+v, %v", account, err)
			}
			o := revoke(who, account)
			o.Done, err = app.Do(t.Context(), o)
			if err != nil || o.Done.Word != test.word || !strings.HasSuffix(o.Done.Summary, "→ 200, "+test.says) {
				t.Errorf("%+v, %v; want %s, %q", o.Done, err, test.word, test.says)
			}
			if n := requests(s); n != test.requests {
				t.Errorf("asked %d times, want %d", n, test.requests)
			}
			if _, err := app.Check(t.Context(), o); kind(err) != test.check {
				t.Errorf("check: %v, want %s", err, test.check)
			}
			if s.SignedIn(sandbox.Guest{Value: "grace"}) != len(other.Sessions) {
				t.Error("somebody else was signed out")
			}
		})
	}
}

// An answer that is not surely the app's, to this request, ends no action.
func TestAnswersThatProveNothing(t *testing.T) {
	change := func(f func(*etree.Element)) func(*etree.Element, *rsa.PrivateKey) *rsa.PrivateKey {
		return func(r *etree.Element, key *rsa.PrivateKey) *rsa.PrivateKey {
			f(r)
			return key
		}
	}
	for name, test := range map[string]struct {
		reply func(*etree.Element, *rsa.PrivateKey) *rsa.PrivateKey
		want  string
	}{
		"as it should be": {change(func(*etree.Element) {}), "done"},
		"unsigned":        {func(*etree.Element, *rsa.PrivateKey) *rsa.PrivateKey { return nil }, "retry"},
		"by another's key": {func(*etree.Element, *rsa.PrivateKey) *rsa.PrivateKey {
			return otherKey().Private.(*rsa.PrivateKey)
		}, "retry"},
		"to another request":  {change(func(r *etree.Element) { r.CreateAttr("InResponseTo", NewID()) }), "retry"},
		"to no request":       {change(func(r *etree.Element) { r.RemoveAttr("InResponseTo") }), "retry"},
		"by another":          {change(func(r *etree.Element) { r.SelectElement("Issuer").SetText("https://other.example") }), "retry"},
		"for another":         {change(func(r *etree.Element) { r.CreateAttr("Destination", "https://other.example/slo") }), "retry"},
		"for us":              {change(func(r *etree.Element) { r.CreateAttr("Destination", "https://us.example/saml/slo") }), "done"},
		"of last year":        {change(func(r *etree.Element) { r.CreateAttr("IssueInstant", "2025-01-01T00:00:00Z") }), "retry"},
		"it could not":        {change(func(r *etree.Element) { setStatus(r, StatusResponder) }), "retry"},
		"it does not take it": {change(func(r *etree.Element) { setStatus(r, StatusRequester) }), "final"},
		"a status of its own": {change(func(r *etree.Element) { setStatus(r, "urn:ada:5f0c-ada") }), "final"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, sandbox.Federation{Reply: test.reply})
			who := s.signIn(1, ada)
			app := s.open(t, s.config)
			receipt, err := app.Do(t.Context(), revoke(who, bridge.Account{}))
			if kind(err) != test.want || test.want != "done" && receipt.Word != "" {
				t.Errorf("%+v, %v; want %s", receipt, err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), ada.Value) {
				t.Errorf("the name is said: %v", err)
			}
			if s.SignedIn(ada) != 0 { // it happened all the same, which the next attempt finds
				t.Error("still signed in")
			}
		})
	}
}

func setStatus(r *etree.Element, top string) {
	code := r.SelectElement("Status").SelectElement("StatusCode")
	code.CreateAttr("Value", top)
	code.Child = nil
}

// What is no answer at all.
func TestAnswersOutOfOrder(t *testing.T) {
	const page = "<!DOCTYPE html>\n<html><body>5f0c-ada</body></html>"
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"500 with a page": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); io.WriteString(w, page) }, "final"},
		"500 with a fault": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/xml")
			w.WriteHeader(500)
			io.WriteString(w, `<S:Envelope xmlns:S="`+nsSOAP+`"><S:Body><S:Fault/></S:Body></S:Envelope>`)
		}, "retry"},
		"400 with a page": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400); io.WriteString(w, page) }, "final"},
		"404":             {http.NotFound, "final"},
		"429":             {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, "retry"},
		"502":             {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502); io.WriteString(w, page) }, "retry"},
		"503":             {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503); io.WriteString(w, page) }, "retry"},
		"504":             {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(504) }, "retry"},
		"a redirect":      {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "final"},
		"200 with a page": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) }, "retry"},
		"nothing":         {func(http.ResponseWriter, *http.Request) {}, "retry"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}, "final"},
		"nested without end": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("<a>", 50_000)) }, "retry"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, sandbox.Federation{})
			who := s.signIn(1, ada)
			site := httptest.NewServer(test.answer)
			defer site.Close()
			c := s.config
			c.Metadata = write0600(t, s.dir+"/elsewhere.xml", []byte(strings.ReplaceAll(string(s.Metadata()), s.URL(), site.URL)))
			_, err := s.open(t, c).Do(t.Context(), revoke(who, bridge.Account{}))
			if kind(err) != test.want || strings.Contains(fmt.Sprintf("%+v", err), ada.Value) {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

// Whoever always says Success, and slowly, is not asked until time runs out.
func TestSlowAndAlwaysSuccess(t *testing.T) {
	s := newStage(t, sandbox.Federation{Always: true})
	who := s.signIn(2, ada)
	s.Faults.Set(sandbox.Fault{Kind: sandbox.Slow, Path: "/slo", Delay: sandbox.Duration(300 * time.Millisecond)})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	receipt, err := s.open(t, s.config).Do(ctx, revoke(who, bridge.Account{}))
	if err != nil || receipt.Word != bridge.Unconfirmed {
		t.Errorf("%+v, %v", receipt, err)
	}
	// While more sessions are known than it has said Success for, the next attempt goes on.
	who = s.signIn(20, ada)
	ctx, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if receipt, err := s.open(t, s.config).Do(ctx, revoke(who, bridge.Account{})); kind(err) != "retry" {
		t.Errorf("%+v, %v", receipt, err)
	}
}

// Each name that a person has in the app is told to it, each once.
func TestEveryName(t *testing.T) {
	s := newStage(t, sandbox.Federation{})
	grace := sandbox.Guest{Value: "g-2", Format: longFormat("transient")}
	who := s.signIn(2, ada)
	who.Sessions = append(who.Sessions, s.signIn(1, grace).Sessions...)
	app := s.open(t, s.config)
	account, err := app.Find(t.Context(), who)
	if err != nil || len(account.Live) != 3 {
		t.Fatalf("%+v, %v", account, err)
	}
	o := revoke(who, account)
	if o.Done, err = app.Do(t.Context(), o); err != nil || o.Done.Word != bridge.Confirmed || s.SignedIn(sandbox.Guest{}) != 0 {
		t.Errorf("%+v, %v", o.Done, err)
	}
	if _, err := app.Check(t.Context(), o); err != nil {
		t.Error(err)
	}
}

// Without a session that is known, the template makes the name; without either,
// nobody can be named, and that is said.
func TestWhoIsIt(t *testing.T) {
	s := newStage(t, sandbox.Federation{})
	who := s.signIn(1, sandbox.Guest{Value: "ada.lovelace@idp.example", Format: longFormat("email")})
	told := who.Sessions
	who.Sessions = nil
	rule := &NameIDConfig{Format: "email", Value: "{userName}@idp.example"}
	for _, test := range []struct {
		name     string
		config   Config
		sessions []bridge.Session
		want     string
		match    string
	}{
		{"told", Config{}, told, "done", "session"},
		{"by the template", Config{NameID: rule}, nil, "done", "name_id"},
		{"told, with a template", Config{NameID: &NameIDConfig{Value: "externalId"}}, told, "done", "session"},
		{"nothing known", Config{}, nil, "impossible", ""},
		{"nothing known, and all would be", Config{Complete: true}, nil, "none known", ""},
		{"only of another kind", Config{}, []bridge.Session{{Subject: "ada", SID: "1"}}, "impossible", ""},
		{"only of another kind, and all would be", Config{Complete: true}, []bridge.Session{{Subject: "ada", SID: "1"}}, "impossible", ""},
		{"the template needs what is not known", Config{NameID: &NameIDConfig{Value: "{externalId}"}}, nil, "impossible", ""},
	} {
		c := s.config
		c.NameID, c.Complete = test.config.NameID, test.config.Complete
		person := who
		person.Sessions = test.sessions
		if strings.Contains(test.name, "needs") {
			person.ExternalID = ""
		}
		account, err := s.open(t, c).Find(t.Context(), person)
		if kind(err) != test.want || account.Match != test.match {
			t.Errorf("%s: %+v, %v", test.name, account, err)
		}
	}
	c := s.config
	c.NameID, c.Probe = rule, nil
	app := s.open(t, c)
	account, err := app.Find(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := app.Do(t.Context(), revoke(who, account))
	if err != nil || receipt.Word != bridge.Confirmed || s.SignedIn(sandbox.Guest{}) != 0 {
		t.Errorf("%+v, %v", receipt, err)
	}
	// Nobody showed that the session is dead: that the app says so is all there is.
	if _, err := app.Check(t.Context(), revoke(who, account)); kind(err) != "cannot check" {
		t.Error(err)
	}
	if c, _ := app.Capabilities().Of(bridge.Revoke); c.Checked {
		t.Error("without a probe it says that it can be checked")
	}
	// What was known has expired by the time that it is done.
	c.NameID = nil
	if _, err := s.open(t, c).Do(t.Context(), revoke(who, account)); kind(err) != "impossible" {
		t.Error(err)
	}
}

// A name that is not to the letter what the app was told is not the person.
func TestNamesAreExact(t *testing.T) {
	for _, change := range []func(*bridge.NameID){
		func(n *bridge.NameID) { n.Value = strings.ToUpper(n.Value) },
		func(n *bridge.NameID) { n.Format = longFormat("email") },
		func(n *bridge.NameID) { n.NameQualifier = "" },
		func(n *bridge.NameID) { n.NameQualifier, n.SPNameQualifier = n.SPNameQualifier, n.NameQualifier },
	} {
		s := newStage(t, sandbox.Federation{})
		who := s.signIn(1, ada)
		change(&who.Sessions[0].Name)
		app := s.open(t, s.config)
		account, err := app.Find(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		o := revoke(who, account)
		if o.Done, err = app.Do(t.Context(), o); err != nil || o.Done.Word != bridge.NoSession || s.SignedIn(ada) != 1 {
			t.Errorf("%+v, %v", o.Done, err)
		}
		if _, err := app.Check(t.Context(), o); kind(err) != "open" {
			t.Errorf("the app says that there is no session, the probe %v", err)
		}
	}
}

func TestNoSOAP(t *testing.T) {
	s := newStage(t, sandbox.Federation{})
	c := s.config
	c.Metadata = write0600(t, s.dir+"/front.xml", []byte(strings.Replace(string(s.Metadata()), string(SOAP), string(Redirect), 1)))
	app := s.open(t, c)
	if _, err := app.Do(t.Context(), revoke(s.signIn(1, ada), bridge.Account{})); kind(err) != "impossible" || !errors.Is(err, errNoSOAP) {
		t.Error(err)
	}
	if err := app.Probe(t.Context()); !errors.Is(err, errNoSOAP) {
		t.Error(err)
	}
	if len(s.Asked()) > 0 {
		t.Errorf("asked %v", s.Asked())
	}
}

// Encrypted, nobody but the app reads who it is.
func TestEncryptedName(t *testing.T) {
	var body []byte
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(503)
	}))
	defer site.Close()
	s := newStage(t, sandbox.Federation{})
	who := s.signIn(1, ada)
	metadata := strings.ReplaceAll(string(s.Metadata()), s.URL(), site.URL)
	c := s.config
	c.Encrypt = true
	c.Metadata = write0600(t, s.dir+"/encrypts.xml", []byte(metadata))
	if _, err := s.open(t, c).Do(t.Context(), revoke(who, bridge.Account{})); kind(err) != "retry" || strings.Contains(string(body), ada.Value) {
		t.Fatalf("%v: %s", err, body)
	}
	el, err := fromSOAP(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range el.ChildElements() {
		if is(e, nsAssertion, "EncryptedID") {
			name, err := decryptName(e, []Pair{{Private: theirs(), Certificate: &x509.Certificate{}}}, true)
			if err != nil || !strings.Contains(string(bytesOf(t, name)), ada.Value) {
				t.Errorf("%v, %v", name, err)
			}
			return
		}
	}
	t.Errorf("no EncryptedID: %s", body)
}

func TestEncryptingNeedsAKey(t *testing.T) {
	s := newStage(t, sandbox.Federation{})
	who := s.signIn(1, ada)
	c := s.config
	c.Encrypt = true
	c.Metadata = write0600(t, s.dir+"/signs.xml", []byte(strings.Replace(string(s.Metadata()), "<KeyDescriptor>", `<KeyDescriptor use="signing">`, 1)))
	if _, err := s.open(t, c).Do(t.Context(), revoke(who, bridge.Account{})); kind(err) != "final" || s.SignedIn(ada) != 1 {
		t.Errorf("%v", err)
	}
}

// A probe that lets everybody in, or wrong metadata, is found before it matters.
func TestProbeFindsOut(t *testing.T) {
	s := newStage(t, sandbox.Federation{})
	if err := s.open(t, s.config).Probe(t.Context()); err != nil || len(s.Changes("")) > 0 {
		t.Errorf("%v, %v", err, s.Changes(""))
	}
	c := s.config
	c.Role, c.Issuer = "delegate", "https://other-idp.example"
	if err := s.open(t, c).Probe(t.Context()); kind(err) != "final" {
		t.Errorf("in the name of whom the app does not know: %v", err)
	}
	c = s.config
	c.Metadata = write0600(t, s.dir+"/wrong.xml", []byte(strings.Replace(string(s.Metadata()), `entityID="`, `entityID="x`, 1)))
	if err := s.open(t, c).Probe(t.Context()); kind(err) != "retry" || !strings.Contains(err.Error(), "cannot be believed") {
		t.Errorf("metadata of another: %v", err)
	}
	open := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer open.Close()
	c = s.config
	page := *c.Probe
	page.URL = open.URL
	c.Probe = &page
	if err := s.open(t, c).Probe(t.Context()); kind(err) != "final" {
		t.Errorf("a page that lets everybody in: %v", err)
	}
}

func TestAppsAreGuarded(t *testing.T) {
	s := newStage(t, sandbox.Federation{})
	c := s.config
	c.Egress = call.Egress{}
	if problems := c.Validate(); len(problems) == 0 {
		t.Error("an endpoint on the loopback without allow_networks is taken")
	}
	// A name that leads inside is refused when it is dialled.
	c = s.config
	c.Egress, c.Probe = call.Egress{}, nil
	c.Metadata = write0600(t, s.dir+"/inside.xml", []byte(strings.ReplaceAll(string(s.Metadata()), s.URL(), "https://localhost")))
	if _, err := s.open(t, c).Do(t.Context(), revoke(s.signIn(1, ada), bridge.Account{})); kind(err) != "final" || !strings.Contains(err.Error(), "not allowed") {
		t.Error(err)
	}
}
