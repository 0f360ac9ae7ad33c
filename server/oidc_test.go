package server

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge/connector/oidc"
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

// A key that is listed twice is a mistake of the configuration, and not of the start.
func TestKeyTwice(t *testing.T) {
	dir := t.TempDir()
	if err := oidc.NewAuthority(oidc.Options{Issuer: "https://exeunt.example.com", Now: time.Now}).Load(dir, true); err != nil {
		t.Fatal(err)
	}
	for keys, want := range map[string]int{"[oidc.pem]": 0, "[oidc.pem, oidc.pem]": 1} {
		path := filepath.Join(dir, "exeunt.yaml")
		if err := os.WriteFile(path, []byte("oidc: {keys: "+keys+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, _, mistakes := parse(t, path); len(mistakes) != want || want > 0 && !strings.Contains(mistakes.Error(), ":1:25: oidc.keys[1]: holds the same key") {
			t.Errorf("%s: %v", keys, mistakes)
		}
	}
}
