package server

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector"
)

// SourceConfig is an HR system or IdP that may speak to us.
type SourceConfig struct {
	Token   Secrets            `yaml:"token" jsonschema_description:"Bearer token it may use, by reference; a list of two while one replaces the other. exeunt token new makes more"`
	JWT     *JWTConfig         `yaml:"jwt" jsonschema_description:"OAuth 2.0 access tokens in the form of JWTs that it may use"`
	MTLS    *CertificateConfig `yaml:"mtls" jsonschema_description:"Its TLS client certificate, asked for in each request beside a token"`
	Allow   []Network          `yaml:"allow" jsonschema_description:"Networks or addresses from which it may call; default: from everywhere"`
	Dialect string             `yaml:"dialect" jsonschema:"default=auto" jsonschema_description:"How it speaks SCIM: its identity provider; auto recognises it, generic is any, strict mends nothing"`
}

// credentials are the names in logs and events of what a source may use.
func (c SourceConfig) credentials(source string) (names []string) {
	for i := range c.Token {
		names = append(names, tokenName(source, i))
	}
	if c.JWT != nil {
		names = append(names, rule{JWTConfig: c.JWT, source: source}.credential())
	}
	if c.MTLS != nil && c.MTLS.Alone {
		names = append(names, "mtls:"+source)
	}
	return names
}

func tokenName(source string, i int) string { return source + "." + strconv.Itoa(i+1) }

// Settings is the part of the configuration that may change while the server runs.
func (c Config) Settings() Settings {
	s := Settings{Limit: c.Limits, Knows: slices.Sorted(maps.Keys(c.Sources)), Sources: c.Sources, Feeds: c.Feeds, Proxies: c.Proxies,
		ProxyCert: c.ProxyCert, TLS: c.TLS, SLA: c.SLA, Retained: c.Retained, Laws: c.Lawbook(), Law: c.Erasure.Law,
		Keys: []Key{KeyOf("admin", "", c.AdminToken)}}
	for _, name := range slices.Sorted(maps.Keys(c.Operators)) {
		s.Keys = append(s.Keys, KeyOf("operator."+name, "", c.Operators[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Auditors)) {
		s.Keys = append(s.Keys, AuditorKey(name, c.Auditors[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Feeds)) {
		s.Keys = append(s.Keys, FeedKey(name, c.Feeds[name].Source, c.Feeds[name].Token))
	}
	for _, name := range s.Knows {
		for i, token := range c.Sources[name].Token {
			s.Keys = append(s.Keys, KeyOf(tokenName(name, i), name, token))
		}
	}
	if c.OIDC.authority != nil {
		s.JWKS = c.OIDC.authority.JWKS()
	}
	return s
}

// Secrets is one reference, or a list of them.
type Secrets []bridge.Secret

// JWTConfig says which access tokens of which issuer are a source's. All that
// is set must hold.
type JWTConfig struct {
	Issuer     string            `yaml:"issuer" jsonschema:"required,format=uri" jsonschema_description:"Who issues them, exactly as in their claim iss; its keys are found by OpenID Connect discovery or RFC 8414"`
	Audience   string            `yaml:"audience" jsonschema:"required" jsonschema_description:"For whom they are, exactly as in their claim aud, such as api://exeunt"`
	ClientID   string            `yaml:"client_id" jsonschema_description:"Which client of the issuer the source is (claims client_id, azp, appid, cid)"`
	Claims     map[string]string `yaml:"claims" jsonschema_description:"Other claims that must be there with this value, or have it in their list"`
	Algorithms []string          `yaml:"algorithms" jsonschema_description:"How they may be signed; default: RS256, PS256, ES256, EdDSA"`
	JWKS       string            `yaml:"jwks" jsonschema:"format=uri" jsonschema_description:"Address of the issuer's keys, if it offers no discovery"`

	connector.Egress `yaml:",inline"`
}

// CertificateConfig says which TLS client certificates are a source's. All
// that is set must hold; names count only under a chain to tls.client_ca.
type CertificateConfig struct {
	SHA256  []Fingerprint `yaml:"sha256" jsonschema_description:"Fingerprints, one or, while one replaces the other, two: openssl x509 -noout -fingerprint -sha256"`
	Subject string        `yaml:"subject" jsonschema_description:"Its subject, as in CN=okta,O=Example (RFC 2253)"`
	DNS     string        `yaml:"dns" jsonschema_description:"A DNS name among its alternative names"`
	URI     string        `yaml:"uri" jsonschema_description:"A URI among its alternative names"`
	Alone   bool          `yaml:"alone" jsonschema_description:"The certificate is enough: no token is needed beside it"`
}

// named reports whether the certificate is known by what it says of itself.
func (c *CertificateConfig) named() bool { return c.Subject != "" || c.DNS != "" || c.URI != "" }

// TLSConfig is the end of TLS. What its files hold is read with the configuration.
type TLSConfig struct {
	Cert     string        `yaml:"cert" jsonschema_description:"PEM file with the certificate, and those between it and the authority"`
	Key      bridge.Secret `yaml:"key" jsonschema_description:"Its private key in PEM, by reference"`
	ClientCA string        `yaml:"client_ca" jsonschema_description:"PEM file with the authorities that issue sources' client certificates"`

	pair    *tls.Certificate // nil: no TLS here
	clients *x509.CertPool   // nil: no authority
}

// On reports whether exeunt ends TLS itself.
func (t TLSConfig) On() bool { return t.pair != nil }

// Leaf is the certificate that exeunt shows; nil without TLS.
func (t TLSConfig) Leaf() *x509.Certificate {
	if t.pair == nil {
		return nil
	}
	return t.pair.Leaf
}

// Network is a range of addresses: 10.0.0.0/8, 2001:db8::/32, or one address.
type Network struct{ netip.Prefix }

// UnmarshalText reads a network or an address.
func (n *Network) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		n.Prefix = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(s)
	switch {
	case err != nil || prefix.Addr().Is4In6():
		return errors.New("is not a network such as 10.1.0.0/16 or 2001:db8::/32, nor an address")
	case prefix != prefix.Masked():
		return errors.New("is an address and a network at once; write " + prefix.Masked().String() + ", or the address alone")
	}
	n.Prefix = prefix
	return nil
}

// Fingerprint is the SHA-256 of a certificate in DER.
type Fingerprint [32]byte

// UnmarshalText reads hexadecimal digits, with or without colons between the bytes.
func (f *Fingerprint) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(text)), ":", ""))
	if err != nil || len(raw) != len(f) {
		return errors.New("is not a SHA-256 fingerprint; openssl x509 -noout -fingerprint -sha256 -in cert.pem prints it")
	}
	copy(f[:], raw)
	return nil
}

// loadTLS reads what tls names.
func (d *decoder) loadTLS(t *TLSConfig) {
	if (t.Cert == "") != (t.Key == "") && !d.failed("tls.key") {
		d.add("tls", "needs both cert and key, or neither")
	}
	if t.Cert != "" && t.Key != "" {
		chain, err := os.ReadFile(beside(d.file, t.Cert))
		if err != nil {
			d.add("tls.cert", "cannot read %s: %s", t.Cert, withoutPath(err))
		} else if pair, err := tls.X509KeyPair(chain, []byte(t.Key)); err != nil {
			// the library's words may quote the key
			d.add("tls.cert", "this certificate and the key do not go together; both must be PEM, the key without a password")
		} else {
			t.pair = &pair
		}
	}
	if t.ClientCA != "" {
		pem, err := os.ReadFile(beside(d.file, t.ClientCA))
		if t.clients = x509.NewCertPool(); err != nil {
			d.add("tls.client_ca", "cannot read %s: %s", t.ClientCA, withoutPath(err))
		} else if !t.clients.AppendCertsFromPEM(pem) {
			d.add("tls.client_ca", "there is no PEM certificate in %s", t.ClientCA)
		}
	}
}
