package saml

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"time"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"
)

// MetadataValid is for how long metadata is valid that partners fetch from us.
// Where they have a copy instead, it must be valid for as long as that is kept.
const MetadataValid = 14 * 24 * time.Hour

// metadataCached is how long partners need not fetch it again: how soon they
// know a new key.
const metadataCached = time.Hour

// Metadata describes us, signed, and valid from now for that long: in one entity,
// a service provider towards the organisation's identity provider, and an
// identity provider towards apps (SAML metadata, section 2).
func (a *Authority) Metadata(valid time.Duration) ([]byte, error) {
	key, err := a.signer()
	if err != nil {
		return nil, err
	}
	if a.options.BaseURL == "" {
		return nil, errors.New("saml: metadata needs public_url: where partners send messages to")
	}
	yes := true
	entity, err := described(crewjam.EntityDescriptor{
		ID: NewID(), EntityID: a.EntityID(), ValidUntil: a.options.Now().Add(valid), CacheDuration: metadataCached,
		// The schema wants an endpoint for signing in of each. What is sent there is
		// answered by an error.
		IDPSSODescriptors: []crewjam.IDPSSODescriptor{{SSODescriptor: a.doors(), WantAuthnRequestsSigned: &yes,
			SingleSignOnServices: []crewjam.Endpoint{{Binding: crewjam.HTTPRedirectBinding, Location: a.options.BaseURL + "/saml/sso"}}}},
		SPSSODescriptors: []crewjam.SPSSODescriptor{{SSODescriptor: a.doors(), AuthnRequestsSigned: &yes, WantAssertionsSigned: &yes,
			AssertionConsumerServices: []crewjam.IndexedEndpoint{{Binding: crewjam.HTTPPostBinding, Location: a.options.BaseURL + "/saml/acs"}}}},
	})
	if err != nil {
		return nil, err
	}
	entity.InsertChildAt(0, algorithms())
	signed, err := Sign(entity, key)
	if err != nil {
		return nil, err
	}
	return write(signed)
}

// Fragment is what the organisation's identity provider shows of us to its apps,
// in its own metadata, where we speak as it (delegate): our keys and
// endpoints, to be put into its IDPSSODescriptor.
func (a *Authority) Fragment() ([]byte, error) {
	if _, err := a.signer(); err != nil {
		return nil, err
	}
	role, err := described(crewjam.IDPSSODescriptor{SSODescriptor: a.doors()})
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, e := range role.ChildElements() {
		e.CreateAttr("xmlns", nsMetadata)
		text, err := write(e)
		if err != nil {
			return nil, err
		}
		out = append(append(out, text...), '\n')
	}
	return out, nil
}

// doors are our keys and our logout endpoints.
func (a *Authority) doors() (d crewjam.SSODescriptor) {
	d.ProtocolSupportEnumeration = nsProtocol
	for _, p := range a.Pairs() {
		certificate := crewjam.X509Certificate{Data: base64.StdEncoding.EncodeToString(p.Certificate.Raw)}
		d.KeyDescriptors = append(d.KeyDescriptors, crewjam.KeyDescriptor{
			KeyInfo: crewjam.KeyInfo{X509Data: crewjam.X509Data{X509Certificates: []crewjam.X509Certificate{certificate}}}})
	}
	for _, b := range []Binding{SOAP, Redirect, POST} {
		d.SingleLogoutServices = append(d.SingleLogoutServices, crewjam.Endpoint{Binding: string(b), Location: a.Endpoint()})
	}
	return d
}

// described is a part of metadata as XML.
func described(part any) (*etree.Element, error) {
	text, err := xml.Marshal(part)
	if err != nil {
		return nil, err
	}
	root, err := parseMetadata(text)
	if err != nil {
		return nil, err
	}
	for _, key := range root.FindElements("//KeyDescriptor") {
		key.RemoveAttr("use") // written although it is empty; without it a key is for signing, and encrypting to us
	}
	return root, nil
}

// algorithms says what we verify (SAML metadata profile for algorithm support).
// Without it, some sign with SHA-1. crewjam's entity has no place for it.
func algorithms() *etree.Element {
	e := etree.NewElement("Extensions")
	e.CreateAttr("xmlns:alg", nsSupport)
	for _, digest := range digestMethods() {
		e.CreateElement("alg:DigestMethod").CreateAttr("Algorithm", digest)
	}
	for _, method := range signatureMethods() {
		e.CreateElement("alg:SigningMethod").CreateAttr("Algorithm", method.uri)
	}
	return e
}
