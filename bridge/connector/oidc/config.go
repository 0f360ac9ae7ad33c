package oidc

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/sync/semaphore"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
	"github.com/exeunt/exeunt/bridge/connector/internal/naming"
	"github.com/exeunt/exeunt/bridge/connector/internal/probe"
)

// Config describes one relying party:
//
//	backchannel_logout_uri: https://wiki.example.com/backchannel-logout
//	client_id: wiki
//	role: delegate
//	issuer: https://idp.example.com
type Config struct {
	URI string `yaml:"backchannel_logout_uri" json:"backchannel_logout_uri"`
	// ClientID is who the relying party is to its provider: the audience.
	ClientID string `yaml:"client_id" json:"client_id"`
	// Role is why the relying party would obey us. "delegate": it is signed in to
	// by Issuer, and finds our keys among Issuer's. "hub": its provider is exeunt.
	Role string `yaml:"role" json:"role"`
	// Issuer is the provider that we speak for as its delegate.
	Issuer string `yaml:"issuer,omitempty" json:"issuer,omitempty"`

	// Subject is what of a person the subject is when nobody has told it:
	// "userName", "email", "externalId", "id", or text with them in braces.
	// Default: none, and somebody of whom nothing was told cannot be signed out.
	Subject naming.Rule `yaml:"subject,omitempty" json:"subject,omitempty"`
	// IndexesBy is by what the relying party finds sessions: "sid" (default) or "sub".
	IndexesBy string `yaml:"indexes_by,omitempty" json:"indexes_by,omitempty"`
	// Complete says that a feed tells of every session there: who has none that is
	// known has none.
	Complete bool `yaml:"complete,omitempty" json:"complete,omitempty"`
	// Probe is where old sessions can be tried.
	Probe *probe.Config `yaml:"probe,omitempty" json:"probe,omitempty"`

	call.Egress `yaml:",inline"`

	who *Authority
}

const (
	delegate = "delegate"
	hub      = "hub"

	bySID = "sid"
	bySub = "sub"
)

// Validate returns every mistake in c. Field is the path in YAML.
func (c *Config) Validate() (problems []*bridge.Error) {
	add := func(e *bridge.Error) {
		if e != nil {
			problems = append(problems, e)
		}
	}
	add(c.CheckURL("backchannel_logout_uri", c.URI))
	if c.ClientID == "" {
		add(bridge.Invalid("client_id", "is required: the relying party takes only what is meant for it"))
	}
	switch c.Role {
	case delegate:
		if c.Issuer == "" {
			add(bridge.Invalid("issuer", "is required for role delegate: the provider that signs people in to the app, as it calls itself"))
		} else {
			add(CheckIssuer("issuer", c.Issuer))
		}
	case hub:
		if c.Issuer != "" {
			add(bridge.Invalid("issuer", "is for role delegate; as hub, exeunt itself is the issuer (oidc.issuer)"))
		}
	default:
		add(bridge.Invalid("role", "must be delegate or hub: a relying party obeys only the provider that signed somebody in, "+
			"so exeunt either has its keys published by that provider (delegate, with issuer), or is it (hub)"))
	}
	add(c.Subject.Validate("subject"))
	if !slices.Contains([]string{"", bySID, bySub}, c.IndexesBy) {
		add(bridge.Invalid("indexes_by", "must be sid or sub"))
	}
	problems = append(problems, c.Probe.Validate(c.Egress)...)
	return append(problems, c.Egress.Validate()...)
}

// CheckIssuer says what is wrong with the name of a provider (OpenID Connect Core,
// section 2: a URL without query and fragment). It is not asked, and so may be anywhere.
func CheckIssuer(field, issuer string) *bridge.Error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsAny(issuer, "?#") {
		return bridge.Invalid(field, "must be a URL without query and fragment, as the provider calls itself")
	}
	return nil
}

// Speak says who we are; it must be called before Open.
func (c *Config) Speak(a *Authority) { c.who = a }

// Relies reports whether somebody of whom no feed has told is taken to have no
// session.
func (c *Config) Relies() bool { return c.Complete }

// Open returns the connector of the relying party that c describes. It asks nobody.
func (c *Config) Open() (bridge.Connector, error) {
	if problems := c.Validate(); len(problems) > 0 {
		return nil, problems[0]
	}
	issuer := c.Issuer
	switch {
	case c.who == nil:
		return nil, errors.New("nobody has said who exeunt is towards this app")
	case c.Role == hub:
		issuer = c.who.Issuer()
	}
	if issuer == "" {
		return nil, bridge.Invalid("role", "hub needs public_url, or oidc.issuer: without, nobody knows who speaks to them")
	}
	client, err := call.New(call.Config{Egress: c.Egress})
	if err != nil {
		return nil, err
	}
	p, err := c.Probe.Open(c.Egress)
	if err != nil {
		return nil, err
	}
	return &party{client: client, uri: c.URI, who: c.who, issuer: issuer, audience: c.ClientID, probe: p,
		reach: reach{subject: c.Subject, bySub: c.IndexesBy == bySub, complete: c.Complete},
		slots: semaphore.NewWeighted(parallel)}, nil
}
