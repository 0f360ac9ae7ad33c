package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge/connector"
)

const (
	keysGetOld  = time.Hour       // then they are fetched again, and go on being good
	keysTooOld  = 24 * time.Hour  // then they are good for nothing: the issuer may have withdrawn them
	askAgain    = time.Minute     // the least time between two fetches, whatever was sent to us
	askSooner   = 5 * time.Second // the same while there are no keys at all
	fetchLimit  = 5 * time.Second // for one document
	maxKeys     = 64              // of one issuer
	maxWaiting  = 64              // requests that wait for one fetch
	smallestRSA = 2048            // bits (RFC 7518, section 3.3)
)

// issuer is who signs access tokens, as far as its keys are known. They are
// fetched by the first request that needs them, while a bounded number of
// others waits; there is nothing in the background.
type issuer struct {
	name    string // exactly as in its tokens
	jwks    string // where its keys are; "": as its metadata says
	egress  connector.Egress
	now     func() time.Time
	log     zerolog.Logger
	metrics *Metrics

	mu      sync.Mutex
	keys    []jose.JSONWebKey
	fetched time.Time     // when keys were; zero: never
	tried   time.Time     // when that was last tried
	failed  bool          // how it ended
	busy    chan struct{} // closed when the fetch under way has ended; nil: none is
	waiting int           // requests that wait for it
}

// unreachable says that a token cannot be judged, and when to try again.
type unreachable struct{ wait time.Duration }

func (unreachable) Error() string { return "the issuer's keys cannot be had" }

// find returns the keys with which a token of that kid and alg may be signed,
// and when they were fetched; only such as were fetched after a time. None: the
// issuer has no such key. The error is [unreachable].
func (i *issuer) find(ctx context.Context, kid string, alg jose.SignatureAlgorithm, after time.Time) ([]jose.JSONWebKey, time.Time, error) {
	for ctx.Err() == nil {
		i.mu.Lock()
		now := i.now()
		age, fetched := now.Sub(i.fetched), i.fetched
		good := !fetched.IsZero() && age < keysTooOld
		pause := askAgain
		if !good {
			pause = askSooner
		}
		var found []jose.JSONWebKey
		if good && fetched.After(after) {
			found = fitting(i.keys, kid, alg)
		}
		ready, busy := i.tried.IsZero() || now.Sub(i.tried) >= pause, i.busy
		switch {
		case len(found) > 0 && (age < keysGetOld || busy != nil || !ready):
			i.mu.Unlock()
			return found, fetched, nil
		case busy == nil && ready:
			i.busy = make(chan struct{})
			i.mu.Unlock()
			i.refresh(context.WithoutCancel(ctx)) // that a client goes away does not end it: others wait too
		case busy != nil && i.waiting < maxWaiting:
			i.waiting++
			i.mu.Unlock()
			select {
			case <-busy:
			case <-ctx.Done():
			}
			i.mu.Lock()
			i.waiting--
			i.mu.Unlock()
		case busy == nil && good && !i.failed: // asked just now, and it has no such key
			i.mu.Unlock()
			return nil, fetched, nil
		default:
			wait := max(time.Second, pause-now.Sub(i.tried))
			if busy != nil {
				wait = time.Second
			}
			i.mu.Unlock()
			return nil, time.Time{}, unreachable{wait}
		}
	}
	return nil, time.Time{}, unreachable{time.Second} // nobody waits for this answer
}

// meet fetches the keys if nobody has tried yet.
func (i *issuer) meet(ctx context.Context) {
	i.mu.Lock()
	if i.busy != nil || !i.tried.IsZero() {
		i.mu.Unlock()
		return
	}
	i.busy = make(chan struct{})
	i.mu.Unlock()
	i.refresh(ctx)
}

// Meet fetches the keys of every issuer that the configuration names, so that
// the first token needs not wait, and that the log tells early of an issuer that
// cannot be reached. Nothing waits for it.
func (s *Server) Meet(ctx context.Context) {
	for _, i := range s.now.Load().issuers {
		i.meet(ctx)
	}
}

// refresh fetches the keys, once busy is set.
func (i *issuer) refresh(ctx context.Context) {
	var (
		keys []jose.JSONWebKey
		err  = errors.New("it panicked")
	)
	defer func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.tried, i.failed = i.now(), err != nil
		if err == nil {
			i.keys, i.fetched = keys, i.tried
		}
		close(i.busy)
		i.busy = nil
	}()
	keys, err = i.fetch(ctx)
	if err != nil {
		i.metrics.fetches.WithLabelValues(i.name, "failed").Inc()
		i.log.Warn().Str("issuer", i.name).Err(err).Msg("the issuer's keys cannot be fetched; those that are known stay good for a day")
		return
	}
	i.metrics.fetches.WithLabelValues(i.name, "done").Inc()
	i.log.Info().Str("issuer", i.name).Int("keys", len(keys)).Msg("the issuer's keys were fetched")
}

func (i *issuer) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	at := i.jwks
	if at == "" {
		var err error
		if at, err = i.discover(ctx); err != nil {
			return nil, err
		}
	}
	raw, err := connector.Get(ctx, i.egress, "the keys", at, fetchLimit)
	if err != nil {
		return nil, err
	}
	return parseKeys(raw)
}

// discover asks the issuer where its keys are.
func (i *issuer) discover(ctx context.Context) (string, error) {
	var problem error
	for _, at := range wellKnown(i.name) {
		raw, err := connector.Get(ctx, i.egress, "the metadata", at, fetchLimit)
		if err == nil {
			return i.keysIn(raw)
		}
		if problem == nil || !errors.Is(err, connector.ErrAbsent) {
			problem = err
		}
		if !errors.Is(err, connector.ErrAbsent) {
			break
		}
	}
	return "", problem
}

// wellKnown is where an issuer's metadata may be: by OpenID Connect Discovery
// 1.0, section 4, and by RFC 8414, section 3.
func wellKnown(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	origin := u.Scheme + "://" + u.Host
	return []string{origin + path + "/.well-known/openid-configuration", origin + "/.well-known/oauth-authorization-server" + path}
}

// keysIn reads metadata. They must be those of this issuer and no other (RFC
// 8414, section 3.3), letter for letter.
func (i *issuer) keysIn(raw []byte) (string, error) {
	var said struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if json.Unmarshal(raw, &said) != nil {
		return "", errors.New("the metadata: not a JSON object as it should be")
	}
	if said.Issuer != i.name {
		return "", errors.New("the metadata: they are another issuer's; compare the configuration with what they say, letter for letter")
	}
	if problem := i.egress.CheckURL("jwks_uri", said.Keys); problem != nil {
		return "", fmt.Errorf("the metadata: %w", problem)
	}
	return said.Keys, nil
}

// parseKeys reads a JWK set (RFC 7517, section 5) and returns the public keys
// in it that may verify signatures. What is not understood is passed over, as
// the RFC says.
func parseKeys(raw []byte) (keys []jose.JSONWebKey, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(raw, &set) != nil {
		return nil, errors.New("the keys: not a JWK set")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the keys: more than %d", maxKeys)
	}
	for _, one := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(one) == nil && (key.Use == "" || key.Use == "sig") && kindOf(key) != "" {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the keys: there is none that verifies signatures")
	}
	return keys, nil
}

// kindOf is what the names of a key's algorithms begin with; "" if the key is
// no public one, or too weak.
func kindOf(k jose.JSONWebKey) string {
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() >= smallestRSA && key.E >= 3 {
			return "RS PS"
		}
	case *ecdsa.PublicKey:
		return "ES"
	case ed25519.PublicKey:
		return "Ed"
	}
	return ""
}

// fitting picks the keys that have the token's kid, if it has one, and are made
// for its algorithm.
func fitting(keys []jose.JSONWebKey, kid string, alg jose.SignatureAlgorithm) (fit []jose.JSONWebKey) {
	for _, k := range keys {
		if (kid == "" || k.KeyID == kid) && (k.Algorithm == "" || k.Algorithm == string(alg)) &&
			strings.Contains(kindOf(k), string(alg[:2])) {
			fit = append(fit, k)
		}
	}
	return fit
}
