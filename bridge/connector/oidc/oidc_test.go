package oidc

import (
	"crypto/elliptic"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/connectortest"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
	"github.com/exeunt/exeunt/bridge/connector/internal/probe"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
)

const (
	issuer   = "https://exeunt.example.com"
	provider = "https://idp.example.com"
	client   = "wiki"
)

var loopback = call.Egress{AllowNetworks: []string{"127.0.0.0/8"}}

// authority makes one with keys of its own.
func authority(t *testing.T) *Authority {
	t.Helper()
	return withKeys(t, newKey(t, elliptic.P256()))
}

func open(t *testing.T, c Config, a *Authority) bridge.Connector {
	t.Helper()
	c.Speak(a)
	p, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func keysOf(a *Authority) func() ([]byte, error) {
	return func() ([]byte, error) { return a.JWKS(), nil }
}

func startParty(t *testing.T, trust sandbox.Trust) *sandbox.Party {
	t.Helper()
	app, err := sandbox.StartParty(sandbox.Options{}, trust)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { app.Close() })
	return app
}

func config(app *sandbox.Party) Config {
	return Config{URI: app.LogoutURL(), ClientID: client, Role: hub, Egress: loopback,
		Probe: &probe.Config{URL: app.PageURL(), Present: "cookie:session", Refused: []int{302}}}
}

const subject = "sub-4711"

func amina(app *sandbox.Party, sessions int) bridge.Identifiers {
	who := bridge.Identifiers{Person: "person-0001", UserName: "amina.yusuf", ExternalID: subject, DisplayName: "Amina Yusuf",
		Emails: []string{"amina.yusuf@corp.example"}}
	for range sessions {
		cookie, sid := app.SignIn(subject)
		who.Sessions = append(who.Sessions, bridge.Session{Subject: subject, SID: sid, Credential: bridge.Secret(cookie)})
	}
	return who
}

func TestSuite(t *testing.T) {
	ours, others := authority(t), authority(t)
	for name, change := range map[string]func(*Config){
		"with probe":    func(*Config) {},
		"without probe": func(c *Config) { c.Probe = nil },
		"complete":      func(c *Config) { c.Complete = true },
		"delegate":      func(c *Config) { c.Role, c.Issuer = delegate, provider },
		"by subject":    func(c *Config) { c.IndexesBy = bySub },
	} {
		t.Run(name, func(t *testing.T) {
			connectortest.Run(t, func(t *testing.T) connectortest.Target {
				trust := sandbox.Trust{Issuer: issuer, ClientID: client, Keys: keysOf(ours)}
				var c Config
				change(&c)
				trust.BySubject = c.IndexesBy == bySub
				if c.Role == delegate {
					trust.Issuer = provider
				}
				app := startParty(t, trust)
				c = config(app)
				change(&c)
				who := amina(app, 1)
				return connectortest.Target{
					Connector: open(t, c, ours), Refused: open(t, c, others), App: app.App, Known: who, Tries: true,
					Done:    func(bridge.Effect) bool { return app.SignedIn(subject) == 0 },
					Secrets: []string{string(who.Sessions[0].Credential), who.Sessions[0].SID},
				}
			})
		})
	}
}

// What an answer is worth depends on what was named; whether it is true, the probe tells.
func TestWhatAnAnswerIsWorth(t *testing.T) {
	ours := authority(t)
	for _, test := range []struct {
		name   string
		change func(*Config)
		who    func(*bridge.Identifiers) // what is known of the person
		word   string
		left   int   // sessions that live on
		check  error // nil is proof
	}{
		{"every session is known", func(c *Config) { c.Complete = true }, nil, bridge.Confirmed, 0, nil},
		{"there may be others", nil, nil, bridge.Unconfirmed, 0, nil},
		{"only the subject is known", nil, func(who *bridge.Identifiers) {
			for i := range who.Sessions {
				who.Sessions[i].SID = ""
			}
		}, bridge.Unconfirmed, 3, bridge.ErrStillOpen},
		{"one sid is not known", func(c *Config) { c.Complete = true }, func(who *bridge.Identifiers) { who.Sessions[1].SID = "" },
			bridge.Unconfirmed, 1, bridge.ErrStillOpen},
		{"only sids are known", func(c *Config) { c.Complete = true }, func(who *bridge.Identifiers) {
			for i := range who.Sessions {
				who.Sessions[i].Subject = ""
			}
		}, bridge.Confirmed, 0, nil},
		{"one is known by something else", func(c *Config) { c.Complete = true }, func(who *bridge.Identifiers) {
			who.Sessions = append(who.Sessions, bridge.Session{Access: "token"})
		}, bridge.Unconfirmed, 0, bridge.ErrCannotCheck},
		{"as many as are kept", func(c *Config) { c.Complete = true }, func(who *bridge.Identifiers) {
			for i := len(who.Sessions); i < bridge.MostSessions; i++ {
				who.Sessions = append(who.Sessions, bridge.Session{Subject: subject, SID: fmt.Sprint("old-", i), Credential: who.Sessions[0].Credential})
			}
		}, bridge.Unconfirmed, 0, bridge.ErrCannotCheck},
		{"nothing but a rule for the subject", func(c *Config) { c.Subject = "externalId" }, func(who *bridge.Identifiers) { who.Sessions = nil },
			bridge.Unconfirmed, 3, bridge.ErrCannotCheck},
		{"found by subject", func(c *Config) { c.IndexesBy = bySub }, nil, bridge.Confirmed, 0, nil},
		{"found by subject, of which there is only the rule", func(c *Config) { c.IndexesBy, c.Subject = bySub, "externalId" },
			func(who *bridge.Identifiers) { who.Sessions = nil }, bridge.Confirmed, 0, bridge.ErrCannotCheck},
		{"no probe", func(c *Config) { c.Probe = nil }, nil, bridge.Unconfirmed, 0, bridge.ErrCannotCheck},
	} {
		t.Run(test.name, func(t *testing.T) {
			trust := sandbox.Trust{Issuer: issuer, ClientID: client, Keys: keysOf(ours)}
			app := startParty(t, trust)
			c := config(app)
			if test.change != nil {
				test.change(&c)
			}
			if c.IndexesBy == bySub {
				trust.BySubject = true
				app = startParty(t, trust)
				c.URI, c.Probe.URL = app.LogoutURL(), app.PageURL()
			}
			who := amina(app, 3)
			if test.who != nil {
				test.who(&who)
			}
			bystander, _ := app.SignIn("sub-other")
			done, checked, err := connectortest.Revoke(t, open(t, c, ours), who)
			if done.Word != test.word || !errors.Is(err, test.check) || checked.Summary == "" {
				t.Errorf("%q (%s), checked %v (%s); want %q, %v", done.Word, done.Summary, err, checked.Summary, test.word, test.check)
			}
			if left := app.SignedIn(subject); left != test.left {
				t.Errorf("%d sessions live on, want %d", left, test.left)
			}
			if app.SignedIn("sub-other") != 1 {
				t.Errorf("somebody else was signed out (%s)", bystander)
			}
			for _, secret := range []string{subject, who.UserName, who.Person} {
				if strings.Contains(done.Summary+checked.Summary, secret) {
					t.Errorf("%q is in a receipt", secret)
				}
			}
		})
	}
}

func TestNothingIsKnown(t *testing.T) {
	app := startParty(t, sandbox.Trust{Issuer: issuer, ClientID: client, Keys: keysOf(authority(t))})
	who := amina(app, 0)
	c := config(app)
	if _, _, err := connectortest.Revoke(t, open(t, c, authority(t)), who); !bridge.IsImpossible(err) {
		t.Errorf("nothing known: %v", err)
	}
	c.Complete = true
	if _, _, err := connectortest.Revoke(t, open(t, c, authority(t)), who); !errors.Is(err, bridge.ErrNoneKnown) {
		t.Errorf("nothing known where everything would be: %v", err)
	}
	who.Sessions = []bridge.Session{{Access: "token"}}
	if _, _, err := connectortest.Revoke(t, open(t, c, authority(t)), who); !bridge.IsImpossible(err) {
		t.Errorf("a session that is known by something else: %v", err)
	}
	who.Sessions = nil
	// What was known when it was planned may have expired when it is done.
	if _, err := open(t, c, authority(t)).Do(t.Context(), bridge.Order{Effect: bridge.Revoke, Who: who}); !errors.Is(err, bridge.ErrNoneKnown) {
		t.Errorf("expired meanwhile: %v", err)
	}
	c.Complete, c.Subject = false, "acme|{externalId}"
	who.ExternalID = ""
	if _, _, err := connectortest.Revoke(t, open(t, c, authority(t)), who); !bridge.IsImpossible(err) {
		t.Errorf("half a subject: %v", err)
	}
	if len(app.Asked()) != 0 {
		t.Errorf("asked: %v", app.Asked())
	}
}

// strict is a relying party that answers by what a token names.
type strict struct {
	sync.Mutex
	tokens []string
	answer func(n int) int // status of the nth token, from 1
}

func serve(t *testing.T, answer func(n int) int) (*strict, Config) {
	t.Helper()
	s := &strict{answer: answer}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Lock()
		s.tokens = append(s.tokens, r.PostFormValue("logout_token"))
		status := s.answer(len(s.tokens))
		s.Unlock()
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		if status/100 == 3 {
			w.Header().Set("Location", "http://169.254.169.254/")
		}
		w.WriteHeader(status)
		for range 4 << 10 { // more than anybody should read
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	return s, Config{URI: server.URL + "/logout?tenant=1", ClientID: client, Role: hub, Complete: true, Egress: loopback}
}

// heard are the tokens that came so far.
func (s *strict) heard() []string {
	s.Lock()
	defer s.Unlock()
	return slices.Clone(s.tokens)
}

func always(status int) func(int) int { return func(int) int { return status } }

// An app that never takes all at once gets rid of all of them in the end.
func TestNoneIsAlwaysLast(t *testing.T) {
	const many, each = 20, 5
	var taken []int
	s, c := serve(t, func(n int) int {
		if (n-1)%many < each {
			taken = append(taken, n-1)
			return http.StatusOK
		}
		return 0
	})
	app, who := open(t, c, authority(t)), bridge.Identifiers{Sessions: sessions(many)}
	for range 80 {
		if _, err := app.Do(t.Context(), bridge.Order{Effect: bridge.Revoke, Who: who}); err == nil {
			t.Fatal("it is called done")
		}
	}
	dead := map[string]bool{}
	for _, n := range taken {
		dead[payloadOf(s.heard()[n])[strings.Index(payloadOf(s.heard()[n]), `"sid"`):]] = true
	}
	if len(dead) != many {
		t.Errorf("%d of %d sessions were ever ended", len(dead), many)
	}
}

func sessions(n int) (list []bridge.Session) {
	for i := range n {
		list = append(list, bridge.Session{Subject: subject, SID: fmt.Sprintf("sid-%d", i)})
	}
	return list
}

func TestAnswers(t *testing.T) {
	a := authority(t)
	for _, test := range []struct {
		status int
		want   string
	}{
		{200, "confirmed"}, {204, "confirmed"}, {202, "unconfirmed"},
		{400, "permanent"}, {401, "permanent"}, {403, "permanent"}, {404, "permanent"}, {405, "permanent"}, {410, "permanent"},
		{302, "permanent"}, {307, "permanent"}, {501, "impossible"},
		{500, "retry"}, {502, "retry"}, {503, "retry"}, {429, "retry"}, {408, "retry"}, {0, "retry"},
	} {
		s, c := serve(t, always(test.status))
		done, _, err := connectortest.Revoke(t, open(t, c, a), bridge.Identifiers{Sessions: sessions(1)})
		if got, n := connectortest.Word(done, err), len(s.heard()); got != test.want || n != 1 {
			t.Errorf("%d: %s (%v) after %d tokens, want %s", test.status, got, err, n, test.want)
		}
	}
}

// What one token meets keeps no other from being sent, and as long as one may yet
// be taken, all are tried again.
func TestSeveralTokens(t *testing.T) {
	a := authority(t)
	mixed := func(first int) func(int) int {
		return func(n int) int {
			if n == 1 {
				return first
			}
			return 200
		}
	}
	for _, test := range []struct {
		answer func(int) int
		want   string
	}{
		{mixed(400), "permanent"}, {mixed(500), "retry"}, {mixed(0), "retry"}, {mixed(501), "impossible"},
		{func(n int) int { return []int{400, 500, 501}[n%3] }, "retry"},
		{func(n int) int { return []int{400, 501}[n%2] }, "permanent"},
	} {
		s, c := serve(t, test.answer)
		done, _, err := connectortest.Revoke(t, open(t, c, a), bridge.Identifiers{Sessions: sessions(12)})
		if got, n := connectortest.Word(done, err), len(s.heard()); got != test.want || n != 12 {
			t.Errorf("%s (%v) after %d tokens, want %s", got, err, n, test.want)
		}
	}
	// A relying party may refuse tokens that name no session; those that do count all the same.
	s, c := serve(t, func(n int) int { return 200 })
	s.answer = func(int) int {
		if strings.Contains(payloadOf(s.tokens[len(s.tokens)-1]), `"sid"`) {
			return 200
		}
		return 400
	}
	c.Complete = false
	done, _, err := connectortest.Revoke(t, open(t, c, a), bridge.Identifiers{Sessions: sessions(2)})
	if connectortest.Word(done, err) != bridge.Unconfirmed || !strings.Contains(done.Summary, "name no session") {
		t.Errorf("%v, %v", done, err)
	}
	if done, _, err = connectortest.Revoke(t, open(t, c, a), bridge.Identifiers{Sessions: []bridge.Session{{Subject: subject}}}); connectortest.Word(done, err) != "permanent" {
		t.Errorf("nothing was taken: %v, %v", done, err)
	}
}

// One relying party is asked a few things at once, whoever they are about.
func TestAtOnce(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	gate := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		full := now == parallel
		mu.Unlock()
		if full {
			close(gate) // the first that are as many as may be
		}
		<-gate
		mu.Lock()
		now--
		mu.Unlock()
	}))
	t.Cleanup(server.Close)
	p := open(t, Config{URI: server.URL, ClientID: client, Role: hub, Complete: true, Egress: loopback}, authority(t))
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if _, err := p.Do(t.Context(), bridge.Order{Effect: bridge.Revoke, Who: bridge.Identifiers{Sessions: sessions(parallel)}}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most != parallel {
		t.Errorf("%d at once, want %d", most, parallel)
	}
}

func TestAddressesAreGuarded(t *testing.T) {
	for _, uri := range []string{"http://127.0.0.1/x", "https://10.0.0.1/x", "https://169.254.169.254/", "https://wiki.example.com:8443@127.0.0.1/"} {
		c := Config{URI: uri, ClientID: client, Role: hub}
		if problems := c.Validate(); len(problems) != 1 || problems[0].Field != "backchannel_logout_uri" {
			t.Errorf("%s: %v", uri, problems)
		}
	}
	p := open(t, Config{URI: "https://localhost/logout", ClientID: client, Role: hub}, authority(t))
	if err := p.Probe(t.Context()); !bridge.IsPermanent(err) || !strings.Contains(err.Error(), "allow_networks") {
		t.Errorf("localhost was asked: %v", err)
	}
}
