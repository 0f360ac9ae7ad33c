package server

import (
	"context"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/saml"
)

// withDesk is a server with a desk for logout messages, whose address is known.
func withDesk(t *testing.T, s Settings) *front {
	t.Helper()
	var f *front
	desk := saml.NewDesk(saml.DeskOptions{Now: time.Now, Log: zerolog.Nop(),
		Note: func(ctx context.Context, e bridge.Event) error {
			return f.store.Update(ctx, func(tx bridge.Tx) error { return tx.Append(e) })
		},
		Show: func(w http.ResponseWriter, status int, p saml.Page) { f.ShowLogout(w, status, p) }})
	f = start(t, s, nil, func(o *Options) { o.SAML = desk })
	a := saml.NewAuthority(saml.Options{BaseURL: "https://exeunt.example.com", Now: time.Now})
	a.Equip(t.TempDir(), true, zerolog.Nop())
	if err := a.Load(true); err != nil {
		t.Fatal(err)
	}
	desk.Know(saml.Circle{Authority: a})
	return f
}

// Anybody reaches the desk, and gets no further: refused is a page, or a line, and
// tells nothing.
func TestDesk(t *testing.T) {
	f := withDesk(t, defaults())
	for _, tt := range []struct {
		method, path, body, mime string
		status                   int
		has                      string
	}{
		{"GET", "/saml/slo", "", "", 400, "This step cannot be taken"},
		{"GET", "/saml/slo?SAMLRequest=x&SigAlg=y&Signature=z", "", "", 400, "This step cannot be taken"},
		{"POST", "/saml/slo", "SAMLResponse=x", "application/x-www-form-urlencoded", 400, "This step cannot be taken"},
		{"POST", "/saml/slo", "<x/>", "text/xml", 400, "refused"},
		{"POST", "/saml/slo", "{}", "application/json", 400, "refused"},
		{"POST", "/saml/slo", strings.Repeat("x", saml.MaxBody+1), "text/xml", 413, "longer than"},
		{"PUT", "/saml/slo", "", "", 401, ""},
		{"GET", "/saml/metadata", "", "", 200, `Location="https://exeunt.example.com/saml/slo"`},
		{"HEAD", "/saml/metadata", "", "", 200, ""},
		{"GET", "/saml/sso?SAMLRequest=x", "", "", 501, "Nobody signs in here"},
		{"POST", "/saml/acs", "SAMLResponse=x", "application/x-www-form-urlencoded", 501, "Nobody signs in here"},
		{"GET", "/saml/", "", "", 401, ""},
	} {
		res, body := f.ask(t, tt.method, tt.path, tt.body, "Content-Type", tt.mime)
		if res.StatusCode != tt.status || !strings.Contains(body, tt.has) {
			t.Errorf("%s %s %.20s: %d %s", tt.method, tt.path, tt.body, res.StatusCode, body)
		}
		if words := regexp.MustCompile(`(?i)signature|issuer|xml|base64|replay|stale`); tt.status == 400 && words.MatchString(body) {
			t.Errorf("%s %s: says why: %s", tt.method, tt.path, body)
		}
		if strings.Contains(res.Header.Get("Content-Type"), "html") && res.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s %s: a page without a policy", tt.method, tt.path)
		}
	}
	if strings.Contains(f.log.String(), "SAMLRequest") {
		t.Error("the log holds what was sent")
	}
}

// One address does not crowd out others, and those who are known need no room of
// those who are not.
func TestDeskIsPaced(t *testing.T) {
	settings := defaults()
	settings.Proxies = []Network{{netip.MustParsePrefix("127.0.0.1/32")}}
	f := withDesk(t, settings)
	slowed := 0
	for range logoutBurst + 200 {
		if res, _ := f.ask(t, "GET", "/saml/sso", "", "X-Forwarded-For", "192.0.2.7"); res.StatusCode == http.StatusTooManyRequests {
			if slowed++; res.Header.Get("Retry-After") == "" {
				t.Fatal("no Retry-After")
			}
		}
	}
	if slowed == 0 {
		t.Error("one address may send without end")
	}
	if res, _ := f.ask(t, "GET", "/saml/sso", "", "X-Forwarded-For", "192.0.2.8"); res.StatusCode != http.StatusNotImplemented {
		t.Error("its neighbour waits for it:", res.StatusCode)
	}
	f.anybody.used.Store(f.anybody.size)
	if res, _ := f.ask(t, "POST", "/saml/slo", "<x/>", "Content-Type", "text/xml", "X-Forwarded-For", "192.0.2.9"); res.StatusCode != http.StatusTooManyRequests {
		t.Error("without room:", res.StatusCode)
	}
	if res, _ := f.ask(t, "POST", "/scim/v2/Users", `{}`, "Authorization", "Bearer "+hrText); res.StatusCode != http.StatusOK {
		t.Error("sources have no room either:", res.StatusCode)
	}
	f.anybody.used.Store(0)
	if res, _ := f.ask(t, "POST", "/saml/slo", "<x/>", "Content-Type", "text/xml", "X-Forwarded-For", "192.0.2.9"); res.StatusCode != http.StatusBadRequest {
		t.Error("with room:", res.StatusCode)
	}
}
