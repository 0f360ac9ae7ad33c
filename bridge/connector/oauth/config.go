// Package oauth revokes tokens at the authorization server that issued them
// (RFC 7009), and asks it afterwards whether they are dead (RFC 7662).
//
//	config.go  Config: what an administrator writes; Validate, Open
//	oauth.go   the connector: Find, Do, Check, Probe
//	wire.go    one exchange: revocation, introspection, client authentication
//
// Refresh tokens go first: as long as one lives, it makes access tokens. Servers
// answer 200 also for a token that they do not know, so that answer is
// their word and no more. Nor does "active": false prove anything by itself: a server
// says so too of tokens that we may not ask about (RFC 7662, section 2.2). So it
// counts only if one of the tokens was active before.
//
// A token goes onto the wire and nowhere else.
package oauth

import (
	"slices"

	"golang.org/x/sync/semaphore"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
	"github.com/exeunt/exeunt/bridge/connector/internal/probe"
)

// Config describes one authorization server, as the client whose tokens are
// revoked is known there:
//
//	revocation_endpoint: https://as.example.com/revoke
//	introspection_endpoint: https://as.example.com/introspect
//	client_id: mail
//	client_secret: file:/run/secrets/mail
type Config struct {
	Revocation string `yaml:"revocation_endpoint" json:"revocation_endpoint"`
	// Introspection is where the server says whether a token is active. Without it,
	// and without a probe, nothing here is ever shown as proven.
	Introspection string `yaml:"introspection_endpoint,omitempty" json:"introspection_endpoint,omitempty"`

	// ClientID is the client that the tokens were issued to: servers revoke no others'.
	ClientID     string        `yaml:"client_id" json:"client_id"`
	ClientSecret bridge.Secret `yaml:"client_secret,omitempty" json:"client_secret,omitempty"`
	// Auth is how the client shows who it is: "basic" (default), "post", or "none" for
	// a public client.
	Auth string `yaml:"auth,omitempty" json:"auth,omitempty"`
	// IntrospectionID and IntrospectionSecret are for servers where another client
	// asks about tokens than has them revoked.
	IntrospectionID     string        `yaml:"introspection_client_id,omitempty" json:"introspection_client_id,omitempty"`
	IntrospectionSecret bridge.Secret `yaml:"introspection_client_secret,omitempty" json:"introspection_client_secret,omitempty"`

	// Complete says that a feed tells of every token: who has none that is known
	// has none.
	Complete bool `yaml:"complete,omitempty" json:"complete,omitempty"`
	// Probe is where old access tokens can be tried, instead of introspection: it also
	// notices an app that goes on believing a token that is revoked.
	Probe *probe.Config `yaml:"probe,omitempty" json:"probe,omitempty"`

	call.Egress `yaml:",inline"`
}

const (
	basic = "basic"
	post  = "post"
	none  = "none"
)

// Validate returns every mistake in c. Field is the path in YAML.
func (c *Config) Validate() (problems []*bridge.Error) {
	add := func(field, format string, args ...any) {
		problems = append(problems, bridge.Invalid(field, format, args...))
	}
	url := func(field, raw string) {
		if e := c.CheckURL(field, raw); e != nil {
			problems = append(problems, e)
		}
	}
	url("revocation_endpoint", c.Revocation)
	if c.Introspection != "" {
		url("introspection_endpoint", c.Introspection)
		if c.Probe != nil {
			add("probe", "is another way to check than introspection_endpoint; leave out one of the two")
		}
	}
	if c.ClientID == "" {
		add("client_id", "is required: a server revokes the tokens of the client who asks, and no others")
	}
	switch {
	case !slices.Contains([]string{"", basic, post, none}, c.Auth):
		add("auth", "must be basic, post or none")
	case c.Auth == none && c.ClientSecret != "":
		add("client_secret", "is not used with auth none; leave out one of the two")
	case c.Auth != none && c.ClientSecret == "":
		add("client_secret", "is required; a public client, which has none, needs auth: none")
	}
	switch {
	case c.IntrospectionID == "" && c.IntrospectionSecret != "":
		add("introspection_client_id", "is required with introspection_client_secret")
	case c.IntrospectionID != "" && c.IntrospectionSecret == "":
		add("introspection_client_secret", "is required with introspection_client_id")
	case c.IntrospectionID != "" && c.Introspection == "":
		add("introspection_endpoint", "is required with introspection_client_id")
	}
	problems = append(problems, c.Probe.Validate(c.Egress)...)
	return append(problems, c.Egress.Validate()...)
}

// Relies reports whether somebody of whom no feed has told is taken to have no
// token.
func (c *Config) Relies() bool { return c.Complete }

// Open returns the connector of the authorization server that c describes. It
// asks nobody.
func (c *Config) Open() (bridge.Connector, error) {
	if problems := c.Validate(); len(problems) > 0 {
		return nil, problems[0]
	}
	client, err := call.New(call.Config{Egress: c.Egress})
	if err != nil {
		return nil, err
	}
	revoking := credentials{c.ClientID, c.ClientSecret, c.Auth}
	s := &server{client: client, revocation: endpoint{"POST revocation", c.Revocation, revoking},
		complete: c.Complete, slots: semaphore.NewWeighted(parallel)}
	if c.Introspection == "" {
		s.probe, err = c.Probe.Open(c.Egress)
		return s, err
	}
	asking := revoking
	if c.IntrospectionID != "" {
		asking.id, asking.secret = c.IntrospectionID, c.IntrospectionSecret
		if asking.auth == none {
			asking.auth = basic
		}
	}
	s.introspection = &endpoint{"POST introspection", c.Introspection, asking}
	s.probe = probe.By(held, s.active)
	return s, nil
}
