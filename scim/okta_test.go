package scim

import "testing"

// TestOktaSpec is the order of requests of Okta's test of SCIM servers, "SPEC";
// its step about wrong tokens is the server's.
func TestOktaSpec(t *testing.T) {
	d := newDoor(t, Okta)
	d.bjensen()
	asOkta := []string{"Content-Type: application/json", "Accept: application/scim+json", "User-Agent: Okta SCIM Client 1.0.0"}

	first := d.send("GET", "/Users?count=1&startIndex=1", "", asOkta...).want(200,
		`{"schemas":["`+urnList+`"],"itemsPerPage":1,"startIndex":1,"totalResults":1}`).body["Resources"].([]any)[0].(map[string]any)
	for _, name := range []string{"id", "name", "userName", "active", "emails"} {
		if first[name] == nil {
			t.Fatal("no", name, "in", first)
		}
	}
	id := first["id"].(string)
	d.send("GET", "/Users/"+id, "", asOkta...).want(200, `{"id":"`+id+`","name":{"familyName":"Jensen","givenName":"Barbara"},
		"userName":"bjensen@example.com","active":true,"emails":[{"value":"babs@jensen.org"},{"value":"bjensen@example.com"}]}`)
	d.send("GET", `/Users?filter=userName+eq+%22nobody@example.com%22`, "", asOkta...).want(200, `{"schemas":["`+urnList+`"],"totalResults":0}`)
	d.send("GET", "/Users/010101001010101011001010101011", "", asOkta...).fault(404, "").want(404, `{"status":"404"}`)

	const name = "runscope300abc@atko.com"
	d.send("GET", `/Users?filter=userName+eq+%22`+name+`%22`, "", asOkta...).want(200, `{"totalResults":0}`)
	body := `{"schemas":["` + urnUser + `"],"userName":"` + name + `","name":{"givenName":"Run","familyName":"Scope"},
		"emails":[{"primary":true,"value":"` + name + `","type":"work"}],"displayName":"Run Scope","active":true}`
	made := d.send("POST", "/Users", body, asOkta...).want(201, `{"active":true,"name":{"familyName":"Scope","givenName":"Run"},
		"schemas":["`+urnUser+`"],"userName":"`+name+`"}`)
	if made.header.Get("Content-Type") != mediaSCIM || made.id() == "" {
		t.Fatal(made.header)
	}
	d.send("GET", "/Users/"+made.id(), "", asOkta...).want(200, `{"userName":"`+name+`","active":true}`)
	d.send("POST", "/Users", body, asOkta...).fault(409, "uniqueness")
	d.send("GET", `/Users?filter=userName+eq+%22RUNSCOPE300ABC@ATKO.COM%22`, "", asOkta...).want(200, `{"totalResults":1}`)
	d.send("GET", "/Groups", "", asOkta...).want(200, `{"totalResults":0,"Resources":[]}`)
}
