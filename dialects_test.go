package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/exeunt/exeunt/bridge/connector/sandbox"
	"github.com/exeunt/exeunt/server"
)

// TestDialects holds every recorded conversation of testdata/idp with a running
// exeunt, each as two sources of its own: one of its client's dialect, and one
// whose client is not named. Whoever left has a case for it that ends well, and
// nobody else has one.
func TestDialects(t *testing.T) {
	files, err := filepath.Glob("testdata/idp/*/*.txt")
	if err != nil || len(files) < 45 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	badge, err := sandbox.StartHook(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer badge.Close()
	secrets := map[string]string{"badge": badge.Admin()}
	sources := "public_url: https://exeunt.example\nlog: {level: warn}\nsources:\n"
	for _, file := range files {
		for source, dialect := range sourcesOf(file) {
			secrets[source] = tokenOf(source)
			sources += fmt.Sprintf("  %s: {token: file:%[1]s, dialect: %s}\n", source, dialect)
		}
	}
	p := newProduct(t, sources+fmt.Sprintf(`apps:
  badge:
    connector: webhook
    with:
      url: %s
      secrets: [file:badge]
      check: true
      allow_networks: [127.0.0.1/32]
    policy: {deactivate: [lock], delete: [lock, delete]}
    limits: {rate: 1000, retry_min: 20ms, retry_max: 200ms}
`, badge.HookURL()), secrets)
	p.start()

	for _, file := range files {
		for source, dialect := range sourcesOf(file) {
			t.Run(strings.TrimPrefix(file, "testdata/idp/")+"/"+dialect, func(t *testing.T) {
				c := conversation{p: p, token: tokenOf(source), source: source}
				if err := c.hold(file); err != nil {
					t.Fatal(err)
				}
				c.end(t)
			})
		}
	}
	p.run("log", "verify")
}

// sourcesOf are the sources that hold a conversation, with their dialects.
func sourcesOf(file string) map[string]string {
	number, _, _ := strings.Cut(filepath.Base(file), "-")
	client := filepath.Base(filepath.Dir(file))
	return map[string]string{client + "-" + number: client, client + "-" + number + "-unnamed": "auto"}
}

func tokenOf(source string) string { return source + "-token-0123456789abcdef0123456789" }

// conversation is a recording being held; testdata/idp/README.md has the form.
type conversation struct {
	p             *product
	token, source string
	ids           []string        // {name}, id …
	left          []string        // user names, as the recording said last
	returned      map[string]bool // user names of those who are active at the end
}

func (c *conversation) hold(file string) error {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		return err
	}
	status, body, header := 0, []byte(nil), http.Header(nil)
	for _, f := range archive.Files {
		known := strings.NewReplacer(c.ids...)
		head, content := split(known.Replace(string(f.Data)))
		name := strings.Fields(known.Replace(f.Name))
		switch {
		case name[0] == "left":
			c.left = strings.Fields(content)
			if got := names(c.cases()); !slices.Equal(got, c.left) {
				return fmt.Errorf("left: %q, wanted %q", got, c.left)
			}
		case len(name) == 2 && strings.HasPrefix(name[1], "/"):
			if status, header, body, err = c.send(name[0], name[1], head, content); err != nil {
				return err
			}
		default:
			if strconv.Itoa(status) != name[0] {
				return fmt.Errorf("%d, wanted %s: %s", status, name[0], body)
			}
			for _, h := range head {
				if k, v, _ := strings.Cut(h, ": "); header.Get(k) != v {
					return fmt.Errorf("%s: %q, wanted %q", k, header.Get(k), v)
				}
			}
			var want, got any
			if content != "" {
				if err := json.Unmarshal([]byte(content), &want); err != nil {
					return fmt.Errorf("%w in %s", err, content)
				}
			}
			if len(body) > 0 {
				if err := json.Unmarshal(body, &got); err != nil {
					return fmt.Errorf("%w in %s", err, body)
				}
			}
			if want != nil && !contains(got, want) {
				return fmt.Errorf("%s, wanted %s", body, content)
			}
			if len(name) == 2 {
				id, _ := got.(map[string]any)["id"].(string)
				c.ids = append(c.ids, "{"+name[1]+"}", id)
			}
		}
	}
	return c.lookAtTheEnd()
}

// end waits until the cases are, and looks at what became of them.
func (c *conversation) end(t *testing.T) {
	cases := c.cases()
	if got := names(cases); !slices.Equal(got, c.left) {
		t.Fatalf("there are cases of %q, wanted %q", got, c.left)
	}
	within(t, 20*time.Second, func() error {
		cases = c.cases()
		if i := slices.IndexFunc(cases, func(c server.Case) bool { return c.State != "closed" && c.State != "cancelled" }); i >= 0 {
			return fmt.Errorf("a case is %s", cases[i].State)
		}
		return nil
	})
	for _, one := range cases {
		var whole server.Case
		c.p.get("/v1/cases/"+one.ID, &whole)
		if len(whole.Actions) == 0 {
			t.Error("nothing was done")
		}
		for _, a := range whole.Actions {
			returned := c.returned[one.Who.UserName] && (a.State == "dropped" || a.State == "offered")
			if a.State != "verified" && !returned {
				t.Errorf("%s is %s: %s", a.Effect, a.State, a.Problem)
			}
		}
	}
}

// split parts a section into header lines and content.
func split(data string) (head []string, content string) {
	for {
		line, rest, _ := strings.Cut(data, "\n")
		if !headerLine.MatchString(line) {
			return head, strings.TrimSpace(data)
		}
		head, data = append(head, line), rest
	}
}

var headerLine = regexp.MustCompile(`^[A-Z][A-Za-z-]+: `)

func (c *conversation) send(method, path string, head []string, content string) (int, http.Header, []byte, error) {
	r, err := http.NewRequest(method, c.p.url+"/scim/v2"+path, strings.NewReader(content))
	if err != nil {
		return 0, nil, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("User-Agent", "") // none, unless the recording has one
	if content != "" {
		r.Header.Set("Content-Type", "application/scim+json")
	}
	for _, h := range head {
		k, v, _ := strings.Cut(h, ": ")
		r.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, body, err
}

// lookAtTheEnd notes who is active when all is said.
func (c *conversation) lookAtTheEnd() error {
	c.returned = map[string]bool{}
	_, _, body, err := c.send(http.MethodGet, "/Users", nil, "")
	if err != nil {
		return err
	}
	var list struct {
		Resources []struct {
			UserName string
			Active   bool
		}
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return fmt.Errorf("%w in %s", err, body)
	}
	for _, u := range list.Resources {
		c.returned[u.UserName] = u.Active
	}
	return nil
}

// cases are those of this source, oldest first.
func (c *conversation) cases() (list []server.Case) {
	var all struct{ Cases []server.Case }
	c.p.get("/v1/cases?limit=1000", &all)
	for _, one := range slices.Backward(all.Cases) {
		if one.Source == c.source {
			list = append(list, one)
		}
	}
	return list
}

func names(cases []server.Case) (list []string) {
	for _, c := range cases {
		list = append(list, c.Who.UserName)
	}
	return list
}

// contains reports whether got is what is wanted: objects may have more
// members, null means absent.
func contains(got, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		for name, w := range want {
			ok = ok && contains(object[name], w)
		}
		return ok
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return false
		}
		for i, w := range want {
			if !contains(list[i], w) {
				return false
			}
		}
		return true
	}
	return got == want
}
