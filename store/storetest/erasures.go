package storetest

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

func newErasure(h bridge.Handle, stage bridge.Stage, received time.Time) bridge.Erasure {
	return bridge.Erasure{ID: uuid.NewString(), Source: "hr", Person: uuid.NewString(), Handle: h, Origin: bridge.ByRequest,
		By: bridge.Caller{Operator: "operator", Token: "admin"}, Stage: stage, Approval: bridge.FourEyes, Rule: "gdpr/1",
		Approved: []bridge.Caller{{Operator: "operator", Token: "other"}}, Apps: []string{"crm"},
		Deadlines: bridge.Deadlines{Due: received.AddDate(0, 1, 0)}, Received: received}
}

// erasures: each is found by its id, its person, its stage, and while something may
// be done about it.
func erasures(t *testing.T, s *store.Store) {
	h := bridge.NewHandle()
	refused := newErasure(h, bridge.StageRefused, start)
	open := newErasure(h, bridge.StageReceived, start.Add(time.Hour))
	done := newErasure(bridge.NewHandle(), bridge.StageDone, start.Add(2*time.Hour))
	done.Shredded = bridge.Shredded{Epoch: 4, Key: "0123456789abcdef", Scanned: 7, Horizon: start}
	must(t, s, func(tx bridge.Tx) error {
		for _, e := range []bridge.Erasure{refused, open, done} {
			if err := tx.PutErasure(e); err != nil {
				return err
			}
		}
		return nil
	})
	ids := func(list []bridge.Erasure, err error) (ids []string) {
		if err != nil {
			t.Error(err)
		}
		for _, e := range list {
			ids = append(ids, e.ID)
		}
		return ids
	}
	same := func(what string, got []string, want ...string) {
		t.Helper()
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", what, got, want)
			return
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
	}
	see(t, s, func(tx bridge.Tx) error {
		got, err := tx.Erasure(done.ID)
		if err != nil || got.Shredded != done.Shredded || got.Handle != done.Handle || got.Deadlines != done.Deadlines ||
			got.By != done.By || len(got.Approved) != 1 || len(got.Apps) != 1 {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := tx.Erasure(uuid.NewString()); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Error(err)
		}
		same("all", ids(tx.Erasures(nil, start.Add(3*time.Hour), 9)), done.ID, open.ID, refused.ID)
		same("one stage", ids(tx.Erasures([]bridge.Stage{bridge.StageReceived}, start.Add(3*time.Hour), 9)), open.ID)
		same("before", ids(tx.Erasures(nil, open.Received, 9)), refused.ID)
		same("of a person", ids(tx.ErasuresOf(h)), open.ID, refused.ID)
		now := start.Add(3 * time.Hour)
		same("open", ids(tx.OpenErasures(4, now, "", 9)), open.ID)
		same("after it", ids(tx.OpenErasures(4, now, open.ID, 9)))
		if n := len(ids(tx.OpenErasures(5, now, "", 9))); n != 2 {
			t.Errorf("when the epoch is over: %d", n)
		}
		return nil
	})
	open.Stage = bridge.StageRefused
	must(t, s, func(tx bridge.Tx) error { return tx.PutErasure(open) })
	see(t, s, func(tx bridge.Tx) error {
		same("none", ids(tx.OpenErasures(4, start.Add(3*time.Hour), "", 9)))
		return nil
	})
	open.Stage, open.NotBefore = bridge.StageApproved, start.Add(4*time.Hour)
	must(t, s, func(tx bridge.Tx) error { return tx.PutErasure(open) })
	see(t, s, func(tx bridge.Tx) error {
		same("none before its time", ids(tx.OpenErasures(4, start.Add(3*time.Hour), "", 9)))
		same("then it is", ids(tx.OpenErasures(4, open.NotBefore, "", 9)), open.ID)
		return nil
	})
}

// holds: each keeps those in its scope, and nobody else, until it is lifted.
func holds(t *testing.T, s *store.Store) {
	ada, bob := bridge.NewHandle(), bridge.NewHandle()
	hold := func(scope bridge.Scope, by bridge.Caller) bridge.Hold {
		return bridge.Hold{ID: uuid.NewString(), Scope: scope, Basis: "Smith v. Acme", Approver: "Cleo", By: by, Placed: start, Review: start.Add(time.Hour)}
	}
	admin := bridge.Caller{Operator: "operator", Token: "admin"}
	on := func(h bridge.Handle, source string, want bool) {
		t.Helper()
		see(t, s, func(tx bridge.Tx) error {
			if _, err := tx.HoldOn(h, source); (err == nil) != want || err != nil && !bridge.IsKind(err, bridge.KindNotFound) {
				t.Errorf("held: %v, want %v", err, want)
			}
			return nil
		})
	}
	try := func(h bridge.Hold, held func(want bool)) {
		t.Helper()
		held(false)
		must(t, s, func(tx bridge.Tx) error { return tx.PutHold(h) })
		held(true)
		h.Lifted = start.Add(time.Minute)
		must(t, s, func(tx bridge.Tx) error { return tx.PutHold(h) })
		held(false)
	}
	try(hold(bridge.Scope{Handle: ada}, admin), func(want bool) { on(ada, "hr", want); on(bob, "hr", false) })
	try(hold(bridge.Scope{Source: "hr"}, admin), func(want bool) { on(ada, "hr", want); on(bob, "hr", want); on(bob, "okta", false) })
	try(hold(bridge.Scope{}, admin), func(want bool) { on(ada, "hr", want); on(bob, "okta", want) })

	said := hold(bridge.Scope{Handle: ada}, bridge.Caller{Source: "hr", Token: "hr.1"})
	said.Review = time.Time{}
	late := hold(bridge.Scope{Handle: bob}, admin)
	must(t, s, func(tx bridge.Tx) error { return tx.PutHold(said) })
	must(t, s, func(tx bridge.Tx) error { return tx.PutHold(late) })
	see(t, s, func(tx bridge.Tx) error {
		if h, err := tx.HoldBy("hr", ada); err != nil || h.ID != said.ID || h.By != said.By {
			t.Errorf("the source's: %+v, %v", h, err)
		}
		if _, err := tx.HoldBy("hr", bob); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Errorf("an operator's is the source's: %v", err)
		}
		if h, err := tx.Hold(late.ID); err != nil || h != late {
			t.Errorf("%+v, %v", h, err)
		}
		if list, err := tx.Holds(false, 9); err != nil || len(list) != 2 {
			t.Errorf("%d stand, %v", len(list), err)
		}
		if list, err := tx.Holds(true, 9); err != nil || len(list) != 5 {
			t.Errorf("%d in all, %v", len(list), err)
		}
		for _, c := range []struct {
			now  time.Time
			want int
		}{{start, 0}, {start.Add(2 * time.Hour), 1}} {
			if list, err := tx.HoldsToReview(c.now, 9); err != nil || len(list) != c.want {
				t.Errorf("to review: %+v, %v", list, err)
			}
		}
		return nil
	})
	late.Overdue = true
	must(t, s, func(tx bridge.Tx) error { return tx.PutHold(late) })
	see(t, s, func(tx bridge.Tx) error {
		if list, err := tx.HoldsToReview(start.Add(2*time.Hour), 9); err != nil || len(list) != 0 {
			t.Errorf("told twice: %+v, %v", list, err)
		}
		return nil
	})
}
