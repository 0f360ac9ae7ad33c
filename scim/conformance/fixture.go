package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// T is the check that is under way. Its methods stop the check when it cannot
// go on, by a panic with a verdict that [suite.ask] catches: so a check reads
// as the conversation that it is.
type T struct {
	*suite
	ctx context.Context
}

type verdict struct {
	outcome Outcome
	why     string
	finding *Finding
}

// fail ends the check: the server answered otherwise than it must.
func (t *T) fail(a answer, expected string, args ...any) {
	panic(verdict{outcome: Fail, finding: &Finding{Asked: a.asked(), Expected: fmt.Sprintf(expected, args...), Came: a.came()}})
}

// skip ends the check: it does not apply.
func (t *T) skip(why string, args ...any) {
	panic(verdict{outcome: Skip, why: fmt.Sprintf(why, args...)})
}

// give ends the check: it could not be found out.
func (t *T) give(why string, args ...any) {
	panic(verdict{outcome: Error, why: fmt.Sprintf(why, args...)})
}

// must fails unless ok.
func (t *T) must(ok bool, a answer, expected string, args ...any) {
	if !ok {
		t.fail(a, expected, args...)
	}
}

// want fails unless the answer has one of the statuses.
func (t *T) want(a answer, statuses ...int) answer {
	if !slices.Contains(statuses, a.status) {
		t.fail(a, "status %s", either(statuses))
	}
	return a
}

// fault fails unless the answer is a SCIM error with that status and, if any
// are given, one of the scimTypes.
func (t *T) fault(a answer, status int, scimTypes ...string) answer {
	t.want(a, status)
	t.scimError(a)
	if len(scimTypes) > 0 && !slices.Contains(scimTypes, a.scimType()) {
		t.fail(a, "scimType %s", either(scimTypes))
	}
	return a
}

// scimError fails unless the body is a SCIM error for the status.
func (t *T) scimError(a answer) {
	t.must(slices.Contains(texts(a.json.at("schemas")), errorURN), a, "a body with schemas [%q]", errorURN)
	t.must(a.json.text("status") == fmt.Sprint(a.status), a, "a member status that is the string %q", fmt.Sprint(a.status))
}

func either[E any](all []E) string {
	words := make([]string, len(all))
	for i, e := range all {
		words[i] = fmt.Sprint(e)
	}
	return strings.Join(words, " or ")
}

// same fails unless a value is the wanted one, as JSON.
func (t *T) same(a answer, name string, got, want any) {
	if !equal(got, want) {
		have, _ := json.Marshal(got)
		wanted, _ := json.Marshal(want)
		t.fail(a, "%s to be %s, not %s", name, excerpt(string(wanted)), excerpt(string(have)))
	}
}

// equal compares what was decoded with what Go code says. Empty lists and
// strings are as good as nothing (RFC 7643, section 2.5).
func equal(got, want any) bool {
	if unassigned(got) && unassigned(want) {
		return true
	}
	raw, err := json.Marshal(want)
	if err != nil {
		return false
	}
	wanted := decode([]byte(`{"v":` + string(raw) + `}`)).at("v")
	if list, ok := got.([]string); ok {
		got = make([]any, len(list))
		for i, s := range list {
			got.([]any)[i] = s
		}
	}
	return reflect.DeepEqual(got, wanted)
}

// ask sends a request; that nobody answers ends the check with an error.
func (t *T) ask(r request) answer {
	a, err := t.send(t.ctx, r)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			t.give("cut off")
		}
		t.give("%s %s: %v", r.method, excerpt(r.path), err)
	}
	return a
}

// call sends JSON, or with a string as body just that. Headers are "Name: value".
func (t *T) call(method, path string, body any, headers ...string) answer {
	r := request{method: method, path: path, header: http.Header{}}
	switch b := body.(type) {
	case nil:
	case string:
		r.body = []byte(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			t.give("our own request is no JSON: %v", err)
		}
		r.body = raw
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.header.Set(name, value)
	}
	return t.ask(r)
}

func (t *T) get(path string, headers ...string) answer { return t.call("GET", path, nil, headers...) }

func (t *T) post(path string, body any, headers ...string) answer {
	return t.call("POST", path, body, headers...)
}

func (t *T) put(path string, body any, headers ...string) answer {
	return t.call("PUT", path, body, headers...)
}

func (t *T) delete(path string, headers ...string) answer {
	return t.call("DELETE", path, nil, headers...)
}

// user is the path of a user, group that of a group.
func (t *T) user(u object) string  { return t.facts.users + "/" + url.PathEscape(u.id()) }
func (t *T) group(g object) string { return t.facts.groups + "/" + url.PathEscape(g.id()) }

// query is an endpoint with parameters: name, value, name, value …
func query(endpoint string, parameters ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(parameters); i += 2 {
		v.Set(parameters[i], parameters[i+1])
	}
	return endpoint + "?" + v.Encode()
}

// name gives a name that nobody has.
func (s *suite) name(word string) string {
	s.names++
	return fmt.Sprintf("%s-%s%d@example.com", s.prefix, word, s.names)
}

// person is the body of a new user: a fresh userName, what the schema requires,
// and what is given.
func (t *T) person(given object) object {
	o := object{"schemas": []string{userURN}, "userName": t.name("u"), "active": true}
	for _, a := range objects(t.facts.schemas[strings.ToLower(userURN)].at("attributes")) {
		name := a.text("name")
		if a.at("required") != true || a.at("mutability") == "readOnly" || o[name] != nil {
			continue
		}
		switch {
		case strings.EqualFold(name, "emails"):
			o["emails"] = []object{{"value": o["userName"], "type": "work", "primary": true}}
		case strings.EqualFold(name, "name"):
			o["name"] = object{"givenName": "Ada", "familyName": "Check"}
		case a.at("type") == "string" && a.at("multiValued") != true:
			o[name] = t.name("x")
		}
	}
	maps.Copy(o, given)
	return o
}

// hire creates a user. That it cannot be created is found by other checks: here
// it only means that nothing can be found out.
func (t *T) hire(given object) object {
	a := t.post(t.facts.users, t.person(given))
	if !a.ok() || a.json.id() == "" {
		t.give("a user to try this with could not be created: %s: %s", a.asked(), a.came())
	}
	return a.json
}

// form creates a group with members.
func (t *T) form(members ...object) object {
	a := t.post(t.facts.groups, t.club(members...))
	if !a.ok() || a.json.id() == "" {
		t.give("a group to try this with could not be created: %s: %s", a.asked(), a.came())
	}
	return a.json
}

// club is the body of a new group.
func (t *T) club(members ...object) object {
	o := object{"schemas": []string{groupURN}, "displayName": t.name("g")}
	list := []object{}
	for _, m := range members {
		list = append(list, object{"value": m.id()})
	}
	if len(list) > 0 {
		o["members"] = list
	}
	return o
}

// read reads a resource, which must be there.
func (t *T) read(path string) answer {
	a := t.want(t.get(path), http.StatusOK)
	t.must(a.json != nil, a, "a JSON object")
	return a
}

// op is an operation of a PATCH. Without a path: "".
func op(name, path string, value ...any) object {
	o := object{"op": name}
	if path != "" {
		o["path"] = path
	}
	if len(value) > 0 {
		o["value"] = value[0]
	}
	return o
}

func patchBody(ops ...object) object { return object{"schemas": []string{patchURN}, "Operations": ops} }

func (t *T) patch(path string, ops ...object) answer {
	return t.call(http.MethodPatch, path, patchBody(ops...))
}

// patched patches a resource, which must work, and reads it back. The answer is
// that of the reading, but shows what was asked.
func (t *T) patched(path string, ops ...object) answer {
	p := t.want(t.patch(path, ops...), http.StatusOK, http.StatusNoContent)
	a := t.read(path)
	a.method, a.path, a.sent = p.method, p.path+" and reading it back", p.sent
	return a
}

// troupe is a few people that many checks look for. They are created once.
type troupe struct {
	people map[string]object // by short name
	why    string            // there is none
}

// shared returns the troupe:
//
//	ada  Engineer, active, work and home address, nickName with quote and backslash
//	Bob  Manager, not active, work address
//	cyd  no title, home address, in department "Tour", nickName ""
//	dan  engineer, no address, in department "Stage"
//	eve  Éditeur, work address, primary is home
//
// Each userName is the prefix, "-cast-" and the short name. They are created in
// no order that anything sorts by.
func (t *T) shared() map[string]object {
	if t.troupe == nil {
		t.troupe = t.gather()
	}
	if t.troupe.why != "" {
		t.give("%s", t.troupe.why)
	}
	return t.troupe.people
}

func (t *T) gather() *troupe {
	all := &troupe{people: map[string]object{}}
	mail := func(name, kind string, primary bool) object {
		o := object{"value": strings.ToLower(t.stage(name)) + "@" + kind + ".example", "type": kind}
		if primary {
			o["primary"] = true
		}
		return o
	}
	for _, p := range []struct {
		name  string
		given object
	}{
		{"cyd", object{"nickName": "", "emails": []object{mail("cyd", "home", true)}, "name": object{"givenName": "Cyd", "familyName": "Moore"},
			enterpriseURN: object{"department": "Tour " + t.prefix}}},
		{"ada", object{"title": "Engineer", "nickName": `the "Countess" \ ` + t.prefix, "emails": []object{mail("ada", "work", true), mail("ada", "home", false)},
			"name": object{"givenName": "Ada", "familyName": "Young"}}},
		{"eve", object{"title": "Éditeur", "emails": []object{mail("eve", "work", false), {"value": "aaa-" + t.prefix + "@home.example", "type": "home", "primary": true}},
			"name": object{"givenName": "Eve", "familyName": "Quinn"}}},
		{"Bob", object{"title": "Manager", "active": false, "emails": []object{mail("Bob", "work", true)}, "name": object{"givenName": "Bob", "familyName": "adams"}}},
		{"dan", object{"title": "engineer", "name": object{"givenName": "Dan"}, enterpriseURN: object{"department": "Stage " + t.prefix}}},
	} {
		body := t.person(nil)
		body["userName"] = t.stage(p.name)
		for name, v := range p.given {
			switch {
			case name == enterpriseURN && hasEnterprise(t.facts) != "", name != enterpriseURN && !t.facts.has(name):
				continue
			case name == enterpriseURN:
				body["schemas"] = []string{userURN, enterpriseURN}
			}
			body[name] = v
		}
		a := t.post(t.facts.users, body)
		if !a.ok() || a.json.id() == "" {
			all.why = "the people to look for could not be created: " + a.asked() + ": " + a.came()
			return all
		}
		all.people[p.name] = a.json
	}
	return all
}

// stage is the userName of one of the troupe.
func (s *suite) stage(name string) string { return s.prefix + "-cast-" + name }

// finds looks for people of the troupe and fails unless the filter finds
// exactly those that are wanted.
func (t *T) finds(filter string, want ...string) {
	t.shared()
	restricted := `userName sw "` + t.stage("") + `" and (` + filter + `)`
	t.meets(t.get(query(t.facts.users, "filter", restricted, "count", "100")), want...)
}

// findsAlone is finds with nothing but the filter: for servers that understand
// little. It must be so narrow that nobody else is found.
func (t *T) findsAlone(filter string, want ...string) {
	t.shared()
	t.meets(t.get(query(t.facts.users, "filter", filter, "count", "100")), want...)
}

func (t *T) meets(a answer, want ...string) {
	t.want(a, http.StatusOK)
	t.must(a.json.at("Resources") != nil || a.integer("totalResults") == 0, a, "a ListResponse")
	slices.Sort(want)
	t.same(a, "who is found", t.cast(a), append([]string{}, want...))
	t.must(a.integer("totalResults") == len(want), a, "totalResults to be %d", len(want))
}

// cast is who of the troupe is in a list, sorted by code points; others as "?".
func (t *T) cast(a answer) []string {
	names := t.order(a)
	slices.Sort(names)
	return names
}

// order is who of the troupe is in a list, as they stand in it.
func (t *T) order(a answer) []string {
	names := []string{}
	for _, r := range a.resources() {
		name, ok := strings.CutPrefix(r.text("userName"), t.stage(""))
		if !ok {
			name = "?"
		}
		names = append(names, name)
	}
	return names
}
