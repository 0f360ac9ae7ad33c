package scim

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/exeunt/exeunt/bridge"
)

// What is meant to be expensive is refused, and costs little more than having
// been received.
func TestHostileBodiesAreCheap(t *testing.T) {
	const million = 1_000_000
	search := func(filter string) string {
		quoted, _ := json.Marshal(filter)
		return `{"schemas":["` + urnSearch + `"],"filter":` + string(quoted) + `}`
	}
	whole := func(more string) string {
		return `{"schemas":["` + urnUser + `"],"userName":"x",` + more + `}`
	}
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		scimType                 string
		times                    int // the body's length, that it may cost
	}{
		{"parentheses", "POST", "/Users", strings.Repeat("(", million), 400, "invalidSyntax", 1},
		{"brackets", "POST", "/Users", strings.Repeat("[", million), 400, "invalidSyntax", 1},
		{"closed brackets", "POST", "/Users", strings.Repeat("[", million) + strings.Repeat("]", million), 400, "invalidSyntax", 1},
		{"nested objects", "POST", "/Users", strings.Repeat(`{"a":`, million), 400, "invalidSyntax", 1},
		{"brackets in a Bulk", "POST", "/Bulk", many(`{"data":` + strings.Repeat("[", million)), 400, "invalidSyntax", 1},
		{"a filter of parentheses", "POST", "/Users/.search", search(strings.Repeat("(", million)), 400, "invalidFilter", 2},
		{"a filter of 8 KiB", "POST", "/Users/.search", search(strings.Repeat("(", 8<<10)), 400, "invalidFilter", 4},
		{"a filter of many terms", "POST", "/Users/.search", search(strings.Repeat("id pr or ", 900) + "id pr"), 400, "invalidFilter", 10},
		{"a path of parentheses", "PATCH", "/Users/$", patch(`{"op":"remove","path":"emails[` + strings.Repeat("(", million) + `"}`), 400, "invalidPath", 2},
		{"a long list", "POST", "/Users", whole(`"emails":[` + strings.Repeat("1,", million) + `1]`), 413, "", 30},
		{"a list of objects", "POST", "/Users", whole(`"emails":[` + strings.Repeat(`{"value":"a"},`, 200_000) + `{}]`), 400, "invalidValue", 50},
		{"many attributes of no schema", "POST", "/Users", whole(`"x":[` + strings.Repeat("[],", million) + `1]`), 413, "", 30},
		{"a long string", "POST", "/Users", whole(`"title":"` + strings.Repeat("x", 15<<20) + `"`), 400, "invalidValue", 6},
		{"a long string of escapes", "POST", "/Users", whole(`"title":"` + strings.Repeat(`\n`, 7<<20) + `"`), 400, "invalidValue", 10},
		{"a long name of a group", "POST", "/Groups", `{"schemas":["` + urnGroup + `"],"displayName":"` + strings.Repeat("x", 15<<20) + `"}`, 400, "invalidValue", 6},
		{"operations of a PATCH", "PATCH", "/Users/$", patch(strings.Repeat("{},", 400_000) + "{}"), 413, "", 50},
		{"operations of a Bulk", "POST", "/Bulk", many(strings.Repeat("{},", million) + "{}"), 413, "", 50},
		{"references of a Bulk", "POST", "/Bulk", many(postGroup("a", "a", strings.Split(strings.TrimSuffix(strings.Repeat("bulkId:x ", 200_000), " "), " ")...)), 200, "", 50},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDoor(t, Strict)
			d.handler.(*handler).Report = func(_ *http.Request, err error) { t.Error(err) }
			path := strings.Replace(tt.path, "$", d.bjensen(), 1)
			r := httptest.NewRequest(tt.method, path, strings.NewReader(tt.body))
			r = r.WithContext(bridge.WithCaller(r.Context(), bridge.Caller{Source: "idp"}))
			writes := d.writes
			w := httptest.NewRecorder()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			d.handler.ServeHTTP(w, r)
			runtime.ReadMemStats(&after)
			a := answer{t: t, status: w.Code, raw: w.Body.String()}
			if err := json.Unmarshal(w.Body.Bytes(), &a.body); err != nil || len(a.raw) > 1000 {
				t.Fatal(err, a.raw)
			}
			if tt.status != 200 {
				a.fault(tt.status, tt.scimType)
			}
			if d.writes != writes {
				t.Error("something was stored")
			}
			cost, allowed := after.TotalAlloc-before.TotalAlloc, uint64(tt.times*len(tt.body)+64<<10)
			t.Logf("%d bytes cost %d", len(tt.body), cost)
			if cost > allowed {
				t.Errorf("%d bytes cost %d, more than %d", len(tt.body), cost, allowed)
			}
		})
	}
}

// A group of 50,000 can be sent as clients spell it, with the limits as they
// are.
func TestGroupOfFiftyThousand(t *testing.T) {
	var members strings.Builder
	for i := range 50_000 {
		if i > 0 {
			members.WriteByte(',')
		}
		members.WriteString(`{"value":"6b86b273-ff34-4fce-9d19-6b804eff5a3f","display":"Barbara Jensen","type":"User","$ref":"https://exeunt.example/scim/v2/Users/6b86b273-ff34-4fce-9d19-6b804eff5a3f"}`)
	}
	body := `{"schemas":["` + urnGroup + `"],"displayName":"everybody","members":[` + members.String() + `]}`
	d := newDoor(t, Strict)
	// All are one member, whom nobody knows: that is what it is refused for.
	a := d.send("POST", "/Groups", body).fault(400, "invalidValue")
	if !strings.Contains(a.raw, "no such user or group") {
		t.Error(a.raw)
	}
}

// What was stored is never answered as if it were refused, however much belongs
// to it.
func TestTooManyToAnswer(t *testing.T) {
	d := newDoor(t, Generic)
	d.handler.(*handler).Limits.Members = 2
	ids := []string{d.user("ann"), d.user("ben"), d.user("cyd")}
	all := `"members":[{"value":"` + strings.Join(ids, `"},{"value":"`) + `"}]`
	made := d.send("POST", "/Groups", `{"displayName":"crew",`+all+`}`).want(201, "")
	path := strings.TrimPrefix(made.header.Get("Location"), "https://exeunt.example/scim/v2")
	if made.raw != "" || made.header.Get("ETag") != `W/"1"` || len(d.groups) != 1 || path != "/Groups/"+d.groups[0].ID {
		t.Error(made.raw, made.header)
	}
	d.send("PUT", path, `{"displayName":"staff",`+all+`}`).want(204, "")
	a := d.send("PATCH", path+"?attributes=members", patch(`{"op":"replace","path":"displayName","value":"all"}`)).want(204, "")
	if a.header.Get("ETag") != `W/"3"` || d.groups[0].DisplayName != "all" || len(d.members[d.groups[0].ID]) != 3 {
		t.Error(a.header, d.groups[0])
	}
	d.send("GET", path, "").fault(400, "tooMany")
	d.send("GET", path+"?excludedAttributes=members", "").want(200, "")
}

// However many groups people are in, through whichever others: one answer has a
// bounded number of them, and a departure is not kept from happening.
func TestTooManyGroups(t *testing.T) {
	onBoth(t, func(t *testing.T, d *door) {
		d.handler.(*handler).Limits.Members = 5
		ann, ben := d.user("ann"), d.user("ben")
		in := `{"value":"` + ann + `"},{"value":"` + ben + `"}`
		for range 3 {
			in = `{"value":"` + d.send("POST", "/Groups?attributes=id", `{"displayName":"g","members":[`+in+`]}`).want(201, "").id() + `"}`
		}
		d.send("GET", "/Users/"+ann, "").want(200, "")
		d.send("GET", "/Users", "").fault(400, "tooMany")
		d.send("GET", "/Users?filter=groups.display+eq+%22x%22", "").fault(400, "tooMany")
		d.send("GET", "/Users?excludedAttributes=groups", "").want(200, `{"totalResults":2}`)
		d.handler.(*handler).Limits.Members = 2
		d.send("PATCH", "/Users/"+ann, patch(`{"op":"replace","path":"active","value":false}`)).want(204, "")
		d.send("PUT", "/Users/"+ben, `{"userName":"ben","active":false}`).want(204, "")
		d.send("GET", "/Users?attributes=active&filter=active+eq+false", "").want(200, `{"totalResults":2}`)
	})
}
