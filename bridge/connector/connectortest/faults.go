package connectortest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
)

// verbs is everything that a connector can be asked and that asks the app; e is
// the effect it is asked about.
func verbs(target Target, c bridge.Connector, a bridge.Account, e bridge.Effect) map[string]func(context.Context) error {
	o := order(target, a, e)
	return map[string]func(context.Context) error{
		"Find":  func(ctx context.Context) error { _, err := c.Find(ctx, target.Known); return err },
		"Do":    func(ctx context.Context) error { _, err := c.Do(ctx, o); return err },
		"Check": func(ctx context.Context) error { _, err := c.Check(ctx, o); return err },
		"Probe": func(ctx context.Context) error { return c.Probe(ctx) },
	}
}

// each calls try with every verb that does ask the app something; of a target that
// Tries, all but those set apart.
func each(t *testing.T, target Target, c bridge.Connector, try func(t *testing.T, verb func(context.Context) error), apart ...string) {
	t.Helper()
	a := found(t, target)
	e := target.Connector.Capabilities()[0].Effect
	asked := 0
	for name, verb := range verbs(target, c, a, e) {
		if target.Tries && slices.Contains(apart, name) {
			continue
		}
		before := len(target.App.Asked())
		err := verb(t.Context())
		if len(target.App.Asked()) == before && err == nil || errors.Is(err, bridge.ErrCannotCheck) {
			continue
		}
		asked++
		t.Run(name, func(t *testing.T) { try(t, verb) })
	}
	if asked < 2 {
		t.Errorf("only %d verbs ask the app", asked)
	}
}

// fail answers everything with a status, and with personal data wherever an
// app could put it.
func fail(target Target, status, wait int, asDate bool) {
	target.App.Faults.Set(sandbox.Fault{Kind: sandbox.Fail, Status: status, Wait: wait, AsDate: asDate,
		Header: map[string]string{"X-Request-Id": target.Known.UserName, "WWW-Authenticate": target.Known.Email()},
		Body:   `{"error":"no ` + target.Known.UserName + ` with ` + target.Secrets[0] + `"}`})
}

func refused(t *testing.T, target Target) {
	each(t, target, target.Refused, func(t *testing.T, verb func(context.Context) error) {
		if err := verb(t.Context()); !bridge.IsPermanent(err) {
			t.Errorf("with wrong credentials: %v", err)
		}
	}, "Find", "Check")
	each(t, target, target.Connector, func(t *testing.T, verb func(context.Context) error) {
		fail(target, http.StatusUnauthorized, 0, false)
		defer target.App.Faults.Clear()
		if err := verb(t.Context()); !bridge.IsPermanent(err) {
			t.Errorf("401: %v", err)
		}
	}, "Find", "Check")
}

func waits(t *testing.T, target Target) {
	each(t, target, target.Connector, func(t *testing.T, verb func(context.Context) error) {
		for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			for _, asDate := range []bool{false, true} {
				const asked = 40
				fail(target, status, asked, asDate)
				err := verb(t.Context())
				target.App.Faults.Clear()
				wait, told := bridge.WaitOf(err)
				if !told || bridge.IsPermanent(err) || wait < (asked-2)*time.Second || wait > (asked+2)*time.Second {
					t.Errorf("%d (date %v): wait %v, %v", status, asDate, wait, err)
				}
			}
		}
	}, "Find")
}

func away(t *testing.T, target Target) {
	each(t, target, target.Connector, func(t *testing.T, verb func(context.Context) error) {
		for _, status := range []int{429, 500, 502, 503, 504} {
			fail(target, status, 0, false)
			err := verb(t.Context())
			target.App.Faults.Clear()
			_, told := bridge.WaitOf(err)
			if err == nil || told || bridge.IsPermanent(err) || errors.Is(err, bridge.ErrNoAccount) {
				t.Errorf("%d: %v", status, err)
			}
		}
		target.App.Faults.Set(sandbox.Fault{Kind: sandbox.Drop})
		err := verb(t.Context())
		target.App.Faults.Clear()
		if err == nil || bridge.IsPermanent(err) || errors.Is(err, bridge.ErrNoAccount) {
			t.Errorf("dropped: %v", err)
		}
	}, "Find")
	target.App.Close()
	_, err := target.Connector.Do(t.Context(), order(target, bridge.Account{ID: "x"}, target.Connector.Capabilities()[0].Effect))
	if err == nil || bridge.IsPermanent(err) {
		t.Errorf("nobody there: %v", err)
	}
}

func cancelled(t *testing.T, target Target) {
	each(t, target, target.Connector, func(t *testing.T, verb func(context.Context) error) {
		target.App.Faults.Set(sandbox.Fault{Kind: sandbox.Slow, Delay: sandbox.Duration(time.Minute)})
		defer target.App.Faults.Clear()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		begun := time.Now()
		if err := verb(ctx); err == nil || bridge.IsPermanent(err) || errors.Is(err, bridge.ErrNoAccount) {
			t.Errorf("out of time: %v", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		if err := verb(ctx); !errors.Is(err, context.Canceled) || bridge.IsPermanent(err) {
			t.Errorf("cancelled: %v", err)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("returned after %v", took)
		}
	}, "Find")
}

// lost lets the first write fail, with or without effect, and compares what
// remains with how it is when nothing fails.
func lost(t *testing.T, fresh func(*testing.T) Target, c bridge.Capability, kind sandbox.Kind) {
	smooth := fresh(t)
	eventually(t, smooth, prepare(t, smooth, c.Effect))

	target := fresh(t)
	o := prepare(t, target, c.Effect)
	target.App.Faults.Set(sandbox.Fault{Kind: kind, Method: sandbox.Writes, Times: 1})
	if _, err := target.Connector.Do(t.Context(), o); err == nil || bridge.IsPermanent(err) {
		t.Fatalf("first attempt: %v", err)
	}
	if len(target.App.Faults.List()) > 0 {
		t.Fatal("Do wrote nothing")
	}
	eventually(t, target, o)
	if !target.Done(c.Effect) {
		t.Error("it is not so in the app")
	}
	check(t, target, o, c)
	if got, want := whats(target), whats(smooth); !slices.Equal(got, want) {
		t.Errorf("changes %v, without the fault %v", got, want)
	}
}

// whats is what was changed in the app, in order of words.
func whats(target Target) (list []string) {
	for _, c := range target.App.Changes("") {
		list = append(list, c.What)
	}
	slices.Sort(list)
	return list
}

func lied(t *testing.T, target Target, c bridge.Capability) {
	o := prepare(t, target, c.Effect)
	target.App.Faults.Set(sandbox.Fault{Kind: sandbox.Lie, Method: sandbox.Writes})
	receipt, err := target.Connector.Do(t.Context(), o)
	target.App.Faults.Clear()
	if err != nil && bridge.IsPermanent(err) {
		t.Fatal(err)
	}
	if target.Done(c.Effect) {
		t.Fatal("the app did it in spite of the lie")
	}
	o.Done = receipt
	want := bridge.ErrCannotCheck
	if c.Checked {
		want = bridge.ErrStillOpen
	}
	if _, got := target.Connector.Check(t.Context(), o); !errors.Is(got, want) {
		t.Errorf("Check after a lie: %v, want %v", got, want)
	}
}

func stale(t *testing.T, target Target, c bridge.Capability) {
	if !c.Checked {
		return // nothing is read back
	}
	o := prepare(t, target, c.Effect)
	target.App.Faults.Set(sandbox.Fault{Kind: sandbox.Stale, Method: sandbox.Writes, Times: 1,
		For: sandbox.Duration(200 * time.Millisecond)})
	o.Done = eventually(t, target, o)
	for deadline := time.Now().Add(5 * time.Second); ; {
		_, err := target.Connector.Check(t.Context(), o)
		if err == nil {
			return
		}
		if bridge.IsPermanent(err) || errors.Is(err, bridge.ErrCannotCheck) || time.Now().After(deadline) {
			t.Fatalf("Check while reads are stale: %v", err)
		}
	}
}
