package bridge_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/exeunt/exeunt/bridge"
)

// A link is good once and for a time; and nothing of it is used up if what it is
// for did not come about.
func TestLink(t *testing.T) {
	const week = 7 * 24 * time.Hour
	atDesk(t, func(d *desk) {
		p := d.person()
		var got []bridge.Link
		receive := func(_ bridge.Tx, l bridge.Link, _ time.Time) error { got = append(got, l); return nil }
		made, err := d.MakeLink(operator(), p.ID, "", "gdpr", "secret", week)
		if err != nil || made.Handle != p.Handle || !made.Expires.Equal(d.now.Add(week)) {
			t.Fatalf("%+v, %v", made, err)
		}
		if err := d.FollowLink(d.Context(), "Secret", receive); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Error("another secret", err)
		}
		lost := errors.New("lost")
		if err := d.FollowLink(d.Context(), "secret", func(bridge.Tx, bridge.Link, time.Time) error { return lost }); !errors.Is(err, lost) {
			t.Error(err)
		}
		if err := d.FollowLink(d.Context(), "secret", receive); err != nil || len(got) != 1 || got[0].Handle != p.Handle || got[0].Law != "gdpr" || got[0].By != "t" || !got[0].Used.Equal(d.now) {
			t.Errorf("%+v, %v", got, err)
		}
		if err := d.FollowLink(d.Context(), "secret", receive); !bridge.IsKind(err, bridge.KindNotFound) || len(got) != 1 {
			t.Error("used twice", err)
		}

		late, err := d.MakeLink(operator(), p.ID, "", "gdpr", "late", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		d.now = late.Expires
		if err := d.FollowLink(d.Context(), "late", receive); !bridge.IsKind(err, bridge.KindNotFound) || len(got) != 1 {
			t.Error("used after its time", err)
		}

		if _, err := d.MakeLink(operator(), p.ID, "", "gdpr", "many", week); err != nil {
			t.Fatal(err)
		}
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if d.FollowLink(d.Context(), "many", func(bridge.Tx, bridge.Link, time.Time) error { return nil }) == nil {
					won.Add(1)
				}
			})
		}
		if wg.Wait(); won.Load() != 1 {
			t.Errorf("%d of 8 came in", won.Load())
		}

		if _, err := d.MakeLink(operator(), p.ID, "", "gdpr", "gone", week); err != nil {
			t.Fatal(err)
		}
		d.forget(p)
		if err := d.FollowLink(d.Context(), "gone", receive); !bridge.IsKind(err, bridge.KindNotFound) {
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
