package bridge_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/exeunt/exeunt/bridge"
)

// erasures returns what was asked for about somebody.
func (d *desk) erasures(h bridge.Handle) (list []bridge.Erasure) {
	d.Helper()
	if err := d.store.View(d.Context(), func(tx bridge.Tx) (err error) {
		list, err = tx.ErasuresOf(h)
		return err
	}); err != nil {
		d.Fatal(err)
	}
	return list
}

// A link is good once and for a time; whoever comes by it is the person; and
// nothing of it is used up if their request could not be received.
func TestLink(t *testing.T) {
	const week = 7 * 24 * time.Hour
	atDesk(t, func(d *desk) {
		erasing := bridge.Erasing{Laws: bridge.NewLawbook(nil, nil, week, 0), Law: "gdpr", Approval: bridge.FourEyes}
		d.SetErasing(erasing)
		p := d.person()
		link := func(secret string, good time.Duration) {
			t.Helper()
			l, err := d.MakeLink(operator(), p.ID, "", "ccpa", secret, good)
			if err != nil || l.Handle != p.Handle || !l.Expires.Equal(d.now.Add(good)) {
				t.Fatalf("%+v, %v", l, err)
			}
		}
		link("secret", week)
		link("late", time.Hour)
		if err := d.EraseByLink(d.Context(), "Secret"); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Error("another secret", err)
		}
		d.SetErasing(bridge.Erasing{Laws: bridge.NewLawbook(nil, nil, 6*week, 0), Law: "gdpr"}) // it cannot be received
		if err := d.EraseByLink(d.Context(), "secret"); err == nil || bridge.IsKind(err, bridge.KindNotFound) || len(d.erasures(p.Handle)) != 0 {
			t.Error("received under a law that cannot be kept", err)
		}
		d.SetErasing(erasing)
		if err := d.EraseByLink(d.Context(), "secret"); err != nil {
			t.Fatal(err)
		}
		list := d.erasures(p.Handle)
		if len(list) != 1 || list[0].Stage != bridge.StageVerified || list[0].Origin != bridge.ByLink || list[0].Rule != "ccpa/1" || !list[0].Received.Equal(d.now) {
			t.Fatalf("%+v", list)
		}
		if _, err := d.ApproveErasure(operator(), list[0].ID); !bridge.IsKind(err, bridge.KindDenied) {
			t.Error("who made the link approves what came by it", err)
		}
		if err := d.EraseByLink(d.Context(), "secret"); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Error("used twice", err)
		}
		link("again", week)
		if err := d.EraseByLink(d.Context(), "again"); err != nil || len(d.erasures(p.Handle)) != 1 {
			t.Error("who is being forgotten asks once more", err)
		}

		link("many", week)
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if d.EraseByLink(d.Context(), "many") == nil {
					won.Add(1)
				}
			})
		}
		if wg.Wait(); won.Load() != 1 {
			t.Errorf("%d of 8 came in", won.Load())
		}
		link("gone", week)
		d.now = d.now.Add(time.Hour)
		if err := d.EraseByLink(d.Context(), "late"); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Error("used after its time", err)
		}
		d.forget(p)
		if err := d.EraseByLink(d.Context(), "gone"); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Error("a link of somebody who was forgotten", err)
		}
		if _, err := d.MakeLink(operator(), uuid.NewString(), "", "gdpr", "x", week); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Error("of nobody", err)
		}
		if _, err := d.MakeLink(hr(), p.ID, "", "gdpr", "x", week); !bridge.IsKind(err, bridge.KindDenied) {
			t.Error("a source makes one", err)
		}
	})
}
