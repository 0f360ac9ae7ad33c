package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

func roundTrip(t *testing.T, s *store.Store) {
	p := newPerson("ada")
	put(t, s, p)
	see(t, s, func(tx bridge.Tx) error {
		got, err := tx.Person(p.ID)
		if diff := cmp.Diff(p, got); diff != "" {
			t.Error(diff)
		}
		return err
	})
	p.Version, p.Active, p.DisplayName, p.Emails = 2, false, "", nil
	must(t, s, func(tx bridge.Tx) error {
		if _, err := tx.Person(p.ID); err != nil {
			return err
		}
		return tx.PutPerson(p)
	})
	see(t, s, func(tx bridge.Tx) error {
		got, err := tx.Person(p.ID)
		if diff := cmp.Diff(p, got); diff != "" {
			t.Error(diff)
		}
		return err
	})
	wantKind(t, s.View(t.Context(), func(tx bridge.Tx) error { _, err := tx.Person("nobody"); return err }), bridge.KindNotFound)
	missing := newPerson("missing")
	missing.Version = 2
	wantKind(t, s.Update(t.Context(), func(tx bridge.Tx) error { return tx.PutPerson(missing) }), bridge.KindNotFound)
	twin := newPerson("twin")
	twin.ID = p.ID
	wantKind(t, s.Update(t.Context(), func(tx bridge.Tx) error { return tx.PutPerson(twin) }), bridge.KindConflict)
}

func nothingRemains(t *testing.T, s *store.Store) {
	p := newPerson("ada")
	boom := errors.New("boom")
	err := s.Update(t.Context(), func(tx bridge.Tx) error {
		if err := tx.PutPerson(p); err != nil {
			return err
		}
		if err := tx.Append(newEvent(bridge.PersonCreated, "")); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	wantKind(t, s.View(t.Context(), func(tx bridge.Tx) error { _, err := tx.Person(p.ID); return err }), bridge.KindNotFound)
	if n, err := s.Seal(t.Context()); n != 0 || err != nil {
		t.Fatalf("sealed %d events of a transaction that failed: %v", n, err)
	}
	// What a failed statement left must not be committed by ignoring the error.
	put(t, s, newPerson("taken"))
	err = s.Update(t.Context(), func(tx bridge.Tx) error {
		if err := tx.PutPerson(p); err != nil {
			return err
		}
		_ = tx.PutPerson(newPerson("taken"))
		return nil
	})
	if err == nil {
		t.Fatal("an ignored conflict was committed")
	}
	wantKind(t, s.View(t.Context(), func(tx bridge.Tx) error { _, err := tx.Person(p.ID); return err }), bridge.KindNotFound)
}

// panicsComeBack runs bad updates among good ones: on SQLite they share
// commits, and nobody may notice.
func panicsComeBack(t *testing.T, s *store.Store) {
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			defer func() {
				if r := recover(); (r != nil) != (i%4 == 3) {
					t.Errorf("caller %d: panic %v", i, r)
				}
			}()
			err := s.Update(t.Context(), func(tx bridge.Tx) error {
				name := fmt.Sprintf("p%d", i)
				if i%4 == 2 {
					name = "same" // all but the first conflict
				}
				if err := tx.PutPerson(newPerson(name)); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					return bridge.Errorf(bridge.KindStale, "poisoned")
				case 3:
					panic("poisoned")
				}
				return nil
			})
			switch {
			case i%4 == 0 && err != nil:
				t.Errorf("caller %d: %v", i, err)
			case i%4 == 1 && !bridge.IsKind(err, bridge.KindStale):
				t.Errorf("caller %d: %v", i, err)
			case i%4 == 2 && err != nil && !bridge.IsKind(err, bridge.KindConflict):
				t.Errorf("caller %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	see(t, s, func(tx bridge.Tx) error {
		_, n, err := tx.People(bridge.Query{Source: source})
		if n != 17 {
			t.Errorf("%d people, want 16 and one called same", n)
		}
		return err
	})
}

func noUpdateLost(t *testing.T, s *store.Store) {
	p := newPerson("ada")
	put(t, s, p)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := s.Update(t.Context(), func(tx bridge.Tx) error {
				got, err := tx.Person(p.ID)
				if err != nil {
					return err
				}
				got.Version++
				return tx.PutPerson(got)
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	see(t, s, func(tx bridge.Tx) error {
		got, err := tx.Person(p.ID)
		if got.Version != 17 {
			t.Errorf("version %d after 16 increments of 1", got.Version)
		}
		return err
	})
}

func cancelledBefore(t *testing.T, s *store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ran := false
	if err := s.Update(ctx, func(bridge.Tx) error { ran = true; return nil }); !errors.Is(err, context.Canceled) || ran {
		t.Fatalf("got %v, ran %v", err, ran)
	}
	// Cancelled while it runs: the answer is the commit's.
	ctx, cancel = context.WithCancel(t.Context())
	p := newPerson("ada")
	if err := s.Update(ctx, func(tx bridge.Tx) error { cancel(); return tx.PutPerson(p) }); err != nil {
		t.Fatal(err)
	}
	see(t, s, func(tx bridge.Tx) error { _, err := tx.Person(p.ID); return err })
}

func viewSnapshot(t *testing.T, s *store.Store) {
	put(t, s, newPerson("ada"))
	all := bridge.Query{Source: source}
	see(t, s, func(tx bridge.Tx) error {
		_, before, err := tx.People(all)
		if err != nil {
			return err
		}
		put(t, s, newPerson("bob"))
		_, after, err := tx.People(all)
		if before != 1 || after != 1 {
			t.Errorf("one view saw %d people, then %d", before, after)
		}
		return err
	})
}

func viewCannotWrite(t *testing.T, s *store.Store) {
	p := newPerson("ada")
	for name, write := range map[string]func(bridge.Tx) error{
		"PutPerson": func(tx bridge.Tx) error { return tx.PutPerson(p) },
		"Append":    func(tx bridge.Tx) error { return tx.Append(newEvent(bridge.PersonCreated, "")) },
		"WakeLane":  func(tx bridge.Tx) error { return tx.WakeLane(bridge.Lane{App: "a", Person: "p"}, start) },
		"PutCase":   func(tx bridge.Tx) error { return tx.PutCase(newCase(p, start)) },
	} {
		if err := s.View(t.Context(), write); err == nil {
			t.Errorf("%s in a view did not fail", name)
		}
	}
}
