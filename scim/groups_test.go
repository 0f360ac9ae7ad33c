package scim

import (
	"fmt"
	"strings"
	"testing"
)

func (d *door) user(name string) string {
	d.t.Helper()
	return d.send("POST", "/Users", `{"schemas":["`+urnUser+`"],"userName":"`+name+`"}`).want(201, "").id()
}

func (d *door) newGroup(name string, members ...string) string {
	d.t.Helper()
	for i, m := range members {
		members[i] = `{"value":"` + m + `"}`
	}
	return d.send("POST", "/Groups", `{"schemas":["`+urnGroup+`"],"displayName":"`+name+`","members":[`+strings.Join(members, ",")+`]}`).want(201, "").id()
}

func TestGroupMembersRFC7644_3_5_2(t *testing.T) {
	d := newDoor(t, Strict)
	ann, bob, cat := d.user("ann"), d.user("bob"), d.user("cat")
	inner := d.newGroup("inner")
	for _, c := range []struct{ name, ops, want string }{
		{"add", `{"op":"add","path":"members","value":[{"value":"$cat"},{"value":"$ann"}]}`, "ann bob cat"},
		{"add a group", `{"op":"add","path":"members","value":[{"value":"$inner","type":"Group"}]}`, "ann bob inner"},
		{"add without a path", `{"op":"add","value":{"members":[{"value":"$cat"}]}}`, "ann bob cat"},
		{"add nobody known", `{"op":"add","path":"members","value":[{"value":"nobody"}]}`, "400 invalidValue"},
		{"add without a value", `{"op":"add","path":"members","value":[{"display":"x"}]}`, "400 invalidValue"},
		{"replace", `{"op":"replace","path":"members","value":[{"value":"$cat"},{"value":"$cat"}]}`, "cat"},
		{"replace without a path", `{"op":"replace","value":{"members":[{"value":"$cat"},{"value":"$bob"}]}}`, "bob cat"},
		{"replace by nobody", `{"op":"replace","path":"members","value":[]}`, ""},
		{"remove all", `{"op":"remove","path":"members"}`, ""},
		{"remove listed", `{"op":"remove","path":"members","value":[{"value":"$ann"},{"value":"$cat"}]}`, "bob"},
		{"remove none listed", `{"op":"remove","path":"members","value":[]}`, "ann bob"},
		{"remove selected", `{"op":"remove","path":"members[value eq \"$ann\"]"}`, "bob"},
		{"remove several selected", `{"op":"remove","path":"members[value eq \"$ann\" or value eq \"$bob\"]"}`, ""},
		{"remove by another part", `{"op":"remove","path":"members[display sw \"A\" and type eq \"User\"]"}`, "bob"},
		{"remove nobody selected", `{"op":"remove","path":"members[value eq \"$cat\"]"}`, "ann bob"},
		{"change a member", `{"op":"replace","path":"members[value eq \"$ann\"].value","value":"$bob"}`, "400 mutability"},
		{"replace a member", `{"op":"replace","path":"members[value eq \"$ann\"]","value":{"value":"$bob"}}`, "400 mutability"},
		{"atomic", `{"op":"remove","path":"members"},{"op":"add","path":"members","value":[{"value":"nobody"}]}`, "400 invalidValue"},
		{"in order", `{"op":"remove","path":"members"},{"op":"add","path":"members","value":[{"value":"$cat"}]}`, "cat"},
		{"no name", `{"op":"remove","path":"displayName"}`, "400 mutability"},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := d.newGroup("staff", ann, bob)
			ops := strings.NewReplacer("$ann", ann, "$bob", bob, "$cat", cat, "$inner", inner).Replace(c.ops)
			a := d.send("PATCH", "/Groups/"+id, patch(ops))
			if strings.HasPrefix(c.want, "400") {
				a.fault(400, c.want[4:])
				c.want = "ann bob"
			} else {
				a.want(200, `{"displayName":"staff"}`)
			}
			var names []string
			list, _ := d.send("GET", "/Groups/"+id+"?attributes=members.display", "").want(200, "").body["members"].([]any)
			for _, m := range list {
				names = append(names, m.(map[string]any)["display"].(string))
			}
			if got := strings.Join(names, " "); got != c.want {
				t.Fatalf("%q, want %q", got, c.want)
			}
		})
	}
}

// One member of very many is added and removed without reading the others.
func TestLargeGroup(t *testing.T) {
	d := newDoor(t, Entra)
	ann := d.user("ann")
	id := d.newGroup("everybody")
	for i := range 5000 {
		d.members[id] = append(d.members[id], fmt.Sprintf("10000000-0000-4000-8000-%012d", i))
	}
	for _, ops := range []string{
		`{"op":"Add","path":"members","value":[{"value":"` + ann + `"}]}`,
		`{"op":"Remove","path":"members","value":[{"value":"` + ann + `"}]}`,
		`{"op":"Add","path":"members","value":[{"value":"` + ann + `"}]}`,
		`{"op":"remove","path":"members[value eq \"` + ann + `\"]"}`,
	} {
		d.listed = 0
		d.send("PATCH", "/Groups/"+id, patch(ops)).want(204, "")
		if d.listed > patchedMembers+1 {
			t.Fatalf("%s: %d members read", ops, d.listed)
		}
	}
	if n := len(d.members[id]); n != 5000 {
		t.Fatal(n)
	}
	d.listed = 0
	d.send("PATCH", "/Groups/"+id+"?excludedAttributes=members", patch(`{"op":"replace","path":"displayName","value":"all"}`)).
		want(200, `{"displayName":"all","members":null}`)
	d.send("GET", "/Groups?excludedAttributes=members", "").want(200, `{"totalResults":1}`)
	if d.listed != 0 {
		t.Fatal("members read that nobody sees")
	}
}

func TestGroups(t *testing.T) {
	d := newDoor(t, Strict)
	ann := d.user("ann")
	id := d.newGroup("Staff", ann)
	d.send("GET", "/Groups/"+id, "").want(200, `{"schemas":["`+urnGroup+`"],"displayName":"Staff","meta":{"resourceType":"Group"},
		"members":[{"value":"`+ann+`","type":"User","display":null,"$ref":"https://exeunt.example/scim/v2/Users/`+ann+`"}]}`)
	d.send("GET", "/Users/"+ann, "").want(200, `{"groups":[{"value":"`+id+`","display":"Staff","type":"direct",
		"$ref":"https://exeunt.example/scim/v2/Groups/`+id+`"}]}`)
	d.send("GET", `/Users?filter=groups.value+eq+%22`+id+`%22`, "").want(200, `{"totalResults":1}`)
	d.send("GET", `/Users?filter=groups%5Bvalue+eq+%22`+id+`%22%5D+and+active+eq+true`, "").want(200, `{"totalResults":1}`)
	d.send("GET", `/Users?filter=groups+eq+%22nothing%22`, "").want(200, `{"totalResults":0}`)
	d.send("GET", `/Groups?filter=members%5Bvalue+eq+%22`+ann+`%22%5D`, "").want(200, `{"totalResults":1}`)
	// A PUT that does not mention members keeps them; one that says so removes them.
	d.send("PUT", "/Groups/"+id, `{"schemas":["`+urnGroup+`"],"displayName":"Crew","externalId":"e"}`).
		want(200, `{"displayName":"Crew","externalId":"e","members":[{"value":"`+ann+`"}],"meta":{"version":"W/\"2\""}}`)
	writes := d.writes
	d.send("PUT", "/Groups/"+id, `{"schemas":["`+urnGroup+`"],"displayName":"Crew","externalId":"e","members":[{"value":"`+ann+`"}]}`).
		want(200, `{"meta":{"version":"W/\"2\""}}`)
	if d.writes != writes {
		t.Fatal("a PUT that changes nothing was stored")
	}
	d.send("PUT", "/Groups/"+id, `{"schemas":["`+urnGroup+`"],"displayName":"Crew","members":[]}`).want(200, `{"members":null,"externalId":null}`)
	d.send("POST", "/Groups", `{"schemas":["`+urnGroup+`"]}`).fault(400, "invalidValue")
	d.send("PUT", "/Groups/"+id, `{"schemas":["`+urnGroup+`"]}`).fault(400, "invalidValue")
	d.send("DELETE", "/Groups/"+id, "").want(204, "")
	d.send("GET", "/Groups/"+id, "").fault(404, "")
	d.send("PATCH", "/Groups/"+id, patch(`{"op":"remove","path":"members"}`)).fault(404, "")
	d.send("GET", "/Users/"+ann, "").want(200, `{"groups":null}`)
}
