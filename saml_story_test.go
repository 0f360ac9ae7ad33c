package main

import (
	"crypto/x509"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/beevik/etree"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/saml"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
	"github.com/exeunt/exeunt/store/storetest"
	"github.com/exeunt/exeunt/testdata/peers"
)

func signedBy(t *testing.T, r saml.Request, key saml.Pair) *etree.Element {
	t.Helper()
	el, err := saml.Sign(r.Element(), key)
	if err != nil {
		t.Fatal(err)
	}
	return el
}

const (
	ourAddress = "https://exeunt.example.com" // behind a proxy, as it were
	ourEntity  = ourAddress + "/saml/metadata"
	idpEntity  = "https://idp.example.com"
)

// The organisation's identity provider has somebody signed out: their session in an
// app dies, and the provider is told so. The same message does nothing the second
// time, also after a crash; and nothing when the provider was taken out.
func TestSAMLStory(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { samlStory(t, "") })
	t.Run("postgres", func(t *testing.T) { samlStory(t, storetest.Postgres(t)) })
}

// samlStory tells it with a PostgreSQL database, or with SQLite's file.
func samlStory(t *testing.T, database string) {
	ourKey, idpKey := peers.NewKey(t, "exeunt.example.com"), peers.NewKey(t, "idp.example.com")
	ours, idp := saml.Pair{Private: ourKey.Private, Certificate: ourKey.Cert}, saml.Pair{Private: idpKey.Private, Certificate: idpKey.Cert}
	wiki, err := sandbox.StartProvider(sandbox.Options{}, sandbox.Federation{Issuer: ourEntity, Certificates: []*x509.Certificate{ours.Certificate}})
	if err != nil {
		t.Fatal(err)
	}
	defer wiki.Close()
	idpMetadata := `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="` + idpEntity + `"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` +
		idpKey.Base64() + `</X509Certificate></X509Data></KeyInfo></KeyDescriptor><SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="https://idp.example.com/slo"/></IDPSSODescriptor></EntityDescriptor>`
	config := `public_url: ` + ourAddress + `
sources: {hr: {token: file:hr-token}}
`
	if database != "" {
		config += "database: env:STORY_DATABASE\n"
	}
	config += `saml:
  idps:
    entra: {metadata: idp.xml, source: hr, name_id: email}
apps:
  wiki:
    connector: saml
    with: {metadata: wiki.xml, role: hub, name_id: {format: email, value: email}, allow_networks: [127.0.0.1/32]}
`
	p := newProduct(t, config, map[string]string{"idp.xml": idpMetadata, "wiki.xml": string(wiki.Metadata())})
	p.env = []string{"STORY_DATABASE=" + database}
	if err := os.Mkdir(filepath.Join(p.dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.write("data/saml.key", ourKey.File())
	p.start()
	if checked := p.run("app", "check"); !strings.Contains(checked, "wiki  saml") {
		t.Errorf("the app is not in order:\n%s", checked)
	}
	p.hire(`{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada", "active": true, "emails": [{"value": "ada@example.com", "primary": true}]}`)
	ada := sandbox.Guest{Value: "ada@example.com", Format: "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"}

	// say sends one message of the identity provider, and returns what exeunt answers.
	say := func(r saml.Request, key saml.Pair) (int, saml.Response) {
		t.Helper()
		envelope, err := saml.SOAPEnvelope(signedBy(t, r, key))
		if err != nil {
			t.Fatal(err)
		}
		status, body, err := call(http.MethodPost, p.url+"/saml/slo", "", string(envelope), "Content-Type: text/xml")
		if err != nil || status != http.StatusOK {
			return status, saml.Response{}
		}
		v := saml.Verifier{Endpoint: "https://idp.example.com/slo", Now: time.Now}
		answer, err := v.SOAPAnswer(body, saml.Partner{EntityID: ourEntity, Role: saml.RoleSP, Signing: []*x509.Certificate{ours.Certificate}}, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		return status, answer
	}
	request := func() saml.Request {
		return saml.Request{ID: saml.NewID(), Issuer: idpEntity, Destination: ourAddress + "/saml/slo", Issued: time.Now(),
			Name: bridge.NameID{Value: "Ada@Example.com"}, Indexes: []string{"s7"}}
	}
	open := func() bool {
		status, _, err := call(http.MethodGet, wiki.PageURL(), "", "")
		return err == nil && status == http.StatusOK || wiki.SignedIn(ada) > 0
	}

	wiki.SignIn(ada)
	wiki.SignIn(ada)
	first := request()
	if status, answer := say(first, idp); status != http.StatusOK || answer.Status != saml.StatusSuccess || answer.Second != "" || open() {
		t.Fatalf("%d %+v, signed in: %v", status, answer, open())
	}
	if c := p.settled(10 * time.Second); len(c) != 1 || c[0].Trigger != "logout" || c[0].State != "closed" {
		t.Errorf("%+v", c)
	}

	wiki.SignIn(ada)
	p.kill()
	p.start()
	for name, bad := range map[string]struct {
		request saml.Request
		key     saml.Pair
		status  int
	}{"the same after a crash": {first, idp, http.StatusOK}, "somebody else's": {request(), ours, http.StatusBadRequest}} {
		if status, answer := say(bad.request, bad.key); status != bad.status || answer.Status == saml.StatusSuccess || !open() {
			t.Errorf("%s: %d %+v, signed in: %v", name, status, answer, open())
		}
	}
	// Nor is the same message good on another binding.
	link, err := saml.RedirectURL(p.url+"/saml/slo", first.Element(), true, "", idp)
	if err != nil {
		t.Fatal(err)
	}
	page, _, err := saml.POSTForm(p.url+"/saml/slo", signedBy(t, first, idp), true, "")
	if err != nil {
		t.Fatal(err)
	}
	_, message, _ := strings.Cut(string(page), `name="SAMLRequest" value="`)
	message, _, _ = strings.Cut(message, `"`)
	form := url.Values{"SAMLRequest": {html.UnescapeString(message)}}.Encode()
	if status, _, err := call(http.MethodGet, link, "", ""); err != nil || status != http.StatusBadRequest {
		t.Error("by redirect:", status, err)
	}
	if status, _, err := call(http.MethodPost, p.url+"/saml/slo", "", form, "Content-Type: application/x-www-form-urlencoded"); err != nil || status != http.StatusBadRequest || !open() {
		t.Error("by post:", status, err)
	}
	within(t, 10*time.Second, func() error { // until they have their place in the log
		log := p.run("log", "tail", "--json")
		for _, refused := range []string{`"replayed","protocol":"saml soap"`, `"signature","protocol":"saml soap"`,
			`"replayed","protocol":"saml redirect"`, `"replayed","protocol":"saml post"`} {
			if n := strings.Count(log, `"outcome":`+refused); n != 1 {
				return fmt.Errorf("%d events say %s\n%s", n, refused, log)
			}
		}
		return nil
	})
	if len(p.cases()) != 1 {
		t.Error("a case was opened")
	}
	if _, answer := say(request(), idp); answer.Status != saml.StatusSuccess || open() {
		t.Error("the next one does nothing", answer)
	}

	// The metadata that is served is what the command prints.
	for _, part := range []string{"IDPSSODescriptor", "SPSSODescriptor", ourAddress + "/saml/slo"} {
		if out := p.run("saml", "metadata"); !strings.Contains(out, part) {
			t.Errorf("no %s in\n%s", part, out)
		}
	}
	if status, body, err := call(http.MethodGet, p.url+"/saml/metadata", "", ""); err != nil || status != http.StatusOK || !strings.Contains(string(body), ourEntity) {
		t.Error(status, err)
	}
	if out := p.run("saml", "metadata", "--fragment"); strings.Contains(out, "SPSSODescriptor") || !strings.Contains(out, ourAddress+"/saml/slo") {
		t.Errorf("the fragment is\n%s", out)
	}

	// Taken out of the configuration, the provider is nobody any more.
	wiki.SignIn(ada)
	without := strings.Replace(config, "    entra: {metadata: idp.xml, source: hr, name_id: email}\n", "    {}\n", 1)
	p.write("exeunt.yaml", "listen: 127.0.0.1:0\ndata: data\nadmin_token: file:admin-token\n"+without)
	p.reload()
	if status, _ := say(request(), idp); status != http.StatusBadRequest || !open() {
		t.Error(status)
	}
	if said := p.said(); strings.Contains(strings.ToLower(said), "ada@example.com") {
		t.Error("the log of the program has a name in it")
	}
}

// said is what the program has logged.
func (p *product) said() string {
	p.t.Helper()
	log, err := os.ReadFile(filepath.Join(p.dir, "exeunt.log"))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(log)
}

// reload has the configuration read again, and waits until it counts.
func (p *product) reload() {
	p.t.Helper()
	before := len(p.said())
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		p.t.Fatal(err)
	}
	within(p.t, 20*time.Second, func() error {
		if said := p.said()[before:]; !strings.Contains(said, "configuration reloaded") {
			return fmt.Errorf("it said %s", said)
		}
		return nil
	})
}
