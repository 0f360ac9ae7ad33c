package storetest

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

// departed stores somebody who has left, with everything that is kept of them.
func departed(t *testing.T, s *store.Store, name string) (bridge.Person, bridge.Case, bridge.Action) {
	t.Helper()
	p := newPerson(name)
	c := newCase(p, start)
	a := newAction(c, "a")
	a.State, a.Done = bridge.ActionPending, bridge.Receipt{Summary: "locked " + name, Ref: name}
	must(t, s, func(tx bridge.Tx) error {
		return errors.Join(tx.PutPerson(p), tx.PutCase(c), tx.PutAction(&a),
			tx.PutAccount(a.Lane, bridge.Account{ID: name, Login: name, Case: c.ID}),
			tx.Append(newEvent(bridge.CaseOpened, c.ID, bridge.Party{Role: bridge.Subject, Handle: p.Handle, Payload: []byte(`"` + name + `"`)})))
	})
	return p, c, a
}

// forgetting: of whoever is erased nothing is left but what says that they were,
// and nobody else loses anything.
func forgetting(t *testing.T, s *store.Store) {
	ctx := t.Context()
	p, c, a := departed(t, s, "ada")
	other, otherCase, _ := departed(t, s, "bob")
	former := newPerson("ada-before")
	formerCase := newCase(former, start)
	must(t, s, func(tx bridge.Tx) error { return errors.Join(tx.PutPerson(former), tx.PutCase(formerCase)) })
	must(t, s, func(tx bridge.Tx) error { return tx.DeletePerson(former.ID, former.Keys()) })

	first, err := s.Shred(ctx, p.Handle)
	if err != nil || len(first.Key) != 16 || first.Epoch != 1 || first.Horizon.IsZero() {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := s.Shred(ctx, p.Handle); err != nil || again.Key != first.Key || again.Epoch != first.Epoch {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := s.Shred(ctx, former.Handle); err != nil {
		t.Fatal(err)
	}
	see(t, s, func(tx bridge.Tx) error {
		for _, id := range []string{p.ID, former.ID} {
			_, err := tx.Person(id)
			wantKind(t, err, bridge.KindNotFound)
		}
		if _, n, err := tx.People(bridge.Query{Source: source, Where: bridge.Is(bridge.Normalise(bridge.ByUserName, "ada"))}); n != 0 || err != nil {
			t.Errorf("%d are found by the name: %v", n, err)
		}
		if cases, err := tx.CasesOf(source, "new", former.Keys()); len(cases) != 0 || err != nil {
			t.Errorf("recognised by %d cases: %v", len(cases), err)
		}
		got, err := tx.Case(c.ID)
		if want := (bridge.Identifiers{Person: p.ID}); err != nil || got.Who.UserName != "" || got.Who.Person != want.Person || got.State != c.State {
			t.Errorf("case %+v, %v", got, err)
		}
		if action, err := tx.Action(a.ID); err != nil || action.Done != (bridge.Receipt{}) || action.State != a.State {
			t.Errorf("action %+v, %v", action, err)
		}
		_, err = tx.Account(a.Lane)
		wantKind(t, err, bridge.KindNotFound)
		if still, err := tx.Person(other.ID); err != nil || still.UserName != "bob" {
			t.Errorf("somebody else: %+v, %v", still, err)
		}
		if still, err := tx.Case(otherCase.ID); err != nil || still.Who.UserName != "bob" {
			t.Errorf("somebody else's case: %+v, %v", still, err)
		}
		return nil
	})
	// What comes late is kept without anything personal.
	a.Done.Summary = "again ada"
	must(t, s, func(tx bridge.Tx) error {
		return errors.Join(tx.PutCase(c), tx.PutAction(&a), tx.PutAccount(a.Lane, bridge.Account{ID: "ada", Case: c.ID}),
			tx.Append(newEvent(bridge.ActionSettled, c.ID, bridge.Party{Role: bridge.Subject, Handle: p.Handle, Payload: []byte(`"ada"`)})))
	})
	wantKind(t, s.Update(ctx, func(tx bridge.Tx) error { return tx.PutPerson(p) }), bridge.KindNotFound)
	if _, err := s.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	events, err := s.Tail(ctx, -1, 10)
	if err != nil {
		t.Fatal(err)
	}
	payloads := ""
	for _, e := range events {
		for _, party := range e.Parties {
			payloads += string(party.Payload)
		}
	}
	if len(events) != 3 || payloads != `"bob"` {
		t.Errorf("%d events, payloads %s", len(events), payloads)
	}
	if report, err := s.VerifyLog(ctx, store.VerifyOptions{}); err != nil || report.Payloads != 1 {
		t.Errorf("the log: %+v, %v", report, err)
	}
	see(t, s, func(tx bridge.Tx) error {
		if action, err := tx.Action(a.ID); err != nil || action.Done != (bridge.Receipt{}) {
			t.Errorf("action, written late: %+v, %v", action, err)
		}
		_, err := tx.Account(a.Lane)
		wantKind(t, err, bridge.KindNotFound)
		return nil
	})
	wantKind(t, func() error { _, err := s.Shred(ctx, bridge.Handle{}); return err }(), bridge.KindInvalid)
}

// epochs: while people come and go, the keys of an epoch end, and nothing is lost.
func epochs(t *testing.T, s *store.Store) {
	ctx := t.Context()
	var kept []bridge.Person
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			p := newPerson("p" + strings.Repeat("x", i))
			if err := s.Update(ctx, func(tx bridge.Tx) error { return tx.PutPerson(p) }); err != nil {
				t.Error(err)
				return
			}
			kept = append(kept, p)
		}
	})
	for want := int64(2); want < 6; want++ {
		if _, err := s.EndEpoch(ctx); err != nil {
			t.Fatal(err)
		}
		if got := s.OldestEpoch(); got != want {
			t.Errorf("oldest epoch %d, want %d", got, want)
		}
	}
	close(stop)
	wg.Wait()
	if len(kept) == 0 {
		t.Fatal("nobody came")
	}
	see(t, s, func(tx bridge.Tx) error {
		for _, p := range kept {
			if got, err := tx.Person(p.ID); err != nil || got.UserName != p.UserName {
				t.Errorf("%q, %v", got.UserName, err)
			}
		}
		return nil
	})
}
