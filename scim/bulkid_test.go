package scim

import (
	"fmt"
	"reflect"
	"testing"
)

func TestReferences(t *testing.T) {
	made := swap(func(id string) (string, bool) {
		to, ok := map[string]string{"a": "1", "b/c": "2", `q"\`: "3"}[id]
		return to, ok
	})
	for _, tt := range []struct {
		name        string
		patch       bool
		given, want string
	}{
		{"a value", false, `{"manager":{"value":"bulkId:a"}}`, `{"manager":{"value":"1"}}`},
		{"among others", false, `{"members":[{"value":"bulkId:a"},{"value":"x"}]}`, `{"members":[{"value":"1"},{"value":"x"}]}`},
		{"with a slash", false, `{"x":"bulkId:b/c"}`, `{"x":"2"}`},
		{"the end of a URI", false, `{"$ref":"https://e/scim/v2/Users/bulkId:a"}`, `{"$ref":"https://e/scim/v2/Users/1"}`},
		{"a relative URI", false, `{"$Ref":"../Users/bulkId:a"}`, `{"$Ref":"../Users/1"}`},
		{"a URI elsewhere", false, `{"profileUrl":"https://e/bulkId:a"}`, `{"profileUrl":"https://e/bulkId:a"}`},
		{"unknown", false, `{"x":"bulkId:z"}`, `{"x":"bulkId:z"}`},
		{"not the whole", false, `{"x":"see bulkId:a"}`, `{"x":"see bulkId:a"}`},
		{"quoted in a text", false, `{"path":"a \"bulkId:a\""}`, `{"path":"a \"bulkId:a\""}`},
		{"in a filter", true, `{"Operations":[{"path":"members[value eq \"bulkId:a\" or value eq \"bulkId:b/c\"]"}]}`,
			`{"Operations":[{"path":"members[value eq \"1\" or value eq \"2\"]"}]}`},
		{"in a filter, escaped", true, `{"path":"members[value eq \"bulkId:q\\\"\\\\\"]"}`, `{"path":"members[value eq \"3\"]"}`},
		{"in a filter, unknown", true, `{"path":"members[value eq \"bulkId:z\" or value eq \"bulkId:a\"]"}`,
			`{"path":"members[value eq \"bulkId:z\" or value eq \"1\"]"}`},
		{"in a filter without an end", true, `{"path":"members[value eq \"bulkId:a"}`, `{"path":"members[value eq \"bulkId:a"}`},
		{"in a key that is a path", true, `{"value":{"members[value eq \"bulkId:a\"]":{"display":"bulkId:a"}}}`, `{"value":{"members[value eq \"1\"]":{"display":"1"}}}`},
		{"a PATCH's value", true, `{"Operations":[{"value":[{"value":"bulkId:a"}]}]}`, `{"Operations":[{"value":[{"value":"1"}]}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			given, err := decode([]byte(tt.given), Limits{}.orDefault())
			if err != nil {
				t.Fatal(err)
			}
			if got := string(appendJSON(nil, made.resolve("", given, tt.patch))); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if got := string(appendJSON(nil, given)); got != tt.given {
				t.Errorf("what was given is %s now", got)
			}
			known := func(id string) bool { _, ok := made(id); return ok }
			if got := refers("", given, tt.patch, known); got != (tt.given != tt.want) {
				t.Errorf("refers is %t", got)
			}
		})
	}
}

func TestReduced(t *testing.T) {
	given := `{"displayName":"x","members":[{"value":"bulkId:a"},{"value":"bulkId:b"}],"nickName":"bulkId:b",` +
		`"urn:x":{"department":"y","manager":{"value":"bulkId:b"}}}`
	want := `{"displayName":"x","members":[{"value":"bulkId:a"}],"urn:x":{"department":"y"}}`
	res, _ := decodeObject([]byte(given), Limits{}.orDefault())
	if got := string(appendJSON(nil, reduced(res, func(id string) bool { return id == "b" }))); got != want {
		t.Error(got)
	}
	if got := string(appendJSON(nil, res)); got != given {
		t.Error("what was given is now", got)
	}
}

func TestOrder(t *testing.T) {
	for _, tt := range []struct {
		name  string
		needs [][]int
		want  [][]int
	}{
		{"nothing", nil, [][]int{}},
		{"as they come", [][]int{{}, {}, {}}, [][]int{{0}, {1}, {2}}},
		{"backwards", [][]int{{}, {0}, {1, 0}}, [][]int{{0}, {1}, {2}}},
		{"who must wait comes as soon as it can", [][]int{{2}, {}, {}, {}}, [][]int{{1}, {2}, {0}, {3}}},
		{"one waits for one that waits", [][]int{{1}, {3}, {}, {}, {}}, [][]int{{2}, {3}, {1}, {0}, {4}}},
		{"a circle", [][]int{{1}, {0}, {}}, [][]int{{0, 1}, {2}}},
		{"itself", [][]int{{0}, {}}, [][]int{{0}, {1}}},
		{"a circle waits, and others for it", [][]int{{2}, {3}, {1, 4}, {2}, {}}, [][]int{{4}, {1, 2, 3}, {0}}},
		{"two circles", [][]int{{2}, {3}, {0}, {1, 0}}, [][]int{{0, 2}, {1, 3}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := order(tt.needs); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// All that a Bulk can hold, each needing all others, or all before or after it.
func BenchmarkOrder(b *testing.B) {
	const n = 1000
	for name, need := range map[string]func(i, j int) bool{
		"circle": func(i, j int) bool { return i != j },
		"before": func(i, j int) bool { return j < i },
		"after":  func(i, j int) bool { return j > i },
	} {
		needs := make([][]int, n)
		for i := range n {
			for j := range n {
				if need(i, j) {
					needs[i] = append(needs[i], j)
				}
			}
		}
		b.Run(fmt.Sprint(name), func(b *testing.B) {
			for b.Loop() {
				order(needs)
			}
		})
	}
}
