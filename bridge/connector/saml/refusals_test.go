package saml

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// What is refused ends no session, opens no case, is told in the log once, and is
// answered without a word about why. Each is beside its twin that is good, so that
// it is not refused for another reason.
func TestRefused(t *testing.T) {
	idp, wiki := newPeer(t, RoleIdP, idpKey(), SOAP, Redirect), newPeer(t, RoleSP, spKey(), SOAP)
	o := founded(t, idp, map[string]*peer{"wiki": wiki})
	here := o.authority.Endpoint()

	post := func(mime string, at string, body []byte) func() (*http.Response, error) {
		return func() (*http.Response, error) { return o.browser().Post(at, mime, strings.NewReader(string(body))) }
	}
	get := func(at, body string) func() (*http.Response, error) {
		return func() (*http.Response, error) {
			r, err := http.NewRequest("GET", at, strings.NewReader(body))
			if err != nil {
				return nil, err
			}
			return o.browser().Do(r)
		}
	}
	query := func(r Request, relay string, key Pair) string {
		at, err := RedirectURL(here, r.Element(), true, relay, key)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	const mimeForm, mimeXML = "application/x-www-form-urlencoded", "text/xml"
	form := func(r Request, relay string, key Pair) []byte {
		message := base64.StdEncoding.EncodeToString(bytesOf(t, signed(t, r.Element(), key)))
		return []byte(url.Values{"SAMLRequest": {message}, "RelayState": {relay}}.Encode())
	}
	xml := func(r Request, key Pair) []byte { return soap(bytesOf(t, signed(t, r.Element(), key))) }
	long := strings.Repeat("r", maxRelayState+1)
	fresh := func(change func(*Request)) Request {
		r := idp.request("ada")
		if change != nil {
			change(&r)
		}
		return r
	}
	stale := fresh(func(r *Request) { r.Issued = time.Now().Add(-time.Hour) })
	elsewhere := fresh(func(r *Request) { r.Destination = "https://elsewhere.example/saml/slo" })
	stranger := fresh(func(r *Request) { r.Issuer = "https://stranger.example" })
	used := fresh(nil)
	if answer, status := o.soap(idp, used, idpKey()); status != 200 || answer.Second != StatusPartialLogout { // ada is not there yet
		t.Fatal(status, answer)
	}
	o.person("ada")
	both := query(fresh(nil), "", idpKey())
	unsigned := bytesOf(t, fresh(nil).Element())

	for _, tt := range []struct {
		name    string
		send    func() (*http.Response, error)
		binding Binding
		reason  Reason
		partner string // if it was they
	}{
		{"redirect: nothing", get(here, ""), Redirect, BadEncoding, ""},
		{"redirect: wrong key", get(query(fresh(nil), "", newKey()), ""), Redirect, BadSignature, ""},
		{"redirect: an app's key", get(query(fresh(nil), "", spKey()), ""), Redirect, BadSignature, ""},
		{"redirect: unsigned", get(strings.Split(query(fresh(nil), "", idpKey()), "&SigAlg")[0], ""), Redirect, Unsigned, ""},
		{"redirect: unknown issuer", get(query(stranger, "", idpKey()), ""), Redirect, UnknownIssuer, ""},
		{"redirect: stale", get(query(stale, "", idpKey()), ""), Redirect, Stale, "idp"},
		{"redirect: meant for another", get(query(elsewhere, "", idpKey()), ""), Redirect, Misdirected, "idp"},
		{"redirect: replayed from another binding", get(query(used, "", idpKey()), ""), Redirect, Replayed, "idp"},
		{"redirect: RelayState swapped", get(strings.Replace(query(fresh(nil), "a", idpKey()), "RelayState=a", "RelayState=b", 1), ""), Redirect, BadSignature, ""},
		{"redirect: RelayState injected", get(query(fresh(nil), "", idpKey())+"&RelayState=b", ""), Redirect, BadSignature, ""},
		{"redirect: two messages", get(both+"&"+strings.Split(strings.SplitN(both, "?", 2)[1], "&")[0], ""), Redirect, BadEncoding, ""},
		{"redirect: both messages", get(both+"&SAMLResponse=x", ""), Redirect, BadEncoding, ""},
		{"redirect: a body too", get(query(fresh(nil), "", idpKey()), "SAMLRequest=x"), Redirect, BadEncoding, ""},
		{"post: wrong key", post(mimeForm, here, form(fresh(nil), "", newKey())), POST, BadSignature, ""},
		{"post: unsigned", post(mimeForm, here, []byte("SAMLRequest="+url.QueryEscape(base64.StdEncoding.EncodeToString(unsigned)))), POST, Unsigned, ""},
		{"post: stale", post(mimeForm, here, form(stale, "", idpKey())), POST, Stale, "idp"},
		{"post: replayed from another binding", post(mimeForm, here, form(used, "", idpKey())), POST, Replayed, "idp"},
		{"post: RelayState too long", post(mimeForm, here, form(fresh(nil), long, idpKey())), POST, BadEncoding, ""},
		{"post: a query too", post(mimeForm, here+"?SAMLRequest=x", form(fresh(nil), "", idpKey())), POST, BadEncoding, ""},
		{"post: a question mark too", post(mimeForm, here+"?", form(fresh(nil), "", idpKey())), POST, BadEncoding, ""},
		{"post: the message in the query only", post(mimeForm, query(fresh(nil), "", idpKey()), nil), POST, BadEncoding, ""},
		{"post: as JSON", post("application/json", here, form(fresh(nil), "", idpKey())), "", BadEncoding, ""},
		{"post: too long", post(mimeForm, here, []byte(strings.Repeat("a", MaxBody+1))), POST, BadEncoding, ""},
		{"soap: wrong key", post(mimeXML, here, xml(fresh(nil), newKey())), SOAP, BadSignature, ""},
		{"soap: unsigned", post(mimeXML, here, soap(unsigned)), SOAP, Unsigned, ""},
		{"soap: a form", post(mimeXML, here, form(fresh(nil), "", idpKey())), SOAP, BadXML, ""},
		{"soap: no envelope", post(mimeXML, here, bytesOf(t, signed(t, fresh(nil).Element(), idpKey()))), SOAP, BadShape, ""},
		{"soap: as SOAP 1.2", post("application/soap+xml", here, xml(fresh(nil), idpKey())), "", BadEncoding, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(o.refusals())
			resp, err := tt.send()
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if text := string(body); resp.StatusCode != http.StatusBadRequest || text != "page refused" && text != "refused\n" || len(resp.Cookies()) != 0 {
				t.Errorf("%d %s %v", resp.StatusCode, text, resp.Cookies())
			}
			noted := o.refusals()[before:]
			want := bridge.Facts{Operator: "partner", Token: tt.partner, Outcome: string(tt.reason), Protocol: tt.binding.word()}
			if len(noted) != 1 || noted[0] != want {
				t.Errorf("noted %+v, want %+v", noted, want)
			}
		})
	}
	if cases, _ := o.cases(); len(cases) != 0 || !wiki.alive("ada") {
		t.Error("something was done:", cases)
	}
	for name, send := range map[string]func() (*http.Response, error){
		"redirect": get(query(fresh(nil), "", idpKey()), ""), "post": post(mimeForm, here, form(fresh(nil), "", idpKey())),
		"soap": post(mimeXML, here, xml(fresh(nil), idpKey())),
	} {
		resp, err := send()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Error("the good one, by", name, err, resp)
			continue
		}
		resp.Body.Close()
	}
	if wiki.alive("ada") {
		t.Error("the good ones do nothing")
	}
}

// A partner who is connected itself, and really sent it, is told by SOAP that its
// message was refused, and nothing more.
func TestRefusedPartner(t *testing.T) {
	idp, wiki := newPeer(t, RoleIdP, idpKey(), SOAP), newPeer(t, RoleSP, spKey(), SOAP)
	o := founded(t, idp, map[string]*peer{"wiki": wiki})
	o.person("ada")
	r := idp.request("ada")
	r.Destination = "https://elsewhere.example/"
	answer, status := o.soap(idp, r, idpKey())
	if status != http.StatusOK || answer.Status != StatusRequester || answer.Second != StatusRequestDenied {
		t.Errorf("%d %+v", status, answer)
	}
	if cases, _ := o.cases(); len(cases) != 0 || !wiki.alive("ada") || len(o.refusals()) != 1 {
		t.Error(cases, o.refusals())
	}
}

// A flood of messages that are refused does not fill the log, and none is left out
// of the count.
func TestFloodOfRefusals(t *testing.T) {
	o := founded(t, newPeer(t, RoleIdP, idpKey(), SOAP), nil)
	now := time.Now()
	o.desk.Now = func() time.Time { return now }
	b := o.browser()
	const flood = 300
	for range flood {
		resp, err := b.Get(o.authority.Endpoint())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if n := len(o.refusals()); n != toldAtOnce {
		t.Errorf("%d were told one by one", n)
	}
	o.desk.tellRefusals(t.Context())
	o.desk.tellRefusals(t.Context())
	sum := 0
	noted := o.refusals()
	for _, f := range noted {
		sum += max(f.Count, 1)
	}
	if len(noted) != toldAtOnce+1 || sum != flood {
		t.Errorf("%d are told in %d events", sum, len(noted))
	}
}

// Whether a message came before cannot be known: it is not taken, nobody is called
// a cheat for that, and the same may come again.
func TestMemoryFails(t *testing.T) {
	idp, wiki := newPeer(t, RoleIdP, idpKey(), SOAP), newPeer(t, RoleSP, spKey(), SOAP)
	m := &forgetting{}
	o := founded(t, idp, map[string]*peer{"wiki": wiki}, func(d *DeskOptions) { m.Memory, d.Memory = d.Memory, m })
	o.person("ada")
	r := idp.request("ada")
	m.fails = true
	if _, status := o.soap(idp, r, idpKey()); status != http.StatusServiceUnavailable || !wiki.alive("ada") || len(o.refusals()) != 0 {
		t.Error(status, o.refusals())
	}
	m.fails = false
	if answer, status := o.soap(idp, r, idpKey()); status != http.StatusOK || answer.Second != "" || wiki.alive("ada") {
		t.Error(status, answer)
	}
}

type forgetting struct {
	Memory
	fails bool
}

func (b *forgetting) Update(ctx context.Context, fn func(bridge.Tx) error) error {
	if b.fails {
		return io.ErrUnexpectedEOF
	}
	return b.Memory.Update(ctx, fn)
}

// A logout that could not begin is answered so, and the same message may come again.
func TestLogoutFails(t *testing.T) {
	idp, wiki := newPeer(t, RoleIdP, idpKey(), SOAP), newPeer(t, RoleSP, spKey(), SOAP)
	l := &busy{fails: true}
	o := founded(t, idp, map[string]*peer{"wiki": wiki}, func(d *DeskOptions) { l.Logouts, d.Logouts = d.Logouts, l })
	o.person("ada")
	r := idp.request("ada")
	if answer, _ := o.soap(idp, r, idpKey()); answer.Status != StatusResponder || !wiki.alive("ada") {
		t.Error(answer)
	}
	l.fails = false
	if answer, _ := o.soap(idp, r, idpKey()); answer.Status != StatusSuccess || answer.Second != "" || wiki.alive("ada") {
		t.Error(answer)
	}
	if len(o.refusals()) != 0 {
		t.Error(o.refusals())
	}
}

type busy struct {
	Logouts
	fails bool
}

func (b *busy) LogOut(ctx context.Context, person, from string) (bridge.Case, error) {
	if b.fails {
		return bridge.Case{}, bridge.Errorf(bridge.KindBusy, "too much is waiting")
	}
	return b.Logouts.LogOut(ctx, person, from)
}
