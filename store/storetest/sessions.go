package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

// newSession is one of a person's sessions in the app "crm".
func newSession(p bridge.Person, index string) bridge.Session {
	return bridge.Session{App: "crm", Person: p.ID, Handle: p.Handle, Name: bridge.NameID{Value: p.UserName, Format: "persistent",
		NameQualifier: "idp", SPNameQualifier: "sp"}, Index: index, Subject: "sub", SID: "sid", Access: "access", Refresh: "refresh",
		Credential: "cookie", Feed: "feed:idp", Learned: start, Expires: start.Add(time.Hour)}
}

func putSessions(t *testing.T, s *store.Store, list ...bridge.Session) {
	t.Helper()
	must(t, s, func(tx bridge.Tx) error {
		for _, one := range list {
			if err := tx.PutSession(one); err != nil {
				return err
			}
		}
		return nil
	})
}

// sessionsOf returns what is known of a person in the app "crm", at a time.
func sessionsOf(t *testing.T, s *store.Store, p bridge.Person, at time.Time) (list []bridge.Session) {
	t.Helper()
	see(t, s, func(tx bridge.Tx) (err error) {
		list, err = tx.Sessions(bridge.Lane{App: "crm", Person: p.ID}, at)
		return err
	})
	return list
}

func indexes(list []bridge.Session) (out []string) {
	for _, s := range list {
		out = append(out, s.Index)
	}
	return out
}

// sessions: what is told comes back as it was told, to whom it belongs, until it
// expires or is dropped; what is told again is one session.
func sessions(t *testing.T, s *store.Store) {
	ada, bob := newPerson("ada"), newPerson("bob")
	put(t, s, ada, bob)
	first, second := newSession(ada, "1"), newSession(ada, "2")
	second.Learned, second.Expires = start.Add(time.Minute), start.Add(2*time.Hour)
	elsewhere := newSession(ada, "1")
	elsewhere.App = "wiki"
	putSessions(t, s, first, second, elsewhere, newSession(bob, "1"))

	got := sessionsOf(t, s, ada, start)
	if diff := cmp.Diff([]bridge.Session{second, first}, got, cmpopts.IgnoreFields(bridge.Session{}, "ID")); diff != "" {
		t.Error(diff)
	}
	again := first
	again.Credential, again.Expires, again.Learned, again.Feed = "changed", start.Add(3*time.Hour), start.Add(2*time.Minute), "feed:other"
	putSessions(t, s, again)
	told := sessionsOf(t, s, ada, start)
	if again.ID = got[1].ID; len(told) != 2 || told[0] != again {
		t.Errorf("told again: %+v", told)
	}
	if got := indexes(sessionsOf(t, s, ada, start.Add(2*time.Hour))); !slices.Equal(got, []string{"1"}) {
		t.Errorf("when one has expired: %v", got)
	}

	see(t, s, func(tx bridge.Tx) error {
		all, err := tx.SessionsOf(ada.ID, start)
		if got := indexes(all); !slices.Equal(got, []string{"1", "2", "1"}) || all[2].App != "wiki" || err != nil {
			t.Errorf("in all apps: %v, %v", got, err)
		}
		if left, err := tx.SessionsOf(ada.ID, start.Add(time.Hour)); len(left) != 2 || err != nil {
			t.Errorf("in all apps, later: %+v, %v", left, err)
		}
		return nil
	})
	named := func(app string, name bridge.NameID, want ...string) {
		t.Helper()
		see(t, s, func(tx bridge.Tx) error {
			list, err := tx.SessionsNamed(app, name, start)
			if got := indexes(list); !slices.Equal(got, want) || err != nil {
				t.Errorf("%+v in %s: %v, %v; want %v", name, app, got, err, want)
			}
			for _, one := range list {
				if one.Person != ada.ID || one.Handle != ada.Handle {
					t.Errorf("named %s: %+v", name.Value, one)
				}
			}
			return nil
		})
	}
	named("crm", first.Name, "1", "2")
	named("wiki", first.Name, "1")
	named("none", first.Name)
	for _, other := range []bridge.NameID{{Value: "ada"}, {Value: "ADA", Format: "persistent", NameQualifier: "idp", SPNameQualifier: "sp"},
		{Value: "ada", Format: "persistent", NameQualifier: "sp", SPNameQualifier: "idp"}} {
		named("crm", other)
	}
	nameless := newSession(ada, "")
	nameless.Name = bridge.NameID{}
	putSessions(t, s, nameless)
	named("crm", bridge.NameID{})

	must(t, s, func(tx bridge.Tx) error { return tx.DropSession("wiki", first.Mark()) })
	named("wiki", first.Name)
	named("crm", first.Name, "1", "2")
	must(t, s, func(tx bridge.Tx) error { return tx.DropSession("crm", first.Mark()) })
	must(t, s, func(tx bridge.Tx) error { return tx.DropSession("crm", first.Mark()) }) // is gone already
	named("crm", first.Name, "2")
	if got := sessionsOf(t, s, bob, start); len(got) != 1 {
		t.Errorf("somebody else's: %+v", got)
	}
}

// manySessions: nobody fills the store with one person's sessions.
func manySessions(t *testing.T, s *store.Store) {
	ada, bob := newPerson("ada"), newPerson("bob")
	put(t, s, ada, bob)
	list := []bridge.Session{newSession(bob, "bob")}
	for i := range bridge.MostSessions + 30 {
		one := newSession(ada, fmt.Sprint(i))
		one.Learned = start.Add(time.Duration(i) * time.Second)
		list = append(list, one)
	}
	putSessions(t, s, list...)
	got := indexes(sessionsOf(t, s, ada, start))
	if len(got) != bridge.MostSessions || got[0] != fmt.Sprint(bridge.MostSessions+29) || got[len(got)-1] != "30" {
		t.Errorf("%d are kept, from %q to %q", len(got), got[0], got[len(got)-1])
	}
	if got := sessionsOf(t, s, bob, start); len(got) != 1 {
		t.Errorf("somebody else's: %+v", got)
	}
}

// sessionToldAtOnce: two who tell of the same session at once leave one that can be read.
func sessionToldAtOnce(t *testing.T, s *store.Store) {
	ada := newPerson("ada")
	put(t, s, ada)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := s.Update(t.Context(), func(tx bridge.Tx) error { return tx.PutSession(newSession(ada, "1")) }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := sessionsOf(t, s, ada, start); len(got) != 1 || got[0].Credential != "cookie" {
		t.Errorf("%+v", got)
	}
}

// sessionsEnd: what has expired is forgotten, a part at a time.
func sessionsEnd(t *testing.T, s *store.Store) {
	ada := newPerson("ada")
	put(t, s, ada)
	var list []bridge.Session
	for i := range 5 {
		one := newSession(ada, fmt.Sprint(i))
		one.Expires = start.Add(time.Duration(i) * time.Minute)
		list = append(list, one)
	}
	putSessions(t, s, list...)
	must(t, s, func(tx bridge.Tx) error { return tx.PutNote([32]byte{1}, nil, start, start.Add(time.Minute)) })
	for _, c := range []struct {
		at         time.Duration
		ended, has int
	}{{-1, 0, 5}, {3 * time.Minute, 2, 3}, {3 * time.Minute, 2, 1}, {3 * time.Minute, 0, 1}} {
		must(t, s, func(tx bridge.Tx) error {
			n, err := tx.EndSessions(start.Add(c.at), 2)
			if n != c.ended {
				t.Errorf("at %s %d ended, want %d", c.at, n, c.ended)
			}
			return err
		})
		if got := sessionsOf(t, s, ada, start.Add(-time.Hour)); len(got) != c.has {
			t.Errorf("at %s %d are left, want %d", c.at, len(got), c.has)
		}
	}
	// Also the note has gone, and not only been passed over.
	must(t, s, func(tx bridge.Tx) error { return tx.PutNote([32]byte{1}, nil, start, start.Add(time.Minute)) })
}

// sessionsOfTheErased: nothing is known of them any more, and nothing is taken in.
func sessionsOfTheErased(t *testing.T, s *store.Store) {
	ada, bob := newPerson("ada"), newPerson("bob")
	put(t, s, ada, bob)
	putSessions(t, s, newSession(ada, "1"), newSession(bob, "1"))
	must(t, s, func(tx bridge.Tx) error { return tx.DeletePerson(ada.ID, nil) })
	if got := sessionsOf(t, s, ada, start); len(got) != 1 {
		t.Errorf("of whoever was deleted, but not forgotten: %+v", got)
	}
	if _, err := s.Shred(t.Context(), ada.Handle); err != nil {
		t.Fatal(err)
	}
	putSessions(t, s, newSession(ada, "2"))
	if got := sessionsOf(t, s, ada, start); len(got) != 0 {
		t.Errorf("of whoever is forgotten: %+v", got)
	}
	if _, err := s.EndEpoch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := sessionsOf(t, s, bob, start); len(got) != 1 || got[0].Access != "access" {
		t.Errorf("somebody else's, an epoch later: %+v", got)
	}
}

// notes: each is taken once, by one, and until it expires.
func notes(t *testing.T, s *store.Store) {
	key, end := [32]byte{7}, start.Add(time.Minute)
	kept := func(note string, at time.Time) error {
		return s.Update(t.Context(), func(tx bridge.Tx) error { return tx.PutNote(key, []byte(note), at, at.Add(time.Minute)) })
	}
	take := func(at time.Time) (note []byte, err error) {
		err = s.Update(t.Context(), func(tx bridge.Tx) (err error) { note, err = tx.TakeNote(key, at); return err })
		return note, err
	}
	_, err := take(start)
	wantKind(t, err, bridge.KindNotFound)
	if err := kept("first", start); err != nil {
		t.Fatal(err)
	}
	wantKind(t, kept("second", end.Add(-time.Microsecond)), bridge.KindConflict)
	_, err = take(end)
	wantKind(t, err, bridge.KindNotFound)
	if note, err := take(start); err != nil || string(note) != "first" {
		t.Errorf("%q, %v", note, err)
	}
	_, err = take(start)
	wantKind(t, err, bridge.KindNotFound)
	if err := kept("third", start); err != nil {
		t.Fatal(err)
	}
	if err := kept("fourth", end); err != nil { // the third has expired
		t.Fatal(err)
	}
	if note, err := take(end); err != nil || string(note) != "fourth" {
		t.Errorf("%q, %v", note, err)
	}
	atOnce(t, "put", func() error { return kept("race", start) }, bridge.KindConflict)
	atOnce(t, "taken", func() error { _, err := take(start); return err }, bridge.KindNotFound)
}

// atOnce has several do the same at once: one must succeed, and the others hear why not.
func atOnce(t *testing.T, what string, do func() error, otherwise bridge.Kind) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	succeeded := 0
	for range 8 {
		wg.Go(func() {
			err := do()
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				succeeded++
			} else if !bridge.IsKind(err, otherwise) {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	wg.Wait()
	if succeeded != 1 {
		t.Errorf("%s by %d", what, succeeded)
	}
}
