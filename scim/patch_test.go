package scim

import (
	"encoding/json"
	"reflect"
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
		{"add without a value", "", `{"op":"add","path":"title"}`, "400 invalidValue"},
		{"add an extension's attribute", "", `{"op":"add","path":"` + ext + `:costCenter","value":"4130"}`, `{"` + ext + `":{"costCenter":"4130","department":"Tours"}}`},
		{"add an extension's part", "", `{"op":"add","path":"` + ext + `:manager.value","value":"9"}`, `{"` + ext + `":{"manager":{"value":"9"}}}`},
		{"an extension's attribute, dotted", "", `{"op":"add","path":"` + ext + `.costCenter","value":"4130"}`, `{"` + ext + `":{"costCenter":"4130"}}`},
		{"a core attribute by its URN", "", `{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User:title","value":"x"}`, `{"title":"x"}`},
		{"bare URN path", "", `{"op":"add","path":"` + ext + `","value":{"costCenter":"4130"}}`, `{"` + ext + `":{"costCenter":"4130","department":"Tours"}}`},
		{"extension object without a path", "", `{"op":"add","value":{"` + ext + `":{"costCenter":"4130"}}}`, `{"` + ext + `":{"costCenter":"4130","department":"Tours"}}`},

		// 3.5.2.2 remove
		{"remove a single value", "", `{"op":"remove","path":"title"}`, `{"title":null}`},
		{"remove what is not there", "", `{"op":"remove","path":"nickName"}`, `{"meta":{"version":"W/\"1\""}}`},
		{"remove a list", "", `{"op":"remove","path":"emails"}`, `{"emails":null}`},
		{"remove selected values", "", `{"op":"remove","path":"emails[type eq \"work\"]"}`, `{"emails":[{"type":"home"}]}`},
		{"remove the last value", "", `{"op":"remove","path":"emails[value pr]"}`, `{"emails":null}`},
		{"remove a part of selected values", "", `{"op":"remove","path":"emails[type eq \"work\"].type"}`, `{"emails":[{"type":"home"},{"type":null}]}`},
		{"remove a part of all values", "", `{"op":"remove","path":"emails.type"}`, `{"emails":[{"type":null},{"type":null}]}`},
		{"remove listed values", "", `{"op":"remove","path":"emails","value":[{"value":"babs@jensen.org"}]}`, `{"emails":[{"type":"work"}]}`},
		{"remove without a path", "", `{"op":"remove"}`, "400 noTarget"},
		{"remove what is required", "", `{"op":"remove","path":"userName"}`, "400 mutability"},
		{"remove the last of an extension", "", `{"op":"remove","path":"` + ext + `"}`, `{"` + ext + `":null,"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]}`},
		{"remove both names", "", `{"op":"remove","path":"name.familyName"},{"op":"remove","path":"name.givenName"}`, `{"name":null}`},
		{"remove active", "", `{"op":"remove","path":"active"}`, "400 invalidValue"},

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
// a resource that would not be accepted as it is.
func FuzzPatch(f *testing.F) {
	for _, ops := range []string{
		`{"op":"Replace","path":"active","value":"False"}`, `{"op":"replace","value":{"active":false,"name.givenName":"x"}}`,
		`{"op":"add","path":"emails","value":[{"value":"x@y","primary":true},{"value":null}]}`,
		`{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"x@y"}},{"op":"remove","path":"emails.type"}`,
		`{"op":"add","path":"` + ext + `","value":{"manager":"x","department":null}},{"op":"remove","path":"` + ext + `:manager"}`,
		`{"op":"replace","path":"emails[type eq \"x\" and primary eq true].value","value":"y"}`,
		`{"op":"remove","path":"emails","value":[{"value":"babs@jensen.org"}]}`, `{"op":"replace","path":"name","value":{"givenName":null,"familyName":""}}`,
		`{"op":"add","path":"emails","value":[{"value":"babs@jensen.org","type":"home","primary":true}]},{"op":"add","path":"emails","value":[{"value":"x","primary":true}]}`,
		`{"op":"add","path":"x509Certificates","value":[{"value":"TUlJ"}]}`, `{"op":"replace","path":"emails.primary","value":true}`,
	} {
		f.Add(ops, true)
		f.Add(ops, false)
	}
	users, l := userType(), Limits{}.orDefault()
	sent, _ := decodeObject([]byte(bjensen), l)
	first, _ := cleaner{mending: newMending(Generic, mends())}.resource(users, sent)
	var start bridge.Person
	if err := describe(&start, users, first, ""); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, ops string, entra bool) {
		m := newMending(Strict, mends())
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
			p := start
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
		if !json.Valid(p.Resource) || res["active"] != p.Active || p.UserName == "" {
			t.Fatalf("%s\nleaves %+v", ops, p)
		}
	})
}
