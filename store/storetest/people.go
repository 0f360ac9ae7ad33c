package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

func userNamesUnique(t *testing.T, s *store.Store) {
	put(t, s, newPerson("Ada"))
	err := s.Update(t.Context(), func(tx bridge.Tx) error { return tx.PutPerson(newPerson("aDA")) })
	wantKind(t, err, bridge.KindConflict)
	put(t, s, newPerson("Zoë"))
	err = s.Update(t.Context(), func(tx bridge.Tx) error { return tx.PutPerson(newPerson("zoe\u0308")) })
	wantKind(t, err, bridge.KindConflict)
	elsewhere := newPerson("ada")
	elsewhere.Source = "other"
	put(t, s, elsewhere)
	bob := newPerson("bob")
	put(t, s, bob)
	bob.UserName, bob.Version = "ADA", 2
	wantKind(t, s.Update(t.Context(), func(tx bridge.Tx) error { return tx.PutPerson(bob) }), bridge.KindConflict)
	bob.UserName = "BOB" // one's own name in another spelling
	put(t, s, bob)
	// Everything else may be shared.
	eve := newPerson("eve")
	eve.ExternalID, eve.Emails = bob.ExternalID, bob.Emails
	put(t, s, eve)
}

func oneOfMany(t *testing.T, s *store.Store) {
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			err := s.Update(t.Context(), func(tx bridge.Tx) error { return tx.PutPerson(newPerson("ada")) })
			if err == nil {
				won.Add(1)
			} else if !bridge.IsKind(err, bridge.KindConflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d people got the same user name", won.Load())
	}
}

func keysFollow(t *testing.T, s *store.Store) {
	p := newPerson("ada")
	put(t, s, p)
	by := func(a bridge.Attribute, v string) int {
		_, n := find(t, s, people{Source: source, Where: bridge.Is(bridge.Normalise(a, v))})
		return n
	}
	p.Version, p.UserName, p.Emails = 2, "lovelace", []string{"new@example.org"}
	put(t, s, p)
	for _, c := range []struct {
		attribute bridge.Attribute
		value     string
		want      int
	}{
		{bridge.ByUserName, "ada", 0}, {bridge.ByUserName, "Lovelace", 1}, {bridge.ByEmail, "ADA@example.org", 0},
		{bridge.ByEmail, "NEW@example.org", 1}, {bridge.ByExternalID, "x-ada", 1}, {bridge.ByExternalID, "X-ADA", 0},
	} {
		if n := by(c.attribute, c.value); n != c.want {
			t.Errorf("%s %q found %d, want %d", c.attribute, c.value, n, c.want)
		}
	}
	put(t, s, newPerson("ada")) // the name is free again
	// Twice in one transaction.
	must(t, s, func(tx bridge.Tx) error {
		got, err := tx.Person(p.ID)
		for _, name := range []string{"first", "second"} {
			if err == nil {
				got.UserName = name
				got.Version++
				err = tx.PutPerson(got)
			}
		}
		return err
	})
	if by(bridge.ByUserName, "first") != 0 || by(bridge.ByUserName, "second") != 1 || by(bridge.ByUserName, "lovelace") != 0 {
		t.Error("the index does not follow two changes in one transaction")
	}
}

func deletedPeople(t *testing.T, s *store.Store) {
	p, g := newPerson("ada"), newGroup("staff")
	put(t, s, p)
	must(t, s, func(tx bridge.Tx) error {
		if err := tx.PutGroup(g); err != nil {
			return err
		}
		_, err := tx.Members(g.ID).Add(p.ID)
		return err
	})
	must(t, s, func(tx bridge.Tx) error { return tx.DeletePerson(p.ID, nil) })
	wantKind(t, s.Update(t.Context(), func(tx bridge.Tx) error { return tx.DeletePerson(p.ID, nil) }), bridge.KindNotFound)
	if _, n := find(t, s, people{Source: source, Where: bridge.Is(bridge.Normalise(bridge.ByUserName, "ada"))}); n != 0 {
		t.Error("a deleted person is found")
	}
	see(t, s, func(tx bridge.Tx) error {
		list, err := tx.Members(g.ID).List("", 0)
		if len(list) != 0 {
			t.Errorf("members %v after their deletion", list)
		}
		return err
	})
	put(t, s, newPerson("ada"))
}

func newGroup(name string) bridge.Group {
	return bridge.Group{ID: uuid.NewString(), Source: source, DisplayName: name, ExternalID: "g-" + name,
		Resource: []byte(`{}`), Version: 1, Created: start, Modified: start}
}

func groups(t *testing.T, s *store.Store) {
	g := newGroup("Staff")
	must(t, s, func(tx bridge.Tx) error { return tx.PutGroup(g) })
	must(t, s, func(tx bridge.Tx) error { return tx.PutGroup(newGroup("staff")) }) // names need not be unique
	see(t, s, func(tx bridge.Tx) error {
		got, err := tx.Group(g.ID)
		if diff := cmp.Diff(g, got); diff != "" {
			t.Error(diff)
		}
		return err
	})
	count := func(a bridge.Attribute, v string) (n int) {
		see(t, s, func(tx bridge.Tx) (err error) {
			_, n, err = tx.Groups(bridge.Query{Source: source, Where: bridge.Is(bridge.Normalise(a, v))})
			return err
		})
		return n
	}
	if n := count(bridge.ByDisplayName, "STAFF"); n != 2 {
		t.Errorf("found %d groups of 2", n)
	}
	g.DisplayName, g.Version = "Crew", 2
	must(t, s, func(tx bridge.Tx) error { return tx.PutGroup(g) })
	if n, m := count(bridge.ByDisplayName, "staff"), count(bridge.ByDisplayName, "crew"); n != 1 || m != 1 {
		t.Errorf("found %d and %d after a change of name", n, m)
	}
	must(t, s, func(tx bridge.Tx) error { return tx.DeleteGroup(g.ID) })
	wantKind(t, s.View(t.Context(), func(tx bridge.Tx) error { _, err := tx.Group(g.ID); return err }), bridge.KindNotFound)
	wantKind(t, s.Update(t.Context(), func(tx bridge.Tx) error { return tx.DeleteGroup(g.ID) }), bridge.KindNotFound)
	wantKind(t, s.Update(t.Context(), func(tx bridge.Tx) error { return tx.PutGroup(g) }), bridge.KindNotFound)
}

func membersOfGroup(t *testing.T, s *store.Store) {
	ada, bob, foreign := newPerson("ada"), newPerson("bob"), newPerson("eve")
	foreign.Source = "other"
	put(t, s, ada, bob, foreign)
	g, inner := newGroup("all"), newGroup("inner")
	add := func(ids ...string) (n int, err error) {
		err = s.Update(t.Context(), func(tx bridge.Tx) error { n, err = tx.Members(g.ID).Add(ids...); return err })
		return n, err
	}
	must(t, s, func(tx bridge.Tx) error {
		if err := tx.PutGroup(g); err != nil {
			return err
		}
		return tx.PutGroup(inner)
	})
	if n, err := add(ada.ID, ada.ID, inner.ID); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := add(ada.ID, bob.ID); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	for _, id := range []string{foreign.ID, "nobody"} {
		_, err := add(id)
		wantKind(t, err, bridge.KindInvalid)
	}
	want := []bridge.Member{{ID: ada.ID, Display: "ada"}, {ID: bob.ID, Display: "bob"}, {ID: inner.ID, IsGroup: true, Display: "inner"}}
	slices.SortFunc(want, func(a, b bridge.Member) int { return strings.Compare(a.ID, b.ID) })
	see(t, s, func(tx bridge.Tx) error {
		got, err := tx.Members(g.ID).List("", 0)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if err != nil {
			return err
		}
		got, err = tx.Members(g.ID).List(want[0].ID, 1)
		if diff := cmp.Diff(want[1:2], got); diff != "" {
			t.Error(diff)
		}
		if err != nil {
			return err
		}
		in, err := tx.Memberships(10, ada.ID, foreign.ID, inner.ID)
		if diff := cmp.Diff(map[string][]bridge.Membership{
			ada.ID:   {{Group: g.ID, DisplayName: "all"}},
			inner.ID: {{Group: g.ID, DisplayName: "all"}},
		}, in); diff != "" {
			t.Error(diff)
		}
		if err != nil {
			return err
		}
		if in, err = tx.Memberships(1, ada.ID, inner.ID); len(in) != 1 {
			t.Error("more than the limit:", in)
		}
		return err
	})
	must(t, s, func(tx bridge.Tx) error {
		n, err := tx.Members(g.ID).Remove(bob.ID, "nobody")
		if n != 1 {
			t.Errorf("removed %d", n)
		}
		return err
	})
	must(t, s, func(tx bridge.Tx) error { return tx.Members(g.ID).Clear() })
	see(t, s, func(tx bridge.Tx) error {
		got, err := tx.Members(g.ID).List("", 0)
		if len(got) != 0 {
			t.Errorf("members %v of a cleared group", got)
		}
		return err
	})
}

func manyMembers(t *testing.T, s *store.Store) {
	const many = 50_000
	ids := make([]string, many)
	for from := 0; from < many; from += 5000 {
		must(t, s, func(tx bridge.Tx) error {
			for i := from; i < from+5000; i++ {
				p := newPerson(fmt.Sprintf("m%d", i))
				p.ExternalID, p.DisplayName, p.Emails = "", "", nil
				ids[i] = p.ID
				if err := tx.PutPerson(p); err != nil {
					return err
				}
			}
			return nil
		})
	}
	g := newGroup("everybody")
	must(t, s, func(tx bridge.Tx) error {
		if err := tx.PutGroup(g); err != nil {
			return err
		}
		n, err := tx.Members(g.ID).Add(ids...)
		if n != many {
			t.Errorf("added %d", n)
		}
		return err
	})
	seen, after := 0, ""
	see(t, s, func(tx bridge.Tx) error {
		for {
			page, err := tx.Members(g.ID).List(after, 1000)
			if err != nil || len(page) == 0 {
				return err
			}
			for _, m := range page {
				if m.ID <= after || m.Display == "" {
					t.Fatalf("member %+v after %s", m, after)
				}
				after = m.ID
			}
			seen += len(page)
		}
	})
	if seen != many {
		t.Errorf("saw %d members", seen)
	}
	must(t, s, func(tx bridge.Tx) error {
		n, err := tx.Members(g.ID).Remove(ids[:many-1]...)
		if n != many-1 {
			t.Errorf("removed %d", n)
		}
		return err
	})
}

func cannotBeStored(t *testing.T, s *store.Store) {
	for name, change := range map[string]func(*bridge.Person){
		"NUL":      func(p *bridge.Person) { p.UserName = "a\x00b" },
		"too long": func(p *bridge.Person) { p.Emails = []string{strings.Repeat("a", 10_000)} },
	} {
		p := newPerson("ada")
		change(&p)
		err := s.Update(t.Context(), func(tx bridge.Tx) error { return tx.PutPerson(p) })
		if !bridge.IsKind(err, bridge.KindInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
