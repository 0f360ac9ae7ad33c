package peers

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"text/template"
	"time"

	"github.com/crewjam/saml"
	"github.com/crewjam/saml/logger"
	dsig "github.com/russellhaering/goxmldsig"
)

// IdP is the organisation's identity provider. It signs people in; logging them out
// is [Lasso]'s part, under the same name and key.
type IdP struct {
	EntityID string
	Key      Key
	// Silent keeps from its metadata which algorithms whoever speaks in its name
	// knows. Debian's Shibboleth SP then signs what it answers with SHA-1.
	Silent bool
	others []string // certificates of others who may speak in its name
	slo    string   // where service providers answer to logouts
	t      testing.TB
}

// NewIdP makes one. Its metadata lets others speak in its name, each with a
// certificate (base64 of DER), and says that slo is where they all are spoken to
// about logouts.
func NewIdP(t testing.TB, slo string, others ...string) *IdP {
	t.Helper()
	return &IdP{EntityID: "https://idp.example/saml", Key: NewKey(t, "idp.example"), others: others, slo: slo, t: t}
}

// Metadata is the identity provider as service providers see it.
func (idp *IdP) Metadata() []byte { return idp.metadata(idp.slo, idp.others...) }

// Own is its metadata as it publishes it itself: one key, and its own endpoint
// for logouts. That is what exeunt is given.
func (idp *IdP) Own(slo string) []byte { return idp.metadata(slo) }

var idpMetadata = template.Must(template.New("").Parse(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{{.EntityID}}">
  {{- if not .Silent}}
  <Extensions xmlns:alg="urn:oasis:names:tc:SAML:metadata:algsupport">
    <alg:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>
    <alg:SigningMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>
  </Extensions>
  {{- end}}
  <IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
  {{- range .Certificates}}
    <KeyDescriptor use="signing">
      <KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{{.}}</X509Certificate></X509Data></KeyInfo>
    </KeyDescriptor>
  {{- end}}
    <SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="{{.SLO}}"/>
    <SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{{.SLO}}"/>
    <SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="{{.SLO}}"/>
    <NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</NameIDFormat>
    <SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{{.EntityID}}/sso"/>
  </IDPSSODescriptor>
</EntityDescriptor>
`))

func (idp *IdP) metadata(slo string, others ...string) []byte {
	var out bytes.Buffer
	err := idpMetadata.Execute(&out, map[string]any{"EntityID": idp.EntityID, "Silent": idp.Silent, "SLO": slo, "Certificates": append([]string{idp.Key.Base64()}, others...)})
	if err != nil {
		idp.t.Fatal(err)
	}
	return out.Bytes()
}

// SignIn gives a person a session at a service provider, and returns its cookie.
// The NameID is persistent, and the response one that nobody asked for.
func (idp *IdP) SignIn(sp *SP, nameID, sessionIndex string) *http.Cookie {
	idp.t.Helper()
	form, err := idp.response(sp, nameID, sessionIndex, sp.PageURL()).PostBinding()
	if err != nil {
		idp.t.Fatal(err)
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.PostForm(form.URL, url.Values{"SAMLResponse": {form.SAMLResponse}, "RelayState": {form.RelayState}})
	if err != nil {
		idp.t.Fatal(err)
	}
	resp.Body.Close()
	for _, cookie := range resp.Cookies() {
		if sp.Page(cookie) == http.StatusOK {
			return &http.Cookie{Name: cookie.Name, Value: cookie.Value}
		}
	}
	idp.t.Fatalf("%s signs nobody in: %s", sp.EntityID, resp.Status)
	panic("unreachable")
}

// NameID is the name that somebody is signed in under, just as it is asserted.
func (idp *IdP) NameID(sp *SP, value string) NameID {
	return NameID{Value: value, Format: string(saml.PersistentNameIDFormat), NameQualifier: idp.EntityID, SPNameQualifier: sp.EntityID}
}

// Form is a page that signs a browser in when it is opened, and leads it to next.
func (idp *IdP) Form(sp *SP, nameID, sessionIndex, next string) []byte {
	idp.t.Helper()
	page := httptest.NewRecorder()
	if err := idp.response(sp, nameID, sessionIndex, next).WriteResponse(page); err != nil {
		idp.t.Fatal(err)
	}
	return page.Body.Bytes()
}

func (idp *IdP) response(sp *SP, nameID, sessionIndex, next string) *saml.IdpAuthnRequest {
	idp.t.Helper()
	var there saml.EntityDescriptor
	if err := xml.Unmarshal(sp.Metadata, &there); err != nil {
		idp.t.Fatal(err)
	}
	entityID, err := url.Parse(idp.EntityID)
	if err != nil {
		idp.t.Fatal(err)
	}
	descriptor := &there.SPSSODescriptors[0]
	post := slices.IndexFunc(descriptor.AssertionConsumerServices, func(e saml.IndexedEndpoint) bool { return e.Binding == saml.HTTPPostBinding })
	r := httptest.NewRequest(http.MethodGet, idp.EntityID, nil)
	r.RemoteAddr = "127.0.0.1" // becomes an address in the assertion; mellon takes none with a port
	response := &saml.IdpAuthnRequest{
		IDP: &saml.IdentityProvider{Key: idp.Key.Private, Certificate: idp.Key.Cert, MetadataURL: *entityID,
			SignatureMethod: dsig.RSASHA256SignatureMethod, Logger: logger.DefaultLogger},
		HTTPRequest: r, RelayState: next, Now: time.Now(),
		ServiceProviderMetadata: &there, SPSSODescriptor: descriptor, ACSEndpoint: &descriptor.AssertionConsumerServices[post],
	}
	// Shibboleth takes no assertion with an empty list of attributes, so there is a name.
	err = saml.DefaultAssertionMaker{}.MakeAssertion(response, &saml.Session{ID: sessionIndex, Index: sessionIndex, CreateTime: time.Now(),
		NameID: nameID, NameIDFormat: string(saml.PersistentNameIDFormat), UserName: "somebody"})
	if err != nil {
		idp.t.Fatal(err)
	}
	return response
}
