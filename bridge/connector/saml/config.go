package saml

import (
	"fmt"
	"net/url"
	"path/filepath"

	crewjam "github.com/crewjam/saml"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
	"github.com/exeunt/exeunt/bridge/connector/internal/naming"
	"github.com/exeunt/exeunt/bridge/connector/internal/pair"
	"github.com/exeunt/exeunt/bridge/connector/internal/probe"
)

// Config describes one app, a service provider:
//
//	metadata: wiki.xml
//	role: delegate
//	issuer: https://idp.example.com
//	name_id: {format: persistent, value: externalId}
type Config struct {
	// Role says why the app obeys us, which it only does to whom it believes that
	// its sessions come from: "hub", if it has its sessions from us, under our own
	// entity id; "delegate", if it has them from the organisation's identity
	// provider (issuer), whose metadata shows it our key and endpoints.
	Role string `yaml:"role" json:"role"`
	// Issuer is the entity id of the identity provider in whose name we speak.
	Issuer string `yaml:"issuer,omitempty" json:"issuer,omitempty"`
	// Key is a PEM file with the private key and certificate that sign messages to
	// this app; default the first of saml.keys.
	Key string `yaml:"key,omitempty" json:"key,omitempty"`
	// NameID is how the app knows people of whose sessions nothing is known.
	NameID *NameIDConfig `yaml:"name_id,omitempty" json:"name_id,omitempty"`
	// Encrypt hides the NameID in messages from whoever carries them.
	Encrypt bool `yaml:"encrypt,omitempty" json:"encrypt,omitempty"`
	// Complete says that we are told of every session: of whom nothing is known,
	// there is none.
	Complete bool `yaml:"complete,omitempty" json:"complete,omitempty"`
	// Once says that one message ends all sessions of a person. Without it, the
	// app is asked again until it says that there is none: some end one at a time.
	Once bool `yaml:"once,omitempty" json:"once,omitempty"`
	// Probe says how it is seen whether a session is dead.
	Probe *probe.Config `yaml:"probe,omitempty" json:"probe,omitempty"`

	Origin `yaml:",inline"`

	authority *Authority
	app       string
}

// NameIDConfig makes a NameID of what a source says about a person. It must be what
// the app was told when the person signed in, to the letter.
type NameIDConfig struct {
	// Format is "persistent", "email", "unspecified", or a URI; "" has none. There
	// is no making of transient NameIDs: they are random.
	Format string `yaml:"format,omitempty" json:"format,omitempty"`
	// Value is "userName", "email", "externalId" or "id" (the person's id in exeunt),
	// or a text with one of them in braces: "{userName}@example.com".
	Value           naming.Rule `yaml:"value" json:"value"`
	NameQualifier   string      `yaml:"name_qualifier,omitempty" json:"name_qualifier,omitempty"`
	SPNameQualifier string      `yaml:"sp_name_qualifier,omitempty" json:"sp_name_qualifier,omitempty"`
}

const (
	roleHub      = "hub"
	roleDelegate = "delegate"
)

// Speak gives the authority in whose name the app is spoken to, and the app's name.
// It goes before Open.
func (c *Config) Speak(a *Authority, app string) { c.authority, c.app = a, app }

// Relies reports whether somebody of whom no feed has told is taken to have no
// session.
func (c *Config) Relies() bool { return c.Complete }

// Root has relative file names count from dir.
func (c *Config) Root(dir string) {
	if c.Key != "" && !filepath.IsAbs(c.Key) {
		c.Key = filepath.Join(dir, c.Key)
	}
	c.Origin.Root(dir)
}

// Validate returns every mistake in c; it reads the files that c names.
func (c *Config) Validate() []*bridge.Error {
	problems := c.partner().Validate()
	add := func(field, format string, args ...any) {
		problems = append(problems, bridge.Invalid(field, format, args...))
	}
	switch {
	case c.Role != roleHub && c.Role != roleDelegate:
		add("role", "must be hub (the app has its sessions from exeunt) or delegate (from the identity provider that issuer names, "+
			"whose metadata shows the app exeunt's key): an app obeys nobody else")
	case c.Role == roleHub && c.Issuer != "":
		add("issuer", "is for role delegate; in role hub exeunt speaks as itself")
	case c.Role == roleDelegate && c.Issuer == "":
		add("issuer", "is required in role delegate: the entity id of the identity provider that the app has its sessions from")
	}
	if c.Key != "" {
		if _, err := pair.Read(c.Key); err != nil {
			add("key", "%s", err)
		}
	}
	if c.NameID != nil {
		problems = append(problems, c.NameID.validate()...)
	}
	return append(problems, c.Probe.Validate(c.Egress)...)
}

func (c *Config) partner() PartnerConfig {
	return PartnerConfig{Name: c.app, Role: RoleSP, Issuer: c.Issuer, Origin: c.Origin}
}

// Open returns the connector of the app, and makes the app known to the authority
// as a partner. It asks nobody.
func (c *Config) Open() (bridge.Connector, error) {
	if problems := c.Validate(); len(problems) > 0 {
		return nil, problems[0]
	}
	if c.authority == nil {
		return nil, fmt.Errorf("app %s: nobody is there to speak SAML in whose name", c.app)
	}
	d := &door{app: c.app, authority: c.authority, encrypt: c.Encrypt, complete: c.Complete, once: c.Once}
	var err error
	if d.client, err = call.New(call.Config{Egress: c.Egress, MaxBytes: maxMessage}); err != nil {
		return nil, err
	}
	if d.probe, err = c.Probe.Open(c.Egress); err != nil {
		return nil, err
	}
	if c.Key != "" {
		key, err := pair.Read(c.Key)
		if err != nil {
			return nil, bridge.Invalid("key", "%s", err)
		}
		d.key = &key
	}
	if c.NameID != nil {
		d.template = *c.NameID
	}
	if problem := c.authority.Register(c.partner()); problem != nil {
		return nil, problem
	}
	return d, nil
}

// longFormat is the URI of a NameID format that has a short name here (SAML core,
// section 8.3); what has none is its own.
func longFormat(name string) string {
	switch name {
	case "persistent":
		return string(crewjam.PersistentNameIDFormat)
	case "transient":
		return transient
	case "email":
		return string(crewjam.EmailAddressNameIDFormat)
	case "unspecified":
		return string(crewjam.UnspecifiedNameIDFormat)
	}
	return name
}

const transient = string(crewjam.TransientNameIDFormat)

func (n *NameIDConfig) validate() (problems []*bridge.Error) {
	switch u, err := url.Parse(n.Format); {
	case n.format() == transient:
		problems = append(problems, bridge.Invalid("name_id.format", "a transient NameID is random and cannot be made; "+
			"have exeunt told of sessions, and leave name_id out"))
	case n.format() == n.Format && n.Format != "" && (err != nil || u.Scheme == ""):
		problems = append(problems, bridge.Invalid("name_id.format", "must be persistent, email, unspecified or a URI"))
	}
	if n.Value == "" {
		problems = append(problems, bridge.Invalid("name_id.value", "is required: userName, email, externalId or id, or a text with one of them in braces"))
	} else if problem := n.Value.Validate("name_id.value"); problem != nil {
		problems = append(problems, problem)
	}
	return problems
}

func (n *NameIDConfig) format() string { return longFormat(n.Format) }

// of is a person's NameID; false if nothing makes it, or something that it needs is
// not known of them.
func (n *NameIDConfig) of(who bridge.Identifiers) (bridge.NameID, bool) {
	name := bridge.NameID{Value: n.Value.Of(who), Format: n.format(), NameQualifier: n.NameQualifier, SPNameQualifier: n.SPNameQualifier}
	return name, name.Value != ""
}
