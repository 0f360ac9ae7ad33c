package server

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector"
	"github.com/exeunt/exeunt/server/anchor"
	"github.com/exeunt/exeunt/server/siem"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
)

// Config is the configuration: one file in YAML. Every key has a good value
// when it is absent; an empty file is a working configuration without sources
// and apps.
type Config struct {
	Listen     string                    `yaml:"listen" jsonschema:"default=127.0.0.1:8080" jsonschema_description:"Address and port to listen on; set tls or put a TLS proxy before it if it is not loopback"`
	TLS        TLSConfig                 `yaml:"tls" jsonschema_description:"To end TLS here, without a proxy"`
	Proxies    []Network                 `yaml:"trusted_proxies" jsonschema_description:"Proxies before exeunt: networks or addresses whose word counts about where a request comes from (X-Forwarded-For)"`
	ProxyCert  bool                      `yaml:"client_cert_header" jsonschema_description:"The trusted proxies set or remove the header Client-Cert (RFC 9440) themselves, so it is the client's certificate"`
	PublicURL  string                    `yaml:"public_url" jsonschema:"format=uri" jsonschema_description:"Where sources reach exeunt, such as https://exeunt.example.com"`
	Data       string                    `yaml:"data" jsonschema:"default=./exeunt-data" jsonschema_description:"Directory of the database and the log's key; relative paths count from this file"`
	Database   bridge.Secret             `yaml:"database" jsonschema_description:"PostgreSQL URL, by reference; without it, SQLite in the data directory"`
	Keys       KeysConfig                `yaml:"keys" jsonschema_description:"The keys that seal what is kept of people"`
	Laws       map[string]LawConfig      `yaml:"laws" jsonschema_description:"Rules of your own about how soon an erasure must be done, by name"`
	Calendars  map[string][]string       `yaml:"calendars" jsonschema_description:"Days off of your own, by name: lists of dates such as 2026-12-24; weekends are off in each"`
	Retained   map[string]RetainedConfig `yaml:"retained" jsonschema_description:"Purposes, by name, for which somebody may be recognised again after they were forgotten; none by default"`
	Erasure    ErasureConfig             `yaml:"erasure" jsonschema_description:"How people are forgotten"`
	AdminToken bridge.Secret             `yaml:"admin_token" jsonschema_description:"The administrator's token, by reference; without it, one is kept in the data directory"`
	Operators  map[string]bridge.Secret  `yaml:"operators" jsonschema_description:"Tokens of more operators, by name and by reference: they may do what the administrator may, and the log tells them apart"`
	Auditors   map[string]bridge.Secret  `yaml:"auditors" jsonschema_description:"Tokens of auditors, by name and by reference: they may read the log, certificates and populations, and nothing else"`
	Sources    map[string]SourceConfig   `yaml:"sources" jsonschema_description:"HR systems and identity providers that may speak to us, by name"`
	SAML       SAMLConfig                `yaml:"saml" jsonschema_description:"Who exeunt is in SAML, and which identity providers may have somebody signed out; needs public_url"`
	Feeds      map[string]FeedConfig     `yaml:"feeds" jsonschema_description:"Identity providers and apps that may tell of people's sessions, by name"`
	OIDC       OIDCConfig                `yaml:"oidc" jsonschema_description:"Who exeunt is in OpenID Connect"`
	Apps       map[string]AppConfig      `yaml:"apps" jsonschema_description:"Applications whose doors are shut, by name"`
	SLA        time.Duration             `yaml:"sla" jsonschema_description:"By when every app is to be shut after somebody left, such as 24h; certificates and surveys are held against it"`
	Limits     LimitsConfig              `yaml:"limits" jsonschema_description:"What one source may ask of us"`
	Exports    map[string]siem.Config    `yaml:"exports" jsonschema_description:"Places that get each event of the log, such as a SIEM, by name"`
	Log        LogConfig                 `yaml:"log" jsonschema_description:"Where and how much is written"`
}

// AppConfig is one registered application.
type AppConfig struct {
	Title     string          `yaml:"title" jsonschema_description:"Name shown to people"`
	Connector string          `yaml:"connector" jsonschema:"required" jsonschema_description:"How its doors are shut"`
	With      any             `yaml:"with" jsonschema_description:"What the connector needs to know"`
	Policy    PolicyConfig    `yaml:"policy" jsonschema_description:"What is done when somebody leaves"`
	Limits    AppLimitsConfig `yaml:"limits" jsonschema_description:"How it is called"`
}

// PolicyConfig says which effects a trigger leads to. Absent: lock and revoke,
// as far as the app offers them. An empty list: nothing.
type PolicyConfig struct {
	Deactivate []bridge.Effect `yaml:"deactivate" jsonschema_description:"Effects when a person is made inactive; default: lock and revoke, as far as offered"`
	Delete     []bridge.Effect `yaml:"delete" jsonschema_description:"Effects when a person is deleted; default: lock and revoke, as far as offered"`
	Erase      []bridge.Effect `yaml:"erase" jsonschema_description:"Effects when a person is to be forgotten; default: erase, or else anonymise, or else delete, whichever is offered"`
	Logout     []bridge.Effect `yaml:"logout" jsonschema_description:"Whether sessions end when a person signs out elsewhere: revoke or nothing; default: revoke for saml and oidc, and nothing for others"`
}

// AppLimitsConfig is [bridge.Limits] in the file.
type AppLimitsConfig struct {
	Concurrency  int           `yaml:"concurrency" jsonschema:"minimum=1,maximum=64,default=2" jsonschema_description:"Calls in flight at once"`
	Rate         float64       `yaml:"rate" jsonschema:"exclusiveMinimum=0,maximum=1000,default=10" jsonschema_description:"Calls begun in a second"`
	Burst        int           `yaml:"burst" jsonschema:"minimum=1,maximum=1000" jsonschema_description:"Calls that may begin at once"`
	Timeout      time.Duration `yaml:"timeout" jsonschema:"default=10s" jsonschema_description:"For one call; at most 30s"`
	Deadline     time.Duration `yaml:"deadline" jsonschema:"default=24h" jsonschema_description:"From the order until an action counts as stuck"`
	RetryMin     time.Duration `yaml:"retry_min" jsonschema:"default=1s" jsonschema_description:"First back-off, doubled each time"`
	RetryMax     time.Duration `yaml:"retry_max" jsonschema:"default=10m" jsonschema_description:"Longest back-off"`
	BreakerAfter int           `yaml:"breaker_after" jsonschema:"minimum=1,maximum=1000,default=5" jsonschema_description:"Failures in a row that open the breaker"`
	BreakerWait  time.Duration `yaml:"breaker_wait" jsonschema:"default=15s" jsonschema_description:"How long the breaker stays open"`
}

// LimitsConfig bounds what comes in.
type LimitsConfig struct {
	Body  int64   `yaml:"body" jsonschema:"minimum=1024,maximum=67108864,default=16777216" jsonschema_description:"Longest request body in bytes; all under way together may take 16 times as much, and 64 MiB at least"`
	Rate  float64 `yaml:"rate" jsonschema:"exclusiveMinimum=0,maximum=1000000,default=1000" jsonschema_description:"Requests, or operations of a Bulk, in a second that one source may send; more get 429"`
	Burst int     `yaml:"burst" jsonschema:"minimum=1,maximum=1000000" jsonschema_description:"Requests that one source may send at once; default: twice the rate"`
	Queue int     `yaml:"queue" jsonschema:"minimum=1,maximum=100000,default=512" jsonschema_description:"SCIM requests under way at once; more get 429"`
}

// KeysConfig is about the key file.
type KeysConfig struct {
	File       string        `yaml:"file" jsonschema_description:"Key file; without it nothing that is kept of people can be read. Keep it off the disk of the database, and out of its backups; default: the data directory with .keys after it"`
	Keeper     string        `yaml:"keeper" jsonschema_description:"Key of a service that seals the key file: awskms://…, gcpkms://…, azurekeyvault://… or hashivault://…; credentials come from the service's own environment and files"`
	Epoch      time.Duration `yaml:"epoch" jsonschema:"default=168h" jsonschema_description:"How long its keys live; when one ends, older copies of the database become unreadable"`
	KeeperWait time.Duration `yaml:"keeper_wait" jsonschema_description:"How long a key that the keeper has destroyed can still be had back from it"`
	CopiesKept time.Duration `yaml:"copies_kept" jsonschema_description:"How long copies of the key file are kept elsewhere: until then, what it has destroyed can still be had"`
}

// LogConfig is about the technical log and the log's checkpoints.
type LogConfig struct {
	Level      string                   `yaml:"level" jsonschema:"enum=debug,enum=info,enum=warn,enum=error,default=info" jsonschema_description:"Least important line that is written"`
	Retention  time.Duration            `yaml:"retention" jsonschema_description:"How long events are kept at least before exeunt log prune may remove them; without it, for ever"`
	Checkpoint string                   `yaml:"checkpoint" jsonschema_description:"File to which each new checkpoint of the event log is also written; put it on another machine's disk"`
	Anchors    map[string]anchor.Config `yaml:"anchors" jsonschema_description:"Other places that get each checkpoint, by name"`
	Policy     string                   `yaml:"policy" jsonschema_description:"File that names witnesses, and how many must cosign (C2SP tlog-policy); those with a URL are asked"`
	Witnesses  connector.Egress         `yaml:"witnesses" jsonschema_description:"Where the policy's witnesses may be"`
}

// maxConfig is the longest configuration file that is read.
const maxConfig = 1 << 20

// LoadConfig reads the file and everything it refers to, and opens the
// connectors, which calls nobody. The error is
// [Mistakes], or that of reading the file; warnings do not keep it from being used.
func LoadConfig(file string) (Config, []bridge.App, Mistakes, error) {
	f, err := os.Open(file)
	if err != nil {
		return Config{}, nil, nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return Config{}, nil, nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	return ParseConfig(file, data, os.Getenv)
}

// ParseConfig is [LoadConfig] for data that has been read from file.
func ParseConfig(file string, data []byte, getenv func(string) string) (Config, []bridge.App, Mistakes, error) {
	d := newDecoder(file, getenv)
	var c Config
	if len(data) > maxConfig {
		d.add("", "the file is longer than 1 MiB")
	} else {
		d.document(data, &c)
	}
	var apps []bridge.App
	if d.at[""] != nil || len(d.mistakes) == 0 {
		d.check(&c)
		apps = d.apps(&c)
	}
	d.mistakes.sort()
	d.warnings.sort()
	if len(d.mistakes) > 0 {
		return Config{}, nil, d.warnings, d.mistakes
	}
	c.fill()
	c.Data = beside(file, c.Data)
	if c.Keys.File != "" {
		c.Keys.File = beside(file, c.Keys.File)
	}
	for name, e := range c.Exports {
		e.Root(filepath.Dir(file))
		c.Exports[name] = e
	}
	c.Log.place(file)
	return c, apps, d.warnings, nil
}

// place makes relative paths such that count from the configuration file.
func (l *LogConfig) place(file string) {
	for _, path := range []*string{&l.Checkpoint, &l.Policy} {
		if *path != "" {
			*path = beside(file, *path)
		}
	}
	for name, a := range l.Anchors {
		for _, path := range []*string{&a.File, &a.Folder} {
			if *path != "" {
				*path = beside(file, *path)
			}
		}
		a.Root(filepath.Dir(file))
		l.Anchors[name] = a
	}
	l.Witnesses.Root(filepath.Dir(file))
}

// ReadPolicy reads the policy that a configuration names; the zero value if it
// names none.
func (l LogConfig) ReadPolicy() (ledger.Policy, error) {
	if l.Policy == "" {
		return ledger.Policy{}, nil
	}
	text, err := os.ReadFile(l.Policy)
	if err != nil {
		return ledger.Policy{}, withoutPath(err)
	}
	return ledger.ParsePolicy(text)
}

// beside makes a relative path one that counts from the configuration file.
func beside(file, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

// fill puts in the defaults.
func (c *Config) fill() {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:8080")
	c.Data = cmp.Or(c.Data, "./exeunt-data")
	c.Erasure.Law = cmp.Or(c.Erasure.Law, DefaultLaw)
	c.Keys.Epoch = cmp.Or(c.Keys.Epoch, store.DefaultEpoch)
	c.Limits.Body = cmp.Or(c.Limits.Body, 16<<20)
	c.Limits.Rate = cmp.Or(c.Limits.Rate, 1000)
	c.Limits.Burst = cmp.Or(c.Limits.Burst, max(1, int(2*c.Limits.Rate)))
	c.Limits.Queue = cmp.Or(c.Limits.Queue, 512)
	c.Log.Level = cmp.Or(c.Log.Level, "info")
}

// Linger is how long after its destruction a key can still be had from somewhere.
func (k KeysConfig) Linger() time.Duration { return max(k.KeeperWait, k.CopiesKept) }

// KeyFile is where the keys are: where the configuration says, or else beside the
// data directory, and not in it.
func (c Config) KeyFile() string {
	return cmp.Or(c.Keys.File, filepath.Clean(c.Data)+".keys")
}

// DefaultConfig is what an empty file says.
func DefaultConfig() (c Config) {
	c.fill()
	return c
}
