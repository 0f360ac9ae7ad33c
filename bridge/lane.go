package bridge

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
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
		return b.snooze(ctx, j, time.Minute)
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
			return b.snooze(ctx, j, time.Millisecond)
		}
		leave, wait := d.enter(ctx, b.now())
		if leave == nil {
			return b.snooze(ctx, j, wait)
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
		if last != nil {
			if err := record(tx, *last, d.Limits, now, spread, &news); err != nil {
				return err
			}
		}
		actions, err := tx.LaneActions(j.Lane)
		if err != nil {
			return err
		}
		if actions, err = d.recheck(tx, actions, now, &news); err != nil {
			return err
		}
		for _, id := range casesIn(actions, last) {
			if err := settleCase(tx, id, now, &news); err != nil {
				return err
			}
		}
		a, due := next(actions, now)
		if a != nil {
			s, err = begin(tx, *a)
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

// begin makes a step of an action. That Do was begun is durable before it is,
// so that a person who comes back meanwhile is offered to be restored.
func begin(tx Tx, a Action) (*step, error) {
	c, err := tx.Case(a.Case)
	if err != nil {
		return nil, err
	}
	s := &step{who: c}
	account, err := tx.Account(a.Lane)
	switch {
	case err == nil && account.Match == formerly:
		s.former = &account
	case err == nil:
		s.account = &account
		a.Begun = true
	case !IsKind(err, KindNotFound):
		return nil, err
	}
	if a.State == ActionWaiting {
		a.Attempts++
		if err := tx.PutAction(&a); err != nil {
			return nil, err
		}
	}
	s.action = a
	return s, nil
}

// record stores what came of a step. The action is read again: the person may
// have come back during the call.
func record(tx Tx, o outcome, l Limits, now time.Time, spread float64, news *news) error {
	actions, err := tx.Actions(o.action.Case)
	if err != nil {
		return err
	}
	var current *Action
	for i := range actions {
		if actions[i].ID == o.action.ID {
			current = &actions[i]
		}
	}
	if current == nil {
		return Errorf(KindNotFound, "there is no such action")
	}
	if o.found != nil {
		if err := tx.PutAccount(current.Lane, *o.found); err != nil {
			return err
		}
		if err := tx.Append(actionEvent(now, AccountFound, o.who, *current, "done", testimony{Account: o.found})); err != nil {
			return err
		}
	}
	if !current.State.open() { // dropped while the call was under way
		if o.done != nil {
			return tx.Append(actionEvent(now, ActionDone, o.who, *current, "late", testimony{o.account, o.done}))
		}
		return nil
	}
	a := settle(*current, o, l, now, spread)
	if o.found != nil {
		a.Attempts-- // Find succeeded; the try that counts is the Do that follows
	}
	if err := tx.PutAction(&a); err != nil {
		return err
	}
	if o.done != nil {
		did := a
		did.State = ActionPending
		if err := tx.Append(actionEvent(now, ActionDone, o.who, did, "done", testimony{o.account, o.done})); err != nil {
			return err
		}
	}
	if a.State.open() {
		if o.err != nil {
			return tx.Append(actionEvent(now, ActionAttempted, o.who, a, word(o.err), testimony{}))
		}
		return nil
	}
	news.settled(a)
	if err := tx.Append(actionEvent(now, ActionSettled, o.who, a, word(o.err), testimony{Receipt: o.checked})); err != nil {
		return err
	}
	return follow(tx, actions, a, now, news)
}

// follow settles what hangs on an action that has just ended: where there is no
// account, no other door of it needs shutting; what needed a stuck transfer is
// stuck with it.
func follow(tx Tx, actions []Action, ended Action, now time.Time, news *news) error {
	for _, a := range actions {
		if a.ID == ended.ID || a.Lane != ended.Lane || !a.State.open() {
			continue
		}
		switch {
		case ended.State == ActionAbsent:
			a = a.end(ActionAbsent, now)
		case ended.State == ActionStuck && ended.Effect == Transfer && a.Effect.Destructive():
			a = a.end(ActionStuck, now)
			a.Problem = "waits for the transfer, which is stuck"
		default:
			continue
		}
		if err := news.put(tx, a, now); err != nil {
			return err
		}
	}
	return nil
}

// recheck looks once more at what is about to be done: somebody who has come
// back is left alone, and what cannot be undone is done only while the policy
// still asks for it.
func (d *door) recheck(tx Tx, actions []Action, now time.Time, news *news) ([]Action, error) {
	for i, a := range actions {
		if !a.State.open() {
			continue
		}
		c, err := tx.Case(a.Case)
		if err != nil {
			return nil, err
		}
		here, err := present(tx, c)
		if err != nil {
			return nil, err
		}
		switch {
		case a.Effect == Restore && !here:
			a.Problem = "the person has left again"
		case a.Effect != Restore && here:
			a.Problem = "the person came back"
		case a.Effect.Destructive() && a.State == ActionWaiting && !d.wants(c.Trigger, a.Effect):
			a.Problem = "the policy no longer asks for it"
		default:
			continue
		}
		actions[i] = a.end(ActionDropped, now)
		if err := news.put(tx, actions[i], now); err != nil {
			return nil, err
		}
	}
	return actions, nil
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

func (b *Bridge) snooze(ctx context.Context, j LaneJob, d time.Duration) (time.Duration, error) {
	err := b.store.Update(ctx, func(tx Tx) error {
		if err := tx.HoldLane(j); err != nil {
			return err
		}
		return tx.SnoozeLane(j, b.time().Add(d))
	})
	if errors.Is(err, ErrLaneLost) {
		return 0, nil
	}
	return d, err
}

// casesIn returns the ids of the cases that a lane's transaction may have
// brought to their end.
func casesIn(actions []Action, last *outcome) (ids []string) {
	seen := map[string]bool{}
	add := func(id string) {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	if last != nil {
		add(last.action.Case)
	}
	for _, a := range actions {
		if a.State == ActionDropped {
			add(a.Case)
		}
	}
	return ids
}
