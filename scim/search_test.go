package scim

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/exeunt/exeunt/bridge"
)

// crew is a door with people and groups of every sort: see the table.
func crew(t testing.TB) (d *door, ids map[string]string) {
	d, ids = newDoor(t, Generic), map[string]string{}
	for _, u := range []struct{ name, rest string }{
		{"Dora", `"title":"b","emails":[{"value":"z@x","type":"home"},{"value":"a@x","primary":true}]`},
		{"abe", `"name":{"familyName":"Öl"},"title":"B2","emails":[{"value":"m@x"}]`},
		{"Cy", `"active":false,"name":{"familyName":"oak"},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"7"}`},
		{"bea", `"title":"a","active":false,"name":{"familyName":"Zed"}`},
	} {
		ids[u.name] = d.send("POST", "/Users", `{"userName":"`+u.name+`",`+u.rest+`}`).want(201, "").id()
	}
	for _, g := range []struct{ name, members string }{
		{"Inner", `{"value":"` + ids["abe"] + `"},{"value":"` + ids["Cy"] + `"}`},
		{"Outer", `{"value":"$Inner"},{"value":"` + ids["bea"] + `"},{"value":"` + ids["Cy"] + `"}`},
		{"alone", ``},
	} {
		members := strings.ReplaceAll(g.members, "$Inner", ids["Inner"])
		ids[g.name] = d.send("POST", "/Groups", `{"displayName":"`+g.name+`","members":[`+members+`]}`).want(201, "").id()
	}
	return d, ids
}

// found are the names of the resources in a list, and how many there are said to be.
func (a answer) found() string {
	a.want(200, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"]}`)
	var names []string
	list, _ := a.body["Resources"].([]any)
	for _, e := range list {
		m := e.(map[string]any)
		name, _ := m["userName"].(string)
		if name == "" {
			name, _ = m["displayName"].(string)
		}
		names = append(names, name)
	}
	return fmt.Sprintf("%s of %v", strings.Join(names, " "), a.body["totalResults"])
}

func TestSortRFC7644_3_4_2_3(t *testing.T) {
	d, _ := crew(t)
	for query, want := range map[string]string{
		"/Users?":                                         "Dora abe Cy bea of 4", // by creation
		"/Users?sortOrder=descending":                     "Dora abe Cy bea of 4", // of nothing
		"/Users?sortBy=userName":                          "abe bea Cy Dora of 4", // regardless of case
		"/Users?sortBy=username&sortOrder=Descending":     "Dora Cy bea abe of 4",
		"/Users?sortBy=userName&startIndex=2&count=2":     "bea Cy of 4",
		"/Users?sortBy=title":                             "bea Dora abe Cy of 4", // none comes last
		"/Users?sortBy=title&sortOrder=descending":        "Cy abe Dora bea of 4", // and first
		"/Users?sortBy=emails":                            "Dora abe Cy bea of 4", // the primary one
		"/Users?sortBy=emails.value&startIndex=2":         "abe Cy bea of 4",      //
		"/Users?sortBy=name.familyName":                   "Cy bea abe Dora of 4", //
		"/Users?sortBy=active":                            "Cy bea Dora abe of 4", // false, then true
		"/Users?sortBy=meta.created&sortOrder=descending": "bea Cy abe Dora of 4", //
		"/Users?sortBy=meta.lastModified&count=1":         "Dora of 4",            //
		"/Users?sortBy=id&sortOrder=descending":           "bea Cy abe Dora of 4", //
		"/Users?sortBy=groups.display":                    "abe Cy bea Dora of 4", //
		"/Users?sortBy=urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber": "Cy Dora abe bea of 4",
		"/Users?sortBy=userName&filter=active+eq+false":                                           "bea Cy of 2",            //
		"/Users?sortBy=userName&filter=title+pr":                                                  "abe bea Dora of 3",      //
		"/Groups?sortBy=displayName":                                                              "alone Inner Outer of 3", //
		"/Groups?sortBy=displayName&sortOrder=descending&count=2":                                 "Outer Inner of 3",
		"/?sortBy=displayName":                                                                    "alone Inner Outer Dora abe Cy bea of 7",
		"/?sortBy=userName":                                                                       "abe bea Cy Dora Inner Outer alone of 7",
		"/?sortBy=id&startIndex=4&count=2":                                                        "bea Inner of 7",
	} {
		if got := d.send("GET", query, "").found(); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	for query, scimType := range map[string]string{"sortBy=nothing": "invalidPath", "sortBy=name": "invalidPath", "sortBy=password": "invalidPath",
		"sortBy=id&sortOrder=sideways": "invalidValue"} {
		d.send("GET", "/Users?"+query, "").fault(400, scimType)
	}
	if got := d.send("POST", "/Users/.search", `{"sortBy":"userName","sortOrder":"descending","count":2}`).found(); got != "Dora Cy of 4" {
		t.Error(got)
	}
}

// By cursor, everything is seen once, in every order, whatever comes and goes.
func TestCursorRFC9865(t *testing.T) {
	for _, query := range []string{"/Users?", "/Users?sortBy=userName&", "/Users?sortBy=userName&sortOrder=descending&", "/Users?sortBy=title&",
		"/Users?sortBy=id&", "/Users?sortBy=meta.created&sortOrder=descending&", "/Users?filter=userName+pr&", "/?", "/?sortBy=displayName&",
		"/?filter=meta.created+pr&", "/Groups?sortBy=displayName&"} {
		d, ids := crew(t)
		all := d.send("GET", strings.TrimSuffix(query, "&"), "").found()
		all, _, _ = strings.Cut(all, " of")
		var got []string
		a := d.send("GET", query+"cursor&count=2", "")
		for n := 0; ; n++ {
			page, _, _ := strings.Cut(a.found(), " of")
			got = append(got, strings.Fields(page)...)
			if a.body["startIndex"] != nil || n > 4 {
				t.Fatal(query, a.raw)
			}
			if n == 0 { // what was seen may go: the place stays
				last := got[len(got)-1]
				if id := ids[last]; d.send("DELETE", "/Users/"+id, "").status == 404 {
					d.send("DELETE", "/Groups/"+id, "").want(204, "")
				}
			}
			next, ok := a.body["nextCursor"].(string)
			if !ok {
				break
			}
			if strings.Trim(next, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") != "" {
				t.Fatal(next)
			}
			a = d.send("GET", query+"count=2&cursor="+next, "")
		}
		if strings.Join(got, " ") != all {
			t.Errorf("%s: %v, want %s", query, got, all)
		}
	}
}

func TestWrongCursorsRFC9865(t *testing.T) {
	d, _ := crew(t)
	next := d.send("GET", "/Users?cursor&count=1", "").want(200, "").body["nextCursor"].(string)
	d.send("GET", "/Users?count=2&cursor="+next, "").want(200, `{"itemsPerPage":2,"totalResults":4}`)
	d.send("POST", "/Users/.search", `{"count":2,"cursor":"`+next+`"}`).want(200, `{"itemsPerPage":2,"totalResults":4}`)
	d.send("GET", "/Users?cursor&count=0", "").want(200, `{"itemsPerPage":0,"totalResults":4,"nextCursor":null}`)
	raw, _ := base64.RawURLEncoding.DecodeString(next)
	forged := token{About: []byte("12345678"), Key: "x", ID: "x"}
	forged.Sum = forged.sum()
	for name, query := range map[string]string{
		"nonsense":      "cursor=nonsense",
		"no base64":     "cursor=%21",
		"cut":           "cursor=" + next[:len(next)-4],
		"changed":       "cursor=" + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(raw), `"p":0`, `"p":1`, 1))),
		"another query": "filter=title+pr&cursor=" + next,
		"another order": "sortBy=userName&cursor=" + next,
		"forged":        "cursor=" + base64.RawURLEncoding.EncodeToString(forged.encode()),
	} {
		t.Run(name, func(t *testing.T) {
			d.t = t
			d.send("GET", "/Users?"+query, "").fault(400, "invalidCursor")
		})
	}
	d.t = t
	d.send("GET", "/Groups?cursor="+next, "").fault(400, "invalidCursor")
	d.send("GET", "/Users?startIndex=1&cursor", "").fault(400, "invalidValue")
	d.send("GET", "/Users?count=many&cursor", "").fault(400, "invalidCount")
	// A place that is none is refused too, whoever made it.
	c := cursor{about: about(url.Values{}, []*resourceType{userType()})}
	d.send("GET", "/Users?cursor="+c.next(spot{key: "no number", stored: stored{id: "x"}}), "").fault(400, "invalidCursor")
}

func TestRootRFC7644_3_4_2_1(t *testing.T) {
	d, ids := crew(t)
	for filter, want := range map[string]string{
		``:                             "Dora abe Cy bea Inner Outer alone of 7",
		`meta.resourceType eq "Group"`: "Inner Outer alone of 3",
		`meta.resourceType eq "User" and title pr`: "Dora abe bea of 3",
		`userName eq "CY"`:                         "Cy of 1",
		`displayName eq "outer"`:                   "Outer of 1",
		`title ne "b"`:                             "abe Cy bea Inner Outer alone of 6", // who has none has another
		`members pr`:                               "Inner Outer of 2",
		`members.value eq "` + ids["abe"] + `" or userName eq "abe"`: "abe Inner of 2",
		`groups.value eq "` + ids["Inner"] + `"`:                     "abe Cy of 2",
		`not (active eq true)`:                                       "Cy bea Inner Outer alone of 5",
	} {
		if got := d.send("GET", "/?filter="+url.QueryEscape(filter), "").found(); got != want {
			t.Errorf("%s: %s, want %s", filter, got, want)
		}
	}
	for query, want := range map[string]string{"startIndex=4&count=2": "bea Inner of 7", "startIndex=6": "Outer alone of 7", "count=0": " of 7", "startIndex=9": " of 7"} {
		if got := d.send("GET", "/?"+query, "").found(); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	d.send("GET", "/?filter=nothing+pr", "").fault(400, "invalidFilter")
	d.send("POST", "/.search", `{"filter":"displayName sw \"o\"","attributes":["displayName"]}`).
		want(200, `{"totalResults":1,"Resources":[{"displayName":"Outer","members":null,"meta":null}]}`)
}

// Groups of users are computed, also those that they are in through others;
// members of groups are the direct ones (RFC 7643, sections 4.1.2 and 4.2).
func TestGroupsRFC7643_4_1_2(t *testing.T) {
	d, ids := crew(t)
	d.send("GET", "/Users/"+ids["abe"], "").want(200, fmt.Sprintf(`{"groups":[
		{"value":%q,"display":"Inner","type":"direct","$ref":"https://exeunt.example/scim/v2/Groups/%[1]s"},
		{"value":%q,"display":"Outer","type":"indirect"}]}`, ids["Inner"], ids["Outer"]))
	d.send("GET", "/Users/"+ids["Cy"], "").want(200, `{"groups":[{"display":"Inner","type":"direct"},{"display":"Outer","type":"direct"}]}`)
	d.send("GET", "/Groups/"+ids["Outer"], "").want(200, `{"members":[{"type":"User"},{"type":"User"},{"type":"Group","display":null}]}`)
	d.send("GET", "/Groups?attributes=members.display&filter=id+eq+%22"+ids["Outer"]+"%22", "").
		want(200, `{"Resources":[{"displayName":null,"members":[{"display":"Cy"},{"display":"bea"},{"display":"Inner","value":null}]}]}`)
	for filter, want := range map[string]string{
		`groups.value eq "` + ids["Outer"] + `"`:                           "abe Cy bea of 3",
		`groups[value eq "` + ids["Outer"] + `" and type eq "direct"]`:     "Cy bea of 2",
		`groups[type eq "indirect"]`:                                       "abe of 1",
		`groups.display co "NN"`:                                           "abe Cy of 2",
		`groups pr`:                                                        "abe Cy bea of 3",
		`not (groups pr)`:                                                  "Dora of 1",
		`groups ne "` + ids["Inner"] + `"`:                                 "Dora abe Cy bea of 4",
		`groups.value eq "` + ids["Inner"] + `" and not (userName sw "A")`: "Cy of 1",
		`groups.value eq "` + ids["abe"] + `"`:                             " of 0",
	} {
		if got := d.send("GET", "/Users?filter="+url.QueryEscape(filter), "").found(); got != want {
			t.Errorf("%s: %s, want %s", filter, got, want)
		}
	}
	// A circle of groups ends.
	d.send("PATCH", "/Groups/"+ids["Inner"], patch(`{"op":"add","path":"members","value":[{"value":"`+ids["Outer"]+`"}]}`)).want(200, "")
	d.send("GET", "/Users/"+ids["bea"], "").want(200, `{"groups":[{"display":"Inner","type":"indirect"},{"display":"Outer","type":"direct"}]}`)
	if got := d.send("GET", "/Groups?filter="+url.QueryEscape(`members[type eq "Group"]`), "").found(); got != "Inner Outer of 2" {
		t.Error(got)
	}
	d.send("PATCH", "/Users/"+ids["bea"], patch(`{"op":"replace","path":"groups","value":[]}`)).fault(400, "mutability")
}

// What no index serves is bounded, and says so.
func TestScanIsBounded(t *testing.T) {
	d, _ := crew(t)
	d.handler.(*handler).Limits.Scan = 3
	for _, query := range []string{"filter=title+pr", "sortBy=userName", "filter=userName+co+%22b%22", "filter=title+pr+or+userName+eq+%22abe%22"} {
		d.send("GET", "/Users?"+query, "").fault(400, "tooMany")
	}
	for _, query := range []string{"filter=title+pr+and+active+eq+false", "sortBy=id", "filter=userName+co+%22b%22+and+active+eq+false"} {
		d.send("GET", "/Users?"+query, "").want(200, "")
	}
	if !slices.Equal(d.errors, nil) {
		t.Error(d.errors)
	}
}

// A cursor that a client makes up leads nowhere, and is no fault of ours.
func TestMadeUpCursors(t *testing.T) {
	onBoth(t, func(t *testing.T, d *door) {
		d.send("POST", "/Users", `{"userName":"ada"}`).want(201, "")
		for _, order := range []string{"", "sortBy=userName&", "sortBy=id&", "sortBy=title&"} {
			from, _ := url.ParseQuery(order)
			c, err := readCursor(from, []*resourceType{d.handler.(*handler).user})
			if err != nil {
				t.Fatal(err)
			}
			for _, place := range []bridge.Place{{Key: "1", ID: "\x00"}, {Key: "1\x00", ID: "x"}, {Key: "1"}} {
				d.send("GET", "/Users?"+order+"cursor="+c.next(spot{key: place.Key, stored: stored{id: place.ID}}), "").fault(400, "invalidCursor")
			}
			d.send("GET", "/Users?"+order+"cursor="+c.next(spot{key: "1", stored: stored{id: "x"}}), "").want(200, "")
		}
	})
}

// What no index serves has its turn one after the other, a few wait, and the
// rest is told to come again; what an index serves, or brings down to a few, waits
// for nothing.
func TestScansTakeTurns(t *testing.T) {
	d, _ := crew(t)
	h := d.handler.(*handler)
	h.few = 2
	done, err := h.turn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan answer, maxScans)
	for range maxScans {
		go func() { answers <- d.send("GET", "/Users?filter=title+pr", "") }()
	}
	for len(h.waiting) < maxScans {
		runtime.Gosched()
	}
	a := d.send("GET", "/Users?sortBy=title", "").fault(429, "")
	if a.header.Get("Retry-After") == "" {
		t.Error(a.header)
	}
	d.send("GET", "/Groups?filter=members.type+eq+%22User%22", "").fault(429, "")
	d.send("GET", "/Users?filter=userName+eq+%22abe%22+or+externalId+eq+%22none%22", "").want(200, `{"totalResults":1}`)
	d.send("GET", "/Users?filter=userName+eq+%22Dora%22+and+title+pr", "").want(200, `{"totalResults":1}`)
	d.send("GET", "/Users?filter=emails%5Btype+eq+%22home%22%5D.value+eq+%22z@x%22", "").want(200, `{"totalResults":1}`)
	if len(answers) > 0 {
		t.Error("one did not wait")
	}
	done()
	for range maxScans {
		(<-answers).want(200, `{"totalResults":3}`)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	done, _ = h.turn(t.Context())
	defer done()
	if _, err := h.turn(gone); !errors.Is(err, context.Canceled) || len(h.waiting) != 0 {
		t.Error(err, len(h.waiting))
	}
}
