package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	verifying "github.com/coreos/go-oidc/v3/oidc"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/connectortest"
	"github.com/exeunt/exeunt/bridge/connector/internal/pair"
)

func payloadOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	text, _ := base64.RawURLEncoding.DecodeString(parts[1])
	return string(text)
}

func headerOf(t *testing.T, token string) (h map[string]any) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	if err != nil || json.Unmarshal(text, &h) != nil {
		t.Fatalf("no header: %v", err)
	}
	return h
}

// published serves a JWK set as an authority has it at the time.
func published(t *testing.T, a *Authority) verifying.KeySet {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(a.JWKS()) }))
	t.Cleanup(server.Close)
	return verifying.NewRemoteKeySet(t.Context(), server.URL)
}

// sent is what a relying party gets when sessions are ended.
func sent(t *testing.T, a *Authority, change func(*Config), who bridge.Identifiers) []string {
	t.Helper()
	s, c := serve(t, always(200))
	if change != nil {
		change(&c)
	}
	if _, _, err := connectortest.Revoke(t, open(t, c, a), who); connectortest.Word(bridge.Receipt{}, err) != "" {
		t.Fatal(err)
	}
	return s.tokens
}

// Another's library judges our tokens: go-oidc, which refuses one without jti or
// exp, or with a nonce.
func TestTokensAreGenuine(t *testing.T) {
	for name, make := range map[string]func(*testing.T) *Authority{"RSA": made,
		"P-256": func(t *testing.T) *Authority { return withKeys(t, newKey(t, elliptic.P256())) },
		"P-384": func(t *testing.T) *Authority { return withKeys(t, newKey(t, elliptic.P384())) }} {
		t.Run(name, func(t *testing.T) {
			a := make(t)
			algorithms := []string{"RS256", "ES256", "ES384"}
			verifier := verifying.NewVerifier(issuer, published(t, a), &verifying.Config{ClientID: client, SupportedSigningAlgs: algorithms})
			begun := time.Now().Truncate(time.Second)
			who := bridge.Identifiers{Sessions: append(sessions(2), bridge.Session{Subject: subject})}
			tokens := sent(t, a, nil, who)
			if len(tokens) != 3 {
				t.Fatalf("%d tokens", len(tokens))
			}
			named, ids := map[string]string{}, map[string]bool{}
			for _, token := range tokens {
				got, err := verifier.VerifyLogout(t.Context(), token)
				if err != nil {
					t.Fatal(err)
				}
				named[got.SessionID] = got.Subject
				ids[got.TokenID] = true
				if !reflect.DeepEqual(got.Audience, []string{client}) || got.IssuedAt.Before(begun) || got.IssuedAt.After(time.Now()) ||
					got.Expiry.Sub(got.IssuedAt) != lifetime {
					t.Errorf("%+v", got)
				}
			}
			if want := map[string]string{"sid-0": subject, "sid-1": subject, "": subject}; !reflect.DeepEqual(named, want) {
				t.Errorf("named %v, want %v", named, want)
			}
			if len(ids) != 3 {
				t.Errorf("%d ids in 3 tokens", len(ids))
			}
			// Nobody else is to take it.
			for what, v := range map[string]*verifying.IDTokenVerifier{
				"another audience": verifying.NewVerifier(issuer, published(t, a), &verifying.Config{ClientID: "crm", SupportedSigningAlgs: algorithms}),
				"another issuer":   verifying.NewVerifier(provider, published(t, a), &verifying.Config{ClientID: client, SupportedSigningAlgs: algorithms}),
				"other keys":       verifying.NewVerifier(issuer, published(t, authority(t)), &verifying.Config{ClientID: client, SupportedSigningAlgs: algorithms}),
			} {
				if _, err := v.VerifyLogout(t.Context(), tokens[0]); err == nil {
					t.Errorf("%s took it", what)
				}
			}
			late := verifying.NewVerifier(issuer, published(t, a), &verifying.Config{ClientID: client, SupportedSigningAlgs: algorithms,
				Now: func() time.Time { return time.Now().Add(lifetime + time.Second) }})
			if _, err := late.VerifyLogout(t.Context(), tokens[0]); err == nil {
				t.Error("it is good for longer than it says")
			}
		})
	}
}

// What a token must not be: an ID token, or something whose header leads elsewhere.
func TestTokenHasNothingElse(t *testing.T) {
	a := made(t)
	token := sent(t, a, func(c *Config) { c.Role, c.Issuer = delegate, provider }, bridge.Identifiers{Sessions: sessions(1)})[0]
	h := headerOf(t, token)
	if want := map[string]any{"alg": "RS256", "typ": "logout+jwt", "kid": (*a.keys.Load())[0].KeyID}; !reflect.DeepEqual(h, want) {
		t.Errorf("header %v, want %v", h, want)
	}
	var c map[string]any
	if err := json.Unmarshal([]byte(payloadOf(token)), &c); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"iat", "exp", "jti"} {
		if c[name] == nil {
			t.Errorf("there is no %s", name)
		}
		delete(c, name)
	}
	if want := map[string]any{"iss": provider, "aud": client, "sub": subject, "sid": "sid-0",
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}; !reflect.DeepEqual(c, want) {
		t.Errorf("claims %v, want %v", c, want)
	}
}

// A try that failed, or whose answer was lost, is repeated with another token:
// relying parties refuse one that they have seen.
func TestNoTokenIsSentTwice(t *testing.T) {
	s, c := serve(t, func(n int) int { return []int{500, 0, 200, 200}[n-1] })
	p := open(t, c, authority(t))
	who := bridge.Identifiers{Sessions: sessions(1)}
	for range 4 {
		p.Do(t.Context(), bridge.Order{Key: "the same", Effect: bridge.Revoke, Who: who})
	}
	ids := map[string]bool{}
	for _, token := range s.tokens {
		var c claims
		if json.Unmarshal([]byte(payloadOf(token)), &c) != nil || c.ID == "" {
			t.Fatalf("no id in %s", payloadOf(token))
		}
		ids[c.ID] = true
	}
	if len(s.tokens) != 4 || len(ids) != 4 {
		t.Errorf("%d tokens with %d ids", len(s.tokens), len(ids))
	}
}

// newKey makes a key and its certificate, as an administrator would.
func newKey(t *testing.T, curve elliptic.Curve) (path string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)},
		&x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})...)
	path = filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// made makes an authority with the key that exeunt makes for itself.
func made(t *testing.T) *Authority {
	t.Helper()
	a := NewAuthority(Options{BaseURL: issuer + "/", Now: time.Now})
	if err := a.Load(t.TempDir(), true); err != nil {
		t.Fatal(err)
	}
	return a
}

// withKeys makes an authority whose first key signs.
func withKeys(t *testing.T, paths ...string) *Authority {
	t.Helper()
	a := NewAuthority(Options{Issuer: issuer, Keys: paths, Now: time.Now})
	if err := a.Load("", false); err != nil {
		t.Fatal(err)
	}
	return a
}

// While both keys are published, what either signed is good; the name of a key
// stays with it.
func TestRotation(t *testing.T) {
	who := bridge.Identifiers{Sessions: sessions(1)}
	good := func(a *Authority, token string) bool {
		v := verifying.NewVerifier(issuer, published(t, a), &verifying.Config{ClientID: client, SupportedSigningAlgs: []string{"ES256", "ES384"}})
		_, err := v.VerifyLogout(t.Context(), token)
		return err == nil
	}
	first, second := newKey(t, elliptic.P256()), newKey(t, elliptic.P384())
	before, announced, turned, after := withKeys(t, first), withKeys(t, first, second), withKeys(t, second, first), withKeys(t, second)
	old, next := sent(t, before, nil, who)[0], sent(t, turned, nil, who)[0]
	if headerOf(t, old)["alg"] != "ES256" || headerOf(t, next)["alg"] != "ES384" {
		t.Fatalf("signed by %v, then %v", headerOf(t, old)["alg"], headerOf(t, next)["alg"])
	}
	for _, test := range []struct {
		name      string
		published *Authority
		token     string
		want      bool
	}{
		{"old key, before", before, old, true}, {"old key, announced", announced, old, true},
		{"old key, turned", turned, old, true}, {"old key, gone", after, old, false},
		{"new key, before", before, next, false}, {"new key, announced", announced, next, true},
		{"new key, turned", turned, next, true}, {"new key, alone", after, next, true},
	} {
		if got := good(test.published, test.token); got != test.want {
			t.Errorf("%s: good %v, want %v", test.name, got, test.want)
		}
	}
}

func TestJWKS(t *testing.T) {
	a := withKeys(t, newKey(t, elliptic.P256()), newKey(t, elliptic.P384()))
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(a.JWKS(), &set); err != nil || len(set.Keys) != 2 {
		t.Fatalf("%v, %s", err, a.JWKS())
	}
	for i, want := range []map[string]string{{"alg": "ES256", "crv": "P-256"}, {"alg": "ES384", "crv": "P-384"}} {
		got := set.Keys[i]
		if got["kty"] != "EC" || got["use"] != "sig" || got["alg"] != want["alg"] || got["crv"] != want["crv"] || got["kid"] == "" {
			t.Errorf("%v, want %v", got, want)
		}
		if _, private := got["d"]; private {
			t.Error("the private key is published")
		}
	}
	if got := string(NewAuthority(Options{}).JWKS()); got != `{"keys":[]}` {
		t.Errorf("before the keys are read: %s", got)
	}
	for _, secret := range []string{`"d"`, `"p"`, `"q"`, `"dp"`} {
		if strings.Contains(string(made(t).JWKS()), secret) {
			t.Errorf("%s of an RSA key is published", secret)
		}
	}
}

func TestLoad(t *testing.T) {
	data := t.TempDir()
	path, o := filepath.Join(data, "oidc.pem"), Options{BaseURL: issuer, Now: time.Now}
	if err := NewAuthority(o).Load(data, false); err == nil {
		t.Error("a key was made, or none was needed")
	}
	first, again := NewAuthority(o), NewAuthority(o)
	if err := first.Load(data, true); err != nil {
		t.Fatal(err)
	}
	if err := again.Load(data, false); err != nil || string(first.JWKS()) != string(again.JWKS()) {
		t.Errorf("another key after a restart: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	p256 := newKey(t, elliptic.P256())
	for _, keys := range [][]string{{path + ".none"}, {newKey(t, elliptic.P521())}, {p256, p256}} {
		if err := NewAuthority(Options{Issuer: issuer, Keys: keys}).Load(data, true); err == nil || !strings.Contains(err.Error(), keys[0]) {
			t.Errorf("%v: %v", keys, err)
		}
	}
	// Without keys nothing is sent, and it is tried again: they may yet come.
	s, c := serve(t, always(200))
	if _, _, err := connectortest.Revoke(t, open(t, c, NewAuthority(o)), bridge.Identifiers{Sessions: sessions(1)}); err == nil || bridge.IsPermanent(err) || len(s.tokens) > 0 {
		t.Errorf("without keys: %v", err)
	}
	if _, err := pair.Read(path); err != nil {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	good := Config{URI: "https://wiki.example.com/logout", ClientID: client, Role: delegate, Issuer: provider}
	for _, test := range []struct {
		change func(*Config)
		field  string // "" if good
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.Role, c.Issuer = hub, "" }, ""},
		{func(c *Config) { c.Subject, c.IndexesBy = "acme|{id}", "sub" }, ""},
		{func(c *Config) { c.Role = "" }, "role"},
		{func(c *Config) { c.Role = "proxy" }, "role"},
		{func(c *Config) { c.Issuer = "" }, "issuer"},
		{func(c *Config) { c.Issuer = "idp" }, "issuer"},
		{func(c *Config) { c.Issuer = provider + "?x" }, "issuer"},
		{func(c *Config) { c.Role = hub }, "issuer"},
		{func(c *Config) { c.ClientID = "" }, "client_id"},
		{func(c *Config) { c.URI = "" }, "backchannel_logout_uri"},
		{func(c *Config) { c.URI = "http://wiki.example.com/logout" }, "backchannel_logout_uri"},
		{func(c *Config) { c.Subject = "name" }, "subject"},
		{func(c *Config) { c.IndexesBy = "name" }, "indexes_by"},
	} {
		c := good
		test.change(&c)
		problems := c.Validate()
		if got := len(problems); test.field == "" && got > 0 || test.field != "" && (got != 1 || problems[0].Field != test.field) {
			t.Errorf("%+v: %v, want %q", c, problems, test.field)
		}
	}
	nameless := Config{URI: good.URI, ClientID: client, Role: hub}
	nameless.Speak(NewAuthority(Options{}))
	if _, err := nameless.Open(); !bridge.IsKind(err, bridge.KindInvalid) {
		t.Errorf("a hub without a name: %v", err)
	}
}
