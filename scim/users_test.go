package scim

import "testing"

const bjensen = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
	"externalId":"701984","userName":"bjensen@example.com","name":{"familyName":"Jensen","givenName":"Barbara"},
	"displayName":"Babs Jensen","title":"Tour Guide","password":"t1meMa$heen","active":true,
	"emails":[{"value":"babs@jensen.org","type":"home"},{"value":"bjensen@example.com","type":"work","primary":true}],
	"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"701984","department":"Tours",
	"manager":{"value":"26118915","displayName":"John Smith"}}}`

func (d *door) bjensen() string {
	d.t.Helper()
	return d.send("POST", "/Users", bjensen).want(201, "").id()
}

func patch(ops string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + ops + `]}`
}

func TestUserLife(t *testing.T) {
	d := newDoor(t, Strict)
	a := d.send("POST", "/Users", bjensen).want(201, `{"userName":"bjensen@example.com","active":true,"password":null,
		"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
		"meta":{"resourceType":"User","version":"W/\"1\"","created":"2026-11-01T08:00:01.123456Z"}}`)
	id := a.id()
	if at := "https://exeunt.example/scim/v2/Users/" + id; a.header.Get("Location") != at || a.body["meta"].(map[string]any)["location"] != at {
		t.Fatalf("location: %s %s", a.header.Get("Location"), a.raw)
	}
	if a.header.Get("Content-Type") != "application/scim+json" || a.header.Get("ETag") != `W/"1"` {
		t.Fatal(a.header)
	}
	p := d.people[0]
	if p.UserName != "bjensen@example.com" || p.ExternalID != "701984" || p.DisplayName != "Babs Jensen" || !p.Active ||
		len(p.Emails) != 2 || p.Emails[0] != "bjensen@example.com" {
		t.Fatalf("%+v", p)
	}
	d.send("GET", "/Users/"+id, "").want(200, `{"id":"`+id+`","userName":"bjensen@example.com",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"}}`)
	d.send("PATCH", "/Users/"+id, patch(`{"op":"replace","path":"active","value":false}`)).
		want(200, `{"active":false,"meta":{"version":"W/\"2\""}}`)
	if len(d.left) != 1 {
		t.Fatal("nobody left")
	}
	d.send("GET", "/Users?filter=userName+eq+%22BJENSEN@example.com%22", "").
		want(200, `{"totalResults":1,"itemsPerPage":1,"startIndex":1,"Resources":[{"id":"`+id+`","active":false}]}`)
	d.send("PUT", "/Users/"+id, bjensen).want(200, `{"active":true}`)
	d.send("DELETE", "/Users/"+id, "").want(204, "")
	for _, method := range []string{"GET", "DELETE"} {
		d.send(method, "/Users/"+id, "").fault(404, "")
	}
	d.send("PATCH", "/Users/"+id, patch(`{"op":"replace","path":"active","value":false}`)).fault(404, "")
	d.send("PUT", "/Users/"+id, bjensen).fault(404, "")
	d.send("GET", "/Users", "").want(200, `{"totalResults":0,"Resources":[]}`)
	d.send("POST", "/Users", bjensen).want(201, "")
}
