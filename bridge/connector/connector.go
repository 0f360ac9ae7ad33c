// Package connector is the one list of the protocols in which doors are shut.
//
//	scim/             apps with a SCIM 2.0 interface
//	webhook/          apps that carry out signed messages
//	rest/             apps with an HTTP API, described by a recipe
//	oidc/             apps that people are signed in to by OpenID Connect
//	oauth/            servers that issue tokens by OAuth 2.0
//	saml/             apps that people are signed in to by SAML 2.0; and all else that is SAML
//	internal/call/    the way out that all of them take
//	internal/probe/   old credentials tried, to see whether sessions are dead
//	internal/naming/  what an app calls a person of whom nobody has told
//	internal/pair/    keys to sign with, in a file with their certificate
//	get.go            Get: one document that is public, on the same way out
//	sandbox/          small apps that fail on purpose, for the demo and for tests
//	connectortest/    the suite that every connector passes
//
// A protocol is a package with a Config and one line here. There is no
// registration by init: what is in the binary is what is in the list.
package connector

import (
	"fmt"
	"strings"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/oauth"
	"github.com/exeunt/exeunt/bridge/connector/oidc"
	"github.com/exeunt/exeunt/bridge/connector/rest"
	"github.com/exeunt/exeunt/bridge/connector/saml"
	"github.com/exeunt/exeunt/bridge/connector/scim"
	"github.com/exeunt/exeunt/bridge/connector/webhook"
)

// Configuration is how one app is described to its connector. It is a pointer
// to a struct with yaml and json tags, so that a configuration file can be read
// into it strictly. Secrets in it are of type [bridge.Secret], and hold the
// secret itself, not a reference to it, when Validate and Open are called.
type Configuration interface {
	// Validate returns every mistake, of kind invalid; Field is the path in
	// YAML, "match[1]". It may read files, a recipe for instance, but asks nobody.
	Validate() []*bridge.Error
	// Open returns the connector. It may read files, but asks nobody.
	Open() (bridge.Connector, error)
}

type protocol struct {
	name   string
	config func() Configuration
}

// The list.
func protocols() []protocol {
	return []protocol{
		{"oauth", func() Configuration { return new(oauth.Config) }},
		{"oidc", func() Configuration { return new(oidc.Config) }},
		{"rest", func() Configuration { return new(rest.Config) }},
		{"saml", func() Configuration { return new(saml.Config) }},
		{"scim", func() Configuration { return new(scim.Config) }},
		{"webhook", func() Configuration { return new(webhook.Config) }},
	}
}

// Protocols are the names in the list.
func Protocols() (names []string) {
	for _, p := range protocols() {
		names = append(names, p.name)
	}
	return names
}

// Config returns an empty configuration of a protocol, to be read into; nil if
// there is no such protocol.
func Config(protocol string) Configuration {
	for _, p := range protocols() {
		if p.name == protocol {
			return p.config()
		}
	}
	return nil
}

// Self is who we are, for apps that do what they are told only by whom they know.
type Self struct {
	SAML *saml.Authority
	OIDC *oidc.Authority
}

// Open returns the connector of one app. cfg is what [Config] returned, filled.
func Open(protocol string, cfg any, app string, self Self) (bridge.Connector, error) {
	want := Config(protocol)
	if want == nil {
		return nil, bridge.Errorf(bridge.KindInvalid, "app %s: there is no connector %q; there are %s",
			app, protocol, strings.Join(Protocols(), ", "))
	}
	c, ok := cfg.(Configuration)
	if !ok || fmt.Sprintf("%T", c) != fmt.Sprintf("%T", want) {
		return nil, fmt.Errorf("app %s: %T is no configuration of connector %s", app, cfg, protocol)
	}
	switch c := c.(type) {
	case *saml.Config:
		c.Speak(self.SAML, app)
	case *oidc.Config:
		c.Speak(self.OIDC)
	}
	return c.Open()
}
