package bridge

import (
	"context"
	"errors"
	"testing"
	"time"
)

var (
	t0     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	lim    = Limits{RetryMin: time.Second, RetryMax: 10 * time.Second}.WithDefaults()
	errBad = errors.New("the app answered 500")
)

func TestSettle(t *testing.T) {
	ok, proof := &Receipt{Summary: "done"}, &Receipt{Summary: "read back"}
	waiting := Action{State: ActionWaiting, Attempts: 1, Begun: true, Due: t0, Deadline: t0.Add(time.Hour)}
	pending := waiting
	pending.State, pending.Done = ActionPending, *ok
	seen := pending
	seen.Checks = quick
	late := waiting
	late.Deadline = t0

	for _, c := range []struct {
		name   string
		action Action
		out    outcome
		state  ActionState
		due    time.Duration // from t0; only while open
	}{
		{"done and proven", waiting, outcome{begun: true, done: ok, checked: proof}, ActionVerified, 0},
		{"done, no way to check", waiting, outcome{begun: true, done: ok, err: ErrCannotCheck}, ActionUnverified, 0},
		{"done, and why there is no way", waiting, outcome{begun: true, done: ok, checked: &Receipt{Summary: "nothing to try"}, err: ErrCannotCheck}, ActionUnverified, 0},
		{"found, go on", waiting, outcome{found: &Account{ID: "7"}}, ActionWaiting, 0},
		{"no account", waiting, outcome{err: ErrNoAccount}, ActionAbsent, 0},
		{"no session is known, and the app was not asked", waiting, outcome{err: ErrNoneKnown}, ActionUnverified, 0},
		{"failed", waiting, outcome{begun: true, err: errBad}, ActionWaiting, 750 * time.Millisecond},
		{"told to wait", waiting, outcome{err: RetryAfter(7*time.Second, errBad)}, ActionWaiting, 7 * time.Second},
		{"refused for good", waiting, outcome{err: Permanent(errBad)}, ActionStuck, 0},
		{"turns out not to be offered", waiting, outcome{err: Impossible(errBad)}, ActionImpossible, 0},
		{"failed after its deadline", late, outcome{err: errBad}, ActionStuck, 0},
		{"told to wait beyond its deadline", waiting, outcome{err: RetryAfter(2*time.Hour, errBad)}, ActionWaiting, time.Hour},
		{"done, the check failed", waiting, outcome{begun: true, done: ok, err: errBad}, ActionPending, 750 * time.Millisecond},
		{"done, not known yet", waiting, outcome{begun: true, done: ok, err: RetryAfter(time.Minute, errBad)}, ActionPending, time.Minute},
		{"done, still open: look again first", waiting, outcome{begun: true, done: ok, checked: proof, err: ErrStillOpen}, ActionPending, 750 * time.Millisecond},
		{"still open again and again: the app lied", seen, outcome{checked: proof, err: ErrStillOpen}, ActionWaiting, 750 * time.Millisecond},
		{"checked later, proven", pending, outcome{checked: proof}, ActionVerified, 0},
		{"checked later, refused", pending, outcome{err: Permanent(errBad)}, ActionStuck, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := settle(c.action, c.out, lim, t0, 0.5)
			if got.State != c.state {
				t.Fatalf("state %s, want %s", got.State, c.state)
			}
			if c.state.open() != got.Settled.IsZero() {
				t.Errorf("settled at %v in state %s", got.Settled, got.State)
			}
			if c.state.open() && got.Due.Sub(t0) != c.due {
				t.Errorf("due after %v, want %v", got.Due.Sub(t0), c.due)
			}
			if (c.out.err != nil && got.Problem == "") && c.state != ActionAbsent && c.state != ActionUnverified {
				t.Error("no problem is named")
			}
			if c.state == ActionUnverified && c.out.checked != nil && got.Problem != c.out.checked.Summary {
				t.Errorf("the case says %q of why it is not proven", got.Problem)
			}
		})
	}
}

// An app that goes on answering success while the door stays open is asked
// again and again, and ends stuck: never verified, never closed.
func TestSettleNeverBelievesALiar(t *testing.T) {
	a := Action{State: ActionWaiting, Due: t0, Deadline: t0.Add(time.Minute)}
	now, did := t0, 0
	for a.State.open() {
		now = a.Due
		o := outcome{checked: &Receipt{}, err: ErrStillOpen}
		if a.State == ActionWaiting {
			a.Attempts++
			did++
			o.begun, o.done = true, &Receipt{}
		}
		a = settle(a, o, lim, now, 0.5)
	}
	if a.State != ActionStuck || did < 3 || now.Sub(t0) > time.Minute {
		t.Errorf("state %s after %d orders and %v", a.State, did, now.Sub(t0))
	}
}

func TestBackoffDoublesAndIsBounded(t *testing.T) {
	for tries, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 4: 8 * time.Second, 5: 10 * time.Second, 1000: 10 * time.Second} {
		lo, hi := backoff(lim, tries, 0), backoff(lim, tries, 0.999999)
		if lo != want/2 || hi >= want || hi < want-time.Millisecond {
			t.Errorf("%d tries: %v to %v, want %v to %v", tries, lo, hi, want/2, want)
		}
	}
}

func TestNext(t *testing.T) {
	act := func(e Effect, s ActionState, attempts int, due time.Duration) Action {
		return Action{ID: string(e), Case: "c", Effect: e, State: s, Attempts: attempts, Due: t0.Add(due)}
	}
	for _, c := range []struct {
		name    string
		actions []Action
		want    Effect
		again   time.Duration
	}{
		{"nothing open", []Action{act(Lock, ActionVerified, 1, 0)}, "", 0},
		{"in order", []Action{act(Lock, ActionWaiting, 0, 0), act(Revoke, ActionWaiting, 0, 0)}, Lock, 0},
		{"the first was tried and waits: the next goes on",
			[]Action{act(Lock, ActionWaiting, 1, time.Second), act(Revoke, ActionWaiting, 0, 0)}, Revoke, 0},
		{"the first was never tried: the next waits",
			[]Action{act(Lock, ActionWaiting, 0, time.Second), act(Revoke, ActionWaiting, 0, 0)}, "", time.Second},
		{"a pending check holds nobody up",
			[]Action{act(Lock, ActionPending, 1, time.Minute), act(Revoke, ActionWaiting, 0, 0)}, Revoke, 0},
		{"no deletion before the transfer is through",
			[]Action{act(Transfer, ActionPending, 1, time.Minute), act(Delete, ActionWaiting, 0, 0)}, "", time.Minute},
		{"nor when another case ordered it",
			[]Action{{Case: "b", Effect: Transfer, State: ActionPending, Attempts: 1, Due: t0.Add(time.Minute)}, act(Delete, ActionWaiting, 0, 0)}, "", time.Minute},
		{"nor when it is stuck",
			[]Action{act(Transfer, ActionStuck, 1, 0), act(Delete, ActionWaiting, 0, 0)}, "", 0},
		{"deletion after the transfer",
			[]Action{act(Transfer, ActionVerified, 1, 0), act(Delete, ActionWaiting, 0, 0)}, Delete, 0},
		{"the earliest of those that wait",
			[]Action{act(Lock, ActionWaiting, 3, time.Minute), act(Revoke, ActionWaiting, 2, time.Second)}, "", time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, again := next(c.actions, t0)
			if (a == nil) != (c.want == "") || a != nil && a.Effect != c.want {
				t.Fatalf("next is %+v, want %q", a, c.want)
			}
			if c.again == 0 != again.IsZero() || c.again != 0 && again.Sub(t0) != c.again {
				t.Errorf("again at %v, want %v", again, c.again)
			}
		})
	}
}

func TestAfter(t *testing.T) {
	in := func(s ActionState) Action { return Action{State: s} }
	begun := Action{State: ActionDropped, Begun: true}
	for _, c := range []struct {
		want    CaseState
		actions []Action
	}{
		{CaseClosed, nil},
		{CaseClosed, []Action{in(ActionVerified), in(ActionAbsent), in(ActionUnverified), in(ActionImpossible)}},
		{CaseRunning, []Action{in(ActionVerified), in(ActionPending)}},
		{CaseRunning, []Action{in(ActionStuck), in(ActionWaiting)}},
		{CaseStuck, []Action{in(ActionVerified), in(ActionStuck)}},
		{CaseCancelled, []Action{in(ActionDropped), in(ActionDropped)}},
		{CaseClosed, []Action{begun, in(ActionOffered)}},
		{CaseClosed, []Action{in(ActionVerified), in(ActionDropped), in(ActionOffered)}},
	} {
		if got := after(c.actions); got != c.want {
			t.Errorf("%+v: %s, want %s", c.actions, got, c.want)
		}
	}
}

func TestPlan(t *testing.T) {
	apps := []App{
		{Name: "crm", Connector: offers{Lock, Revoke, Delete}, Limits: Limits{}.WithDefaults(),
			Policy: Policy{Removed: {Delete, Revoke, Lock, Revoke}, Deactivated: {Lock}}},
		{Name: "wiki", Connector: offers{Lock}, Limits: Limits{}.WithDefaults(), Policy: Policy{Removed: {Erase, Lock}}},
		{Name: "files", Connector: offers{Lock, Delete}, Limits: Limits{}.WithDefaults(),
			Policy: Policy{Removed: {Transfer, Delete, Lock}}},
		{Name: "chat", Connector: offers{Lock}, Limits: Limits{}.WithDefaults()},
	}
	type planned struct {
		app    string
		effect Effect
		state  ActionState
	}
	var got []planned
	for _, a := range plan(Case{ID: "c", Person: "p", Trigger: Removed}, apps, t0) {
		if a.Case != "c" || a.Lane.Person != "p" || a.ID == "" || !a.Deadline.Equal(t0.Add(24*time.Hour)) {
			t.Errorf("badly made: %+v", a)
		}
		got = append(got, planned{a.Lane.App, a.Effect, a.State})
	}
	want := []planned{{"crm", Lock, ActionWaiting}, {"crm", Revoke, ActionWaiting}, {"crm", Delete, ActionWaiting},
		{"wiki", Lock, ActionWaiting}, {"wiki", Erase, ActionImpossible},
		{"files", Lock, ActionWaiting}, {"files", Transfer, ActionImpossible}, {"files", Delete, ActionStuck}}
	if len(got) != len(want) {
		t.Fatalf("planned %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%d: %v, want %v", i, got[i], want[i])
		}
	}
}

// offers is an app that offers these effects and is never called.
type offers []Effect

func (o offers) Capabilities() (c Capabilities) {
	for _, e := range o {
		c = append(c, Capability{Effect: e, Checked: true})
	}
	return c
}

func (offers) Find(context.Context, Identifiers) (Account, error) { panic("called") }
func (offers) Do(context.Context, Order) (Receipt, error)         { panic("called") }
func (offers) Check(context.Context, Order) (Receipt, error)      { panic("called") }
func (offers) Probe(context.Context) error                        { panic("called") }

// Every call counts towards an app's rate, also those within one step.
func TestPace(t *testing.T) {
	d := newDoor(App{Name: "crm", Connector: willing{}, Limits: Limits{Rate: 0.1, Burst: 2}}, make(chan trip, 1))
	leave, _ := d.enter(t.Context(), t0)
	if leave == nil {
		t.Fatal("the first call must wait")
	}
	o := d.carryOut(t.Context(), step{action: Action{State: ActionWaiting, Effect: Lock}}, func() time.Time { return t0 })
	wait, told := WaitOf(o.err)
	if o.found == nil || o.done == nil || len(o.calls) != 2 || !told || wait < 5*time.Second {
		t.Errorf("%d calls, %v: two are allowed, the check is left for later", len(o.calls), o.err)
	}
	if leave, wait := d.enter(t.Context(), t0); leave != nil || wait < 5*time.Second {
		t.Errorf("a third call may begin, after %v", wait)
	}
}

// willing is an app that does what it is told.
type willing struct{ offers }

func (willing) Find(context.Context, Identifiers) (Account, error) { return Account{ID: "7"}, nil }
func (willing) Do(context.Context, Order) (Receipt, error)         { return Receipt{Summary: "done"}, nil }
func (willing) Check(context.Context, Order) (Receipt, error)      { return Receipt{}, nil }
