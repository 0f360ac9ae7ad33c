package saml_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
	"github.com/exeunt/exeunt/bridge/connector/saml"
	"github.com/exeunt/exeunt/testdata/peers"
)

// Service providers that others wrote end every session of a person, and what
// they answer is believed; in clear and with a name that is encrypted.
func TestRealApps(t *testing.T) {
	key := peers.NewKey(t, "exeunt.example")
	idp := peers.NewIdP(t, "https://exeunt.example/saml/slo", key.Base64())
	for name, start := range map[string]func(testing.TB, *peers.IdP) *peers.SP{"shibboleth": peers.Shibboleth, "mellon": peers.Mellon} {
		t.Run(name, func(t *testing.T) {
			sp := start(t, idp)
			for _, encrypt := range []bool{false, true} {
				app := openApp(t, key, sp, saml.Config{Issuer: idp.EntityID, Encrypt: encrypt})
				theirs := []*http.Cookie{idp.SignIn(sp, "ada", "1"), idp.SignIn(sp, "ada", "2"), idp.SignIn(sp, "ada", "3")}
				other := idp.SignIn(sp, "grace", "4")
				if r, err := end(t, app, idp.NameID(sp, "ada")); err != nil || r.Word != bridge.Confirmed {
					t.Errorf("encrypted %v: %+v %v", encrypt, r, err)
				}
				for _, cookie := range theirs {
					if got := sp.Page(cookie); got != http.StatusFound && got != http.StatusSeeOther {
						t.Errorf("encrypted %v: the page answers %d", encrypt, got)
					}
				}
				if got := sp.Page(other); got != http.StatusOK {
					t.Errorf("encrypted %v: somebody else's page answers %d", encrypt, got)
				}
				if r, err := end(t, app, idp.NameID(sp, "ada")); err != nil || r.Word != bridge.NoSession {
					t.Errorf("encrypted %v, again: %+v %v", encrypt, r, err)
				}
				if err := app.Probe(t.Context()); err != nil {
					t.Errorf("encrypted %v: %v", encrypt, err)
				}
			}
		})
	}
}

// Shibboleth obeys nobody but the identity provider that the session is from, and
// only by a key that its metadata has. If that metadata is silent about
// algorithms, what Shibboleth answers is signed with SHA-1, and proves nothing.
func TestStrictApp(t *testing.T) {
	key, stranger := peers.NewKey(t, "exeunt.example"), peers.NewKey(t, "stranger.example")
	for name, c := range map[string]struct {
		key    peers.Key
		issuer string // "": the identity provider
		silent bool
		final  bool
		page   int
	}{
		"another key":     {key: stranger, final: true, page: http.StatusOK},
		"another issuer":  {key: key, issuer: "https://exeunt.example/saml/metadata", final: true, page: http.StatusOK},
		"silent metadata": {key: key, silent: true, page: http.StatusFound},
	} {
		t.Run(name, func(t *testing.T) {
			idp := peers.NewIdP(t, "https://exeunt.example/saml/slo", key.Base64())
			idp.Silent = c.silent
			sp := peers.Shibboleth(t, idp)
			if c.issuer == "" {
				c.issuer = idp.EntityID
			}
			app := openApp(t, c.key, sp, saml.Config{Issuer: c.issuer})
			cookie := idp.SignIn(sp, "ada", "1")
			r, err := end(t, app, idp.NameID(sp, "ada"))
			if err == nil || bridge.IsPermanent(err) != c.final || r.Word != "" {
				t.Errorf("%+v %v", r, err)
			}
			if got := sp.Page(cookie); got != c.page {
				t.Errorf("the page answers %d", got)
			}
		})
	}
}

// openApp is a service provider as an app that knows exeunt by a key.
func openApp(t *testing.T, key peers.Key, sp *peers.SP, c saml.Config) bridge.Connector {
	t.Helper()
	dir := t.TempDir()
	private, cert := key.PEM()
	for name, text := range map[string][]byte{"key.pem": append(private, cert...), "sp.xml": sp.Metadata} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	us := saml.NewAuthority(saml.Options{BaseURL: "https://exeunt.example", Keys: []string{filepath.Join(dir, "key.pem")}, Now: time.Now, Log: zerolog.Nop()})
	c.Role, c.Metadata, c.Egress = "delegate", filepath.Join(dir, "sp.xml"), call.Egress{AllowNetworks: []string{"127.0.0.1/32"}}
	c.Speak(us, "app")
	app, err := c.Open()
	if err == nil {
		err = us.Load(false)
	}
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// end has the sessions of a name ended.
func end(t *testing.T, app bridge.Connector, name peers.NameID) (bridge.Receipt, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return app.Do(ctx, bridge.Order{Effect: bridge.Revoke, Who: bridge.Identifiers{Sessions: []bridge.Session{{Name: bridge.NameID(name)}}}})
}
