package peers

import (
	"net/http"
	"net/url"
	"testing"
)

// TestOIDCProvider: revocation of either token ends the grant, which introspection
// sees, the resource, and whoever refreshes. What it does not know it answers alike.
func TestOIDCProvider(t *testing.T) {
	s := OIDCProvider(t)
	revoke := func(t *testing.T, secret, token, hint string) int {
		t.Helper()
		return s.post(t, s.Revocation, secret, url.Values{"token": {token}, "token_type_hint": {hint}}, nil)
	}
	for _, c := range []struct {
		name   string
		revoke func(t *testing.T, its Tokens) int
		status int
		good   bool // the grant, afterwards
	}{
		{"refresh token", func(t *testing.T, its Tokens) int { return revoke(t, ClientSecret, its.Refresh, "refresh_token") },
			http.StatusOK, false},
		{"access token", func(t *testing.T, its Tokens) int { return revoke(t, ClientSecret, its.Access, "access_token") },
			http.StatusOK, false},
		{"unknown", func(t *testing.T, _ Tokens) int { return revoke(t, ClientSecret, "nobody-s", "refresh_token") },
			http.StatusOK, true},
		{"wrong secret", func(t *testing.T, its Tokens) int { return revoke(t, "wrong", its.Refresh, "refresh_token") },
			http.StatusUnauthorized, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			its := s.Grant(t, "ada")
			if !s.Active(t, its.Access) || !s.Active(t, its.Refresh) || s.Open(t, its.Access) != http.StatusOK {
				t.Fatal("not good from the start")
			}
			if status := c.revoke(t, its); status != c.status {
				t.Errorf("revocation is answered with %d, want %d", status, c.status)
			}
			if access, refresh := s.Active(t, its.Access), s.Active(t, its.Refresh); access != c.good || refresh != c.good {
				t.Errorf("active afterwards: access %v, refresh %v; want %v", access, refresh, c.good)
			}
			open, again := http.StatusUnauthorized, http.StatusBadRequest
			if c.good {
				open, again = http.StatusOK, http.StatusOK
			}
			if status := s.Open(t, its.Access); status != open {
				t.Errorf("the access token opens with %d, want %d", status, open)
			}
			if status := s.Refresh(t, its.Refresh); status != again {
				t.Errorf("refreshing is answered with %d, want %d", status, again)
			}
		})
	}
}
