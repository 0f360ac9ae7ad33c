package peers

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// ClientSecret is what every relying party shows to the OP.
const ClientSecret = "client-secret-0123456789abcdef"

// signedInAs is the cookie of whoever is signed in at the OP: "sub/sid".
const signedInAs = "op_session"

// OP is the organisation's OpenID provider, which relying parties trust: it
// speaks the authorization code flow over https and lets everybody in at once.
// Its key set holds whatever else it is told to publish, so that somebody may
// sign logout tokens in its name.
type OP struct {
	URL string // the issuer
	CA  string // a PEM file with the certificate that its own is signed by

	client *http.Client
	key    jose.JSONWebKey

	mu        sync.Mutex
	published []jose.JSONWebKey
	codes     map[string]grant
}

// grant is what an authorization code stands for.
type grant struct{ client, sub, sid, nonce string }

// NewOP starts an OpenID provider on 127.0.0.1.
func NewOP(t testing.TB) *OP {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	op := &OP{
		key:   jose.JSONWebKey{Key: private, KeyID: "op", Algorithm: string(jose.RS256), Use: "sig"},
		codes: map[string]grant{},
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /.well-known/openid-configuration", op.discovery)
	routes.HandleFunc("GET /authorize", op.authorize)
	routes.HandleFunc("POST /token", op.token)
	routes.HandleFunc("GET /jwks", op.jwks)
	s := httptest.NewTLSServer(routes)
	t.Cleanup(s.Close)
	op.URL, op.client = s.URL, s.Client()
	op.CA = filepath.Join(folder(t), "op.pem")
	write(t, op.CA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	return op
}

// Client is an HTTP client that trusts the OP's certificate.
func (op *OP) Client() *http.Client { return op.client }

// Publish adds public keys to the OP's key set. Relying parties fetch the set when
// they first need it, so publish before the first person signs in.
func (op *OP) Publish(keys ...jose.JSONWebKey) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.published = append(op.published, keys...)
}

// LogoutToken is a correct logout token (OpenID Connect Back-Channel Logout 1.0,
// section 2.4), signed by the OP itself. An empty sub or sid is left out.
func (op *OP) LogoutToken(t testing.TB, client, sub, sid string) string {
	t.Helper()
	now := time.Now()
	claims := map[string]any{
		"iss": op.URL, "aud": client, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": rand.Text(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": struct{}{}},
	}
	if sub != "" {
		claims["sub"] = sub
	}
	if sid != "" {
		claims["sid"] = sid
	}
	token, err := op.sign("logout+jwt", claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (op *OP) sign(kind jose.ContentType, claims any) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: op.key}, (&jose.SignerOptions{}).WithType(kind))
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

func (op *OP) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                op.URL,
		"authorization_endpoint":                op.URL + "/authorize",
		"token_endpoint":                        op.URL + "/token",
		"jwks_uri":                              op.URL + "/jwks",
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic"},
		"backchannel_logout_supported":          true,
		"backchannel_logout_session_supported":  true,
	})
}

// authorize sends the browser straight back, with a code.
func (op *OP) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	who, missing := r.Cookie(signedInAs)
	if err != nil || missing != nil {
		http.Error(w, "nobody is signed in, or there is no way back", http.StatusBadRequest)
		return
	}
	sub, sid, _ := strings.Cut(who.Value, "/")
	code := rand.Text()
	op.mu.Lock()
	op.codes[code] = grant{client: q.Get("client_id"), sub: sub, sid: sid, nonce: q.Get("nonce")}
	op.mu.Unlock()
	values := back.Query()
	values.Set("code", code)
	values.Set("state", q.Get("state"))
	back.RawQuery = values.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// token gives an ID token for a code, once.
func (op *OP) token(w http.ResponseWriter, r *http.Request) {
	client, secret, _ := r.BasicAuth()
	secret, _ = url.QueryUnescape(secret) // RFC 6749, section 2.3.1
	op.mu.Lock()
	granted, ok := op.codes[r.PostFormValue("code")]
	delete(op.codes, r.PostFormValue("code"))
	op.mu.Unlock()
	if !ok || granted.client != client || secret != ClientSecret {
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	now := time.Now()
	claims := map[string]any{
		"iss": op.URL, "aud": client, "sub": granted.sub, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	if granted.sid != "" {
		claims["sid"] = granted.sid
	}
	if granted.nonce != "" {
		claims["nonce"] = granted.nonce
	}
	id, err := op.sign("JWT", claims)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	answer(w, http.StatusOK, map[string]any{"id_token": id, "access_token": rand.Text(), "token_type": "Bearer", "expires_in": 3600})
}

func (op *OP) jwks(w http.ResponseWriter, _ *http.Request) {
	op.mu.Lock()
	defer op.mu.Unlock()
	answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: append([]jose.JSONWebKey{op.key.Public()}, op.published...)})
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}
