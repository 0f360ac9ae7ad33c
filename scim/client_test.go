package scim

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/exeunt/exeunt/bridge"
)

// door is a handler over a directory, as a client sees it.
type door struct {
	t testing.TB
	*directory
	handler http.Handler
	errors  []error
}

func newDoor(t testing.TB, d Dialect) *door {
	x := &door{t: t, directory: newDirectory()}
	x.handler = New(Options{People: x, Groups: x, Reader: x,
		Dialect: func(string) Dialect { return d },
		BaseURL: func(*http.Request) string { return "https://exeunt.example/scim/v2" },
		Report:  func(_ *http.Request, err error) { x.errors = append(x.errors, err) }})
	return x
}

// answer is what came back.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	raw    string
	body   map[string]any
}

// send sends a request; headers are "Name: value".
func (d *door) send(method, path, body string, headers ...string) answer {
	d.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/scim+json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	r = r.WithContext(bridge.WithCaller(r.Context(), bridge.Caller{Source: "idp"}))
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	a := answer{t: d.t, status: w.Code, header: w.Result().Header, raw: w.Body.String()}
	if a.raw != "" {
		if err := json.Unmarshal([]byte(a.raw), &a.body); err != nil {
			d.t.Fatalf("%s %s: the answer is not JSON: %s", method, path, a.raw)
		}
	}
	return a
}

// want fails unless the answer has the status and, in JSON, the given subset.
func (a answer) want(status int, subset string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.raw)
	}
	if subset != "" {
		var want any
		if err := json.Unmarshal([]byte(subset), &want); err != nil {
			a.t.Fatalf("the test's JSON: %v: %s", err, subset)
		}
		if at := differs("", want, a.body); at != "" {
			a.t.Fatalf("%s\nwant %s\ngot  %s", at, subset, a.raw)
		}
	}
	return a
}

// fault fails unless the answer is a SCIM error.
func (a answer) fault(status int, scimType string) answer {
	a.t.Helper()
	a.want(status, `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"]}`)
	if got, _ := a.body["scimType"].(string); got != scimType {
		a.t.Fatalf("scimType %q, want %q: %s", got, scimType, a.raw)
	}
	return a
}

func (a answer) id() string {
	id, _ := a.body["id"].(string)
	return id
}

// differs says where got is not at least want: objects may have more, lists
// must be equally long, null wants absence. "" if nowhere.
func differs(at string, want, got any) string {
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok {
			return at + " is not an object"
		}
		for name, w := range want {
			if d := differs(at+"/"+name, w, got[name]); d != "" {
				return d
			}
		}
		return ""
	case []any:
		got, ok := got.([]any)
		if !ok || len(got) != len(want) {
			return at + " is not a list of that length"
		}
		for i, w := range want {
			if d := differs(at+"/#", w, got[i]); d != "" {
				return d
			}
		}
		return ""
	}
	if want != got {
		return at + " differs"
	}
	return ""
}
