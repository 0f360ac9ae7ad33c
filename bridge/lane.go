package bridge

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// turn is how long a lane may be worked before others of the app get their
// turn; a call under way is not cut short by it.
const turn = 15 * time.Second

// WorkLane carries out what is due on a lane, in order, until nothing is. It
// returns how long to wait before it is called again with the same job; zero
// means that the job is over. The engine calls it, one job a lane at a time.
func (b *Bridge) WorkLane(ctx context.Context, j LaneJob) (again time.Duration, err error) {
	d := b.door(j.Lane.App)
	if d == nil { // no longer registered: its actions wait until it is back
		return b.snooze(ctx, j, nil, time.Minute)
	}
	var last *outcome
	for began := b.now(); ; {
		if current := b.door(j.Lane.App); current != nil {
			d = current // the policy may have changed since the last action
		}
		s, wait, err := b.advance(ctx, j, d, last)
		switch {
		case errors.Is(err, ErrLaneLost):
			return 0, nil
		case err != nil || s == nil:
			return wait, err
		}
		if b.now().Sub(began) > turn {
			return b.snooze(ctx, j, s, time.Millisecond)
		}
		leave, wait := d.enter(ctx, b.now())
		if leave == nil {
			return b.snooze(ctx, j, s, wait)
		}
		o := d.carryOut(ctx, *s, b.time)
		leave(o.err)
		if ctx.Err() != nil && o.err != nil { // we stop, the app has not failed
			return 0, ctx.Err()
		}
		if o.panicked != "" {
			b.log.Error().Str("app", d.Name).Str("case", s.who.ID).Str("panic", o.panicked).Msg("connector panicked")
		}
		for _, c := range o.calls {
			b.watch.Attempted(d.Name, s.action.Effect, c.what, c.took)
		}
		last = &o
	}
}

// advance stores what came of the last step (nil at first) and hands out the
// next one, in one transaction: every result and its event are durable before
// anything else is done. Without a next step the lane sleeps or rests.
func (b *Bridge) advance(ctx context.Context, j LaneJob, d *door, last *outcome) (s *step, wait time.Duration, err error) {
	var news news
	now, spread := b.time(), rand.Float64()
	err = b.store.Update(ctx, func(tx Tx) error {
		s, wait, news = nil, 0, nil
		if err := tx.HoldLane(j); err != nil {
			return err
		}
		t := &turnTx{Tx: tx, door: d, now: now, unsound: b.sound() != nil, spread: spread, news: &news, cases: map[string]Case{}, ended: map[string]bool{}}
		var done *Action
		if last != nil {
			if done, err = t.record(*last); err != nil {
				return err
			}
		}
		actions, err := tx.LaneActions(j.Lane)
		if err != nil {
			return err
		}
		for i := range actions {
			if actions[i], err = t.recheck(actions[i], actions[:i], done); err != nil {
				return err
			}
		}
		for _, id := range slices.Sorted(maps.Keys(t.ended)) {
			if err := settleCase(tx, id, now, &news); err != nil {
				return err
			}
		}
		a, due := next(actions, now)
		if a != nil {
			s, err = t.begin(*a)
			return err
		}
		if due.IsZero() {
			return tx.RestLane(j)
		}
		wait = max(due.Sub(now), time.Millisecond)
		return tx.SnoozeLane(j, due)
	})
	if err == nil {
		news.tell(b.watch)
	}
	return s, wait, err
}

// turnTx is one transaction of a lane's turn.
type turnTx struct {
	Tx
	*door
	now     time.Time
	unsound bool // the log
	spread  float64
	news    *news
	cases   map[string]Case // as read in this transaction
	ended   map[string]bool // cases of which an action has found its end
}

func (t *turnTx) caseOf(id string) (Case, error) {
	if c, ok := t.cases[id]; ok {
		return c, nil
	}
	c, err := t.Tx.Case(id)
	t.cases[id] = c
	return c, err
}

// begin makes a step of an action. That Do was begun is durable before it is,
// so that a person who comes back meanwhile is offered to be restored.
func (t *turnTx) begin(a Action) (*step, error) {
	c, err := t.caseOf(a.Case)
	if err != nil {
		return nil, err
	}
	if a.Effect == Revoke {
		if c.Who.Sessions, err = t.Sessions(a.Lane, t.now); err != nil {
			return nil, err
		}
	}
	s := &step{who: c, action: a}
	account, err := t.Account(a.Lane)
	switch {
	case err == nil && account.Case == a.Case && (a.Effect != Revoke || account.Revoke == "" || account.Revoke == a.ID):
		s.account = &account
	case err == nil:
		// Found for an earlier case: the app may have made another since. Or for an earlier
		// end of sessions: those of which is heard since are to be seen alive first.
		s.former = &account
	case !IsKind(err, KindNotFound):
		return nil, err
	}
	if a.State == ActionWaiting {
		a.Attempts++
		s.action.Attempts++
		a.Begun = a.Begun || s.account != nil || !a.Effect.Destructive() // settle takes it back if it did not come to that
		return s, t.PutAction(&a)
	}
	return s, nil
}

// record stores what came of a step, and returns the action if that has found
// its end. The action is read again: the person may have come back during the
// call.
func (t *turnTx) record(o outcome) (ended *Action, err error) {
	current, err := t.Action(o.action.ID)
	if err != nil {
		return nil, err
	}
	if o.found != nil {
		o.found.Case = current.Case
		if current.Effect == Revoke {
			o.found.Revoke = current.ID
		}
		if err := t.PutAccount(current.Lane, *o.found); err != nil {
			return nil, err
		}
		if err := t.Append(actionEvent(t.now, AccountFound, o.who, current, "done", testimony{Account: o.found})); err != nil {
			return nil, err
		}
	}
	if !current.State.open() { // dropped while the call was under way
		if o.done != nil {
			err = t.did(o, current, "late")
		}
		return nil, err
	}
	a := settle(current, o, t.Limits, t.now, t.spread)
	if err := t.PutAction(&a); err != nil {
		return nil, err
	}
	if o.done != nil {
		did := a
		did.State = ActionPending
		if err := t.did(o, did, "done"); err != nil {
			return nil, err
		}
	}
	if a.State.open() {
		if o.err == nil {
			return nil, nil
		}
		return nil, t.Append(actionEvent(t.now, ActionAttempted, o.who, a, word(o.err), testimony{}))
	}
	t.ended[a.Case] = true
	t.news.settled(a)
	return &a, t.Append(actionEvent(t.now, ActionSettled, o.who, a, word(o.err), testimony{Receipt: o.checked}))
}

// did appends that the app said an action is done.
func (t *turnTx) did(o outcome, a Action, word string) error {
	if word == "done" {
		word = cmp.Or(o.done.Word, word)
	}
	e := actionEvent(t.now, ActionDone, o.who, a, word, testimony{o.account, o.done})
	e.Facts.Protocol = t.Protocol
	return t.Append(e)
}

// recheck looks once more at an action before anything is done about it, and
// ends it if there is nothing more to do: somebody who has come back is left
// alone; what cannot be undone is done only while the policy still asks for it;
// where there is no account, no other door of it needs shutting; what needs
// a stuck transfer is stuck with it; and what is held waits. earlier are the actions of the lane before
// it, and done is the one that has just ended, or nil.
func (t *turnTx) recheck(a Action, earlier []Action, done *Action) (Action, error) {
	if !a.State.open() {
		return a, nil
	}
	c, err := t.caseOf(a.Case)
	if err != nil {
		return a, err
	}
	here, err := present(t, c)
	if err != nil {
		return a, err
	}
	kin := done != nil && done.Case == a.Case
	state := ActionDropped
	switch {
	case c.erased():
		a.Problem = "the person is forgotten"
	case kin && done.State == ActionAbsent:
		state = ActionAbsent
	case a.Effect.Destructive() && slices.ContainsFunc(earlier, func(e Action) bool {
		return e.Effect == Transfer && e.State == ActionStuck
	}):
		state, a.Problem = ActionStuck, "waits for the transfer, which is stuck"
	case a.Effect == Restore && !here: // for when they are back once more
		a.State, a.Problem = ActionOffered, "the person has left again"
		t.ended[a.Case] = true
		return a, errors.Join(t.PutAction(&a), t.Append(actionEvent(t.now, RestoreOffered, c, a, "", testimony{})))
	case a.Effect != Restore && here && c.Trigger != LoggedOut:
		a.Problem = "the person came back"
	case a.Effect.Destructive() && a.State == ActionWaiting && !t.wants(c.Trigger, a.Effect):
		a.Problem = "the policy no longer asks for it"
	default:
		return t.hold(a, c)
	}
	t.ended[a.Case] = true
	a = a.end(state, t.now)
	return a, t.news.put(t, a, t.now)
}

// What keeps an action that cannot be undone, and how long until it is looked at
// again if nobody wakes the lane. Whoever lifts a hold does.
const (
	heldByHold = "a legal hold stands on the person"
	heldByLog  = "the log is not sound: nothing that cannot be undone is done until it is"
	holdLook   = time.Hour
	logLook    = time.Minute
)

// hold keeps an action that cannot be undone while a hold stands or the log is not
// sound. Its deadline begins to run when it is let go.
func (t *turnTx) hold(a Action, c Case) (Action, error) {
	if !a.Effect.Destructive() || a.State != ActionWaiting {
		return a, nil
	}
	_, err := t.HoldOn(c.Handle, c.Source)
	switch {
	case err == nil:
		return t.keep(a, heldByHold, holdLook)
	case !IsKind(err, KindNotFound):
		return a, err
	case t.unsound:
		return t.keep(a, heldByLog, logLook)
	case a.Held:
		a.Held, a.Problem, a.Due, a.Deadline = false, "", t.now, t.now.Add(t.Limits.Deadline)
		return a, t.PutAction(&a)
	}
	return a, nil
}

func (t *turnTx) keep(a Action, why string, again time.Duration) (Action, error) {
	if a.Held && a.Problem == why && a.Due.After(t.now) {
		return a, nil
	}
	a.Held, a.Problem, a.Due = true, why, t.now.Add(again)
	a.Deadline = a.Due.Add(t.Limits.Deadline)
	return a, t.PutAction(&a)
}

// present reports whether the person of a case is active now, also under the
// id they came back with; see cameBack.
func present(tx Tx, c Case) (bool, error) {
	p, err := tx.Person(cmp.Or(c.ReturnedAs, c.Person))
	if IsKind(err, KindNotFound) {
		return false, nil
	}
	return err == nil && p.Active, err
}

// snooze ends a turn for a while. A step that it puts off (nil for none) is as
// if it had not been handed out: the app was not asked.
func (b *Bridge) snooze(ctx context.Context, j LaneJob, s *step, d time.Duration) (time.Duration, error) {
	err := b.store.Update(ctx, func(tx Tx) error {
		if err := tx.HoldLane(j); err != nil {
			return err
		}
		if s != nil && s.action.State == ActionWaiting {
			a, err := tx.Action(s.action.ID)
			if err != nil {
				return err
			}
			if a.State.open() { // the person may have come back meanwhile
				a.Attempts, a.Begun = s.action.Attempts-1, s.action.Begun
				if err := tx.PutAction(&a); err != nil {
					return err
				}
			}
		}
		return tx.SnoozeLane(j, b.time().Add(d))
	})
	if errors.Is(err, ErrLaneLost) {
		return 0, nil
	}
	return d, err
}
