// Package connectortest is the suite that every connector passes: what the
// engine relies on, proven against a real app that fails on purpose.
//
//	run.go      Run, Target: the suite and what it needs
//	faults.go   what happens when the app fails, lies or keeps us waiting
//	revoke.go  Revoke, Word: one end of sessions, and what came of it
//	watch.go    a connector whose every word is searched for secrets
package connectortest

import (
	"crypto/rand"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
)

// Target is a connector and the app it speaks to.
type Target struct {
	Connector bridge.Connector
	// Refused is a connector to the same app with credentials that are wrong.
	Refused bridge.Connector
	App     *sandbox.App

	Known     bridge.Identifiers // somebody who is in the app, and active
	Unknown   bridge.Identifiers // somebody who is not; zero if the connector asks nobody
	Ambiguous bridge.Identifiers // somebody who is there twice; zero if that cannot be

	// Done looks into the app, past the connector: has e taken hold of Known?
	Done func(e bridge.Effect) bool
	// Remove deletes Known's account behind the connector's back; nil if the app
	// keeps no accounts.
	Remove func()
	// Tries says that Find and Check try credentials that the app gave to people, and
	// not the connector's own; Find does without an answer.
	Tries bool
	// Secrets must show nowhere; the connector's credentials, above all.
	Secrets []string
}

// Open starts a fresh app, with nothing done to it yet, and a connector.
type Open func(t *testing.T) Target

// Run runs the suite.
func Run(t *testing.T, open Open) {
	fresh := func(t *testing.T) Target {
		target := open(t)
		target.Connector = watch(t, target, target.Connector)
		target.Refused = watch(t, target, target.Refused)
		return target
	}
	t.Run("capabilities", func(t *testing.T) { capabilities(t, fresh(t)) })
	t.Run("probe", func(t *testing.T) { probe(t, fresh(t)) })
	t.Run("find", func(t *testing.T) { find(t, fresh(t)) })
	t.Run("credentials refused", func(t *testing.T) { refused(t, fresh(t)) })
	t.Run("asked to wait", func(t *testing.T) { waits(t, fresh(t)) })
	t.Run("away", func(t *testing.T) { away(t, fresh(t)) })
	t.Run("cancelled", func(t *testing.T) { cancelled(t, fresh(t)) })
	for _, c := range open(t).Connector.Capabilities() {
		t.Run(string(c.Effect), func(t *testing.T) {
			t.Run("done, checked and repeated", func(t *testing.T) { done(t, fresh(t), c) })
			t.Run("at once from many", func(t *testing.T) { together(t, fresh(t), c) })
			t.Run("already gone", func(t *testing.T) { gone(t, fresh(t), c) })
			t.Run("failed", func(t *testing.T) { lost(t, fresh, c, sandbox.Drop) })
			t.Run("answer lost", func(t *testing.T) { lost(t, fresh, c, sandbox.Lost) })
			t.Run("lied", func(t *testing.T) { lied(t, fresh(t), c) })
			t.Run("stale reads", func(t *testing.T) { stale(t, fresh(t), c) })
		})
	}
}

func capabilities(t *testing.T, target Target) {
	offers := target.Connector.Capabilities()
	if len(offers) == 0 {
		t.Error("the app offers nothing")
	}
	seen := map[bridge.Effect]bool{}
	for _, c := range offers {
		if !slices.Contains(bridge.Effects, c.Effect) || seen[c.Effect] {
			t.Errorf("%q is no effect, or is offered twice", c.Effect)
		}
		seen[c.Effect] = true
	}
	account := found(t, target)
	for _, e := range bridge.Effects {
		if seen[e] {
			continue
		}
		if _, err := target.Connector.Do(t.Context(), order(target, account, e)); !bridge.IsPermanent(err) {
			t.Errorf("%s is not offered, but Do says %v", e, err)
		}
		if _, err := target.Connector.Check(t.Context(), order(target, account, e)); !errors.Is(err, bridge.ErrCannotCheck) && !bridge.IsPermanent(err) {
			t.Errorf("%s is not offered, but Check says %v", e, err)
		}
	}
	if changes := target.App.Changes(""); len(changes) > 0 {
		t.Errorf("changed: %v", changes)
	}
}

func probe(t *testing.T, target Target) {
	if err := target.Connector.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	if err := target.Refused.Probe(t.Context()); !bridge.IsPermanent(err) {
		t.Errorf("with wrong credentials: %v", err)
	}
	if changes := target.App.Changes(""); len(changes) > 0 {
		t.Errorf("changed: %v", changes)
	}
}

func find(t *testing.T, target Target) {
	a := found(t, target)
	again, err := target.Connector.Find(t.Context(), target.Known)
	if err != nil || !reflect.DeepEqual(again, a) {
		t.Errorf("found %v, then %v, %v", a, again, err)
	}
	if target.Unknown.UserName != "" {
		if a, err := target.Connector.Find(t.Context(), target.Unknown); !errors.Is(err, bridge.ErrNoAccount) {
			t.Errorf("unknown: %v, %v", a, err)
		}
	}
	if target.Ambiguous.UserName != "" {
		if a, err := target.Connector.Find(t.Context(), target.Ambiguous); !bridge.IsPermanent(err) {
			t.Errorf("ambiguous: %v, %v", a, err)
		}
	}
}

func done(t *testing.T, target Target, c bridge.Capability) {
	o := prepare(t, target, c.Effect)
	if target.Done(c.Effect) {
		t.Fatal("it is so before it is done")
	}
	receipt, err := target.Connector.Do(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if receipt.Summary == "" || receipt.At.IsZero() || receipt.Took <= 0 {
		t.Errorf("receipt %+v", receipt)
	}
	if !target.Done(c.Effect) {
		t.Error("Do says it is done, the app does not")
	}
	o.Done = receipt
	check(t, target, o, c)
	before := target.App.Changes("")
	if _, err := target.Connector.Do(t.Context(), o); err != nil {
		t.Errorf("repeated: %v", err)
	}
	if after := target.App.Changes(""); !reflect.DeepEqual(before, after) {
		t.Errorf("repeated: %v became %v", before, after)
	}
	check(t, target, o, c)
}

func together(t *testing.T, target Target, c bridge.Capability) {
	o := prepare(t, target, c.Effect)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			// Who comes second may meet an error that passes, but none that stays.
			if _, err := target.Connector.Do(t.Context(), o); bridge.IsPermanent(err) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	eventually(t, target, o)
	check(t, target, o, c)
}

func gone(t *testing.T, target Target, c bridge.Capability) {
	if target.Remove == nil {
		return // nothing can be gone
	}
	o := prepare(t, target, c.Effect)
	target.Remove()
	_, err := target.Connector.Do(t.Context(), o)
	if c.Effect == bridge.Restore {
		if !bridge.IsPermanent(err) {
			t.Errorf("restored somebody who is gone: %v", err)
		}
		return
	}
	if err != nil {
		t.Errorf("already gone: %v", err)
	}
	check(t, target, o, c)
}

// check asks for proof of what is so.
func check(t *testing.T, target Target, o bridge.Order, c bridge.Capability) {
	t.Helper()
	receipt, err := target.Connector.Check(t.Context(), o)
	if !c.Checked {
		if !errors.Is(err, bridge.ErrCannotCheck) {
			t.Errorf("Check says %v, but the capability says it cannot", err)
		}
		return
	}
	if err != nil || receipt.Summary == "" || receipt.At.IsZero() {
		t.Errorf("Check: %+v, %v", receipt, err)
	}
}

func found(t *testing.T, target Target) bridge.Account {
	t.Helper()
	a, err := target.Connector.Find(t.Context(), target.Known)
	if err != nil || a.ID == "" || a.Match == "" {
		t.Fatalf("Find: %+v, %v", a, err)
	}
	return a
}

func order(target Target, a bridge.Account, e bridge.Effect) bridge.Order {
	return bridge.Order{Key: rand.Text(), Effect: e, Account: a, Who: target.Known, Trigger: bridge.Deactivated,
		Since: time.Now().Add(-time.Minute)}
}

// prepare returns an order that has something to do: who is to be restored is
// locked first.
func prepare(t *testing.T, target Target, e bridge.Effect) bridge.Order {
	t.Helper()
	a := found(t, target)
	if e == bridge.Restore {
		if _, err := target.Connector.Do(t.Context(), order(target, a, bridge.Lock)); err != nil {
			t.Fatal(err)
		}
	}
	return order(target, a, e)
}

// eventually repeats an order, as the engine would, until it is done.
func eventually(t *testing.T, target Target, o bridge.Order) bridge.Receipt {
	t.Helper()
	for range 10 {
		receipt, err := target.Connector.Do(t.Context(), o)
		if err == nil {
			return receipt
		}
		if bridge.IsPermanent(err) {
			t.Fatal(err)
		}
	}
	t.Fatal("not done after ten attempts")
	return bridge.Receipt{}
}
