package scim

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
)

func order(e bridge.Effect, id string) bridge.Order {
	return bridge.Order{Key: "key-1", Effect: e, Account: bridge.Account{ID: id, Login: "amina.yusuf"}, Who: amina}
}

// script is a server that answers what a test tells it to: "METHOD path" or
// "METHOD path?filter" → "status body".
type script map[string]string

func (s script) start(t *testing.T) (c Config, asked *[]string) {
	t.Helper()
	asked = new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what := r.Method + " " + r.URL.Path
		if r.URL.Query().Has("filter") {
			what += "?filter"
		}
		*asked = append(*asked, what)
		status, body, _ := strings.Cut(s[what], " ")
		if status == "" {
			status = "500"
		}
		code := 0
		for _, d := range status {
			code = code*10 + int(d-'0')
		}
		w.WriteHeader(code)
		w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return Config{BaseURL: server.URL, Token: "t", Egress: call.Egress{AllowNetworks: []string{"127.0.0.0/8"}}}, asked
}

const (
	nobodyListed = `200 {"totalResults":0}`
	oneListed    = `200 {"totalResults":1,"Resources":[{"id":"u1","userName":"amina.yusuf"}]}`
	read         = "GET /Users/u1"
	search       = "GET /Users?filter"
	list         = "GET /Users"
)

func TestCheck(t *testing.T) {
	const (
		proof     = "proof"
		stillOpen = "still open"
		cannot    = "cannot check"
		permanent = "permanent"
		retry     = "retry"
	)
	for name, test := range map[string]struct {
		effect bridge.Effect
		server script
		want   string
	}{
		"false":                        {bridge.Lock, script{read: `200 {"id":"u1","active":false}`}, proof},
		"false in another case":        {bridge.Lock, script{read: `200 {"ID":"u1","Active":false}`}, proof},
		"false as a string":            {bridge.Lock, script{read: `200 {"id":"u1","active":"False"}`}, proof},
		"the old value":                {bridge.Lock, script{read: `200 {"id":"u1","active":true}`}, stillOpen},
		"no active":                    {bridge.Lock, script{read: `200 {"id":"u1"}`}, cannot},
		"active is null":               {bridge.Lock, script{read: `200 {"id":"u1","active":null}`}, cannot},
		"somebody else":                {bridge.Lock, script{read: `200 {"id":"u2","active":false}`}, retry},
		"no JSON":                      {bridge.Lock, script{read: `200 <html>`}, retry},
		"empty":                        {bridge.Lock, script{read: `204`}, retry},
		"gone, and not listed":         {bridge.Lock, script{read: `404`, search: nobodyListed}, proof},
		"410, and not listed":          {bridge.Delete, script{read: `410`, search: nobodyListed}, proof},
		"gone, but listed":             {bridge.Delete, script{read: `404`, search: oneListed}, stillOpen},
		"gone, no search":              {bridge.Delete, script{read: `404`, search: `501`}, proof},
		"gone, search is down":         {bridge.Delete, script{read: `404`, search: `502`}, retry},
		"everything is 404":            {bridge.Delete, script{read: `404`, search: `404`, list: `404`}, permanent},
		"404 for an empty search":      {bridge.Delete, script{read: `404`, search: `404`, list: oneListed}, proof},
		"403, and not listed":          {bridge.Delete, script{read: `403`, search: nobodyListed}, proof},
		"403, but listed":              {bridge.Delete, script{read: `403`, search: oneListed}, permanent},
		"403, no search":               {bridge.Delete, script{read: `403`, search: `400`}, permanent},
		"still there":                  {bridge.Delete, script{read: `200 {"id":"u1","active":false}`}, stillOpen},
		"restored":                     {bridge.Restore, script{read: `200 {"id":"u1","active":true}`}, proof},
		"not restored":                 {bridge.Restore, script{read: `200 {"id":"u1","active":false}`}, stillOpen},
		"gone cannot be restored":      {bridge.Restore, script{read: `404`, search: nobodyListed}, stillOpen},
		"another with the same name":   {bridge.Delete, script{read: `404`, search: strings.Replace(oneListed, "u1", "u2", 1)}, proof},
		"list is no list of users":     {bridge.Delete, script{read: `404`, search: `404`, list: `200 {"hello":"world"}`}, permanent},
		"nested deeper than any user":  {bridge.Lock, script{read: `200 {"id":"u1","active":` + strings.Repeat("[", 50)}, permanent},
		"counts more than it can show": {bridge.Delete, script{read: `404`, search: `200 {"totalResults":3}`}, retry},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := test.server.start(t)
			_, err := open(t, c).Check(t.Context(), order(test.effect, "u1"))
			got := retry
			switch {
			case err == nil:
				got = proof
			case errors.Is(err, bridge.ErrStillOpen):
				got = stillOpen
			case errors.Is(err, bridge.ErrCannotCheck):
				got = cannot
			case bridge.IsPermanent(err):
				got = permanent
			}
			if got != test.want {
				t.Errorf("%s (%v), want %s", got, err, test.want)
			}
		})
	}
}

func TestDoFindsItsForm(t *testing.T) {
	const patch, put, del = "PATCH /Users/u1", "PUT /Users/u1", "DELETE /Users/u1"
	user := `200 {"id":"u1","active":true}`
	for name, test := range map[string]struct {
		effect bridge.Effect
		server script
		asked  []string
		fails  bool
	}{
		"at once":                 {bridge.Lock, script{patch: "200"}, []string{patch}, false},
		"404 and gone":            {bridge.Lock, script{patch: "404", read: "404"}, []string{patch, read}, false},
		"404 means no PATCH":      {bridge.Lock, script{patch: "404", read: user, put: "200"}, []string{patch, read, read, put}, false},
		"no PATCH":                {bridge.Lock, script{patch: "501", read: user, put: "200"}, []string{patch, read, put}, false},
		"no form at all":          {bridge.Lock, script{patch: "400", read: user, put: "400"}, []string{patch, patch, read, put}, true},
		"gone before the PUT":     {bridge.Lock, script{patch: "501", read: "404"}, []string{patch, read}, false},
		"403 and gone":            {bridge.Delete, script{del: "403", search: nobodyListed}, []string{del, search}, false},
		"403 and there":           {bridge.Delete, script{del: "403", search: oneListed}, []string{del, search}, true},
		"410":                     {bridge.Delete, script{del: "410"}, []string{del}, false},
		"no DELETE":               {bridge.Delete, script{del: "405"}, []string{del}, true},
		"gone cannot be restored": {bridge.Restore, script{patch: "404", read: "404"}, []string{patch, read}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c, asked := test.server.start(t)
			_, err := open(t, c).Do(t.Context(), order(test.effect, "u1"))
			if (err != nil) != test.fails || err != nil && !bridge.IsPermanent(err) {
				t.Error(err)
			}
			if !slices.Equal(*asked, test.asked) {
				t.Errorf("asked %v, want %v", *asked, test.asked)
			}
		})
	}
}

func TestFind(t *testing.T) {
	for name, test := range map[string]struct {
		server script
		match  []string
		who    bridge.Identifiers
		want   string // id, or "none", "permanent", "retry"
	}{
		"exact":                      {script{search: oneListed}, nil, amina, "u1"},
		"filter finds another":       {script{search: strings.Replace(oneListed, "amina.yusuf", "amina.yusufu", 1)}, nil, amina, "none"},
		"filter refused":             {script{search: "400"}, nil, amina, "permanent"},
		"404 for nobody":             {script{search: "404", list: nobodyListed}, nil, amina, "none"},
		"404 for everything":         {script{search: "404", list: "404"}, nil, amina, "permanent"},
		"nothing to search by":       {script{}, []string{byExternalID}, bridge.Identifiers{UserName: "x"}, "permanent"},
		"external id, to the letter": {script{search: `200 {"totalResults":1,"Resources":[{"id":"u1","externalId":"EXT-4711"}]}`}, []string{byExternalID}, amina, "none"},
		"emails as one object":       {script{search: `200 {"totalResults":1,"Resources":[{"id":"u1","emails":{"value":"AMINA.yusuf@corp.example"}}]}`}, []string{byEmail}, amina, "u1"},
		"user without an id":         {script{search: `200 {"totalResults":1,"Resources":[{"userName":"amina.yusuf"}]}`}, nil, amina, "retry"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := test.server.start(t)
			c.Match = test.match
			a, err := open(t, c).Find(t.Context(), test.who)
			got := "retry"
			switch {
			case err == nil:
				got = a.ID
			case errors.Is(err, bridge.ErrNoAccount):
				got = "none"
			case bridge.IsPermanent(err):
				got = "permanent"
			}
			if got != test.want {
				t.Errorf("%s (%v), want %s", got, err, test.want)
			}
		})
	}
}

// An app that answers 200 and shows the old value is never believed.
func TestOldValue(t *testing.T) {
	app := startApp(t, sandbox.Quirks{})
	d := open(t, config(app))
	o := order(bridge.Lock, app.ID("amina.yusuf"))
	app.Faults.Set(sandbox.Fault{Kind: sandbox.Ignore, Method: "PATCH"})
	if _, err := d.Do(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Check(t.Context(), o); !errors.Is(err, bridge.ErrStillOpen) {
		t.Error(err)
	}
}

func TestFindReadsOn(t *testing.T) {
	app := startApp(t, sandbox.Quirks{NoFilter: true})
	var many []sandbox.User
	for i := range 250 {
		many = append(many, sandbox.User{UserName: "user-" + strings.Repeat("x", i)})
	}
	big, err := sandbox.StartSCIM(sandbox.Options{Admin: token, Users: append(many, people...)}, sandbox.Quirks{NoFilter: true})
	if err != nil {
		t.Fatal(err)
	}
	defer big.Close()
	for _, a := range []*sandbox.SCIM{app, big} {
		got, err := open(t, config(a)).Find(t.Context(), amina)
		if err != nil || got.ID != a.ID("amina.yusuf") || got.Login != "amina.yusuf" || got.Match != byUserName {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if n := len(big.Asked()); n != 3 {
		t.Errorf("read %d pages, want 3", n)
	}
}

func TestAwkwardIDs(t *testing.T) {
	c, asked := script{"DELETE /Users/a/b c?d": "204"}.start(t)
	d := open(t, c)
	if _, err := d.Do(t.Context(), order(bridge.Delete, "a/b c?d")); err != nil {
		t.Errorf("%v, asked %v", err, *asked)
	}
	for _, id := range []string{"", ".", ".."} {
		if _, err := d.Do(t.Context(), order(bridge.Lock, id)); !bridge.IsPermanent(err) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if len(*asked) != 1 {
		t.Errorf("asked %v", *asked)
	}
}

func TestQuoted(t *testing.T) {
	for in, want := range map[string]string{`a`: `"a"`, `a" or active eq "true`: `"a\" or active eq \"true"`,
		`\`: `"\\"`, `<&>`: `"<&>"`, "\n": `"\n"`} {
		if got := quoted(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	egress := call.Egress{AllowNetworks: []string{"nowhere"}}
	c := Config{BaseURL: "https://x.example?q=1", Token: "a\n", Match: []string{"name", "email", "email"},
		Deactivate: "wish", Effects: []bridge.Effect{"lock", "lock", "revoke"}, Egress: egress}
	var fields []string
	for _, p := range c.Validate() {
		fields = append(fields, p.Field)
	}
	want := []string{"base_url", "token", "match[0]", "match[2]", "deactivate", "effects[1]", "effects[2]", "allow_networks[0]"}
	if !slices.Equal(fields, want) {
		t.Errorf("%v, want %v", fields, want)
	}
	offers := open(t, Config{BaseURL: "https://x.example", Token: "t", Deactivate: viaDelete}).Capabilities()
	if len(offers) != 1 || offers[0].Effect != bridge.Lock || offers[0].Undo || !offers[0].Checked {
		t.Errorf("%+v", offers)
	}
}

func FuzzUser(f *testing.F) {
	for _, seed := range []string{`{"id":"a","active":"False","emails":[{"value":"a@b"}]}`, `{"emails":[["a@b"]]}`,
		`{"emails":{"value":{"value":["a@b"]}}}`, `{"active":1}`, `[]`, `null`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var u user
		if call.Unmarshal(data, &u) == nil {
			u.active()
			u.is(byEmail, "a@b")
		}
		if whole, err := withActive(data, false); err == nil && whole["active"] != false {
			t.Errorf("%v", whole)
		}
	})
}
