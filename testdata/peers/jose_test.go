package peers

import (
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// TestVerify: jose takes a correct logout token, and nothing else.
func TestVerify(t *testing.T) {
	op, other := NewOP(t), NewOP(t)
	keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{op.key.Public()}}
	token := op.LogoutToken(t, "app", "ada", "one")
	claims, wrong := Verify(t, token, keys, op.URL, "app", "logout+jwt")
	if wrong != "" || claims["sub"] != "ada" || claims["sid"] != "one" {
		t.Errorf("a correct token: %v, %s", claims, wrong)
	}
	for _, c := range []struct{ name, token, issuer, audience, kind string }{
		{"another key", other.LogoutToken(t, "app", "ada", "one"), other.URL, "app", "logout+jwt"},
		{"another issuer", token, other.URL, "app", "logout+jwt"},
		{"another audience", token, op.URL, "other", "logout+jwt"},
		{"another type", token, op.URL, "app", "secevent+jwt"},
		{"changed", token[:len(token)-8] + strings.Repeat("A", 8), op.URL, "app", "logout+jwt"},
	} {
		if claims, wrong := Verify(t, c.token, keys, c.issuer, c.audience, c.kind); wrong == "" {
			t.Errorf("%s: accepted, %v", c.name, claims)
		}
	}
}
