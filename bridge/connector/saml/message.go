package saml

import (
	"crypto/x509"
	"time"

	crewjam "github.com/crewjam/saml"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/pair"
)

// Pair is a private key with its certificate.
type Pair = pair.Pair

// Binding is how a message travels (SAML bindings, sections 3.2, 3.4 and 3.5).
type Binding string

const (
	SOAP     Binding = crewjam.SOAPBinding
	Redirect Binding = crewjam.HTTPRedirectBinding
	POST     Binding = crewjam.HTTPPostBinding
)

// Role is in what role a partner speaks to us. The same entity may have both,
// with keys of its own in each.
type Role string

const (
	RoleIdP Role = "idp" // the organisation's identity provider: it has somebody signed out everywhere
	RoleSP  Role = "sp"  // an app, whose sessions we may end
)

// Endpoint is where a partner takes logout messages.
type Endpoint struct {
	Binding     Binding
	Location    string
	ResponseURL string // ResponseLocation; "" means Location
}

// Partner is one entity that we exchange logout messages with.
type Partner struct {
	Name      string // of the app, or of the identity provider, in the configuration
	EntityID  string
	Role      Role
	Issuer    string // the entity id that we speak to it as
	Signing   []*x509.Certificate
	Encrypt   *x509.Certificate // for NameIDs that we send; nil: in clear
	GCM       bool              // it says that it reads AES-GCM, which is better than CBC
	CBC       bool              // it may encrypt with AES-CBC, which nobody can authenticate
	Endpoints []Endpoint
}

// takes is where a partner takes messages by a binding; false if it does not.
func (p Partner) takes(b Binding) (Endpoint, bool) {
	for _, at := range p.Endpoints {
		if at.Binding == b {
			return at, true
		}
	}
	return Endpoint{}, false
}

// Request is a LogoutRequest (SAML core, section 3.7.1).
type Request struct {
	ID           string
	Issuer       string
	Destination  string
	Issued       time.Time
	NotOnOrAfter time.Time // zero: none
	Name         bridge.NameID
	Indexes      []string // SessionIndex; none means all sessions
	Asynchronous bool     // nobody waits for an answer (aslo:Asynchronous)
}

// Response is a LogoutResponse (SAML core, section 3.7.2).
type Response struct {
	ID           string
	Issuer       string
	Destination  string
	Issued       time.Time
	InResponseTo string
	Status       string // top-level status code
	Second       string // second-level status code; "" for none
}

// Status codes (SAML core, section 3.2.2.2). crewjam's word for success is a variable,
// which anybody could make mean something else.
const (
	StatusSuccess          = "urn:oasis:names:tc:SAML:2.0:status:Success"
	StatusRequester        = crewjam.StatusRequester
	StatusResponder        = crewjam.StatusResponder
	StatusVersionMismatch  = crewjam.StatusVersionMismatch
	StatusPartialLogout    = crewjam.StatusPartialLogout
	StatusRequestDenied    = crewjam.StatusRequestDenied
	StatusUnknownPrincipal = crewjam.StatusUnknownPrincipal
)

// Message is a verified message: either a request or a response.
type Message struct {
	Request    *Request
	Response   *Response
	From       Partner
	Binding    Binding
	RelayState string // as it came: a key to look something up by, and nothing else
}
