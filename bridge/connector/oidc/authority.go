package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt/exeunt/bridge/connector/internal/pair"
)

// Options is who we are towards relying parties.
type Options struct {
	Issuer string // as relying parties know us; "" means BaseURL
	// BaseURL is where others reach us: https://exeunt.example.com
	BaseURL string
	// Keys are PEM files with a private key and its certificate each. The first
	// signs; all are published. Without any there is one in the data directory.
	Keys []string
	Now  func() time.Time
}

// Authority is who we are, and by which keys that is known. It belongs to one
// configuration. It is safe for concurrent use.
type Authority struct {
	options Options
	keys    atomic.Pointer[[]jose.JSONWebKey] // private; the one that signs first
}

// NewAuthority reads nothing; see [Authority.Load].
func NewAuthority(o Options) *Authority {
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	if o.Issuer == "" {
		o.Issuer = o.BaseURL
	}
	return &Authority{options: o}
}

// Issuer is our name; "" if neither it nor the public URL is configured.
func (a *Authority) Issuer() string { return a.options.Issuer }

// keyFile is the name of the key that is made, in the data directory.
const keyFile = "oidc.pem"

// Load reads our keys. If none are configured, it reads the one in the data
// directory, and makes it if it is not there and create says so.
func (a *Authority) Load(data string, create bool) error {
	paths := a.options.Keys
	if len(paths) == 0 {
		paths = []string{filepath.Join(data, keyFile)}
		if create {
			if err := pair.Make(paths[0], "exeunt OpenID Connect", a.options.Now()); err != nil {
				return fmt.Errorf("oidc: key %s: %w", paths[0], err)
			}
		}
	}
	var keys []jose.JSONWebKey
	for _, path := range paths {
		key, err := readKey(path)
		if err == nil && slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool { return k.KeyID == key.KeyID }) {
			err = errors.New("it holds the same key as one before it")
		}
		if err != nil {
			return fmt.Errorf("oidc: key %s: %w", path, err)
		}
		keys = append(keys, key)
	}
	a.keys.Store(&keys)
	return nil
}

// CheckKey is the name by which the key of a file is published, or says why it cannot
// be one of ours.
func CheckKey(path string) (name string, err error) {
	key, err := readKey(path)
	return key.KeyID, err
}

func readKey(path string) (jose.JSONWebKey, error) {
	p, err := pair.Read(path)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	return webKey(p.Private)
}

// webKey is a private key with the algorithm it signs by, and its thumbprint (RFC
// 7638, SHA-256) for a name: so the name changes with the key and with nothing else.
func webKey(private crypto.Signer) (jose.JSONWebKey, error) {
	k := jose.JSONWebKey{Key: private, Use: "sig"}
	switch key := private.(type) {
	case *rsa.PrivateKey:
		k.Algorithm = string(jose.RS256)
	case *ecdsa.PrivateKey:
		k.Algorithm = map[string]string{"P-256": string(jose.ES256), "P-384": string(jose.ES384)}[key.Curve.Params().Name]
	}
	if k.Algorithm == "" {
		return k, errors.New("it must be an RSA key, or an ECDSA key on P-256 or P-384")
	}
	sum, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		return k, err
	}
	k.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return k, nil
}

// JWKS is the set of our public keys (RFC 7517, section 5): the one that signs,
// and those that have signed or will.
func (a *Authority) JWKS() []byte {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	if keys := a.keys.Load(); keys != nil {
		for _, k := range *keys {
			set.Keys = append(set.Keys, k.Public())
		}
	}
	text, err := json.Marshal(set)
	if err != nil { // public keys that were read can be written
		return []byte(`{"keys":[]}`)
	}
	return text
}

var errNoKey = errors.New("there is no key to sign with yet: exeunt makes or reads it when it starts")

// sign signs a payload as a JWT of a type.
func (a *Authority) sign(kind jose.ContentType, payload []byte) (string, error) {
	keys := a.keys.Load()
	if keys == nil {
		return "", errNoKey
	}
	key := (*keys)[0]
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key},
		(&jose.SignerOptions{}).WithType(kind))
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
