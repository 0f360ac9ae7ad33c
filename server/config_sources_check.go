package server

import (
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/exeunt/exeunt/store"
)

// checkSources notes what is wrong with how sources may come in.
func (d *decoder) checkSources(c *Config, seen map[[32]byte]string) {
	d.loadTLS(&c.TLS)
	for i, p := range c.Proxies {
		if p.IsValid() && p.Bits() == 0 {
			d.add("trusted_proxies["+strconv.Itoa(i)+"]", "trusts everybody, and whoever is trusted says where requests come from; list the proxies only")
		}
	}
	if c.ProxyCert && len(c.Proxies) == 0 {
		d.add("client_cert_header", "anybody could send that header; list the proxies that set it in trusted_proxies")
	}
	var before []string
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		source, path := c.Sources[name], join("sources", name)
		d.checkName(name, path)
		d.oneOf(source.Dialect, dialects(), join(path, "dialect"))
		for i, t := range source.Token {
			at := join(path, "token")
			if len(source.Token) > 1 {
				at += "[" + strconv.Itoa(i) + "]"
			}
			d.checkToken(t, at, SCIMToken, seen)
			if i == store.LiveTokens {
				d.add(at, "a source has at most %d tokens at once, one and the one that replaces it", store.LiveTokens)
			}
		}
		if source.JWT != nil {
			d.checkJWT(source.JWT, join(path, "jwt"))
		}
		if source.MTLS != nil {
			d.checkMTLS(source.MTLS, c, join(path, "mtls"))
		}
		for _, other := range before {
			d.checkApart(c.Sources[other], source, other, path)
		}
		before = append(before, name)
	}
}

// vague are claims that do not say who the client is: all of a tenant's or
// issuer's tokens may have the same, or whoever asks gets them.
var vague = []string{"acr", "amr", "gty", "idtyp", "scope", "scp", "tid", "token_use", "tenant", "typ", "ver"}

// own are claims that have a meaning of their own here.
var own = []string{"iss", "aud", "exp", "nbf", "iat", "jti", "cnf"}

func (d *decoder) checkJWT(j *JWTConfig, path string) {
	j.Root(filepath.Dir(d.file))
	for _, one := range []struct{ key, value, example string }{
		{"issuer", j.Issuer, "https://login.example.com/tenant"}, {"audience", j.Audience, "api://exeunt"}} {
		if one.value == "" && !d.failed(join(path, one.key)) {
			d.add(join(path, one.key), "is missing; it is compared exactly, such as %s", one.example)
		}
	}
	for _, one := range []struct{ key, value string }{{"issuer", j.Issuer}, {"jwks", j.JWKS}} {
		if one.value == "" {
			continue
		}
		if e := j.CheckURL(one.key, one.value); e != nil {
			d.add(join(path, one.key), "%s", e.Message)
		}
	}
	if strings.ContainsAny(j.Issuer, "?#") {
		d.add(join(path, "issuer"), "must have neither query nor fragment (RFC 8414)")
	}
	for _, e := range j.Egress.Validate() {
		d.add(join(path, e.Field), "%s", e.Message)
	}
	for i, name := range j.Algorithms {
		if at := join(path, "algorithms") + "[" + strconv.Itoa(i) + "]"; !d.failed(at) {
			d.oneOf(name, algorithmNames(), at)
		}
	}
	pinned := j.ClientID != ""
	for _, name := range slices.Sorted(maps.Keys(j.Claims)) {
		switch {
		case slices.Contains(own, name):
			d.add(join(path, "claims."+name), "is looked at anyway; leave it out, or set issuer and audience")
		case j.Claims[name] == "":
			d.add(join(path, "claims."+name), "needs the value that it must have")
		case !slices.Contains(vague, name):
			pinned = true
		}
	}
	if !pinned {
		d.add(path, "names no client: whoever gets a token of this issuer for this audience could come in, users too; "+
			"set client_id, or a claim that only the source's tokens have, such as claims: {sub: …}")
	}
}

func (d *decoder) checkMTLS(m *CertificateConfig, c *Config, path string) {
	switch {
	case len(m.SHA256) == 0 && !m.named():
		d.add(path, "names no certificate; set sha256, subject, dns or uri")
	case len(m.SHA256) == 0 && c.TLS.ClientCA == "":
		d.add(path, "anybody can make a certificate with this name; set tls.client_ca to who issues it, or name it by sha256")
	case m.named() && c.TLS.ClientCA == "":
		d.add(path, "names count only under an authority; set tls.client_ca, or leave all but sha256 out")
	}
	if len(m.SHA256) > 2 {
		d.add(join(path, "sha256"), "at most two, one and the one that replaces it")
	}
	if c.TLS.Cert == "" && !c.ProxyCert {
		d.add(path, "exeunt does not see certificates; set tls.cert and tls.key, or client_cert_header if a trusted proxy sends them")
	}
}

// checkApart notes sources of which one's credentials would always be the
// other's too. What a single token says beyond that is seen when it comes.
func (d *decoder) checkApart(a, b SourceConfig, nameOfA, pathOfB string) {
	if a.JWT != nil && b.JWT != nil && (a.JWT.covers(b.JWT) || b.JWT.covers(a.JWT)) {
		d.add(join(pathOfB, "jwt"), "a token could be that of sources.%s too; give each its own client_id or claims", nameOfA)
	}
	if a.MTLS != nil && b.MTLS != nil && a.MTLS.Alone && b.MTLS.Alone && (a.MTLS.covers(b.MTLS) || b.MTLS.covers(a.MTLS)) {
		d.add(join(pathOfB, "mtls"), "the certificate could be that of sources.%s too, and nothing else tells them apart", nameOfA)
	}
}

// covers reports whether all tokens of other are tokens of j too.
func (j *JWTConfig) covers(other *JWTConfig) bool {
	if j.Issuer != other.Issuer || j.Audience != other.Audience || j.ClientID != "" && j.ClientID != other.ClientID {
		return false
	}
	for name, value := range j.Claims {
		if other.Claims[name] != value {
			return false
		}
	}
	return true
}

func (c *CertificateConfig) covers(other *CertificateConfig) bool {
	if len(c.SHA256) > 0 {
		return slices.ContainsFunc(c.SHA256, func(f Fingerprint) bool { return slices.Contains(other.SHA256, f) })
	}
	same := func(mine, theirs string) bool { return mine == "" || mine == theirs }
	return same(c.Subject, other.Subject) && same(c.DNS, other.DNS) && same(c.URI, other.URI)
}

func contains(networks []Network, addr netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n Network) bool { return n.Contains(addr) })
}
