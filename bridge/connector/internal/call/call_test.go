package call

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

var loopback = Egress{AllowNetworks: []string{"127.0.0.0/8", "::1/128"}}

func client(t *testing.T, c Config) *Client {
	t.Helper()
	got, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestSend(t *testing.T) {
	var got *http.Request
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("X-Request-Id", "req-1")
		w.Write([]byte(`{"active":false}`))
	})
	c := client(t, Config{Egress: loopback})
	answer, err := c.Send(t.Context(), Request{Name: "PATCH /Users/{id}", Method: "PATCH", URL: url + "/Users/7",
		Header: http.Header{"authorization": {"Bearer x"}}, JSON: map[string]bool{"active": false}, Key: "k1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Idempotency-Key": "k1", "Authorization": "Bearer x",
		"Content-Type": "application/json", "User-Agent": "exeunt"} {
		if got.Header.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, got.Header.Get(name), want)
		}
	}
	var body struct{ Active *bool }
	if err := answer.Decode(&body); err != nil || body.Active == nil || *body.Active {
		t.Errorf("body %v, %v", body, err)
	}
	r := answer.Receipt("active=false")
	if r.Summary != "PATCH /Users/{id} → 200, active=false" || r.Ref != "req-1" || r.Status != 200 || r.Took <= 0 {
		t.Errorf("receipt %+v", r)
	}
}

// A lost answer must reach the engine as a lost answer: nothing below may ask
// the app again in silence.
func TestSendAsksOnce(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.Method]++
		mu.Unlock()
		if r.Method != "GET" {
			panic(http.ErrAbortHandler)
		}
	})
	c := client(t, Config{Egress: loopback})
	for _, method := range []string{"DELETE", "PATCH", "POST", "PUT"} {
		// A connection that was used before is the one net/http would retry on.
		if _, err := c.Send(t.Context(), Request{Name: "GET /", Method: "GET", URL: url}); err != nil {
			t.Fatal(err)
		}
		_, err := c.Send(t.Context(), Request{Name: method + " /", Method: method, URL: url, Key: "k", JSON: body(method)})
		if err == nil || bridge.IsPermanent(err) {
			t.Errorf("%s: %v", method, err)
		}
		mu.Lock()
		if asked[method] != 1 {
			t.Errorf("%s: asked %d times", method, asked[method])
		}
		mu.Unlock()
	}
}

func body(method string) any {
	if method == "DELETE" {
		return nil
	}
	return 1
}

func TestSendBounds(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/big":
			w.Write([]byte(strings.Repeat("x", 2000)))
		case "/bigerror":
			w.WriteHeader(500)
			w.Write([]byte(strings.Repeat("x", 2000)))
		case "/endless":
			w.Header().Set("X-Big", strings.Repeat("x", 100<<10))
		case "/slow":
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "/cut":
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("short"))
			panic(http.ErrAbortHandler)
		case "/redirect":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case "/away":
			http.Redirect(w, r, "http://example.com/", http.StatusFound)
		}
	})
	c := client(t, Config{Egress: loopback, MaxBytes: 1000, Timeout: 200 * time.Millisecond, Redirects: 1})
	send := func(ctx context.Context, method, path string) (*Response, error) {
		return c.Send(ctx, Request{Name: method, Method: method, URL: url + path + "?who=bob@example.com"})
	}
	if _, err := send(t.Context(), "GET", "/big"); !bridge.IsPermanent(err) {
		t.Errorf("big: %v", err)
	}
	if r, err := send(t.Context(), "GET", "/bigerror"); err != nil || r.Status != 500 || len(r.Body) != 1000 {
		t.Errorf("big error page: %v", err)
	}
	if _, err := send(t.Context(), "GET", "/endless"); err == nil {
		t.Error("endless header")
	}
	if _, err := send(t.Context(), "GET", "/cut"); err == nil || bridge.IsPermanent(err) {
		t.Errorf("cut: %v", err)
	}
	if _, err := send(t.Context(), "GET", "/slow"); !errors.Is(err, context.DeadlineExceeded) || bridge.IsPermanent(err) {
		t.Errorf("slow: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := send(ctx, "GET", "/slow"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if r, err := send(t.Context(), "GET", "/redirect"); err != nil || r.Status != 200 {
		t.Errorf("redirect: %v %v", r, err)
	}
	if r, err := send(t.Context(), "POST", "/redirect"); err != nil || !bridge.IsPermanent(r.Outcome()) {
		t.Errorf("redirect of a POST: %v %v", r, err)
	}
	if r, err := send(t.Context(), "GET", "/away"); err != nil || !bridge.IsPermanent(r.Outcome()) {
		t.Errorf("redirect to another origin: %v %v", r, err)
	}
}

func TestSendRefusesAddresses(t *testing.T) {
	asked := false
	url := serve(t, func(http.ResponseWriter, *http.Request) { asked = true })
	for _, e := range []Egress{{}, {AllowNetworks: []string{"10.0.0.0/8"}}} {
		_, err := client(t, Config{Egress: e}).Send(t.Context(), Request{Name: "GET /", Method: "GET", URL: url})
		if !bridge.IsPermanent(err) || !errors.Is(err, errForbidden) {
			t.Errorf("%v: %v", e, err)
		}
		if strings.Contains(fmt.Sprint(err), "127.0.0.1") {
			t.Errorf("names the address: %v", err)
		}
	}
	if asked {
		t.Error("the connection was made")
	}
}

func TestSendTrustsOnlyKnownAuthorities(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // the refused handshake
	s.StartTLS()
	defer s.Close()
	_, err := client(t, Config{Egress: loopback}).Send(t.Context(), Request{Name: "GET /", Method: "GET", URL: s.URL})
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("unknown authority: %v", err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	own := loopback
	own.CAFile = file
	if _, err := client(t, Config{Egress: own}).Send(t.Context(), Request{Name: "GET /", Method: "GET", URL: s.URL}); err != nil {
		t.Errorf("with ca_file: %v", err)
	}
	if _, err := New(Config{Egress: Egress{CAFile: file + "x"}}); !bridge.IsKind(err, bridge.KindInvalid) {
		t.Errorf("no such ca_file: %v", err)
	}
}

func TestNoAnswerSaysNothing(t *testing.T) {
	const who = "bob@example.com"
	c := client(t, Config{Egress: loopback, Timeout: time.Second})
	for _, url := range []string{"http://127.0.0.1:1/" + who, "http://nobody.invalid/?q=" + who, "ftp://x/" + who,
		"https://127.0.0.1:1/" + who, "http://%zz/" + who} {
		_, err := c.Send(t.Context(), Request{Name: "GET /Users", Method: "GET", URL: url})
		if err == nil || strings.Contains(err.Error(), who) || strings.Contains(err.Error(), "127.0") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
