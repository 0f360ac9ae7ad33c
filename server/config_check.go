package server

import (
	"cmp"
	"crypto/sha256"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector"
	"github.com/exeunt/exeunt/scim"
	"github.com/exeunt/exeunt/server/siem"
	"github.com/exeunt/exeunt/store/vault/keeper"
)

var namePattern = regexp.MustCompile(`^[a-z0-9]+([_-][a-z0-9]+)*$`)

// minToken is the fewest characters that a token from elsewhere may have.
const minToken = 24

// federated are the connectors of apps that people are signed in to from elsewhere.
var federated = []string{"oidc", "saml"}

var levels = []string{"debug", "info", "warn", "error"}

// check notes what is wrong with values that were read without mistake.
func (d *decoder) check(c *Config) {
	d.checkAddresses(c)
	seen := map[[32]byte]string{}
	d.checkToken(c.AdminToken, "admin_token", AdminToken, seen)
	d.checkTokens(c.Operators, "operators", AdminToken, seen)
	d.checkTokens(c.Auditors, "auditors", AuditToken, seen)
	d.checkSources(c, seen)
	d.checkFeeds(c, seen)
	d.checkSAML(c)
	d.checkOIDC(c)
	d.oneOf(c.Log.Level, levels, "log.level")
	within(d, c.SLA, time.Second, 365*24*time.Hour, "sla")
	d.checkLog(c.Log)
	d.checkExports(c.Exports)
	if c.Keys.Keeper != "" {
		if err := keeper.Check(c.Keys.Keeper); err != nil {
			d.add("keys.keeper", "%s", err)
		}
	}
	within(d, c.Keys.Epoch, time.Second, 366*24*time.Hour, "keys.epoch")
	within(d, c.Keys.KeeperWait, 0, 366*24*time.Hour, "keys.keeper_wait")
	within(d, c.Keys.CopiesKept, 0, 366*24*time.Hour, "keys.copies_kept")
	if inside(c.Keys.File, c.Data) {
		d.warn("keys.file", "is in the data directory: whoever copies that has the keys to it; name a place elsewhere")
	}
	d.checkLaws(c)
	within(d, c.Erasure.After, 0, 10*366*24*time.Hour, "erasure.after")
	d.oneOf(string(c.Erasure.Approval), []string{"none", "operator", "four_eyes"}, "erasure.approval")
	d.checkRetained(c)
	within(d, c.Limits.Body, 1024, 64<<20, "limits.body")
	within(d, c.Limits.Rate, 0.001, 1e6, "limits.rate")
	within(d, c.Limits.Burst, 1, 1e6, "limits.burst")
	within(d, c.Limits.Queue, 1, 1e5, "limits.queue")
}

// checkExports notes what is wrong with where events go.
func (d *decoder) checkExports(exports map[string]siem.Config) {
	for _, name := range slices.Sorted(maps.Keys(exports)) {
		path := join("exports", name)
		d.checkName(name, path)
		for _, e := range exports[name].Validate() {
			if at := join(path, e.Field); !d.failed(at) {
				d.add(at, "%s", e.Message)
			}
		}
	}
}

// checkLog notes what is wrong with where checkpoints go, before paths were
// made to count from the file.
// leastRetention is what PCI DSS 10.5.1 asks for; others ask for more.
const leastRetention = 365 * 24 * time.Hour

func (d *decoder) checkLog(l LogConfig) {
	within(d, l.Retention, leastRetention, 100*leastRetention, "log.retention")
	l.Anchors = maps.Clone(l.Anchors)
	l.place(d.file)
	for _, name := range slices.Sorted(maps.Keys(l.Anchors)) {
		path := join("log.anchors", name)
		d.checkName(name, path)
		for _, e := range l.Anchors[name].Validate() {
			if at := strings.TrimSuffix(join(path, e.Field), "."); !d.failed(at) {
				d.add(at, "%s", e.Message)
			}
		}
	}
	for _, e := range l.Witnesses.Validate() {
		d.add(join("log.witnesses", e.Field), "%s", e.Message)
	}
	policy, err := l.ReadPolicy()
	if err != nil {
		d.add("log.policy", "cannot be used: %s", strings.TrimPrefix(err.Error(), "ledger: "))
	}
	for _, w := range policy.Witnesses {
		if w.URL == "" {
			continue
		}
		if e := l.Witnesses.CheckURL("url", w.URL); e != nil {
			d.add("log.policy", "the address of witness %s %s", w.Name, strings.Replace(e.Message, "allow_networks", "log.witnesses.allow_networks", 1))
		}
	}
}

func (d *decoder) checkAddresses(c *Config) {
	if c.Listen != "" {
		host, port, err := net.SplitHostPort(c.Listen)
		if n, err2 := strconv.ParseUint(port, 10, 16); err != nil || err2 != nil || n > 65535 {
			d.add("listen", "needs address:port, such as 127.0.0.1:8080 or :8080")
		} else if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) && !strings.HasPrefix(c.PublicURL, "https://") && c.TLS.Cert == "" {
			d.warn("listen", "is not loopback, and tokens travel in clear without TLS; set tls, or put a TLS proxy before it and set public_url")
		}
	}
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
			d.add("public_url", "needs a URL, such as https://exeunt.example.com")
		case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
			d.add("public_url", "must not have a user, query or fragment; leave them out")
		}
	}
	if c.Database != "" {
		u, err := url.Parse(string(c.Database))
		if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
			d.add("database", "what it refers to is not a PostgreSQL URL; it begins with postgres://")
		}
	}
}

// checkToken notes what is wrong with a token of the given kind.
func (d *decoder) checkToken(t bridge.Secret, path string, want TokenKind, seen map[[32]byte]string) {
	if t == "" {
		return // absent, or its own mistake
	}
	if len(t) < minToken {
		advice := ""
		if want == SCIMToken {
			advice = ": exeunt token new makes one"
		}
		d.add(path, "what it refers to has %d characters; a token needs at least %d%s", len(t), minToken, advice)
		return
	}
	if strings.HasPrefix(string(t), "exe_") {
		made, ok := ParseToken(string(t))
		switch {
		case !ok:
			d.add(path, "what it refers to looks like a token of exeunt, but its checksum is wrong; copy it again, whole")
		case made.Kind != want:
			d.add(path, "what it refers to is a token for another door (%s); this needs %s", made.Kind, want)
		}
	}
	sum := sha256.Sum256([]byte(t))
	if first, twice := seen[sum]; twice {
		d.add(path, "is the same token as %s; each needs its own, or nobody can tell who called", first)
		return
	}
	seen[sum] = path
}

// checkTokens notes what is wrong with tokens that have names.
func (d *decoder) checkTokens(tokens map[string]bridge.Secret, path string, want TokenKind, seen map[[32]byte]string) {
	for _, name := range slices.Sorted(maps.Keys(tokens)) {
		at := join(path, name)
		d.checkName(name, at)
		d.checkToken(tokens[name], at, want, seen)
	}
}

// apps makes the apps out of their configurations.
func (d *decoder) apps(c *Config) []bridge.App {
	var apps []bridge.App
	for _, name := range slices.Sorted(maps.Keys(c.Apps)) {
		app, path := c.Apps[name], join("apps", name)
		d.checkName(name, path)
		a := bridge.App{Name: name, Title: app.Title, Protocol: app.Connector, Policy: bridge.Policy{}}
		a.Limits = d.limits(app.Limits, join(path, "limits"))
		a.Connector = d.connector(c, name, app, path)
		if known, ok := a.Connector.(interface{ Limits() bridge.Limits }); ok { // the vendor's own, unless told otherwise
			vendor := known.Limits()
			a.Limits.Concurrency = cmp.Or(a.Limits.Concurrency, vendor.Concurrency)
			a.Limits.Rate, a.Limits.Burst = cmp.Or(a.Limits.Rate, vendor.Rate), cmp.Or(a.Limits.Burst, vendor.Burst)
		}
		d.policy(&a, bridge.Deactivated, app.Policy.Deactivate, join(path, "policy.deactivate"))
		d.policy(&a, bridge.Removed, app.Policy.Delete, join(path, "policy.delete"))
		d.policy(&a, bridge.Erased, app.Policy.Erase, join(path, "policy.erase"))
		d.policy(&a, bridge.LoggedOut, app.Policy.Logout, join(path, "policy.logout"))
		apps = append(apps, a)
	}
	return apps
}

func (d *decoder) connector(c *Config, name string, app AppConfig, path string) bridge.Connector {
	at := join(path, "connector")
	if app.Connector == "" {
		if d.at[at] == nil && !d.failed(path) {
			d.add(at, "is missing; %s", suggest("", connector.Protocols()))
		}
		return nil
	}
	config := connector.Config(app.Connector)
	if config == nil {
		d.add(at, "there is no connector %q; %s", app.Connector, suggest(app.Connector, connector.Protocols()))
		return nil
	}
	with, before := join(path, "with"), len(d.mistakes)
	if raw := d.raw[with]; raw != nil {
		d.value(raw, reflect.ValueOf(config).Elem(), with)
	}
	if placed, ok := config.(interface{ Root(dir string) }); ok {
		placed.Root(filepath.Dir(d.file))
	}
	for _, mistake := range config.Validate() {
		if at := join(with, mistake.Field); !d.failed(at) {
			d.add(at, "%s", mistake.Message)
		}
	}
	if relying, ok := config.(interface{ Relies() bool }); ok && relying.Relies() {
		d.checkComplete(c, name, join(with, "complete"))
	}
	if len(d.mistakes) > before {
		return nil
	}
	opened, err := connector.Open(app.Connector, config, name, d.self)
	if err != nil {
		d.add(with, "%s", err)
		return nil
	}
	return opened
}

// policy sets what a trigger leads to. A default orders only what is offered;
// what is written orders it all the same, and is reported as impossible.
func (d *decoder) policy(a *bridge.App, t bridge.Trigger, wanted []bridge.Effect, path string) {
	var known []string
	for _, e := range bridge.Effects {
		if e != bridge.Restore {
			known = append(known, string(e))
		}
	}
	for i, e := range wanted {
		at := path + "[" + strconv.Itoa(i) + "]"
		switch {
		case e == "": // its own mistake
		case e == bridge.Restore:
			d.add(at, "restore is offered when somebody comes back, never ordered; leave it out")
		case t == bridge.LoggedOut && e != bridge.Revoke:
			d.add(at, "who signs out does not leave; only revoke may be here, which ends sessions")
		case !slices.Contains(known, string(e)):
			d.add(at, "there is no effect %q; %s", e, suggest(string(e), known))
		case slices.Contains(wanted[:i], e):
			d.add(at, "%s is there twice; remove one of the two", e)
		case a.Connector != nil:
			if _, offered := a.Connector.Capabilities().Of(e); !offered {
				d.warn(at, "the app does not offer %s; each case will report it as impossible there", e)
			}
		}
	}
	if wanted != nil || a.Connector == nil {
		a.Policy[t] = wanted
		return
	}
	if t == bridge.Erased { // the first that is offered; if none is, each erasure says so
		for _, e := range []bridge.Effect{bridge.Erase, bridge.Anonymise, bridge.Delete} {
			if _, offered := a.Connector.Capabilities().Of(e); offered {
				a.Policy[t] = []bridge.Effect{e}
				return
			}
		}
		a.Policy[t] = []bridge.Effect{bridge.Erase}
		d.warn(path, "the app cannot erase, so each erasure will wait until somebody accepts that; "+
			"write [] here if it keeps nothing of anybody, or another app erases there")
		return
	}
	if t == bridge.LoggedOut { // where signing in was by what told us
		if _, offered := a.Connector.Capabilities().Of(bridge.Revoke); offered && slices.Contains(federated, a.Protocol) {
			a.Policy[t] = []bridge.Effect{bridge.Revoke}
		}
		return
	}
	for _, e := range []bridge.Effect{bridge.Lock, bridge.Revoke} {
		if _, offered := a.Connector.Capabilities().Of(e); offered {
			a.Policy[t] = append(a.Policy[t], e)
		}
	}
	if a.Policy[t] == nil {
		d.warn(path, "the app offers neither lock nor revoke, so nothing is done; say here what should be")
	}
}

func (d *decoder) limits(l AppLimitsConfig, path string) bridge.Limits {
	within(d, l.Concurrency, 1, 64, join(path, "concurrency"))
	within(d, l.Rate, 0.001, 1000, join(path, "rate"))
	within(d, l.Burst, 1, 1000, join(path, "burst"))
	within(d, l.Timeout, 10*time.Millisecond, 30*time.Second, join(path, "timeout"))
	within(d, l.Deadline, time.Second, 365*24*time.Hour, join(path, "deadline"))
	within(d, l.RetryMin, 10*time.Millisecond, time.Hour, join(path, "retry_min"))
	within(d, l.RetryMax, 10*time.Millisecond, 24*time.Hour, join(path, "retry_max"))
	within(d, l.BreakerAfter, 1, 1000, join(path, "breaker_after"))
	within(d, l.BreakerWait, 10*time.Millisecond, time.Hour, join(path, "breaker_wait"))
	if lo, hi := cmp.Or(l.RetryMin, time.Second), cmp.Or(l.RetryMax, 10*time.Minute); lo > hi {
		d.add(join(path, "retry_min"), "%s is longer than retry_max, %s; make it shorter", lo, hi)
	}
	return bridge.Limits(l)
}

// dialects are the names of the dialects that package scim understands.
func dialects() (names []string) {
	for _, d := range scim.Dialects() {
		names = append(names, string(d))
	}
	return names
}

func (d *decoder) checkName(name, path string) {
	if len(name) > 48 || !namePattern.MatchString(name) {
		d.add(path, "is not a good name; use lower-case letters and digits, joined by single - or _, at most 48 characters")
	}
}

func (d *decoder) oneOf(value string, known []string, path string) {
	if value != "" && !slices.Contains(known, value) {
		d.add(path, "there is no %q here; %s", value, suggest(value, slices.Clone(known)))
	}
}

// within notes a value that is in the file and out of bounds. The zero value
// of a key that is absent is the default.
func within[T int | int64 | float64 | time.Duration](d *decoder, v, lo, hi T, path string) {
	if d.at[path] == nil || v == 0 && d.failed(path) {
		return
	}
	if v < lo || v > hi || v == 0 && lo != 0 {
		d.add(path, "is %v; must be from %v to %v", v, lo, hi)
	}
}

// inside reports whether a file is somewhere below a directory.
func inside(file, dir string) bool {
	rel, err := filepath.Rel(cmp.Or(dir, "./exeunt-data"), file)
	return file != "" && err == nil && filepath.IsLocal(rel)
}

// failed reports whether there is a mistake at exactly that path already.
func (d *decoder) failed(path string) bool {
	return slices.ContainsFunc(d.mistakes, func(m Mistake) bool { return m.Path == path })
}
