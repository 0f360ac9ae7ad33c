package server

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// handshake is how TLS begins under these settings. Clients are asked for a
// certificate only if a source has one, and whether it is right is decided
// with the request: the answer can then say so, in SCIM's words.
func (s Settings) handshake() *tls.Config {
	if !s.TLS.On() {
		return nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*s.TLS.pair}, NextProtos: []string{"h2", "http/1.1"}}
	for _, source := range s.Sources {
		if source.MTLS != nil {
			c.ClientAuth = tls.RequestClientCert
		}
	}
	return c
}

// TLS is the configuration of a TLS listener that follows [Server.Apply].
// There is one only if the settings at the start have a certificate.
func (s *Server) TLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return s.now.Load().handshake, nil
	}}
}

// certificates returns what the client has shown it has the key of: in TLS or,
// from a trusted proxy that was said to send it, in Client-Cert; its own first.
// A trusted proxy's own certificate is never taken for a client's.
func (s *state) certificates(r *http.Request) []*x509.Certificate {
	if s.ProxyCert && contains(s.Proxies, peer(r)) {
		if values := r.Header.Values("Client-Cert"); len(values) == 1 {
			if cert := parseClientCert(values[0]); cert != nil {
				return []*x509.Certificate{cert}
			}
		}
		return nil
	}
	if r.TLS == nil {
		return nil
	}
	return r.TLS.PeerCertificates
}

// parseClientCert reads the value of Client-Cert: DER in base64 between colons
// (RFC 9440, section 2.2; RFC 8941, section 3.3.5). nil if it is something else.
func parseClientCert(value string) *x509.Certificate {
	value = strings.Trim(value, " ")
	inner, begins := strings.CutPrefix(value, ":")
	inner, ends := strings.CutSuffix(inner, ":")
	if !begins || !ends {
		return nil
	}
	der, err := base64.StdEncoding.DecodeString(inner)
	if err != nil {
		return nil
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return cert
}

// fits reports whether a client that shows these certificates shows the right
// one. Names count under a chain to an authority only; a fingerprint is the
// certificate itself, whoever signed it. Neither is good before or after its time.
func (c *CertificateConfig) fits(shown []*x509.Certificate, authorities *x509.CertPool, now time.Time) bool {
	if len(shown) == 0 {
		return false
	}
	cert := shown[0]
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return false
	}
	if len(c.SHA256) > 0 && !slices.Contains(c.SHA256, sha256.Sum256(cert.Raw)) {
		return false
	}
	if !c.named() {
		return len(c.SHA256) > 0
	}
	if c.Subject != "" && cert.Subject.String() != c.Subject ||
		c.DNS != "" && !slices.ContainsFunc(cert.DNSNames, func(name string) bool { return strings.EqualFold(name, c.DNS) }) ||
		c.URI != "" && !slices.ContainsFunc(cert.URIs, func(u *url.URL) bool { return u.String() == c.URI }) {
		return false
	}
	if authorities == nil {
		return false
	}
	between := x509.NewCertPool()
	for _, one := range shown[1:] {
		between.AddCert(one)
	}
	_, err := cert.Verify(x509.VerifyOptions{Roots: authorities, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err == nil
}

// byCertificate finds the source to which a certificate alone is enough.
func (s *state) byCertificate(shown []*x509.Certificate, now time.Time) (source string, why reason) {
	if len(shown) == 0 {
		return "", missing
	}
	for name, one := range s.Sources {
		if one.MTLS == nil || !one.MTLS.Alone || !one.MTLS.fits(shown, s.Settings.TLS.clients, now) {
			continue
		}
		if source != "" {
			return "", ambiguous
		}
		source = name
	}
	if source == "" {
		return "", wrongCertificate
	}
	return source, ""
}
