package saml

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"net/url"
	"slices"
	"time"

	"github.com/beevik/etree"
)

const (
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsAsync     = "urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo"
	nsSOAP      = "http://schemas.xmlsoap.org/soap/envelope/"

	version     = "2.0"
	tagRequest  = "LogoutRequest"
	tagResponse = "LogoutResponse"

	skew          = 3 * time.Minute // by which a partner's clock may be wrong, and how long a message may be under way
	maxRelayState = 80              // bytes (SAML bindings, section 3.4.3)
)

// Reason says why a message was refused: a word of a closed set, for our log.
type Reason string

const (
	BadEncoding   Reason = "encoding"    // of the transport: query, form, base64, deflate
	BadXML        Reason = "xml"         // the scan refused it
	BadShape      Reason = "shape"       // it is not one message as the schema has it, and its one signature
	Unsigned      Reason = "unsigned"    // no signature where the binding has one
	BadAlgorithm  Reason = "algorithm"   // one that is not allowed, or a transform
	UnknownIssuer Reason = "issuer"      // nobody who is registered, or no issuer
	BadSignature  Reason = "signature"   // by none of the issuer's keys, or something was changed
	BadVersion    Reason = "version"     // not SAML 2.0
	Misdirected   Reason = "destination" // meant for somebody else
	Stale         Reason = "stale"       // too old, or not good any more
	Early         Reason = "early"       // from the future
	BadEncryption Reason = "encrypted"   // cannot be decrypted, or not by a method that is allowed
	Replayed      Reason = "replayed"    // it was here before
	Unasked       Reason = "unasked"     // an answer to nothing that was asked
)

// Refusal is the error for a message that is not obeyed. It holds nothing that the
// message says but its ID; it is for our log, and never for who sent it.
type Refusal struct {
	Reason  Reason
	Detail  string // one of our sentences
	Partner string // its name, if the signature was good
	ID      string // of the request, if the signature was good
}

func (r *Refusal) Error() string { return "saml: " + string(r.Reason) + ": " + r.Detail }

func refuse(reason Reason, detail string) *Refusal { return &Refusal{Reason: reason, Detail: detail} }

// Verifier takes messages from outside. Each method returns a message only after
// all of doc.go's rules; else a [*Refusal], or another error if it could not be known
// whether the message was here before.
type Verifier struct {
	Endpoint string // our URL as it is published: what Destination must be
	// Trust returns who an entity id is in a role.
	Trust func(issuer string, role Role) (Partner, bool)
	Keys  func() []Pair // that may have been encrypted to
	// Fresh notes that a message was here, until then at least, in a memory that
	// outlasts a restart; false if it was noted before.
	Fresh func(ctx context.Context, key [32]byte, until time.Time) (bool, error)
	Now   func() time.Time
}

// SOAP takes a request by the SOAP binding (SAML bindings, section 3.2): the body of a POST.
func (v *Verifier) SOAP(ctx context.Context, body []byte) (Message, error) {
	el, err := fromSOAP(body)
	if err != nil {
		return Message{}, err
	}
	return v.enveloped(ctx, el, true, Message{Binding: SOAP})
}

// POST takes a message by the HTTP-POST binding (section 3.5): the body of a form.
func (v *Verifier) POST(ctx context.Context, body []byte) (Message, error) {
	if len(body) > 2*maxMessage {
		return Message{}, refuse(BadEncoding, "the form is too long")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return Message{}, refuse(BadEncoding, "the form cannot be read")
	}
	request := form.Has("SAMLRequest")
	if len(form["SAMLRequest"])+len(form["SAMLResponse"]) != 1 || len(form["RelayState"]) > 1 {
		return Message{}, refuse(BadEncoding, "the form does not hold one message")
	}
	m := Message{Binding: POST, RelayState: form.Get("RelayState")}
	if len(m.RelayState) > maxRelayState {
		return Message{}, refuse(BadEncoding, "RelayState is too long")
	}
	data, err := base64.StdEncoding.Strict().DecodeString(form.Get(paramOf(request)))
	if err != nil {
		return Message{}, refuse(BadEncoding, "the message is not in base64")
	}
	el, err := parse(data)
	if err != nil {
		return Message{}, refuse(BadXML, err.Error())
	}
	return v.enveloped(ctx, el, request, m)
}

// Redirect takes a message by the HTTP-Redirect binding (section 3.4): the query as
// it came, because the signature is of its bytes.
func (v *Verifier) Redirect(ctx context.Context, rawQuery string) (Message, error) {
	q, err := readQuery(rawQuery)
	if err != nil {
		return Message{}, err
	}
	el, err := parse(q.message)
	if err != nil {
		return Message{}, refuse(BadXML, err.Error())
	}
	from, el, err := v.sender(el, q.request, func(c *x509.Certificate) (*etree.Element, bool) {
		return el, signedBy(c, q.algorithm, q.signed, q.signature)
	})
	if err != nil {
		return Message{}, err
	}
	return v.accept(ctx, el, q.request, from, Message{Binding: Redirect, RelayState: q.relayState})
}

// tagOf is what a message is called.
func tagOf(request bool) string {
	if request {
		return tagRequest
	}
	return tagResponse
}

// SOAPAnswer takes the answer that a partner gave to a request of ours, in the same
// exchange (section 3.2): so it is known from whom it is, and it cannot be replayed
// to another request.
func (v *Verifier) SOAPAnswer(body []byte, from Partner, inResponseTo string) (Response, error) {
	el, err := fromSOAP(body)
	if err != nil {
		return Response{}, err
	}
	only := Verifier{Endpoint: v.Endpoint, Now: v.Now, Trust: func(issuer string, role Role) (Partner, bool) {
		return from, issuer == from.EntityID && role == from.Role
	}}
	m, err := only.enveloped(context.Background(), el, false, Message{Binding: SOAP})
	if err != nil {
		return Response{}, err
	}
	if m.Response.InResponseTo != inResponseTo {
		return Response{}, &Refusal{Reason: Unasked, Detail: "the answer is to another request", Partner: from.Name}
	}
	return *m.Response, nil
}

// enveloped takes a message that carries its signature.
func (v *Verifier) enveloped(ctx context.Context, el *etree.Element, request bool, m Message) (Message, error) {
	s, err := sealOf(el)
	if err != nil {
		return Message{}, err
	}
	from, el, err := v.sender(el, request, s.by)
	if err != nil {
		return Message{}, err
	}
	return v.accept(ctx, el, request, from, m)
}

// sender finds whose key has signed: each key of whoever the message says that it is
// from, alone, in each role that they have. Who has one key for both speaks as identity
// provider, but answers as the app: nobody else is asked. It returns what was signed.
func (v *Verifier) sender(el *etree.Element, request bool, by func(*x509.Certificate) (*etree.Element, bool)) (Partner, *etree.Element, error) {
	issuer, known := issuerOf(el), false
	roles := []Role{RoleIdP, RoleSP}
	if !request {
		slices.Reverse(roles)
	}
	for _, role := range roles {
		p, ok := v.Trust(issuer, role)
		if !ok || issuer == "" {
			continue
		}
		known = true
		for _, c := range p.Signing {
			if signed, ok := by(c); ok {
				return p, signed, nil
			}
		}
	}
	if !known {
		return Partner{}, nil, refuse(UnknownIssuer, "nobody of that name is registered")
	}
	return Partner{}, nil, refuse(BadSignature, "no key of the issuer fits")
}

// accept reads what was signed, and holds it against the clock, us, and the memory.
func (v *Verifier) accept(ctx context.Context, el *etree.Element, request bool, from Partner, m Message) (Message, error) {
	h, err := readHead(el)
	if err == nil {
		err = v.current(h, from, m.Binding)
	}
	switch {
	case err != nil:
	case !is(el, nsProtocol, tagOf(request)):
		err = refuse(BadShape, "it is another message than expected here")
	case request:
		m.Request, err = v.readRequest(h, from)
	default:
		m.Response, err = readResponse(h)
	}
	if err == nil && v.Fresh != nil {
		err = v.once(ctx, h)
	}
	if refusal, ok := err.(*Refusal); ok {
		refusal.Partner, refusal.ID = from.Name, h.id
	}
	if err != nil {
		return Message{}, err
	}
	m.From = from
	return m, nil
}

// current holds the head of a message against the clock and ourselves.
func (v *Verifier) current(h head, from Partner, b Binding) error {
	now := v.Now()
	answered := b == SOAP && h.el.Tag == tagResponse // in the exchange in which it was asked
	switch {
	case h.version != version:
		return refuse(BadVersion, "it is not SAML 2.0")
	case h.issuer != from.EntityID:
		return refuse(UnknownIssuer, "what was signed has another issuer")
	case h.destination != v.Endpoint && !(answered && h.destination == ""):
		return refuse(Misdirected, "it is meant for another place")
	case now.Sub(h.issued) > skew:
		return refuse(Stale, "it is too old")
	case h.issued.Sub(now) > skew:
		return refuse(Early, "it is from the future")
	case !h.notOnOrAfter.IsZero() && !now.Before(h.notOnOrAfter.Add(skew)):
		return refuse(Stale, "it is not good any more")
	}
	return nil
}

// once notes that a message was here, for as long as any clock of ours might take it.
func (v *Verifier) once(ctx context.Context, h head) error {
	key := keyOf("saml message", h.issuer+"\x00"+h.id)
	fresh, err := v.Fresh(ctx, key, h.issued.Add(2*skew))
	if err == nil && !fresh {
		return refuse(Replayed, "it was here before")
	}
	return err
}
