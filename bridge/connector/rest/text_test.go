package rest

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestPathValues(t *testing.T) {
	path := textFor(t, "/users/${user.id}/keys/${item}")
	for value, want := range map[string]string{
		"42":              "/users/42/keys/7",
		"a@b.example":     "/users/a@b.example/keys/7",
		"a b?c#d%2e;e&f+": "/users/a%20b%3Fc%23d%252e%3Be&f+/keys/7",
		"ä":               "/users/%C3%A4/keys/7",
		"%2e%2e":          "/users/%252e%252e/keys/7",
		"":                "refused",
		".":               "refused",
		"..":              "refused",
		"...":             "refused",
		"a/b":             "refused",
		"/":               "refused",
		`..\..`:           "refused",
		"a\nb":            "refused",
		"\x00":            "refused",
	} {
		got, err := path.path(t.Context(), vars{"user": &User{ID: value}, "item": int64(7)})
		if err != nil {
			got = "refused"
			if value != "" && len(value) > 3 && strings.Contains(err.Error(), value) {
				t.Errorf("%q is said in %q", value, err)
			}
		}
		if got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
	// Neither may the text around a value make dots of it.
	if got, err := textFor(t, "/users/.${user.id}").path(t.Context(), vars{"user": &User{ID: ".x"}}); err != nil || got != "/users/..x" {
		t.Error(got, err)
	}
	for _, item := range []any{nil, "", []any{"a"}, map[string]any{}} {
		if got, err := path.path(t.Context(), vars{"user": &User{ID: "1"}, "item": item}); err == nil {
			t.Errorf("%v: %q", item, got)
		}
	}
}

func TestBodyKeepsTypes(t *testing.T) {
	d := &decoder{}
	root := d.parse([]byte(`{n: "${item.n}", s: "x${item.n}", l: ["${item.l}", 1, 1.5, true, null], t: "$${no}", q: "${item.q}", b: "${size(item.l) > 1}", m: "${{'a': 1}}"}`))
	body := new(Body)
	body.fromYAML(d, "", root)
	c := compilerFor(t)
	c.body("", body, scope{"item"})
	if p := append(d.problems, c.problems...); p != nil {
		t.Fatal(p)
	}
	v, err := body.fill(t.Context(), vars{"item": map[string]any{"n": int64(12345678901234567), "l": []any{"a", 2.5}, "q": `"},{"`}})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(v)
	const want = `{"b":true,"l":[["a",2.5],1,1.5,true,null],"m":{"a":1},"n":12345678901234567,"q":"\"},{\"","s":"x12345678901234567","t":"${no}"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestScimString(t *testing.T) {
	for in, want := range map[string]string{
		`a@b`: `"a@b"`, `a" or userName pr or "`: `"a\" or userName pr or \""`, `\`: `"\\"`, "\n": `"\u000a"`,
	} {
		got, err := textFor(t, "${scimString(user.id)}").fill(t.Context(), vars{"user": &User{ID: in}})
		if err != nil || got != want {
			t.Errorf("%q: %s, %v", in, got, err)
		}
	}
}

// TestCost: an expression ends, however it is written and whatever it gets.
func TestCost(t *testing.T) {
	long := make([]any, 3000)
	for i := range long {
		long[i] = "x"
	}
	text := textFor(t, "${body.all(a, body.all(b, body.all(c, a == b && b == c)))}")
	begun := time.Now()
	if v, err := text.fill(t.Context(), vars{"body": long}); err == nil {
		t.Error("not stopped:", v)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := text.fill(ctx, vars{"body": long}); err == nil {
		t.Error("not stopped by its context")
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Error("took", took)
	}
}

// FuzzPath: whatever an app calls its accounts, a request stays in its path.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"1", "..", "a/b", "%2e%2e", "?x", "#", "\\", ";", "\u2025", ".\u00ad."} {
		f.Add(s)
	}
	path := textFor(f, "/users/${user.id}/keys")
	f.Fuzz(func(t *testing.T, value string) {
		got, err := path.path(t.Context(), vars{"user": &User{ID: value}})
		if err != nil {
			return
		}
		u, err := url.Parse("https://a.example.com" + got)
		if err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		clean := u.JoinPath().Path
		if u.Host != "a.example.com" || u.RawQuery != "" || u.Fragment != "" || strings.Count(u.EscapedPath(), "/") != 3 ||
			!strings.HasPrefix(clean, "/users/") || !strings.HasSuffix(clean, "/keys") || u.Path != "/users/"+value+"/keys" {
			t.Fatalf("%q leads to %q", value, got)
		}
	})
}
