package storetest

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

func putCases(t *testing.T, s *store.Store, list ...bridge.Case) {
	t.Helper()
	must(t, s, func(tx bridge.Tx) error {
		for _, c := range list {
			if err := tx.PutCase(c); err != nil {
				return err
			}
		}
		return nil
	})
}

func ids(list []bridge.Case) (out []string) {
	for _, c := range list {
		out = append(out, c.ID)
	}
	return out
}

func cases(t *testing.T, s *store.Store) {
	var list []bridge.Case
	for i := range 5 {
		list = append(list, newCase(newPerson("ada"), start.Add(time.Duration(i)*time.Second)))
	}
	list[1].State, list[1].Closed = bridge.CaseClosed, start.Add(time.Hour)
	putCases(t, s, list...)
	see(t, s, func(tx bridge.Tx) error {
		got, err := tx.Case(list[1].ID)
		if diff := cmp.Diff(list[1], got); diff != "" {
			t.Error(diff)
		}
		return err
	})
	for _, c := range []struct {
		name   string
		states []bridge.CaseState
		before time.Time
		limit  int
		want   []string
	}{
		{"newest first", nil, time.Time{}, 2, []string{list[4].ID, list[3].ID}},
		{"before", nil, list[3].Opened, 2, []string{list[2].ID, list[1].ID}},
		{"by state", []bridge.CaseState{bridge.CaseClosed, bridge.CaseStuck}, time.Time{}, 9, []string{list[1].ID}},
	} {
		see(t, s, func(tx bridge.Tx) error {
			got, err := tx.Cases(c.states, c.before, c.limit)
			if diff := cmp.Diff(c.want, ids(got)); diff != "" {
				t.Error(c.name, diff)
			}
			return err
		})
	}
	list[0].State = bridge.CaseRunning
	putCases(t, s, list[0])
	see(t, s, func(tx bridge.Tx) error {
		got, err := tx.Case(list[0].ID)
		if got.State != bridge.CaseRunning {
			t.Errorf("state %s after replacing it", got.State)
		}
		return err
	})
	wantKind(t, s.View(t.Context(), func(tx bridge.Tx) error { _, err := tx.Case("none"); return err }), bridge.KindNotFound)
}

func casesOf(t *testing.T, s *store.Store) {
	ada, bob := newPerson("ada"), newPerson("bob")
	key := func(a bridge.Attribute, v string) bridge.Key { return bridge.Normalise(a, v) }
	must(t, s, func(tx bridge.Tx) error { return errors.Join(tx.PutPerson(ada), tx.PutPerson(bob)) })
	left, older := newCase(ada, start), newCase(ada, start.Add(-time.Hour))
	returned := newCase(ada, start.Add(time.Minute))
	returned.Returned, returned.ReturnedAs = start.Add(time.Hour), ada.ID
	foreign, bobs, logout := newCase(ada, start), newCase(bob, start), newCase(ada, start.Add(time.Hour))
	foreign.Source, logout.Trigger = "other", bridge.LoggedOut
	putCases(t, s, left, older, returned, foreign, bobs, logout)
	look := func(name, person string, want []string, keys ...bridge.Key) {
		t.Helper()
		must(t, s, func(tx bridge.Tx) error {
			got, err := tx.CasesOf(source, person, keys)
			if diff := cmp.Diff(want, ids(got)); diff != "" {
				t.Error(name, diff)
			}
			return err
		})
	}
	mine := []string{left.ID, older.ID}
	look("the same person", ada.ID, mine)
	look("a namesake, while she is there", "new", nil, key(bridge.ByUserName, ada.UserName))
	must(t, s, func(tx bridge.Tx) error {
		return tx.DeletePerson(ada.ID, []bridge.Key{key(bridge.ByUserName, "ada"), key(bridge.ByExternalID, "x-ada")})
	})
	look("the same person, deleted", ada.ID, mine)
	look("the same user name", "new", mine, key(bridge.ByUserName, "ADA"))
	look("the same external id", "new", mine, key(bridge.ByUserName, "eve"), key(bridge.ByExternalID, "x-ada"))
	look("by what she was not deleted by", "new", nil, key(bridge.ByEmail, "ada@example.org"))
	look("somebody else", bob.ID, []string{bobs.ID}, key(bridge.ByUserName, "bob"))
}

func caseStates(t *testing.T, s *store.Store) {
	ada, bob, eve, dan := newPerson("ada"), newPerson("bob"), newPerson("eve"), newPerson("dan")
	older, newer := newCase(ada, start), newCase(ada, start.Add(time.Hour))
	older.State, newer.State = bridge.CaseClosed, bridge.CaseStuck
	returned, before := newCase(bob, start.Add(time.Hour)), newCase(bob, start)
	returned.Returned, returned.State, before.State = start.Add(2*time.Hour), bridge.CaseCancelled, bridge.CaseRunning
	back := newCase(eve, start)
	back.Returned = start.Add(time.Hour)
	foreign := newCase(dan, start)
	foreign.Source = "other"
	logout := newCase(ada, start.Add(2*time.Hour))
	logout.Trigger = bridge.LoggedOut // nobody left
	putCases(t, s, logout, newer, older, returned, before, back, foreign, newCase(newPerson("nobody asks"), start))
	see(t, s, func(tx bridge.Tx) error {
		got, err := tx.CaseStates(source, ada.ID, bob.ID, eve.ID, dan.ID, "unknown")
		if diff := cmp.Diff(map[string]bridge.CaseState{ada.ID: bridge.CaseStuck, bob.ID: bridge.CaseRunning}, got); diff != "" {
			t.Error(diff)
		}
		if err != nil {
			return err
		}
		got, err = tx.CaseStates(source)
		if len(got) != 0 {
			t.Error("of nobody:", got)
		}
		return err
	})
}

func openCases(t *testing.T, s *store.Store) {
	var list []bridge.Case
	for i := range 12 {
		list = append(list, newCase(newPerson("ada"), start.Add(time.Duration(i)*time.Second)))
	}
	putCases(t, s, list...)
	planned := make(map[string]int)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				n := 0
				if err := s.Update(t.Context(), func(tx bridge.Tx) error {
					got, err := tx.OpenCases(2)
					if err != nil {
						return err
					}
					n = len(got)
					for _, c := range got {
						c.State = bridge.CaseRunning
						if err := tx.PutCase(c); err != nil {
							return err
						}
						mu.Lock()
						planned[c.ID]++
						mu.Unlock()
					}
					return nil
				}); err != nil {
					t.Error(err)
					return
				}
				if n == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	see(t, s, func(tx bridge.Tx) error {
		got, err := tx.OpenCases(10)
		if len(got) != 0 || len(planned) != 12 {
			t.Errorf("%d still open, %d planned", len(got), len(planned))
		}
		return err
	})
	for id, n := range planned {
		if n != 1 {
			t.Errorf("case %s was claimed %d times", id, n)
		}
	}
}

func actions(t *testing.T, s *store.Store) {
	p := newPerson("ada")
	c, other := newCase(p, start), newCase(p, start)
	putCases(t, s, c, other)
	var list []*bridge.Action
	must(t, s, func(tx bridge.Tx) error {
		list = nil
		for _, a := range []bridge.Action{newAction(c, "b"), newAction(c, "a"), newAction(c, "a"), newAction(other, "a"), newAction(c, "a")} {
			a.Done = bridge.Receipt{Summary: "200", Status: 200, Ref: "r", At: start, Took: time.Millisecond}
			if err := tx.PutAction(&a); err != nil {
				return err
			}
			list = append(list, &a)
		}
		return nil
	})
	for i := 1; i < len(list); i++ {
		if list[i].Seq <= list[i-1].Seq {
			t.Fatalf("seq %d after %d", list[i].Seq, list[i-1].Seq)
		}
	}
	list[2].State, list[3].State, list[4].State = bridge.ActionStuck, bridge.ActionStuck, bridge.ActionVerified
	list[4].Settled, list[4].Attempts, list[4].Checks, list[4].Problem = start.Add(time.Second), 2, 3, "none"
	list[4].Checked = bridge.Receipt{Summary: "404", Status: 404, At: start}
	must(t, s, func(tx bridge.Tx) error {
		for _, a := range list[2:] {
			if err := tx.PutAction(a); err != nil {
				return err
			}
		}
		return nil
	})
	see(t, s, func(tx bridge.Tx) error {
		got, err := tx.Actions(c.ID)
		if diff := cmp.Diff([]bridge.Action{*list[1], *list[2], *list[4], *list[0]}, got); diff != "" {
			t.Error(diff)
		}
		if err != nil {
			return err
		}
		got, err = tx.LaneActions(bridge.Lane{App: "a", Person: p.ID})
		if diff := cmp.Diff([]bridge.Action{*list[1], *list[2], *list[3]}, got); diff != "" {
			t.Error("open or stuck:", diff)
		}
		return err
	})
	gone := newAction(c, "a")
	gone.Seq = 9999
	wantKind(t, s.Update(t.Context(), func(tx bridge.Tx) error { return tx.PutAction(&gone) }), bridge.KindNotFound)
}

func accounts(t *testing.T, s *store.Store) {
	c := newCase(newPerson("ada"), start)
	must(t, s, func(tx bridge.Tx) error { return tx.PutCase(c) })
	l := bridge.Lane{App: "a", Person: "p"}
	read := func() (a bridge.Account, err error) {
		err = s.View(t.Context(), func(tx bridge.Tx) error { a, err = tx.Account(l); return err })
		return a, err
	}
	_, err := read()
	wantKind(t, err, bridge.KindNotFound)
	for _, want := range []bridge.Account{{ID: "7", Login: "ada", Match: "userName", Live: []string{"x", "y"}, Case: c.ID}, {ID: "8", Case: c.ID}} {
		must(t, s, func(tx bridge.Tx) error { return tx.PutAccount(l, want) })
		if got, err := read(); !cmp.Equal(got, want) || err != nil {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	must(t, s, func(tx bridge.Tx) error { return tx.PutAccount(l, bridge.Account{}) })
	_, err = read()
	wantKind(t, err, bridge.KindNotFound)
}

func tokens(t *testing.T, s *store.Store) {
	ctx := t.Context()
	want := store.Token{ID: "t1", Source: source, Hash: [32]byte{1, 2, 3}, Created: start}
	if err := s.PutToken(ctx, want, 2, newEvent(bridge.TokenIssued, "")); err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.PutToken(ctx, want, 2), bridge.KindConflict)
	if got, err := s.Token(ctx, "t1"); err != nil || got != want {
		t.Fatalf("got %+v, %v", got, err)
	}
	if err := s.PutToken(ctx, store.Token{ID: "t2", Source: "other", Created: start}, 2); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Tokens(ctx, source); err != nil || len(got) != 1 || got[0] != want {
		t.Fatalf("got %+v, %v", got, err)
	}
	if got, err := s.Tokens(ctx, ""); err != nil || len(got) != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	for range 2 {
		for _, credential := range []string{"t1", "jwt:hr"} {
			if err := s.NoteUse(ctx, source, credential); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.RevokeToken(ctx, "t1", newEvent(bridge.TokenRevoked, "")); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Token(ctx, "t1")
	if err != nil || got.Revoked.IsZero() || time.Since(got.Used).Abs() > time.Minute {
		t.Fatalf("got %+v, %v", got, err)
	}
	uses, err := s.Uses(ctx)
	if err != nil || len(uses) != 2 || uses[0].Credential != "jwt:hr" || uses[1] != (store.Use{Source: source, Credential: "t1", Used: got.Used}) {
		t.Fatalf("got %+v, %v", uses, err)
	}
	_, err = s.Token(ctx, "none")
	wantKind(t, err, bridge.KindNotFound)
	wantKind(t, s.RevokeToken(ctx, "none"), bridge.KindNotFound)
	if _, err := s.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	if events, err := s.Tail(ctx, -1, 10); err != nil || len(events) != 2 {
		t.Fatalf("%d events of one issued and one revoked token: %v", len(events), err)
	}
}

// A source has two good tokens and no third, whoever asks at the same time.
func twoTokens(t *testing.T, s *store.Store) {
	ctx := t.Context()
	results := make(chan error)
	for i := range 6 {
		go func() {
			results <- s.PutToken(ctx, store.Token{ID: string(rune('a' + i)), Source: source, Created: start}, 2)
		}()
	}
	issued := 0
	for range 6 {
		if err := <-results; err == nil {
			issued++
		} else {
			wantKind(t, err, bridge.KindConflict)
		}
	}
	live, err := s.Tokens(ctx, source)
	if err != nil || issued != len(live) || issued < 1 || issued > 2 {
		t.Fatalf("%d were issued, %d are there: %v", issued, len(live), err)
	}
	for id := 'p'; issued < 2; id++ { // on PostgreSQL, two may have wanted one slot
		if err := s.PutToken(ctx, store.Token{ID: string(id), Source: source, Created: start}, 2); err != nil {
			t.Fatal(err)
		}
		issued++
	}
	third := store.Token{ID: "third", Source: source, Created: start}
	if err := s.PutToken(ctx, third, 2); !bridge.IsKind(err, bridge.KindConflict) || !strings.Contains(err.Error(), "exeunt token revoke "+live[0].ID) {
		t.Fatalf("a third: %v", err)
	}
	if err := s.RevokeToken(ctx, live[0].ID); err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.PutToken(ctx, third, 1), bridge.KindConflict) // one is good, and the configuration has another
	if err := s.PutToken(ctx, third, 2); err != nil {
		t.Fatalf("in the place of a revoked one: %v", err)
	}
	if err := s.PutToken(ctx, store.Token{ID: "other", Source: "other", Created: start}, 2); err != nil {
		t.Fatalf("of another source: %v", err)
	}
}

func stats(t *testing.T, s *store.Store) {
	c := newCase(newPerson("ada"), start)
	putCases(t, s, c)
	must(t, s, func(tx bridge.Tx) error {
		for _, due := range []time.Duration{time.Second, 0} {
			a := newAction(c, "a")
			a.Due = start.Add(due)
			if err := tx.PutAction(&a); err != nil {
				return err
			}
		}
		settled := newAction(c, "b")
		settled.State = bridge.ActionVerified
		if err := tx.PutAction(&settled); err != nil {
			return err
		}
		return tx.Append(newEvent(bridge.CaseOpened, c.ID))
	})
	if _, err := s.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got.WAL, got.Waiting = 0, 0
	if diff := cmp.Diff(store.Stats{
		Cases:   map[bridge.CaseState]int{bridge.CaseOpen: 1},
		Actions: map[string]map[bridge.ActionState]int{"a": {bridge.ActionWaiting: 2}, "b": {bridge.ActionVerified: 1}},
		Oldest:  map[string]time.Time{"a": start}, Erasures: map[store.Lateness]int{}, Sessions: map[string]int{}, Size: 1,
	}, got); diff != "" {
		t.Error(diff)
	}
}
