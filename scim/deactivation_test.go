package scim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// departure is a request by which somebody left in a recording.
type departure struct {
	client       Dialect
	file, method string
	query, body  string
	open         bool // the URL ends with ?
	header       http.Header
}

// departures are all of them.
func departures(t *testing.T) (all []departure) {
	files, _ := filepath.Glob(recordings + "/*/*.txt")
	for _, file := range files {
		client := Dialect(filepath.Base(filepath.Dir(file)))
		d := newDoor(t, client)
		inner := d.handler
		d.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			before := len(d.left)
			if inner.ServeHTTP(w, r); len(d.left) > before {
				all = append(all, departure{client, file, r.Method, r.URL.RawQuery, string(body), r.URL.ForceQuery, r.Header})
			}
		})
		if err := replay(file, d); err != nil {
			t.Fatal(file, err)
		}
	}
	return all
}

// TestDeactivations: in whatever form a client was recorded to say that
// somebody leaves, they leave in every dialect that has all mends of the
// client's own; in every other they leave too, or it is refused and nothing
// has happened.
func TestDeactivations(t *testing.T) {
	all := departures(t)
	from := map[Dialect]int{}
	for _, f := range all {
		from[f.client]++
		for _, dialect := range Dialects() {
			d := newDoor(t, dialect)
			id := d.send("POST", "/Users", `{"schemas":["`+urnUser+`"],"userName":"somebody","active":true}`).want(201, "").id()
			path := "/Users/" + id
			if f.query != "" || f.open {
				path += "?" + f.query
			}
			var headers []string
			for name := range f.header {
				headers = append(headers, name+": "+f.header.Get(name))
			}
			a := d.send(f.method, path, f.body, headers...)
			where := fmt.Sprintf("%s, %s in %s: %d %s", f.file, f.method, dialect, a.status, a.raw)
			mine := dialect == f.client || dialect == Auto
			switch {
			case a.status/100 == 2:
				if len(d.left) != 1 || len(d.people) == 1 && d.people[0].Active {
					t.Errorf("a success, but nobody left: %s", where)
				}
			case mine || a.status/100 != 4:
				t.Errorf("refused: %s", where)
			default:
				if len(d.left) != 0 || !d.people[0].Active || d.people[0].Version != 1 {
					t.Errorf("refused, but something happened: %s", where)
				}
			}
			if f.client == Generic && dialect != Strict && a.status/100 != 2 {
				t.Errorf("no client's own, and refused: %s", where)
			}
		}
	}
	for _, d := range Dialects() {
		if d != Auto && d != Strict && from[d] == 0 {
			t.Errorf("nobody left in a recording of %s", d)
		}
	}
	if len(all) < 30 {
		t.Errorf("%d departures", len(all))
	}
}

// chooser chooses from what there is, by bytes from a fuzzer or dice.
type chooser struct {
	bytes []byte
	at    int
	doors map[Dialect]*door // to be used again, with nobody in them
}

func (c *chooser) of(choices []string) string {
	if c.at == len(c.bytes) {
		return choices[0]
	}
	c.at++
	return choices[int(c.bytes[c.at-1])%len(choices)]
}

// said is what a request says about active.
type said struct {
	active  string // the last thing: "true", "false" or "" for nothing
	unclear bool   // something that nobody can be sure of
	strange bool   // names that are known nowhere
	knows   bool   // names that are known
}

var (
	// names by which active is meant, in paths and as members of a value
	activePaths = []string{"active", "Active", "ACTIVE", urnUser + ":active", strings.ToLower(urnUser) + ":Active"}
	// names that sound like it and are not
	strangers = []string{"isActive", "enabled", "status", "active.value", "active[value eq true]", "name.active", "urn:example:x:2.0:User:active"}
	others    = []string{"title", "name.givenName", urnEnterprise + ":department"}
	foreigner = "urn:example:x:2.0:User:tag"

	truths  = []string{`true`, `"True"`, `"true"`}
	lies    = []string{`false`, `"False"`, `"false"`, `"FALSE"`, `[false]`, `["False"]`}
	unclear = []string{`null`, `""`, `0`, `1`, `"0"`, `"no"`, `"inactive"`, `"false "`, `{}`, `{"value":false}`, `[]`, `[null]`, `[false,true]`, `[[false]]`}
)

// tell makes a request, and says what it says.
func (c *chooser) tell(strict bool) (method, body string, s said) {
	hear := func(v string) {
		switch {
		case slices.Contains(unclear, v), strict && v != "true" && v != "false":
			s.unclear = true
		case slices.Contains(lies, v):
			s.active = "false"
		default:
			s.active = "true"
		}
	}
	values := slices.Concat(lies, truths, unclear)
	if method = c.of([]string{"PATCH", "PUT"}); method == "PUT" {
		members := []string{`"schemas":["` + urnUser + `"]`, `"userName":"somebody"`}
		switch c.of([]string{"no", "active", "stranger", "named"}) {
		case "active":
			name, v := c.of(activePaths[:3]), c.of(values)
			members = append(members, `"`+name+`":`+v)
			if v != "null" && v != "[null]" { // absent, to a PUT
				hear(v)
			} else if strict && v == "[null]" {
				s.unclear = true
			}
		case "named": // stands where no core attribute belongs
			s.unclear = true
			members = append(members, c.of([]string{`"` + urnUser + `:active":false`, `"` + strings.ToLower(urnUser) + `:Active":"False"`,
				`"` + urnUser + `.active":false`, `"` + urnUser + `":{"active":false}`}))
		case "stranger": // RFC 7644, section 3.3: ignored
			members = append(members, `"`+strings.ReplaceAll(c.of(strangers), `"`, `\"`)+`":`+c.of(values))
		}
		return method, "{" + strings.Join(members, ",") + "}", s
	}
	op := c.of([]string{"replace", "add", "Replace", "Add"})
	if strict {
		op = strings.ToLower(op)
	}
	var ops []string
	for range 1 + len(c.of([]string{"", "x", "xx"})) {
		var name, v string
		switch c.of([]string{"active", "active", "other", "stranger", "foreigner", "removal"}) {
		case "active":
			name, v = c.of(activePaths), c.of(values)
			hear(v)
			s.knows = true
		case "other":
			name, v = c.of(others), `"x"`
			s.knows = true
		case "stranger":
			name, v = c.of(strangers), c.of(values)
			s.strange = true
		case "foreigner":
			name, v = foreigner, c.of([]string{`"x"`, `{"tag":"x"}`, `{"Active":false}`, `[{"x":{"isActive":"False"}}]`})
			s.strange = s.strange || strict || strings.Contains(v, "ctive")
		case "removal":
			ops = append(ops, `{"op":"remove","path":"`+c.of(activePaths)+`"`+c.of([]string{"", `,"value":false`, `,"value":["False"]`})+`}`)
			s.unclear = true
			continue
		}
		quoted, _ := json.Marshal(name)
		if c.of([]string{"path", "pathless"}) == "path" {
			ops = append(ops, fmt.Sprintf(`{"op":"%s","path":%s,"value":%s}`, op, quoted, v))
		} else {
			s.strange = s.strange || strict && strings.ContainsAny(name, ".:")
			ops = append(ops, fmt.Sprintf(`{"op":"%s","value":{%s:%s}}`, op, quoted, v))
		}
	}
	return method, patch(strings.Join(ops, ",")), s
}

// hold sends such a request for somebody who is active: they leave if it says
// so, stay if it does not, and whatever is unclear is refused; a refusal changes
// nothing, and no success does less than it was told.
func (c *chooser) hold(t *testing.T) {
	names := make([]string, 0, 10)
	for _, d := range Dialects() {
		names = append(names, string(d))
	}
	dialect := Dialect(c.of(names))
	method, body, s := c.tell(dialect == Strict)
	d := c.doors[dialect]
	if d == nil {
		d = newDoor(t, dialect)
		c.doors[dialect] = d
	}
	d.t, d.directory = t, newDirectory()
	id := d.send("POST", "/Users", `{"schemas":["`+urnUser+`"],"userName":"somebody"}`).want(201, "").id()
	a := d.send(method, "/Users/"+id, body)
	p, where := d.people[0], fmt.Sprintf("%s %s in %s: %d %s", method, body, dialect, a.status, a.raw)
	must := s.unclear || s.strange || method == "PATCH" && !s.knows
	switch {
	case a.status/100 == 4:
		if !p.Active || p.Version != 1 || len(d.left) != 0 {
			t.Fatalf("refused, but something happened: %s", where)
		}
		if !must {
			t.Fatalf("refused: %s", where)
		}
	case a.status/100 != 2:
		t.Fatal(where)
	case must:
		t.Fatalf("not refused: %s", where)
	case p.Active != (s.active != "false") || len(d.left) != 1 && !p.Active || p.Active && len(d.left) != 0:
		t.Fatalf("left: %s, said %q: %s", d.left, s.active, where)
	}
}

// Whoever is new is active unless that is denied, and it is refused to make
// somebody of whom it is not clear. Nobody leaves by being new.
func TestActiveOnPost(t *testing.T) {
	for _, dialect := range Dialects() {
		for _, v := range slices.Concat(lies, truths, unclear, []string{""}) {
			d := newDoor(t, dialect)
			body := `{"schemas":["` + urnUser + `"],"userName":"somebody"}`
			if v != "" {
				body = strings.TrimSuffix(body, "}") + `,"active":` + v + "}"
			}
			a := d.send("POST", "/Users", body)
			silent, literal := v == "" || v == "null" || v == "[null]" && dialect != Strict, v == "true" || v == "false"
			refused := !silent && (slices.Contains(unclear, v) || dialect == Strict && !literal)
			switch {
			case refused && (a.status != 400 || len(d.people) > 0),
				!refused && (a.status != 201 || d.people[0].Active == slices.Contains(lies, v)), len(d.left) > 0:
				t.Errorf("%s in %s: %d %s", v, dialect, a.status, a.raw)
			}
		}
	}
}

func TestSaidIsDone(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	doors := map[Dialect]*door{}
	for range 10_000 {
		c := &chooser{bytes: make([]byte, 32), doors: doors}
		for i := range c.bytes {
			c.bytes[i] = byte(dice.Uint32())
		}
		c.hold(t)
	}
}

func FuzzSaidIsDone(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{3, 1, 2, 2, 4, 0, 1, 5, 2, 1, 3, 3})
	doors := map[Dialect]*door{}
	f.Fuzz(func(t *testing.T, choices []byte) { (&chooser{bytes: choices, doors: doors}).hold(t) })
}
