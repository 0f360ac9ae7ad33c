package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// oauth is a small OAuth server that issues access tokens to clients: metadata
// (RFC 8414 only), keys, a token endpoint for client credentials, and what a
// story needs to have it misbehave.
type oauth struct {
	url  string
	mu   sync.Mutex
	keys []jose.JSONWebKey // the last one signs
	down bool
}

func runIssuer(args []string) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	o := &oauth{url: "http://" + ln.Addr().String()}
	o.rotate()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", o.answer(func(*http.Request) any {
		return map[string]string{"issuer": o.url, "jwks_uri": o.url + "/keys", "token_endpoint": o.url + "/token"}
	}))
	mux.HandleFunc("GET /keys", o.answer(func(*http.Request) any {
		var set jose.JSONWebKeySet
		for _, k := range o.keys {
			set.Keys = append(set.Keys, k.Public())
		}
		return set
	}))
	mux.HandleFunc("POST /token", o.answer(o.token))
	mux.HandleFunc("POST /rotate", func(http.ResponseWriter, *http.Request) { o.rotate() })
	mux.HandleFunc("POST /down", func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.down = r.URL.RawQuery != "false"
	})
	if err := os.WriteFile(args[0], []byte(o.url+"\n"), 0o600); err != nil {
		return err
	}
	return http.Serve(ln, mux)
}

// rotate makes a new key, which signs from now on, beside the last one.
func (o *oauth) rotate() {
	o.mu.Lock()
	defer o.mu.Unlock()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // fails never
	o.keys = append(o.keys[max(0, len(o.keys)-1):], jose.JSONWebKey{KeyID: rand.Text(), Key: key, Algorithm: "ES256", Use: "sig"})
}

func (o *oauth) answer(with func(*http.Request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.down && r.URL.Path != "/token" {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		json.NewEncoder(w).Encode(with(r))
	}
}

// token issues what the form asks for; it trusts everybody, as only a test may.
func (o *oauth) token(r *http.Request) any {
	seconds, err := strconv.Atoi(r.FormValue("seconds"))
	if err != nil {
		seconds = 300
	}
	now := time.Now().Unix()
	claims, _ := json.Marshal(map[string]any{"iss": o.url, "aud": r.FormValue("audience"), "client_id": r.FormValue("client_id"),
		"sub": r.FormValue("client_id"), "jti": rand.Text(), "iat": now, "exp": now + int64(seconds)})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: o.keys[len(o.keys)-1]},
		(&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		return nil
	}
	jws, err := signer.Sign(claims)
	if err != nil {
		return nil
	}
	text, _ := jws.CompactSerialize()
	return map[string]any{"access_token": text, "token_type": "Bearer", "expires_in": seconds}
}

// runCerts makes an authority and certificates for a server on 127.0.0.1 and
// its clients.
func runCerts(names []string) error {
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if _, err := writeCert("ca", authority, authority, signer, signer); err != nil {
		return err
	}
	for i, name := range names {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		print, err := writeCert(name, &x509.Certificate{SerialNumber: big.NewInt(int64(i) + 2), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, authority, key, signer)
		if err != nil {
			return err
		}
		fmt.Println(name, print)
	}
	return nil
}

func writeCert(name string, what, by *x509.Certificate, key, signer *ecdsa.PrivateKey) (fingerprint string, err error) {
	der, err := x509.CreateCertificate(rand.Reader, what, by, key.Public(), signer)
	if err != nil {
		return "", err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	for suffix, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name+suffix, pem.EncodeToMemory(block), 0o600); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%X", sha256.Sum256(der)), nil
}

// withPapers trusts ca.pem, if it is there, and shows the certificate of a name.
func withPapers(name string) (*http.Transport, error) {
	config := &tls.Config{}
	if authority, err := os.ReadFile("ca.pem"); err == nil {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(authority)
	}
	if name != "" {
		pair, err := tls.LoadX509KeyPair(name+".pem", name+".key")
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return &http.Transport{TLSClientConfig: config}, nil
}
