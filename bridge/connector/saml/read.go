package saml

import (
	"time"

	"github.com/beevik/etree"

	"github.com/exeunt/exeunt/bridge"
)

// Reading of what was signed. Only direct children are looked at, each where the
// schema has it, so that nothing else in the message can be taken for them.

// head is what requests and responses have in common (SAML core, sections 3.2.1 and
// 3.2.2), and what follows it.
type head struct {
	el                               *etree.Element
	id, version, destination, issuer string
	issued, notOnOrAfter             time.Time
	extensions                       *etree.Element // nil: none
	rest                             []*etree.Element
}

// issuerOf is who a message says that it is from; "" if it does not say so properly.
func issuerOf(el *etree.Element) string {
	children := el.ChildElements()
	if len(children) == 0 || !is(children[0], nsAssertion, "Issuer") {
		return ""
	}
	const entity = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
	if f := attribute(children[0], "Format"); f != "" && f != entity {
		return ""
	}
	issuer, _ := text(children[0])
	return issuer
}

func readHead(el *etree.Element) (h head, err error) {
	h = head{el: el, id: attribute(el, "ID"), version: attribute(el, "Version"),
		destination: attribute(el, "Destination"), issuer: issuerOf(el)}
	switch {
	case h.issuer == "":
		return h, refuse(UnknownIssuer, "what was signed has no issuer")
	case !wellNamed.MatchString(h.id):
		return h, refuse(BadShape, "the ID is missing or malformed")
	}
	if h.issued, err = time.Parse(time.RFC3339, attribute(el, "IssueInstant")); err != nil {
		return h, refuse(BadShape, "IssueInstant is no time")
	}
	if until := attribute(el, "NotOnOrAfter"); until != "" {
		if h.notOnOrAfter, err = time.Parse(time.RFC3339, until); err != nil {
			return h, refuse(BadShape, "NotOnOrAfter is no time")
		}
	}
	h.rest = el.ChildElements()[1:]
	if len(h.rest) > 0 && is(h.rest[0], nsProtocol, "Extensions") {
		h.extensions, h.rest = h.rest[0], h.rest[1:]
	}
	return h, nil
}

// readRequest reads a LogoutRequest: one name, and sessions (SAML core, section 3.7.1).
func (v *Verifier) readRequest(h head, from Partner) (*Request, error) {
	r := &Request{ID: h.id, Issuer: h.issuer, Destination: h.destination, Issued: h.issued, NotOnOrAfter: h.notOnOrAfter}
	if h.extensions != nil {
		for _, e := range h.extensions.ChildElements() {
			r.Asynchronous = r.Asynchronous || is(e, nsAsync, "Asynchronous")
		}
	}
	if len(h.rest) == 0 {
		return nil, refuse(BadShape, "nobody is named")
	}
	name, err := h.rest[0], error(nil)
	if is(name, nsAssertion, "EncryptedID") {
		if name, err = decryptName(name, v.Keys(), from.CBC); err != nil {
			return nil, refuse(BadEncryption, err.Error())
		}
	}
	value, ok := text(name)
	if !is(name, nsAssertion, "NameID") || !ok || value == "" {
		return nil, refuse(BadShape, "nobody is named")
	}
	r.Name = bridge.NameID{Value: value, Format: attribute(name, "Format"),
		NameQualifier: attribute(name, "NameQualifier"), SPNameQualifier: attribute(name, "SPNameQualifier")}
	for _, el := range h.rest[1:] {
		index, ok := text(el)
		if !is(el, nsProtocol, "SessionIndex") || !ok || index == "" {
			return nil, refuse(BadShape, "something else than sessions follows the name")
		}
		r.Indexes = append(r.Indexes, index)
	}
	return r, nil
}

// readResponse reads a LogoutResponse (SAML core, sections 3.7.2 and 3.2.2.2).
func readResponse(h head) (*Response, error) {
	r := &Response{ID: h.id, Issuer: h.issuer, Destination: h.destination, Issued: h.issued,
		InResponseTo: attribute(h.el, "InResponseTo")}
	if len(h.rest) != 1 || !is(h.rest[0], nsProtocol, "Status") {
		return nil, refuse(BadShape, "there is no status, or more than that")
	}
	codes := h.rest[0].ChildElements()
	if len(codes) == 0 || !is(codes[0], nsProtocol, "StatusCode") || attribute(codes[0], "Value") == "" {
		return nil, refuse(BadShape, "there is no status code")
	}
	r.Status = attribute(codes[0], "Value")
	switch second := codes[0].ChildElements(); {
	case len(second) == 0:
	case len(second) == 1 && is(second[0], nsProtocol, "StatusCode"):
		r.Second = attribute(second[0], "Value")
	default:
		return nil, refuse(BadShape, "there is more than one second status code")
	}
	for _, more := range codes[1:] {
		if is(more, nsProtocol, "StatusCode") {
			return nil, refuse(BadShape, "there is more than one status code")
		}
	}
	return r, nil
}

// fromSOAP opens an envelope of SOAP 1.1 that holds one element and asks for nothing
// that we would have to understand.
func fromSOAP(body []byte) (*etree.Element, error) {
	envelope, err := parse(body)
	if err != nil {
		return nil, refuse(BadXML, err.Error())
	}
	if !is(envelope, nsSOAP, "Envelope") {
		return nil, refuse(BadShape, "it is no envelope of SOAP 1.1")
	}
	parts, ok := exactly(envelope, nsSOAP, "Body")
	if !ok {
		if parts, ok = exactly(envelope, nsSOAP, "Header", "Body"); ok {
			for _, h := range parts[0].ChildElements() {
				for _, a := range h.Attr {
					if a.Key == "mustUnderstand" && a.Value != "0" && a.Value != "false" {
						return nil, refuse(BadShape, "a header has to be understood")
					}
				}
			}
			parts = parts[1:]
		}
	}
	if !ok || len(parts[0].ChildElements()) != 1 {
		return nil, refuse(BadShape, "the envelope does not hold one message")
	}
	return parts[0].ChildElements()[0], nil
}
