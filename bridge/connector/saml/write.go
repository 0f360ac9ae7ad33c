package saml

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"html/template"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"

	"github.com/exeunt/exeunt/bridge"
)

// NewID returns a random ID for a message: 160 bits, as a name of XML.
func NewID() string {
	var b [20]byte
	rand.Read(b[:]) // never fails
	return "_" + hex.EncodeToString(b[:])
}

// Element is the message as XML, not signed yet.
func (r Request) Element() *etree.Element {
	m := crewjam.LogoutRequest{ID: r.ID, Version: version, IssueInstant: r.Issued.UTC(), Destination: r.Destination,
		Issuer: &crewjam.Issuer{Value: r.Issuer}}
	if !r.NotOnOrAfter.IsZero() {
		until := r.NotOnOrAfter.UTC()
		m.NotOnOrAfter = &until
	}
	el := m.Element()
	if r.Asynchronous {
		el.CreateElement("samlp:Extensions").CreateElement("aslo:Asynchronous").CreateAttr("xmlns:aslo", nsAsync)
	}
	el.AddChild(nameElement(r.Name))
	for _, index := range r.Indexes { // of which crewjam's request has one
		el.CreateElement("samlp:SessionIndex").SetText(index)
	}
	return el
}

// Element is the message as XML, not signed yet.
func (r Response) Element() *etree.Element {
	code := crewjam.StatusCode{Value: r.Status}
	if r.Second != "" {
		code.StatusCode = &crewjam.StatusCode{Value: r.Second}
	}
	m := crewjam.LogoutResponse{ID: r.ID, Version: version, IssueInstant: r.Issued.UTC(), Destination: r.Destination,
		Issuer: &crewjam.Issuer{Value: r.Issuer}, InResponseTo: r.InResponseTo, Status: crewjam.Status{StatusCode: code}}
	return m.Element()
}

// nameElement is a NameID with exactly the attributes that it was asserted with.
func nameElement(n bridge.NameID) *etree.Element {
	name := crewjam.NameID{Value: n.Value, Format: n.Format, NameQualifier: n.NameQualifier, SPNameQualifier: n.SPNameQualifier}
	return name.Element()
}

// signedEnvelope signs a message, and is its envelope.
func signedEnvelope(el *etree.Element, key Pair) ([]byte, error) {
	signed, err := Sign(el, key)
	if err != nil {
		return nil, err
	}
	return SOAPEnvelope(signed)
}

// SOAPEnvelope is a message as the body of a POST by the SOAP binding.
func SOAPEnvelope(el *etree.Element) ([]byte, error) {
	envelope := etree.NewElement("soap:Envelope")
	envelope.CreateAttr("xmlns:soap", nsSOAP)
	envelope.CreateElement("soap:Body").AddChild(el.Copy())
	return write(envelope)
}

// submit is the one line of script on a page that takes a message along.
const submit = "document.forms[0].submit()"

// formPage is seen for a moment, or by whose browser runs no scripts: it is plain, so
// that its policy needs no style, and dark where the rest is.
var formPage = template.Must(template.New("form").Parse(`<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Signing out</title>
<form method="post" action="{{.Action}}">
<input type="hidden" name="{{.Param}}" value="{{.Message}}">
{{with .RelayState}}<input type="hidden" name="RelayState" value="{{.}}">
{{end}}<noscript><h1>Signing out</h1><p>This browser runs no scripts, so one more step is yours.</p><button>Go on signing out</button></noscript>
</form>
<script>` + submit + `</script>
</html>
`))

// POSTForm returns a page by which a browser takes a signed message to a partner's
// endpoint (SAML bindings, section 3.5), and the Content-Security-Policy that it needs.
func POSTForm(action string, el *etree.Element, request bool, relayState string) (page []byte, policy string, err error) {
	if len(relayState) > maxRelayState {
		return nil, "", errors.New("RelayState is too long")
	}
	message, err := write(el)
	if err != nil {
		return nil, "", err
	}
	var b bytes.Buffer
	err = formPage.Execute(&b, struct{ Action, Param, Message, RelayState string }{
		action, paramOf(request), base64.StdEncoding.EncodeToString(message), relayState})
	// Nothing about form-action: browsers hold it against redirects of the answer
	// too, and the partner's answer leads wherever the partner likes.
	sum := sha256.Sum256([]byte(submit))
	policy = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; script-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
	return b.Bytes(), policy, err
}
