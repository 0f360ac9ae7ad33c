package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	urnUser  = "urn:ietf:params:scim:schemas:core:2.0:User"
	urnList  = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	urnError = "urn:ietf:params:scim:api:messages:2.0:Error"
)

// okta speaks to exeunt as Okta does.
type okta struct {
	*product
	token string
}

func newOkta(t *testing.T) okta {
	p := newProduct(t, "sources:\n  hr: {token: file:hr-token, dialect: okta}\n", nil)
	p.start()
	return okta{p, hrToken}
}

// send sends a request, demands a status, and returns the answer and how long
// it took.
func (o okta) send(method, path, body string, status int) (any, time.Duration) {
	o.t.Helper()
	begin := time.Now()
	got, raw, err := call(method, o.url+"/scim/v2"+path, o.token, body,
		"Content-Type: application/json", "Accept: application/scim+json", "User-Agent: Okta SCIM Client 1.0.0")
	took := time.Since(begin)
	if err != nil || got != status {
		o.t.Fatalf("%s %s: %d, want %d: %s %v", method, path, got, status, raw, err)
	}
	var answer any
	if err := json.Unmarshal(raw, &answer); err != nil {
		o.t.Fatalf("%s %s: %v in %s", method, path, err, raw)
	}
	return answer, took
}

// demand fails unless every value in an answer is as wanted: by a path such as
// Resources.0.name.familyName; nil for any value but none and an empty one.
func (o okta) demand(answer any, want map[string]any) {
	o.t.Helper()
	for path, want := range want {
		got := answer
		for _, step := range strings.Split(path, ".") {
			switch in := got.(type) {
			case map[string]any:
				got = in[step]
			case []any:
				got = nil
				for i, e := range in {
					if fmt.Sprint(i) == step {
						got = e
					}
				}
			default:
				got = nil
			}
		}
		if want == nil && (got == nil || got == "") || want != nil && got != want {
			o.t.Fatalf("%s is %v, want %v, in %v", path, got, want, answer)
		}
	}
}

func byName(name string) string {
	return "/Users?filter=" + url.QueryEscape(`userName eq "`+name+`"`)
}

// TestOktaSpec is Okta's test "SPEC" of a SCIM server, which every integration
// in its network has to pass: twelve requests, in its order.
func TestOktaSpec(t *testing.T) {
	o := newOkta(t)
	o.hire(`{"schemas":["` + urnUser + `"],"userName":"first@example.com","name":{"givenName":"First","familyName":"User"},
		"emails":[{"primary":true,"value":"first@example.com","type":"work"}],"active":true}`)
	const name, nowhere = "Runscope300Abc@Atko.com", "/Users/010101001010101011001010101011"
	created := `{"schemas":["` + urnUser + `"],"userName":"` + name + `","name":{"givenName":"Runscope300","familyName":"Abc"},
		"emails":[{"primary":true,"value":"` + name + `","type":"work"}],"displayName":"Runscope300 Abc","active":true}`

	list, _ := o.send("GET", "/Users?count=1&startIndex=1", "", http.StatusOK)
	o.demand(list, map[string]any{"schemas.0": urnList, "itemsPerPage": 1.0, "startIndex": 1.0, "totalResults": 1.0, "Resources.0.id": nil,
		"Resources.0.name.familyName": nil, "Resources.0.name.givenName": nil, "Resources.0.userName": nil, "Resources.0.active": nil,
		"Resources.0.emails.0.value": nil})
	id := list.(map[string]any)["Resources"].([]any)[0].(map[string]any)["id"].(string)

	one, _ := o.send("GET", "/Users/"+id, "", http.StatusOK)
	o.demand(one, map[string]any{"id": id, "name.familyName": "User", "name.givenName": "First", "userName": "first@example.com", "active": true,
		"emails.0.value": "first@example.com"})

	none, _ := o.send("GET", byName("abcdefgh@atko.com"), "", http.StatusOK)
	o.demand(none, map[string]any{"schemas.0": urnList, "totalResults": 0.0})

	missing, _ := o.send("GET", nowhere, "", http.StatusNotFound)
	o.demand(missing, map[string]any{"detail": nil, "schemas.0": urnError})

	none, _ = o.send("GET", byName(name), "", http.StatusOK)
	o.demand(none, map[string]any{"schemas.0": urnList, "totalResults": 0.0})

	made, _ := o.send("POST", "/Users", created, http.StatusCreated)
	o.demand(made, map[string]any{"active": true, "id": nil, "name.familyName": "Abc", "name.givenName": "Runscope300", "schemas.0": urnUser, "userName": name})

	read, _ := o.send("GET", "/Users/"+made.(map[string]any)["id"].(string), "", http.StatusOK)
	o.demand(read, map[string]any{"userName": name, "name.familyName": "Abc", "name.givenName": "Runscope300"})

	again, _ := o.send("POST", "/Users", created, http.StatusConflict)
	o.demand(again, map[string]any{"detail": nil, "schemas.0": urnError, "status": "409", "scimType": "uniqueness"})

	capitals, _ := o.send("GET", byName(strings.ToUpper(name)), "", http.StatusOK)
	o.demand(capitals, map[string]any{"totalResults": 1.0, "Resources.0.userName": name})

	groups, took := o.send("GET", "/Groups", "", http.StatusOK)
	o.demand(groups, map[string]any{"schemas.0": urnList, "totalResults": 0.0})
	if took > 600*time.Millisecond {
		t.Errorf("GET /Groups took %v; Okta waits 600 ms", took)
	}

	stranger := o
	stranger.token = "not-our-token-0123456789abcdef01234"
	refused, _ := stranger.send("GET", "/Users?startIndex=1&count=1", "", http.StatusUnauthorized)
	o.demand(refused, map[string]any{"detail": nil, "status": "401", "schemas.0": urnError})

	missing, _ = o.send("GET", nowhere, "", http.StatusNotFound)
	o.demand(missing, map[string]any{"detail": nil, "status": "404", "schemas.0": urnError})
}

// TestOktaCRUD is what Okta's test "CRUD" has an administrator click, as the
// requests that come of it, in both ways in which integrations update: after
// each, the server's own word on active, and whether it took it for a departure.
func TestOktaCRUD(t *testing.T) {
	patch := func(value string) (string, string) {
		return http.MethodPatch, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":` + value + `}]}`
	}
	whole := func(given string, active bool) (string, string) {
		return http.MethodPut, fmt.Sprintf(`{"schemas":[%q],"id":"%%s","userName":"crud@example.com","name":{"givenName":%q,"familyName":"Tester"},
			"emails":[{"primary":true,"value":"crud@example.com","type":"work"}],"active":%t,"groups":[],"meta":{"resourceType":"User"}}`, urnUser, given, active)
	}
	for _, way := range []string{"PATCH", "PUT"} {
		t.Run(way, func(t *testing.T) {
			o := newOkta(t)
			none, _ := o.send("GET", byName("crud@example.com"), "", http.StatusOK)
			o.demand(none, map[string]any{"totalResults": 0.0})
			_, resource := whole("Crud", true)
			made, _ := o.send("POST", "/Users", strings.Replace(resource, `"id":"%s",`, `"password":"Sw0rdfish!",`, 1), http.StatusCreated)
			id := made.(map[string]any)["id"].(string)
			for _, step := range []struct {
				what   string
				value  string // of PATCH
				given  string
				active bool
				left   int // departures up to then
			}{
				{"assigned", `{"active":true}`, "Crud", true, 0},
				{"renamed", `{"name":{"givenName":"Changed"}}`, "Changed", true, 0},
				{"pushed again", `{"name":{"givenName":"Changed"}}`, "Changed", true, 0},
				{"deactivated", `{"active":false}`, "Changed", false, 1},
				{"reactivated", `{"active":true}`, "Changed", true, 1},
				{"unassigned", `{"active":false}`, "Changed", false, 2},
			} {
				method, body := patch(step.value)
				if way == "PUT" {
					method, body = whole(step.given, step.active)
					body = fmt.Sprintf(body, id)
				}
				o.send(method, "/Users/"+id, body, http.StatusOK)
				got, _ := o.send("GET", "/Users/"+id, "", http.StatusOK)
				o.demand(got, map[string]any{"id": id, "active": step.active, "name.givenName": step.given, "name.familyName": "Tester", "emails.0.value": "crud@example.com"})
				if n := len(o.cases()); n != step.left {
					t.Fatalf("%s: %d departures, want %d", step.what, n, step.left)
				}
			}
		})
	}
}
