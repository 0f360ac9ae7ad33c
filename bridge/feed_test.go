package bridge_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
)

// feed is the context in which a feed of the source "hr" speaks.
func feed() context.Context {
	return bridge.WithCaller(context.Background(), bridge.Caller{Source: "hr", Token: "feed:idp", Request: "r"})
}

// of is that there is a session in the app "crm".
func of(a bridge.Attribute, whose, index string) bridge.Told {
	return bridge.Told{Whose: bridge.Normalise(a, whose), Session: bridge.Session{App: "crm", Name: bridge.NameID{Value: "N"}, Index: index,
		Expires: time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)}}
}

func (w *world) tell(ctx context.Context, told ...bridge.Told) []string {
	w.Helper()
	why, err := w.bridge.TellSessions(ctx, told)
	if err != nil {
		w.Fatal(err)
	}
	return why
}

// known is the indexes of the sessions that are known of somebody in the app "crm".
func (w *world) known(person string) (list []string) {
	w.Helper()
	if err := w.store.View(w.Context(), func(tx bridge.Tx) error {
		sessions, err := tx.Sessions(bridge.Lane{App: "crm", Person: person}, time.Now())
		for _, s := range sessions {
			list = append(list, s.Index)
		}
		return err
	}); err != nil {
		w.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// A feed is heard about its source's people, by whatever they are known.
func TestTellSessions(t *testing.T) {
	onBoth(t, 2, func(w *world) {
		w.signedIn()
		twin, err := w.bridge.AddPerson(hr(), bridge.Person{UserName: "twin", ExternalID: "x1", Emails: []string{name(1)}, Active: true, Resource: []byte(`{}`)})
		if err != nil {
			t.Fatal(err)
		}
		why := w.tell(feed(), of(bridge.ByID, w.ids[0], "1"), of(bridge.ByUserName, "P0@EXAMPLE.COM", "2"), of(bridge.ByEmail, name0, "3"),
			of(bridge.ByExternalID, "x1", "4"), of(bridge.ByUserName, "nobody", "5"), of(bridge.ByID, "nobody", "6"), of(bridge.ByEmail, name(1), "7"),
			of(bridge.ByID, w.ids[0], "1"))
		if want := []string{"", "", "", "", bridge.NobodyKnown, bridge.NobodyKnown, bridge.SeveralKnown, ""}; !slices.Equal(why, want) {
			t.Errorf("%q, want %q", why, want)
		}
		if got := w.known(w.ids[0]); !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("known: %v", got)
		}
		if got := w.known(twin.ID); !slices.Equal(got, []string{"4"}) {
			t.Errorf("known of the other: %v", got)
		}
		ended := of(bridge.ByUserName, name0, "2")
		ended.Ended = true
		w.tell(feed(), ended, ended)
		if got := w.known(w.ids[0]); !slices.Equal(got, []string{"1", "3"}) {
			t.Errorf("when one has ended: %v", got)
		}
		other := bridge.WithCaller(t.Context(), bridge.Caller{Source: "other", Token: "feed:other"})
		if why := w.tell(other, of(bridge.ByID, w.ids[0], "8"), of(bridge.ByUserName, name0, "9")); !slices.Equal(why, []string{bridge.NobodyKnown, bridge.NobodyKnown}) {
			t.Errorf("another source's feed: %q", why)
		}
		if _, err := w.bridge.TellSessions(operator(), nil); !bridge.IsKind(err, bridge.KindDenied) {
			t.Errorf("an operator: %v", err)
		}
		if cases, _ := w.cases(w.ids[0]); len(cases) != 0 {
			t.Errorf("somebody who is here: %+v", cases)
		}
	})
}

// Many are told at once, more than one transaction takes.
func TestTellManySessions(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		w.signedIn()
		var told []bridge.Told
		for i := range 120 {
			told = append(told, of(bridge.ByUserName, name0, fmt.Sprint(i)))
		}
		told[70] = of(bridge.ByUserName, "nobody", "x")
		why := w.tell(feed(), told...)
		if len(why) != 120 || why[70] != bridge.NobodyKnown || why[69] != "" || len(w.known(w.ids[0])) != 119 {
			t.Errorf("%d answers, %d known", len(why), len(w.known(w.ids[0])))
		}
	})
}

// A session of which is heard when its person has left already does not live on;
// what is told once more is not ended once more.
func TestSessionOfALeaver(t *testing.T) {
	for what, leave := range map[string]func(*world, string){
		"inactive": func(w *world, id string) { w.active(id, false) },
		"deleted": func(w *world, id string) {
			if err := w.bridge.RemovePerson(hr(), id, nil); err != nil {
				w.Fatal(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			onBoth(t, 1, func(w *world) {
				crm, desk := w.signedIn()
				leave(w, w.ids[0])
				w.until("she left", func() bool { return w.state(w.ids[0], 0) == bridge.CaseClosed })
				for round, by := range []bridge.Attribute{bridge.ByUserName, bridge.ByID, bridge.ByEmail} {
					crm.Issue(name0)
					desk.Issue(name0)
					late := of(by, map[bool]string{true: w.ids[0], false: name0}[by == bridge.ByID], fmt.Sprint(round))
					if why := w.tell(feed(), late, late); !slices.Equal(why, []string{"", ""}) {
						t.Fatalf("%q", why)
					}
					w.until("the session has ended", func() bool { return w.state(w.ids[0], 0) == bridge.CaseClosed && crm.Standing(name0).Sessions == 0 })
					w.tell(feed(), late)
					cases, actions := w.cases(w.ids[0])
					if len(cases) != 1 || len(actions[0]) != 3+round {
						t.Fatalf("round %d: %d cases, actions %+v", round, len(cases), actions)
					}
					for _, a := range actions[0] {
						if a.State != bridge.ActionVerified || a.Effect != bridge.Revoke {
							t.Errorf("%+v", a)
						}
					}
				}
				if desk.Standing(name0).Sessions != 3 {
					t.Errorf("in an app of which nothing was told: %+v", desk.Standing(name0))
				}
			})
		})
	}
}

// Told without anything that tells it from another, a session of whoever has left may
// be the one that was known, or one that has begun since: it is ended again. While
// that is to be done still, it is not ordered once more.
func TestSessionsOfALeaverThatAreAlike(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		crm, _ := w.signedIn()
		alike := of(bridge.ByUserName, name0, "")
		alike.Session.Index, alike.Session.Credential = "", ""
		w.tell(feed(), alike)
		w.active(w.ids[0], false)
		w.until("she left", func() bool { return w.state(w.ids[0], 0) == bridge.CaseClosed })
		crm.Issue(name0)
		crm.Faults.Set(sandbox.Fault{Kind: sandbox.Fail})
		w.tell(feed(), alike)
		w.until("it was tried", func() bool { _, a := w.cases(w.ids[0]); return a[0][len(a[0])-1].Attempts > 0 })
		w.tell(feed(), alike, alike)
		crm.Faults.Clear()
		w.until("the session has ended", func() bool { return w.state(w.ids[0], 0) == bridge.CaseClosed && crm.Standing(name0).Sessions == 0 })
		if _, actions := w.cases(w.ids[0]); len(actions[0]) != 3 {
			t.Errorf("actions %+v", actions[0])
		}
	})
}

// revokes are those of the actions that end sessions.
func revokes(actions []bridge.Action) []bridge.Action {
	return slices.DeleteFunc(slices.Clone(actions), func(a bridge.Action) bool { return a.Effect != bridge.Revoke })
}

// What the policy does not want is not done because a feed speaks; nor for whoever
// never left, or came back.
func TestNothingIsEndedWithoutAPolicy(t *testing.T) {
	onBoth(t, 2, func(w *world) {
		crm, _ := w.signedIn()
		never, err := w.bridge.AddPerson(hr(), bridge.Person{UserName: "never", Resource: []byte(`{}`)})
		if err != nil {
			t.Fatal(err)
		}
		w.active(w.ids[0], false)
		w.until("she left", func() bool { return w.state(w.ids[0], 0) == bridge.CaseClosed })
		crm.Issue(name0)
		w.active(w.ids[0], true)
		elsewhere := of(bridge.ByUserName, name0, "1")
		elsewhere.Session.App = "idp" // no app
		w.active(w.ids[1], false)
		w.until("he left", func() bool { return w.state(w.ids[1], 0) == bridge.CaseClosed })
		elsewhere.Whose = bridge.Normalise(bridge.ByUserName, name(1))
		w.tell(feed(), of(bridge.ByUserName, "never", "1"), of(bridge.ByUserName, name0, "1"), elsewhere)
		for _, id := range []string{never.ID, w.ids[0], w.ids[1]} {
			if _, actions := w.cases(id); len(actions) > 0 && len(revokes(actions[0])) != 2 {
				t.Errorf("%+v", actions)
			}
		}
		if len(w.known(never.ID)) != 1 || crm.Standing(name0).Sessions != 1 {
			t.Error("it is not kept, or was ended")
		}
	})
}

// While the app is down, what is told late is read when it is tried, or ordered
// behind what is under way; nothing is done twice for it.
func TestSessionsToldDuringADeparture(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		crm, _ := w.signedIn()
		crm.Faults.Set(sandbox.Fault{Kind: sandbox.Slow, Method: "DELETE", Delay: sandbox.Duration(300 * time.Millisecond)})
		w.active(w.ids[0], false)
		w.until("it was begun", func() bool {
			_, a := w.cases(w.ids[0])
			return len(a) == 1 && slices.ContainsFunc(a[0], func(a bridge.Action) bool { return a.Lane.App == "crm" && a.Begun })
		})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if why, err := w.bridge.TellSessions(feed(), []bridge.Told{of(bridge.ByUserName, name0, fmt.Sprint(i))}); err != nil || why[0] != "" {
					t.Errorf("%q, %v", why, err)
				}
			})
		}
		wg.Wait()
		crm.Issue(name0)
		crm.Faults.Clear()
		w.until("all has ended", func() bool { return w.state(w.ids[0], 0) == bridge.CaseClosed && crm.Standing(name0).Sessions == 0 })
		_, actions := w.cases(w.ids[0])
		if n := len(actions[0]); n < 3 || n > 2+8 || len(w.known(w.ids[0])) != 8 {
			t.Errorf("%d actions, %d known", n, len(w.known(w.ids[0])))
		}
	})
}
