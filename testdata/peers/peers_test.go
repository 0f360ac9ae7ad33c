package peers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const nobody = "http://127.0.0.1:1/slo" // where nobody is

// Both service providers end the session that lasso asks about, on each binding
// that they have, and lasso verifies their answers.
func TestLogout(t *testing.T) {
	for name, peer := range map[string]struct {
		start    func(testing.TB, *IdP) *SP
		bindings []string
		dead     int // status of the page
	}{
		"Shibboleth": {Shibboleth, []string{"soap", "redirect", "post"}, http.StatusFound},
		"mellon":     {Mellon, []string{"soap", "redirect"}, http.StatusSeeOther},
	} {
		t.Run(name, func(t *testing.T) {
			idp := NewIdP(t, nobody)
			sp := peer.start(t, idp)
			if got := sp.Page(nil); got != peer.dead {
				t.Errorf("without a session: %d", got)
			}
			lasso := idp.Lasso(nobody, sp.EntityID, sp.Metadata)
			for _, binding := range peer.bindings {
				cookie, other := idp.SignIn(sp, "ada", binding), idp.SignIn(sp, "grace", "g-"+binding)
				asked := lasso.Ask(binding, idp.NameID(sp, "ada"), binding, "")
				answer, _ := asked.Deliver(t, cookie)
				if said := lasso.Judge(asked, answer); said != "success" {
					t.Errorf("%s: lasso says %s of %s", binding, said, answer)
				}
				if got := sp.Page(cookie); got != peer.dead {
					t.Errorf("%s: the page answers %d", binding, got)
				}
				if got := sp.Page(other); got != http.StatusOK {
					t.Errorf("%s: somebody else's page answers %d", binding, got)
				}
				edited := regexp.MustCompile(`(ID=.|Signature=|^)[A-Za-z0-9+/_%]`).ReplaceAllString(answer, "${1}X")
				if said := lasso.Judge(asked, edited); edited == answer || said == "success" {
					t.Errorf("%s: lasso says %s of an answer that was edited", binding, said)
				}
			}
		})
	}
}

// The strict one ends all sessions of a person for one request without a session
// index; the careless one ends one, says that all is well, and the others live.
func TestAllSessions(t *testing.T) {
	idp := NewIdP(t, nobody)
	for _, peer := range []struct {
		sp   *SP
		live int // for each request
	}{{Shibboleth(t, idp), 0}, {Mellon(t, idp), 2}} {
		var cookies []*http.Cookie
		for i := range 3 {
			cookies = append(cookies, idp.SignIn(peer.sp, "ada", fmt.Sprint("s", i)))
		}
		lasso := idp.Lasso(nobody, peer.sp.EntityID, peer.sp.Metadata)
		for requests := 1; ; requests++ {
			asked := lasso.Ask("soap", idp.NameID(peer.sp, "ada"), "", "")
			if strings.Contains(asked.Body, "SessionIndex") {
				t.Fatalf("lasso asks for one session: %s", asked.Body)
			}
			answer, _ := asked.Deliver(t, nil)
			if said := lasso.Judge(asked, answer); said != "success" {
				t.Fatalf("%s: lasso says %s", peer.sp.EntityID, said)
			}
			live := 0
			for _, c := range cookies {
				if peer.sp.Page(c) == http.StatusOK {
					live++
				}
			}
			if want := max(0, peer.live+1-requests); live != want {
				t.Fatalf("%s: after %d requests %d sessions live, not %d", peer.sp.EntityID, requests, live, want)
			}
			if live == 0 {
				break
			}
		}
	}
}

// A session whose index has a dot is lost to the strict one: asked by SOAP, even by
// that index, it says that there is none, and lets it live. A browser brings it the
// cookie: it ends that session, and says all the same that not all was ended.
func TestDottedIndex(t *testing.T) {
	idp := NewIdP(t, nobody)
	sp := Shibboleth(t, idp)
	const index = "id1398878936186.1168397480"
	cookie := idp.SignIn(sp, "ada", index)
	lasso := idp.Lasso(nobody, sp.EntityID, sp.Metadata)
	for _, c := range []struct {
		binding, index string
		page           int
	}{{"soap", "", http.StatusOK}, {"soap", index, http.StatusOK}, {"redirect", "", http.StatusFound}} {
		asked := lasso.Ask(c.binding, idp.NameID(sp, "ada"), c.index, "")
		answer, _ := asked.Deliver(t, cookie)
		said := lasso.Judge(asked, answer)
		if got := sp.Page(cookie); got != c.page || !strings.Contains(said, "PartialLogout") {
			t.Errorf("%s %q: lasso says %s, and the page answers %d", c.binding, c.index, said, got)
		}
	}
}

// The strict one also ends sessions when somebody else asks whose certificate the
// identity provider's metadata has, and refuses whoever is not in it.
func TestDelegate(t *testing.T) {
	other := NewKey(t, "other.example")
	idp := NewIdP(t, nobody, other.Base64())
	sp := Shibboleth(t, idp)
	cookie := idp.SignIn(sp, "ada", "s1")
	for _, who := range []struct {
		key  Key
		page int
	}{{NewKey(t, "stranger.example"), http.StatusOK}, {other, http.StatusFound}} {
		as := &IdP{EntityID: idp.EntityID, Key: who.key, t: t}
		asked := as.Lasso(nobody, sp.EntityID, sp.Metadata).Ask("soap", idp.NameID(sp, "ada"), "s1", "")
		asked.Deliver(t, nil)
		if got := sp.Page(cookie); got != who.page {
			t.Errorf("%s asks: the page answers %d, not %d", who.key.Cert.Subject.CommonName, got, who.page)
		}
	}
}

func TestXmlsec(t *testing.T) {
	Need(t, "EXEUNT_TEST_SAML")
	idp := NewIdP(t, nobody)
	asked := idp.Lasso(nobody, "https://sp.example", spMetadata).Ask("soap", NameID{Value: "ada"}, "s1", "")
	_, cert := idp.Key.PEM()
	_, wrong := NewKey(t, "idp.example").PEM()
	if err := Xmlsec(t, []byte(asked.Body), cert, "LogoutRequest"); err != nil {
		t.Error(err)
	}
	if Xmlsec(t, []byte(asked.Body), wrong, "LogoutRequest") == nil {
		t.Error("xmlsec1 takes a signature with another key")
	}
	if Xmlsec(t, []byte(strings.Replace(asked.Body, "ada", "eve", 1)), cert, "LogoutRequest") == nil {
		t.Error("xmlsec1 takes a message that was edited")
	}
}

var spMetadata = []byte(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://sp.example">
	<SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
	<SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="https://sp.example/slo"/>
	<AssertionConsumerService index="0" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://sp.example/acs"/>
	</SPSSODescriptor></EntityDescriptor>`)

// A browser signs in at two service providers, and walks to one of them to sign
// out there; its cookies say the same as any other client's.
func TestBrowser(t *testing.T) {
	var idp *IdP
	var sps []*SP
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, sp := range sps {
			if r.URL.Path == "/signin" && r.FormValue("sp") == sp.EntityID {
				w.Header().Set("Content-Type", "text/html")
				w.Write(idp.Form(sp, "ada", "b1", sp.PageURL()))
			}
		}
	}))
	defer server.Close()
	idp = NewIdP(t, server.URL+"/slo")
	sps = []*SP{Shibboleth(t, idp), Mellon(t, idp)}
	b := NewBrowser(t)
	alive := func(sp *SP) bool {
		for _, c := range b.Cookies() {
			if sp.Page(c) == http.StatusOK {
				return true
			}
		}
		return false
	}
	for _, sp := range sps {
		b.Open(server.URL+"/signin?sp="+url.QueryEscape(sp.EntityID), sp.PageURL())
		if b.Title() != "secret" || !alive(sp) {
			t.Fatalf("%s: the browser is not signed in: %q", sp.EntityID, b.Title())
		}
	}
	b.Open(idp.Lasso(server.URL+"/slo", sps[0].EntityID, sps[0].Metadata).Ask("redirect", idp.NameID(sps[0], "ada"), "b1", "").URL, server.URL+"/slo")
	if alive(sps[0]) || !alive(sps[1]) {
		t.Errorf("Shibboleth lives: %v, mellon lives: %v", alive(sps[0]), alive(sps[1]))
	}
}
