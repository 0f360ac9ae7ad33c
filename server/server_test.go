package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

const (
	adminText = "an-administrators-token-of-length"
	hrText    = "token-that-the-hr-system-has-made"
)

// front is a server on a loopback port.
type front struct {
	*Server
	url   string
	store *store.Store
	log   *lines
}

// lines is a log that may be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func defaults() Settings {
	s := Settings{Knows: []string{"hr", "okta"}, Limit: DefaultConfig().Limits,
		Keys: []Key{KeyOf("admin", "", adminText), KeyOf("hr.1", "hr", hrText)}}
	return s
}

func start(t *testing.T, s Settings, scim http.HandlerFunc, more func(*Options)) *front {
	t.Helper()
	kept, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	f := &front{store: kept, log: &lines{}}
	b := bridge.New(bridge.Options{Store: kept, Logger: zerolog.Nop()})
	o := Options{SCIM: scim, Tokens: kept, Uses: kept, Store: kept, Operations: b, Erasing: b, Holding: b, Logger: zerolog.New(f.log)}
	if scim == nil {
		o.SCIM = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			caller, err := bridge.CallerFrom(r.Context())
			if err != nil && r.URL.Path != "/ServiceProviderConfig" {
				t.Error(err)
			}
			body, _ := io.ReadAll(r.Body)
			json.NewEncoder(w).Encode(map[string]any{"path": r.URL.Path, "source": caller.Source,
				"token": caller.Token, "request": caller.Request, "length": len(body)})
		})
	}
	if more != nil {
		more(&o)
	}
	f.Server = New(o, s)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := f.HTTP()
	go h.Serve(ln)
	t.Cleanup(func() { h.Close() })
	f.url = "http://" + ln.Addr().String()
	return f
}

func (f *front) issue(t *testing.T, source string) string {
	t.Helper()
	shown, err := IssueToken(t.Context(), f.store, source, 0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return shown.Token
}

// ask sends one request; headers are pairs.
func (f *front) ask(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, f.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(raw)
}

func TestWhoMayComeIn(t *testing.T) {
	f := start(t, defaults(), nil, func(o *Options) {
		o.Console = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "console "+r.URL.Path) })
	})
	oktaText, goneText, revokedText := f.issue(t, "okta"), f.issue(t, "gone"), f.issue(t, "okta")
	revoked, _ := ParseToken(revokedText)
	if err := RevokeToken(t.Context(), f.store, revoked.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	okta, _ := ParseToken(oktaText)
	body := "exe_scim_" + okta.ID + "_" + strings.Repeat("f", secretLen)
	forged := body + "_" + checksum(body) // a known id, a good checksum, another secret

	tests := []struct {
		name, method, path string
		auth               string
		status             int
		has                string
	}{
		{"configured token", "GET", "/scim/v2/Users", "Bearer " + hrText, 200, `"source":"hr"`},
		{"issued token", "GET", "/scim/v2/Users/1", "bearer " + oktaText, 200, `"source":"okta"`},
		{"the prefix is stripped", "GET", "/scim/v2/Users/1", "Bearer " + oktaText, 200, `"path":"/Users/1"`},
		{"no token", "GET", "/scim/v2/Users", "", 401, `"status":"401"`},
		{"how to come in, for anybody", "GET", "/scim/v2/ServiceProviderConfig", "", 200, `"source":""`},
		{"how to come in, for a source", "GET", "/scim/v2/ServiceProviderConfig", "Bearer " + hrText, 200, `"source":"hr"`},
		{"how to come in, with a wrong token", "GET", "/scim/v2/ServiceProviderConfig", "Bearer x", 401, ""},
		{"nothing but that for anybody", "GET", "/scim/v2/Schemas", "", 401, ""},
		{"and only to look at", "POST", "/scim/v2/ServiceProviderConfig", "", 401, ""},
		{"wrong token", "GET", "/scim/v2/Users", "Bearer " + hrText + "x", 401, "scim:api:messages:2.0:Error"},
		{"token of another secret", "GET", "/scim/v2/Users", "Bearer " + forged, 401, ""},
		{"revoked token", "GET", "/scim/v2/Users", "Bearer " + revokedText, 401, ""},
		{"source that is not configured any more", "GET", "/scim/v2/Users", "Bearer " + goneText, 401, ""},
		{"administrator at the SCIM door", "GET", "/scim/v2/Users", "Bearer " + adminText, 401, ""},
		{"source at the API", "GET", "/v1/cases", "Bearer " + hrText, 401, "problem"},
		{"issued token at the API", "GET", "/v1/cases", "Bearer " + oktaText, 401, ""},
		{"basic at the SCIM door", "GET", "/scim/v2/Users", basic("x", hrText), 401, ""},
		{"console without token", "GET", "/console/river/", "", 401, ""},
		{"console by bearer", "GET", "/console/river/jobs", "Bearer " + adminText, 200, "console /console/river/jobs"},
		{"console by password", "GET", "/console/river/", basic("anybody", adminText), 200, "console"},
		{"console with a wrong password", "GET", "/console/river/", basic(adminText, "x"), 401, ""},
		{"what does not exist, unseen", "GET", "/etc/passwd", "", 401, ""},
		{"what does not exist, seen", "GET", "/etc/passwd", "Bearer " + adminText, 404, `"status":404`},
		{"health", "GET", "/healthz", "", 200, "ok"},
		{"health by HEAD", "HEAD", "/healthz", "", 200, ""},
		{"readiness", "GET", "/readyz", "", 200, "ready"},
		{"metrics", "GET", "/metrics", "", 200, "exeunt_credentials_refused_total"},
		{"strange method", "BREW", "/v1/cases", "", 401, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var headers []string
			if tt.auth != "" {
				headers = []string{"Authorization", tt.auth}
			}
			res, body := f.ask(t, tt.method, tt.path, "", headers...)
			if tt.has == "problem" {
				tt.has = `"type":"about:blank"`
			}
			if res.StatusCode != tt.status || !strings.Contains(body, tt.has) {
				t.Errorf("%d %s; want %d with %s", res.StatusCode, body, tt.status, tt.has)
			}
			if res.StatusCode == 401 && res.Header.Get("WWW-Authenticate") == "" {
				t.Error("401 without a challenge")
			}
			if res.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Error("nosniff is missing")
			}
			if strings.HasPrefix(body, "console") && !strings.Contains(res.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
				t.Error("a page without a content security policy")
			}
		})
	}
	if _, body := f.ask(t, "GET", "/metrics", ""); !strings.Contains(body, `exeunt_credentials_refused_total{door="scim",reason="wrong"}`) {
		t.Error("refused credentials are not counted")
	}
	for _, secret := range []string{adminText, hrText, oktaText, forged, goneText, forged[len(forged)-20:]} {
		if strings.Contains(f.log.String(), secret) {
			t.Errorf("the log holds the token %s…", secret[:9])
		}
	}
}

func basic(user, password string) string {
	r, _ := http.NewRequest("GET", "/", nil)
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

func TestOtherSitesCannotChange(t *testing.T) {
	f := start(t, defaults(), nil, func(o *Options) {
		o.Console = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "done") })
	})
	path, auth := ConsolePath+"/api/jobs/cancel", basic("x", adminText)
	if res, body := f.ask(t, "POST", path, "{}", "Authorization", auth, "Sec-Fetch-Site", "cross-site"); res.StatusCode != 403 {
		t.Errorf("cross-site: %d %s", res.StatusCode, body)
	}
	if res, body := f.ask(t, "POST", path, "{}", "Authorization", auth, "Sec-Fetch-Site", "same-origin"); res.StatusCode != 200 {
		t.Errorf("same origin: %d %s", res.StatusCode, body)
	}
	if res, body := f.ask(t, "POST", path, "{}", "Authorization", auth, "Origin", "https://evil.example"); res.StatusCode != 403 {
		t.Errorf("another origin: %d %s", res.StatusCode, body)
	}
}

func TestBodyLimit(t *testing.T) {
	s := defaults()
	s.Limit.Body = 1024
	f := start(t, s, nil, nil)
	for _, tt := range []struct{ size, status int }{{0, 200}, {1024, 200}, {1025, 413}, {1 << 20, 413}} {
		res, body := f.ask(t, "POST", "/scim/v2/Users", strings.Repeat("x", tt.size), "Authorization", "Bearer "+hrText)
		if res.StatusCode != tt.status {
			t.Errorf("%d bytes: %d %s", tt.size, res.StatusCode, body)
		}
		if tt.status == 200 && !strings.Contains(body, `"length":`+strconv.Itoa(tt.size)) {
			t.Errorf("%d bytes sent, arrived: %s", tt.size, body)
		}
		if tt.status == 413 && !strings.Contains(body, "scim:api:messages:2.0:Error") {
			t.Errorf("not a SCIM error: %s", body)
		}
	}
	// without a length, as a stream
	r, _ := http.NewRequest("POST", f.url+"/scim/v2/Users", io.MultiReader(strings.NewReader(strings.Repeat("x", 2000))))
	r.Header.Set("Authorization", "Bearer "+hrText)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 413 {
		t.Errorf("stream: %d", res.StatusCode)
	}
}

func TestRateIsPerSource(t *testing.T) {
	s := defaults()
	s.Limit.Rate, s.Limit.Burst = 0.001, 3
	f := start(t, s, nil, nil)
	oktaText := f.issue(t, "okta")
	for i := range 5 {
		res, body := f.ask(t, "GET", "/scim/v2/Users", "", "Authorization", "Bearer "+hrText)
		if want := map[bool]int{true: 200, false: 429}[i < 3]; res.StatusCode != want {
			t.Fatalf("request %d: %d %s", i, res.StatusCode, body)
		}
		if wait, err := strconv.Atoi(res.Header.Get("Retry-After")); i >= 3 && (err != nil || wait < 1 || !strings.Contains(body, `"status":"429"`)) {
			t.Errorf("429 with Retry-After %q: %s", res.Header.Get("Retry-After"), body)
		}
	}
	if res, body := f.ask(t, "GET", "/scim/v2/Users", "", "Authorization", "Bearer "+oktaText); res.StatusCode != 200 {
		t.Errorf("another source: %d %s", res.StatusCode, body)
	}
	s.Limit.Rate, s.Limit.Burst = 1000, 1000
	f.Apply(s)
	if res, _ := f.ask(t, "GET", "/scim/v2/Users", "", "Authorization", "Bearer "+hrText); res.StatusCode != 200 {
		t.Errorf("after the limit was raised: %d", res.StatusCode)
	}
}

func TestQueueIsBounded(t *testing.T) {
	s := defaults()
	s.Limit.Queue = 1
	inside, leave := make(chan bool), make(chan bool)
	f := start(t, s, func(w http.ResponseWriter, r *http.Request) { inside <- true; <-leave }, nil)
	first := make(chan int)
	go func() {
		r, _ := http.NewRequest("GET", f.url+"/scim/v2/Users", nil)
		r.Header.Set("Authorization", "Bearer "+hrText)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			first <- 0
			return
		}
		res.Body.Close()
		first <- res.StatusCode
	}()
	<-inside
	if res, body := f.ask(t, "GET", "/scim/v2/Users", "", "Authorization", "Bearer "+hrText); res.StatusCode != 429 || res.Header.Get("Retry-After") == "" {
		t.Errorf("a second one at once: %d %s", res.StatusCode, body)
	}
	leave <- true
	if status := <-first; status != 200 {
		t.Errorf("the first: %d", status)
	}
}

func TestPanicsAndInternalErrorsStayInside(t *testing.T) {
	const inner = "pq: password authentication failed for jane@example.com"
	f := start(t, defaults(), func(http.ResponseWriter, *http.Request) { panic(inner) }, func(o *Options) {
		o.Store = brokenStore{errors.New(inner)}
		o.Ready = []Readiness{{Name: "store", Check: func(context.Context) error { return errors.New("down") }}, {Name: "log", Check: func(context.Context) error { return nil }},
			{Name: "anchors", Check: func(context.Context) error { return errors.New("far behind") }, Warn: true}}
	})
	res, body := f.ask(t, "GET", "/scim/v2/Users", "", "Authorization", "Bearer "+hrText)
	if res.StatusCode != 500 || !strings.Contains(body, `"status":"500"`) || strings.Contains(body, "pq") {
		t.Errorf("panic: %d %s", res.StatusCode, body)
	}
	if log := f.log.String(); strings.Contains(log, inner) || !strings.Contains(log, `"message":"panic"`) {
		t.Errorf("the log of a panic: %s", log)
	}
	res, body = f.ask(t, "GET", "/v1/cases", "", "Authorization", "Bearer "+adminText)
	if res.StatusCode != 500 || strings.Contains(body, "pq") || res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("internal error: %d %s", res.StatusCode, body)
	}
	res, body = f.ask(t, "GET", "/readyz", "")
	if res.StatusCode != 503 || !strings.Contains(body, `"store":"failed"`) || !strings.Contains(body, `"log":"ok"`) || !strings.Contains(body, `"anchors":"late"`) || strings.Contains(body, "down") || strings.Contains(body, "behind") {
		t.Errorf("not ready: %d %s", res.StatusCode, body)
	}
	if res, _ := f.ask(t, "GET", "/healthz", ""); res.StatusCode != 200 {
		t.Errorf("it lives all the same: %d", res.StatusCode)
	}
}

// brokenStore fails as a lost database does.
type brokenStore struct{ err error }

func (b brokenStore) View(context.Context, func(bridge.Tx) error) error { return b.err }

func TestLogLinesSayNothingPersonal(t *testing.T) {
	f := start(t, defaults(), nil, nil)
	res, _ := f.ask(t, "PATCH", `/scim/v2/Users/0199aaaa?filter=userName+eq+%22jane%40example.com%22`, `{"userName":"jane"}`,
		"Authorization", "Bearer "+hrText, "X-Request-Id", "req-1234567890", "User-Agent", "jane-agent")
	if res.Header.Get("X-Request-Id") != "req-1234567890" {
		t.Error("a good request id was not kept")
	}
	var line map[string]any
	deadline := time.Now().Add(5 * time.Second)
	for json.Unmarshal([]byte(f.log.String()), &line) != nil && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond) // the line is written after the answer
	}
	for key, want := range map[string]any{"request": "req-1234567890", "route": "/scim/v2/Users/:id", "method": "PATCH",
		"status": 200.0, "source": "hr", "token": "hr.1", "level": "info"} {
		if line[key] != want {
			t.Errorf("%s is %v, want %v", key, line[key], want)
		}
	}
	if _, ok := line["ms"].(float64); !ok {
		t.Errorf("no time: %v", line)
	}
	for _, word := range []string{"jane", "0199aaaa", "filter", "127.0.0.1", hrText} {
		if strings.Contains(f.log.String(), word) {
			t.Errorf("the line holds %q: %s", word, f.log)
		}
	}
	for _, bad := range []string{"short", "with space in it", "<script>alert(1)", strings.Repeat("x", 65), "line%0abreak"} {
		if res, _ := f.ask(t, "GET", "/healthz", "", "X-Request-Id", bad); res.Header.Get("X-Request-Id") == bad {
			t.Errorf("the request id %q was kept", bad)
		}
	}
}
