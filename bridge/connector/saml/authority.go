package saml

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/pair"
)

// Options is who we are among those who speak SAML.
type Options struct {
	EntityID string // "" means BaseURL and "/saml/metadata"
	BaseURL  string // where others reach us: https://exeunt.example.com
	// Keys are PEM files with a private key and its certificate each. The first
	// signs; all are published, and decrypt. Without any there is one in KeyFile.
	Keys    []string
	KeyFile string
	Dir     string // where the last good copies of partners' metadata are kept; "" keeps none
	Now     func() time.Time
	Log     zerolog.Logger
}

// Authority is who we are, by which keys that is known, and whom we know. It
// belongs to one configuration: another one has another Authority, which reads
// the same keys and copies. It is safe for concurrent use once all partners are
// registered.
type Authority struct {
	options  Options
	partners []*partner
	pairs    atomic.Pointer[[]Pair]
	making   sync.Mutex
}

// NewAuthority reads nothing and asks nobody; see [Authority.Load].
func NewAuthority(o Options) *Authority {
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	if o.EntityID == "" && o.BaseURL != "" {
		o.EntityID = o.BaseURL + "/saml/metadata"
	}
	return &Authority{options: o}
}

// Equip says where our key is, if none is configured, and where complaints go; and, with
// keep, that the last good copies of partners' metadata are kept there too, which whoever
// only takes a look must not write. It goes before Load.
func (a *Authority) Equip(dir string, keep bool, log zerolog.Logger) {
	a.options.KeyFile, a.options.Log = filepath.Join(dir, "saml.key"), log
	if keep {
		a.options.Dir = filepath.Join(dir, "saml")
	}
}

// EntityID is our name; "" if neither it nor the public URL is configured.
func (a *Authority) EntityID() string { return a.options.EntityID }

// Endpoint is where we take logout messages, on every binding.
func (a *Authority) Endpoint() string { return a.options.BaseURL + "/saml/slo" }

// Register makes a partner known. It is for configuring: before Load and Run.
func (a *Authority) Register(c PartnerConfig) *bridge.Error {
	if problems := c.Validate(); len(problems) > 0 {
		return problems[0]
	}
	if a.EntityID() == "" {
		return bridge.Invalid("", "SAML needs public_url, or saml.entity_id: without, nobody knows who speaks to them")
	}
	p, err := newPartner(c, a.EntityID())
	if err != nil {
		return err
	}
	for _, other := range a.partners {
		if other.Role == p.Role && p.id != "" && other.id == p.id {
			return bridge.Invalid("entity_id", "%s is registered already, as %q", p.id, other.Name)
		}
	}
	a.partners = append(a.partners, p)
	return nil
}

// Load reads our keys, and of partners' metadata what is on this machine: files
// and last good copies. Without configured keys and without a key file, it
// makes one if create says so.
func (a *Authority) Load(create bool) error {
	a.making.Lock()
	defer a.making.Unlock()
	paths := a.options.Keys
	if len(paths) == 0 {
		paths = []string{a.options.KeyFile}
		if create {
			if err := pair.Make(a.options.KeyFile, "exeunt SAML", a.options.Now()); err != nil {
				return fmt.Errorf("saml: key %s: %w", a.options.KeyFile, err)
			}
		}
	}
	var pairs []Pair
	for _, path := range paths {
		p, err := pair.Read(path)
		if err != nil {
			return fmt.Errorf("saml: key %s: %w", path, err)
		}
		pairs = append(pairs, p)
	}
	a.pairs.Store(&pairs)
	for _, p := range a.partners {
		if err := p.load(a.options); err != nil && !errors.Is(err, errNoCopy) {
			a.complain(p, err)
		}
	}
	return nil
}

var errNoKeys = errors.New("there is no key to sign with yet: exeunt makes or reads it when it starts")

// Pairs are our keys, the one that signs first; none before Load.
func (a *Authority) Pairs() []Pair {
	if pairs := a.pairs.Load(); pairs != nil {
		return *pairs
	}
	return nil
}

// signer is the key that signs.
func (a *Authority) signer() (Pair, error) {
	if pairs := a.Pairs(); len(pairs) > 0 {
		return pairs[0], nil
	}
	return Pair{}, errNoKeys
}

// Partner is the partner with that entity id in that role, as its metadata has
// it; false if there is none, or what is known of it has expired.
func (a *Authority) Partner(entityID string, role Role) (Partner, bool) {
	for _, p := range a.partners {
		if p.Role != role {
			continue
		}
		if k, ok := p.known(a.options.Now()); ok && k.EntityID == entityID {
			return k, true
		}
	}
	return Partner{}, false
}

// Named is the partner with that name in the configuration: an app in
// [RoleSP], an identity provider in [RoleIdP].
func (a *Authority) Named(name string, role Role) (Partner, bool) {
	if p := a.named(name, role); p != nil {
		return p.known(a.options.Now())
	}
	return Partner{}, false
}

func (a *Authority) named(name string, role Role) *partner {
	for _, p := range a.partners {
		if p.Name == name && p.Role == role {
			return p
		}
	}
	return nil
}

// glance is how often it is looked whether metadata is due, or a file changed.
const glance = time.Minute

// Run keeps partners' metadata fresh until ctx ends.
func (a *Authority) Run(ctx context.Context) {
	look := time.NewTicker(glance)
	defer look.Stop()
	for {
		a.Refresh(ctx)
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// Refresh reads anew whatever metadata is due. What cannot be read, or is not
// good, is logged, and the last good copy stays until it expires.
func (a *Authority) Refresh(ctx context.Context) {
	var all errgroup.Group
	all.SetLimit(4)
	for _, p := range a.partners {
		all.Go(func() error {
			if err := p.refresh(ctx, a.options); err != nil && ctx.Err() == nil {
				a.complain(p, err)
			}
			return nil
		})
	}
	all.Wait()
}

// refresh is [Authority.Refresh] for one app.
func (a *Authority) refresh(ctx context.Context, app string) error {
	if p := a.named(app, RoleSP); p != nil {
		return p.refresh(ctx, a.options)
	}
	return nil
}

func (a *Authority) complain(p *partner, err error) {
	a.options.Log.Error().Str("partner", p.Name).Str("role", string(p.Role)).Err(err).
		Msg("a SAML partner's metadata cannot be used; the last good copy stays until it expires")
}

// CheckKey says what is wrong with a file that is to be one of our keys.
func CheckKey(path string) error {
	_, err := pair.Read(path)
	return err
}
