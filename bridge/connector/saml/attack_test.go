package saml

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
)

// attack is a message as it travels, and why it must be refused. If want is "", it
// is the twin of attacks, which must not be.
type attack struct {
	name    string
	by      Binding
	request bool
	wire    string // SOAP: the envelope; POST: the form; Redirect: the query
	want    Reason
	id      string // of the message, if its issuer signed it; else ""
	cbc     bool   // the issuer is registered for AES-CBC
}

func (a attack) String() string { return a.name + ", " + tagOf(a.request) + " by " + a.by.word() }

// enclosed is a message with an enveloped signature as it travels.
func enclosed(by Binding, request bool, message []byte) string {
	if by == POST {
		return string(form(paramOf(request), message))
	}
	return string(soap(message))
}

// sent is a message as it travels, signed as its binding has it.
func sent(t testing.TB, by Binding, request bool, el *etree.Element, key Pair) string {
	t.Helper()
	if by == Redirect {
		return queryOf(t, el, request, "", key)
	}
	return enclosed(by, request, bytesOf(t, signed(t, el, key)))
}

// bring brings a message to the verifier: a response by SOAP as the answer to _asked.
func (w *world) bring(by Binding, request bool, wire string) (Message, error) {
	switch {
	case by == Redirect:
		return w.Redirect(context.Background(), wire)
	case by == POST:
		return w.POST(context.Background(), []byte(wire))
	case request:
		return w.SOAP(context.Background(), []byte(wire))
	}
	r, err := w.SOAPAnswer([]byte(wire), w.partners[RoleIdP][idpID], "_asked")
	if err != nil {
		return Message{}, err
	}
	return Message{Response: &r, From: w.partners[RoleIdP][idpID], Binding: SOAP}, nil
}

// try brings each to a verifier, and nothing may be left of those that are refused.
func try(t *testing.T, attacks []attack) {
	t.Helper()
	for _, a := range attacks {
		w := newWorld()
		if a.cbc {
			p := w.partners[RoleIdP][idpID]
			p.CBC = true
			w.partners[RoleIdP][idpID] = p
		}
		m, err := w.bring(a.by, a.request, a.wire)
		got := reason(t, err)
		if got != a.want {
			t.Errorf("%s: got %q (%v), want %q", a, got, err, a.want)
		}
		if err == nil {
			continue
		}
		if m.Request != nil || m.Response != nil || len(w.memory) > 0 {
			t.Errorf("%s: something is left of it", a)
		}
		if known := slices.Contains([]Reason{Stale, Early, Misdirected, BadVersion, BadEncryption}, got); known {
			if r := err.(*Refusal); r.Partner != "idp" || r.ID != a.id {
				t.Errorf("%s: it is not known whom to answer: %q %q", a, r.Partner, r.ID)
			}
		}
	}
}

// TestAttacks brings every attack, on every binding, to the desk: nothing is torn down,
// the log has one line, and whoever sent it hears not a word of why.
func TestAttacks(t *testing.T) {
	wiki := newPeer(t, RoleSP, spKey(), SOAP)
	o := founded(t, newPeer(t, RoleIdP, idpKey(), SOAP), map[string]*peer{"wiki": wiki})
	o.person("ada@example.com")
	o.person("eve@example.com")
	o.desk.Now = func() time.Time { return at }
	here, there := o.surrounded(false), o.surrounded(true)
	for _, a := range slices.Concat(signatureAttacks(t), contentAttacks(t), hostileAttacks(t), redirectAttacks(t), postAttacks(t), encryptionAttacks(t)) {
		answer := a.by == SOAP && !a.request // which nobody asked for, by the way it came
		if a.want == "" && !answer {
			continue
		}
		o.desk.Know(here)
		if a.cbc {
			o.desk.Know(there)
		}
		before := len(o.refusals())
		w := httptest.NewRecorder()
		o.desk.ServeHTTP(w, a.delivered())
		o.desk.tellRefusals(t.Context())
		noted := o.refusals()[before:]
		if len(noted) != 1 || noted[0].Outcome != string(a.want) && !answer || noted[0].Operator != "partner" || noted[0].Protocol != a.by.word() {
			t.Errorf("%s: noted %+v, want %q", a, noted, a.want)
		}
		switch text := w.Body.String(); {
		case len(w.Header().Values("Set-Cookie"))+len(w.Header().Values("Location")) > 0:
			t.Errorf("%s: %v", a, w.Header())
		case a.by == SOAP && w.Code == http.StatusOK:
			v := Verifier{Endpoint: "nobody's", Now: o.desk.Now}
			said, err := v.SOAPAnswer(w.Body.Bytes(), Partner{EntityID: us, Role: RoleSP, Signing: []*x509.Certificate{ourKey().Certificate}}, a.id)
			if err != nil || said.Status != StatusRequester || said.Second != StatusRequestDenied || strings.Contains(text, "StatusMessage") {
				t.Errorf("%s: %v, answered %s", a, err, text)
			}
		case w.Code != http.StatusBadRequest || text != "page refused" && text != "refused\n":
			t.Errorf("%s: answered %d %s", a, w.Code, text)
		}
		if !wiki.alive("ada@example.com") || !wiki.alive("eve@example.com") {
			t.Fatalf("%s: somebody was signed out", a)
		}
	}
	if cases, _ := o.cases(); len(cases) != 0 {
		t.Errorf("cases were opened: %+v", cases)
	}
	for _, by := range []Binding{SOAP, POST, Redirect} {
		wiki.sign("ada@example.com")
		good := attack{by: by, request: true, wire: sent(t, by, true, aRequest().Element(), idpKey())}
		o.desk.ServeHTTP(httptest.NewRecorder(), good.delivered())
		if wiki.alive("ada@example.com") {
			t.Errorf("a good one by %s does nothing", by.word())
		}
	}
}

// delivered is an attack at the desk.
func (a attack) delivered() *http.Request {
	if a.by == Redirect {
		r := httptest.NewRequest(http.MethodGet, "/saml/slo", nil)
		r.URL.RawQuery = a.wire
		return r
	}
	r := httptest.NewRequest(http.MethodPost, "/saml/slo", strings.NewReader(a.wire))
	r.Header.Set("Content-Type", map[Binding]string{SOAP: "text/xml", POST: "application/x-www-form-urlencoded"}[a.by])
	return r
}

// surrounded is the organisation among the partners of a [world].
func (o *organisation) surrounded(cbc bool) Circle {
	o.Helper()
	c := *o.desk.circle.Load()
	c.Authority = NewAuthority(Options{BaseURL: strings.TrimSuffix(endpoint, "/saml/slo"), EntityID: us, Keys: []string{keyFile(o.T, ourKey())}, Now: func() time.Time { return at }})
	for _, p := range []struct {
		name, id string
		role     Role
		key      Pair
	}{{"idp", idpID, RoleIdP, idpKey()}, {"sp", spID, RoleSP, spKey()}, {"other", otherID, RoleSP, otherKey()}} {
		text := descriptor(p.id, p.key.Certificate)
		text = bytes.ReplaceAll(text, []byte(RoleSP.tag()), []byte(p.role.tag()))
		file := write0600(o.T, filepath.Join(o.TempDir(), p.name+".xml"), text)
		if e := c.Authority.Register(PartnerConfig{Name: p.name, Role: p.role, Origin: Origin{Metadata: file, AllowCBC: cbc}}); e != nil {
			o.Fatal(e)
		}
	}
	if err := c.Authority.Load(false); err != nil {
		o.Fatal(err)
	}
	return c
}

// TestHostIsNotBelieved: everybody may write what they like into a Host header, so
// that it makes no destination ours.
func TestHostIsNotBelieved(t *testing.T) {
	wiki := newPeer(t, RoleSP, spKey(), SOAP)
	o := founded(t, newPeer(t, RoleIdP, idpKey(), SOAP), map[string]*peer{"wiki": wiki})
	o.person("ada@example.com")
	o.desk.Now = func() time.Time { return at }
	o.desk.Know(o.surrounded(false))
	request, response := aRequest(), aResponse()
	request.Destination, response.Destination = "https://evil.example/saml/slo", "https://evil.example/saml/slo"
	for _, by := range []Binding{SOAP, POST, Redirect} {
		for kind, el := range map[bool]*etree.Element{true: request.Element(), false: response.Element()} {
			before := len(o.refusals())
			r := attack{by: by, request: kind, wire: sent(t, by, kind, el, idpKey())}.delivered()
			r.Host = "evil.example"
			r.Header.Set("X-Forwarded-Host", r.Host)
			r.Header.Set("Forwarded", "host=evil.example;proto=https")
			w := httptest.NewRecorder()
			o.desk.ServeHTTP(w, r)
			if noted := o.refusals()[before:]; len(noted) != 1 || noted[0].Outcome != string(Misdirected) || !wiki.alive("ada@example.com") {
				t.Errorf("%s by %s: noted %+v, answered %d", tagOf(kind), by.word(), noted, w.Code)
			}
		}
	}
}

// TestNoOpenRedirect: a browser is sent nowhere but to where the partner's metadata
// says, and RelayState goes with it as it came; with an answer that nobody waits for,
// it is sent nowhere.
func TestNoOpenRedirect(t *testing.T) {
	o := founded(t, newPeer(t, RoleIdP, idpKey(), SOAP), nil)
	o.desk.Now = func() time.Time { return at }
	o.desk.Know(o.surrounded(false))
	for _, relay := range []string{"https://evil.example/", "//evil.example", "///evil.example", `\evil.example`, `https:\\evil.example`,
		"javascript:alert(1)", "/saml/slo?SAMLRequest=x", "x\r\nLocation: https://evil.example"} {
		for _, by := range []Binding{POST, Redirect} {
			for _, kind := range []bool{true, false} {
				el := newScene(t, kind).unsigned()
				wire := queryOf(t, el, kind, relay, idpKey())
				if by == POST {
					message := base64.StdEncoding.EncodeToString(bytesOf(t, signed(t, el, idpKey())))
					wire = url.Values{paramOf(kind): {message}, "RelayState": {relay}}.Encode()
				}
				w := httptest.NewRecorder()
				o.desk.ServeHTTP(w, attack{by: by, request: kind, wire: wire}.delivered())
				to := w.Header().Get("Location")
				there, err := url.Parse(to)
				switch {
				case err != nil:
					t.Fatal(err)
				case !kind && (w.Code != http.StatusBadRequest || to != ""):
					t.Errorf("%q, an answer by %s: %d, to %s", relay, by.word(), w.Code, to)
				case kind && (w.Code != http.StatusSeeOther || !strings.HasPrefix(to, "https://sp.example/slo/done?SAMLResponse=") || there.Query().Get("RelayState") != relay):
					t.Errorf("%q by %s: %d, to %s", relay, by.word(), w.Code, to)
				}
			}
		}
	}
}
