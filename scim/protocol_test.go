package scim

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/exeunt/exeunt/bridge"
)

// RFC 7644, section 3.12, and what comes before it can be applied.
func TestErrorsRFC7644_3_12(t *testing.T) {
	d := newDoor(t, Generic)
	id := d.bjensen()
	small := `{"schemas":["` + urnUser + `"],"userName":"x"}`
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		scimType                 string
	}{
		{"nothing there", "GET", "/Nothing", "", nil, 404, ""},
		{"deeper", "GET", "/Users/x/y", "", nil, 404, ""},
		{"case matters", "GET", "/users", "", nil, 404, ""},
		{"the star of a route", "GET", "/Users/*", "", nil, 404, ""},
		{"no such user", "GET", "/Users/x", "", nil, 404, ""},
		{"no such group", "GET", "/Groups/x", "", nil, 404, ""},
		{"escaped once", "GET", "/Users/100%2525", "", nil, 404, ""},
		{"method on users", "DELETE", "/Users", "", nil, 405, ""},
		{"method on a user", "POST", "/Users/" + id, small, nil, 405, ""},
		{"method on discovery", "POST", "/Schemas", "{}", nil, 405, ""},
		{"method on search", "GET", "/Users/.search", "", nil, 405, ""},
		{"media type", "POST", "/Users", small, []string{"Content-Type: text/plain"}, 415, ""},
		{"compressed", "POST", "/Users", small, []string{"Content-Encoding: gzip"}, 415, ""},
		{"too large", "POST", "/Users", `{"userName":"` + strings.Repeat("x", 16<<20) + `"}`, nil, 413, ""},
		{"too many operations", "PATCH", "/Users/" + id, patch(strings.Repeat(`{"op":"remove","path":"title"},`, 1000) + `{"op":"remove","path":"title"}`), nil, 413, ""},
		{"no body", "POST", "/Users", "", nil, 400, "invalidSyntax"},
		{"not an object", "POST", "/Users", "[]", nil, 400, "invalidSyntax"},
		{"twice", "POST", "/Users", `{"userName":"x","active":true,"Active":false}`, nil, 400, "invalidSyntax"},
		{"no name", "POST", "/Users", `{"schemas":["` + urnUser + `"]}`, nil, 400, "invalidValue"},
		{"an empty name", "POST", "/Users", `{"userName":""}`, nil, 400, "invalidValue"},
		{"a wrong value", "POST", "/Users", `{"userName":"x","active":"perhaps"}`, nil, 400, "invalidValue"},
		{"two primaries", "POST", "/Users", `{"userName":"x","emails":[{"value":"a","primary":true},{"value":"b","primary":true}]}`, nil, 400, "invalidValue"},
		{"taken", "POST", "/Users", strings.Replace(bjensen, "bjensen@example.com", "BJENSEN@example.com", 1), nil, 409, "uniqueness"},
		{"no number", "GET", "/Users?count=many", "", nil, 400, "invalidValue"},
		{"a broken filter", "GET", "/Users?filter=userName+eq+%zz", "", nil, 400, "invalidValue"},
		{"two filters", "GET", "/Users?filter=title+pr&filter=id+pr", "", nil, 400, "invalidValue"},
		{"a semicolon", "GET", "/Users?filter=title+pr;x", "", nil, 400, "invalidValue"},
		{"both", "GET", "/Users?attributes=id&excludedAttributes=name", "", nil, 400, "invalidValue"},
		{"not here: Me", "GET", "/Me", "", nil, 501, ""},
		{"filtered schemas", "GET", "/Schemas?filter=id+pr", "", nil, 403, ""},
		{"filtered types", "GET", "/ResourceTypes/User?filter=id+pr", "", nil, 403, ""},
		{"no such schema", "GET", "/Schemas/urn:x", "", nil, 404, ""},
		{"no such type", "GET", "/ResourceTypes/Me", "", nil, 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.t = t
			a := d.send(c.method, c.path, c.body, c.headers...).fault(c.status, c.scimType)
			if a.header.Get("Content-Type") != mediaSCIM || a.body["detail"] == nil {
				t.Fatal(a.header, a.raw)
			}
			if (a.header.Get("Allow") != "") != (c.status == 405) {
				t.Fatal(a.header)
			}
		})
	}
	d.t = t
	if allow := d.send("DELETE", "/Users", "").header.Get("Allow"); allow != "GET, POST" {
		t.Fatal(allow)
	}
	if len(d.people) != 1 || len(d.errors) != 0 {
		t.Fatal(d.people, d.errors)
	}
}

// broken is a directory whose every method fails.
type broken struct {
	*directory
	err error
}

func (b broken) See(context.Context, func(bridge.Sight) error) error { return b.err }

func TestKinds(t *testing.T) {
	secret := errors.New("sql: password=hunter2")
	for _, c := range []struct {
		err    error
		status int
		shown  bool
	}{
		{bridge.Errorf(bridge.KindInvalid, "shown"), 400, true},
		{bridge.Errorf(bridge.KindNotFound, "shown"), 404, true},
		{bridge.Errorf(bridge.KindConflict, "shown"), 409, true},
		{bridge.Errorf(bridge.KindStale, "shown"), 412, true},
		{bridge.Errorf(bridge.KindDenied, "shown"), 403, true},
		{bridge.Errorf(bridge.KindBusy, "shown"), 429, true},
		{secret, 500, false},
		{context.DeadlineExceeded, 503, false},
	} {
		d := newDoor(t, Generic)
		d.handler.(*handler).Reader = broken{d.directory, c.err}
		a := d.send("GET", "/Users/x", "").want(c.status, "")
		if strings.Contains(a.raw, "hunter2") || strings.Contains(a.raw, "shown") != c.shown || (len(d.errors) == 0) != c.shown {
			t.Errorf("%v: %s, reported %v", c.err, a.raw, d.errors)
		}
		if (a.header.Get("Retry-After") != "") != (c.status == 429) {
			t.Error(a.header)
		}
	}
	w := httptest.NewRecorder()
	WriteError(w, 401, "", "Say who you are.")
	if w.Code != 401 || !strings.Contains(w.Body.String(), `"status":"401"`) || w.Header().Get("Content-Type") != mediaSCIM {
		t.Fatal(w)
	}
	w = httptest.NewRecorder()
	newDoor(t, Generic).handler.ServeHTTP(w, httptest.NewRequest("GET", "/Users", nil))
	if w.Code != 403 {
		t.Fatal("served without a caller:", w)
	}
}

// RFC 7644, section 3.14.
func TestVersionsRFC7644_3_14(t *testing.T) {
	d := newDoor(t, Strict)
	for _, kind := range []struct{ path, body string }{
		{"/Users/" + d.user("ann"), `{"schemas":["` + urnUser + `"],"userName":"ann"}`},
		{"/Groups/" + d.newGroup("staff"), `{"schemas":["` + urnGroup + `"],"displayName":"staff"}`},
	} {
		a := d.send("GET", kind.path, "").want(200, `{"meta":{"version":"W/\"1\""}}`)
		if a.header.Get("ETag") != `W/"1"` {
			t.Fatal(a.header)
		}
		if a := d.send("GET", kind.path, "", `If-None-Match: W/"1"`).want(304, ""); a.raw != "" {
			t.Fatal(a.raw)
		}
		d.send("GET", kind.path, "", `If-None-Match: W/"2"`).want(200, "")
		rename := patch(`{"op":"add","path":"externalId","value":"e"}`)
		for _, h := range []string{`If-Match: W/"2"`, `If-None-Match: W/"1"`, `If-None-Match: *`} {
			d.send("PUT", kind.path, kind.body, h).fault(412, "")
			d.send("PATCH", kind.path, rename, h).fault(412, "")
			d.send("DELETE", kind.path, "", h).fault(412, "")
		}
		d.send("PATCH", kind.path, rename, `If-Match: "0", W/"1"`).want(200, `{"externalId":"e","meta":{"version":"W/\"2\""}}`)
		d.send("PUT", kind.path, kind.body, `If-Match: *`).want(200, `{"externalId":null,"meta":{"version":"W/\"3\""}}`)
		d.send("PUT", kind.path, kind.body).want(200, `{"meta":{"version":"W/\"3\""}}`)
		d.send("DELETE", kind.path, "", `If-Match: W/"3"`).want(204, "")
	}
}

// RFC 7644, sections 3.1 and 3.8.
func TestMediaTypes(t *testing.T) {
	d := newDoor(t, Generic)
	for i, c := range []struct{ content, accept, want string }{
		{"application/scim+json", "", mediaSCIM},
		{"application/json; charset=utf-8", "application/scim+json", mediaSCIM},
		{"", "*/*", mediaSCIM},
		{"Application/JSON", "application/json", mediaJSON},
		{"application/json", "application/json, application/scim+json", mediaSCIM},
	} {
		body := strings.Replace(bjensen, "bjensen@example.com", strings.Repeat("x", i+1), 1)
		a := d.send("POST", "/Users", body, "Content-Type: "+c.content, "Accept: "+c.accept).want(201, "")
		if got := a.header.Get("Content-Type"); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	if a := d.send("HEAD", "/Users/x", ""); a.status != 404 {
		t.Fatal(a.status)
	}
}

// RFC 7644, sections 3.4.2.5 and 3.9.
func TestProjectionRFC7644_3_9(t *testing.T) {
	d := newDoor(t, Strict)
	id := d.bjensen()
	d.newGroup("staff", id)
	always := `"schemas":["` + urnUser + `","` + ext + `"],"id":"` + id + `"`
	for query, want := range map[string]string{
		"attributes=userName":                                         `{` + always + `,"userName":"bjensen@example.com","name":null,"meta":null,"groups":null,"emails":null}`,
		"attributes=USERNAME,name.familyName":                         `{` + always + `,"userName":"bjensen@example.com","name":{"familyName":"Jensen","givenName":null}}`,
		"attributes=name.familyName&attributes=name":                  `{"name":{"familyName":"Jensen","givenName":"Barbara"}}`,
		"attributes=name,name.familyName":                             `{"name":{"familyName":"Jensen","givenName":"Barbara"}}`,
		"attributes=emails.value":                                     `{"emails":[{"value":"babs@jensen.org","type":null},{"value":"bjensen@example.com","primary":null}]}`,
		"attributes=nickName":                                         `{` + always + `,"userName":null}`,
		"attributes=nothing":                                          `{` + always + `,"userName":null}`,
		"attributes=password":                                         `{` + always + `,"password":null}`,
		"attributes=groups":                                           `{"groups":[{"display":"staff"}]}`,
		"attributes=groups.display":                                   `{"groups":[{"display":"staff","value":null}]}`,
		"attributes=meta.version":                                     `{"meta":{"version":"W/\"1\"","location":null}}`,
		"attributes=urn:ietf:params:scim:schemas:core:2.0:User:title": `{"title":"Tour Guide","userName":null}`,
		"attributes=" + ext + ":department":                           `{"` + ext + `":{"department":"Tours","manager":null},"userName":null}`,
		"attributes=" + ext + ":manager.value":                        `{"` + ext + `":{"department":null,"manager":{"value":"26118915"}}}`,
		"attributes=" + ext:                                           `{"` + ext + `":{"department":"Tours","manager":{"value":"26118915"}}}`,
		"excludedAttributes=emails,groups":                            `{` + always + `,"emails":null,"groups":null,"title":"Tour Guide","meta":{"version":"W/\"1\""}}`,
		"excludedAttributes=id,schemas":                               `{` + always + `,"title":"Tour Guide"}`,
		"excludedAttributes=emails.type,name.givenName":               `{"emails":[{"value":"babs@jensen.org","type":null},{"type":null}],"name":{"familyName":"Jensen","givenName":null},"groups":[{}]}`,
		"excludedAttributes=" + ext + ":manager":                      `{"` + ext + `":{"department":"Tours","manager":null}}`,
		"excludedAttributes=" + ext + ":manager.value":                `{"` + ext + `":{"department":"Tours","manager":null}}`,
		"excludedAttributes=nothing":                                  `{"groups":[{}],"emails":[{},{}]}`,
	} {
		d.send("GET", "/Users/"+id+"?"+query, "").want(200, want)
		d.send("GET", "/Users?"+query, "").want(200, `{"Resources":[`+want+`]}`)
		d.send("PATCH", "/Users/"+id+"?"+query, patch(`{"op":"replace","path":"active","value":true}`)).want(200, want)
		d.send("PUT", "/Users/"+id+"?"+query, bjensen).want(200, want)
	}
	d.send("POST", "/Users/.search", `{"schemas":["`+urnSearch+`"],"attributes":["userName"],"filter":"title pr","startIndex":1,"count":5}`).
		want(200, `{"totalResults":1,"Resources":[{`+always+`,"userName":"bjensen@example.com","title":null}]}`)
	d.send("POST", "/Groups/.search", `{"schemas":["`+urnSearch+`"],"excludedAttributes":["members"]}`).
		want(200, `{"totalResults":1,"Resources":[{"displayName":"staff","members":null}]}`)
	d.send("POST", "/Users/.search", `{}`).fault(400, "invalidSyntax")
}

// What is spliced together for those who want all of a resource is what others
// choose from.
func TestWholeAndPart(t *testing.T) {
	d := newDoor(t, Strict)
	id := d.bjensen()
	d.newGroup("staff", id)
	whole := d.send("GET", "/Users/"+id, "").want(200, "").raw
	part := d.send("GET", "/Users/"+id+"?excludedAttributes=name.middleName", "").want(200, "").raw
	var a, b any
	a, _ = decode([]byte(whole), Limits{}.orDefault())
	b, _ = decode([]byte(part), Limits{}.orDefault())
	if x, y := string(appendJSON(nil, a)), string(appendJSON(nil, b)); x != y {
		t.Fatalf("%s\n%s", x, y)
	}
}

// RFC 7644, section 3.4.2.4.
func TestPagingRFC7644_3_4_2_4(t *testing.T) {
	d := newDoor(t, Generic)
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		d.user(name)
	}
	for query, want := range map[string]string{
		"":                      `{"totalResults":5,"itemsPerPage":5,"startIndex":1,"schemas":["` + urnList + `"]}`,
		"startIndex=2&count=2":  `{"totalResults":5,"itemsPerPage":2,"startIndex":2,"Resources":[{"userName":"b"},{"userName":"c"}]}`,
		"startIndex=0&count=1":  `{"totalResults":5,"itemsPerPage":1,"startIndex":1,"Resources":[{"userName":"a"}]}`,
		"startIndex=-7&count=1": `{"totalResults":5,"itemsPerPage":1,"startIndex":1}`,
		"startIndex=5&count=10": `{"totalResults":5,"itemsPerPage":1,"startIndex":5,"Resources":[{"userName":"e"}]}`,
		"startIndex=6":          `{"totalResults":5,"itemsPerPage":0,"startIndex":6,"Resources":[]}`,
		"count=0":               `{"totalResults":5,"itemsPerPage":0,"Resources":[]}`,
		"count=-3":              `{"totalResults":5,"itemsPerPage":0,"Resources":[]}`,
		"count=100000":          `{"totalResults":5,"itemsPerPage":5}`,
		"filter=userName+gt+%22b%22&startIndex=2&count=1": `{"totalResults":3,"itemsPerPage":1,"startIndex":2,"Resources":[{"userName":"d"}]}`,
	} {
		d.send("GET", "/Users?"+query, "").want(200, want)
		d.send("GET", "/Users/?"+query, "").want(200, want)
	}
}

// RFC 7644, section 4.
func TestDiscoveryRFC7644_4(t *testing.T) {
	d := newDoor(t, Strict)
	d.send("GET", "/ServiceProviderConfig", "").want(200, `{"schemas":["`+urnProvider+`"],"patch":{"supported":true},
		"bulk":{"supported":true},"filter":{"supported":true,"maxResults":1000},"sort":{"supported":true},"etag":{"supported":true},
		"pagination":{"cursor":true,"index":true,"defaultPaginationMethod":"index","defaultPageSize":100,"maxPageSize":1000},
		"changePassword":{"supported":false},"authenticationSchemes":[{"type":"oauthbearertoken"}],
		"meta":{"resourceType":"ServiceProviderConfig","location":"https://exeunt.example/scim/v2/ServiceProviderConfig"}}`)
	d.send("GET", "/ResourceTypes", "").want(200, `{"totalResults":2,"Resources":[{"id":"User","endpoint":"/Users","schema":"`+urnUser+`",
		"schemaExtensions":[{"schema":"`+ext+`","required":false},{"schema":"`+urnDeparture+`","required":false}]},{"id":"Group","endpoint":"/Groups","schemaExtensions":null}]}`)
	d.send("GET", "/ResourceTypes/User", "").want(200, `{"id":"User","meta":{"location":"https://exeunt.example/scim/v2/ResourceTypes/User"}}`)
	d.send("GET", "/Schemas?startIndex=2&count=1", "").want(200, `{"totalResults":7,"itemsPerPage":7,"startIndex":1}`)
	for _, urn := range []string{urnUser, urnGroup, ext, urnDeparture, urnProvider, urnResourceType, urnSchema} {
		a := d.send("GET", "/Schemas/"+urn, "").want(200, `{"id":"`+urn+`","schemas":["`+urnSchema+`"],
			"meta":{"resourceType":"Schema","location":"https://exeunt.example/scim/v2/Schemas/`+urn+`"}}`)
		if strings.Contains(a.raw, `:""`) {
			t.Error("an empty string in the schema", urn)
		}
	}
	a := d.send("GET", "/Schemas/"+strings.ToLower(urnUser), "").want(200, "")
	first := a.body["attributes"].([]any)[0].(map[string]any)
	if first["name"] != "userName" || first["required"] != true || first["uniqueness"] != "server" || first["type"] != "string" {
		t.Fatal(first)
	}
}

// RFC 7643, section 2.2 and 7, on what is sent and kept.
func TestCleaning(t *testing.T) {
	d := newDoor(t, Strict)
	a := d.send("POST", "/Users", `{"SCHEMAS":["`+urnUser+`","urn:example:unknown"],"USERNAME":"x","nothing":1,"id":"mine","meta":{"version":"x"},
		"groups":[{"value":"g"}],"Name":{"FAMILYNAME":"F","nothing":1},"emails":[{"value":"a@b"},{"VALUE":"a@b"},{"value":"c@d","primary":true}],
		"ims":[],"title":null,"urn:example:unknown":{"a":1},"`+strings.ToUpper(ext)+`":{"Manager":{"value":"m","displayName":"read only"}}}`).
		want(201, `{"schemas":["`+urnUser+`","`+ext+`"],"userName":"x","active":true,"nothing":null,"groups":null,"name":{"familyName":"F","nothing":null},
		"emails":[{"value":"a@b"},{"value":"c@d","primary":true}],"ims":null,"title":null,"urn:example:unknown":null,
		"`+ext+`":{"manager":{"value":"m","displayName":null}},"meta":{"version":"W/\"1\""}}`)
	if a.id() == "mine" {
		t.Fatal("a client chose the id")
	}
	if p := d.people[0]; len(p.Emails) != 2 || p.Emails[0] != "c@d" {
		t.Fatal(p.Emails)
	}
	// A password is accepted and nowhere.
	d.send("POST", "/Users", bjensen).want(201, `{"password":null}`)
	for _, p := range d.people {
		if strings.Contains(string(p.Resource), "t1meMa") {
			t.Fatal("a password was kept")
		}
	}
	d.send("POST", "/Users", `{"userName":"y"}`).fault(400, "invalidSyntax") // no schemas, and strict
	d.send("PUT", "/Users/"+a.id(), `{"schemas":["`+urnUser+`"],"userName":"BJENSEN@example.com"}`).fault(409, "uniqueness")
}

func TestOwnURL(t *testing.T) {
	r := httptest.NewRequest("GET", "http://idp.example:8080/Users", nil)
	if u := ownURL(r); u != "http://idp.example:8080/scim/v2" {
		t.Fatal(u)
	}
	mux := http.NewServeMux()
	d := newDoor(t, Generic)
	mux.Handle(Mount+"/", http.StripPrefix(Mount, d.handler))
	r = httptest.NewRequest("GET", "/scim/v2/Users/%61", nil)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r.WithContext(bridge.WithCaller(r.Context(), bridge.Caller{Source: "idp"})))
	if w.Code != 404 || !strings.Contains(w.Body.String(), "user") {
		t.Fatal(w.Code, w.Body)
	}
}

// FuzzDoor: whatever comes in, the door neither panics nor fails by its own
// fault, and nobody leaves unless the answer says that it was done.
func FuzzDoor(f *testing.F) {
	for _, s := range []struct{ method, path, body string }{
		{"POST", "/Users", bjensen}, {"PUT", "/Users/$", bjensen}, {"DELETE", "/Users/$", ""},
		{"PATCH", "/Users/$", patch(`{"op":"Replace","path":"active","value":"False"}`)},
		{"PATCH", "/Users/$?attributes=emails.value", patch(`{"op":"replace","value":{"active":false}}`)},
		{"GET", "/Users?filter=emails%5Btype+eq+%22work%22%5D.value+eq+%22x%22&startIndex=2&count=1", ""},
		{"PATCH", "/Groups/#", patch(`{"op":"remove","path":"members[display co \"b\"]"},{"op":"add","value":{"members":[{"value":"$"}]}}`)},
		{"POST", "/Groups/.search", `{"filter":"members eq \"$\"","attributes":["members"]}`}, {"GET", "/Schemas/%00", ""},
		{"PUT", "/Groups/#", `{"displayName":"x","members":[{"value":"$"}],"externalId":null}`},
	} {
		f.Add(s.method, s.path, s.body)
	}
	f.Fuzz(func(t *testing.T, method, path, body string) {
		d := newDoor(t, Entra)
		id := d.bjensen()
		ids := strings.NewReplacer("$", id, "#", d.newGroup("staff", id))
		r, err := http.NewRequest(method, "https://exeunt.example"+ids.Replace(path), strings.NewReader(ids.Replace(body)))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		d.handler.ServeHTTP(w, r.WithContext(bridge.WithCaller(r.Context(), bridge.Caller{Source: "idp"})))
		if w.Code >= 500 && w.Code != 501 || len(d.errors) > 0 {
			t.Fatal(w, d.errors)
		}
		if len(d.left) > 0 && w.Code != 200 && w.Code != 204 {
			t.Fatal("left, but answered", w)
		}
		if w.Body.Len() > 0 {
			if _, err := decodeObject(w.Body.Bytes(), Limits{Depth: 64, Values: 1 << 20}); err != nil {
				t.Fatal(err, w.Body)
			}
		}
	})
}
