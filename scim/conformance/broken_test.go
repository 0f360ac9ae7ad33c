package conformance

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/exeunt/exeunt/scim"
	"github.com/exeunt/exeunt/store"
)

// TestBroken breaks our server in one way at a time: it puts something between
// the client and the real handler that spoils requests or answers. The checks
// that a fault is about must fail, and each check must be failed by some fault:
// none is one that cannot fail.
func TestBroken(t *testing.T) {
	sound := door(t, store.Options{Dir: t.TempDir()})
	caught := map[string][]string{}
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			report, err := Run(t.Context(), serve(t, f.spoil(sound)), Options{Only: f.red})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range report.Results {
				if r.Outcome != Fail {
					t.Errorf("%s: %s %s", r.Check.ID, r.Outcome, r.Why)
					continue
				}
				caught[r.Check.ID] = append(caught[r.Check.ID], f.name)
			}
			for _, id := range f.red {
				if len(Chosen([]string{id})) == 0 {
					t.Errorf("there is no check %s", id)
				}
			}
			sweep(t, sound, report.Left)
		})
	}
	for _, c := range Checks() {
		if len(caught[c.ID]) == 0 {
			t.Errorf("no fault turns %s red", c.ID)
		}
	}
}

// TestUnbroken has the same machinery in between, and spoils nothing: that it
// turns checks red is the faults' doing.
func TestUnbroken(t *testing.T) {
	as := func(v any) (any, bool) {
		s, text := v.(string)
		_, date := moment(s)
		return v, !text || date
	}
	spoil := twice(spoiled(nil, nil), twice(
		remembered("badge", object{"type": "integer"}, as),
		remembered("until", object{"type": "dateTime"}, as)))
	report, err := Run(t.Context(), serve(t, spoil(door(t, store.Options{Dir: t.TempDir()}))), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		t.Run(r.Check.ID, func(t *testing.T) { judge(t, r) })
	}
}

// sweep removes what a run could not remove because of its fault.
func sweep(t *testing.T, sound http.Handler, paths []string) {
	for _, path := range paths {
		r := httptest.NewRequest(http.MethodDelete, scim.Mount+path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		sound.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// fault is one way in which a server can be broken.
type fault struct {
	name  string
	spoil func(http.Handler) http.Handler
	red   []string // IDs of checks, or beginnings of IDs, all of which must fail
}

// asked is a request on its way in.
type asked struct {
	*http.Request
	path string // below the base URL
	body object // nil if it is no JSON object
	raw  []byte
}

// reply is an answer on its way out.
type reply struct {
	status int
	header http.Header
	json   object // nil if it is no JSON object
	raw    []byte // sent if json is nil
}

// spoiled calls in before the handler and out after it; either may be nil. If in
// returns a reply, the handler is not called at all.
func spoiled(in func(*asked) *reply, out func(*asked, *reply)) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			q := &asked{Request: r.Clone(r.Context()), path: strings.TrimPrefix(r.URL.Path, scim.Mount), raw: raw, body: decode(raw)}
			var a *reply
			if in != nil {
				a = in(q)
			}
			if a == nil {
				a = q.pass(h)
			}
			if out != nil {
				out(q, a)
			}
			if a.json != nil {
				a.raw, _ = json.Marshal(a.json)
			}
			for name, values := range a.header {
				if name != "Content-Length" {
					w.Header()[name] = values
				}
			}
			w.WriteHeader(a.status)
			if a.status != http.StatusNotModified && a.status != http.StatusNoContent {
				w.Write(a.raw)
			}
		})
	}
}

// pass has the handler answer.
func (q *asked) pass(h http.Handler) *reply {
	if q.body != nil {
		q.raw, _ = json.Marshal(q.body)
	}
	q.Body, q.ContentLength = io.NopCloser(bytes.NewReader(q.raw)), int64(len(q.raw))
	if !strings.HasPrefix(q.URL.Path, scim.Mount+q.path) || len(q.URL.Path) != len(scim.Mount+q.path) {
		q.URL.Path, q.URL.RawPath = scim.Mount+q.path, ""
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q.Request)
	return &reply{status: w.Code, header: w.Header(), raw: w.Body.Bytes(), json: decode(w.Body.Bytes())}
}

// requests spoils requests.
func requests(in func(*asked)) func(http.Handler) http.Handler {
	return spoiled(func(q *asked) *reply { in(q); return nil }, nil)
}

// answers spoils answers.
func answers(out func(*asked, *reply)) func(http.Handler) http.Handler { return spoiled(nil, out) }

// instead answers without asking the handler.
func instead(in func(*asked) *reply) func(http.Handler) http.Handler { return spoiled(in, nil) }

// documents spoils one discovery document, or each in its list.
func documents(path string, edit func(object)) func(http.Handler) http.Handler {
	return answers(func(q *asked, a *reply) {
		if strings.HasPrefix(q.path, path) && a.json != nil {
			each := a.resources()
			if len(each) == 0 {
				each = []object{a.json}
			}
			for _, o := range each {
				edit(o)
			}
		}
	})
}

// shown spoils each resource that is answered, alone or in a list.
func shown(edit func(q *asked, r object)) func(http.Handler) http.Handler {
	return answers(func(q *asked, a *reply) {
		if !q.about("Users") && !q.about("Groups") || a.status >= 400 {
			return
		}
		each := a.resources()
		if len(each) == 0 && a.json.id() != "" {
			each = []object{a.json}
		}
		for _, o := range each {
			edit(q, o)
		}
	})
}

// bodies spoils what is sent with a method to users or groups.
func bodies(method, kind string, edit func(object)) func(http.Handler) http.Handler {
	return requests(func(q *asked) {
		if strings.Contains(method, q.Method) && q.about(kind) && q.body != nil && !strings.HasSuffix(q.path, "/.search") {
			edit(q.body)
		}
	})
}

// operations spoils the operations of a PATCH.
func operations(edit func(object) []object) func(http.Handler) http.Handler {
	return bodies("PATCH", "", func(body object) {
		all := []any{}
		for _, o := range objects(body["Operations"]) {
			for _, e := range edit(o) {
				all = append(all, map[string]any(e))
			}
		}
		body["Operations"] = all
	})
}

// parameters spoils the parameters of a query, wherever they are.
func parameters(edit func(get func(string) string, set func(name, value string))) func(http.Handler) http.Handler {
	return requests(func(q *asked) {
		if strings.HasSuffix(q.path, "/.search") && q.body != nil {
			edit(func(name string) string { s, _ := q.body[name].(string); return s },
				func(name, value string) {
					if delete(q.body, name); value != "" {
						q.body[name] = value
					}
				})
			return
		}
		v := q.URL.Query()
		edit(v.Get, func(name, value string) {
			if v.Del(name); value != "" {
				v.Set(name, value)
			}
		})
		q.URL.RawQuery = v.Encode()
	})
}

// without ignores parameters.
func without(names ...string) func(http.Handler) http.Handler {
	return parameters(func(_ func(string) string, set func(name, value string)) {
		for _, name := range names {
			set(name, "")
		}
	})
}

// filters spoils filters.
func filters(edit func(string) string) func(http.Handler) http.Handler {
	return parameters(func(get func(string) string, set func(name, value string)) {
		if f := get("filter"); f != "" {
			set("filter", edit(f))
		}
	})
}

// rewritten spoils the part of a filter that a pattern matches.
func rewritten(pattern, by string) func(http.Handler) http.Handler {
	p := regexp.MustCompile(pattern)
	return filters(func(f string) string { return p.ReplaceAllString(f, by) })
}

// unheeded ignores request headers.
func unheeded(names ...string) func(http.Handler) http.Handler {
	return requests(func(q *asked) {
		for _, name := range names {
			q.Header.Del(name)
		}
	})
}

// unsaid leaves out response headers.
func unsaid(names ...string) func(http.Handler) http.Handler {
	return answers(func(_ *asked, a *reply) {
		for _, name := range names {
			a.header.Del(name)
		}
	})
}

// turned answers one status as another.
func turned(method string, from, to int, match string) func(http.Handler) http.Handler {
	return answers(func(q *asked, a *reply) {
		if strings.Contains(method, q.Method) && a.status == from && strings.Contains(string(a.raw), match) {
			a.status = to
			if to/100 == 2 {
				a.json, a.raw = object{"schemas": []any{userURN}, "id": "made-up"}, nil
			}
		}
	})
}

func (q *asked) about(kind string) bool { return strings.HasPrefix(q.path, "/"+kind) }

func (a *reply) resources() []object { return objects(a.json.at("Resources")) }

// refusedAs is a SCIM error.
func refusedAs(status int) *reply {
	w := httptest.NewRecorder()
	scim.WriteError(w, status, "", "spoiled")
	return &reply{status: w.Code, header: w.Header(), raw: w.Body.Bytes()}
}

// remembered is what clients sent in attributes that the handler does not keep:
// an attribute more, which the schema announces, with a form in which it is
// given back.
func remembered(name string, about object, form func(any) (any, bool)) func(http.Handler) http.Handler {
	kept := map[string]any{} // by user name
	described := object{"name": name, "multiValued": false, "required": false, "mutability": "readWrite", "returned": "default"}
	for k, v := range about {
		described[k] = v
	}
	return spoiled(func(q *asked) *reply {
		v, ok := q.body[name]
		if !ok {
			return nil
		}
		if v, ok = form(v); !ok {
			return refusedAs(http.StatusBadRequest)
		}
		kept[q.body.text("userName")] = v
		return nil
	}, func(q *asked, a *reply) {
		if q.about("Schemas") {
			for _, s := range a.resources() {
				if s.id() == userURN {
					s["attributes"] = append(s["attributes"].([]any), map[string]any(described))
				}
			}
		}
		if v, ok := kept[a.json.text("userName")]; ok && q.about("Users") {
			a.json[name] = v
		}
	})
}

// twice applies one breakage over another.
func twice(outer, inner func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler { return outer(inner(h)) }
}

// offset makes cursors that are places in the list, so that they slip when
// people come and go.
func offset() func(http.Handler) http.Handler {
	return spoiled(func(q *asked) *reply {
		v := q.URL.Query()
		if !v.Has("cursor") {
			return nil
		}
		start := v.Get("cursor")
		if start == "" {
			start = "1"
		}
		v.Del("cursor")
		v.Set("startIndex", start)
		q.URL.RawQuery = v.Encode()
		return nil
	}, func(q *asked, a *reply) {
		next := integerOf(a.json["startIndex"]) + len(a.resources())
		if next > 1 && next <= integerOf(a.json["totalResults"]) {
			a.json["nextCursor"] = string(jsonOf(next))
		}
	})
}

func integerOf(v any) int {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return int(i)
}

var quoted = regexp.MustCompile(`(\w+) eq "([^"\\]*)"`)

// exactly drops from a list whoever has not the very text that an eq names.
func exactly(q *asked, a *reply) {
	var filter string
	if v, err := url.ParseQuery(q.URL.RawQuery); err == nil {
		filter = v.Get("filter")
	}
	for _, m := range quoted.FindAllStringSubmatch(filter, -1) {
		kept := slices.DeleteFunc(a.resources(), func(r object) bool { return r.at(m[1]) != nil && r.text(m[1]) != m[2] })
		list := make([]any, len(kept))
		for i, r := range kept {
			list[i] = map[string]any(r)
		}
		if a.json != nil {
			a.json["Resources"], a.json["totalResults"] = list, len(list)
		}
	}
}
