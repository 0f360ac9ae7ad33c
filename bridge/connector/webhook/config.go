// Package webhook shuts doors in apps that nobody wrote a connector for: it
// sends them signed messages, as the Standard Webhooks specification describes
// (github.com/standard-webhooks/standard-webhooks), and the app does the rest.
//
//	config.go    Config: what an administrator writes; Validate, Open
//	message.go   what is sent, and how it is signed              pure
//	webhook.go   the connector: Do, Check, Probe
//
// One order is one message, with the same id and the same body in every
// attempt, so that a receiver can tell a repetition. The answer 410 means that
// the receiver wants no more messages: it gets none until exeunt is restarted.
package webhook

import (
	"fmt"
	"slices"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

// Config describes one app:
//
//	url: https://hooks.example.com/exeunt
//	secrets: [env:HOOK_SECRET]
//	check: true
type Config struct {
	URL string `yaml:"url" json:"url"`
	// Secrets sign each message, all of them, so that a secret can be replaced
	// without a gap: "whsec_" and 24 to 64 bytes in base64.
	Secrets []bridge.Secret `yaml:"secrets" json:"secrets"`
	// Identify says what the app calls an account: "userName" (default),
	// "email", "externalId", or "id", the person's id in exeunt.
	Identify string `yaml:"identify,omitempty" json:"identify,omitempty"`
	// Effects are what the app carries out; default lock, revoke, delete and
	// restore.
	Effects []bridge.Effect `yaml:"effects,omitempty" json:"effects,omitempty"`
	// Check says that the app answers "exeunt.check" with {"state": "shut"},
	// "open" or "pending". Without it nothing here is ever shown as proven.
	Check bool `yaml:"check,omitempty" json:"check,omitempty"`

	call.Egress `yaml:",inline"`
}

const (
	byUserName   = "userName"
	byEmail      = "email"
	byExternalID = "externalId"
	byID         = "id"

	minKey, maxKey = 24, 64
)

// Validate returns every mistake in c. Field is the path in YAML.
func (c *Config) Validate() (problems []*bridge.Error) {
	add := func(field, format string, args ...any) {
		problems = append(problems, bridge.Invalid(field, format, args...))
	}
	if e := c.CheckURL("url", c.URL); e != nil {
		problems = append(problems, e)
	}
	problems = append(problems, CheckSecrets(c.Secrets)...)
	if !slices.Contains([]string{"", byUserName, byEmail, byExternalID, byID}, c.Identify) {
		add("identify", "must be userName, email, externalId or id")
	}
	for i, e := range c.Effects {
		if !slices.Contains(bridge.Effects, e) {
			add(fmt.Sprintf("effects[%d]", i), "must be one of %v", bridge.Effects)
		} else if slices.Contains(c.Effects[:i], e) {
			add(fmt.Sprintf("effects[%d]", i), "is there twice")
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
	h := &hook{client: client, url: c.URL, identify: c.Identify, checks: c.Check}
	if h.signing, err = NewSigning(c.Secrets); err != nil {
		return nil, err
	}
	if h.identify == "" {
		h.identify = byUserName
	}
	effects := c.Effects
	if len(effects) == 0 {
		effects = []bridge.Effect{bridge.Lock, bridge.Revoke, bridge.Delete, bridge.Restore}
	}
	undo := slices.Contains(effects, bridge.Restore)
	for _, e := range effects {
		h.offers = append(h.offers, bridge.Capability{Effect: e, Checked: c.Check,
			Undo: undo && e != bridge.Restore && !e.Destructive()})
	}
	return h, nil
}
