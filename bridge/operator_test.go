package bridge_test

import (
	"context"
	"testing"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/storetest"
)

// twice is a store in which something happens between the first look at a
// case's actions and whatever comes of it.
type twice struct {
	bridge.Store
	between func()
}

func (s *twice) Update(ctx context.Context, fn func(bridge.Tx) error) error {
	return s.Store.Update(ctx, func(tx bridge.Tx) error { return fn(&looking{tx, s}) })
}

type looking struct {
	bridge.Tx
	in *twice
}

func (tx *looking) Actions(id string) ([]bridge.Action, error) {
	a, err := tx.Tx.Actions(id)
	if f := tx.in.between; f != nil {
		tx.in.between = nil
		f()
	}
	return a, err
}

// Of two operators who accept the same restore at once, one is too late; what
// was restored meanwhile is not ordered again. (SQLite has one writer.)
func TestTwoOperatorsAcceptAtOnce(t *testing.T) {
	newWorld(t, storetest.OnPostgres(t), 1, func(w *world) {
		w.active(w.ids[0], false)
		w.until("locked", func() bool { return w.state(w.ids[0], 0) == bridge.CaseClosed })
		w.active(w.ids[0], true)
		c, _ := w.cases(w.ids[0])
		late := bridge.New(bridge.Options{Store: &twice{w.store, func() {
			if _, err := w.bridge.AcceptRestore(operator(), c[0].ID, ""); err != nil {
				t.Error(err)
			}
			w.until("restored", func() bool { return w.state(w.ids[0], 0) == bridge.CaseClosed && w.app.Active(name(0)) })
		}}})
		if _, err := late.AcceptRestore(operator(), c[0].ID, ""); !bridge.IsKind(err, bridge.KindConflict) {
			t.Errorf("accepted twice: %v", err)
		}
	})
}
