package bridge_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
	"github.com/exeunt/exeunt/bridge/connector/scim"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/storetest"
)

// world is a bridge on a real store, with one SCIM app whose people are also
// those of the source "hr".
type world struct {
	*testing.T
	bridge *bridge.Bridge
	store  *store.Store
	app    *sandbox.SCIM
	conn   bridge.Connector
	apps   []bridge.App // those with sessions; see signedIn
	ids    []string
}

var limits = bridge.Limits{Rate: 1000, RetryMin: 20 * time.Millisecond, RetryMax: 100 * time.Millisecond,
	BreakerAfter: 3, BreakerWait: 200 * time.Millisecond, Deadline: time.Minute}

// onBoth runs a story on SQLite and on PostgreSQL.
func onBoth(t *testing.T, people int, story func(*world)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { newWorld(t, store.Options{Dir: t.TempDir()}, people, story) })
	t.Run("postgres", func(t *testing.T) { newWorld(t, storetest.OnPostgres(t), people, story) })
}

func newWorld(t *testing.T, o store.Options, people int, story func(*world)) {
	users := make([]sandbox.User, people)
	for i := range users {
		users[i] = sandbox.User{UserName: name(i), Email: name(i)}
	}
	app, err := sandbox.StartSCIM(sandbox.Options{Users: users}, sandbox.Quirks{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { app.Close() })
	o.Logger = zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.ErrorLevel)
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	config := connector.Config("scim").(*scim.Config)
	config.BaseURL, config.Token, config.AllowNetworks = app.BaseURL(), bridge.Secret(app.Admin()), []string{"127.0.0.1/32"}
	conn, err := connector.Open("scim", config, "wiki", connector.Self{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, store: s, app: app, conn: conn,
		bridge: bridge.New(bridge.Options{Store: s, Queues: s, Logger: o.Logger})}
	w.policy(bridge.Policy{bridge.Deactivated: {bridge.Lock}, bridge.Removed: {bridge.Lock, bridge.Delete}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.bridge.Run(ctx) }()
	if err := s.Start(t.Context(), w.bridge, []store.Queue{{App: "wiki", Concurrency: 4}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop, end := context.WithTimeout(context.Background(), 10*time.Second)
		defer end()
		if err := s.Stop(stop); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for i := range people {
		w.ids = append(w.ids, w.add(i))
	}
	story(w)
}

func name(i int) string { return fmt.Sprintf("p%d@example.com", i) }

func (w *world) policy(p bridge.Policy) {
	w.bridge.SetApps([]bridge.App{{Name: "wiki", Protocol: "scim", Connector: w.conn, Policy: p, Limits: limits}})
}

func hr() context.Context {
	return bridge.WithCaller(context.Background(), bridge.Caller{Source: "hr", Token: "t"})
}

func operator() context.Context {
	return bridge.WithCaller(context.Background(), bridge.Caller{Operator: "ops", Token: "t"})
}

func (w *world) add(i int) string {
	w.Helper()
	p, err := w.bridge.AddPerson(hr(), bridge.Person{UserName: name(i), Emails: []string{name(i)}, Active: true, Resource: []byte(`{}`)})
	if err != nil {
		w.Fatal(err)
	}
	return p.ID
}

func (w *world) active(id string, active bool) {
	w.Helper()
	if _, err := w.bridge.ChangePerson(hr(), id, func(p *bridge.Person) error { p.Active = active; return nil }); err != nil {
		w.Error(err)
	}
}

// cases returns a person's cases with their actions, newest first.
func (w *world) cases(person string) (cases []bridge.Case, actions [][]bridge.Action) {
	w.Helper()
	if err := w.store.View(w.Context(), func(tx bridge.Tx) error {
		cases, actions = nil, nil
		all, err := tx.Cases(nil, time.Time{}, 10000)
		for _, c := range all {
			if c.Person != person {
				continue
			}
			a, err := tx.Actions(c.ID)
			if err != nil {
				return err
			}
			cases, actions = append(cases, c), append(actions, a)
		}
		return err
	}); err != nil {
		w.Fatal(err)
	}
	return cases, actions
}

// until waits for a condition.
func (w *world) until(what string, is func() bool) {
	w.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.Fatalf("it did not come to be that %s", what)
		}
	}
}

func (w *world) state(person string, n int) bridge.CaseState {
	cases, _ := w.cases(person)
	if len(cases) <= n {
		return ""
	}
	return cases[n].State
}

// Somebody comes back while the app is being asked to lock: what was done
// meanwhile is not believed undone; restoring is offered.
func TestReturnDuringACall(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		w.app.Faults.Set(sandbox.Fault{Kind: sandbox.Slow, Method: "PATCH", Delay: sandbox.Duration(400 * time.Millisecond)})
		w.active(w.ids[0], false)
		w.until("the lock was begun", func() bool {
			_, a := w.cases(w.ids[0])
			return len(a) == 1 && len(a[0]) == 1 && a[0][0].Begun
		})
		w.active(w.ids[0], true)
		_, a := w.cases(w.ids[0])
		if a[0][0].State != bridge.ActionDropped || len(a[0]) != 2 || a[0][1].State != bridge.ActionOffered {
			t.Fatalf("actions are %+v", a[0])
		}
		w.until("the call ended", func() bool { return !w.app.Active(name(0)) })
		c, _ := w.cases(w.ids[0])
		if _, err := w.bridge.AcceptRestore(operator(), c[0].ID, "wiki"); err != nil {
			t.Fatal(err)
		}
		w.until("the account is restored and the case closed", func() bool {
			return w.app.Active(name(0)) && w.state(w.ids[0], 0) == bridge.CaseClosed
		})
	})
}

// An offer is no good once the person has left again.
func TestRestoreOfALeaverIsRefused(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		w.active(w.ids[0], false)
		w.until("locked", func() bool { return w.state(w.ids[0], 0) == bridge.CaseClosed })
		w.active(w.ids[0], true)
		first, a := w.cases(w.ids[0])
		if len(a[0]) != 2 || a[0][1].State != bridge.ActionOffered {
			t.Fatalf("actions are %+v", a[0])
		}
		w.active(w.ids[0], false)
		if _, err := w.bridge.AcceptRestore(operator(), first[0].ID, ""); !bridge.IsKind(err, bridge.KindConflict) {
			t.Errorf("restoring somebody who has left: %v", err)
		}
		if _, err := w.bridge.AcceptRestore(hr(), first[0].ID, ""); !bridge.IsKind(err, bridge.KindDenied) {
			t.Errorf("restoring by a source: %v", err)
		}
	})
}

// A deactivation before anything was planned, taken back at once, leaves the
// app alone.
func TestReturnBeforePlanning(t *testing.T) {
	onBoth(t, 20, func(w *world) {
		var wg sync.WaitGroup
		for _, id := range w.ids {
			wg.Go(func() {
				w.active(id, false)
				w.active(id, true)
			})
		}
		wg.Wait()
		for i, id := range w.ids {
			w.until("the case has ended", func() bool {
				s := w.state(id, 0)
				return s == bridge.CaseCancelled || s == bridge.CaseClosed
			})
			c, a := w.cases(id)
			if c[0].ReturnedAs != id {
				t.Errorf("returned as %q", c[0].ReturnedAs)
			}
			offered := len(a[0]) > 0 && a[0][len(a[0])-1].State == bridge.ActionOffered
			if offered != (c[0].State == bridge.CaseClosed) {
				t.Errorf("case %s with actions %+v", c[0].State, a[0])
			}
			if !offered && !w.app.Active(name(i)) {
				t.Error("locked out, and no restore is offered")
			}
		}
	})
}

// Whoever is hired again under a new id is not deleted by an old case.
func TestRehireUnderANewID(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		w.app.Faults.Set(sandbox.Fault{Kind: sandbox.Fail})
		if err := w.bridge.RemovePerson(hr(), w.ids[0], nil); err != nil {
			t.Fatal(err)
		}
		w.until("it was tried", func() bool {
			_, a := w.cases(w.ids[0])
			return len(a) == 1 && len(a[0]) == 2 && a[0][0].Attempts > 1
		})
		again := w.add(0)
		c, a := w.cases(w.ids[0])
		if !c[0].State.Over() || c[0].ReturnedAs != again || a[0][0].State != bridge.ActionDropped || a[0][1].State != bridge.ActionDropped {
			t.Errorf("the case is %s, returned as %q, actions %+v", c[0].State, c[0].ReturnedAs, a[0])
		}
		w.app.Faults.Clear()
		w.active(again, false) // and leaves once more: now the account is locked, not deleted
		w.until("locked", func() bool { return w.state(again, 0) == bridge.CaseClosed })
		if w.app.ID(name(0)) == "" || w.app.Active(name(0)) {
			t.Error("the account is not there, or not locked")
		}
	})
}

// What cannot be undone is done only while the policy still asks for it.
func TestPolicyChangesBeforeADeletion(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		w.app.Faults.Set(sandbox.Fault{Kind: sandbox.Fail, Method: "DELETE"})
		if err := w.bridge.RemovePerson(hr(), w.ids[0], nil); err != nil {
			t.Fatal(err)
		}
		w.until("the deletion was tried", func() bool {
			_, a := w.cases(w.ids[0])
			return len(a) == 1 && len(a[0]) == 2 && a[0][1].Attempts > 0
		})
		w.policy(bridge.Policy{bridge.Removed: {bridge.Lock}})
		w.app.Faults.Clear()
		w.until("the case is closed", func() bool { return w.state(w.ids[0], 0) == bridge.CaseClosed })
		_, a := w.cases(w.ids[0])
		if a[0][0].State != bridge.ActionVerified || a[0][1].State != bridge.ActionDropped {
			// The deletion may have gone through between the two lines above.
			if a[0][1].State != bridge.ActionVerified {
				t.Errorf("actions are %+v", a[0])
			}
		}
	})
}

// Many people leave and come back in disorder; in the end every case has ended,
// and everybody who is gone is locked out.
func TestLeavingAndReturningInDisorder(t *testing.T) {
	onBoth(t, 30, func(w *world) {
		w.app.Faults.Set(sandbox.Fault{Kind: sandbox.Lost, Method: "PATCH", Times: 5})
		w.app.Faults.Set(sandbox.Fault{Kind: sandbox.Fail, Method: "PATCH", Times: 5})
		var wg sync.WaitGroup
		for _, id := range w.ids {
			wg.Go(func() {
				for range 3 {
					w.active(id, rand.IntN(2) == 0)
				}
				w.active(id, false)
			})
		}
		wg.Wait()
		for i, id := range w.ids {
			w.until("every case has ended", func() bool {
				cases, _ := w.cases(id)
				for _, c := range cases {
					if c.State == bridge.CaseOpen || c.State == bridge.CaseRunning {
						return false
					}
				}
				return len(cases) > 0
			})
			cases, actions := w.cases(id)
			if cases[0].State != bridge.CaseClosed || actions[0][0].State != bridge.ActionVerified {
				t.Errorf("the last case is %s: %+v", cases[0].State, actions[0])
			}
			if w.app.Active(name(i)) {
				t.Errorf("%s is gone and can still sign in", name(i))
			}
		}
	})
}

// No source sees or touches another's people, and nobody may act unnamed.
func TestSourcesAreApart(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		w.active(w.ids[0], false)
		other := bridge.WithCaller(context.Background(), bridge.Caller{Source: "other"})
		if err := w.bridge.See(other, func(v bridge.Sight) error {
			_, err := v.Person(w.ids[0])
			if !bridge.IsKind(err, bridge.KindNotFound) {
				t.Errorf("seen: %v", err)
			}
			if _, nobody := v.Person("nobody"); nobody.Error() != err.Error() {
				t.Errorf("%q of somebody, %q of nobody", err, nobody)
			}
			if _, total, err := v.People(bridge.Query{Source: "hr", Limit: 10}); total != 0 || err != nil {
				t.Errorf("listed %d, %v", total, err)
			}
			if states, err := v.CaseStates(w.ids[0]); len(states) != 0 || err != nil {
				t.Errorf("where the departure stands: %v, %v", states, err)
			}
			return v.ScanPeople(bridge.Cond{}, func(some []bridge.Person) error {
				t.Errorf("%d were seen", len(some))
				return nil
			})
		}); err != nil {
			t.Error(err)
		}
		if err := w.bridge.See(hr(), func(v bridge.Sight) error {
			_, total, err := v.People(bridge.Query{Source: "other"})
			states, err2 := v.CaseStates(w.ids[0])
			if total != 1 || len(states) != 1 || err != nil || err2 != nil {
				t.Errorf("its own source sees %d and %v: %v, %v", total, states, err, err2)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if err := w.bridge.RemovePerson(other, w.ids[0], nil); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Errorf("removed: %v", err)
		}
		if _, err := w.bridge.ChangePerson(other, w.ids[0], func(*bridge.Person) error { return nil }); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Errorf("changed: %v", err)
		}
		if err := w.bridge.See(context.Background(), func(bridge.Sight) error { return nil }); !bridge.IsKind(err, bridge.KindDenied) {
			t.Errorf("unnamed: %v", err)
		}
	})
}

// An action that was put off before the app was asked was not begun: whoever
// comes back then is as if they had never left.
func TestWhatWasPutOffWasNotBegun(t *testing.T) {
	onBoth(t, 2, func(w *world) {
		w.app.Faults.Set(sandbox.Fault{Kind: sandbox.Fail, Status: 429, Wait: 60, Method: "PATCH"})
		w.active(w.ids[0], false)
		w.until("the app asked to be left alone", func() bool {
			_, a := w.cases(w.ids[0])
			return len(a) == 1 && len(a[0]) == 1 && a[0][0].Problem != ""
		})
		w.store.SetQueues(t.Context(), nil) // the lane is worked here
		w.active(w.ids[1], false)
		w.until("the case is planned", func() bool { return w.state(w.ids[1], 0) == bridge.CaseRunning })
		again, err := w.bridge.WorkLane(t.Context(), bridge.LaneJob{Lane: bridge.Lane{App: "wiki", Person: w.ids[1]}, Turn: 1})
		if again < time.Second || err != nil {
			t.Fatalf("again in %s, %v", again, err)
		}
		if _, a := w.cases(w.ids[1]); a[0][0].Attempts != 0 || a[0][0].Begun {
			t.Errorf("counted as tried: %+v", a[0][0])
		}
		w.active(w.ids[1], true)
		if _, a := w.cases(w.ids[1]); w.state(w.ids[1], 0) != bridge.CaseCancelled || len(a[0]) != 1 {
			t.Errorf("the case is %s with %+v", w.state(w.ids[1], 0), a[0])
		}
	})
}

// A restore that was asked for and could not be done before the person left
// again is offered again: they may be back before anything else happens.
func TestARestoreIsNotLost(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		w.active(w.ids[0], false)
		w.until("locked", func() bool { return w.state(w.ids[0], 0) == bridge.CaseClosed })
		w.active(w.ids[0], true)
		first, _ := w.cases(w.ids[0])
		w.app.Faults.Set(sandbox.Fault{Kind: sandbox.Fail, Status: 429, Wait: 1})
		if _, err := w.bridge.AcceptRestore(operator(), first[0].ID, ""); err != nil {
			t.Fatal(err)
		}
		w.policy(bridge.Policy{}) // what follows asks nothing of the app
		w.active(w.ids[0], false)
		w.until("the restore is given up", func() bool {
			cases, _ := w.cases(w.ids[0])
			return len(cases) == 2 && cases[1].State == bridge.CaseClosed
		})
		w.active(w.ids[0], true)
		w.app.Faults.Clear()
		if _, err := w.bridge.AcceptRestore(operator(), first[0].ID, ""); err != nil {
			_, a := w.cases(w.ids[0])
			t.Fatalf("locked out: %v, %+v", err, a)
		}
		w.until("the account is restored", func() bool { return w.app.Active(name(0)) })
	})
}
