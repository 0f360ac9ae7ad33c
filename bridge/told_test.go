package bridge_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
)

// ear hears what a bridge tells.
type ear struct {
	mu    sync.Mutex
	cases []bridge.CaseState
}

func (*ear) Attempted(string, bridge.Effect, string, time.Duration) {}
func (*ear) Settled(bridge.Action)                                  {}
func (e *ear) CaseSettled(c bridge.Case, _ time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cases = append(e.cases, c.State)
}

// A return that ends a case is told to the observer, as every end is.
func TestTheEndOfACaseByAReturnIsTold(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		e := &ear{}
		b := bridge.New(bridge.Options{Store: w.store, Observer: e})
		b.SetApps([]bridge.App{{Name: "wiki", Protocol: "scim", Connector: w.conn,
			Policy: bridge.Policy{bridge.Deactivated: {bridge.Lock}}, Limits: limits}})
		w.app.Faults.Set(sandbox.Fault{Kind: sandbox.Fail})
		w.active(w.ids[0], false)
		if _, err := b.ChangePerson(hr(), w.ids[0], func(p *bridge.Person) error { p.Active = true; return nil }); err != nil {
			t.Fatal(err)
		}
		if len(e.cases) != 1 || e.cases[0] != w.state(w.ids[0], 0) {
			t.Errorf("heard %v, the case is %s", e.cases, w.state(w.ids[0], 0))
		}
	})
}

// unseen does what it is told, and does not know yet whether it took hold.
type unseen struct{ bridge.Connector }

func (unseen) Check(context.Context, bridge.Order) (bridge.Receipt, error) {
	return bridge.Receipt{}, context.DeadlineExceeded
}

// What was done before the policy changed is not called dropped.
func TestPolicyChangesAfterADeletion(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		plain := w.conn
		w.conn = unseen{plain}
		w.policy(bridge.Policy{bridge.Removed: {bridge.Delete}})
		if err := w.bridge.RemovePerson(hr(), w.ids[0], nil); err != nil {
			t.Fatal(err)
		}
		w.until("the deletion is done and not yet checked", func() bool {
			_, a := w.cases(w.ids[0])
			return len(a) == 1 && len(a[0]) == 1 && a[0][0].State == bridge.ActionPending
		})
		w.conn = plain
		w.policy(bridge.Policy{bridge.Removed: {bridge.Lock}})
		w.until("the case has ended", func() bool { return w.state(w.ids[0], 0) != bridge.CaseRunning })
		if _, a := w.cases(w.ids[0]); a[0][0].State != bridge.ActionVerified {
			t.Errorf("the account is gone, and the action %s: %s", a[0][0].State, a[0][0].Problem)
		}
	})
}

// A deadline holds also where the app is not asked any more: it was taken out,
// and nobody works its lanes.
func TestADeadlineHoldsWhereNobodyIsAsked(t *testing.T) {
	onBoth(t, 3, func(w *world) {
		w.app.Faults.Set(sandbox.Fault{Kind: sandbox.Fail})
		for _, id := range w.ids {
			w.active(id, false)
		}
		w.until("all cases are planned", func() bool {
			for _, id := range w.ids {
				if w.state(id, 0) != bridge.CaseRunning {
					return false
				}
			}
			return true
		})
		w.store.SetQueues(t.Context(), nil)
		w.bridge.SetApps(nil)
		e := &ear{}
		now := time.Now()
		b := bridge.New(bridge.Options{Store: w.store, Observer: e, Now: func() time.Time { return now }})
		if n, err := b.EndOverdue(t.Context()); n != 0 || err != nil {
			t.Fatalf("%d lanes are overdue already, %v", n, err)
		}
		now = now.Add(limits.Deadline + 5*time.Minute)
		if n, err := b.EndOverdue(t.Context()); n != 3 || err != nil {
			t.Fatalf("%d lanes are overdue, %v", n, err)
		}
		for _, id := range w.ids {
			if _, a := w.cases(id); w.state(id, 0) != bridge.CaseStuck || a[0][0].State != bridge.ActionStuck || a[0][0].Problem == "" {
				t.Errorf("the case is %s with %+v", w.state(id, 0), a[0])
			}
		}
		if len(e.cases) != 3 {
			t.Errorf("heard of %v", e.cases)
		}
		if n, err := b.EndOverdue(t.Context()); n != 0 || err != nil {
			t.Errorf("%d lanes are overdue still, %v", n, err)
		}
	})
}
