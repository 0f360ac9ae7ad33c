package conformance

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/scim"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/storetest"
)

const token = "conformance-token-0123456789"

// door is our real handler over the real bridge and store. Who may enter is
// decided by the server's front, which these tests cannot import: here one
// token opens, in the same words. The front itself is under the suite in
// TestConformance of the whole product.
func door(t *testing.T, o store.Options) http.Handler { return doorFor(t, o, scim.Generic) }

// doorFor is door in a dialect.
func doorFor(t *testing.T, o store.Options, d scim.Dialect) http.Handler {
	t.Helper()
	o.Logger = zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.ErrorLevel)
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b := bridge.New(bridge.Options{Store: s, Logger: o.Logger})
	inner := http.StripPrefix(scim.Mount, scim.New(scim.Options{People: b, Groups: b, Reader: b,
		Dialect: func(string) scim.Dialect { return d },
		Report:  func(r *http.Request, err error) { t.Errorf("%s %s: %v", r.Method, r.URL, err) }}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.Header().Set("WWW-Authenticate", "Bearer")
			scim.WriteError(w, http.StatusUnauthorized, "", "the credentials are missing or wrong")
			return
		}
		inner.ServeHTTP(w, r.WithContext(bridge.WithCaller(r.Context(), bridge.Caller{Source: "check"})))
	})
}

func serve(t *testing.T, h http.Handler) Target {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return Target{URL: s.URL + scim.Mount, Token: token}
}

func TestOurs(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { ours(t, store.Options{Dir: t.TempDir()}, scim.Generic) })
	t.Run("postgres", func(t *testing.T) { ours(t, storetest.OnPostgres(t), scim.Generic) })
	t.Run("strict", func(t *testing.T) { ours(t, store.Options{Dir: t.TempDir()}, scim.Strict) })
}

// ours runs the whole suite against our handler: nothing may fail. In dialect
// strict, which mends nothing, what is in no RFC may.
func ours(t *testing.T, o store.Options, d scim.Dialect) {
	report, err := Run(t.Context(), serve(t, doorFor(t, o, d)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if d == scim.Strict && r.Check.Level == Dialect {
			continue
		}
		t.Run(r.Check.ID, func(t *testing.T) { judge(t, r) })
	}
	if len(report.Left) > 0 {
		t.Errorf("it left %s behind", strings.Join(report.Left, ", "))
	}
}

// judge fails unless a check passed on our server, or does not apply to it.
func judge(t *testing.T, r Result) {
	t.Helper()
	switch r.Outcome {
	case Pass:
	case Skip:
		t.Log("skipped: " + r.Why)
	case Error:
		t.Error(r.Why)
	case Fail:
		t.Errorf("%s\nasked     %s\nexpected  %s\ncame      %s", r.Check.Title, r.Finding.Asked, r.Finding.Expected, r.Finding.Came)
	}
}
