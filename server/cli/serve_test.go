package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// said is what a command wrote; it may be read while it is written.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// await waits until something was said.
func (s *said) await(t *testing.T, text string) {
	t.Helper()
	eventually(t, text, func() bool { return strings.Contains(s.String(), text) }, s)
}

func eventually(t *testing.T, what string, ok func() bool, log fmt.Stringer) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to this: %s\n%s", what, log)
		}
	}
}

// exeunt is one that serves, until the test ends.
type exeunt struct {
	url       string
	out, logs *said
	signals   chan os.Signal
	ended     chan error
}

func serveHere(t *testing.T, o serveOptions) *exeunt {
	t.Helper()
	e := &exeunt{out: &said{}, logs: &said{}, signals: make(chan os.Signal, 8), ended: make(chan error, 1)}
	ready := make(chan string, 1)
	o.Out, o.Logs, o.Signals, o.Ready = e.out, e.logs, e.signals, func(url string) { ready <- url }
	if o.File == "" {
		o.Listen = "127.0.0.1:0"
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { e.ended <- serve(ctx, o) }()
	t.Cleanup(func() { cancel(); <-e.ended; close(e.ended) })
	select {
	case e.url = <-ready:
	case err := <-e.ended:
		e.ended <- err
		t.Fatalf("it did not start: %v\n%s", err, e.logs)
	}
	return e
}

// stop ends it with signals and returns what serve returned.
func (e *exeunt) stop(t *testing.T, signals ...os.Signal) error {
	t.Helper()
	for _, s := range signals {
		e.signals <- s
	}
	select {
	case err := <-e.ended:
		e.ended <- nil // for Cleanup
		return err
	case <-time.After(30 * time.Second):
		t.Fatalf("it does not end\n%s", e.logs)
		return nil
	}
}

func ask(t *testing.T, method, url, token, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/scim+json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
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
	return res.StatusCode, string(raw)
}

const newcomer = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"grace@example.com","active":true}`

var scimToken = regexp.MustCompile(`exe_scim_\w+`)

func TestServeWithoutConfiguration(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := serveHere(t, serveOptions{Data: dir})
	first.out.await(t, "exeunt is ready at "+first.url)
	token := scimToken.FindString(first.out.String())
	if token == "" || !strings.Contains(first.out.String(), "Okta") || !strings.Contains(first.out.String(), "Entra") {
		t.Fatalf("no token, or no advice:\n%s", first.out)
	}
	if !strings.HasPrefix(first.url, "http://127.0.0.1:") {
		t.Errorf("it listens on %s", first.url)
	}
	if status, body := ask(t, "POST", first.url+"/scim/v2/Users", token, newcomer); status != 201 {
		t.Fatalf("creating a person: %d %s", status, body)
	}
	raw, err := os.ReadFile(filepath.Join(dir, adminFile))
	if err != nil {
		t.Fatal(err)
	}
	admin := strings.TrimSpace(string(raw))
	for name, mode := range map[string]os.FileMode{"": 0o700, adminFile: 0o600, keyFile: 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s/%s: %v %v", dir, name, info.Mode(), err)
		}
	}
	for path, want := range map[string]int{"/readyz": 200, "/healthz": 200, "/metrics": 200} {
		if status, body := ask(t, "GET", first.url+path, "", ""); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := ask(t, "GET", first.url+"/console/river/", admin, ""); status != 200 || !strings.Contains(body, "<html") {
		t.Errorf("the console: %d %.200s", status, body)
	}
	if status, _ := ask(t, "GET", first.url+"/console/river/", token, ""); status != 401 {
		t.Errorf("the console, for a source: %d", status)
	}
	if status, note := ask(t, "GET", first.url+"/v1/log/checkpoint", admin, ""); status != 200 || !strings.Contains(note, "— exeunt/") {
		t.Errorf("the checkpoint: %d %s", status, note)
	}
	if err := first.stop(t, syscall.SIGTERM); err != nil {
		t.Errorf("it did not end well: %v", err)
	}
	for _, secret := range []string{token, admin} {
		if strings.Contains(first.logs.String(), secret) || strings.Contains(first.logs.String(), "grace") {
			t.Errorf("the log says too much:\n%s", first.logs)
		}
	}

	second := serveHere(t, serveOptions{Data: dir})
	second.out.await(t, "ready")
	if again := scimToken.FindString(second.out.String()); again != "" {
		t.Error("the token is shown a second time, or another was made")
	}
	if status, body := ask(t, "GET", second.url+"/scim/v2/Users", token, ""); status != 200 || !strings.Contains(body, "grace@example.com") {
		t.Errorf("after a restart: %d %s", status, body)
	}
	if err := second.stop(t, os.Interrupt); err != nil {
		t.Error(err)
	}
}

func TestServeSaysWhyNot(t *testing.T) {
	dir := t.TempDir()
	e := serveHere(t, serveOptions{Data: dir})
	for _, tt := range []struct {
		o    serveOptions
		want string
	}{
		{serveOptions{Data: dir, Listen: "127.0.0.1:0"}, "another exeunt is using"},
		{serveOptions{Data: t.TempDir(), Listen: strings.TrimPrefix(e.url, "http://")}, "address already in use"},
		{serveOptions{Data: t.TempDir(), Listen: "nowhere"}, "choose another address"},
	} {
		tt.o.Logs = io.Discard
		if err := serve(t.Context(), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
	if status, _ := ask(t, "GET", e.url+"/readyz", "", ""); status != 200 {
		t.Errorf("the first one suffered: %d", status)
	}
}

// folder writes files that only we may read, and returns the folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, dir, name, text)
	}
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const (
	oldToken, newToken = "the-old-token-of-the-hr-system", "the-new-token-of-the-hr-system"
	adminSecret        = "the-token-of-the-administrator"
)

func TestReload(t *testing.T) {
	dir := folder(t, map[string]string{"hr": oldToken, "admin": adminSecret, "hook": "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32)),
		"exeunt.yaml": "listen: 127.0.0.1:0\nadmin_token: file:admin\nsources: {hr: {token: file:hr}}\n"})
	e := serveHere(t, serveOptions{File: filepath.Join(dir, "exeunt.yaml")})
	let := func(token string) bool {
		status, _ := ask(t, "GET", e.url+"/scim/v2/Users", token, "")
		return status == 200
	}
	if !let(oldToken) || let(newToken) {
		t.Fatal("the first configuration is not in force")
	}

	write(t, dir, "hr", newToken)
	write(t, dir, "exeunt.yaml", `listen: 127.0.0.1:1
admin_token: file:admin
sources: {hr: {token: file:hr}, second: {}}
apps: {hook: {connector: webhook, with: {url: "https://hooks.example.com", secrets: [file:hook]}, policy: {deactivate: [lock]}}}
`)
	e.signals <- syscall.SIGHUP
	e.logs.await(t, "configuration reloaded")
	if let(oldToken) || !let(newToken) {
		t.Error("the new token is not in force")
	}
	if !strings.Contains(e.logs.String(), `"keys":["listen"]`) {
		t.Errorf("nobody said that the address stays:\n%s", e.logs)
	}
	if status, body := ask(t, "POST", e.url+"/v1/tokens", adminSecret, `{"source":"second"}`); status != 201 {
		t.Errorf("the new source: %d %s", status, body)
	}
	// the new app has its part in the next departure
	_, body := ask(t, "POST", e.url+"/scim/v2/Users", newToken, newcomer)
	id := regexp.MustCompile(`"id":"([^"]+)"`).FindStringSubmatch(body)
	if id == nil {
		t.Fatal(body)
	}
	if status, body := ask(t, "DELETE", e.url+"/scim/v2/Users/"+id[1], newToken, ""); status != 204 {
		t.Fatalf("%d %s", status, body)
	}
	eventually(t, "an action on the new app", func() bool {
		_, body := ask(t, "GET", e.url+"/metrics", "", "")
		return strings.Contains(body, `exeunt_actions{app="hook"`)
	}, e.logs)

	write(t, dir, "exeunt.yaml", "sourcs: {}\nlimits: {body: 1}\n")
	e.signals <- syscall.SIGHUP
	e.logs.await(t, "configuration not reloaded")
	for _, want := range []string{"1:1: sourcs: there is no such key; did you mean sources?", "2:16: limits.body"} {
		if !strings.Contains(e.logs.String(), want) {
			t.Errorf("no word of %s\n%s", want, e.logs)
		}
	}
	if !let(newToken) {
		t.Error("a bad file put the old one out of force")
	}
	for _, secret := range []string{oldToken, newToken, adminSecret} {
		if strings.Contains(e.logs.String(), secret) {
			t.Error("a token is in the log")
		}
	}
	if err := e.stop(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}

// An app that never answers: the first signal lets the call go on, the second
// cuts it off, and the next start takes it up again.
func TestStopsInTwoStages(t *testing.T) {
	called, answer := make(chan bool, 16), make(chan bool)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called <- true
		select {
		case <-answer:
			w.WriteHeader(http.StatusNoContent)
		case <-r.Context().Done():
		}
	}))
	defer app.Close()
	dir := folder(t, map[string]string{"hr": oldToken, "hook": "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32)), "exeunt.yaml": fmt.Sprintf(`
listen: 127.0.0.1:0
data: data
sources: {hr: {token: file:hr}}
apps:
  slow:
    connector: webhook
    with: {url: %q, secrets: [file:hook], allow_networks: [127.0.0.1/32]}
    policy: {delete: [lock]}
    limits: {timeout: 30s}
`, app.URL)})
	e := serveHere(t, serveOptions{File: filepath.Join(dir, "exeunt.yaml")})
	_, body := ask(t, "POST", e.url+"/scim/v2/Users", oldToken, newcomer)
	id := regexp.MustCompile(`"id":"([^"]+)"`).FindStringSubmatch(body)
	if id == nil {
		t.Fatal(body)
	}
	if status, body := ask(t, "DELETE", e.url+"/scim/v2/Users/"+id[1], oldToken, ""); status != 204 {
		t.Fatalf("%d %s", status, body)
	}
	<-called
	e.signals <- syscall.SIGTERM
	e.logs.await(t, "stopping")
	select {
	case err := <-e.ended:
		t.Fatalf("it ended with a call under way: %v", err)
	case <-time.After(200 * time.Millisecond): // a moment in which nothing must happen
	}
	began := time.Now()
	if err := e.stop(t, syscall.SIGTERM); err != nil {
		t.Errorf("cut off: %v", err)
	}
	if took := time.Since(began); took > 12*time.Second {
		t.Errorf("the second stage took %s", took)
	}

	close(answer)
	e = serveHere(t, serveOptions{File: filepath.Join(dir, "exeunt.yaml")})
	var out, errs bytes.Buffer
	eventually(t, "the case is closed", func() bool {
		out.Reset()
		Run(t.Context(), []string{"case", "list", "-c", filepath.Join(dir, "exeunt.yaml"), "--state", "closed"}, nil, &out, &errs)
		return strings.Contains(out.String(), "grace@example.com")
	}, e.logs)
}
