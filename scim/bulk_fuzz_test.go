package scim

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/exeunt/exeunt/bridge"
)

// FuzzBulk: whatever comes in a Bulk, the door neither panics nor fails by its
// own fault; there are no more answers than operations, each with a status that
// holds; nothing is made but what is answered, nobody leaves but by an
// operation that is answered with success; and where nothing refers to
// anything, it all comes to the same as one request after the other.
func FuzzBulk(f *testing.F) {
	for _, s := range []string{
		postUser("a", "a", "") + "," + postGroup("g", "g", "bulkId:a", "$"),
		postUser("a", "a", managedBy("bulkId:b")) + "," + postUser("b", "b", managedBy("bulkId:a")),
		postUser("a", "a", managedBy("bulkId:b")) + "," + postUser("b", "bjensen@example.com", managedBy("bulkId:a")),
		postGroup("g", "g", "bulkId:h") + "," + postGroup("h", "h", "bulkId:g") + `,{"method":"DELETE","path":"/Groups/bulkId:h"}`,
		`{"method":"PATCH","path":"/Users/$","data":` + patch(`{"op":"replace","path":"active","value":"False"}`) + `},{"method":"DELETE","path":"/Users/$"}`,
		`{"method":"PATCH","path":"/Groups/#","data":` + patch(`{"op":"remove","path":"members[value eq \"bulkId:a\"]"}`) + `},` + postUser("a", "a", ""),
		`{"method":"PUT","path":"/Groups/#","version":"W/\"1\"","data":{"schemas":["` + urnGroup + `"],"displayName":"x"}},17,null,{}`,
		`{"method":"delete","path":"Users/%24"},{"method":"POST","path":"/Users/.search","bulkId":"","data":{}},{"method":"GET","path":"/Bulk"}`,
	} {
		f.Add(s, 0, false)
		f.Add(s, 1, true)
	}
	f.Fuzz(func(t *testing.T, operations string, mayFail int, strict bool) {
		dialect := map[bool]Dialect{true: Strict, false: Entra}[strict]
		d, one := newDoor(t, dialect), newDoor(t, dialect)
		id, staff := "", ""
		for _, x := range []*door{d, one} { // both give the same ids
			id = x.bjensen()
			staff = x.newGroup("staff", id)
		}
		operations = strings.NewReplacer("$", id, "#", staff).Replace(operations)
		body := many(operations, fmt.Sprintf(`"failOnErrors":%d,`, mayFail))
		parsed, err := decodeObject([]byte(body), Limits{}.orDefault())
		people, groups := len(d.people), len(d.groups)
		a := d.send("POST", "/Bulk", body)
		if a.status >= 500 || len(d.errors) > 0 || (err != nil) && a.status == 200 {
			t.Fatal(a.status, a.raw, d.errors, err)
		}
		if a.status != 200 {
			if d.writes != one.writes {
				t.Fatal("refused, but something was done", a.raw)
			}
			return
		}
		asked, answers := member(parsed, "Operations").([]any), a.body["Operations"].([]any)
		if len(answers) > len(asked) || mayFail == 0 && len(answers) != len(asked) {
			t.Fatalf("%d answers to %d operations", len(answers), len(asked))
		}
		made, gone, failed, locations := 0, 0, 0, map[string]bool{}
		for i, status := range a.statuses() {
			x := answers[i].(map[string]any)
			location, _ := x["location"].(string)
			switch {
			case x["method"] == "POST" && location != "":
				if made++; locations[location] {
					t.Fatal("made twice:", location)
				}
				locations[location] = true
			case x["method"] == "DELETE" && status == "204":
				gone++
			}
			if status >= "400" {
				failed++
			}
		}
		if got := len(d.people) + len(d.groups); got != people+groups+made-gone {
			t.Fatalf("%d and %d are there now: %s", len(d.people), len(d.groups), a.raw)
		}
		if len(d.left) > 0 && failed == len(answers) {
			t.Fatal("left, but nothing was done:", a.raw)
		}
		if strings.Contains(string(appendJSON(nil, parsed)), bulkPrefix) || mayFail != 0 {
			return
		}
		for i, v := range asked {
			status, ok := one.single(v, strict)
			if ok && status != answers[i].(map[string]any)["status"] {
				t.Fatalf("operation %d alone is answered %s: %s", i, status, a.raw)
			}
		}
		for _, x := range []*door{d, one} {
			for i := range x.people {
				x.people[i].Handle = bridge.Handle{} // random
			}
		}
		if !reflect.DeepEqual(d.people, one.people) || !reflect.DeepEqual(d.groups, one.groups) || !reflect.DeepEqual(d.members, one.members) || !slices.Equal(d.left, one.left) {
			t.Fatalf("one by one it comes to something else: %s\n%+v\n%+v", a.raw, d.directory, one.directory)
		}
	})
}

// single sends an operation of a Bulk as a request of its own; !ok if no
// request says that.
func (d *door) single(v any, strict bool) (status string, ok bool) {
	object, _ := v.(map[string]any)
	method, _ := member(object, "method").(string)
	path, _ := member(object, "path").(string)
	version, _ := member(object, "version").(string)
	data, whole := member(object, "data").(map[string]any)
	if !strict {
		method, path = strings.ToUpper(method), "/"+strings.TrimPrefix(path, "/")
	}
	for _, name := range []string{"method", "path", "version", "bulkId"} {
		if v := member(object, name); v != nil && v != any("") && fmt.Sprintf("%T", v) != "string" {
			return "", false
		}
	}
	switch {
	case !slices.Contains([]string{"POST", "PUT", "PATCH", "DELETE"}, method), strings.Contains(path, ".search"),
		!strings.HasPrefix(path, "/Users") && !strings.HasPrefix(path, "/Groups"), strings.ContainsAny(path, "?# "),
		strings.ContainsFunc(path, unicode.IsControl), !whole && (method != "DELETE" || member(object, "data") != nil),
		strict && method == "POST" && (member(object, "bulkId") == nil || member(object, "bulkId") == ""):
		return "", false
	}
	if _, err := url.Parse(path); err != nil {
		return "", false
	}
	var headers []string
	if version != "" && method != "POST" {
		headers = append(headers, "If-Match: "+version)
	}
	body := ""
	if whole {
		body = string(appendJSON(nil, data))
	}
	return fmt.Sprint(d.send(method, path, body, headers...).status), true
}
