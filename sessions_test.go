package main

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt/exeunt/testdata/peers"
)

// TestSessionsEnd has people leave who are signed in at everything that can be signed
// in at, each by one SCIM request. Seconds later every cookie and token is refused,
// but for those that the app itself does not find; and the cases say of each app
// what is proven, what is only said, and what lives.
func TestSessionsEnd(t *testing.T) {
	f := newFederation(t, false)
	// everywhere signs somebody in. mod_auth_openidc answers 200 to a logout that names
	// the person alone, and lets the session live.
	everywhere := func(person string) (ends, lives []way) {
		f.hired(person)
		for _, at := range [][2]string{{"forum", "a"}, {"forum", ""}, {"wiki", "a"}, {"wiki", "b"},
			{"shibboleth", "a"}, {"mellon", "a"}, {"mellon", "b"}, {"mellon", "c"}, {"mobile", ""}} {
			ends = append(ends, f.enters(person, at[0], at[1]))
		}
		for _, app := range []string{"intranet", "unseen"} {
			lives = append(lives, f.enters(person, app, ""))
		}
		return ends, lives
	}
	all := map[string]string{"shibboleth": "verified confirmed", "mellon": "unverified confirmed", "wiki": "verified confirmed",
		"forum": "verified confirmed", "mobile": "verified confirmed", "intranet": "stuck unconfirmed", "unseen": "unverified unconfirmed"}
	// Asked once more, because its first answer was lost, it has no session left.
	unheard := maps.Clone(all)
	unheard["shibboleth"] = "verified no_session"

	people := []struct {
		name string
		on   mishap
		says map[string]string
	}{
		{"ada@example.com", none, all}, {"bob@example.com", none, all}, {"cyd@example.com", none, all}, {"dan@example.com", none, all},
		{"eve@example.com", none, all}, {"fay@example.com", none, all}, {"gus@example.com", none, all},
		{"failed@example.com", failed, all}, {"lost@example.com", lost, unheard}, {"replayed@example.com", replayed, all},
	}
	endsStay, livesStay := everywhere("stays@example.com")
	stays := slices.Concat(endsStay, livesStay)
	ends, lives := map[string][]way{}, map[string][]way{}
	var took []time.Duration
	for _, one := range people {
		ends[one.name], lives[one.name] = everywhere(one.name)
		f.lead(one.name, slices.Concat(ends[one.name], lives[one.name]), true)
		for _, e := range f.ears {
			e.suffers(one.on)
		}
		begun := time.Now()
		f.leaves(one.name)
		f.refused(one.name, ends[one.name])
		if since := time.Since(begun); one.on == none {
			took = append(took, since)
		} else {
			t.Logf("%s: the last of %d ways in was refused after %v", one.name, len(ends[one.name]), since.Round(time.Millisecond))
		}
	}
	slices.Sort(took)
	t.Logf("%d departures, from the PATCH until the last of %d ways in was refused: median %v, maximum %v", len(took), len(endsStay),
		took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))

	for _, one := range people {
		if says := f.says(one.name); !maps.Equal(says, one.says) {
			t.Errorf("%s: the case says %v, want %v", one.name, says, one.says)
		}
		f.lead(one.name, ends[one.name], false)
		f.lead(one.name, lives[one.name], true)
	}
	f.lead("stays@example.com", stays, true)
	f.judge("wiki", "ada@example.com", sid("ada@example.com", "wiki", "a"))

	// express-openid-connect forgets that a person was logged out when they sign in
	// again. What was logged out by its sid as well stays so.
	f.rps["forum"].SignIn(t, "ada@example.com", "another")
	f.lead("ada@example.com", ends["ada@example.com"][:1], false)
}

// dotted is a SessionIndex as some identity providers make them. Shibboleth SP keeps
// what it knows of a session in a tree by paths, so one with a dot is lost to it.
const dotted = "id1398878936186.1168397480"

// TestSessionNotFound has somebody leave whose session Shibboleth finds by its cookie
// only: asked by SOAP it says, well signed, that there is none. That is not believed,
// since the old cookie is let in.
func TestSessionNotFound(t *testing.T) {
	f := newFederation(t, false)
	const person = "ada@example.com"
	f.hired(person)
	ways := []way{f.enters(person, "shibboleth", dotted)}
	f.lead(person, ways, true)
	f.leaves(person)
	if says := f.says(person); !maps.Equal(says, map[string]string{"shibboleth": "stuck no_session"}) {
		t.Errorf("the case says %v", says)
	}
	f.lead(person, ways, true)
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

// judge has go-oidc and npm's jose judge each logout token that a relying party
// heard, as one that trusts the OP would; one must name that session.
func (f *federation) judge(app, sub, session string) {
	f.t.Helper()
	ctx := oidc.ClientContext(context.Background(), f.op.Client())
	provider, err := oidc.NewProvider(ctx, f.op.URL)
	if err != nil {
		f.t.Fatal(err)
	}
	client, keys := f.rps[app].ClientID, f.keys()
	var seen, named []string
	for _, form := range f.ears[app].all() {
		token, ok := strings.CutPrefix(form, "logout_token=")
		said, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: client}).VerifyLogout(ctx, token)
		if err != nil || !ok {
			f.t.Errorf("go-oidc refuses a logout token: %v", err)
			continue
		}
		if claims, wrong := peers.Verify(f.t, token, keys, f.op.URL, client, "logout+jwt"); claims["jti"] != said.TokenID {
			f.t.Errorf("jose refuses a logout token: %s", wrong)
		}
		if slices.Contains(seen, said.TokenID) {
			f.t.Error("a logout token was sent twice")
		}
		seen = append(seen, said.TokenID)
		named = append(named, said.Subject+"/"+said.SessionID)
	}
	if !slices.Contains(named, sub+"/"+session) {
		f.t.Errorf("the session is not named with its subject: %v", named)
	}
}
