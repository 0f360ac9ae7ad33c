package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// vendor is an app whose answers a test decides; it notes what it was asked.
type vendor struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // "PUT /users/1?x=y body"
	keys  []string // idempotency keys, where there were any
}

func startVendor(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *vendor {
	t.Helper()
	v := &vendor{}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		v.mu.Lock()
		v.asked = append(v.asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
		if k := r.Header.Get("X-Once"); k != "" {
			v.keys = append(v.keys, k)
		}
		v.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(v.Close)
	return v
}

func (v *vendor) list() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.asked)
}

// connect opens a connector with a recipe of one's own: small, changed.
func (v *vendor) connect(t *testing.T, changes ...string) bridge.Connector {
	t.Helper()
	text := strings.NewReplacer(changes...).Replace(small)
	if len(changes) > 0 && text == small {
		t.Fatal("nothing was changed")
	}
	file := filepath.Join(t.TempDir(), "recipe.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	secrets := map[string]bridge.Secret{"token": "s3cret"}
	if strings.Contains(text, "oauth2") {
		secrets = map[string]bridge.Secret{"id": "me", "key": "s3cret"}
	}
	return open(t, Config{Recipe: file, Params: map[string]string{"base": v.URL + "/api/"}, Secrets: secrets})
}

func lock(effect bridge.Effect) bridge.Order {
	return bridge.Order{Key: "key-1", Effect: effect, Account: bridge.Account{ID: "1", Login: "ada"}, Who: ada, Since: time.Now()}
}

func say(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

func TestFind(t *testing.T) {
	type user = map[string]any
	for name, test := range map[string]struct {
		users  []any
		status int
		want   string
	}{
		"one":               {users: []any{user{"id": 12345678901234567, "mail": "Ada@example.com"}}, want: "12345678901234567"},
		"the same twice":    {users: []any{user{"id": "a", "mail": "Ada@example.com"}, user{"id": "a", "mail": "Ada@example.com"}}, want: "a"},
		"two":               {users: []any{user{"id": "a", "mail": "Ada@example.com"}, user{"id": "b", "mail": "Ada@example.com"}}, want: "permanent"},
		"nobody exactly":    {users: []any{user{"id": "a", "mail": "x"}, user{"id": "b"}, nil, "c"}, want: "no_account"},
		"nobody":            {want: "no_account"},
		"one without an id": {users: []any{user{"id": "", "mail": "Ada@example.com"}}, want: "retry"},
		"no such path":      {status: 404, want: "no_account"}, // as this recipe has it
		"forbidden":         {status: 403, want: "permanent"},
		"broken":            {status: 500, want: "retry"},
		"elsewhere":         {status: 302, want: "permanent"},
	} {
		t.Run(name, func(t *testing.T) {
			app := startVendor(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer s3cret" {
					t.Error("not authorised")
				}
				say(w, max(test.status, 200), map[string]any{"users": test.users})
			})
			account, err := app.connect(t).Find(t.Context(), ada)
			got, _ := outcome(account.ID, err)
			if got != test.want {
				t.Errorf("%s, %v; want %s", got, err, test.want)
			}
			if asked := app.list(); !slices.Equal(asked, []string{"GET /api/users?mail=Ada%40example.com"}) {
				t.Error(asked)
			}
		})
	}
	t.Run("nothing to look by", func(t *testing.T) {
		app := startVendor(t, func(w http.ResponseWriter, r *http.Request) { say(w, 200, nil) })
		if _, err := app.connect(t).Find(t.Context(), bridge.Identifiers{UserName: "ada"}); !bridge.IsPermanent(err) || len(app.list()) > 0 {
			t.Error(err, app.list())
		}
	})
	t.Run("a page of a proxy", func(t *testing.T) {
		app := startVendor(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>sign in") })
		_, err := app.connect(t).Find(t.Context(), ada)
		if got, _ := outcome("", err); got != "retry" {
			t.Error(got, err)
		}
	})
}

// TestSuccessInTheBody: an app that answers 200 to everything.
func TestSuccessInTheBody(t *testing.T) {
	rules := []string{"json: {active: false}", "json: {active: false}\n        success: body.ok == true",
		"- {when: \"status == 404\", class: not_found}", `- {when: "body.error == 'slow_down'", class: rate_limited}
    - {when: "body.error == 'already'", class: already_done}
    - {when: "body.error == 'last_owner'", class: protected}
    - {when: "body.error == 'owns'", class: blocked, needs: transfer}
    - {when: "body.error == 'hiccup'", class: retry}`}
	for answer, want := range map[string]string{
		`{"ok":true}`:                       "done",
		`{"ok":false,"error":"already"}`:    "done",
		`{"ok":false,"error":"slow_down"}`:  "wait",
		`{"ok":false,"error":"hiccup"}`:     "wait", // the app says how long
		`{"ok":false,"error":"last_owner"}`: "permanent: PUT /users/{user.id} answered 200: the account is protected there",
		`{"ok":false,"error":"owns"}`:       "permanent: PUT /users/{user.id} answered 200: refused until transfer is done",
		`{"ok":false,"error":"ada@x"}`:      "permanent: PUT /users/{user.id} answered 200: the app refused",
		`{"ok":"true"}`:                     "permanent: PUT /users/{user.id} answered 200: the app refused",
		`<html>`:                            "wait",
	} {
		app := startVendor(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			io.WriteString(w, answer)
		})
		_, err := app.connect(t, rules...).Do(t.Context(), lock(bridge.Lock))
		got := "done"
		if wait, ok := bridge.WaitOf(err); ok && wait == 7*time.Second {
			got = "wait"
		} else if err != nil {
			got, _ = outcome("", err)
			got += ": " + err.Error()
		}
		if got != want {
			t.Errorf("%s: %s", answer, got)
		}
	}
}

func TestForeach(t *testing.T) {
	steps := []string{"- put: /users/${user.id}\n        json: {active: false}", `- foreach:
          get: /keys
          query: {of: "${user.id}"}
          items: body
          where: item.mine == true
          max: 3
          paginate: {page: page, size: 2, max_pages: 4}
        delete: /keys/${item.id}
        idempotency_key: X-Once
        already: [404]`}
	serve := func(n int) func(w http.ResponseWriter, r *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "DELETE" {
				w.WriteHeader(map[bool]int{true: 404, false: 204}[strings.HasSuffix(r.URL.Path, "2")])
				return
			}
			var page int
			fmt.Sscan(r.URL.Query().Get("page"), &page)
			items := []any{}
			for i := (page - 1) * 2; i < min(page*2, n); i++ {
				items = append(items, map[string]any{"id": i, "mine": i%2 == 0})
			}
			say(w, 200, items)
		}
	}
	app := startVendor(t, serve(5))
	c := app.connect(t, steps...)
	receipt, err := c.Do(t.Context(), lock(bridge.Lock))
	want := []string{"GET /api/keys?of=1&page=1", "GET /api/keys?of=1&page=2", "GET /api/keys?of=1&page=3",
		"DELETE /api/keys/0", "DELETE /api/keys/2", "DELETE /api/keys/4"}
	if asked := app.list(); err != nil || !slices.Equal(asked, want) {
		t.Error(asked, err)
	}
	if receipt.Summary != "GET /keys → 200, 3 to do; DELETE /keys/{item.id} → 204; DELETE /keys/{item.id} → 404, so already; DELETE /keys/{item.id} → 204" || receipt.At.IsZero() {
		t.Errorf("%+v", receipt)
	}
	first := slices.Clone(app.keys)
	if c.Do(t.Context(), lock(bridge.Lock)); len(first) != 3 || !slices.Equal(app.keys[3:], first) || first[0] == first[1] {
		t.Error("idempotency keys", app.keys)
	}
	for n, what := range map[int]string{7: "4 items, more than the 3 that are plausible", 8: "more than 4 pages"} {
		app := startVendor(t, serve(n))
		_, err := app.connect(t, steps...).Do(t.Context(), lock(bridge.Lock))
		if !bridge.IsPermanent(err) || !strings.Contains(err.Error(), what) {
			t.Error(n, err)
		}
		for _, asked := range app.list() {
			if !strings.HasPrefix(asked, "GET") {
				t.Error(n, "was changed:", asked)
			}
		}
	}
}

func TestPoll(t *testing.T) {
	for name, test := range map[string]struct {
		states []string
		want   string
	}{
		"ends":         {[]string{"busy", "busy", "done"}, "done"},
		"fails":        {[]string{"busy", "failed"}, "permanent"},
		"takes longer": {[]string{"busy"}, "retry"},
		"is gone":      {[]string{"404"}, "permanent"},
	} {
		t.Run(name, func(t *testing.T) {
			at := 0
			app := startVendor(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "PUT" {
					say(w, 202, map[string]any{"job": "j/7"[2:]})
					return
				}
				state := test.states[min(at, len(test.states)-1)]
				at++
				if state == "404" {
					say(w, 404, nil)
					return
				}
				say(w, 200, map[string]any{"state": state})
			})
			c := app.connect(t, "json: {active: false}", `json: {active: false}
        poll: {get: "/jobs/${body.job}", until: body.state == 'done', failed: body.state == 'failed', every: 10ms, within: 200ms}`)
			_, err := c.Do(t.Context(), lock(bridge.Lock))
			if got, _ := outcome("done", err); got != test.want {
				t.Error(got, err)
			}
			if asked := app.list(); len(asked) < 2 || asked[1] != "GET /api/jobs/7" {
				t.Error(asked)
			}
		})
	}
}

// TestProofs: what an answer can prove, and what it can never prove.
func TestProofs(t *testing.T) {
	for name, test := range map[string]struct {
		expect string
		status int
		body   string
		ago    time.Duration
		want   string
	}{
		"so":                     {"body.active == false", 200, `{"active":false}`, 0, "proven"},
		"not so, in time":        {"body.active == false", 200, `{"active":true}`, 30 * time.Second, "not_yet"},
		"not so, too late":       {"body.active == false", 200, `{"active":true}`, 2 * time.Minute, "still_open"},
		"gone, not expected":     {"status == 200", 404, `{}`, 2 * time.Minute, "still_open"},
		"gone, as expected":      {"status == 404", 404, `{}`, 0, "proven"},
		"forbidden, as expected": {"status == 403", 403, `{}`, 0, "proven"},
		"forbidden":              {"status == 404", 403, `{}`, 2 * time.Minute, "permanent"},
		"an outage":              {"status != 200", 503, `{}`, 2 * time.Minute, "retry"},
		"broken":                 {"status != 200", 500, `{}`, 2 * time.Minute, "retry"},
		"too many":               {"status != 200", 429, `{}`, 2 * time.Minute, "retry"},
		"no credentials":         {"status != 200", 401, `{}`, 2 * time.Minute, "permanent"},
		"without the attribute":  {"body.active == false", 200, `{}`, 2 * time.Minute, "retry"},
		"a page of a proxy":      {"body.active == false", 200, `<html>`, 2 * time.Minute, "retry"},
	} {
		t.Run(name, func(t *testing.T) {
			app := startVendor(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(test.status)
				io.WriteString(w, test.body)
			})
			o := lock(bridge.Lock)
			o.Since = time.Now().Add(-time.Hour)
			o.Done.At = time.Now().Add(-test.ago)
			_, err := app.connect(t, "expect: body.active == false", "expect: "+test.expect+"\n      within: 1m\n      every: 5s").Check(t.Context(), o)
			if got, _ := outcome("proven", err); got != test.want {
				t.Error(got, err)
			}
			if wait, ok := bridge.WaitOf(err); test.want == "not_yet" && (!ok || wait != 5*time.Second) {
				t.Error("wait", wait)
			}
		})
	}
}

func TestOAuth(t *testing.T) {
	var mu sync.Mutex
	grants, valid := 0, ""
	app := startVendor(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/api/token" {
			if name, key, _ := r.BasicAuth(); name != "me" || key != "s3cret" {
				say(w, 401, nil)
				return
			}
			grants++
			valid = fmt.Sprint("t", grants)
			say(w, 200, map[string]any{"access_token": valid, "expires_in": 3600})
			return
		}
		if r.Header.Get("Authorization") != "Bearer "+valid {
			say(w, 401, nil)
			return
		}
		say(w, 200, nil)
	})
	c := app.connect(t, "auth: {kind: bearer, token: {secret: token}}",
		`auth: {kind: oauth2_client_credentials, token_url: "${params.base}/token", client_id: {secret: id}, client_secret: {secret: key}, scope: a b, extra: {of: x}}`)
	for range 3 {
		if err := c.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if asked := app.list(); grants != 1 || asked[0] != "POST /api/token grant_type=client_credentials&of=x&scope=a+b" {
		t.Error(grants, asked)
	}
	mu.Lock()
	valid = "revoked"
	mu.Unlock()
	if err := c.Probe(t.Context()); err != nil || grants != 2 {
		t.Error("a refused token is not renewed:", err, grants)
	}
	c.(*connector).now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	c.(*connector).auth.(*granted).now = c.(*connector).now
	if err := c.Probe(t.Context()); err != nil || grants != 3 {
		t.Error("an expired token is not renewed:", err, grants)
	}

	// Refused for good: one new token, then a person.
	refusing := startVendor(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/token" {
			say(w, 200, map[string]any{"access_token": "t"})
			return
		}
		say(w, 401, nil)
	})
	err := refusing.connect(t, "auth: {kind: bearer, token: {secret: token}}",
		`auth: {kind: oauth2_client_credentials, token_url: "${params.base}/token", client_id: {secret: id}, client_secret: {secret: key}, send_in: body}`).Probe(t.Context())
	if asked := refusing.list(); !bridge.IsPermanent(err) || len(asked) != 4 ||
		asked[0] != "POST /api/token client_id=me&client_secret=s3cret&grant_type=client_credentials" {
		t.Error(err, asked)
	}
}

// TestRateHeader: the vendor's own header, in its own unit.
func TestRateHeader(t *testing.T) {
	app := startVendor(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Reset", fmt.Sprint(time.Now().Add(90*time.Second).Unix()))
		w.Header().Set("X-Left", "0")
		w.WriteHeader(403)
	})
	err := app.connect(t, "  errors:", "  rate_headers: {reset: X-Reset, unit: epoch, remaining: X-Left}\n  errors:").Probe(t.Context())
	if wait, ok := bridge.WaitOf(err); !ok || wait < 80*time.Second || wait > 95*time.Second {
		t.Error(wait, err)
	}
}

// TestWhen: an action that the registration does not want is not offered.
func TestWhen(t *testing.T) {
	app := startVendor(t, func(w http.ResponseWriter, r *http.Request) { say(w, 200, nil) })
	c := app.connect(t, "effect: delete", "effect: delete\n    when: has(params.heir)",
		"params:\n", "params:\n  heir: {type: string, optional: true}\n")
	if _, ok := c.Capabilities().Of(bridge.Delete); ok {
		t.Error("offered")
	}
	if _, err := c.Do(t.Context(), lock(bridge.Delete)); !bridge.IsPermanent(err) || len(app.list()) > 0 {
		t.Error(err, app.list())
	}
}

func TestUnverifiable(t *testing.T) {
	app := startVendor(t, func(w http.ResponseWriter, r *http.Request) { say(w, 200, nil) })
	c := app.connect(t, "verify: {get: \"/users/${user.id}\", expect: status == 404}", "verify: unverifiable")
	if one, _ := c.Capabilities().Of(bridge.Delete); one.Checked {
		t.Error("said to be checkable")
	}
	if _, err := c.Check(t.Context(), lock(bridge.Delete)); !errors.Is(err, bridge.ErrCannotCheck) {
		t.Error(err)
	}
}

func TestEvidence(t *testing.T) {
	var e evidence
	for _, s := range []string{"a", "b", "b", "b", "c", "b"} {
		e.text(s)
	}
	if e.Summary != "a; b (3 times); c; b" {
		t.Error(e.Summary)
	}
	for i := range 1000 {
		e.text(fmt.Sprintf("step %d", i/2))
	}
	if len(e.Summary) > maxSummary+20 || !strings.HasSuffix(e.Summary, "; …") {
		t.Error(len(e.Summary), e.Summary)
	}
}
