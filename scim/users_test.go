package scim

import (
	"fmt"
	"strings"
	"testing"
)

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

// What PUT makes of active: only what is said counts.
func TestActiveOnPut(t *testing.T) {
	for _, c := range []struct {
		active string
		status int
		left   int
	}{
		{``, 200, 0}, {`"active":null,`, 200, 0}, {`"active":true,`, 200, 0}, {`"active":"TRUE",`, 200, 0},
		{`"active":false,`, 200, 1}, {`"Active":"false",`, 200, 1}, {`"active":[false],`, 200, 1},
		{`"active":"",`, 400, 0}, {`"active":"no",`, 400, 0}, {`"active":0,`, 400, 0}, {`"active":{},`, 400, 0},
		{`"active":[],`, 400, 0}, {`"active":[false,true],`, 400, 0},
	} {
		d := newDoor(t, Generic)
		d.send("PUT", "/Users/"+d.user("ann"), `{`+c.active+`"userName":"ann"}`).want(c.status, "")
		if len(d.left) != c.left {
			t.Errorf("%s: left %v", c.active, d.left)
		}
	}
}

// A list cannot grow without end, by POST or bit by bit.
func TestMaxValues(t *testing.T) {
	d := newDoor(t, Strict)
	values := func(from, n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`{"value":"a%d@example.com"}`, from+i)
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	body := `{"schemas":["` + urnUser + `"],"userName":"x","emails":%s}`
	d.send("POST", "/Users", fmt.Sprintf(body, values(0, maxValues+1))).fault(400, "invalidValue")
	id := d.send("POST", "/Users", fmt.Sprintf(body, values(0, maxValues))).want(201, "").id()
	d.send("PATCH", "/Users/"+id, patch(`{"op":"add","path":"emails","value":`+values(maxValues, 1)+`}`)).fault(400, "invalidValue")
	d.send("PATCH", "/Users/"+id, patch(`{"op":"add","path":"emails","value":`+values(maxValues-1, 1)+`}`)).want(200, "")
}
