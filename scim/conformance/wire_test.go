package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt/exeunt/scim"
	"github.com/exeunt/exeunt/store"
)

func TestTarget(t *testing.T) {
	for _, tt := range []struct {
		target Target
		fine   bool
	}{
		{Target{URL: "https://app.example/scim/v2"}, true},
		{Target{URL: "http://127.0.0.1:8080/scim/v2/"}, true},
		{Target{URL: "http://localhost:8080"}, true},
		{Target{URL: "http://[::1]:8080"}, true},
		{Target{URL: "http://app.example/scim/v2"}, false},
		{Target{URL: "http://app.example/scim/v2", InsecureHTTP: true}, true},
		{Target{URL: "http://127.0.0.1.evil.example"}, false},
		{Target{URL: "https://user:word@app.example"}, false},
		{Target{URL: "https://app.example/scim?tenant=1"}, false},
		{Target{URL: "ftp://app.example"}, false},
		{Target{URL: "app.example"}, false},
		{Target{}, false},
	} {
		if _, err := newWire(tt.target, time.Second); (err == nil) != tt.fine {
			t.Errorf("%q: %v", tt.target.URL, err)
		}
	}
}

func TestPath(t *testing.T) {
	w, err := newWire(Target{URL: "https://app.example/scim/v2"}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for location, want := range map[string]string{
		"https://app.example/scim/v2/Users/1":         "/Users/1",
		"Users/1":                                     "/Users/1",
		"/scim/v2/Users/a%2Fb":                        "/Users/a%2Fb",
		"https://public.example/identity/api/Users/1": "/Users/1", // behind a proxy, by another name
		"https://public.example/Users":                "",
		"https://public.example/api/Users/":           "",
		"https://[":                                   "",
		"":                                            "",
	} {
		if got := w.path(location); got != want {
			t.Errorf("%q is %q, want %q", location, got, want)
		}
	}
}

func wireTo(t *testing.T, h http.HandlerFunc) *wire {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	w, err := newWire(Target{URL: s.URL, Token: token}, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// The token goes to the server it is for, and nowhere else.
func TestRedirects(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	w := wireTo(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, other.URL+"/Users", http.StatusFound)
		case "/here":
			http.Redirect(w, r, "/there", http.StatusMovedPermanently)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/there":
			fmt.Fprint(w, `{"id": "there"}`)
		}
	})
	ask := func(method, path string) answer {
		a, err := w.send(t.Context(), request{method: method, path: path})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := ask("GET", "/away"); a.status != http.StatusFound || elsewhere.Load() != 0 {
		t.Errorf("another origin was asked %d times, %d", elsewhere.Load(), a.status)
	}
	if a := ask("GET", "/here"); a.json.id() != "there" {
		t.Errorf("the same origin was not followed: %d", a.status)
	}
	if a := ask("POST", "/here"); a.status != http.StatusMovedPermanently {
		t.Errorf("a POST was followed: %d", a.status)
	}
	if a := ask("GET", "/round"); a.status != http.StatusFound {
		t.Errorf("going round ended with %d", a.status)
	}
}

// Nor does it leave TLS, or the port.
func TestSameOrigin(t *testing.T) {
	w, err := newWire(Target{URL: "https://app.example/scim/v2"}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for location, want := range map[string]string{
		"/Users/1": "https://app.example/Users/1", "https://APP.example/x": "https://APP.example/x", "": "",
		"http://app.example/x": "", "https://app.example:8443/x": "", "//other.example/x": "", "https://app.example.other/x": "",
		"https://app.example@other.example/x": "", "ftp://app.example/x": "",
	} {
		if got, ok := w.sameOrigin("https://app.example/scim/v2/Users", location); got != want || ok != (want != "") {
			t.Errorf("%q leads to %q, %v", location, got, ok)
		}
	}
}

func TestTooMany(t *testing.T) {
	var asked atomic.Int64
	w := wireTo(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < 3 || r.URL.Path == "/never" {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	if a, err := w.send(t.Context(), request{method: "GET", path: "/"}); err != nil || a.status != http.StatusOK || asked.Load() != 3 {
		t.Errorf("%d after %d requests, %v", a.status, asked.Load(), err)
	}
	if _, err := w.send(t.Context(), request{method: "GET", path: "/never"}); err == nil || asked.Load() != 3+maxWaits+1 {
		t.Errorf("it gave up after %d requests: %v", asked.Load()-3, err)
	}
}

func TestLongAnswer(t *testing.T) {
	w := wireTo(t, func(w http.ResponseWriter, _ *http.Request) {
		for range maxAnswer>>20 + 1 {
			w.Write(make([]byte, 1<<20))
		}
	})
	if _, err := w.send(t.Context(), request{method: "GET", path: "/"}); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("%v", err)
	}
}

// A server that shows the token does not make us show it, nor what a terminal
// would obey, nor who else is there.
func TestNothingSecret(t *testing.T) {
	spoil := answers(func(q *asked, a *reply) {
		if a.status >= 400 && q.about("Users") {
			a.json["detail"], a.json["schemas"] = "\x1b[2J wrong: "+q.Header.Get("Authorization"), nil
		}
		if a.json.at("Resources") != nil {
			a.json["totalResults"] = "grace@example.com"
		}
	})
	report, err := Run(t.Context(), serve(t, spoil(door(t, store.Options{Dir: t.TempDir()}))), Options{Only: []string{"7644-3.12", "7644-3.4.2.4"}})
	if err != nil || report.Count(Fail) < 5 {
		t.Fatalf("%d failures, %v", report.Count(Fail), err)
	}
	var out bytes.Buffer
	for _, r := range report.Results {
		if err := r.Line(&out); err != nil {
			t.Fatal(err)
		}
	}
	if err := report.JUnit(&out); err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(&out).Encode(report); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); strings.Contains(s, token) || !strings.Contains(s, "Bearer ***") || strings.Contains(s, "\x1b") {
		t.Errorf("it shows too much, or nothing: %s", s)
	}
}

// A run that is cut off in the middle removes what it has created.
func TestCutOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	target := serve(t, door(t, store.Options{Dir: t.TempDir()}))
	report, err := Run(ctx, target, Options{Only: []string{"7644-3.3", "7644-3.5"}, Told: func(r Result) {
		if r.Check.ID == "7644-3.5.1-replace" {
			cancel()
		}
	}})
	if err == nil || len(report.Results) == 0 || len(report.Results) == len(Chosen([]string{"7644-3.3", "7644-3.5"})) || len(report.Left) > 0 {
		t.Errorf("%v, %d results, left %v", err, len(report.Results), report.Left)
	}
	w, err := newWire(target, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/Users", "/Groups"} {
		a, err := w.send(t.Context(), request{method: "GET", path: path})
		if err != nil || a.integer("totalResults") != 0 {
			t.Errorf("%s: %s %v", path, a.came(), err)
		}
	}
}

// What a server says that it removed and did not is reported.
func TestLeft(t *testing.T) {
	stays := instead(func(q *asked) *reply {
		if q.Method == http.MethodDelete {
			return refusedAs(http.StatusForbidden)
		}
		return nil
	})
	report, err := Run(t.Context(), serve(t, stays(door(t, store.Options{Dir: t.TempDir()}))), Options{Only: []string{"7644-3.3-create"}})
	if err != nil || len(report.Left) != 1 || !strings.HasPrefix(report.Left[0], "/Users/") || !strings.Contains(report.Summary(), report.Left[0]) {
		t.Errorf("left %v, %v", report.Left, err)
	}
}

func TestReports(t *testing.T) {
	checks := map[Level]Check{}
	for _, c := range Checks() {
		checks[c.Level] = c
	}
	finding := &Finding{Asked: "GET /x", Expected: "<this>", Came: "that"}
	report := Report{URL: "https://app.example" + scim.Mount, Results: []Result{
		{Check: checks[Must], Outcome: Fail, Finding: finding}, {Check: checks[Should], Outcome: Fail, Finding: finding},
		{Check: checks[Dialect], Outcome: Pass}, {Check: checks[Feature], Outcome: Skip, Why: "not offered"}, {Check: checks[Should], Outcome: Error, Why: "cut"}}}
	if report.Conforms() {
		t.Error("a failed MUST conforms")
	}
	var out bytes.Buffer
	if err := report.JUnit(&out); err != nil {
		t.Fatal(err)
	}
	var suite junitSuite
	if err := xml.Unmarshal(out.Bytes(), &suite); err != nil {
		t.Fatal(err)
	}
	if suite.Tests != 5 || suite.Failures != 1 || suite.Errors != 1 || suite.Skipped != 2 || suite.Cases[0].Failure == nil ||
		!strings.Contains(suite.Cases[0].Failure.Text, "<this>") || suite.Cases[1].Failure != nil || suite.Cases[1].Skipped == nil {
		t.Errorf("%s", out.String())
	}
	report.Results[0].Outcome = Pass
	if !report.Conforms() {
		t.Error("a failed SHOULD does not conform")
	}
}
