package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

func newRetained(purpose string, expires time.Time) bridge.Retained {
	return bridge.Retained{ID: uuid.NewString(), Made: start, Retention: bridge.Retention{Purpose: purpose, Basis: "article 6(1)(f)",
		Document: "DPIA 7", Approver: "Cleo", By: "admin", Expires: expires}}
}

// retained: what is retained is known, for its purpose and its time, and nothing
// can be told of it when it is gone.
func retained(t *testing.T, s *store.Store) {
	ctx := t.Context()
	p := newPerson("ada")
	put(t, s, p)
	day := 24 * time.Hour
	soon, late := newRetained("fraud", start.Add(day)), newRetained("fraud", start.Add(9*day))
	other := newRetained("debts", start.Add(2*day))
	must(t, s, func(tx bridge.Tx) error {
		return errors.Join(tx.PutRetention(p.Handle, soon.Retention), tx.PutRetention(p.Handle, late.Retention), tx.PutRetention(p.Handle, other.Retention))
	})
	see(t, s, func(tx bridge.Tx) error {
		list, err := tx.Retentions(p.Handle)
		if err != nil || len(list) != 2 || list[0] != other.Retention || list[1] != late.Retention {
			t.Errorf("asked for: %+v, %v", list, err)
		}
		return nil
	})
	must(t, s, func(tx bridge.Tx) error {
		return errors.Join(tx.PutRetained(late, "ada@example.org"), tx.PutRetained(soon, "bob@example.org"), tx.PutRetained(other, "ada"),
			tx.DropRetentions(p.Handle))
	})
	known := func(purpose, identifier string, at time.Time, want bool) {
		t.Helper()
		see(t, s, func(tx bridge.Tx) error {
			if got, err := tx.Known(purpose, identifier, at); got != want || err != nil {
				t.Errorf("%s, %s at %s: known %v, %v", purpose, identifier, at, got, err)
			}
			return nil
		})
	}
	known("fraud", "ada@example.org", start, true)
	known("fraud", "ada@example.org", late.Expires, false)
	known("fraud", "ADA@example.org", start, false) // whoever asks has to normalise
	known("fraud", "ada", start, false)
	known("debts", "ada", start, true)
	known("none", "ada", start, false)
	see(t, s, func(tx bridge.Tx) error {
		if list, err := tx.Retentions(p.Handle); len(list) != 0 || err != nil {
			t.Errorf("still asked for: %+v, %v", list, err)
		}
		list, err := tx.Retained(time.Time{})
		if err != nil || len(list) != 3 || list[0] != soon || list[1] != other || list[2] != late {
			t.Errorf("%+v, %v", list, err)
		}
		if list, err := tx.Retained(soon.Expires); err != nil || len(list) != 1 || list[0] != soon {
			t.Errorf("expired: %+v, %v", list, err)
		}
		return nil
	})
	// It outlives its person, and the key epoch in which it was made.
	if _, err := s.Shred(ctx, p.Handle); err != nil {
		t.Fatal(err)
	}
	if _, err := s.EndEpoch(ctx); err != nil {
		t.Fatal(err)
	}
	known("fraud", "ada@example.org", start, true)
	second := newRetained("fraud", late.Expires)
	must(t, s, func(tx bridge.Tx) error { return tx.PutRetained(second, "eve") }) // under another key
	known("fraud", "eve", start, true)
	known("fraud", "bob@example.org", start, true)

	spent := func(want int) (list []bridge.Handle) {
		t.Helper()
		must(t, s, func(tx bridge.Tx) (err error) { list, err = tx.SpentPeppers(); return err })
		if len(list) != want {
			t.Fatalf("%d keys have no hash, want %d", len(list), want)
		}
		return list
	}
	must(t, s, func(tx bridge.Tx) error { return tx.DropRetained(soon.ID) })
	wantKind(t, s.Update(ctx, func(tx bridge.Tx) error { return tx.DropRetained(soon.ID) }), bridge.KindNotFound)
	known("fraud", "bob@example.org", start, false)
	spent(0) // ada's hash has the same key
	must(t, s, func(tx bridge.Tx) error { return tx.DropRetained(late.ID) })
	handle := spent(1)[0]
	spent(1) // until it is destroyed
	known("fraud", "eve", start, true)
	if done, err := s.Shred(ctx, handle); err != nil || done.Key == "" {
		t.Fatal("there was no key", done, err)
	}
	spent(0)
	known("fraud", "eve", start, true)
	// A key that has ended makes no more hashes, also within its epoch.
	must(t, s, func(tx bridge.Tx) error { return tx.DropRetained(second.ID) })
	ended := spent(1)[0]
	must(t, s, func(tx bridge.Tx) error { return tx.PutRetained(second, "eve") })
	if got := spent(1)[0]; got != ended {
		t.Error("another key was spent")
	}
	if _, err := s.Shred(ctx, ended); err != nil {
		t.Fatal(err)
	}
	known("fraud", "eve", start, true)
	wantKind(t, s.Update(ctx, func(tx bridge.Tx) error { return tx.PutRetention(p.Handle, soon.Retention) }), bridge.KindNotFound)
}
