package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

type people = bridge.Query

func find(t *testing.T, s *store.Store, q people) (names []string, total int) {
	t.Helper()
	see(t, s, func(tx bridge.Tx) error {
		page, n, err := tx.People(q)
		for _, p := range page {
			names = append(names, p.UserName)
		}
		total = n
		return err
	})
	return names, total
}

func queries(t *testing.T, s *store.Store) {
	var all []bridge.Person
	for i := range 10 {
		p := newPerson(fmt.Sprintf("user%d", i))
		p.Created = start.Add(time.Duration(9-i) * time.Second) // against the order of insertion
		p.Active = i%2 == 0
		all = append(all, p)
	}
	other := newPerson("user1")
	other.Source = "other"
	put(t, s, append(all, other)...)
	is := func(a bridge.Attribute, v string) bridge.Cond { return bridge.Is(bridge.Normalise(a, v)) }
	than := func(op bridge.Op, by bridge.Attribute, v any) bridge.Cond {
		return bridge.Cond{Op: op, By: by, Value: v}
	}
	for _, c := range []struct {
		name  string
		q     people
		want  string
		total int
	}{
		{"by name", people{Where: is(bridge.ByUserName, "USER3"), Limit: 5}, "user3", 1},
		{"by id", people{Where: is(bridge.ByID, all[4].ID), Limit: 5}, "user4", 1},
		{"another source's id", people{Where: is(bridge.ByID, other.ID), Limit: 5}, "", 0},
		{"both hold", people{Where: bridge.All(is(bridge.ByUserName, "user3"), is(bridge.ByEmail, "user3@home.EXAMPLE")), Limit: 5}, "user3", 1},
		{"only one holds", people{Where: bridge.All(is(bridge.ByUserName, "user3"), is(bridge.ByEmail, "user4@home.example")), Limit: 5}, "", 0},
		{"either holds", people{Where: bridge.Any(is(bridge.ByUserName, "user3"), is(bridge.ByEmail, "user4@home.example")), Limit: 5}, "user4 user3", 2},
		{"none of none", people{Where: bridge.Any(), Limit: 5}, "", 0},
		{"all of none", people{Where: bridge.All(), Limit: 1}, "user9", 10},
		{"many share it", people{Where: is(bridge.ByDisplayName, "somebody"), Limit: 2}, "user9 user8", 10},
		{"a page of them", people{Where: is(bridge.ByDisplayName, "somebody"), Offset: 2, Limit: 2}, "user7 user6", 10},
		{"inactive", people{Where: than(bridge.Equal, bridge.ByActive, false), Limit: 2}, "user9 user7", 5},
		{"or another source's", people{Where: bridge.Any(than(bridge.Equal, bridge.ByActive, false), is(bridge.ByUserName, "user1")), Limit: 9}, "user9 user7 user5 user3 user1", 5},
		{"newer", people{Where: than(bridge.Greater, bridge.ByCreated, all[8].Created), Limit: 2}, "user7 user6", 8},
		{"exactly", people{Where: is(bridge.ByExternalID, "x-user2"), Limit: 1}, "user2", 1},
		{"in another case", people{Where: is(bridge.ByExternalID, "X-user2"), Limit: 1}, "", 0},
		{"only count", people{}, "", 10},
		{"downwards", people{Sort: bridge.Sort{Descending: true}, Offset: 1, Limit: 2}, "user1 user2", 10},
		{"not SQL", people{Where: is(bridge.ByUserName, "' OR 1=1 --"), Limit: 1}, "", 0},
		{"NUL", people{Where: is(bridge.ByUserName, "a\x00b"), Limit: 1}, "", 0},
	} {
		c.q.Source = source
		names, total := find(t, s, c.q)
		if got := strings.Join(names, " "); got != c.want || total != c.total {
			t.Errorf("%s: got %q of %d, want %q of %d", c.name, got, total, c.want, c.total)
		}
	}
	for name, q := range map[string]people{
		"an order of what is sealed":                 {Sort: bridge.Sort{By: bridge.ByUserName}, Limit: 1},
		"a part of what is sealed":                   {Where: than(bridge.StartsWith, bridge.ByExternalID, "x-user"), Limit: 1},
		"more than what is sealed":                   {Where: than(bridge.Greater, bridge.ByUserName, "a"), Limit: 1},
		"an order that not everybody has a place in": {Sort: bridge.Sort{By: bridge.ByDisplayName}, Limit: 1},
		"a place that is none":                       {After: &bridge.Place{Key: "x"}, Limit: 1},
		"members of people":                          {Where: than(bridge.Equal, bridge.ByMember, "x"), Limit: 1},
		"a part of a time":                           {Where: than(bridge.Contains, bridge.ByCreated, start), Limit: 1},
		"more than NUL":                              {Where: than(bridge.Greater, bridge.ByUserName, "a\x00b"), Limit: 1},
	} {
		if err := s.View(t.Context(), func(tx bridge.Tx) error { _, _, err := tx.People(q); return err }); !bridge.IsKind(err, bridge.KindInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Known is what a condition may be about.
type Known struct {
	ID                string
	Keys              []bridge.Key
	Active            bool
	Created, Modified time.Time
	In                []string // a person's groups, also indirectly; a group's members
}

// Holds decides a condition as naively as possible.
func (k Known) Holds(c bridge.Cond) bool {
	compared := func(n int) bool {
		return map[bridge.Op]bool{bridge.Equal: n == 0, bridge.Greater: n > 0, bridge.GreaterEqual: n >= 0,
			bridge.Less: n < 0, bridge.LessEqual: n <= 0}[c.Op]
	}
	switch c.Op {
	case "":
		return true
	case bridge.And:
		return !slices.ContainsFunc(c.Of, func(x bridge.Cond) bool { return !k.Holds(x) })
	case bridge.Or:
		return slices.ContainsFunc(c.Of, k.Holds)
	}
	switch c.By {
	case bridge.ByActive:
		return k.Active == c.Value
	case bridge.ByCreated:
		return compared(k.Created.Compare(c.Value.(time.Time)))
	case bridge.ByModified:
		return compared(k.Modified.Compare(c.Value.(time.Time)))
	case bridge.ByID:
		return k.ID == c.Value
	case bridge.ByGroup, bridge.ByMember:
		return slices.Contains(k.In, c.Value.(string))
	}
	want := c.Value.(string)
	return slices.ContainsFunc(k.Keys, func(key bridge.Key) bool {
		return key.Attribute == c.By && (c.Op == bridge.StartsWith && strings.HasPrefix(key.Value, want) ||
			c.Op == bridge.Contains && strings.Contains(key.Value, want) || compared(strings.Compare(key.Value, want)))
	})
}

// conditions asks random questions, and compares the answers, in every order
// and from every place, with those of a model.
func conditions(t *testing.T, s *store.Store) {
	const seed = 7
	rnd := rand.New(rand.NewPCG(seed, seed))
	parts := []string{"a", "A", "b", "é", "\U0010FFFF", "\ud7ff", "z", "%", "_", "'"}
	word := func() string {
		var w strings.Builder
		for range 1 + rnd.IntN(3) {
			w.WriteString(parts[rnd.IntN(len(parts))])
		}
		return w.String()
	}
	var all []bridge.Person
	seen := map[string]bool{}
	for len(all) < 60 {
		p := newPerson(word())
		if seen[bridge.Normalise(bridge.ByUserName, p.UserName).Value] {
			p.UserName += strconv.Itoa(len(all))
		}
		seen[bridge.Normalise(bridge.ByUserName, p.UserName).Value] = true
		p.ExternalID, p.DisplayName, p.Emails, p.Active = "", word(), []string{word(), word()}, rnd.IntN(3) > 0
		if rnd.IntN(2) == 0 {
			p.ExternalID = word()
		}
		p.Created = start.Add(time.Duration(rnd.IntN(9)) * time.Microsecond)
		p.Modified = p.Created.Add(time.Duration(rnd.IntN(9)) * time.Microsecond)
		all = append(all, p)
	}
	put(t, s, all...)
	outer, inner, foreign := newGroup("outer"), newGroup("inner"), newGroup("foreign")
	stranger := newPerson("stranger")
	foreign.Source, stranger.Source = "other", "other"
	put(t, s, stranger)
	in := map[string][]string{}
	must(t, s, func(tx bridge.Tx) error {
		for _, g := range []bridge.Group{outer, inner, foreign} {
			if err := tx.PutGroup(g); err != nil {
				return err
			}
		}
		for i, p := range all[:20] {
			g := []bridge.Group{outer, inner}[i%2]
			if _, err := tx.Members(g.ID).Add(p.ID); err != nil {
				return err
			}
			in[p.ID] = append(in[p.ID], g.ID)
			if g.ID == inner.ID {
				in[p.ID] = append(in[p.ID], outer.ID)
			}
		}
		for in, member := range map[string]string{outer.ID: inner.ID, foreign.ID: stranger.ID} {
			if _, err := tx.Members(in).Add(member); err != nil {
				return err
			}
		}
		_, err := tx.Members(inner.ID).Add(inner.ID) // a group may be in itself
		return err
	})
	see(t, s, func(tx bridge.Tx) error {
		for member, want := range map[string]int{stranger.ID: 0, inner.ID: 2} {
			if got, n, err := tx.Groups(bridge.Query{Source: source, Limit: 9,
				Where: bridge.Is(bridge.Key{Attribute: bridge.ByMember, Value: member})}); len(got) != want || n != want || err != nil {
				t.Errorf("%d of %d groups with a member, want %d: %v", len(got), n, want, err)
			}
		}
		return nil
	})
	ops := []bridge.Op{bridge.Equal, bridge.Greater, bridge.GreaterEqual, bridge.Less, bridge.LessEqual}
	texts := []bridge.Attribute{bridge.ByUserName, bridge.ByExternalID, bridge.ByEmail, bridge.ByDisplayName}
	var cond func(depth int) bridge.Cond
	cond = func(depth int) bridge.Cond {
		switch k := rnd.IntN(10); {
		case k < 3 && depth > 0:
			c := bridge.Cond{Op: []bridge.Op{bridge.And, bridge.Or}[rnd.IntN(2)]}
			for range rnd.IntN(4) {
				c.Of = append(c.Of, cond(depth-1))
			}
			return c
		case k == 3:
			return bridge.Cond{Op: bridge.Equal, By: bridge.ByActive, Value: rnd.IntN(2) == 0}
		case k == 4:
			return bridge.Cond{Op: ops[rnd.IntN(len(ops))], By: []bridge.Attribute{bridge.ByCreated, bridge.ByModified}[rnd.IntN(2)],
				Value: start.Add(time.Duration(rnd.IntN(24)) * 500 * time.Nanosecond)}
		case k == 5:
			return bridge.Is(bridge.Key{Attribute: bridge.ByID, Value: all[rnd.IntN(len(all))].ID})
		case k == 6:
			return bridge.Is(bridge.Key{Attribute: bridge.ByGroup, Value: []string{outer.ID, inner.ID, foreign.ID}[rnd.IntN(3)]})
		}
		by := texts[rnd.IntN(len(texts))]
		return bridge.Cond{Op: bridge.Equal, By: by, Value: bridge.Normalise(by, word()).Value}
	}
	for range 400 {
		q := people{Source: source, Where: cond(3), Limit: 1 + rnd.IntN(20)}
		q.Sort = bridge.Sort{By: []bridge.Attribute{"", bridge.ByID}[rnd.IntN(2)], Descending: rnd.IntN(2) == 0}
		key := func(p bridge.Person) string {
			if q.Sort.By == bridge.ByID {
				return ""
			}
			return strconv.FormatInt(p.Created.UnixMicro(), 10)
		}
		var want []bridge.Person
		for _, p := range all {
			if (Known{p.ID, p.Keys(), p.Active, p.Created, p.Modified, in[p.ID]}).Holds(q.Where) {
				want = append(want, p)
			}
		}
		slices.SortFunc(want, func(a, b bridge.Person) int {
			n := cmp.Or(strings.Compare(key(a), key(b)), strings.Compare(a.ID, b.ID))
			if q.Sort.Descending {
				n = -n
			}
			return n
		})
		rest := want
		if len(want) > 0 && rnd.IntN(2) == 0 {
			at := rnd.IntN(len(want))
			q.After, rest = &bridge.Place{Key: key(want[at]), ID: want[at].ID}, want[at+1:]
		}
		q.Offset = rnd.IntN(3)
		rest = rest[min(q.Offset, len(rest)):]
		rest = rest[:min(q.Limit, len(rest))]
		names, total := find(t, s, q)
		var expected []string
		for _, p := range rest {
			expected = append(expected, p.UserName)
		}
		if !slices.Equal(names, expected) || total != len(want) {
			t.Fatalf("%+v (seed %d): got %q of %d, want %q of %d", q, seed, names, total, expected, len(want))
		}
		var scanned []string
		see(t, s, func(tx bridge.Tx) error {
			return tx.ScanPeople(source, q.Where, func(some []bridge.Person) error {
				for _, p := range some {
					scanned = append(scanned, p.UserName)
				}
				return nil
			})
		})
		if len(scanned) != len(want) {
			t.Fatalf("%+v: scanned %q of %d", q, scanned, len(want))
		}
	}
}

// groupConditions is the same of groups, whose names are compared in every way.
func groupConditions(t *testing.T, s *store.Store) {
	const seed = 11
	rnd := rand.New(rand.NewPCG(seed, seed))
	parts := []string{"a", "A", "b", "é", "\U0010FFFF", "\ud7ff", "z", "%", "_", "'"}
	word := func() string {
		var w strings.Builder
		for range 1 + rnd.IntN(3) {
			w.WriteString(parts[rnd.IntN(len(parts))])
		}
		return w.String()
	}
	var all []bridge.Group
	for range 40 {
		g := newGroup(word())
		if g.ExternalID = ""; rnd.IntN(2) == 0 {
			g.ExternalID = word()
		}
		all = append(all, g)
	}
	must(t, s, func(tx bridge.Tx) error {
		for _, g := range all {
			if err := tx.PutGroup(g); err != nil {
				return err
			}
		}
		return nil
	})
	ops := []bridge.Op{bridge.Equal, bridge.Greater, bridge.GreaterEqual, bridge.Less, bridge.LessEqual, bridge.StartsWith, bridge.Contains}
	key := func(g bridge.Group) string { return bridge.Normalise(bridge.ByDisplayName, g.DisplayName).Value }
	for range 400 {
		by := []bridge.Attribute{bridge.ByExternalID, bridge.ByDisplayName}[rnd.IntN(2)]
		q := bridge.Query{Source: source, Limit: 1 + rnd.IntN(20),
			Where: bridge.Cond{Op: ops[rnd.IntN(len(ops))], By: by, Value: bridge.Normalise(by, word()).Value},
			Sort:  bridge.Sort{By: bridge.ByDisplayName, Descending: rnd.IntN(2) == 0}}
		var want []bridge.Group
		for _, g := range all {
			if (Known{ID: g.ID, Keys: g.Keys()}).Holds(q.Where) {
				want = append(want, g)
			}
		}
		slices.SortFunc(want, func(a, b bridge.Group) int {
			n := cmp.Or(strings.Compare(key(a), key(b)), strings.Compare(a.ID, b.ID))
			if q.Sort.Descending {
				n = -n
			}
			return n
		})
		rest := want
		if len(want) > 0 && rnd.IntN(2) == 0 {
			at := rnd.IntN(len(want))
			q.After, rest = &bridge.Place{Key: key(want[at]), ID: want[at].ID}, want[at+1:]
		}
		rest = rest[:min(q.Limit, len(rest))]
		see(t, s, func(tx bridge.Tx) error {
			got, total, err := tx.Groups(q)
			if total != len(want) || !slices.EqualFunc(got, rest, func(a, b bridge.Group) bool { return a.ID == b.ID }) {
				t.Fatalf("%+v (seed %d): got %d of %d, want %d of %d", q, seed, len(got), total, len(rest), len(want))
			}
			return err
		})
	}
}

func paging(t *testing.T, s *store.Store) {
	var want []string
	var list []bridge.Person
	for i := range 57 {
		p := newPerson(fmt.Sprintf("u%02d", i))
		p.Created = start.Add(time.Duration(i/10) * time.Second) // many at the same moment
		list = append(list, p)
	}
	put(t, s, list...)
	slices.SortFunc(list, func(a, b bridge.Person) int {
		return strings.Compare(a.Created.String()+a.ID, b.Created.String()+b.ID)
	})
	for _, p := range list {
		want = append(want, p.UserName)
	}
	var byOffset, byPlace []string
	for offset := 0; offset < 60; offset += 10 {
		names, total := find(t, s, people{Source: source, Offset: offset, Limit: 10})
		if total != 57 {
			t.Fatalf("total %d", total)
		}
		byOffset = append(byOffset, names...)
	}
	// From a place on, nothing is missed or repeated, whatever comes and goes.
	for q := (people{Source: source, Limit: 10}); ; {
		var page []bridge.Person
		see(t, s, func(tx bridge.Tx) (err error) { page, _, err = tx.People(q); return err })
		if len(page) == 0 {
			break
		}
		for _, p := range page {
			byPlace = append(byPlace, p.UserName)
		}
		last := page[len(page)-1]
		q.After = &bridge.Place{Key: strconv.FormatInt(last.Created.UnixMicro(), 10), ID: last.ID}
		must(t, s, func(tx bridge.Tx) error { return tx.DeletePerson(last.ID, nil) })
	}
	if !slices.Equal(byOffset, want) || !slices.Equal(byPlace, want) {
		t.Errorf("got %q and %q, want %q", byOffset, byPlace, want)
	}
}

// tallies: how many there are is known without counting, and true after
// whatever came and went, also in transactions that came to nothing.
func tallies(t *testing.T, s *store.Store) {
	var ids []string
	for i := range 5 {
		p := newPerson("p" + strconv.Itoa(i))
		put(t, s, p)
		ids = append(ids, p.ID)
	}
	g := newGroup("crew")
	must(t, s, func(tx bridge.Tx) error { return tx.PutGroup(g) })
	_ = s.Update(t.Context(), func(tx bridge.Tx) error {
		if err := tx.DeletePerson(ids[0], nil); err != nil {
			return err
		}
		return bridge.Errorf(bridge.KindInvalid, "after all not")
	})
	must(t, s, func(tx bridge.Tx) error { return tx.DeletePerson(ids[1], nil) })
	wantKind(t, s.Update(t.Context(), func(tx bridge.Tx) error { return tx.DeletePerson(uuid.NewString(), nil) }), bridge.KindNotFound)
	see(t, s, func(tx bridge.Tx) error {
		_, people, err := tx.People(bridge.Query{Source: source})
		if err != nil {
			return err
		}
		_, nobody, err := tx.People(bridge.Query{Source: "other"})
		if err != nil {
			return err
		}
		_, groups, err := tx.Groups(bridge.Query{Source: source})
		if people != 4 || nobody != 0 || groups != 1 {
			t.Errorf("%d people, %d of another source, %d groups", people, nobody, groups)
		}
		return err
	})
}
