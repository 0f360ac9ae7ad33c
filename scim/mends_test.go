package scim

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
)

// What each mend of a value makes of what, and what it leaves as it is.
func TestValueMends(t *testing.T) {
	users := userType()
	for _, c := range []struct {
		name      string
		mend      func(*attribute, any) any
		attribute string
		from, to  string
	}{
		{"one in a list", oneInList, "title", `["x"]`, `"x"`},
		{"two in a list", oneInList, "title", `["x","y"]`, `["x","y"]`},
		{"none in a list", oneInList, "active", `[]`, `[]`},
		{"a list where one belongs", oneInList, "emails", `["x"]`, `["x"]`},
		{"wrapped", wrappedValue, "active", `{"$ref":null,"value":"False"}`, `"False"`},
		{"wrapped no further", wrappedValue, "active", `{"$ref":null,"value":{"value":false}}`, `{"value":false}`},
		{"no reference", wrappedValue, "active", `{"value":false}`, `{"value":false}`},
		{"more than a reference", wrappedValue, "title", `{"$ref":null,"type":"y","value":"x"}`, `{"$ref":null,"type":"y","value":"x"}`},
		{"a reference where one belongs", wrappedValue, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", `{"$ref":"x","value":"y"}`, `{"$ref":"x","value":"y"}`},
		{"true", stringBoolean, "active", `"TRUE"`, `true`},
		{"false", stringBoolean, "emails.primary", `"False"`, `false`},
		{"no boolean", stringBoolean, "active", `"0"`, `"0"`},
		{"no space", stringBoolean, "active", `"false "`, `"false "`},
		{"false as a text", stringBoolean, "title", `"False"`, `"False"`},
		{"empty", emptyString, "title", `""`, `null`},
		{"empty active", emptyString, "active", `""`, `""`},
		{"space", emptyString, "title", `" "`, `" "`},
		{"bare", bareValue, "emails", `"x@y"`, `{"value":"x@y"}`},
		{"bare and empty", bareValue, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", `""`, `null`},
		{"managerId", bareValue, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", `{"managerId":"x","displayName":"y"}`, `{"value":"x"}`},
		{"managerId beside value", bareValue, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", `{"managerId":"x","value":"y"}`, `{"managerId":"x","value":"y"}`},
		{"managerId of no manager", bareValue, "emails", `{"managerId":"x"}`, `{"managerId":"x"}`},
		{"no value to be bare", bareValue, "name", `"x"`, `"x"`},
		{"one for a list", oneForList, "emails", `{"value":"x"}`, `[{"value":"x"}]`},
		{"null for a list", oneForList, "emails", `null`, `null`},
		{"one where one belongs", oneForList, "title", `"x"`, `"x"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := users.resolve(c.attribute)
			from, err := decode([]byte(c.from), Limits{}.orDefault())
			if err != nil || path == nil {
				t.Fatal(err, path)
			}
			if got, _ := json.Marshal(c.mend(path[len(path)-1], from)); string(got) != c.to {
				t.Fatalf("%s, want %s", got, c.to)
			}
		})
	}
}

// What names mean that no schema has.
func TestMeanings(t *testing.T) {
	users, groups, m := userType(), groupType(), newMending(Generic, mends())
	for name, want := range map[string]string{
		"manager": urnEnterprise + "/manager", "Manager.Value": urnEnterprise + "/manager/value", "title": "title",
		"urn:scim:schemas:extension:enterprise:1.0":                    urnEnterprise,
		"urn:scim:schemas:extension:enterprise:1.0:manager":            urnEnterprise + "/manager",
		"URN:scim:schemas:extension:enterprise:2.0:User.department":    urnEnterprise + "/department",
		"urn:scim:schemas:extension:enterprise:2.0:User:manager.value": urnEnterprise + "/manager/value",
		"urn:scim:schemas:extension:enterprise:1.0x":                   "",
		"urn:scim:schemas:extension:enterprise:3.0:department":         "",
		"nothing":      "",
		"User:manager": "",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:no": "",
	} {
		var way []string
		for _, a := range m.resolve(users, name) {
			way = append(way, a.name)
		}
		if got := strings.Join(way, "/"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		if want != "title" && m.resolve(groups, name) != nil {
			t.Errorf("%s means something of a group", name)
		}
	}
	if newMending(Strict, mends()).resolve(users, "manager") != nil {
		t.Error("manager, to the letter")
	}
}

// What may be passed over in a PATCH: other people's extensions, and nothing
// that could be a slip in ours or could mean active.
func TestForeign(t *testing.T) {
	users := userType()
	for path, want := range map[string]bool{
		"urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User:tag": true,
		" URN:Okta:custom:1.0:user:shoe":                                          true, `urn:x:1.0:User:sizes[type eq "active"].value`: true,
		"urn:x:1.0:User:active": false, "urn:x:1.0:User:isActive": false, `urn:x:1.0:User:active[value eq true]`: false,
		urnUser + ":activ": false, urnGroup + ":active": false, urnEnterprise + ":departmnt": false,
		"urn:ietf:params:scim:schemas:core:1.0:User:x": false, "urn:scim:schemas:core:1.0:x": false,
		"urn:scim:schemas:extension:enterprise:1.0:x": false, "shoe": false, "http://example.com/shoe": false, "": false,
	} {
		if foreign(users, path, "x") != want {
			t.Errorf("%q: %v", path, !want)
		}
	}
}

// A plus in a query is a plus where spaces are written otherwise.
func TestLiteralPlus(t *testing.T) {
	for raw, want := range map[string]string{
		`filter=userName%20eq%20%22a+b%22`:         `userName eq "a+b"`,
		`filter=userName+eq+%22a%2Bb%22`:           `userName eq "a+b"`,
		`filter=userName+eq+%22a%20b%22`:           `userName eq "a b"`,
		`filter=userName+eq+%22a+b%22`:             `userName eq "a b"`,
		`filter=userName%20eq%20%22a%20b%2Bc+d%22`: `userName eq "a b+c+d"`,
		`filter=title%20pr`:                        `title pr`,
	} {
		q := &request{Request: httptest.NewRequest("GET", "/Users?"+raw, nil)}
		if v, err := q.query(); err != nil || v.Get("filter") != want {
			t.Errorf("%s: %s %v", raw, v.Get("filter"), err)
		}
	}
}

// However a client lists the one member to be removed, all others stay.
func TestRemovalLists(t *testing.T) {
	for _, dialect := range Dialects() {
		if dialect == Strict {
			continue // there it is a list of objects, or refused
		}
		for _, value := range []string{`[{"value":"$"}]`, `[{"$ref":null,"value":"$"}]`, `{"value":"$"}`, `"$"`, `["$"]`,
			`[{"value":"$","display":"somebody"}]`, `[{"value":"$"},{"value":"nobody"}]`} {
			d := newDoor(t, dialect)
			ann, bob := d.user("ann"), d.user("bob")
			id := d.newGroup("staff", ann, bob)
			d.send("PATCH", "/Groups/"+id, patch(`{"op":"remove","path":"members","value":`+strings.ReplaceAll(value, "$", ann)+`}`)).
				want(200, `{"members":[{"value":"`+bob+`"}]}`)
		}
		for _, value := range []string{`[]`, `""`, `[{"value":"nobody"}]`} {
			d := newDoor(t, dialect)
			id := d.newGroup("staff", d.user("ann"))
			d.send("PATCH", "/Groups/"+id, patch(`{"op":"remove","path":"members","value":`+value+`}`)).want(200, `{"members":[{}]}`)
		}
	}
}
