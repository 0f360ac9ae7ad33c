package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

var dora = User{UserName: "dora", Email: "dora@corp.example", DisplayName: "Dora", Password: "dora's password"}

// visitor is somebody with a browser, or an administrator with a token.
type visit struct {
	t     *testing.T
	app   *App
	token string
	http.Cookie
}

// ask makes a request and returns the status and the body; status 0 is a
// dropped connection.
func (v *visit) ask(method, path string, body any) (int, map[string]any) {
	v.t.Helper()
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			v.t.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.app.URL()+path, reader)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if v.token != "" {
		r.Header.Set("Authorization", "Bearer "+v.token)
	}
	if v.Value != "" {
		r.AddCookie(&v.Cookie)
	}
	// A connection for each: no retry by net/http hides a dropped one.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return 0, nil
	}
	defer answer.Body.Close()
	for _, c := range answer.Cookies() {
		v.Cookie = *c
	}
	var got map[string]any
	json.NewDecoder(answer.Body).Decode(&got)
	if wait := answer.Header.Get("Retry-After"); wait != "" {
		got = map[string]any{"wait": wait}
	}
	return answer.StatusCode, got
}

func (v *visit) want(status int, method, path string, body any) map[string]any {
	v.t.Helper()
	got, answer := v.ask(method, path, body)
	if got != status {
		v.t.Errorf("%s %s: %d %v, want %d", method, path, got, answer, status)
	}
	return answer
}

func TestSaaS(t *testing.T) {
	app, err := StartSaaS(Options{Users: []User{dora}})
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	admin := &visit{t: t, app: app.App, token: app.Admin()}
	user := &visit{t: t, app: app.App}
	login := map[string]string{"email": dora.Email, "password": dora.Password}

	user.want(401, "POST", "/login", map[string]string{"email": dora.Email, "password": ""})
	user.want(401, "GET", "/me", nil)
	user.want(204, "POST", "/login", login)
	key := user.want(201, "POST", "/me/keys", nil)["key"].(string)
	program := &visit{t: t, app: app.App, token: key}
	user.want(200, "GET", "/me", nil)
	program.want(200, "GET", "/me", nil)

	user.want(401, "GET", "/admin/users", nil)
	program.want(401, "GET", "/admin/users", nil)
	found := admin.want(200, "GET", "/admin/users?email=DORA@corp.example", nil)["users"].([]any)
	if len(found) != 1 {
		t.Fatalf("found %v", found)
	}
	at := "/admin/users/" + found[0].(map[string]any)["id"].(string)

	admin.want(200, "POST", at+"/suspend", nil)
	admin.want(409, "POST", at+"/suspend", nil)
	(&visit{t: t, app: app.App}).want(403, "POST", "/login", login)
	user.want(200, "GET", "/me", nil)    // suspension ends no session
	program.want(200, "GET", "/me", nil) // and no key

	admin.want(204, "DELETE", at+"/sessions", nil)
	user.want(401, "GET", "/me", nil)
	program.want(200, "GET", "/me", nil)
	keys := admin.want(200, "GET", at+"/keys", nil)["keys"].([]any)
	one := at + "/keys/" + keys[0].(map[string]any)["id"].(string)
	admin.want(204, "DELETE", one, nil)
	admin.want(404, "DELETE", one, nil)
	program.want(401, "GET", "/me", nil)

	admin.want(200, "POST", at+"/unsuspend", nil)
	admin.want(409, "POST", at+"/unsuspend", nil)
	session, _ := app.Issue(dora.Email)
	user.Cookie = http.Cookie{Name: cookie, Value: session}
	user.want(200, "GET", "/me", nil)
	admin.want(204, "DELETE", at, nil)
	admin.want(404, "DELETE", at, nil)
	user.want(401, "GET", "/me", nil)
	if got := whats(app.App); got != "lock session ended key revoked restore delete" {
		t.Error(got)
	}
	if app.Standing(dora.Email) != (Standing{}) {
		t.Error(app.Standing(dora.Email))
	}
}

func whats(a *App) string {
	var list []string
	for _, c := range a.Changes("") {
		list = append(list, c.What)
	}
	return strings.Join(list, " ")
}

func TestSCIM(t *testing.T) {
	app, err := StartSCIM(Options{Users: []User{dora}}, Quirks{})
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	admin := &visit{t: t, app: app.App, token: app.Admin()}
	user := &visit{t: t, app: app.App}
	user.want(401, "GET", "/scim/v2/Users", nil)
	user.want(204, "POST", "/login", map[string]string{"userName": "dora", "password": dora.Password})
	user.want(200, "GET", "/me", nil)

	at := "/scim/v2/Users/" + app.ID("dora")
	patch := func(value any) map[string]any {
		return map[string]any{"schemas": []string{patchSchema},
			"Operations": []any{map[string]any{"op": "replace", "path": "active", "value": value}}}
	}
	admin.want(400, "PATCH", at, patch("False"))
	admin.want(400, "PATCH", at, map[string]any{"Operations": []any{}})
	admin.want(404, "PATCH", at+"x", patch(false))
	if !app.Active("dora") {
		t.Error("a refused PATCH had effect")
	}
	admin.want(200, "PATCH", at, patch(false))
	admin.want(200, "PATCH", at, patch(false))
	user.want(401, "GET", "/me", nil)
	user.want(401, "POST", "/login", map[string]string{"userName": "dora", "password": dora.Password})
	for filter, want := range map[string]float64{`userName+eq+"DORA"`: 1, `userName+eq+"nora"`: 0,
		`emails.value+eq+"dora@corp.example"`: 1, `emails+eq+"dora@corp.example"`: 1, `externalId+eq+"x"`: 0} {
		if got := admin.want(200, "GET", "/scim/v2/Users?filter="+filter, nil)["totalResults"]; got != want {
			t.Errorf("%s: %v", filter, got)
		}
	}
	admin.want(400, "GET", `/scim/v2/Users?filter=userName+sw+"d"`, nil)
	admin.want(204, "DELETE", at, nil)
	admin.want(404, "GET", at, nil)
	if got := whats(app.App); got != "lock delete" {
		t.Error(got)
	}
}

func TestFaults(t *testing.T) {
	app, err := StartSaaS(Options{Users: []User{dora}})
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	admin := &visit{t: t, app: app.App, token: app.Admin()}
	at := "/admin/users/" + app.Standing(dora.Email).ID
	set := func(f Fault) { admin.want(204, "POST", "/_faults", f) }
	status := func() string { return app.Standing(dora.Email).Status }

	set(Fault{Kind: Fail, Path: "/admin/users/*/suspend", Times: 2})
	admin.want(200, "GET", at, nil) // not met
	admin.want(503, "POST", at+"/suspend", nil)
	admin.want(503, "POST", at+"/suspend", nil)

	set(Fault{Kind: Fail, Status: 429, Wait: 7, Times: 1})
	if got := admin.want(429, "GET", at, nil); got["wait"] != "7" {
		t.Error(got)
	}
	set(Fault{Kind: Fail, Status: 429, Wait: 7, AsDate: true, Times: 1})
	when, err := http.ParseTime(admin.want(429, "GET", at, nil)["wait"].(string))
	if left := time.Until(when); err != nil || left < 6*time.Second || left > 9*time.Second {
		t.Error(when, err)
	}

	set(Fault{Kind: Drop, Method: Writes, Times: 1})
	admin.want(200, "GET", at, nil)
	admin.want(0, "POST", at+"/suspend", nil)
	set(Fault{Kind: Lie, Method: "POST", Times: 1})
	admin.want(200, "POST", at+"/suspend", nil)
	if status() != "active" || whats(app.App) != "" {
		t.Error("a fault without effect had effect")
	}
	set(Fault{Kind: Lost, Method: "POST", Times: 1})
	admin.want(0, "POST", at+"/suspend", nil)
	if status() != "suspended" || whats(app.App) != "lock" {
		t.Error("the lost answer had no effect")
	}

	set(Fault{Kind: Stale, Method: "POST", Times: 1, For: Duration(time.Hour)})
	admin.want(200, "POST", at+"/unsuspend", nil)
	if got := admin.want(200, "GET", at, nil)["status"]; got != "suspended" || status() != "active" {
		t.Errorf("stale read shows %v, and it is %s", got, status())
	}

	set(Fault{Kind: Slow, Delay: Duration(time.Millisecond), For: Duration(time.Millisecond)})
	set(Fault{Kind: Fail})
	admin.want(204, "DELETE", "/_faults", nil)
	admin.want(200, "GET", at, nil)

	for _, bad := range []any{Fault{Kind: "explode"}, Fault{Kind: Fail, Path: "["}, Fault{Kind: Fail, Status: 99}, "x"} {
		admin.want(400, "POST", "/_faults", bad)
	}
	(&visit{t: t, app: app.App}).want(401, "GET", "/_faults", nil)
	record := admin.want(200, "GET", "/_record", nil)
	if n := len(record["changes"].([]any)); n != 2 {
		t.Errorf("%d changes on record", n)
	}
	if n := len(record["asked"].([]any)); n != len(app.Asked()) || n == 0 {
		t.Errorf("%d requests on record", n)
	}
}

func TestServe(t *testing.T) {
	for _, kind := range []string{"scim", "saas", "hook"} {
		ctx, cancel := context.WithCancel(t.Context())
		reader, writer := io.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- Serve(ctx, kind, Options{}, writer) }()
		line, err := bufio.NewReader(reader).ReadString('\n')
		words := strings.Fields(line)
		if err != nil || len(words) != 3 || words[0] != kind {
			t.Fatalf("%q, %v", line, err)
		}
		app := &App{url: words[1]}
		(&visit{t: t, app: app, token: words[2]}).want(200, "GET", "/_record", nil)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		(&visit{t: t, app: app}).want(0, "GET", "/", nil)
	}
	if err := Serve(t.Context(), "ldap", Options{}, io.Discard); err == nil {
		t.Error("there is such an app")
	}
}

// An app that needs no administrator for itself has one all the same, who may tell it to
// fail.
func TestEveryAppHasAnAdministrator(t *testing.T) {
	app, err := StartParty(Options{}, Trust{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { app.Close() })
	for token, want := range map[string]int{app.Admin(): http.StatusOK, "": http.StatusUnauthorized} {
		v := &visit{t: t, app: app.App, token: token}
		if status, _ := v.ask(http.MethodGet, "/_record", nil); status != want {
			t.Errorf("%q: %d", token, status)
		}
	}
}
