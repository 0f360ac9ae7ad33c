package server

import (
	"net/http"
	"strings"
	"testing"
)

// The keys are for everybody, and as the configuration has them now.
func TestJWKS(t *testing.T) {
	s := defaults()
	f := start(t, s, nil, nil)
	if res, body := f.ask(t, http.MethodGet, "/oidc/jwks", ""); res.StatusCode != http.StatusNotFound || !strings.Contains(body, "OpenID Connect") {
		t.Errorf("without any: %d %s", res.StatusCode, body)
	}
	for _, keys := range []string{`{"keys":[]}`, `{"keys":[{}]}`} {
		s.JWKS = []byte(keys)
		f.Apply(s)
		res, body := f.ask(t, http.MethodGet, "/oidc/jwks", "")
		if res.StatusCode != http.StatusOK || body != keys || res.Header.Get("Content-Type") != "application/jwk-set+json" ||
			res.Header.Get("Cache-Control") != "public, max-age=900" {
			t.Errorf("%d %s %v", res.StatusCode, body, res.Header)
		}
	}
	if res, _ := f.ask(t, http.MethodPost, "/oidc/jwks", ""); res.StatusCode/100 != 4 {
		t.Errorf("POST: %d", res.StatusCode)
	}
}
