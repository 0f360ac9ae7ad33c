// Package scim shuts doors in apps that speak SCIM 2.0 (RFC 7643, RFC 7644);
// here exeunt is the client.
//
//	config.go   Config: what an administrator writes; Validate, Open
//	find.go     Find: search, and the exact match behind it
//	do.go       Do: PATCH, else PUT; DELETE
//	check.go    Check, Probe: reading back, and the proof that somebody is gone
//	user.go     what is read out of a User, however it is written      pure
//	wire.go     requests of this protocol
//
// Real servers differ from the RFC; what this client survives is: PATCH that is
// refused with a path, without one, or altogether; 200 with the old value; 204;
// 404, 410 or 403 for somebody who is gone; active as a string; searches that
// ignore their filter, or answer 404 for nobody.
package scim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

// Config describes one app:
//
//	base_url: https://app.example.com/scim/v2
//	token: file:/run/secrets/app
//	match: [userName, email]
type Config struct {
	BaseURL string        `yaml:"base_url" json:"base_url"`
	Token   bridge.Secret `yaml:"token" json:"token"` // bearer token

	// Match says by what the app knows a person, tried in this order:
	// "userName", "externalId", "email"; default userName, then email.
	Match []string `yaml:"match,omitempty" json:"match,omitempty"`
	// Deactivate says how the app locks an account: "patch" (default; falls
	// back to PUT by itself), "put", or "delete", for apps whose DELETE only
	// deactivates.
	Deactivate string `yaml:"deactivate,omitempty" json:"deactivate,omitempty"`
	// Effects are what the app offers, of "lock", "delete" and "restore";
	// default all, but with deactivate: delete only "lock".
	Effects []bridge.Effect `yaml:"effects,omitempty" json:"effects,omitempty"`

	call.Egress `yaml:",inline"`
}

const (
	byUserName   = "userName"
	byExternalID = "externalId"
	byEmail      = "email"

	viaPatch  = "patch"
	viaPut    = "put"
	viaDelete = "delete"
)

// Validate returns every mistake in c. Field is the path in YAML.
func (c *Config) Validate() (problems []*bridge.Error) {
	add := func(field, format string, args ...any) {
		problems = append(problems, bridge.Invalid(field, format, args...))
	}
	if e := c.CheckURL("base_url", c.BaseURL); e != nil {
		problems = append(problems, e)
	} else if strings.Contains(c.BaseURL, "?") {
		add("base_url", "must not have a query")
	}
	if c.Token == "" {
		add("token", "is required")
	} else if strings.ContainsFunc(string(c.Token), func(r rune) bool { return r <= ' ' || r > '~' }) {
		add("token", "must be printable ASCII without spaces; perhaps there is a line break at its end")
	}
	for i, m := range c.Match {
		if !slices.Contains([]string{byUserName, byExternalID, byEmail}, m) {
			add(fmt.Sprintf("match[%d]", i), "must be userName, externalId or email")
		} else if slices.Contains(c.Match[:i], m) {
			add(fmt.Sprintf("match[%d]", i), "is there twice")
		}
	}
	if !slices.Contains([]string{"", viaPatch, viaPut, viaDelete}, c.Deactivate) {
		add("deactivate", "must be patch, put or delete")
	}
	for i, e := range c.Effects {
		field := fmt.Sprintf("effects[%d]", i)
		switch {
		case e != bridge.Lock && e != bridge.Delete && e != bridge.Restore:
			add(field, "must be lock, delete or restore; SCIM can do no other")
		case c.Deactivate == viaDelete && e != bridge.Lock:
			add(field, "must be lock, because deactivate is delete")
		case slices.Contains(c.Effects[:i], e):
			add(field, "is there twice")
		}
	}
	return append(problems, c.Egress.Validate()...)
}

// Open returns the connector of the app that c describes. It asks nobody.
func (c *Config) Open() (bridge.Connector, error) {
	if problems := c.Validate(); len(problems) > 0 {
		return nil, problems[0]
	}
	client, err := call.New(call.Config{Egress: c.Egress})
	if err != nil {
		return nil, err
	}
	d := &door{client: client, base: strings.TrimRight(c.BaseURL, "/"), token: c.Token,
		match: c.Match, lockBy: c.Deactivate}
	if len(d.match) == 0 {
		d.match = []string{byUserName, byEmail}
	}
	if d.lockBy == "" {
		d.lockBy = viaPatch
	}
	effects := c.Effects
	if len(effects) == 0 {
		effects = []bridge.Effect{bridge.Lock, bridge.Delete, bridge.Restore}
		if d.lockBy == viaDelete {
			effects = effects[:1]
		}
	}
	undo := slices.Contains(effects, bridge.Restore)
	for _, e := range effects {
		d.offers = append(d.offers, bridge.Capability{Effect: e, Covers: []string{"account"},
			Undo: undo && e == bridge.Lock, Checked: true})
	}
	return d, nil
}

// door is one app. It holds no state between calls.
type door struct {
	client *call.Client
	base   string
	token  bridge.Secret
	match  []string
	lockBy string
	offers bridge.Capabilities
}

// Capabilities says what the app was configured to offer.
func (d *door) Capabilities() bridge.Capabilities { return slices.Clone(d.offers) }
