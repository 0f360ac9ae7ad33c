package bridge_test

import (
	"context"
	"sync"
	"testing"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

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
