package bridge_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
	"github.com/exeunt/exeunt/store"
)

// An app that is taken out while its queue is stopped is worked when it is back.
func TestAnAppTakenOutWhileItsQueueIsStopped(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		w.app.Faults.Set(sandbox.Fault{Kind: sandbox.Fail})
		w.active(w.ids[0], false)
		w.until("the breaker opened", func() bool {
			_, a := w.cases(w.ids[0])
			return len(a) == 1 && len(a[0]) == 1 && a[0][0].Attempts >= limits.BreakerAfter
		})
		w.store.SetQueues(t.Context(), nil)
		w.bridge.SetApps(nil)
		<-time.After(2 * limits.BreakerWait) // it would have been put back by now
		w.app.Faults.Clear()
		w.store.SetQueues(t.Context(), []store.Queue{{App: "wiki", Concurrency: 4}})
		w.policy(bridge.Policy{bridge.Deactivated: {bridge.Lock}})
		w.until("the account is locked", func() bool { return !w.app.Active(name(0)) })
	})
}

// Apps may come and go while cases are planned.
func TestPlanningWhileAppsComeAndGo(t *testing.T) {
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := bridge.New(bridge.Options{Store: s})
	app := bridge.App{Name: "wiki", Connector: hiding{}}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				b.SetApps([]bridge.App{app})
				b.SetApps(nil)
			}
		}
	})
	for range 500 {
		if _, err := b.PlanCases(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(done)
	wg.Wait()
}

// hiding finds nobody.
type hiding struct{ bridge.Connector }

func (hiding) Find(context.Context, bridge.Identifiers) (bridge.Account, error) {
	return bridge.Account{}, bridge.ErrNoAccount
}

// meanwhile does something while the app is being asked.
type meanwhile struct {
	bridge.Connector
	on bridge.Effect
	do func()
}

func (m meanwhile) Do(ctx context.Context, o bridge.Order) (bridge.Receipt, error) {
	r, err := m.Connector.Do(ctx, o)
	if o.Effect == m.on {
		m.do()
	}
	return r, err
}

// A policy that changes while a lane is at work holds for the lane's next action.
func TestPolicyChangesWhileTheLaneIsAtWork(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		plain := w.conn
		w.conn = meanwhile{plain, bridge.Lock, func() {
			w.bridge.SetApps([]bridge.App{{Name: "wiki", Protocol: "scim", Connector: plain,
				Policy: bridge.Policy{bridge.Removed: {bridge.Lock}}, Limits: limits}})
		}}
		w.policy(bridge.Policy{bridge.Removed: {bridge.Lock, bridge.Delete}})
		if err := w.bridge.RemovePerson(hr(), w.ids[0], nil); err != nil {
			t.Fatal(err)
		}
		w.until("the case is closed", func() bool { return w.state(w.ids[0], 0) == bridge.CaseClosed })
		_, a := w.cases(w.ids[0])
		if w.app.ID(name(0)) == "" || a[0][1].State != bridge.ActionDropped {
			t.Errorf("the account was deleted: %+v", a[0])
		}
	})
}
