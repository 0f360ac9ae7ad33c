package peers

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// AuthorizationServer is npm's oidc-provider: an OAuth server that gives tokens, and
// takes them back. ClientID and ClientSecret are those of the client whose they are.
type AuthorizationServer struct {
	URL        string
	Revocation string // RFC 7009
	Introspect string // RFC 7662
	UserInfo   string // what an access token opens
	ClientID   string
}

// Tokens are one grant's.
type Tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// OIDCProvider starts it.
func OIDCProvider(t testing.TB) *AuthorizationServer {
	t.Helper()
	const client = "mobile"
	at := StartNode(t, Need(t, "EXEUNT_TEST_OIDC"), "provider.js", "CLIENT_ID="+client, "CLIENT_SECRET="+ClientSecret)
	return &AuthorizationServer{
		URL: at, Revocation: at + "/token/revocation", Introspect: at + "/token/introspection", UserInfo: at + "/me", ClientID: client,
	}
}

// Grant gives an account a refresh token and an access token.
func (s *AuthorizationServer) Grant(t testing.TB, account string) (tokens Tokens) {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"account": account})
	resp, err := http.Post(s.URL+"/tokens", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&tokens); err != nil || tokens.Access == "" || tokens.Refresh == "" {
		t.Fatalf("tokens are not given: %d, %v", resp.StatusCode, err)
	}
	return tokens
}

// Active asks by introspection whether a token is good.
func (s *AuthorizationServer) Active(t testing.TB, token string) bool {
	t.Helper()
	var answer struct {
		Active *bool
	}
	status := s.post(t, s.Introspect, ClientSecret, url.Values{"token": {token}}, &answer)
	if status != http.StatusOK || answer.Active == nil {
		t.Fatalf("introspection answers %d", status)
	}
	return *answer.Active
}

// Refresh is the status of using a refresh token.
func (s *AuthorizationServer) Refresh(t testing.TB, token string) (status int) {
	t.Helper()
	return s.post(t, s.URL+"/token", ClientSecret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, nil)
}

// Open is the status of what an access token opens.
func (s *AuthorizationServer) Open(t testing.TB, token string) (status int) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, s.UserInfo, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func (s *AuthorizationServer) post(t testing.TB, to, secret string, form url.Values, answer any) (status int) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(s.ClientID, secret)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer != nil {
		if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
			t.Fatal(err)
		}
	}
	return resp.StatusCode
}
