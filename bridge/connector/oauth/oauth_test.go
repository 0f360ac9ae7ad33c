package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
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
	client = "mail: reader"         // what has to be encoded before it goes into the header
	secret = "s3cret with + and %7" // likewise
)

var loopback = call.Egress{AllowNetworks: []string{"127.0.0.0/8"}}

func open(t *testing.T, c Config) bridge.Connector {
	t.Helper()
	s, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func startIssuer(t *testing.T, how sandbox.Tokens) *sandbox.Issuer {
	t.Helper()
	how.Client = client
	app, err := sandbox.StartIssuer(sandbox.Options{Admin: secret}, how)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { app.Close() })
	return app
}

func config(app *sandbox.Issuer) Config {
	return Config{Revocation: app.RevokeURL(), Introspection: app.IntrospectURL(), ClientID: client, ClientSecret: secret, Egress: loopback}
}

// byProbe has tokens tried and not asked about.
func byProbe(app *sandbox.Issuer) func(*Config) {
	return func(c *Config) {
		c.Introspection, c.Probe = "", &probe.Config{URL: app.PageURL(), Present: "bearer", Refused: []int{401}}
	}
}

func amina(app *sandbox.Issuer, grants int) bridge.Identifiers {
	who := bridge.Identifiers{Person: "person-0001", UserName: "amina.yusuf", ExternalID: "ext-4711", DisplayName: "Amina Yusuf",
		Emails: []string{"amina.yusuf@corp.example"}}
	for range grants {
		access, refresh := app.Grant(who.UserName)
		who.Sessions = append(who.Sessions, bridge.Session{Access: bridge.Secret(access), Refresh: bridge.Secret(refresh)})
	}
	return who
}

func TestSuite(t *testing.T) {
	for name, change := range map[string]func(*Config, *sandbox.Issuer){
		"introspection":    func(*Config, *sandbox.Issuer) {},
		"neither":          func(c *Config, _ *sandbox.Issuer) { c.Introspection = "" },
		"probe":            func(c *Config, app *sandbox.Issuer) { byProbe(app)(c) },
		"secret in a body": func(c *Config, _ *sandbox.Issuer) { c.Auth = post },
	} {
		t.Run(name, func(t *testing.T) {
			connectortest.Run(t, func(t *testing.T) connectortest.Target {
				app := startIssuer(t, sandbox.Tokens{})
				right := config(app)
				change(&right, app)
				wrong := right
				wrong.ClientSecret = "another"
				who := amina(app, 1)
				return connectortest.Target{
					Connector: open(t, right), Refused: open(t, wrong), App: app.App, Known: who, Tries: true,
					Done:    func(bridge.Effect) bool { return app.Active(who.UserName) == 0 },
					Secrets: []string{string(who.Sessions[0].Access), string(who.Sessions[0].Refresh), secret},
				}
			})
		})
	}
}

func TestWhatIsProven(t *testing.T) {
	for _, test := range []struct {
		name   string
		how    sandbox.Tokens
		change func(*Config, *sandbox.Issuer)
		who    func(*bridge.Identifiers)
		word   string
		check  error // nil is proof
	}{
		{"introspection", sandbox.Tokens{}, nil, nil, bridge.Confirmed, nil},
		{"a probe", sandbox.Tokens{}, func(c *Config, app *sandbox.Issuer) { byProbe(app)(c) }, nil, bridge.Confirmed, nil},
		{"neither", sandbox.Tokens{}, func(c *Config, _ *sandbox.Issuer) { c.Introspection = "" }, nil, bridge.Confirmed, bridge.ErrCannotCheck},
		{"access tokens are not revoked", sandbox.Tokens{RefreshOnly: true}, nil, nil, bridge.Unconfirmed, bridge.ErrStillOpen},
		// Introspection shows what the server knows; only the probe shows what the app lets in.
		{"the app believes what is revoked", sandbox.Tokens{SelfContained: true}, nil, nil, bridge.Confirmed, nil},
		{"the app believes what is revoked, and is tried", sandbox.Tokens{SelfContained: true},
			func(c *Config, app *sandbox.Issuer) { byProbe(app)(c) }, nil, bridge.Confirmed, bridge.ErrStillOpen},
		// 200 and "active": false are also the answers about tokens that were never good.
		{"tokens of another server", sandbox.Tokens{}, nil, func(who *bridge.Identifiers) {
			who.Sessions = []bridge.Session{{Access: "a", Refresh: "b"}}
		}, bridge.Confirmed, bridge.ErrCannotCheck},
		{"one is another server's", sandbox.Tokens{}, nil, func(who *bridge.Identifiers) {
			who.Sessions = append(who.Sessions, bridge.Session{Access: "a", Refresh: "b"})
		}, bridge.Confirmed, bridge.ErrCannotCheck},
		{"an access token has expired", sandbox.Tokens{}, nil, func(who *bridge.Identifiers) {
			who.Sessions[0].Access = "expired"
		}, bridge.Confirmed, nil},
		{"of one the tokens are not known", sandbox.Tokens{}, nil, func(who *bridge.Identifiers) {
			who.Sessions = append(who.Sessions, bridge.Session{Subject: "amina"})
		}, bridge.Unconfirmed, bridge.ErrCannotCheck},
	} {
		t.Run(test.name, func(t *testing.T) {
			app := startIssuer(t, test.how)
			c := config(app)
			if test.change != nil {
				test.change(&c, app)
			}
			who := amina(app, 3)
			if test.who != nil {
				test.who(&who)
			}
			app.Grant("somebody else")
			done, checked, err := connectortest.Revoke(t, open(t, c), who)
			if done.Word != test.word || !errors.Is(err, test.check) || checked.Summary == "" {
				t.Errorf("%q (%s), checked %v (%s); want %q, %v", done.Word, done.Summary, err, checked.Summary, test.word, test.check)
			}
			if app.Active("somebody else") != 2 {
				t.Error("somebody else lost their tokens")
			}
			for _, s := range who.Sessions {
				if said := done.Summary + checked.Summary; len(s.Access) > 1 && (strings.Contains(said, string(s.Access)) || strings.Contains(said, string(s.Refresh))) {
					t.Error("a token is in a receipt")
				}
			}
		})
	}
}

func TestNothingIsKnown(t *testing.T) {
	app := startIssuer(t, sandbox.Tokens{})
	c := config(app)
	who := amina(app, 0)
	who.Sessions = []bridge.Session{{Subject: "x", SID: "y"}}
	if _, _, err := connectortest.Revoke(t, open(t, c), who); !bridge.IsImpossible(err) {
		t.Errorf("no token known: %v", err)
	}
	c.Complete = true
	if _, _, err := connectortest.Revoke(t, open(t, c), who); !bridge.IsImpossible(err) {
		t.Errorf("a session without tokens where all would be known: %v", err)
	}
	who.Sessions = nil
	if _, _, err := connectortest.Revoke(t, open(t, c), who); !errors.Is(err, bridge.ErrNoneKnown) {
		t.Errorf("no token known where all would be: %v", err)
	}
	if _, err := open(t, c).Do(t.Context(), bridge.Order{Effect: bridge.Revoke, Who: who}); !errors.Is(err, bridge.ErrNoneKnown) {
		t.Errorf("expired meanwhile: %v", err)
	}
	if len(app.Asked()) != 0 {
		t.Errorf("asked: %v", app.Asked())
	}
}

// A session of which no token is known lives on, whatever became of the others.
func TestSessionWithoutTokens(t *testing.T) {
	_, c := serve(t, func(http.ResponseWriter, string, url.Values) {})
	who := bridge.Identifiers{Person: "p", Sessions: append(slices.Clone(pair), bridge.Session{Subject: "x", SID: "y"})}
	r, err := open(t, c).Do(t.Context(), bridge.Order{Effect: bridge.Revoke, Who: who})
	if err != nil || r.Word != bridge.Unconfirmed || !strings.HasSuffix(r.Summary, "; sessions of which no token is known: 1") {
		t.Errorf("%+v, %v", r, err)
	}
}

// strict is a server that answers by what it is asked about.
type strict struct {
	sync.Mutex
	asked []url.Values
}

func serve(t *testing.T, answer func(w http.ResponseWriter, path string, form url.Values)) (*strict, Config) {
	t.Helper()
	s := &strict{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ParseForm() != nil {
			return
		}
		s.Lock()
		s.asked = append(s.asked, r.PostForm)
		s.Unlock()
		answer(w, r.URL.Path, r.PostForm)
	}))
	t.Cleanup(server.Close)
	return s, Config{Revocation: server.URL + "/revoke", ClientID: client, ClientSecret: secret, Egress: loopback}
}

// forms are those it was asked with so far.
func (s *strict) forms() []url.Values {
	s.Lock()
	defer s.Unlock()
	return slices.Clone(s.asked)
}

var pair = []bridge.Session{{Access: "access-1", Refresh: "refresh-1"}, {Access: "access-2", Refresh: "refresh-1"}}

func TestRefreshTokensGoFirst(t *testing.T) {
	s, c := serve(t, func(http.ResponseWriter, string, url.Values) {})
	c.Auth, c.ClientSecret = none, ""
	done, _, err := connectortest.Revoke(t, open(t, c), bridge.Identifiers{Sessions: pair})
	if !errors.Is(err, bridge.ErrCannotCheck) || done.Word != bridge.Confirmed || !strings.Contains(done.Summary, "refresh tokens: 1, access tokens: 2") {
		t.Errorf("%v, %v", done, err)
	}
	var kinds []string
	for _, form := range s.forms() {
		kinds = append(kinds, form.Get("token_type_hint"))
		if form.Get("client_id") != client || form.Has("client_secret") {
			t.Errorf("%v", form)
		}
	}
	if want := []string{refresh, access, access}; !slices.Equal(kinds, want) {
		t.Errorf("%v, want %v", kinds, want)
	}
}

func TestAnswers(t *testing.T) {
	says := func(status int, body string) func(http.ResponseWriter, string, url.Values) {
		return func(w http.ResponseWriter, _ string, _ url.Values) {
			if status == 0 {
				panic(http.ErrAbortHandler)
			}
			w.Header().Set("Location", "http://169.254.169.254/")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	only := func(kind string, status int, body string) func(http.ResponseWriter, string, url.Values) {
		return func(w http.ResponseWriter, path string, form url.Values) {
			if form.Get("token_type_hint") == kind {
				says(status, body)(w, path, form)
			}
		}
	}
	unsupported := `{"error":"unsupported_token_type"}`
	for name, test := range map[string]struct {
		answer func(http.ResponseWriter, string, url.Values)
		want   string
	}{
		"200":                   {says(200, ""), bridge.Confirmed},
		"200 with a page":       {says(200, "<html>"), bridge.Confirmed},
		"400":                   {says(400, `{"error":"invalid_request","error_description":"access-1"}`), "permanent"},
		"400, deep":             {says(400, strings.Repeat("[", 1000)), "permanent"},
		"400, not our client":   {says(400, `{"error":"unauthorized_client"}`), "permanent"},
		"401":                   {says(401, `{"error":"invalid_client"}`), "permanent"},
		"403":                   {says(403, ""), "permanent"},
		"404":                   {says(404, ""), "permanent"},
		"redirect":              {says(307, ""), "permanent"},
		"501":                   {says(501, ""), "impossible"},
		"500":                   {says(500, ""), "retry"},
		"503":                   {says(503, ""), "retry"},
		"answer lost":           {says(0, ""), "retry"},
		"neither kind":          {says(400, unsupported), "impossible"},
		"no access tokens":      {only(access, 400, unsupported), bridge.Unconfirmed},
		"no refresh tokens":     {only(refresh, 400, unsupported), bridge.Unconfirmed},
		"refresh token fails":   {only(refresh, 500, ""), "retry"},
		"access token fails":    {only(access, 500, ""), "retry"},
		"refresh token refused": {only(refresh, 403, ""), "permanent"},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := serve(t, test.answer)
			done, _, err := connectortest.Revoke(t, open(t, c), bridge.Identifiers{Sessions: pair})
			if got, n := connectortest.Word(done, err), len(s.forms()); got != test.want || n != 3 {
				t.Errorf("%s (%v, %v) after %d requests, want %s", got, done, err, n, test.want)
			}
			for _, hidden := range []string{"access-1", "refresh-1", secret, client} {
				if err != nil && strings.Contains(err.Error(), hidden) || strings.Contains(done.Summary, hidden) {
					t.Errorf("%q is said: %v, %s", hidden, err, done.Summary)
				}
			}
		})
	}
}

// Only a plain answer about a token counts.
func TestIntrospection(t *testing.T) {
	const dead = `{"active":false}`
	for answer, want := range map[string]string{
		dead: "proof", `{"active":true}`: "open", `{"active":false,"sub":"x"}`: "proof",
		`{}`: "retry", `{"active":null}`: "retry", `{"active":"false"}`: "retry", `[]`: "retry", ``: "retry", `<html>`: "retry",
		strings.Repeat("[", 100): "permanent", "401": "permanent", "400": "permanent", "500": "retry", "endless": "permanent",
	} {
		var mu sync.Mutex
		now := `{"active":true}`
		_, c := serve(t, func(w http.ResponseWriter, path string, form url.Values) {
			mu.Lock()
			defer mu.Unlock()
			status := 0
			switch fmt.Sscan(now, &status); {
			case path == "/revoke":
			case now == "endless":
				for range 2 << 10 {
					w.Write(make([]byte, 1<<10))
				}
			case status > 0:
				w.WriteHeader(status)
			default:
				fmt.Fprint(w, now)
			}
		})
		c.Introspection = strings.Replace(c.Revocation, "revoke", "introspect", 1)
		s := open(t, c)
		who := bridge.Identifiers{Person: "p", Sessions: pair}
		account, err := s.Find(t.Context(), who)
		if err != nil || len(account.Live) != 3 {
			t.Fatalf("%+v, %v", account, err)
		}
		mu.Lock()
		now = answer
		mu.Unlock()
		_, err = s.Check(t.Context(), bridge.Order{Effect: bridge.Revoke, Account: account, Who: who})
		got := "retry"
		switch {
		case err == nil:
			got = "proof"
		case errors.Is(err, bridge.ErrStillOpen):
			got = "open"
		case bridge.IsPermanent(err):
			got = "permanent"
		}
		if got != want {
			t.Errorf("%.30s: %s (%v), want %s", answer, got, err, want)
		}
		// However it answers, it holds up nothing.
		if _, err := s.Find(t.Context(), who); err != nil {
			t.Errorf("%.30s: Find %v", answer, err)
		}
	}
}

// An introspection endpoint that calls everything active, or is somebody else's
// business, is found out before anybody leaves.
func TestProbe(t *testing.T) {
	app := startIssuer(t, sandbox.Tokens{})
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"right":                     {func(*Config) {}, ""},
		"another client asks":       {func(c *Config) { c.IntrospectionID, c.IntrospectionSecret = client, secret }, ""},
		"which is not known":        {func(c *Config) { c.IntrospectionID, c.IntrospectionSecret = client, "wrong" }, "POST introspection answered 401"},
		"wrong secret":              {func(c *Config) { c.ClientSecret = "wrong" }, "POST revocation answered 401"},
		"no such endpoint":          {func(c *Config) { c.Revocation += "/x" }, "POST revocation answered 404"},
		"a page that lets all in":   {func(c *Config) { byProbe(app)(c); c.Probe.URL = openDoor(t) }, "lets in whoever"},
		"a page that needs a token": {byProbe(app), ""},
	} {
		c := config(app)
		test.change(&c)
		err := open(t, c).Probe(t.Context())
		if (err == nil) != (test.want == "") || err != nil && (!bridge.IsPermanent(err) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	_, c := serve(t, func(w http.ResponseWriter, _ string, _ url.Values) { fmt.Fprint(w, `{"active":true}`) })
	c.Introspection = c.Revocation
	if err := open(t, c).Probe(t.Context()); !errors.Is(err, errActive) {
		t.Errorf("everything is active: %v", err)
	}
	if len(app.Changes("")) > 0 {
		t.Errorf("changed: %v", app.Changes(""))
	}
}

func openDoor(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestConfig(t *testing.T) {
	good := Config{Revocation: "https://as.example.com/revoke", ClientID: client, ClientSecret: secret}
	for _, test := range []struct {
		change func(*Config)
		field  string // "" if good
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.Introspection = "https://as.example.com/introspect" }, ""},
		{func(c *Config) { c.Auth, c.ClientSecret = none, "" }, ""},
		{func(c *Config) { c.Revocation = "" }, "revocation_endpoint"},
		{func(c *Config) { c.Revocation = "http://as.example.com" }, "revocation_endpoint"},
		{func(c *Config) { c.Revocation = "https://10.0.0.1/revoke" }, "revocation_endpoint"},
		{func(c *Config) { c.Introspection = "https://127.0.0.1/" }, "introspection_endpoint"},
		{func(c *Config) { c.ClientID = "" }, "client_id"},
		{func(c *Config) { c.ClientSecret = "" }, "client_secret"},
		{func(c *Config) { c.Auth = none }, "client_secret"},
		{func(c *Config) { c.Auth = "jwt" }, "auth"},
		{func(c *Config) { c.IntrospectionID = "x" }, "introspection_client_secret"},
		{func(c *Config) { c.IntrospectionSecret = "x" }, "introspection_client_id"},
		{func(c *Config) { c.IntrospectionID, c.IntrospectionSecret = "x", "y" }, "introspection_endpoint"},
		{func(c *Config) {
			c.Introspection, c.Probe = "https://as.example.com/introspect", &probe.Config{URL: "https://api.example.com/", Present: "bearer"}
		}, "probe"},
	} {
		c := good
		test.change(&c)
		problems := c.Validate()
		if got := len(problems); test.field == "" && got > 0 || test.field != "" && (got != 1 || problems[0].Field != test.field) {
			t.Errorf("%+v: %v, want %q", c, problems, test.field)
		}
	}
	c := good
	c.Revocation = "https://localhost/revoke"
	if err := open(t, c).Probe(t.Context()); !bridge.IsPermanent(err) || !strings.Contains(err.Error(), "allow_networks") {
		t.Errorf("localhost was asked: %v", err)
	}
}
