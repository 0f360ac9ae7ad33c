package siem

import (
	"cmp"
	"crypto/tls"
	"path/filepath"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector"
	"github.com/exeunt/exeunt/bridge/connector/webhook"
	"github.com/exeunt/exeunt/server/syslog"
)

// Config is one export.
type Config struct {
	To      string          `yaml:"to" jsonschema:"required" jsonschema_description:"Where events go: https://…, syslog+tls://host:6514, syslog+tcp://host:601, or a file"`
	Format  string          `yaml:"format" jsonschema:"enum=json,enum=ocsf,enum=cef,enum=cloudevents,default=json" jsonschema_description:"How an event is written"`
	OCSF    string          `yaml:"ocsf" jsonschema:"enum=1.8,enum=1.9,default=1.8" jsonschema_description:"Version of the schema, for format ocsf"`
	Token   bridge.Secret   `yaml:"token" jsonschema_description:"Bearer token for https, by reference"`
	Secrets []bridge.Secret `yaml:"secrets" jsonschema_description:"Secrets that sign what is sent by https (Standard Webhooks), by reference"`

	connector.Egress `yaml:",inline"`
}

const (
	overTLS = "syslog+tls://"
	overTCP = "syslog+tcp://"
)

func (c Config) web() bool {
	return strings.HasPrefix(c.To, "http:") || strings.HasPrefix(c.To, "https:")
}

// journal is the address of a syslog receiver, as package syslog writes it; "" if
// the export goes elsewhere.
func (c Config) journal() string {
	if strings.HasPrefix(c.To, overTLS) || strings.HasPrefix(c.To, overTCP) {
		return strings.TrimPrefix(c.To, "syslog+")
	}
	return ""
}

// Root has relative file names count from dir.
func (c *Config) Root(dir string) {
	c.Egress.Root(dir)
	if c.To != "" && !strings.Contains(c.To, "://") && !filepath.IsAbs(c.To) {
		c.To = filepath.Join(dir, c.To)
	}
}

// Validate returns every mistake in c. Field is the path in YAML.
func (c Config) Validate() (problems []*bridge.Error) {
	wrong := func(field, message string) {
		problems = append(problems, &bridge.Error{Kind: bridge.KindInvalid, Field: field, Message: message})
	}
	switch {
	case c.To == "":
		wrong("to", "is missing; it is where events go, such as https://siem.example.com/events or syslog+tls://siem.example.com:6514")
	case c.web():
		if e := c.CheckURL("to", c.To); e != nil {
			problems = append(problems, e)
		}
		if len(c.Secrets) > 0 {
			problems = append(problems, webhook.CheckSecrets(c.Secrets)...)
		}
	case c.journal() != "":
		if _, err := syslog.ParseTarget(c.journal()); err != nil {
			wrong("to", "needs an address such as syslog+tls://siem.example.com:6514")
		}
	case strings.Contains(c.To, "://"):
		wrong("to", "must begin with https://, syslog+tls:// or syslog+tcp://, or be a file")
	}
	if !c.web() && (c.Token != "" || len(c.Secrets) > 0) {
		wrong("to", "is no web address; token and secrets are for those, so leave them out")
	}
	if c.Format != "" && c.encoder(Log{}) == nil {
		wrong("format", "is one of json, ocsf, cef and cloudevents")
	}
	if c.OCSF != "" && (c.Format != "ocsf" || c.OCSF != "1.8" && c.OCSF != "1.9") {
		wrong("ocsf", "is 1.8 or 1.9, and goes with format: ocsf")
	}
	return append(problems, c.Egress.Validate()...)
}

// encoder is how a row is written: one line; nil if nobody knows the format.
func (c Config) encoder(l Log) func(Row) []byte {
	switch cmp.Or(c.Format, "json") {
	case "json":
		return l.json
	case "ocsf":
		return func(r Row) []byte { return l.ocsf(r, cmp.Or(c.OCSF, "1.8")) }
	case "cef":
		return l.cef
	case "cloudevents":
		return l.cloud
	}
	return nil
}

// Open returns the receiver. It asks nobody.
func (c Config) Open(l Log, now func() time.Time) (Receiver, error) {
	encode := c.encoder(l)
	if c.web() {
		client, err := connector.NewClient(c.Egress, limit)
		if err != nil {
			return nil, err
		}
		h := &hook{client: client, url: c.To, format: cmp.Or(c.Format, "json"), encode: encode, token: c.Token, now: now}
		if len(c.Secrets) > 0 {
			signing, err := webhook.NewSigning(c.Secrets)
			if err != nil {
				return nil, err
			}
			h.signing = &signing
		}
		return h, nil
	}
	if address := c.journal(); address != "" {
		to, err := syslog.ParseTarget(address)
		if err != nil {
			return nil, err
		}
		roots, err := c.Egress.Roots()
		return &journal{to: to, dialer: c.Egress.Dialer(to.Port()), tls: &tls.Config{RootCAs: roots}, log: l, encode: encode}, err
	}
	return &file{path: c.To, encode: encode}, nil
}
