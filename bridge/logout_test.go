package bridge_test

import (
	"context"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector"
	"github.com/exeunt/exeunt/bridge/connector/rest"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
	"github.com/exeunt/exeunt/store"
)

// signedIn adds two apps with sessions to the world, "crm" and "desk".
func (w *world) signedIn() (crm, desk *sandbox.SaaS) {
	w.Helper()
	var apps []bridge.App
	var queues []store.Queue
	saas := func(name string) *sandbox.SaaS {
		s, err := sandbox.StartSaaS(sandbox.Options{Users: []sandbox.User{{UserName: name0, Email: name0}}})
		if err != nil {
			w.Fatal(err)
		}
		w.Cleanup(func() { s.Close() })
		config := connector.Config("rest").(*rest.Config)
		config.Recipe, config.Params, config.Secrets = "sandbox", map[string]string{"base": s.URL()}, map[string]bridge.Secret{"token": bridge.Secret(s.Admin())}
		config.AllowNetworks = []string{"127.0.0.1/32"}
		conn, err := connector.Open("rest", config, name, connector.Self{})
		if err != nil {
			w.Fatal(err)
		}
		apps = append(apps, bridge.App{Name: name, Protocol: "rest", Connector: conn, Limits: limits, Policy: bridge.Policy{
			bridge.LoggedOut: {bridge.Revoke}, bridge.Deactivated: {bridge.Revoke}, bridge.Removed: {bridge.Revoke}}})
		queues = append(queues, store.Queue{App: name, Concurrency: 4})
		s.Issue(name0)
		return s
	}
	crm, desk = saas("crm"), saas("desk")
	if err := w.store.SetQueues(w.Context(), queues); err != nil {
		w.Fatal(err)
	}
	w.apps = apps
	w.bridge.SetApps(apps)
	return crm, desk
}

var name0 = name(0)

// idp is the context in which an identity provider asks for somebody to be signed out.
func idp() context.Context {
	return bridge.WithCaller(context.Background(), bridge.Caller{Operator: "saml", Request: "r"})
}

func (w *world) logOut(person, from string) bridge.Case {
	w.Helper()
	c, err := w.bridge.LogOut(idp(), person, from)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// await waits for a case as a browser does, for so long.
func (w *world) await(id string, d time.Duration) (bridge.Case, []bridge.Action) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), d)
	defer cancel()
	c, actions, err := w.bridge.AwaitCase(ctx, id)
	if err != nil {
		w.Fatal(err)
	}
	return c, actions
}

const long = 30 * time.Second

// A logout ends the sessions of somebody who is here and stays here; who said so
// is not told again; and to whoever asks about departures there was none.
func TestLogOut(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		crm, desk := w.signedIn()
		c, actions := w.await(w.logOut(w.ids[0], "desk").ID, long)
		if c.State != bridge.CaseClosed || len(actions) != 1 || actions[0].Lane.App != "crm" || actions[0].State != bridge.ActionVerified {
			t.Fatalf("%+v %+v", c, actions)
		}
		if crm.Standing(name0).Sessions != 0 || crm.Standing(name0).Status != "active" || desk.Standing(name0).Sessions != 1 {
			t.Errorf("crm %+v, desk %+v", crm.Standing(name0), desk.Standing(name0))
		}
		if err := w.store.Update(t.Context(), func(tx bridge.Tx) error {
			p, err := tx.Person(w.ids[0])
			if err != nil || !p.Active {
				t.Errorf("%+v, %v", p, err)
			}
			if cases, err := tx.CasesOf("hr", p.ID, nil); len(cases) != 0 || err != nil {
				t.Errorf("it is a departure: %+v, %v", cases, err)
			}
			if states, err := tx.CaseStates("hr", p.ID); len(states) != 0 || err != nil {
				t.Errorf("it is a departure: %+v, %v", states, err)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		// Nothing is offered to be restored when the person changes, leaves, or comes back.
		w.active(w.ids[0], false)
		w.until("she left", func() bool { return w.state(w.ids[0], 0) == bridge.CaseClosed })
		w.active(w.ids[0], true)
		if cases, _ := w.cases(w.ids[0]); len(cases) != 2 || cases[1].Trigger != bridge.LoggedOut || !cases[1].Returned.IsZero() {
			t.Errorf("%+v", cases)
		}
		if _, err := w.bridge.LogOut(idp(), "nobody", "desk"); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Errorf("nobody: %v", err)
		}
	})
}

// Whoever waits at a browser is not kept waiting for an app that failed; the
// logout goes on, also without them, and what got stuck may be retried.
func TestLogOutWithAnAppThatIsDown(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		crm, _ := w.signedIn()
		crm.Faults.Set(sandbox.Fault{Kind: sandbox.Fail})
		began := time.Now()
		c := w.logOut(w.ids[0], "desk")
		_, actions := w.await(c.ID, long)
		if len(actions) != 1 || actions[0].State != bridge.ActionWaiting || actions[0].Attempts == 0 || time.Since(began) > long/2 {
			t.Fatalf("after %s: %+v", time.Since(began), actions)
		}
		crm.Faults.Clear()
		w.until("the session has ended", func() bool { return crm.Standing(name0).Sessions == 0 })

		crm.Issue(name0)
		crm.Faults.Set(sandbox.Fault{Kind: sandbox.Fail, Status: 403})
		stuck := w.logOut(w.ids[0], "desk")
		if c, _ := w.await(stuck.ID, long); c.State != bridge.CaseStuck {
			t.Fatalf("%s", c.State)
		}
		crm.Faults.Clear()
		if _, err := w.bridge.RetryCase(operator(), stuck.ID); err != nil { // although she is here
			t.Fatal(err)
		}
		if c, _ := w.await(stuck.ID, long); c.State != bridge.CaseClosed || crm.Standing(name0).Sessions != 0 {
			t.Errorf("retried: %s, %+v", c.State, crm.Standing(name0))
		}
	})
}

// A browser that waits for an app that hangs gets what is known when it has
// waited long enough.
func TestAwaitCaseEnds(t *testing.T) {
	newWorld(t, store.Options{Dir: t.TempDir()}, 1, func(w *world) {
		crm, _ := w.signedIn()
		crm.Faults.Set(sandbox.Fault{Kind: sandbox.Slow, Delay: sandbox.Duration(3 * time.Second)})
		c := w.logOut(w.ids[0], "desk")
		if got, _ := w.await(c.ID, 300*time.Millisecond); got.ID != c.ID || got.State.Over() {
			t.Errorf("%+v", got)
		}
		if _, _, err := w.bridge.AwaitCase(t.Context(), "nothing"); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Error(err)
		}
	})
}

// said is what an app answers through a browser.
var said = bridge.Receipt{Summary: "LogoutResponse: Success", Word: bridge.Confirmed, At: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}

// stuckLogOut is a logout of which "crm" could not be told, and its one action.
func (w *world) stuckLogOut(crm *sandbox.SaaS) (bridge.Case, bridge.Action) {
	w.Helper()
	crm.Faults.Set(sandbox.Fault{Kind: sandbox.Fail, Method: "DELETE", Status: 403})
	c, actions := w.await(w.logOut(w.ids[0], "desk").ID, long)
	if c.State != bridge.CaseStuck || len(actions) != 1 {
		w.Fatal(c.State)
	}
	return c, actions[0]
}

// What an app said through a browser is checked, and counts if it shows.
func TestShutByBrowser(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		crm, _ := w.signedIn()
		stuck, a := w.stuckLogOut(crm)
		if err := w.bridge.ShutByBrowser(idp(), a.ID, said); err != nil { // which is a lie
			t.Fatal(err)
		}
		w.until("it is told so again", func() bool {
			_, actions := w.cases(w.ids[0])
			return w.state(w.ids[0], 0) == bridge.CaseStuck && actions[0][0].Done == said
		})
		crm.Remove(name0)
		if err := w.bridge.ShutByBrowser(idp(), a.ID, said); err != nil {
			t.Fatal(err)
		}
		c, actions := w.await(stuck.ID, long)
		if c.State != bridge.CaseClosed || actions[0].State != bridge.ActionVerified || actions[0].Done != said || actions[0].Problem != "" {
			t.Errorf("%s %+v", c.State, actions[0])
		}
		if err := w.bridge.ShutByBrowser(idp(), a.ID, said); !bridge.IsKind(err, bridge.KindConflict) {
			t.Errorf("again: %v", err)
		}
		if err := w.bridge.ShutByBrowser(idp(), "nothing", said); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Error(err)
		}
	})
}

// uncheckable is an app that offers no way to check.
type uncheckable struct{ bridge.Connector }

func (uncheckable) Capabilities() bridge.Capabilities {
	return bridge.Capabilities{{Effect: bridge.Revoke, Covers: []string{"sessions"}}}
}

// If the app offers no way to check, its word through a browser settles what it
// could not be told directly; also while the engine is at it.
func TestShutByBrowserUnchecked(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		crm, _ := w.signedIn()
		stuck, a := w.stuckLogOut(crm)
		crm.Faults.Clear()
		apps := w.apps
		apps[0].Connector = uncheckable{apps[0].Connector}
		w.bridge.SetApps(apps)
		if err := w.bridge.ShutByBrowser(idp(), a.ID, said); err != nil {
			t.Fatal(err)
		}
		c, actions := w.await(stuck.ID, long)
		if c.State != bridge.CaseClosed || actions[0].State != bridge.ActionUnverified || actions[0].Done != said || actions[0].Problem != "" {
			t.Errorf("%s %+v", c.State, actions[0])
		}
		crm.Faults.Set(sandbox.Fault{Kind: sandbox.Slow, Delay: sandbox.Duration(400 * time.Millisecond)})
		quick := w.logOut(w.ids[0], "desk")
		w.until("it is tried", func() bool {
			_, all := w.cases(w.ids[0])
			return len(all[0]) == 1 && all[0][0].Attempts > 0
		})
		_, all := w.cases(w.ids[0])
		if err := w.bridge.ShutByBrowser(idp(), all[0][0].ID, said); err != nil {
			t.Fatal(err)
		}
		crm.Faults.Clear()
		if c, actions := w.await(quick.ID, long); c.State != bridge.CaseClosed || actions[0].State != bridge.ActionUnverified || actions[0].Done != said {
			t.Errorf("%s %+v", c.State, actions)
		}
	})
}
