package bridge_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/storetest"
)

// desk is a bridge on a real store, at a time of its own.
type desk struct {
	*testing.T
	*bridge.Bridge
	store *store.Store
	now   time.Time
	lossy bool // the answers of Shred get lost
}

func atDesk(t *testing.T, story func(*desk)) {
	open := func(t *testing.T, o store.Options) {
		d := &desk{T: t, now: time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)}
		var err error
		if d.store, err = store.Open(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.store.Close() })
		d.Bridge = bridge.New(bridge.Options{Store: losing{d.store, d}, Now: func() time.Time { return d.now }})
		story(d)
	}
	t.Run("sqlite", func(t *testing.T) { open(t, store.Options{Dir: t.TempDir()}) })
	t.Run("postgres", func(t *testing.T) { open(t, storetest.OnPostgres(t)) })
}

// losing is a real store whose answers may get lost.
type losing struct {
	*store.Store
	d *desk
}

func (l losing) Shred(ctx context.Context, h bridge.Handle) (bridge.Shredded, error) {
	done, err := l.Store.Shred(ctx, h)
	if l.d.lossy {
		return bridge.Shredded{}, errors.New("the answer was lost")
	}
	return done, err
}

func (d *desk) person() bridge.Person {
	d.Helper()
	p, err := d.AddPerson(hr(), bridge.Person{UserName: "Ada", Emails: []string{"Ada@Example.org", "ADA"}, Active: true, Resource: []byte(`{}`)})
	if err != nil {
		d.Fatal(err)
	}
	return p
}

// forget does what an erasure does to what is retained.
func (d *desk) forget(p bridge.Person) (ids []string) {
	d.Helper()
	err := d.store.Update(d.Context(), func(tx bridge.Tx) (err error) {
		if ids, err = bridge.Retain(tx, d.now, theErasure, p.Handle, p.Identifiers()); err != nil {
			return err
		}
		again, err := bridge.Retain(tx, d.now, theErasure, p.Handle, p.Identifiers())
		if len(again) > 0 {
			d.Error("made twice")
		}
		return err
	})
	if err == nil {
		_, err = d.store.Shred(d.Context(), p.Handle)
	}
	if err != nil {
		d.Fatal(err)
	}
	return ids
}

func (d *desk) known(purpose, identifier string) bool {
	d.Helper()
	known, err := d.Recognise(operator(), purpose, identifier)
	if err != nil {
		d.Fatal(err)
	}
	return known
}

// told returns the events of a type.
func (d *desk) told(t bridge.EventType) (facts []bridge.Facts) {
	d.Helper()
	if _, err := d.store.Seal(d.Context()); err != nil {
		d.Fatal(err)
	}
	events, err := d.store.Tail(d.Context(), -1, 1000)
	if err != nil {
		d.Fatal(err)
	}
	for _, e := range events {
		if e.Type == t {
			if len(e.Parties) > 0 {
				d.Errorf("the log says whose %s is", e.Facts.Retain)
			}
			if id := e.Facts.Erasure; id != "" && id != uuid.UUID(e.Request).String() {
				d.Errorf("%s is no part of the erasure that it names", t)
			}
			facts = append(facts, e.Facts)
		}
	}
	return facts
}

const theErasure = "0199c1d2-0000-7000-8000-0000000000e1"

func fraud(expires time.Time) bridge.Retention {
	return bridge.Retention{Purpose: "fraud", Basis: "GDPR 17(3)(e)", Document: "DPIA 7", Approver: "Cleo", Expires: expires}
}

// Somebody who was forgotten is recognised if that was asked for, by all they were
// known by, and not one moment longer than it was asked for.
func TestRetained(t *testing.T) {
	atDesk(t, func(d *desk) {
		p, bob := d.person(), bridge.Person{UserName: "bob", Active: true, Resource: []byte(`{}`)}
		bob, err := d.AddPerson(hr(), bob)
		if err != nil {
			t.Fatal(err)
		}
		expires := d.now.Add(48 * time.Hour)
		if err := d.AskRetained(operator(), p.ID, "", fraud(expires)); err != nil {
			t.Fatal(err)
		}
		if d.known("fraud", "ada") {
			t.Error("known before they were forgotten")
		}
		d.forget(bob)
		ids := d.forget(p)
		if len(ids) != 2 || !d.known("fraud", "ada") || !d.known("fraud", " ADA@example.ORG ") {
			t.Errorf("%d tokens; not known", len(ids))
		}
		if d.known("fraud", "bob") || d.known("debts", "ada") || d.known("fraud", "adb") {
			t.Error("known without having been asked for")
		}
		kept := d.told(bridge.RetainedKept)
		if len(kept) != 2 || kept[0].Retain != ids[0] || kept[0].Due != "2026-05-06T10:00:00Z" || kept[0].Erasure != theErasure || kept[0].Token != "t" {
			t.Errorf("%+v", kept)
		}

		d.now = expires.Add(-time.Second)
		if err := d.EndRetained(d.Context()); err != nil || !d.known("fraud", "ada") {
			t.Error("gone before its time", err)
		}
		d.now = expires
		if d.known("fraud", "ada") {
			t.Error("known after its time, although nobody has destroyed it yet")
		}
		d.lossy = true // it happens, and the answer is lost
		if err := d.EndRetained(d.Context()); err == nil {
			t.Fatal("no error")
		}
		d.lossy = false
		for range 2 {
			if err := d.EndRetained(d.Context()); err != nil {
				t.Fatal(err)
			}
		}
		gone := d.told(bridge.RetainedDestroyed)
		if len(gone) != 2 || gone[0].State != "expired" || !slices.Contains(ids, gone[0].Retain) || !slices.Contains(ids, gone[1].Retain) {
			t.Errorf("%+v", gone)
		}
		d.now = d.now.Add(-24 * time.Hour) // the clock is set back
		if d.known("fraud", "ada") {
			t.Error("known although destroyed")
		}
	})
}

// What takes so long that it has expired is not kept; who is gone cannot be asked for.
func TestRetainedTooLate(t *testing.T) {
	atDesk(t, func(d *desk) {
		p := d.person()
		if err := d.AskRetained(operator(), p.ID, "", fraud(d.now.Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
		d.now = d.now.Add(time.Hour)
		if ids := d.forget(p); len(ids) != 0 || d.known("fraud", "ada") {
			t.Errorf("kept %v", ids)
		}
		for _, id := range []string{p.ID, uuid.NewString()} {
			if err := d.AskRetained(operator(), id, "", fraud(d.now.Add(time.Hour))); !bridge.IsKind(err, bridge.KindNotFound) {
				t.Error(err)
			}
		}
		if err := d.AskRetained(hr(), p.ID, "", fraud(d.now.Add(time.Hour))); !bridge.IsKind(err, bridge.KindDenied) {
			t.Error("a source asks", err)
		}
		if _, err := d.Recognise(hr(), "fraud", "ada"); !bridge.IsKind(err, bridge.KindDenied) {
			t.Error("a source looks up", err)
		}
		if err := d.DestroyRetained(operator(), uuid.NewString()); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Error(err)
		}
	})
}

// A person of whom only a case is left is asked for by it; one of their tokens can
// be destroyed before its time.
func TestRetainedOfSomebodyWhoIsGone(t *testing.T) {
	atDesk(t, func(d *desk) {
		d.SetApps([]bridge.App{})
		p := d.person()
		if err := d.RemovePerson(hr(), p.ID, nil); err != nil {
			t.Fatal(err)
		}
		var c bridge.Case
		if err := d.store.View(d.Context(), func(tx bridge.Tx) error {
			cases, err := tx.Cases(nil, time.Time{}, 1)
			c = cases[0]
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := d.AskRetained(operator(), "", c.ID, fraud(d.now.Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
		ids := d.forget(p)
		if err := d.DestroyRetained(operator(), ids[0]); err != nil {
			t.Fatal(err)
		}
		if d.known("fraud", "ada") || !d.known("fraud", "ada@example.org") {
			t.Error("another one was destroyed")
		}
		if gone := d.told(bridge.RetainedDestroyed); len(gone) != 1 || gone[0].Retain != ids[0] || gone[0].Operator != "ops" {
			t.Errorf("%+v", gone)
		}
	})
}

func TestRetentionIsChecked(t *testing.T) {
	now := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	for after, want := range map[time.Duration]bool{-1: false, 0: false, 1: true, time.Hour: true, time.Hour + 1: false} {
		if err := fraud(now.Add(after)).Check(now, time.Hour); (err == nil) != want || err != nil && !bridge.IsKind(err, bridge.KindInvalid) {
			t.Errorf("%s: %v", after, err)
		}
	}
	r := fraud(now.Add(1))
	r.Approver = " "
	if r.Check(now, time.Hour) == nil {
		t.Error("nobody approved it")
	}
}
