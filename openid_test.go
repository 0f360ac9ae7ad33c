package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/server"
	"github.com/exeunt/exeunt/testdata/peers"
)

const feedToken = "feed-token-0123456789abcdef0123456"

// TestOpenID has people leave who are signed in at relying parties that others
// wrote, and holds what the cases say against what their cookies and tokens still
// open. mod_auth_openidc answers 200 to a token that names the person alone, and
// lets the session live: that is never shown as done.
func TestOpenID(t *testing.T) {
	op := peers.NewOP(t)
	wiki, forum, mobile, ear := peers.ModAuthOpenIDC(t, op), peers.ExpressRP(t, op), peers.OIDCProvider(t), newEar(t, "")
	deaf := newEar(t, wiki.BackChannel) // wiki's first two answers are lost
	const limits = "{rate: 1000, retry_min: 50ms, retry_max: 200ms, deadline: 3s}"
	relying := func(name, client, backChannel, more string) string {
		return fmt.Sprintf(`  %s:
    connector: oidc
    with: {role: delegate, issuer: %q, client_id: %s, backchannel_logout_uri: %q, complete: true, allow_networks: [127.0.0.1/32]%s}
    policy: {deactivate: [revoke]}
    limits: %s
`, name, op.URL, client, backChannel, more, limits)
	}
	probe := func(rp *peers.RelyingParty) string {
		return fmt.Sprintf(", probe: {url: %q, present: 'cookie:%s'}", rp.PageURL, rp.Cookie)
	}
	p := newProduct(t, `log: {level: warn}
sources:
  hr: {token: file:hr-token}
feeds:
  idp: {token: file:feed-token, source: hr, apps: [wiki, unseen, forum, mobile, ear]}
apps:
`+relying("wiki", wiki.ClientID, deaf.url, probe(wiki))+
		relying("unseen", wiki.ClientID, wiki.BackChannel, "")+ // the same, and nobody looks
		relying("forum", forum.ClientID, forum.BackChannel, probe(forum)+", indexes_by: sub")+
		relying("ear", "ear", ear.url, "")+
		fmt.Sprintf(`  mobile:
    connector: oauth
    with: {revocation_endpoint: %q, introspection_endpoint: %q, client_id: %s, client_secret: file:client-secret, complete: true, allow_networks: [127.0.0.1/32]}
    policy: {deactivate: [revoke]}
    limits: %s
`, mobile.Revocation, mobile.Introspect, mobile.ClientID, limits),
		map[string]string{"feed-token": feedToken, "client-secret": peers.ClientSecret})
	p.start()
	keys := p.keys()
	op.Publish(keys.Keys...)

	type session struct {
		app   string
		rp    *peers.RelyingParty
		sid   bool // told, beside sub
		lives bool // after all
	}
	cookies := map[string]string{} // by sid
	tokens := map[string]peers.Tokens{}
	people := []struct {
		name     string
		sessions []session
		tokens   bool
		says     map[string]string // the case, of each app where something was to do
	}{
		{"ada@example.com", []session{{"wiki", wiki, true, false}, {"wiki", wiki, true, false}, {"forum", forum, true, false}, {"ear", nil, true, false}}, true,
			map[string]string{"wiki": "verified confirmed", "forum": "verified confirmed", "mobile": "verified confirmed", "ear": "unverified confirmed"}},
		{"bob@example.com", []session{{"wiki", wiki, false, true}, {"forum", forum, false, false}}, false,
			map[string]string{"wiki": "stuck unconfirmed", "forum": "verified confirmed"}},
		{"eve@example.com", []session{{"unseen", wiki, false, true}}, false,
			map[string]string{"unseen": "unverified unconfirmed"}},
		{"stays@example.com", []session{{"wiki", wiki, true, true}, {"forum", forum, true, true}}, true, nil},
	}
	ids := map[string]string{}
	for _, one := range people {
		ids[one.name] = p.hire(fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"active":true}`, one.name))
		for i, s := range one.sessions {
			sid := fmt.Sprint(one.name, i)
			known := map[string]string{"sub": one.name}
			if s.sid {
				known["sid"] = sid
			}
			if s.rp != nil {
				cookies[sid] = s.rp.SignIn(t, one.name, sid)
			}
			p.tell(one.name, s.app, map[string]any{"oidc": known, "credential": cookies[sid]})
		}
		if one.tokens {
			its := mobile.Grant(t, one.name)
			tokens[one.name] = its
			p.tell(one.name, "mobile", map[string]any{"oauth": map[string]string{"accessToken": its.Access, "refreshToken": its.Refresh}})
		}
	}
	opens := func(name string, i int, s session) bool {
		t.Helper()
		status := s.rp.Page(t, cookies[fmt.Sprint(name, i)])
		if status != http.StatusOK && status != http.StatusFound {
			t.Fatalf("%s answers %s with %d", s.app, name, status)
		}
		return status == http.StatusOK
	}

	begun := time.Now()
	for _, one := range people {
		const patch = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"active":false}}]}`
		for i, s := range one.sessions {
			if s.rp != nil && !opens(one.name, i, s) {
				t.Fatalf("%s is not signed in at %s", one.name, s.app)
			}
		}
		if one.says == nil {
			continue
		}
		if status, body, err := call(http.MethodPatch, p.url+"/scim/v2/Users/"+ids[one.name], hrToken, patch); err != nil || status/100 != 2 {
			t.Fatalf("%s: %d %s %v", one.name, status, body, err)
		}
	}
	within(t, 20*time.Second, func() error {
		for _, one := range people {
			for i, s := range one.sessions {
				if s.rp != nil && !s.lives && opens(one.name, i, s) {
					return fmt.Errorf("%s is still signed in at %s", one.name, s.app)
				}
			}
		}
		return nil
	})
	t.Logf("refused %v after the first of three had left", time.Since(begun).Round(time.Millisecond))

	cases := map[string]server.Case{}
	for _, c := range p.settled(30 * time.Second) {
		cases[c.Who.UserName] = c
	}
	for _, one := range people {
		says := map[string]string{}
		for _, a := range cases[one.name].Actions {
			if a.State == "unverified" && a.Done.Word == bridge.NoSession {
				continue // complete: true, and no session there
			}
			says[a.App] = string(a.State)
			if a.Done != nil {
				says[a.App] += " " + a.Done.Word
			}
		}
		if !maps.Equal(says, one.says) {
			t.Errorf("%s: the case says %v, want %v", one.name, says, one.says)
		}
		for i, s := range one.sessions {
			if s.rp != nil && opens(one.name, i, s) != s.lives {
				t.Errorf("%s: the cookie lets in at %s: %v", one.name, s.app, !s.lives)
			}
		}
		left := one.says != nil
		if its := tokens[one.name]; one.tokens && (mobile.Active(t, its.Access) == left || mobile.Active(t, its.Refresh) == left ||
			(mobile.Refresh(t, its.Refresh) == http.StatusOK) == left) {
			t.Errorf("%s: left %v, but the tokens say otherwise", one.name, left)
		}
	}
	ear.judge(t, op, keys, people[0].name, fmt.Sprint(people[0].name, 3))

	// Who comes back and signs in again brings no old session to life.
	forum.SignIn(t, people[0].name, "another")
	if opens(people[0].name, 2, people[0].sessions[2]) {
		t.Error("an old cookie lets in again")
	}
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

// keys are those by which exeunt signs logout tokens.
func (p *product) keys() (set jose.JSONWebKeySet) {
	p.t.Helper()
	status, body, err := call(http.MethodGet, p.url+"/oidc/jwks", "", "")
	if err == nil {
		err = json.Unmarshal(body, &set)
	}
	if err != nil || status != http.StatusOK || len(set.Keys) == 0 {
		p.t.Fatalf("the keys: %d %s %v", status, body, err)
	}
	return set
}

// ear is where logout tokens arrive: it keeps them, and brings them to somebody
// else. Of what that one answers, the first two get lost.
type ear struct {
	url   string
	mu    sync.Mutex
	heard []string
}

func newEar(t *testing.T, to string) *ear {
	e := &ear{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		e.mu.Lock()
		e.heard = append(e.heard, string(body))
		lost := len(e.heard) <= 2
		e.mu.Unlock()
		if to == "" {
			return
		}
		resp, err := http.Post(to, r.Header.Get("Content-Type"), strings.NewReader(string(body)))
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
		if lost {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(resp.StatusCode)
	}))
	t.Cleanup(s.Close)
	e.url = s.URL
	return e
}

// judge has go-oidc and npm's jose judge each token, as relying parties that trust
// the OP would; one must name that session.
func (e *ear) judge(t *testing.T, op *peers.OP, keys jose.JSONWebKeySet, sub, sid string) {
	t.Helper()
	ctx := oidc.ClientContext(context.Background(), op.Client())
	provider, err := oidc.NewProvider(ctx, op.URL)
	if err != nil {
		t.Fatal(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var seen, named []string
	for _, form := range e.heard {
		token, ok := strings.CutPrefix(form, "logout_token=")
		said, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: "ear"}).VerifyLogout(ctx, token)
		if err != nil || !ok {
			t.Errorf("go-oidc refuses a logout token: %v", err)
			continue
		}
		if claims, wrong := peers.Verify(t, token, keys, op.URL, "ear", "logout+jwt"); claims["jti"] != said.TokenID {
			t.Errorf("jose refuses a logout token: %s", wrong)
		}
		if slices.Contains(seen, said.TokenID) {
			t.Error("a logout token was sent twice")
		}
		seen = append(seen, said.TokenID)
		named = append(named, said.Subject+" "+said.SessionID)
	}
	if !slices.Contains(named, sub+" "+sid) {
		t.Errorf("the session is not named with its subject: %v", named)
	}
}
