package bridge

import (
	"errors"
	"time"
)

// step is one thing to do on a lane, as advance hands it out.
type step struct {
	action Action
	who    Case
	// account is who to act on; nil means that it must be found first.
	account *Account
	// former is who was found for an earlier case: whom to act on if nobody is
	// found now.
	former *Account
}

// outcome is what came of a step. At most one of err and the results decides;
// see settle.
type outcome struct {
	step
	found   *Account // Find found it
	begun   bool     // Do was begun
	done    *Receipt // Do succeeded
	checked *Receipt // Check decided
	err     error    // of the last call made
	calls   []call   // for the observer
	// panicked is what a connector that panicked left behind, for our own log.
	panicked string
}

// call is one call of a connector.
type call struct {
	what string
	took time.Duration
}

// quick is how often a check that shows the contrary is repeated before the
// order is: apps' reads lag behind their writes.
const quick = 2

// vendorQueue is how long a vendor that has accepted to erase somebody may take
// until it shows.
const vendorQueue = 14 * 24 * time.Hour

// settle decides what an outcome makes of its action. spread is a random number
// in [0,1) that keeps retries of many lanes apart.
func settle(a Action, o outcome, l Limits, now time.Time, spread float64) Action {
	a.Problem = ""
	a.Begun = o.action.Begun || o.begun
	switch {
	case o.found != nil && !o.begun:
		a.Attempts-- // the try that counts is the Do that follows at once
		return a
	case errors.Is(o.err, ErrNoAccount):
		return a.end(ActionAbsent, now)
	case errors.Is(o.err, ErrNoneKnown):
		a.Done, a.Problem = Receipt{Summary: o.err.Error(), Word: NoSession, At: now}, o.err.Error()
		return a.end(ActionUnverified, now)
	}
	if o.done != nil {
		a.State, a.Done, a.Checks, a.Due = ActionPending, *o.done, 0, now
		if o.who.Trigger == Erased { // vendors have queues for that
			a.Deadline = latest(a.Deadline, now.Add(vendorQueue))
		}
	}
	if a.State == ActionPending {
		a.Checks++
		switch {
		case o.err == nil:
			a.Checked = *o.checked
			return a.end(ActionVerified, now)
		case errors.Is(o.err, ErrCannotCheck):
			if o.checked != nil {
				a.Problem = o.checked.Summary // why not
			}
			return a.end(ActionUnverified, now)
		case errors.Is(o.err, ErrStillOpen):
			if o.checked != nil {
				a.Checked = *o.checked
			}
			if a.Checks > quick {
				a.State, a.Checks = ActionWaiting, 0
				if o.who.Trigger == Erased {
					a.Deadline = now.Add(l.Deadline)
				}
			}
		}
	}
	a.Problem = o.err.Error()
	switch {
	case IsImpossible(o.err):
		return a.end(ActionImpossible, now)
	case IsPermanent(o.err):
		return a.end(ActionStuck, now)
	}
	wait, told := WaitOf(o.err)
	if !told {
		wait = backoff(l, max(a.Attempts, a.Checks), spread)
	}
	a.Due = now.Add(wait)
	if !now.Before(a.Deadline) {
		return a.end(ActionStuck, now)
	}
	if a.Due.After(a.Deadline) {
		a.Due = a.Deadline // one last try, then it is stuck
	}
	return a
}

// end brings a into its last state.
func (a Action) end(s ActionState, now time.Time) Action {
	a.State, a.Settled = s, now
	return a
}

// backoff doubles from RetryMin up to RetryMax and spreads over the upper half.
func backoff(l Limits, tries int, spread float64) time.Duration {
	d := l.RetryMin
	for i := 1; i < tries && d < l.RetryMax; i++ {
		d *= 2
	}
	d = min(d, l.RetryMax)
	return d/2 + time.Duration(spread*float64(d/2))
}

// next decides what a lane does now: the first action that is due and that
// nothing stands before, else nil and when to look again (zero: nothing is
// open). actions are the lane's, by Seq.
//
// Order within a lane: an action waits until every earlier one was tried once,
// so that no new session begins before those that exist are ended; after that
// all retry on their own. What cannot be undone waits until what was to be
// handed over is handed over.
func next(actions []Action, now time.Time) (*Action, time.Time) {
	var again time.Time
	for i := range actions {
		a := &actions[i]
		if !a.State.open() || held(*a, actions[:i]) {
			continue
		}
		if !a.Due.After(now) {
			return a, time.Time{}
		}
		if again.IsZero() || a.Due.Before(again) {
			again = a.Due
		}
	}
	return nil, again
}

// held reports whether one of the earlier actions of the lane stands before a.
func held(a Action, earlier []Action) bool {
	for _, e := range earlier {
		switch {
		case e.State == ActionWaiting && e.Attempts == 0 && !e.Held: // a hold keeps no door open
			return true
		case a.Effect.Destructive() && e.Effect == Transfer && !e.State.Settled():
			return true
		}
	}
	return false
}
