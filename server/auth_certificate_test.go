package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// paper is a certificate and its key.
type paper struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// certify makes a certificate, signed by an authority or, without one, by itself.
func certify(t *testing.T, by *paper, what x509.Certificate) *paper {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	what.SerialNumber = big.NewInt(time.Now().UnixNano())
	if what.NotAfter.IsZero() {
		what.NotBefore, what.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	parent, signer := &what, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der := must(x509.CreateCertificate(rand.Reader, &what, parent, key.Public(), signer))(t)
	return &paper{must(x509.ParseCertificate(der))(t), key}
}

func authorityNamed(t *testing.T, name string) *paper {
	return certify(t, nil, x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
}

func (p *paper) tls() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{p.cert.Raw}, PrivateKey: p.key, Leaf: p.cert}
}

func (p *paper) pem(t *testing.T) (cert, key []byte) {
	der := must(x509.MarshalPKCS8PrivateKey(p.key))(t)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func (p *paper) print() Fingerprint { return sha256.Sum256(p.cert.Raw) }

func forClients(name string) x509.Certificate {
	return x509.Certificate{Subject: pkix.Name{CommonName: name, Organization: []string{"Example"}}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

func TestCertificateFits(t *testing.T) {
	ca, evil := authorityNamed(t, "CA"), authorityNamed(t, "CA")
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	now := time.Now()
	described := forClients("okta")
	described.DNSNames, described.URIs = []string{"okta.example.com", "*.example.net"}, []*url.URL{must(url.Parse("spiffe://example.com/okta"))(t)}
	good := certify(t, ca, described)
	alone := certify(t, nil, forClients("okta"))
	forged := certify(t, evil, described)
	described.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	servers := certify(t, ca, described)
	described = forClients("okta")
	described.NotBefore, described.NotAfter = now.Add(-2*time.Hour), now.Add(-time.Hour)
	old := certify(t, ca, described)

	subject := CertificateConfig{Subject: "CN=okta,O=Example"}
	for _, tt := range []struct {
		name  string
		rule  CertificateConfig
		shown []*paper
		pool  *x509.CertPool
		fits  bool
	}{
		{"by fingerprint", CertificateConfig{SHA256: []Fingerprint{good.print()}}, []*paper{good}, nil, true},
		{"by the second fingerprint", CertificateConfig{SHA256: []Fingerprint{good.print(), alone.print()}}, []*paper{alone}, nil, true},
		{"another fingerprint", CertificateConfig{SHA256: []Fingerprint{good.print()}}, []*paper{alone}, nil, false},
		{"the right one behind another", CertificateConfig{SHA256: []Fingerprint{good.print()}}, []*paper{alone, good}, nil, false},
		{"none", CertificateConfig{SHA256: []Fingerprint{good.print()}}, nil, nil, false},
		{"by fingerprint, expired", CertificateConfig{SHA256: []Fingerprint{old.print()}}, []*paper{old}, nil, false},
		{"by subject", subject, []*paper{good}, pool, true},
		{"by subject, signed by itself", subject, []*paper{alone}, pool, false},
		{"by subject, another authority of that name", subject, []*paper{forged, evil}, pool, false},
		{"by subject, for servers", subject, []*paper{servers}, pool, false},
		{"by subject, expired", subject, []*paper{old}, pool, false},
		{"by subject, no authority", subject, []*paper{good}, nil, false},
		{"another subject", CertificateConfig{Subject: "CN=okta"}, []*paper{good}, pool, false},
		{"by DNS name", CertificateConfig{DNS: "OKTA.example.com"}, []*paper{good}, pool, true},
		{"a name that a wildcard covers", CertificateConfig{DNS: "x.example.net"}, []*paper{good}, pool, false},
		{"by URI", CertificateConfig{URI: "spiffe://example.com/okta"}, []*paper{good}, pool, true},
		{"another URI", CertificateConfig{URI: "spiffe://example.com/okta/x"}, []*paper{good}, pool, false},
		{"fingerprint and name", CertificateConfig{SHA256: []Fingerprint{good.print()}, DNS: "other.example.com"}, []*paper{good}, pool, false},
		{"nothing asked", CertificateConfig{}, []*paper{good}, pool, false},
	} {
		var shown []*x509.Certificate
		for _, p := range tt.shown {
			shown = append(shown, p.cert)
		}
		if tt.rule.fits(shown, tt.pool, now) != tt.fits {
			t.Errorf("%s: fits should be %v", tt.name, tt.fits)
		}
	}
}

func TestClientCertHeader(t *testing.T) {
	p := certify(t, nil, forClients("okta"))
	value := ":" + base64.StdEncoding.EncodeToString(p.cert.Raw) + ":"
	if got := parseClientCert(value); got == nil || !got.Equal(p.cert) {
		t.Error("not read")
	}
	for _, bad := range []string{"", ":", "::", value[1:], value[:len(value)-1], ":AAAA:", value + value, value + ", " + value, `"` + value + `"`} {
		if parseClientCert(bad) != nil {
			t.Errorf("%.20q was read", bad)
		}
	}

	proxy := Network{netip.MustParsePrefix("127.0.0.1/32")}
	s := defaults()
	s.Sources = map[string]SourceConfig{"hr": {MTLS: &CertificateConfig{SHA256: []Fingerprint{p.print()}}}}
	f := start(t, s, nil, nil)
	knock := func(headers ...string) int {
		res, _ := f.knocks(t, hrText, headers...)
		return res.StatusCode
	}
	if status := knock("Client-Cert", value); status != 401 {
		t.Errorf("a header that anybody can send: %d", status)
	}
	s.Proxies = []Network{proxy}
	f.Apply(s)
	if status := knock("Client-Cert", value); status != 401 {
		t.Errorf("of a proxy that was not said to send it: %d", status)
	}
	s.ProxyCert = true
	f.Apply(s)
	if status := knock("Client-Cert", value); status != 200 {
		t.Errorf("of a proxy that was: %d", status)
	}
	if status := knock("Client-Cert", value[:len(value)-2]); status != 401 {
		t.Errorf("garbage: %d", status)
	}
	if status := knock(); status != 401 {
		t.Errorf("without: %d", status)
	}
	r, _ := http.NewRequest("GET", f.url+"/scim/v2/Users", nil)
	r.Header = http.Header{"Authorization": {"Bearer " + hrText}, "Client-Cert": {value, value}}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != 401 {
		t.Errorf("twice: %d", res.StatusCode)
	}
}

func FuzzClientCert(f *testing.F) {
	f.Add(":AAAA:")
	f.Add(": :")
	f.Fuzz(func(t *testing.T, value string) {
		if cert := parseClientCert(value); cert != nil {
			(&CertificateConfig{Subject: "CN=x", DNS: "x", URI: "x"}).fits([]*x509.Certificate{cert}, nil, time.Unix(0, 0))
		}
	})
}

func FuzzParseHop(f *testing.F) {
	for _, hop := range []string{"10.0.0.1", "[::1]:80", "::ffff:10.0.0.1", "fe80::1%eth0", "[", "unknown", "1.2.3.4:x"} {
		f.Add(hop)
	}
	f.Fuzz(func(t *testing.T, hop string) {
		if addr, ok := parseHop(hop); ok && (!addr.IsValid() || addr.Zone() != "" || addr.Is4In6()) {
			t.Errorf("%q is %v", hop, addr)
		}
	})
}

// listenTLS has f listen with TLS too, and returns how to call it with a certificate.
func (f *front) listenTLS(t *testing.T, trusted *x509.CertPool) func(p *paper, headers ...string) (int, string) {
	t.Helper()
	h := f.HTTP()
	h.TLSConfig = f.TLS()
	ln := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	go h.ServeTLS(ln, "", "")
	t.Cleanup(func() { h.Close() })
	return func(p *paper, headers ...string) (int, string) {
		t.Helper()
		config := &tls.Config{RootCAs: trusted}
		if p != nil {
			config.Certificates = []tls.Certificate{p.tls()}
		}
		client := http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: true}}
		r, _ := http.NewRequest("GET", "https://"+ln.Addr().String()+"/scim/v2/Users", nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		res, err := client.Do(r)
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		var body strings.Builder
		res.Write(&body)
		return res.StatusCode, body.String()
	}
}

// A certificate is asked for beside a token, or is enough alone; a token that is
// bound to one is nothing without it.
func TestMutualTLS(t *testing.T) {
	ca := authorityNamed(t, "CA")
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	own := certify(t, ca, x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	pair := own.tls()
	hr, okta, other := certify(t, nil, forClients("hr")), certify(t, ca, forClients("okta")), certify(t, ca, forClients("other"))
	a := newAuthority(t)
	key := a.adds(t, "k1", jose.ES256)
	s := defaults()
	s.TLS = TLSConfig{pair: &pair, clients: pool}
	s.Knows = append(s.Knows, "entra")
	s.Sources = map[string]SourceConfig{
		"hr":    {MTLS: &CertificateConfig{SHA256: []Fingerprint{hr.print()}}},
		"okta":  {MTLS: &CertificateConfig{Subject: "CN=okta,O=Example", Alone: true}},
		"entra": {JWT: a.rule()},
	}
	f := start(t, s, nil, nil)
	call := f.listenTLS(t, pool)
	bearer := func(token string) []string { return []string{"Authorization", "Bearer " + token} }
	issued := f.issue(t, "okta")
	print := other.print()
	bound := sign(t, key, a.saying(time.Now(), "cnf", map[string]string{"x5t#S256": base64.RawURLEncoding.EncodeToString(print[:])}), nil)
	free := sign(t, key, a.saying(time.Now()), nil)

	for _, tt := range []struct {
		name    string
		shown   *paper
		headers []string
		status  int
		has     string
	}{
		{"token and certificate", hr, bearer(hrText), 200, `"token":"hr.1"`},
		{"token alone", nil, bearer(hrText), 401, ""},
		{"token and another's certificate", okta, bearer(hrText), 401, ""},
		{"certificate without its token", hr, nil, 401, ""},
		{"certificate that is enough", okta, nil, 200, `"token":"mtls:okta"`},
		{"certificate that is enough, and the token too", okta, bearer(issued), 200, `"source":"okta"`},
		{"certificate that is enough, and a wrong token", okta, bearer(issued + "x"), 401, ""},
		{"certificate that is enough, and something else", okta, []string{"Authorization", basic("x", "y")}, 401, ""},
		{"the token where a certificate is enough", nil, bearer(issued), 401, ""},
		{"certificate of the same authority", other, nil, 401, ""},
		{"nothing", nil, nil, 401, ""},
		{"access token bound to the certificate", other, bearer(bound), 200, `"source":"entra"`},
		{"access token bound to another", okta, bearer(bound), 401, ""},
		{"access token bound to another, none shown", nil, bearer(bound), 401, ""},
		{"access token that is free", nil, bearer(free), 200, `"source":"entra"`},
		{"certificate in a header", nil, append(bearer(hrText), "Client-Cert", ":"+base64.StdEncoding.EncodeToString(hr.cert.Raw)+":"), 401, ""},
	} {
		if status, body := call(tt.shown, tt.headers...); status != tt.status || !strings.Contains(body, tt.has) {
			t.Errorf("%s: %d %s", tt.name, status, body)
		}
	}
	if f.refused(t, "scim", wrongCertificate) == 0 {
		t.Error("not counted")
	}

	// another certificate, and another rule, count from the next connection on
	renewed := certify(t, nil, x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	pair2 := renewed.tls()
	s.TLS.pair = &pair2
	s.Sources = map[string]SourceConfig{"hr": {MTLS: &CertificateConfig{SHA256: []Fingerprint{other.print()}}}}
	f.Apply(s)
	if status, body := call(hr, bearer(hrText)...); status != 0 || !strings.Contains(body, "certificate") {
		t.Errorf("the old certificate is still shown: %d %s", status, body)
	}
	pool.AddCert(renewed.cert)
	if status, _ := call(hr, bearer(hrText)...); status != 401 {
		t.Errorf("a certificate that was taken out: %d", status)
	}
	if status, _ := call(other, bearer(hrText)...); status != 200 {
		t.Errorf("the one in its place: %d", status)
	}
}

func TestTLSVersions(t *testing.T) {
	own := certify(t, nil, x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	pair := own.tls()
	s := defaults()
	s.TLS = TLSConfig{pair: &pair}
	f := start(t, s, nil, nil)
	h := f.HTTP()
	h.TLSConfig = f.TLS()
	ln := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	go h.ServeTLS(ln, "", "")
	defer h.Close()
	for version, good := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		if (err == nil) != good {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			c.Close()
		}
	}
}
