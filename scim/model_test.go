package scim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// model is a SCIM server as naive as can be: maps, and nothing shared with the
// real one. It is told the ids that the real one gave.
type model struct {
	rnd    *rand.Rand
	users  []*entry // in the order of creation
	groups []*entry
}

// entry is a resource of the model: attributes as they are shown, without id,
// meta, schemas, groups and members.
type entry struct {
	id      string
	version int
	attrs   map[string]any
	members []string
}

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

func copied[T any](v T) (out T) {
	b, _ := json.Marshal(v)
	_ = json.Unmarshal(b, &out)
	return out
}

func (m *model) pick(of ...string) string { return of[m.rnd.IntN(len(of))] }

func (m *model) chance(percent int) bool { return m.rnd.IntN(100) < percent }

func (m *model) name() string {
	return m.pick("ann", "Ann", "BOB", "bob", "cat", "Dan") + fmt.Sprint(m.rnd.IntN(5))
}

func (m *model) taken(name string, by *entry) bool {
	return slices.ContainsFunc(m.users, func(u *entry) bool {
		return u != by && strings.EqualFold(u.attrs["userName"].(string), name)
	})
}

// user makes up a user.
func (m *model) user() map[string]any {
	u := map[string]any{"userName": m.name(), "active": m.chance(80)}
	for _, a := range []string{"title", "nickName", "displayName", "externalId"} {
		if m.chance(40) {
			u[a] = m.pick("x", "X", "y", "zz")
		}
	}
	if m.chance(50) {
		u["name"] = map[string]any{"familyName": m.pick("o", "p")}
	}
	if m.chance(50) {
		u["emails"] = []any{map[string]any{"value": m.pick("a@x", "b@x"), "type": "work"}}
	}
	if m.chance(30) {
		u[enterprise] = map[string]any{"department": m.pick("d", "e")}
	}
	return u
}

// op is an operation of a PATCH and what it does: false if it must be refused,
// with the scimType.
type op struct {
	sent     map[string]any
	do       func(u map[string]any) bool
	scimType string
}

// listOf is an attribute with several values.
func listOf(u map[string]any, name string) []any { l, _ := u[name].([]any); return l }

func set(u map[string]any, path []string, v any) {
	for _, name := range path[:len(path)-1] {
		inner, ok := u[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			u[name] = inner
		}
		u = inner
	}
	u[path[len(path)-1]] = v
}

func unset(u map[string]any, path []string) {
	if len(path) == 1 {
		delete(u, path[0])
	} else if inner, ok := u[path[0]].(map[string]any); ok {
		unset(inner, path[1:])
		if len(inner) == 0 {
			delete(u, path[0])
		}
	}
}

// op makes up an operation.
func (m *model) op() op {
	yes := func(do func(map[string]any)) func(map[string]any) bool {
		return func(u map[string]any) bool { do(u); return true }
	}
	no := func(map[string]any) bool { return false }
	simple := []struct {
		path string
		at   []string
	}{{"title", []string{"title"}}, {"nickName", []string{"nickName"}}, {"name.familyName", []string{"name", "familyName"}},
		{"externalId", []string{"externalId"}}, {"name.givenName", []string{"name", "givenName"}}, {enterprise + ":department", []string{enterprise, "department"}}}
	one := simple[m.rnd.IntN(len(simple))]
	v := m.pick("x", "X", "y", "zz")
	work := func(u map[string]any) (found []map[string]any) {
		for _, e := range listOf(u, "emails") {
			if e.(map[string]any)["type"] == "work" {
				found = append(found, e.(map[string]any))
			}
		}
		return found
	}
	switch m.rnd.IntN(13) {
	case 11: // a new primary address takes the place of the old one
		e := map[string]any{"value": fmt.Sprint(m.rnd.Uint32()), "type": "other", "primary": true}
		return op{map[string]any{"op": "add", "path": "emails", "value": []any{e}}, yes(func(u map[string]any) {
			for _, old := range listOf(u, "emails") {
				if old := old.(map[string]any); old["primary"] == true {
					old["primary"] = false
				}
			}
			u["emails"] = append(listOf(u, "emails"), copied(e))
		}), ""}
	case 0, 1:
		return op{map[string]any{"op": m.pick("add", "replace"), "path": one.path, "value": v}, yes(func(u map[string]any) { set(u, one.at, v) }), ""}
	case 2:
		return op{map[string]any{"op": "remove", "path": one.path}, yes(func(u map[string]any) { unset(u, one.at) }), ""}
	case 3:
		return op{map[string]any{"op": "replace", "value": map[string]any{one.path: v, "displayName": v}},
			yes(func(u map[string]any) { set(u, one.at, v); u["displayName"] = v }), ""}
	case 4:
		return op{map[string]any{"op": "replace", "path": "name", "value": map[string]any{"givenName": v}},
			yes(func(u map[string]any) { set(u, []string{"name", "givenName"}, v) }), ""}
	case 5: // a third type of address, so that it never is one of the others
		v := strings.ToLower(v)
		return op{map[string]any{"op": "add", "path": "emails", "value": []any{map[string]any{"value": v, "type": "other"}}}, yes(func(u map[string]any) {
			for _, have := range listOf(u, "emails") { // the same value, in whatever case, takes over how it is written now
				if have := have.(map[string]any); have["type"] == "other" && strings.EqualFold(have["value"].(string), v) {
					have["value"] = v
					return
				}
			}
			u["emails"] = append(listOf(u, "emails"), map[string]any{"value": v, "type": "other"})
		}), ""}
	case 6:
		return op{map[string]any{"op": "remove", "path": `emails[type eq "work"]`}, yes(func(u map[string]any) {
			left := slices.DeleteFunc(listOf(u, "emails"), func(e any) bool { return e.(map[string]any)["type"] == "work" })
			if u["emails"] = left; len(left) == 0 {
				delete(u, "emails")
			}
		}), ""}
	case 7:
		return op{map[string]any{"op": "replace", "path": `emails[type eq "work"].value`, "value": v}, func(u map[string]any) bool {
			for _, e := range work(u) {
				e["value"] = v
			}
			return len(work(u)) > 0
		}, "noTarget"}
	case 8:
		active := m.chance(50)
		return op{map[string]any{"op": "replace", "path": "active", "value": active}, yes(func(u map[string]any) { u["active"] = active }), ""}
	case 9:
		name := m.name()
		return op{map[string]any{"op": "replace", "path": "userName", "value": name}, yes(func(u map[string]any) { u["userName"] = name }), ""}
	case 10:
		return op{map[string]any{"op": "replace", "path": m.pick("id", "groups", "meta.version"), "value": "x"}, no, "mutability"}
	}
	return op{map[string]any{"op": "add", "path": "nothing", "value": v}, no, "invalidPath"}
}

// in are a user's groups by id: "direct" or "indirect".
func (m *model) in(id string) map[string]string {
	found := map[string]string{}
	var up func(member, how string)
	up = func(member, how string) {
		for _, g := range m.groups {
			if slices.Contains(g.members, member) && (found[g.id] == "" || how == "direct") {
				seen := found[g.id] != ""
				found[g.id] = how
				if !seen {
					up(g.id, "indirect")
				}
			}
		}
	}
	up(id, "direct")
	return found
}

// question is a filter and what it means.
type question struct {
	text string
	is   func(*entry) bool
}

func (m *model) question(depth int) question {
	if depth > 0 && m.chance(40) {
		a, b := m.question(depth-1), m.question(depth-1)
		switch m.rnd.IntN(3) {
		case 0:
			return question{"(" + a.text + " and " + b.text + ")", func(u *entry) bool { return a.is(u) && b.is(u) }}
		case 1:
			return question{"(" + a.text + " or " + b.text + ")", func(u *entry) bool { return a.is(u) || b.is(u) }}
		}
		return question{"not (" + a.text + ")", func(u *entry) bool { return !a.is(u) }}
	}
	text := func(u *entry, name string) string { s, _ := u.attrs[name].(string); return strings.ToLower(s) }
	a := m.pick("userName", "title", "nickName", "displayName")
	switch m.rnd.IntN(7) {
	case 0:
		name := m.name()
		return question{`userName eq "` + name + `"`, func(u *entry) bool { return text(u, "userName") == strings.ToLower(name) }}
	case 1:
		return question{a + ` sw "A"`, func(u *entry) bool { return strings.HasPrefix(text(u, a), "a") }}
	case 2:
		return question{a + ` co "z"`, func(u *entry) bool { return strings.Contains(text(u, a), "z") }}
	case 3:
		return question{a + " pr", func(u *entry) bool { return text(u, a) != "" }}
	case 4:
		return question{"active eq false", func(u *entry) bool { return u.attrs["active"] == false }}
	case 5:
		return question{`emails[type eq "work" and value eq "A@X"]`, func(u *entry) bool {
			return slices.ContainsFunc(listOf(u.attrs, "emails"), func(e any) bool {
				return reflect.DeepEqual(e, any(map[string]any{"value": "a@x", "type": "work"}))
			})
		}}
	}
	return question{`externalId eq "X"`, func(u *entry) bool { return u.attrs["externalId"] == "X" }} // with its case
}

// same fails unless the answer shows exactly the entry.
func (m *model) same(a answer, e *entry) {
	a.t.Helper()
	got := copied(a.body)
	meta, _ := got["meta"].(map[string]any)
	var in []string
	for _, g := range listOf(got, "groups") {
		g := g.(map[string]any)
		in = append(in, fmt.Sprint(g["value"], g["type"]))
	}
	var want []string
	for id, how := range m.in(e.id) {
		want = append(want, id+how)
	}
	slices.Sort(in)
	slices.Sort(want)
	schemas := len(listOf(got, "schemas")) == 1 == (e.attrs[enterprise] == nil)
	for _, name := range []string{"id", "meta", "schemas", "groups"} {
		delete(got, name)
	}
	if got := a.header.Get("ETag"); got != fmt.Sprintf(`W/"%d"`, e.version) || meta["version"] != got {
		a.t.Fatalf("version %s, %v, want %d: %s", got, meta["version"], e.version, a.raw)
	}
	if !reflect.DeepEqual(got, copied(e.attrs)) || !slices.Equal(in, want) || !schemas || a.id() != e.id {
		a.t.Fatalf("got  %s\nwant %v in %v", a.raw, e.attrs, want)
	}
}

func body(v any) string { b, _ := json.Marshal(v); return string(b) }

// change applies a change to a user, as PUT or PATCH, and compares.
func (m *model) change(d *door, u *entry, method, sent string, next map[string]any, scimType string) {
	header := "X: x"
	stale := m.chance(10)
	if stale {
		header = `If-Match: W/"` + fmt.Sprint(u.version+1) + `"`
	} else if m.chance(20) {
		header = `If-Match: W/"` + fmt.Sprint(u.version) + `"`
	}
	a := d.send(method, "/Users/"+u.id, sent, header)
	switch {
	case scimType == "invalidPath" || scimType == "mutability": // of the request itself
		a.fault(400, scimType)
	case stale:
		a.fault(412, "")
	case scimType != "":
		a.fault(400, scimType)
	case m.taken(next["userName"].(string), u):
		a.fault(409, "uniqueness")
	default:
		if !reflect.DeepEqual(copied(u.attrs), copied(next)) {
			u.attrs, u.version = next, u.version+1
		}
		a.want(200, "")
		m.same(a, u)
	}
}

// step does one random thing with the real server and the model.
func (m *model) step(d *door) {
	var u, g *entry
	if len(m.users) > 0 {
		u = m.users[m.rnd.IntN(len(m.users))]
	}
	if len(m.groups) > 0 {
		g = m.groups[m.rnd.IntN(len(m.groups))]
	}
	switch k := m.rnd.IntN(100); {
	case k < 15 || u == nil:
		attrs := m.user()
		a := d.send("POST", "/Users", body(attrs))
		if m.taken(attrs["userName"].(string), nil) {
			a.fault(409, "uniqueness")
			return
		}
		a.want(201, "")
		e := &entry{id: a.id(), version: 1, attrs: attrs}
		m.users = append(m.users, e)
		m.same(a, e)
	case k < 25:
		next := m.user()
		sent := copied(next)
		if m.chance(30) { // deactivates nobody, and brings nobody back
			delete(sent, "active")
			next["active"] = u.attrs["active"]
		}
		m.change(d, u, "PUT", body(sent), next, "")
	case k < 50:
		next, scimType, refused := copied(u.attrs), "", false
		var ops []any
		for range 1 + m.rnd.IntN(3) {
			o := m.op()
			ops = append(ops, o.sent)
			// What is wrong with the request is said first, then what is wrong
			// with applying it.
			if formal := o.scimType == "invalidPath" || o.scimType == "mutability"; formal && (!refused || scimType == "noTarget") {
				scimType, refused = o.scimType, true
			}
			if !refused && !o.do(next) {
				scimType, refused = o.scimType, true
			}
		}
		m.change(d, u, "PATCH", body(map[string]any{"schemas": []string{urnPatch}, "Operations": ops}), next, scimType)
	case k < 55:
		d.send("DELETE", "/Users/"+u.id, "").want(204, "")
		d.send("GET", "/Users/"+u.id, "").fault(404, "")
		m.users = slices.DeleteFunc(m.users, func(x *entry) bool { return x == u })
		for _, g := range m.groups {
			g.members = slices.DeleteFunc(g.members, func(id string) bool { return id == u.id })
		}
	case k < 62:
		a := d.send("GET", "/Users/"+u.id, "").want(200, "")
		m.same(a, u)
		d.send("GET", "/Users/"+u.id, "", "If-None-Match: "+a.header.Get("ETag")).want(304, "")
	case k < 80:
		m.list(d)
	case k < 86 && len(m.groups) < 6:
		e := &entry{version: 1, attrs: map[string]any{"displayName": m.pick("crew", "Crew", "staff")}, members: []string{u.id}}
		if g != nil && m.chance(50) {
			e.members = append(e.members, g.id)
		}
		e.id = d.send("POST", "/Groups", body(map[string]any{"displayName": e.attrs["displayName"], "members": values(e.members)})).want(201, "").id()
		m.groups = append(m.groups, e)
	case g == nil:
	case k < 89:
		d.send("DELETE", "/Groups/"+g.id, "").want(204, "")
		m.groups = slices.DeleteFunc(m.groups, func(x *entry) bool { return x == g })
		for _, o := range m.groups {
			o.members = slices.DeleteFunc(o.members, func(id string) bool { return id == g.id })
		}
	default:
		m.changeMembers(d, g, u)
	}
}

func values(ids []string) []any {
	out := []any{}
	for _, id := range ids {
		out = append(out, map[string]any{"value": id})
	}
	return out
}

// changeMembers has a user, or another group, come or go.
func (m *model) changeMembers(d *door, g, u *entry) {
	id := u.id
	if m.chance(25) {
		id = m.groups[m.rnd.IntN(len(m.groups))].id // a group may even be in itself
	}
	next := slices.Clone(g.members)
	var o map[string]any
	drop := func(x string) bool { return x == id }
	switch m.rnd.IntN(4) {
	case 0:
		o = map[string]any{"op": "add", "path": "members", "value": values([]string{id})}
		if !slices.Contains(next, id) {
			next = append(next, id)
		}
	case 1:
		o = map[string]any{"op": "remove", "path": `members[value eq "` + id + `"]`}
		next = slices.DeleteFunc(next, drop)
	case 2: // as Entra does
		o = map[string]any{"op": "remove", "path": "members", "value": values([]string{id})}
		next = slices.DeleteFunc(next, drop)
	case 3:
		o = map[string]any{"op": "replace", "path": "members", "value": values([]string{id})}
		next = []string{id}
	}
	slices.Sort(next)
	before := slices.Sorted(slices.Values(g.members))
	if !slices.Equal(next, before) {
		g.version++
	}
	g.members = next
	d.send("PATCH", "/Groups/"+g.id, body(map[string]any{"schemas": []string{urnPatch}, "Operations": []any{o}})).want(200, "")
	a := d.send("GET", "/Groups/"+g.id, "").want(200, "")
	var got []string
	for _, e := range listOf(a.body, "members") {
		got = append(got, e.(map[string]any)["value"].(string))
	}
	slices.Sort(got)
	if !slices.Equal(got, next) || a.header.Get("ETag") != fmt.Sprintf(`W/"%d"`, g.version) {
		a.t.Fatalf("after %v: %s\nwant %v at %d", o, a.raw, next, g.version)
	}
}

// list asks for a page of users.
func (m *model) list(d *door) {
	q := m.question(2)
	query := url.Values{"filter": {q.text}}
	var want []*entry
	for _, u := range m.users {
		if q.is(u) {
			want = append(want, u)
		}
	}
	if by := m.pick("", "userName", "title"); by != "" {
		down := m.chance(50)
		query.Set("sortBy", by)
		if down {
			query.Set("sortOrder", "descending")
		}
		slices.SortStableFunc(want, func(a, b *entry) int {
			x, _ := a.attrs[by].(string)
			y, _ := b.attrs[by].(string)
			none := func(s string) int { return map[bool]int{true: 1}[s == ""] }
			n := cmp.Or(none(x)-none(y), strings.Compare(strings.ToLower(x), strings.ToLower(y)), strings.Compare(a.id, b.id))
			if down {
				return -n
			}
			return n
		})
	}
	start, count := 1+m.rnd.IntN(4), m.rnd.IntN(6)
	query.Set("startIndex", fmt.Sprint(start))
	query.Set("count", fmt.Sprint(count))
	a := d.send("GET", "/Users?"+query.Encode(), "").want(200, "")
	var got, expected []string
	for _, e := range listOf(a.body, "Resources") {
		got = append(got, e.(map[string]any)["id"].(string))
	}
	for _, u := range want[min(start-1, len(want)):min(start-1+count, len(want))] {
		expected = append(expected, u.id)
	}
	if !slices.Equal(got, expected) || a.body["totalResults"] != float64(len(want)) || a.body["itemsPerPage"] != float64(len(got)) {
		d.t.Fatalf("%v: got %v of %v, want %v of %d", query, got, a.body["totalResults"], expected, len(want))
	}
}

// TestModel does random things with the server over a real database and with
// the model, and compares each answer.
func TestModel(t *testing.T) {
	steps := 3000
	if testing.Short() {
		steps = 300
	}
	onBoth(t, func(t *testing.T, d *door) {
		d.t = t
		for seed := range uint64(3) {
			m := &model{rnd: rand.New(rand.NewPCG(seed, 11))}
			for range steps / 3 {
				m.step(d)
			}
			t.Logf("seed %d: %d users and %d groups at the end", seed, len(m.users), len(m.groups))
			for _, e := range slices.Concat(m.users, m.groups) { // the next begins with nothing
				kind := "/Users/"
				if slices.Contains(m.groups, e) {
					kind = "/Groups/"
				}
				d.send("DELETE", kind+e.id, "").want(204, "")
			}
		}
	})
}
