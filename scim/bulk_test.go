package scim

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// many is a Bulk of operations.
func many(operations string, more ...string) string {
	return `{"schemas":["` + urnBulkRequest + `"],` + strings.Join(more, "") + `"Operations":[` + operations + `]}`
}

func postUser(bulkID, name, more string) string {
	return fmt.Sprintf(`{"method":"POST","path":"/Users","bulkId":"%s","data":{"schemas":["%s"],"userName":"%s"%s}}`, bulkID, urnUser, name, more)
}

func postGroup(bulkID, name string, members ...string) string {
	for i, m := range members {
		members[i] = `{"value":"` + m + `"}`
	}
	return fmt.Sprintf(`{"method":"POST","path":"/Groups","bulkId":"%s","data":{"schemas":["%s"],"displayName":"%s","members":[%s]}}`,
		bulkID, urnGroup, name, strings.Join(members, ","))
}

func managedBy(id string) string {
	return `,"` + urnEnterprise + `":{"manager":{"value":"` + id + `"}}`
}

// statuses is what became of each operation.
func (a answer) statuses() (out []string) {
	a.t.Helper()
	for _, e := range a.body["Operations"].([]any) {
		e := e.(map[string]any)
		status := e["status"].(string)
		r, failed := e["response"].(map[string]any)
		if failed != (status >= "400") || failed && (r["status"] != status || r["detail"] == nil) {
			a.t.Errorf("the response does not go with the status: %v", e)
		}
		out = append(out, status)
	}
	return out
}

func (a answer) wantStatuses(want ...string) answer {
	a.t.Helper()
	a.want(200, `{"schemas":["`+urnBulkResponse+`"]}`)
	if got := a.statuses(); !slices.Equal(got, want) {
		a.t.Fatalf("%v, want %v: %s", got, want, a.raw)
	}
	return a
}

// made is the id of what the i-th operation made.
func (a answer) made(i int) string {
	location, _ := a.body["Operations"].([]any)[i].(map[string]any)["location"].(string)
	return location[strings.LastIndexByte(location, '/')+1:]
}

// Every method, on both kinds, and what is said of each (RFC 7644, section 3.7).
func TestBulkRFC7644_3_7(t *testing.T) {
	d := newDoor(t, Strict)
	kay := d.send("POST", "/Users", user("kay")).id()
	lee := d.send("POST", "/Users", user("lee")).id()
	staff := d.newGroup("staff", kay)
	base := "https://exeunt.example/scim/v2"
	a := d.send("POST", "/Bulk", many(postUser("new", "ann", "")+`,
		{"method":"PUT","path":"/Users/`+kay+`","version":"W/\"1\"","data":{"schemas":["`+urnUser+`"],"userName":"kay2"}},
		{"method":"PATCH","path":"/Users/`+lee+`","bulkId":"mine","data":`+patch(`{"op":"replace","path":"active","value":false}`)+`},
		{"method":"DELETE","path":"/Users/`+kay+`","version":"W/\"1\""},
		{"method":"PATCH","path":"/Groups/`+staff+`","data":`+patch(`{"op":"add","path":"members","value":[{"value":"bulkId:new"}]},{"op":"remove","path":"members[value eq \"`+kay+`\"]"}`)+`},
		{"method":"DELETE","path":"/Users/`+kay+`"},
		{"method":"POST","path":"/Groups","bulkId":"g","data":{"schemas":["`+urnGroup+`"],"displayName":"g","members":[{"value":"bulkId:new","$ref":"../Users/bulkId:new"}]}},
		{"method":"DELETE","path":"/Groups/`+staff+`","version":"W/\"7\""}`))
	a.wantStatuses("201", "200", "200", "412", "200", "204", "201", "412")
	ann, g := a.made(0), a.made(6)
	a.want(200, `{"Operations":[
		{"method":"POST","bulkId":"new","version":"W/\"1\"","location":"`+base+`/Users/`+ann+`","response":null},
		{"method":"PUT","bulkId":null,"version":"W/\"2\"","location":"`+base+`/Users/`+kay+`"},
		{"method":"PATCH","bulkId":"mine","version":"W/\"2\"","location":"`+base+`/Users/`+lee+`"},
		{"method":"DELETE","version":null,"location":"`+base+`/Users/`+kay+`","response":{"schemas":["`+urnError+`"],"status":"412"}},
		{"method":"PATCH","version":"W/\"2\"","location":"`+base+`/Groups/`+staff+`"},
		{"method":"DELETE","location":"`+base+`/Users/`+kay+`","response":null},
		{"method":"POST","bulkId":"g","location":"`+base+`/Groups/`+g+`"},
		{"method":"DELETE","location":"`+base+`/Groups/`+staff+`"}]}`)
	d.send("GET", "/Groups/"+staff, "").want(200, `{"members":[{"value":"`+ann+`"}]}`)
	d.send("GET", "/Groups/"+g, "").want(200, `{"members":[{"value":"`+ann+`"}]}`)
	d.send("GET", "/Users/"+kay, "").fault(404, "")
	if want := []string{"lee", "kay2"}; !slices.Equal(d.left, want) {
		t.Errorf("left: %q, want %q", d.left, want)
	}
}

// What is wrong with one operation is said of that one, and nothing else.
func TestBulkOneWrong(t *testing.T) {
	for _, tt := range []struct{ name, operation, status, scimType string }{
		{"no object", `17`, "400", "invalidSyntax"},
		{"null", `null`, "400", "invalidSyntax"},
		{"no method", `{"path":"/Users","data":{}}`, "400", "invalidValue"},
		{"GET", `{"method":"GET","path":"/Users/$"}`, "400", "invalidValue"},
		{"a number as a path", `{"method":"DELETE","path":1}`, "400", "invalidValue"},
		{"no path", `{"method":"DELETE"}`, "404", ""},
		{"a query", `{"method":"DELETE","path":"/Users/$?x=1"}`, "400", "invalidPath"},
		{"another host", `{"method":"DELETE","path":"https://evil.example/Users/$"}`, "404", ""},
		{"Bulk in Bulk", `{"method":"POST","path":"/Bulk","bulkId":"x","data":{}}`, "404", ""},
		{"a search", `{"method":"POST","path":"/Users/.search","bulkId":"x","data":{}}`, "405", ""},
		{"a collection", `{"method":"DELETE","path":"/Users"}`, "405", ""},
		{"a collection, slash", `{"method":"DELETE","path":"/Users/"}`, "405", ""},
		{"not a resource", `{"method":"DELETE","path":"/Schemas/x"}`, "404", ""},
		{"deeper", `{"method":"DELETE","path":"/Users/$/emails"}`, "404", ""},
		{"U+0000", `{"method":"DELETE","path":"/Users/%00"}`, "404", ""},
		{"nobody", `{"method":"DELETE","path":"/Users/nobody"}`, "404", ""},
		{"no data", `{"method":"POST","path":"/Users","bulkId":"x"}`, "400", "invalidSyntax"},
		{"data as a string", `{"method":"POST","path":"/Users","bulkId":"x","data":"{}"}`, "400", "invalidSyntax"},
		{"no schemas", `{"method":"POST","path":"/Users","bulkId":"x","data":{"userName":"x"}}`, "400", "invalidSyntax"},
		{"a POST without bulkId", `{"method":"POST","path":"/Users","data":{"schemas":["` + urnUser + `"],"userName":"x"}}`, "400", "invalidValue"},
		{"taken", postUser("x", "kay", ""), "409", "uniqueness"},
		{"another version", `{"method":"DELETE","path":"/Users/$","version":"W/\"9\""}`, "412", ""},
		{"invalid", `{"method":"PATCH","path":"/Users/$","data":` + patch(`{"op":"add","path":"nothing","value":1}`) + `}`, "400", "invalidPath"},
		{"unknown bulkId", postGroup("x", "x", "bulkId:nobody"), "400", "invalidValue"},
		{"unknown bulkId in the path", `{"method":"DELETE","path":"/Users/bulkId:nobody"}`, "400", "invalidValue"},
		{"a bulkId that creates nothing", postGroup("x", "x", "bulkId:patch"), "400", "invalidValue"},
		{"a member of another kind", postGroup("x", "x", "nobody"), "400", "invalidValue"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDoor(t, Strict)
			kay := d.send("POST", "/Users", user("kay")).id()
			operation := strings.ReplaceAll(tt.operation, "$", kay)
			a := d.send("POST", "/Bulk", many(postUser("1", "ann", "")+","+operation+","+postUser("2", "bob", "")+
				`,{"method":"PATCH","bulkId":"patch","path":"/Users/`+kay+`","data":`+patch(`{"op":"add","path":"title","value":"x"}`)+`}`))
			a.wantStatuses("201", tt.status, "201", "200")
			wrong := a.body["Operations"].([]any)[1].(map[string]any)
			if got, _ := wrong["response"].(map[string]any)["scimType"].(string); got != tt.scimType {
				t.Errorf("scimType %q, want %q", got, tt.scimType)
			}
			if _, ok := wrong["location"]; ok == (wrong["method"] == "POST") {
				t.Errorf("location: %v", wrong)
			}
			if len(d.people) != 3 || len(d.groups) != 0 {
				t.Error(len(d.people), len(d.groups))
			}
		})
	}
}

// What is wrong with the whole is refused before anything is done.
func TestBulkRefused(t *testing.T) {
	one := postUser("1", "ann", "")
	for _, tt := range []struct {
		name, body string
		status     int
		scimType   string
	}{
		{"no schema", `{"Operations":[` + one + `]}`, 400, "invalidSyntax"},
		{"no operations", `{"schemas":["` + urnBulkRequest + `"]}`, 400, "invalidSyntax"},
		{"operations that are no list", `{"schemas":["` + urnBulkRequest + `"],"Operations":` + one + `}`, 400, "invalidSyntax"},
		{"a bulkId twice", many(one + "," + postUser("1", "bob", "")), 400, "invalidValue"},
		{"failOnErrors -1", many(one, `"failOnErrors":-1,`), 400, "invalidValue"},
		{"failOnErrors 1.5", many(one, `"failOnErrors":1.5,`), 400, "invalidValue"},
		{"failOnErrors x", many(one, `"failOnErrors":"x",`), 400, "invalidValue"},
		{"too many operations", many(one + strings.Repeat(",{}", 1000)), 413, ""},
		{"far too many operations", many(one + strings.Repeat(",{}", 1_000_000)), 413, ""},
		{"too long", many(postUser("1", strings.Repeat("x", 16<<20), "")), 413, ""},
		{"not JSON", many(one + ","), 400, "invalidSyntax"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDoor(t, Strict)
			d.send("POST", "/Bulk", tt.body).fault(tt.status, tt.scimType)
			if d.writes != 0 {
				t.Error("something was done")
			}
		})
	}
	d := newDoor(t, Strict)
	for limit, body := range map[string]string{"1000": many(one + strings.Repeat(",{}", 1000)), "16777216": many(postUser("1", strings.Repeat("x", 16<<20), ""))} {
		if a := d.send("POST", "/Bulk", body); !strings.Contains(a.body["detail"].(string), limit) {
			t.Error("the limit is not named:", a.raw)
		}
	}
	d.send("POST", "/Bulk", many("")).wantStatuses()
	d.send("GET", "/Bulk", "").fault(405, "")
	d.send("GET", "/ServiceProviderConfig", "").want(200, `{"bulk":{"supported":true,"maxOperations":1000,"maxPayloadSize":16777216}}`)
}

func TestBulkFailOnErrors(t *testing.T) {
	wrong, x, y := `{"method":"DELETE","path":"/Users/nobody"}`, postUser("x", "x", ""), postUser("y", "y", "")
	for _, tt := range []struct {
		mayFail    string
		operations []string
		want       []string
	}{
		{"1", []string{wrong, x}, []string{"404"}},
		{"1", []string{x, wrong, y}, []string{"201", "404"}},
		{"2", []string{wrong, x, wrong, y}, []string{"404", "201", "404"}},
		{"2", []string{wrong, x, y}, []string{"404", "201", "201"}},
		{"null", []string{wrong, x, wrong, y}, []string{"404", "201", "404", "201"}},
		{"0", []string{wrong, x, wrong, y}, []string{"404", "201", "404", "201"}},
	} {
		d := newDoor(t, Strict)
		d.send("POST", "/Bulk", many(strings.Join(tt.operations, ","), `"failOnErrors":`+tt.mayFail+`,`)).wantStatuses(tt.want...)
		made := 0
		for _, s := range tt.want {
			if s == "201" {
				made++
			}
		}
		if len(d.people) != made {
			t.Errorf("%s %v: %d people", tt.mayFail, tt.want, len(d.people))
		}
	}
}

// References forwards, backwards, in circles, and to what failed (RFC 7644,
// sections 3.7.1 and 3.7.2).
func TestBulkReferences(t *testing.T) {
	failing := postUser("bad", "taken", "")
	for _, tt := range []struct {
		name       string
		operations []string
		want       []string
		groups     map[string]string // members, by name
		managers   map[string]string
	}{
		{"backwards", []string{postUser("a", "a", ""), postGroup("g", "g", "bulkId:a")}, []string{"201", "201"}, map[string]string{"g": "a"}, nil},
		{"forwards", []string{postGroup("g", "g", "bulkId:a"), postUser("a", "a", "")}, []string{"201", "201"}, map[string]string{"g": "a"}, nil},
		{"a chain forwards", []string{postGroup("g", "g", "bulkId:h"), postGroup("h", "h", "bulkId:i", "bulkId:a"), postGroup("i", "i"), postUser("a", "a", "")},
			[]string{"201", "201", "201", "201"}, map[string]string{"g": "h", "h": "i a", "i": ""}, nil},
		{"a manager", []string{postUser("a", "a", managedBy("bulkId:b")), postUser("b", "b", "")}, []string{"201", "201"}, nil, map[string]string{"a": "b"}},
		{"managers in a circle", []string{postUser("a", "a", managedBy("bulkId:b")), postUser("b", "b", managedBy("bulkId:c")), postUser("c", "c", managedBy("bulkId:a"))},
			[]string{"201", "201", "201"}, nil, map[string]string{"a": "b", "b": "c", "c": "a"}},
		{"one's own manager", []string{postUser("a", "a", managedBy("bulkId:a"))}, []string{"201"}, nil, map[string]string{"a": "a"}},
		{"groups in a circle", []string{postGroup("g", "g", "bulkId:h", "bulkId:a"), postGroup("h", "h", "bulkId:g"), postUser("a", "a", "")},
			[]string{"201", "201", "201"}, map[string]string{"g": "h a", "h": "g"}, nil},
		{"a path", []string{`{"method":"PATCH","path":"/Groups/bulkId:g","data":` + patch(`{"op":"remove","path":"members[value eq \"bulkId:a\"]"}`) + `}`,
			postGroup("g", "g", "bulkId:a", "bulkId:b"), postUser("a", "a", ""), postUser("b", "b", "")},
			[]string{"200", "201", "201", "201"}, map[string]string{"g": "b"}, nil},
		{"a path of another kind", []string{postUser("a", "a", ""), `{"method":"DELETE","path":"/Groups/bulkId:a"}`}, []string{"201", "404"}, nil, nil},
		{"to what failed", []string{failing, postGroup("g", "g", "bulkId:bad"), postGroup("h", "h", "bulkId:g"), postGroup("i", "i")},
			[]string{"409", "409", "409", "201"}, map[string]string{"i": ""}, nil},
		{"a circle of which one failed", []string{postUser("a", "a", managedBy("bulkId:bad")), postUser("bad", "taken", managedBy("bulkId:a"))},
			[]string{"409", "409"}, nil, nil},
		{"a circle that cannot be", []string{postUser("a", "bulkId:b", ""), postUser("b", "bulkId:a", "")}, []string{"409", "409"}, nil, nil},
	} {
		for _, dialect := range []Dialect{Strict, Entra} {
			t.Run(tt.name+" "+string(dialect), func(t *testing.T) {
				d := newDoor(t, dialect)
				d.send("POST", "/Users", user("taken")).want(201, "")
				a := d.send("POST", "/Bulk", many(strings.Join(tt.operations, ","))).wantStatuses(tt.want...)
				names := map[string]string{}
				for _, p := range d.people {
					names[p.ID] = p.UserName
				}
				for _, g := range d.groups {
					names[g.ID] = g.DisplayName
				}
				got := map[string]string{}
				for _, g := range d.groups {
					var in []string
					for _, id := range d.members[g.ID] {
						in = append(in, names[id])
					}
					got[g.DisplayName] = strings.Join(in, " ")
				}
				for name, members := range tt.groups {
					if g, ok := got[name]; !ok || !sameWords(g, members) {
						t.Errorf("%s: %q, want %q", name, g, members)
					}
				}
				if len(got) != len(tt.groups) {
					t.Errorf("groups %v", got)
				}
				for _, p := range d.people {
					res, err := decodeStored(p.Resource)
					if err != nil {
						t.Fatal(err)
					}
					e, _ := res[urnEnterprise].(map[string]any)
					m, _ := e["manager"].(map[string]any)
					id, _ := m["value"].(string)
					if names[id] != tt.managers[p.UserName] {
						t.Errorf("%s is managed by %q, want %q", p.UserName, id, tt.managers[p.UserName])
					}
				}
				for i, status := range tt.want {
					if status == "201" {
						if version, now := a.body["Operations"].([]any)[i].(map[string]any)["version"], d.versionOf(a.made(i)); strings.Contains(tt.name, "circle") && version != now {
							t.Errorf("version %v, it is %v", version, now)
						}
					}
				}
				if len(d.left) > 0 {
					t.Error("left:", d.left)
				}
			})
		}
	}
}

func sameWords(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

func (d *door) versionOf(id string) string {
	for _, p := range d.people {
		if p.ID == id {
			return etag(p.Version)
		}
	}
	for _, g := range d.groups {
		if g.ID == id {
			return etag(g.Version)
		}
	}
	return ""
}

// One of a circle failed after the other was made: it is said that it exists.
func TestBulkHalfACircle(t *testing.T) {
	d := newDoor(t, Strict)
	d.send("POST", "/Users", user("taken"))
	a := d.send("POST", "/Bulk", many(postUser("a", "a", managedBy("bulkId:b"))+","+postUser("b", "taken", managedBy("bulkId:a")))).wantStatuses("409", "409")
	d.send("GET", "/Users/"+a.made(0), "").want(200, `{"userName":"a","`+urnEnterprise+`":null}`)
}

// meddling is a directory in which somebody else changes whoever was there as
// soon as somebody new comes.
type meddling struct{ *directory }

func (x meddling) AddPerson(ctx context.Context, p bridge.Person) (bridge.Person, error) {
	p, err := x.directory.AddPerson(ctx, p)
	for i := range x.people[:len(x.people)-1] {
		x.people[i].Version, x.people[i].DisplayName = x.people[i].Version+1, "theirs"
	}
	return p, err
}

// Completing one of a circle does not undo what others did to it meanwhile.
func TestBulkCircleMeddledWith(t *testing.T) {
	d := newDoor(t, Strict)
	d.handler.(*handler).People = meddling{d.directory}
	d.send("POST", "/Bulk", many(postUser("a", "a", managedBy("bulkId:b"))+","+postUser("b", "b", managedBy("bulkId:a")))).wantStatuses("412", "201")
	if d.people[0].DisplayName != "theirs" {
		t.Error(d.people[0])
	}
}

// The data of an operation may be as deep as a request of its own, and no deeper.
func TestBulkDepth(t *testing.T) {
	d := newDoor(t, Strict)
	deep := func(n int) string { return `,"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) }
	d.send("POST", "/Users", strings.Replace(user("a"), "}", deep(31)+"}", 1)).want(201, "")
	d.send("POST", "/Users", strings.Replace(user("b"), "}", deep(32)+"}", 1)).fault(400, "invalidSyntax")
	d.send("POST", "/Bulk", many(postUser("c", "c", deep(31)))).wantStatuses("201")
	d.send("POST", "/Bulk", many(postUser("d", "d", deep(32)))).fault(400, "invalidSyntax")
}

// A bulkId may stand twice where the dialect allows it, but not be referred to.
func TestBulkIDTwice(t *testing.T) {
	d := newDoor(t, Entra)
	d.send("POST", "/Bulk", many(postUser("a", "a", "")+","+postUser("a", "b", "")+","+postGroup("g", "g", "bulkId:a")+","+postUser("", "c", ""))).
		wantStatuses("201", "201", "400", "201")
}

// Each operation counts against the source's rate; if it is used up, nothing is done.
func TestBulkIsCharged(t *testing.T) {
	d := newDoor(t, Strict)
	asked, wait := 0, time.Duration(0)
	d.handler.(*handler).Charge = func(_ context.Context, n int) time.Duration { asked = n; return wait }
	three := many(postUser("a", "a", "") + "," + postUser("b", "b", "") + "," + postUser("c", "c", ""))
	wait = 1500 * time.Millisecond
	a := d.send("POST", "/Bulk", three)
	if a.fault(429, ""); a.header.Get("Retry-After") != "2" || asked != 2 || d.writes != 0 {
		t.Error(a.header, asked, d.writes)
	}
	wait = 0
	d.send("POST", "/Bulk", three).wantStatuses("201", "201", "201")
}

// quitting is a directory whose second user is never asked for: the client has
// gone by then.
type quitting struct {
	*directory
	quit context.CancelFunc
}

func (x quitting) AddPerson(ctx context.Context, p bridge.Person) (bridge.Person, error) {
	defer x.quit()
	return x.directory.AddPerson(ctx, p)
}

// When the client is gone, the rest is not done.
func TestBulkGivenUp(t *testing.T) {
	ctx, quit := context.WithCancel(bridge.WithCaller(t.Context(), bridge.Caller{Source: "idp"}))
	x, reports := quitting{newDirectory(), quit}, 0
	h := New(Options{People: x, Groups: x, Reader: x, Report: func(_ *http.Request, err error) { reports++ }})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/Bulk", strings.NewReader(many(postUser("a", "a", "")+","+postUser("b", "b", "")+","+postUser("c", "c", "")))).WithContext(ctx))
	if len(x.people) != 1 || strings.Count(w.Body.String(), `"status":"503"`) != 4 || reports != 1 {
		t.Error(len(x.people), reports, w.Body)
	}
}

func user(name string) string {
	return `{"schemas":["` + urnUser + `"],"userName":"` + name + `"}`
}
