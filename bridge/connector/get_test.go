package connector

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A document is fetched whole, or not at all: neither too much of it, nor from
// another origin, nor from where nothing is allowed.
func TestGet(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another origin was asked") }))
	defer elsewhere.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			w.Write([]byte(strings.Repeat(" ", 200<<10) + "{}"))
		case "/long":
			w.Write([]byte(strings.Repeat(" ", 300<<10)))
		case "/moved":
			http.Redirect(w, r, "/good", http.StatusFound)
		case "/away":
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		case "/down":
			http.Error(w, "secret", http.StatusBadGateway)
		default:
			http.NotFound(w, r)
		}
	}))
	defer s.Close()
	inside := Egress{AllowNetworks: []string{"127.0.0.1/32"}}
	for path, good := range map[string]bool{"/good": true, "/moved": true, "/long": false, "/away": false, "/down": false, "/none": false} {
		raw, err := Get(t.Context(), inside, "the document", s.URL+path, 5*time.Second)
		if (err == nil) != good || good && len(raw) != 200<<10+2 {
			t.Errorf("%s: %d bytes, %v", path, len(raw), err)
		}
		if err != nil && (!strings.Contains(err.Error(), "the document") || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v", path, err)
		}
		if errors.Is(err, ErrAbsent) != (path == "/none") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := Get(t.Context(), Egress{}, "the document", s.URL+"/good", 5*time.Second); err == nil {
		t.Error("an address inside was called")
	}
}
