package saml

import (
	"encoding/base64"
	"errors"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// MetadataValid is for how long metadata is valid that partners fetch from us.
// Where they have a copy instead, it must be valid for as long as that is kept.
const MetadataValid = 14 * 24 * time.Hour

// metadataCached is how long partners need not fetch it again: how soon they
// know a new key.
const metadataCached = "PT1H"

// Metadata describes us, signed, and valid from now for that long: in one entity,
// a service provider towards the organisation's identity provider, and an
// identity provider towards apps (SAML metadata, section 2).
func (a *Authority) Metadata(valid time.Duration) ([]byte, error) {
	if len(a.Pairs()) == 0 {
		return nil, errNoKeys
	}
	if a.options.BaseURL == "" {
		return nil, errors.New("saml: metadata needs public_url: where partners send messages to")
	}
	entity := element("md:EntityDescriptor", "xmlns:md", nsMetadata, "xmlns:ds", dsig.Namespace, "xmlns:alg", nsSupport,
		"ID", NewID(), "entityID", a.EntityID(), "validUntil", instant(a.options.Now().Add(valid)),
		"cacheDuration", metadataCached)
	entity.AddChild(algorithms())
	sp := element("md:SPSSODescriptor", "protocolSupportEnumeration", nsProtocol, "AuthnRequestsSigned", "true", "WantAssertionsSigned", "true")
	idp := element("md:IDPSSODescriptor", "protocolSupportEnumeration", nsProtocol, "WantAuthnRequestsSigned", "true")
	for _, role := range []*etree.Element{idp, sp} {
		for _, e := range a.doors() {
			role.AddChild(e)
		}
	}
	// The schema wants one of each. What is sent there is answered by an error.
	idp.AddChild(element("md:SingleSignOnService", "Binding", string(Redirect), "Location", a.options.BaseURL+"/saml/sso"))
	sp.AddChild(element("md:AssertionConsumerService", "Binding", string(POST), "Location", a.options.BaseURL+"/saml/acs", "index", "0"))
	entity.AddChild(idp)
	entity.AddChild(sp)
	signed, err := Sign(entity, a.Pairs()[0])
	if err != nil {
		return nil, err
	}
	return write(signed)
}

// Fragment is what the organisation's identity provider shows of us to its apps,
// in its own metadata, where we speak as it (delegate): our keys and
// endpoints, to be put into its IDPSSODescriptor.
func (a *Authority) Fragment() ([]byte, error) {
	if len(a.Pairs()) == 0 {
		return nil, errNoKeys
	}
	var out []byte
	for _, e := range a.doors() {
		e.CreateAttr("xmlns:md", nsMetadata)
		if e.Tag == "KeyDescriptor" {
			e.CreateAttr("xmlns:ds", dsig.Namespace)
		}
		text, err := write(e)
		if err != nil {
			return nil, err
		}
		out = append(append(out, text...), '\n')
	}
	return out, nil
}

// doors are our keys and our logout endpoints, in the order of the schema.
func (a *Authority) doors() (list []*etree.Element) {
	for _, p := range a.Pairs() {
		key := element("md:KeyDescriptor") // for signing, and encrypting to us
		certificate := key.CreateElement("ds:KeyInfo").CreateElement("ds:X509Data").CreateElement("ds:X509Certificate")
		certificate.SetText(base64.StdEncoding.EncodeToString(p.Certificate.Raw))
		list = append(list, key)
	}
	for _, b := range []Binding{SOAP, Redirect, POST} {
		list = append(list, element("md:SingleLogoutService", "Binding", string(b), "Location", a.Endpoint()))
	}
	return list
}

// algorithms says what we verify (SAML metadata profile for algorithm support).
// Without it, some sign with SHA-1.
func algorithms() *etree.Element {
	e := element("md:Extensions")
	for _, digest := range digestMethods {
		e.AddChild(element("alg:DigestMethod", "Algorithm", digest))
	}
	for _, method := range signatureMethods {
		e.AddChild(element("alg:SigningMethod", "Algorithm", method))
	}
	return e
}

// The algorithms that we take, and say that we do: what we sign with first.
var (
	digestMethods = []string{
		"http://www.w3.org/2001/04/xmlenc#sha256",
		"http://www.w3.org/2001/04/xmldsig-more#sha384",
		"http://www.w3.org/2001/04/xmlenc#sha512",
	}
	signatureMethods = []string{
		"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
		"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
		"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
		"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
		"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
		"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
	}
)

// element makes one with attributes, given as name and value by turns.
func element(tag string, attributes ...string) *etree.Element {
	e := etree.NewElement(tag)
	for i := 0; i+1 < len(attributes); i += 2 {
		e.CreateAttr(attributes[i], attributes[i+1])
	}
	return e
}
