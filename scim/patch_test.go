package scim

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/exeunt/exeunt/bridge"
)

const ext = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// Each case is a PATCH of bjensen in the dialect given (Strict if none): what
// must then be found, or the fault.
func TestPatchRFC7644_3_5_2(t *testing.T) {
	for _, c := range []struct {
		name    string
		dialect Dialect
		ops     string
		want    string // "400 scimType" or JSON
	}{
		// 3.5.2.1 add
		{"add a single value", "", `{"op":"add","path":"nickName","value":"Babs"}`, `{"nickName":"Babs"}`},
		{"add replaces a single value", "", `{"op":"add","path":"title","value":"Vice"}`, `{"title":"Vice"}`},
		{"add a part of a complex value", "", `{"op":"add","path":"name.middleName","value":"J"}`, `{"name":{"familyName":"Jensen","middleName":"J"}}`},
		{"add to a complex value", "", `{"op":"add","path":"name","value":{"MIDDLENAME":"J"}}`, `{"name":{"familyName":"Jensen","middleName":"J"}}`},
		{"add to a list", "", `{"op":"add","path":"emails","value":[{"value":"x@y"}]}`, `{"emails":[{"value":"babs@jensen.org"},{"value":"bjensen@example.com"},{"value":"x@y"}]}`},
		{"add what is there", "", `{"op":"add","path":"emails","value":[{"value":"babs@jensen.org","type":"home"}]}`, `{"meta":{"version":"W/\"1\""},"emails":[{},{}]}`},
		{"add the primary value again", "", `{"op":"add","path":"emails","value":[{"value":"bjensen@example.com","type":"work","primary":true}]}`, `{"meta":{"version":"W/\"1\""},"emails":[{},{"primary":true}]}`},
		{"values that differ in primary only", "", `{"op":"add","path":"emails","value":[{"value":"x@y","primary":false}]},{"op":"add","path":"emails","value":[{"value":"x@y","primary":true}]},` +
			`{"op":"add","path":"emails","value":[{"value":"z@y","primary":true}]},{"op":"add","path":"emails","value":[{"value":"x@y","primary":false}]}`,
			`{"emails":[{},{"primary":false},{"value":"x@y","primary":false},{"value":"z@y","primary":true}]}`},
		{"add without a path", "", `{"op":"add","value":{"nickName":"Babs","emails":[{"value":"x@y","type":"other"}]}}`, `{"nickName":"Babs","emails":[{},{},{"value":"x@y"}]}`},
		{"add a primary value", "", `{"op":"add","path":"emails","value":[{"value":"x@y","primary":true}]}`, `{"emails":[{"primary":null},{"primary":false},{"primary":true}]}`},
		{"add two primary values", "", `{"op":"add","path":"emails","value":[{"value":"x@y","primary":true},{"value":"z@y","primary":true}]}`, "400 invalidValue"},
		{"add a part to selected values", "", `{"op":"add","path":"emails[type eq \"home\"].display","value":"H"}`, `{"emails":[{"type":"home","display":"H"},{"display":null}]}`},
		{"add to selected values", "", `{"op":"add","path":"emails[type eq \"home\"]","value":{"display":"H"}}`, `{"emails":[{"type":"home","value":"babs@jensen.org","display":"H"},{"display":null}]}`},
		{"add to nothing selected", "", `{"op":"add","path":"emails[type eq \"other\"].display","value":"H"}`, "400 noTarget"},
		{"add to nothing selected, Entra", Entra, `{"op":"Add","path":"emails[type eq \"other\"]","value":{"value":"o@x"}}`, `{"emails":[{},{},{"type":"other","value":"o@x"}]}`},
		{"add to nothing that can be made, Entra", Entra, `{"op":"Add","path":"emails[type ne \"home\" and type ne \"work\"].value","value":"o@x"}`, "400 noTarget"},
		{"add nothing to nothing selected, Entra", Entra, `{"op":"Add","path":"emails[value eq \"o@x\"]","value":{"value":null}}`, `{"emails":[{},{}],"meta":{"version":"W/\"1\""}}`},
		{"add without a value", "", `{"op":"add","path":"title"}`, "400 invalidValue"},
		{"add an extension's attribute", "", `{"op":"add","path":"` + ext + `:costCenter","value":"4130"}`, `{"` + ext + `":{"costCenter":"4130","department":"Tours"}}`},
		{"add an extension's part", "", `{"op":"add","path":"` + ext + `:manager.value","value":"9"}`, `{"` + ext + `":{"manager":{"value":"9"}}}`},
		{"an extension's attribute, dotted", "", `{"op":"add","path":"` + ext + `.costCenter","value":"4130"}`, `{"` + ext + `":{"costCenter":"4130"}}`},
		{"a core attribute by its URN", "", `{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User:title","value":"x"}`, `{"title":"x"}`},
		{"bare URN path", "", `{"op":"add","path":"` + ext + `","value":{"costCenter":"4130"}}`, `{"` + ext + `":{"costCenter":"4130","department":"Tours"}}`},
		{"extension object without a path", "", `{"op":"add","value":{"` + ext + `":{"costCenter":"4130"}}}`, `{"` + ext + `":{"costCenter":"4130","department":"Tours"}}`},
		{"a core URN alone", "", `{"op":"add","path":"URN:ietf:params:scim:schemas:core:2.0:user","value":{"title":"x"}}`, `{"title":"x"}`},
		{"an extension's URN in capitals", "", `{"op":"add","path":"` + strings.ToUpper(ext) + `:COSTCENTER","value":"4130"}`, `{"` + ext + `":{"costCenter":"4130","department":"Tours"}}`},
		{"add the same value and type", "", `{"op":"add","path":"emails","value":[{"value":"BABS@jensen.org","type":"Home","display":"B"}]}`, `{"emails":[{"value":"BABS@jensen.org","type":"Home","display":"B"},{}]}`},
		{"add the same value, now primary", "", `{"op":"add","path":"emails","value":[{"value":"babs@jensen.org","type":"home","primary":true}]}`, `{"emails":[{"value":"babs@jensen.org","primary":true},{"primary":false}]}`},
		{"add the same value and another type", "", `{"op":"add","path":"emails","value":[{"value":"babs@jensen.org","type":"other"}]}`, `{"emails":[{},{},{"type":"other"}]}`},
		{"add null", "", `{"op":"add","path":"title","value":null}`, `{"title":null}`},
		{"add a primary part", "", `{"op":"add","path":"emails[type eq \"home\"].primary","value":true}`, `{"emails":[{"primary":true},{"primary":false}]}`},
		{"add to the whole of selected values", "", `{"op":"add","path":"emails[type eq \"home\"]","value":{"primary":true}}`, `{"emails":[{"value":"babs@jensen.org","primary":true},{"primary":false}]}`},
		{"add certificates in any base64", "", `{"op":"add","path":"x509Certificates","value":[{"value":"-_-_"}]},{"op":"add","path":"x509Certificates","value":[{"value":"+/\n+/"}]}`, `{"x509Certificates":[{"value":"+/+/"}]}`},
		{"select by any base64", "", `{"op":"add","path":"x509Certificates","value":[{"value":"TQ=="}]},{"op":"replace","path":"x509Certificates[value eq \"TQ\"].display","value":"x"}`, `{"x509Certificates":[{"value":"TQ==","display":"x"}]}`},
		{"make what is selected by any base64, Entra", Entra, `{"op":"Replace","path":"x509Certificates[value eq \"TQ\"].display","value":"x"}`, `{"x509Certificates":[{"value":"TQ==","display":"x"}]}`},
		{"add what is no base64", "", `{"op":"add","path":"x509Certificates","value":[{"value":"no!"}]}`, "400 invalidValue"},

		// 3.5.2.2 remove
		{"remove a single value", "", `{"op":"remove","path":"title"}`, `{"title":null}`},
		{"remove what is not there", "", `{"op":"remove","path":"nickName"}`, `{"meta":{"version":"W/\"1\""}}`},
		{"remove a list", "", `{"op":"remove","path":"emails"}`, `{"emails":null}`},
		{"remove selected values", "", `{"op":"remove","path":"emails[type eq \"work\"]"}`, `{"emails":[{"type":"home"}]}`},
		{"remove the last value", "", `{"op":"remove","path":"emails[value pr]"}`, `{"emails":null}`},
		{"remove a part of selected values", "", `{"op":"remove","path":"emails[type eq \"work\"].type"}`, `{"emails":[{"type":"home"},{"type":null}]}`},
		{"remove a part of all values", "", `{"op":"remove","path":"emails.type"}`, `{"emails":[{"type":null},{"type":null}]}`},
		{"remove listed values", "", `{"op":"remove","path":"emails","value":[{"value":"babs@jensen.org"}]}`, `{"emails":[{"type":"work"}]}`},
		{"remove listed values, in capitals", "", `{"op":"remove","path":"emails","value":[{"value":"BABS@jensen.org","type":"HOME"}]}`, `{"emails":[{"type":"work"}]}`},
		{"remove a listed value of another type", "", `{"op":"remove","path":"emails","value":[{"value":"babs@jensen.org","type":"work"}]}`, `{"emails":[{},{}],"meta":{"version":"W/\"1\""}}`},
		{"remove nothing selected", "", `{"op":"remove","path":"emails[type eq \"other\"]"}`, `{"emails":[{},{}],"meta":{"version":"W/\"1\""}}`},
		{"remove until two values are the same", "", `{"op":"add","path":"emails","value":[{"value":"babs@jensen.org","type":"other","primary":true}]},{"op":"remove","path":"emails[value sw \"babs\"].type"}`, `{"emails":[{"value":"babs@jensen.org","type":null,"primary":true},{"primary":false}]}`},
		{"remove a required part of the way", "", `{"op":"remove","path":"urn:ietf:params:scim:schemas:core:2.0:User:userName"}`, "400 mutability"},
		{"remove what is read-only", "", `{"op":"remove","path":"groups"}`, "400 mutability"},
		{"remove a read-only part", "", `{"op":"remove","path":"` + ext + `:manager.displayName"}`, "400 mutability"},
		{"remove the resource", "", `{"op":"remove","path":"urn:ietf:params:scim:schemas:core:2.0:User"}`, "400 noTarget"},
		{"remove without a path", "", `{"op":"remove"}`, "400 noTarget"},
		{"remove what is required", "", `{"op":"remove","path":"userName"}`, "400 mutability"},
		{"remove the last of an extension", "", `{"op":"remove","path":"` + ext + `"}`, `{"` + ext + `":null,"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]}`},
		{"remove both names", "", `{"op":"remove","path":"name.familyName"},{"op":"remove","path":"name.givenName"}`, `{"name":null}`},
		{"remove active", "", `{"op":"remove","path":"active"}`, "400 mutability"},
		{"replace active by null", "", `{"op":"replace","path":"active","value":null}`, "400 invalidValue"},

		// 3.5.2.3 replace
		{"replace a single value", "", `{"op":"replace","path":"title","value":"Vice"}`, `{"title":"Vice"}`},
		{"replace what is not there", "", `{"op":"replace","path":"nickName","value":"Babs"}`, `{"nickName":"Babs"}`},
		{"replace a list", "", `{"op":"replace","path":"emails","value":[{"value":"x@y"}]}`, `{"emails":[{"value":"x@y","type":null}]}`},
		{"replace a complex value", "", `{"op":"replace","path":"name","value":{"givenName":"B"}}`, `{"name":{"familyName":"Jensen","givenName":"B"}}`},
		{"replace a selected value", "", `{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"x@y"}}`, `{"emails":[{"type":"home"},{"value":"x@y","type":null,"primary":null}]}`},
		{"replace a part of a selected value", "", `{"op":"replace","path":"emails[type eq \"work\"].value","value":"x@y"}`, `{"emails":[{},{"value":"x@y","type":"work"}]}`},
		{"replace nothing selected", "", `{"op":"replace","path":"emails[type eq \"other\"].value","value":"x@y"}`, "400 noTarget"},
		{"make another primary", "", `{"op":"replace","path":"emails[type eq \"home\"].primary","value":true}`, `{"emails":[{"primary":true},{"primary":false}]}`},
		{"make all primary", "", `{"op":"replace","path":"emails.primary","value":true}`, "400 invalidValue"},
		{"replace without a path", Generic, `{"op":"replace","value":{"nickName":"B","name.givenName":"B","` + ext + `:department":"D"}}`, `{"nickName":"B","name":{"familyName":"Jensen","givenName":"B"},"` + ext + `":{"department":"D"}}`},
		{"replace by null", "", `{"op":"replace","path":"title","value":null}`, `{"title":null}`},
		{"replace a part by null", "", `{"op":"replace","path":"name","value":{"givenName":null}}`, `{"name":{"familyName":"Jensen","givenName":null}}`},
		{"replace what is required by null", "", `{"op":"replace","path":"userName","value":null}`, "400 mutability"},
		{"replace by a wrong type", "", `{"op":"replace","path":"title","value":5}`, "400 invalidValue"},
		{"replace a list by one", "", `{"op":"replace","path":"emails","value":{"value":"x@y"}}`, "400 invalidValue"},
		{"replace by the unknown", "", `{"op":"replace","path":"name","value":{"nothing":1}}`, "400 invalidValue"},
		{"replace by values that are the same", "", `{"op":"replace","path":"emails","value":[{"value":"x@y","type":"work"},{"value":"X@Y","type":"Work","display":"X","primary":true}]}`, `{"emails":[{"value":"x@y","type":"work","display":"X","primary":true}]}`},
		{"replace all values of a selection", "", `{"op":"replace","path":"emails[value pr].display","value":"x"}`, `{"emails":[{"type":"home","display":"x"},{"type":"work","display":"x"}]}`},
		{"replace by an empty list", "", `{"op":"replace","path":"emails","value":[]}`, `{"emails":null}`},
		{"replace a selected value by null", "", `{"op":"replace","path":"emails[type eq \"home\"]","value":null}`, `{"emails":[{"type":"work"}]}`},
		{"replace an extension's parts", "", `{"op":"replace","path":"` + ext + `","value":{"manager":{"value":"9"},"department":null}}`, `{"` + ext + `":{"employeeNumber":"701984","department":null,"manager":{"value":"9"}}}`},
		{"nothing in it", "", `{"op":"replace","path":"name","value":{}}`, `{"name":{"familyName":"Jensen"}}`},

		// mutability, syntax
		{"read-only", "", `{"op":"replace","path":"groups","value":[{"value":"x"}]}`, "400 mutability"},
		{"read-only part", "", `{"op":"replace","path":"meta.version","value":"x"}`, "400 mutability"},
		{"read-only id", "", `{"op":"replace","value":{"id":"x"}}`, "400 mutability"},
		{"read-only inside, lenient", Okta, `{"op":"replace","value":{"id":"x","title":"y","schemas":[],"meta":{}}}`, `{"title":"y"}`},
		{"unknown path", "", `{"op":"replace","path":"nothing","value":"x"}`, "400 invalidPath"},
		{"unknown path without a path", Generic, `{"op":"replace","value":{"nothing":"x"}}`, "400 invalidPath"},
		{"unknown part", "", `{"op":"replace","path":"name.nothing","value":"x"}`, "400 invalidPath"},
		{"unknown part of selected", "", `{"op":"replace","path":"emails[type eq \"work\"].nothing","value":"x"}`, "400 invalidPath"},
		{"unknown extension", "", `{"op":"add","path":"urn:example:2.0:User:x","value":"x"}`, "400 invalidPath"},
		{"selection of a single value", "", `{"op":"add","path":"title[value eq \"x\"]","value":"x"}`, "400 invalidPath"},
		{"wrong selection", "", `{"op":"add","path":"emails[type is \"x\"]","value":{}}`, "400 invalidFilter"},
		{"something after the selection", "", `{"op":"remove","path":"emails[type eq \"x\"]value"}`, "400 invalidPath"},
		{"wrong op", "", `{"op":"move","path":"title"}`, "400 invalidSyntax"},
		{"capitalised op", "", `{"op":"Replace","path":"title","value":"x"}`, "400 invalidSyntax"},
		{"string boolean", "", `{"op":"replace","path":"active","value":"False"}`, "400 invalidValue"},
		{"no operations", "", ``, "400 invalidSyntax"},
		{"password", "", `{"op":"replace","path":"password","value":"secret"}`, `{"password":null,"meta":{"version":"W/\"1\""}}`},

		// all or none
		{"atomic", "", `{"op":"replace","path":"active","value":false},{"op":"replace","path":"emails[type eq \"other\"].value","value":"x"}`, "400 noTarget"},
		{"in order", "", `{"op":"add","path":"emails","value":[{"value":"x@y","type":"other"}]},{"op":"replace","path":"emails[type eq \"other\"].value","value":"z@y"}`, `{"emails":[{},{},{"value":"z@y"}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.dialect == "" {
				c.dialect = Strict
			}
			d := newDoor(t, c.dialect)
			id := d.bjensen()
			before := d.send("GET", "/Users/"+id, "").raw
			a := d.send("PATCH", "/Users/"+id, patch(c.ops))
			if c.want[0] != '{' {
				a.fault(400, c.want[4:])
				if after := d.send("GET", "/Users/"+id, "").raw; after != before {
					t.Fatalf("refused, but changed\nfrom %s\nto   %s", before, after)
				}
				return
			}
			a.want(200, c.want)
			if after := d.send("GET", "/Users/"+id, "").raw; after != a.raw {
				t.Fatalf("answered %s\nstored   %s", a.raw, after)
			}
		})
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"title", "name.givenName", `emails[type eq "work"].value`, ext, ext + ":manager.value", ext + ".department",
		`emails[not (type eq "work" or value sw "x")]`, "emails.value", "a[", "emails[]", "[", `emails[type eq "]"].value`} {
		f.Add(s)
	}
	users, lenient := userType(), newMending(Generic, mends())
	f.Fuzz(func(t *testing.T, s string) {
		to, err := users.parsePath(s, lenient, Limits{}.orDefault())
		if err != nil {
			if answer, shown := asAnswer(err); !shown || answer.Status != 400 {
				t.Fatal(err)
			}
			return
		}
		for i, a := range to.path {
			if a.multi && i < len(to.path)-1 {
				t.Fatalf("%q leads through a list", s)
			}
		}
		if to.values() && !to.path[len(to.path)-1].multi {
			t.Fatalf("%q selects in %s", s, to.path[len(to.path)-1].name)
		}
	})
}

// FuzzPatch: no PATCH makes anything panic, changes the operations, or leaves
// a resource that would not be accepted as it is: cleaned again it is the same,
// all that is required is there, and no list has two primary values. Who adds,
// sets or removes the same again changes nothing (RFC 7644, section 3.5.2).
func FuzzPatch(f *testing.F) {
	for _, ops := range []string{
		`{"op":"Replace","path":"active","value":"False"}`, `{"op":"replace","value":{"active":false,"name.givenName":"x"}}`,
		`{"op":"add","path":"emails","value":[{"value":"x@y","primary":true},{"value":null}]}`,
		`{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"x@y"}},{"op":"remove","path":"emails.type"}`,
		`{"op":"add","path":"` + ext + `","value":{"manager":"x","department":null}},{"op":"remove","path":"` + ext + `:manager"}`,
		`{"op":"replace","path":"emails[type eq \"x\" and primary eq true].value","value":"y"}`,
		`{"op":"remove","path":"emails","value":[{"value":"babs@jensen.org"}]}`, `{"op":"replace","path":"name","value":{"givenName":null,"familyName":""}}`,
		`{"op":"add","path":"emails","value":[{"value":"babs@jensen.org","type":"home","primary":true}]},{"op":"add","path":"emails","value":[{"value":"x","primary":true}]}`,
		`{"op":"add","path":"x509Certificates","value":[{"value":"T-I_"},{"value":"TQ","primary":true}]}`, `{"op":"remove","path":"x509Certificates[value eq \"TQ\"]"}`,
		`{"op":"add","path":"emails","value":[{"value":"BABS@jensen.org","type":"HOME"},{"value":"babs@jensen.org","type":"home","primary":true}]}`,
		`{"op":"replace","path":"emails[value sw \"b\"].type","value":"x"},{"op":"remove","path":"emails.value"}`, `{"op":"add","path":"emails.value","value":"x@y"}`,
		`{"op":"add","path":"` + urnDeparture + `","value":{"contractEnd":"2026-12-31T24:00:00","timeZone":"Europe/Berlin","legalHold":"True","lastWorkingDay":"2026-12-31"}}`,
		`{"op":"add","path":"` + urnUser + `","value":{"addresses":[{"locality":"Ulm"},{"locality":"Ulm","type":null}],"roles":[{"primary":true},{"value":"x"}]}}`, `{"op":"replace","path":"emails.primary","value":true}`,
	} {
		f.Add(ops, true)
		f.Add(ops, false)
	}
	start := patchStart(f)
	f.Fuzz(func(t *testing.T, ops string, entra bool) { start.patched(t, ops, entra) })
}

// FuzzPatchComposed asks the same of operations that are composed of what
// matters, so that most of them are carried out.
func FuzzPatchComposed(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed, seed%2 == 0)
	}
	start := patchStart(f)
	f.Fuzz(func(t *testing.T, seed uint64, entra bool) {
		r := rand.New(rand.NewPCG(seed, 0))
		pick := func(words ...string) string { return words[r.IntN(len(words))] }
		text := func() string { return pick(`"a@b"`, `"A@B"`, `"c"`, `""`, `null`, `"babs@jensen.org"`) }
		object := func() string {
			var parts []string
			for _, part := range []string{`"value":` + text(), `"type":` + pick(`"work"`, `"Work"`, `"home"`, `null`), `"display":` + text(),
				`"primary":` + pick("true", "false", "null", `"True"`)} {
				if r.IntN(2) == 0 {
					parts = append(parts, part)
				}
			}
			return "{" + strings.Join(parts, ",") + "}"
		}
		several := func() string {
			list := make([]string, r.IntN(4))
			for i := range list {
				list[i] = object()
			}
			return "[" + strings.Join(list, ",") + "]"
		}
		selection := func() string {
			return pick(`type eq "work"`, `type eq "home"`, `value eq "a@b"`, `primary eq true`, `not (type pr)`, `value sw "b" or display co "a"`, `type eq "work" and value eq "c"`)
		}
		ops := make([]string, 1+r.IntN(3))
		for i := range ops {
			list := pick("emails", "emails", "roles", "x509Certificates")
			part := pick("value", "type", "display", "primary")
			value := text()
			if part == "primary" {
				value = pick("true", "false", "null")
			}
			path := ""
			switch r.IntN(6) {
			case 0:
				path, value = list, several()
			case 1:
				path = list + "." + part
			case 2:
				path, value = list+"["+selection()+"]", object()
			case 3:
				path = list + "[" + selection() + "]." + part
			case 4:
				path = pick("title", "name.givenName", "userName", ext+":department", ext+":manager.value", urnDeparture+":employmentType")
			case 5:
				path, value = pick("name", ext, ext+":manager"), pick(`{"familyName":"F","givenName":null}`, `{"department":`+text()+`}`, object())
			}
			quoted, _ := json.Marshal(path)
			ops[i] = `{"op":"` + pick("add", "replace", "remove") + `","path":` + string(quoted) + `,"value":` + value + `}`
		}
		start.patched(t, strings.Join(ops, ","), entra)
	})
}

// patchBase is the person whom fuzzed operations change.
type patchBase struct {
	users  *resourceType
	person bridge.Person
}

func patchStart(tb testing.TB) patchBase {
	b := patchBase{users: userType()}
	if err := describe(&b.person, b.users, b.users.cleaned(tb, bjensen), ""); err != nil {
		tb.Fatal(err)
	}
	return b
}

// patched carries operations out and checks what they leave.
func (b patchBase) patched(t *testing.T, ops string, entra bool) {
	users, l, m := b.users, Limits{}.orDefault(), newMending(Strict, mends())
	if entra {
		m = newMending(Entra, mends())
	}
	body, err := decodeObject([]byte(patch(ops)), l)
	if err != nil {
		return
	}
	list, err := users.operations(body, m, l)
	if err != nil {
		return
	}
	apply := func() (bridge.Person, map[string]any, error) {
		p := b.person
		res, _ := decodeStored(p.Resource)
		for _, o := range list {
			if err := o.apply(res, m); err != nil {
				return p, nil, err
			}
		}
		return p, res, describe(&p, users, res, "")
	}
	p, res, err := apply()
	again, _, errAgain := apply()
	if !reflect.DeepEqual(p, again) || (err == nil) != (errAgain == nil) {
		t.Fatalf("%s\ncomes to %s %v\nand then %s %v", ops, p.Resource, err, again.Resource, errAgain)
	}
	if err != nil {
		return
	}
	clean, err := cleaner{mending: newMending(Strict, mends())}.resource(users, res)
	if err != nil {
		t.Fatalf("%s\nleaves %s: %v", ops, p.Resource, err)
	}
	if clean["schemas"] = res["schemas"]; !reflect.DeepEqual(clean, res) {
		t.Fatalf("%s\nleaves   %s\nclean it is %s", ops, p.Resource, appendJSON(nil, clean))
	}
	if len(list) == 1 && (list[0].op == "remove" || list[0].pick == nil) {
		twice := clone(res).(map[string]any)
		if err := list[0].apply(twice, m); err != nil || describe(&p, users, twice, "") != nil || !reflect.DeepEqual(twice, res) {
			t.Fatalf("%s\nleaves       %s\nand repeated %s: %v", ops, appendJSON(nil, res), appendJSON(nil, twice), err)
		}
	}
	if !json.Valid(p.Resource) || res["active"] != p.Active || p.UserName == "" {
		t.Fatalf("%s\nleaves %+v", ops, p)
	}
}
