package bridge_test

import (
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
