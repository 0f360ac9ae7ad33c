package server

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt/exeunt/bridge/connector"
)

// authority is a real issuer: metadata, keys, and tokens signed with them.
type authority struct {
	*httptest.Server
	mu    sync.Mutex
	keys  []jose.JSONWebKey // private
	says  string            // instead of its name
	down  atomic.Bool
	slow  chan struct{} // if not nil, answers wait for it
	asked atomic.Int32  // for its keys
}

func newAuthority(t *testing.T) *authority {
	a := &authority{}
	mux := http.NewServeMux()
	mux.HandleFunc("/tenant/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		if a.down.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		name := a.issuer()
		if a.says != "" {
			name = a.says
		}
		json.NewEncoder(w).Encode(map[string]string{"issuer": name, "jwks_uri": a.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		a.asked.Add(1)
		if a.slow != nil {
			<-a.slow
		}
		if a.down.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
		for _, k := range a.keys {
			set.Keys = append(set.Keys, k.Public())
		}
		json.NewEncoder(w).Encode(set)
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

func (a *authority) issuer() string { return a.URL + "/tenant" }

// adds gives it a key; the first ones stay.
func (a *authority) adds(t *testing.T, kid string, alg jose.SignatureAlgorithm) jose.JSONWebKey {
	t.Helper()
	k := jose.JSONWebKey{KeyID: kid, Key: newKey(t, alg), Algorithm: string(alg), Use: "sig"}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = append(a.keys, k)
	return k
}

func (a *authority) forgets() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = nil
}

func newKey(t *testing.T, alg jose.SignatureAlgorithm) any {
	t.Helper()
	var (
		key any
		err error
	)
	switch alg {
	case jose.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.ES384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jose.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign signs claims, which may be any text, with a header that may say anything.
func sign(t *testing.T, k jose.JSONWebKey, claims string, header map[jose.HeaderKey]any) string {
	t.Helper()
	o := &jose.SignerOptions{ExtraHeaders: header}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Algorithm), Key: k}, o)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// saying is claims as the issuer makes them, with some set otherwise; nil takes one out.
func (a *authority) saying(now time.Time, changes ...any) string {
	claims := map[string]any{"iss": a.issuer(), "aud": "api://exeunt", "azp": "client-1", "sub": "service-1", "roles": []string{"scim", "x"},
		"exp": now.Add(time.Hour).Unix(), "nbf": now.Unix(), "iat": now.Unix(), "scope": "read scim"}
	for i := 0; i < len(changes); i += 2 {
		if claims[changes[i].(string)] = changes[i+1]; changes[i+1] == nil {
			delete(claims, changes[i].(string))
		}
	}
	raw, _ := json.Marshal(claims)
	return string(raw)
}

func (a *authority) rule() *JWTConfig {
	return &JWTConfig{Issuer: a.issuer(), Audience: "api://exeunt", ClientID: "client-1",
		Egress: connector.Egress{AllowNetworks: []string{"127.0.0.1/32"}}}
}

// watch is a clock that stands still until it is moved.
type watchClock struct{ at atomic.Int64 }

func newWatch() *watchClock {
	w := &watchClock{}
	w.at.Store(time.Now().UnixNano())
	return w
}
func (w *watchClock) now() time.Time         { return time.Unix(0, w.at.Load()) }
func (w *watchClock) passes(d time.Duration) { w.at.Add(int64(d)) }
func (w *watchClock) put(o *Options)         { o.Now = w.now }

// knocks asks for something as the bearer of a token.
func (f *front) knocks(t *testing.T, token string, headers ...string) (*http.Response, string) {
	t.Helper()
	return f.ask(t, "GET", "/scim/v2/Users", "", append(headers, "Authorization", "Bearer "+token)...)
}

func withJWT(sources map[string]*JWTConfig) Settings {
	s := defaults()
	s.Sources = map[string]SourceConfig{}
	for name, j := range sources {
		s.Sources[name] = SourceConfig{JWT: j}
		s.Knows = append(s.Knows, name)
	}
	return s
}

func TestJWTAttacks(t *testing.T) {
	a := newAuthority(t)
	good := a.adds(t, "k1", jose.RS256)
	curve := a.adds(t, "k2", jose.ES256)
	edwards := a.adds(t, "k3", jose.EdDSA)
	wide := a.adds(t, "k4", jose.ES384) // its algorithm is not among the usual ones
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	a.keys = append(a.keys, jose.JSONWebKey{KeyID: "weak", Key: weak, Algorithm: "RS256"}, jose.JSONWebKey{KeyID: "enc", Key: newKey(t, jose.RS256), Use: "enc"})
	stranger := jose.JSONWebKey{KeyID: "k1", Key: newKey(t, jose.RS256), Algorithm: "RS256"}
	clock := newWatch()
	now := clock.now()
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(good.Public().Key))(t)})
	raw := func(header, claims string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	}
	hmac256 := func(text string) string {
		mac := hmac.New(sha256.New, public)
		mac.Write([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	ofEncryption := func() string {
		k := a.keys[len(a.keys)-1]
		k.Algorithm = "RS256"
		return sign(t, k, a.saying(now), nil)
	}
	chain := []string{base64.StdEncoding.EncodeToString([]byte("x"))}
	plain := sign(t, good, a.saying(now), nil)
	parts := strings.Split(plain, ".")
	settings, client := withJWT(map[string]*JWTConfig{"entra": a.rule()}), 0
	settings.Proxies = []Network{{netip.MustParsePrefix("127.0.0.1/32")}}
	f := start(t, settings, nil, clock.put)

	for _, tt := range []struct {
		name, token string
		why         reason // "" if it opens
	}{
		{"good", plain, ""},
		{"good, by a curve", sign(t, curve, a.saying(now), nil), ""},
		{"good, by another curve", sign(t, edwards, a.saying(now), nil), ""},
		{"good, of the profile", sign(t, good, a.saying(now), map[jose.HeaderKey]any{"typ": "at+jwt"}), ""},
		{"good, with several audiences", sign(t, good, a.saying(now, "aud", []string{"x", "api://exeunt"}), nil), ""},
		{"good, the client called otherwise", sign(t, good, a.saying(now, "azp", nil, "client_id", "client-1"), nil), ""},
		{"good, the client called as Entra does", sign(t, good, a.saying(now, "azp", nil, "appid", "client-1"), nil), ""},
		{"good, just expired", sign(t, good, a.saying(now, "exp", now.Add(-30*time.Second).Unix()), nil), ""},
		{"good, from a clock that is ahead", sign(t, good, a.saying(now, "nbf", now.Add(30*time.Second).Unix()), nil), ""},
		{"good, a key brought along is not looked at", sign(t, good, a.saying(now), map[jose.HeaderKey]any{"jku": "https://evil.example/keys", "x5u": "https://evil.example/cert"}), ""},

		{"none", raw(`{"alg":"none"}`, a.saying(now)) + ".", malformed},
		{"none, in capitals", raw(`{"alg":"NONE","kid":"k1"}`, a.saying(now)) + ".", malformed},
		{"no signature", parts[0] + "." + parts[1] + ".", wrongSignature},
		{"HS256 with the public key", hmac256(raw(`{"alg":"HS256","kid":"k1"}`, a.saying(now))), malformed},
		{"signed by a stranger", sign(t, stranger, a.saying(now), nil), wrongSignature},
		{"changed after it was signed", parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(a.saying(now, "sub", "x"))) + "." + parts[2], wrongSignature},
		{"key in the header (jwk)", signWithOwnKey(t, stranger, a.saying(now)), wrongSignature},
		{"keys elsewhere (jku)", sign(t, stranger, a.saying(now), map[jose.HeaderKey]any{"jku": a.URL + "/evil"}), wrongSignature},
		{"certificate elsewhere (x5u)", sign(t, stranger, a.saying(now), map[jose.HeaderKey]any{"x5u": a.URL + "/evil"}), wrongSignature},
		{"certificate in the header (x5c)", raw(`{"alg":"RS256","kid":"k1","x5c":["`+chain[0]+`"]}`, a.saying(now)) + "." + parts[2], malformed},
		{"another algorithm of the same key", sign(t, jose.JSONWebKey{KeyID: "k1", Key: good.Key, Algorithm: "PS256"}, a.saying(now), nil), unknownKey},
		{"an algorithm that is not allowed", sign(t, wide, a.saying(now), nil), malformed},
		{"a key too short", sign(t, jose.JSONWebKey{KeyID: "weak", Key: weak, Algorithm: "RS256"}, a.saying(now), nil), unknownKey},
		{"a key that is for encryption", ofEncryption(), unknownKey},
		{"a key of another kind by its name", sign(t, jose.JSONWebKey{KeyID: "k2", Key: good.Key, Algorithm: "RS256"}, a.saying(now), nil), unknownKey},
		{"unknown key", sign(t, jose.JSONWebKey{KeyID: "k9", Key: good.Key, Algorithm: "RS256"}, a.saying(now), nil), unknownKey},
		{"critical extension", raw(`{"alg":"RS256","kid":"k1","crit":["exp"],"exp":1}`, a.saying(now)) + "." + parts[2], malformed},
		{"payload not encoded", raw(`{"alg":"RS256","kid":"k1","crit":["b64"],"b64":false}`, a.saying(now)) + "." + parts[2], malformed},
		{"made for something else", sign(t, good, a.saying(now), map[jose.HeaderKey]any{"typ": "logout+jwt"}), malformed},
		{"another issuer", sign(t, good, a.saying(now, "iss", "https://evil.example"), nil), wrongIssuer},
		{"another tenant of the issuer", sign(t, good, a.saying(now, "iss", a.issuer()+"/"), nil), wrongIssuer},
		{"no issuer", sign(t, good, a.saying(now, "iss", nil), nil), wrongIssuer},
		{"issuers in a list", sign(t, good, a.saying(now, "iss", []string{a.issuer()}), nil), malformed},
		{"another audience", sign(t, good, a.saying(now, "aud", "api://other"), nil), wrongAudience},
		{"an audience that begins the same", sign(t, good, a.saying(now, "aud", "api://exeunt/x"), nil), wrongAudience},
		{"no audience", sign(t, good, a.saying(now, "aud", nil), nil), wrongAudience},
		{"expired", sign(t, good, a.saying(now, "exp", now.Add(-2*time.Minute).Unix()), nil), expired},
		{"never expires", sign(t, good, a.saying(now, "exp", nil), nil), expired},
		{"expires with a word", sign(t, good, a.saying(now, "exp", "tomorrow"), nil), malformed},
		{"not yet good", sign(t, good, a.saying(now, "nbf", now.Add(2*time.Minute).Unix()), nil), tooEarly},
		{"issued tomorrow", sign(t, good, a.saying(now, "iat", now.Add(24*time.Hour).Unix()), nil), tooEarly},
		{"another client", sign(t, good, a.saying(now, "azp", "client-2"), nil), wrongClient},
		{"a user's, by no client", sign(t, good, a.saying(now, "azp", nil), nil), wrongClient},
		{"two clients", sign(t, good, a.saying(now, "client_id", "client-2"), nil), wrongClient},
		{"bound to a certificate", sign(t, good, a.saying(now, "cnf", map[string]string{"x5t#S256": "x"}), nil), wrongCertificate},
		{"bound to a key", sign(t, good, a.saying(now, "cnf", map[string]string{"jkt": "x"}), nil), wrongCertificate},
		{"a claim twice", sign(t, good, strings.Replace(a.saying(now), "{", `{"azp":"client-2",`, 1), nil), malformed},
		{"a claim twice, unseen", sign(t, good, strings.Replace(a.saying(now), "{", `{"x":1,"x":2,`, 1), nil), malformed},
		{"a claim in other letters", sign(t, good, strings.Replace(a.saying(now, "aud", "api://other"), "{", `{"AUD":"api://exeunt",`, 1), nil), wrongAudience},
		{"oversized", sign(t, good, a.saying(now, "x", strings.Repeat("x", maxJWT)), nil), missing},
		{"no object", sign(t, good, `["iss"]`, nil), malformed},
		{"no JSON", sign(t, good, `iss`, nil), malformed},
		{"something after it", sign(t, good, a.saying(now)+`{}`, nil), malformed},
		{"as JSON", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, wrong},
		{"encrypted", "ey.ey.ey.ey.ey", wrong},
		{"with spaces", parts[0] + " ." + parts[1] + "." + parts[2], malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			counted := func() float64 { return f.refused(t, "scim", tt.why) }
			client++ // each from its own address, so that none is slowed for the others
			before := counted()
			res, body := f.knocks(t, tt.token, "X-Forwarded-For", "198.51.100."+strconv.Itoa(client))
			if tt.why == "" {
				if res.StatusCode != 200 || !strings.Contains(body, `"source":"entra"`) || !strings.Contains(body, `"token":"jwt:client-1"`) {
					t.Errorf("%d %s", res.StatusCode, body)
				}
				return
			}
			if res.StatusCode != 401 || counted() != before+1 {
				t.Errorf("%d %s, or not because of %s", res.StatusCode, body, tt.why)
			}
			if strings.Contains(f.log.String(), tt.token) || strings.Contains(f.log.String(), parts[2]) {
				t.Error("the log holds the token")
			}
		})
	}
}

// refused is how often credentials were refused at a door for a reason.
func (f *front) refused(t *testing.T, door string, why reason) float64 {
	t.Helper()
	_, figures := f.ask(t, "GET", "/metrics", "")
	_, rest, there := strings.Cut(figures, fmt.Sprintf("\nexeunt_credentials_refused_total{door=%q,reason=%q} ", door, string(why)))
	if !there {
		return 0
	}
	line, _, _ := strings.Cut(rest, "\n")
	return must(strconv.ParseFloat(line, 64))(t)
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func signWithOwnKey(t *testing.T, k jose.JSONWebKey, claims string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: k.Key}, &jose.SignerOptions{EmbedJWK: true, ExtraHeaders: map[jose.HeaderKey]any{"kid": "k1"}})
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	return must(jws.CompactSerialize())(t)
}

// Claims pin a client as its id does; of two sources of one issuer each gets its
// own tokens, and a token that could be both's is nobody's.
func TestJWTOfSeveralSources(t *testing.T) {
	a := newAuthority(t)
	key := a.adds(t, "k1", jose.RS256)
	byClient, byRole, byScope := a.rule(), a.rule(), a.rule()
	byRole.ClientID, byRole.Claims = "", map[string]string{"sub": "service-2", "roles": "scim"}
	byScope.ClientID, byScope.Claims = "client-3", map[string]string{"scope": "scim", "tid": "t", "n": "7", "app": "true"}
	f := start(t, withJWT(map[string]*JWTConfig{"one": byClient, "two": byRole, "three": byScope}), nil, nil)
	now := time.Now()
	for _, tt := range []struct {
		name   string
		claims string
		status int
		has    string
	}{
		{"by client", a.saying(now), 200, `"source":"one"`},
		{"by claims", a.saying(now, "azp", "x", "sub", "service-2"), 200, `"source":"two"`},
		{"named by the source where no client is", a.saying(now, "azp", "x", "sub", "service-2"), 200, `"token":"jwt:two"`},
		{"by claims, one missing", a.saying(now, "azp", "x", "sub", "service-2", "roles", "scimx"), 401, ""},
		{"by scope, number and truth", a.saying(now, "azp", "client-3", "tid", "t", "n", 7, "app", true), 200, `"source":"three"`},
		{"by a scope that begins the same", a.saying(now, "azp", "client-3", "tid", "t", "n", 7, "app", true, "scope", "scimx"), 401, ""},
		{"two sources'", a.saying(now, "sub", "service-2"), 401, ""},
	} {
		if res, body := f.knocks(t, sign(t, key, tt.claims, nil)); res.StatusCode != tt.status || !strings.Contains(body, tt.has) {
			t.Errorf("%s: %d %s", tt.name, res.StatusCode, body)
		}
	}
	if a.asked.Load() != 1 {
		t.Errorf("three sources of one issuer asked for its keys %d times", a.asked.Load())
	}
	if f.refused(t, "scim", ambiguous) != 1 {
		t.Error("a token of two sources is not counted as such")
	}
}

// Keys come and go; an issuer that is down, lies or is slow lets nobody in, and
// keeps nobody out whose key is known.
func TestJWTKeys(t *testing.T) {
	a := newAuthority(t)
	first := a.adds(t, "k1", jose.RS256)
	clock := newWatch()
	f := start(t, withJWT(map[string]*JWTConfig{"entra": a.rule()}), nil, clock.put)
	token := func(k jose.JSONWebKey) string { return sign(t, k, a.saying(clock.now()), nil) }
	expect := func(what string, k jose.JSONWebKey, status int, asked int32) *http.Response {
		t.Helper()
		res, body := f.knocks(t, token(k))
		if res.StatusCode != status || a.asked.Load() != asked {
			t.Fatalf("%s: %d %s, asked %d times; want %d, %d", what, res.StatusCode, body, a.asked.Load(), status, asked)
		}
		return res
	}
	a.down.Store(true)
	if res := expect("the issuer is down from the start", first, 503, 0); res.Header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After: %q", res.Header.Get("Retry-After"))
	}
	a.down.Store(false)
	expect("it is not asked again at once", first, 503, 0)
	if res, body := f.knocks(t, sign(t, first, a.saying(clock.now(), "aud", "x"), nil)); res.StatusCode != 401 {
		t.Errorf("what is wrong anyway is not put off: %d %s", res.StatusCode, body)
	}
	clock.passes(5 * time.Second)
	expect("it is back", first, 200, 1)
	expect("keys are kept", first, 200, 1)

	second := a.adds(t, "k2", jose.ES256)
	expect("a new key, and keys are just fetched", second, 401, 1)
	clock.passes(time.Minute)
	expect("a new key", second, 200, 2)
	unknown := jose.JSONWebKey{KeyID: "k9", Key: first.Key, Algorithm: "RS256"}
	for range 5 {
		expect("unknown keys cause no fetches", unknown, 401, 2)
	}
	clock.passes(time.Minute)
	for range 5 {
		expect("or one in a minute", unknown, 401, 3)
	}

	a.forgets()
	a.adds(t, "k5", jose.ES256)
	clock.passes(time.Hour)
	expect("an old key that the issuer withdrew", first, 401, 4)
	third := a.adds(t, "k1", jose.RS256)
	clock.passes(time.Minute)
	expect("a new key", third, 200, 5)
	a.forgets()
	fourth := a.adds(t, "k1", jose.RS256) // under the same name
	clock.passes(time.Minute)
	expect("a new key under an old name", fourth, 200, 6)
	expect("what is signed with the old one", third, 401, 6)

	a.down.Store(true)
	clock.passes(time.Hour)
	expect("known keys are good while the issuer is down", fourth, 200, 6)
	if res := expect("unknown ones cannot be known", unknown, 503, 6); res.Header.Get("Retry-After") != "60" {
		t.Errorf("Retry-After: %q", res.Header.Get("Retry-After"))
	}
	expect("nor whether a known one has another successor of its name", third, 503, 6)
	f.Apply(withJWT(map[string]*JWTConfig{"entra": a.rule(), "more": {Issuer: "https://x.example", Audience: "x", ClientID: "x"}}))
	expect("known keys are kept over a reload", fourth, 200, 6)
	clock.passes(24 * time.Hour)
	expect("but not for ever", fourth, 503, 6)

	a.down.Store(false)
	a.says = "https://other.example"
	clock.passes(time.Minute)
	expect("metadata of another issuer", fourth, 503, 6)
	a.says = ""
	clock.passes(time.Minute)
	expect("its own", fourth, 200, 7)
	if !strings.Contains(f.log.String(), "they are another issuer's") {
		t.Error("the log does not tell why")
	}
}

// However many want a key at once, the issuer is asked once, and a stranger's
// issuer never.
func TestJWTFetchIsShared(t *testing.T) {
	a := newAuthority(t)
	a.slow = make(chan struct{})
	key := a.adds(t, "k1", jose.RS256)
	f := start(t, withJWT(map[string]*JWTConfig{"entra": a.rule()}), nil, nil)
	token := sign(t, key, a.saying(time.Now()), nil)
	const many = 20
	statuses := make(chan int, many)
	for range many {
		go func() {
			r, _ := http.NewRequest("GET", f.url+"/scim/v2/Users", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				statuses <- 0
				return
			}
			res.Body.Close()
			statuses <- res.StatusCode
		}()
	}
	i := f.now.Load().rules[0].keys
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // until all wait
		i.mu.Lock()
		waiting := i.waiting
		i.mu.Unlock()
		if waiting == many-1 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d wait", waiting)
		}
	}
	close(a.slow)
	for range many {
		if status := <-statuses; status != 200 {
			t.Errorf("%d", status)
		}
	}
	if a.asked.Load() != 1 {
		t.Errorf("asked %d times", a.asked.Load())
	}
	other := newAuthority(t)
	stranger := other.adds(t, "k1", jose.RS256)
	if res, _ := f.knocks(t, sign(t, stranger, other.saying(time.Now()), nil)); res.StatusCode != 401 || other.asked.Load() != 0 {
		t.Errorf("a stranger's issuer: %d, asked %d times", res.StatusCode, other.asked.Load())
	}
}

func TestWellKnown(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://a.example":         "https://a.example/.well-known/openid-configuration https://a.example/.well-known/oauth-authorization-server",
		"https://a.example/":        "https://a.example/.well-known/openid-configuration https://a.example/.well-known/oauth-authorization-server",
		"https://a.example/t/v2.0":  "https://a.example/t/v2.0/.well-known/openid-configuration https://a.example/.well-known/oauth-authorization-server/t/v2.0",
		"https://a.example:8443/t/": "https://a.example:8443/t/.well-known/openid-configuration https://a.example:8443/.well-known/oauth-authorization-server/t",
	} {
		if got := strings.Join(wellKnown(issuer), " "); got != want {
			t.Errorf("%s: %s", issuer, got)
		}
	}
}

func TestParseKeys(t *testing.T) {
	key := jose.JSONWebKey{KeyID: "k", Key: newKey(t, jose.RS256)}
	public, _ := json.Marshal(key.Public())
	private, _ := json.Marshal(key)
	for set, want := range map[string]int{
		`{"keys":[` + string(public) + `]}`:                                          1,
		`{"keys":[` + string(public) + `,{"kty":"XYZ"},{"kty":"oct","k":"AAAA"},7]}`: 1,
		`{"keys":[` + string(private) + `]}`:                                         0,
		`{"keys":[{"kty":"oct","k":"AAAA","kid":"k"}]}`:                              0,
		`{"keys":[]}`: 0,
		`{"keys":[` + string(public) + `],"keys":[]}`:                                     0,
		`{"keys":[` + strings.Repeat(string(public)+",", maxKeys) + string(public) + `]}`: 0,
		`<html>`: 0,
	} {
		keys, err := parseKeys([]byte(set))
		if len(keys) != want || (err == nil) != (want > 0) {
			t.Errorf("%.60s: %d keys, %v", set, len(keys), err)
		}
	}
}

func FuzzReadJWT(f *testing.F) {
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"i","aud":["a"],"exp":1e300,"cnf":{"x5t#S256":1},"azp":7}`))
	for _, header := range []string{`{"alg":"RS256","kid":"k"}`, `{"alg":"none"}`, `{"alg":"ES256","typ":7,"jwk":{"kty":"EC"}}`} {
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + claims + ".AAAA")
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	trusted := []jose.JSONWebKey{{Key: crypto.PublicKey(key.Public())}}
	r := rule{JWTConfig: &JWTConfig{Issuer: "i", Audience: "a", Claims: map[string]string{"x": "y"}}, algorithms: signatures}
	f.Fuzz(func(t *testing.T, text string) {
		token, ok := readJWT(text)
		if !ok {
			return
		}
		r.judge(token, nil, time.Unix(0, 0))
		if alg := string(token.alg()); alg == "none" || strings.HasPrefix(alg, "HS") {
			t.Fatalf("%s was read", alg)
		}
		if token.signedBy(trusted) {
			t.Fatal("nobody has signed it")
		}
	})
}
