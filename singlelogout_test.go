package main

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/testdata/peers"
)

// TestSingleLogout has the organisation's identity provider, which is lasso, sign
// people out by each binding: their sessions end, also those by OpenID Connect, and
// lasso takes the answer. Nobody leaves, and nobody else is signed out. Of somebody
// whose session an app does not find, the answer says that not all was done.
func TestSingleLogout(t *testing.T) {
	f := newFederation(t, false)
	enters := func(person, index string) (ways []way) {
		f.hired(person)
		for _, app := range []string{"shibboleth", "mellon", "wiki", "forum"} {
			ways = append(ways, f.enters(person, app, index))
		}
		return append(ways, f.enters(person, "mellon", index+"2"), f.enters(person, "mellon", index+"3"))
	}
	stays := enters("stays@example.com", "a")
	lasso := f.lasso()
	for _, binding := range []string{"soap", "redirect", "post"} {
		person := binding + "@example.com"
		ways := enters(person, "a")
		f.lead(person, ways, true)
		asked := lasso.Ask(binding, called(person), "corp-1", wayBack)
		answer, relayState := asked.Deliver(t, nil)
		if said := lasso.Judge(asked, answer); said != "success" {
			t.Errorf("%s: lasso says %s of %s", binding, said, answer)
		}
		if binding != "soap" && relayState != wayBack {
			t.Errorf("%s: the RelayState comes back as %q", binding, relayState)
		}
		f.lead(person, ways, false) // as soon as there is an answer
		want := map[string]string{"shibboleth": "verified confirmed", "mellon": "unverified confirmed", "wiki": "verified confirmed", "forum": "verified confirmed"}
		if says := f.says(person); !maps.Equal(says, want) {
			t.Errorf("%s: the case says %v", binding, says)
		}
	}
	f.lead("stays@example.com", stays, true)

	for _, binding := range []string{"soap", "redirect", "post"} {
		person := "dotted-" + binding + "@example.com"
		f.hired(person)
		ways := []way{f.enters(person, "shibboleth", dotted)}
		asked := lasso.Ask(binding, called(person), "corp-1", wayBack)
		answer, _ := asked.Deliver(t, nil)
		if said := lasso.Judge(asked, answer); !strings.HasSuffix(said, ":PartialLogout") {
			t.Errorf("%s: a session lives, and lasso says %s", binding, said)
		}
		f.lead(person, ways, true)
	}
	for _, c := range f.cases() {
		if c.Trigger != bridge.LoggedOut {
			t.Errorf("somebody leaves: %+v", c)
		}
	}
}

// TestBrowserLogout has a real browser walk from the identity provider through
// exeunt and two service providers that cannot be reached otherwise, and back.
func TestBrowserLogout(t *testing.T) {
	f := newFederation(t, true)
	const person = "ada@example.com"
	f.hired(person)
	ways := []way{f.enters(person, "wiki", "a")}
	b := peers.NewBrowser(t)
	for app, sp := range f.sps {
		b.Open(f.signIn.URL+"/signin?"+url.Values{"app": {app}, "name": {person}, "index": {"b"}}.Encode(), sp.PageURL())
		cookies := b.Cookies()
		i := slices.IndexFunc(cookies, func(c *http.Cookie) bool { return c.Name == sp.Cookie })
		if i < 0 {
			t.Fatalf("the browser is not signed in at %s", app)
		}
		ways = append(ways, f.entered(person, app, "b", cookies[i].Value))
	}
	f.lead(person, ways, true)
	lasso := f.lasso()
	asked := lasso.Ask("redirect", called(person), "corp-1", wayBack)
	b.Open(asked.URL, f.signIn.URL+"/slo")
	back := <-f.back
	if said := lasso.Judge(asked, back.URL.RawQuery); said != "success" || back.FormValue("RelayState") != wayBack {
		t.Errorf("lasso says %s of %s", said, back.URL.RawQuery)
	}
	f.lead(person, ways, false)
	want := map[string]string{"shibboleth": "verified confirmed", "mellon": "unverified confirmed", "wiki": "verified confirmed"}
	if says := f.says(person); !maps.Equal(says, want) {
		t.Errorf("the case says %v", says)
	}
}

// wayBack is what the identity provider wants to hear again.
const wayBack = "way back & on"

// lasso speaks to exeunt as the identity provider, by the metadata that exeunt
// publishes.
func (f *federation) lasso() *peers.Lasso {
	f.t.Helper()
	status, metadata, err := call(http.MethodGet, f.front.URL+"/saml/metadata", "", "")
	if err != nil || status != http.StatusOK {
		f.t.Fatalf("no metadata: %d %v", status, err)
	}
	return f.idp.Lasso(f.signIn.URL+"/slo", f.front.URL+"/saml/metadata", metadata)
}

// called is the name of a person between the identity provider and exeunt.
func called(person string) peers.NameID {
	return peers.NameID{Value: person, Format: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"}
}
