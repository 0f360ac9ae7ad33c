package scim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/storetest"
)

// newStoredDoor is a door over a real store.
func newStoredDoor(t testing.TB, opts store.Options) *door {
	t.Helper()
	opts.Logger = zerolog.Nop()
	s, err := store.Open(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b := bridge.New(bridge.Options{Store: s, Logger: zerolog.Nop()})
	return &door{t: t, handler: New(Options{People: b, Groups: b, Reader: b,
		BaseURL: func(*http.Request) string { return "https://exeunt.example/scim/v2" }})}
}

// onBoth runs a test over both databases.
func onBoth(t *testing.T, test func(t *testing.T, d *door)) {
	t.Run("SQLite", func(t *testing.T) { test(t, newStoredDoor(t, store.Options{Dir: t.TempDir()})) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, newStoredDoor(t, storetest.OnPostgres(t))) })
}

// populate makes people and groups whose values are alike, so that questions
// about them are hard to answer.
func (d *door) populate(people int) {
	rnd := rand.New(rand.NewPCG(3, 4))
	words := []string{"a", "A", "ab", "aB", "b", "é", "É", "ſ", "K", "k", "\u212a", "%", "_", "'", `\"`, "\U0010FFFF"}
	word := func() string {
		s := words[rnd.IntN(len(words))]
		if rnd.IntN(2) == 0 {
			s += words[rnd.IntN(len(words))]
		}
		return s
	}
	maybe := func(format string) string {
		if rnd.IntN(3) == 0 {
			return ""
		}
		return fmt.Sprintf(format, word())
	}
	var ids []string
	for len(ids) < people {
		body := `{"userName":"` + word() + word() + `",` + maybe(`"displayName":"%s",`) + maybe(`"externalId":"%s",`) + maybe(`"title":"%s",`) +
			maybe(`"name":{"familyName":"%s"},`) + `"active":` + fmt.Sprint(rnd.IntN(3) > 0) + `,"emails":[{"value":"` + word() +
			`","type":"work"},{"value":"` + word() + `","type":"home","primary":true}]}`
		if a := d.send("POST", "/Users", body); a.status == 201 {
			ids = append(ids, a.id())
		}
	}
	for range 6 {
		members := `{"value":"` + ids[rnd.IntN(len(ids))] + `"},{"value":"` + ids[rnd.IntN(len(ids))] + `"}`
		ids = append(ids, d.send("POST", "/Groups", `{"displayName":"`+word()+`",`+maybe(`"externalId":"%s",`)+`"members":[`+members+`]}`).want(201, "").id())
	}
}

// evaluated are the ids of all resources of a type that a filter matches, each
// looked at, in the order of creation; false if the filter is refused.
func (d *door) evaluated(t *resourceType, filter string) (ids []string, ok bool) {
	h := d.handler.(*handler)
	f, err := parseFilter(filter, h.Limits)
	if err != nil || t.bindFilter(f, h.mendings[Generic]) != nil {
		return nil, false
	}
	q := &request{handler: h, base: "https://exeunt.example/scim/v2"}
	ctx := bridge.WithCaller(context.Background(), bridge.Caller{Source: "idp"})
	if err := h.Reader.See(ctx, func(v bridge.Sight) error {
		return t.scan(v, bridge.Cond{}, func(some []stored) error {
			if _, err := t.belong(q, v, some, h.Limits.Members); err != nil {
				return err
			}
			for _, s := range some {
				res, err := q.whole(t, s)
				if err != nil {
					return err
				}
				if f.matches(res) {
					ids = append(ids, s.id)
				}
			}
			return nil
		})
	}); err != nil {
		d.t.Fatal(err)
	}
	return ids, true
}

// lists are the ids that the door answers with.
func (d *door) lists(t *resourceType, query string) (ids []string) {
	a := d.send("GET", t.endpoint+"?count=1000&"+query, "").want(200, "")
	list, _ := a.body["Resources"].([]any)
	for _, e := range list {
		ids = append(ids, e.(map[string]any)["id"].(string))
	}
	if a.body["totalResults"] != float64(len(ids)) {
		d.t.Fatalf("%s: %d are said to be %v", query, len(ids), a.body["totalResults"])
	}
	return ids
}

// agree fails if indexes and evaluation do not come to the same.
func (d *door) agree(filter string) {
	d.t.Helper()
	for _, t := range []*resourceType{d.handler.(*handler).user, d.handler.(*handler).group} {
		want, ok := d.evaluated(t, filter)
		if !ok {
			continue
		}
		query := "filter=" + url.QueryEscape(filter)
		if got := d.lists(t, query); !slices.Equal(got, want) {
			d.t.Fatalf("%s of %s: the store finds %d, evaluation %d", filter, t.name, len(got), len(want))
		}
		sorted := d.lists(t, query+"&sortBy=displayName")
		slices.Sort(sorted)
		slices.Sort(want)
		if !slices.Equal(sorted, want) {
			d.t.Fatalf("%s of %s, sorted: %d instead of %d", filter, t.name, len(sorted), len(want))
		}
	}
}

// FuzzStore: whatever is asked, a real database and the evaluation of the
// filter on every resource come to the same.
func FuzzStore(f *testing.F) {
	for _, s := range append(someFilters, moreFilters(50)...) {
		f.Add(s)
	}
	d := newStoredDoor(f, store.Options{Dir: f.TempDir()})
	d.populate(60)
	f.Fuzz(func(t *testing.T, filter string) {
		d.t = t
		d.agree(filter)
	})
}

func TestStoreAgrees(t *testing.T) {
	onBoth(t, func(t *testing.T, d *door) {
		d.populate(60)
		for _, s := range append(someFilters, moreFilters(600)...) {
			d.agree(s)
		}
	})
}

// moreFilters makes n filters.
func moreFilters(n int) (filters []string) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(s ...string) string { return s[rnd.IntN(len(s))] }
	text := func() string {
		return `"` + strings.Repeat(pick("a", "A", "b", "é", "ſ", "K", "%", "_", "'", `\\`, `\u212a`, "\U0010FFFF"), rnd.IntN(3)) + `"`
	}
	var filter func(depth int) string
	filter = func(depth int) string {
		switch k := rnd.IntN(12); {
		case k < 4 && depth > 0:
			return "(" + filter(depth-1) + pick(" and ", " or ") + filter(depth-1) + ")"
		case k == 4 && depth > 0:
			return "not (" + filter(depth-1) + ")"
		case k == 5:
			return "active " + pick("eq", "ne") + pick(" true", " false", ` "True"`)
		case k == 6:
			return pick("meta.created", "meta.lastModified") + pick(" gt ", " le ", " ne ") + pick(`"2020-01-01T00:00:00Z"`, `"2999-01-01T00:00:00.0000001+02:00"`)
		case k == 7:
			return pick("emails", "groups", "members") + "[" + pick("type eq ", "value sw ", "value eq ", "value co ") + text() +
				pick(" or ", " and ") + pick("value gt ", "value eq ") + text() + "]"
		case k == 8:
			return pick("title", "groups", "members", "externalId", "displayName", "emails") + " pr"
		}
		return pick("userName", "externalId", "displayName", "emails", "emails.value", "title", "name.familyName", "groups.display", "members.type", "meta.resourceType") +
			pick(" eq ", " ne ", " co ", " sw ", " ew ", " gt ", " ge ", " lt ", " le ") + text()
	}
	for range n {
		filters = append(filters, filter(3))
	}
	return filters
}
