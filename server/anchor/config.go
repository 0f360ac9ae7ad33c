package anchor

import (
	"crypto/tls"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector"
	"github.com/exeunt/exeunt/bridge/connector/webhook"
	"github.com/exeunt/exeunt/server/syslog"
)

// Config is one place; exactly one of File, Folder, Webhook and Syslog is set.
type Config struct {
	File    string          `yaml:"file" jsonschema_description:"File that is replaced with each checkpoint"`
	Folder  string          `yaml:"folder" jsonschema_description:"Folder that gets a file for each checkpoint; nothing in it is changed, so it may refuse that"`
	Webhook string          `yaml:"webhook" jsonschema:"format=uri" jsonschema_description:"Address that each checkpoint is sent to, signed (Standard Webhooks)"`
	Secrets []bridge.Secret `yaml:"secrets" jsonschema_description:"Secrets that sign what is sent to the webhook, by reference"`
	Syslog  string          `yaml:"syslog" jsonschema_description:"Syslog receiver (RFC 5424), such as tls://siem.example.com:6514; tcp:// and udp:// work too"`

	connector.Egress `yaml:",inline"`
}

// Validate returns every mistake in c. Field is the path in YAML.
func (c Config) Validate() (problems []*bridge.Error) {
	n := 0
	for _, s := range []string{c.File, c.Folder, c.Webhook, c.Syslog} {
		if s != "" {
			n++
		}
	}
	if n != 1 {
		problems = append(problems, &bridge.Error{Kind: bridge.KindInvalid, Message: "needs one of file, folder, webhook and syslog"})
	}
	if c.Webhook != "" {
		if e := c.CheckURL("webhook", c.Webhook); e != nil {
			problems = append(problems, e)
		}
		problems = append(problems, webhook.CheckSecrets(c.Secrets)...)
	} else if len(c.Secrets) > 0 {
		problems = append(problems, &bridge.Error{Kind: bridge.KindInvalid, Field: "secrets", Message: "are for a webhook; leave them out"})
	}
	if c.Syslog != "" {
		if _, err := syslog.ParseTarget(c.Syslog); err != nil {
			problems = append(problems, &bridge.Error{Kind: bridge.KindInvalid, Field: "syslog", Message: err.Error()})
		}
	}
	return append(problems, c.Egress.Validate()...)
}

// Open returns the place. It asks nobody.
func (c Config) Open(now func() time.Time) (Place, error) {
	switch {
	case c.File != "":
		return NewFile(c.File), nil
	case c.Folder != "":
		return NewFolder(c.Folder), nil
	case c.Webhook != "":
		client, err := connector.NewClient(c.Egress, limit)
		if err != nil {
			return nil, err
		}
		signing, err := webhook.NewSigning(c.Secrets)
		return hook{client, c.Webhook, signing, now}, err
	}
	to, err := syslog.ParseTarget(c.Syslog)
	if err != nil {
		return nil, err
	}
	roots, err := c.Egress.Roots()
	return journal{to, &tls.Config{RootCAs: roots}, now}, err
}
