package bridge

import (
	"context"
	"slices"
	"time"
)

// RetryCase brings the stuck actions of a case back to waiting, with a new
// deadline. Only an operator may ask for it. KindConflict if nothing is stuck.
func (b *Bridge) RetryCase(ctx context.Context, id string) (Case, error) {
	return b.again(ctx, id, ActionRetried, func(a Action) bool { return a.State == ActionStuck },
		"nothing in this case is stuck")
}

// AcceptRestore has the restore that is offered on a case carried out, for one
// app or, with app "", for all. Only an operator may ask for it, and only while
// the person is there. KindConflict if nothing is offered.
func (b *Bridge) AcceptRestore(ctx context.Context, id, app string) (Case, error) {
	return b.again(ctx, id, RestoreAccepted, func(a Action) bool {
		return a.State == ActionOffered && (app == "" || a.Lane.App == app)
	}, "no such restore is offered on this case")
}

// again brings the actions that pick chooses back to waiting.
func (b *Bridge) again(ctx context.Context, id string, t EventType, pick func(Action) bool, none string) (c Case, err error) {
	by, err := operator(ctx)
	if err != nil {
		return Case{}, err
	}
	now := b.time()
	err = b.store.Update(ctx, func(tx Tx) error {
		actions, err := tx.Actions(id)
		if err != nil {
			return err
		}
		lanes := map[Lane]bool{}
		for _, a := range actions {
			if pick(a) {
				lanes[a.Lane] = true
			}
		}
		for _, l := range sortedLanes(lanes) {
			if err := tx.WakeLane(l, now); err != nil {
				return err
			}
		}
		if c, err = tx.Case(id); err != nil {
			return err
		}
		// Read again behind the locks: somebody may have asked the same.
		if actions, err = tx.Actions(id); err != nil {
			return err
		}
		if c.erased() {
			return Errorf(KindConflict, "the person is forgotten: nobody knows any more whose account it was")
		}
		if !slices.ContainsFunc(actions, pick) {
			return Errorf(KindConflict, "%s", none)
		}
		here, err := present(tx, c)
		if err != nil {
			return err
		}
		if c.Trigger != LoggedOut && here != (t == RestoreAccepted) {
			return Errorf(KindConflict, "the person %s", map[bool]string{true: "came back", false: "is not here"}[here])
		}
		for _, a := range actions {
			if !pick(a) {
				continue
			}
			a.State, a.Attempts, a.Checks, a.Held, a.Problem, a.Settled = ActionWaiting, 0, 0, false, "", time.Time{}
			a.Due, a.Deadline = now, now.Add(b.deadline(a.Lane.App))
			if err := tx.PutAction(&a); err != nil {
				return err
			}
			e := actionEvent(now, t, c, a, "", testimony{})
			e.Facts.Operator, e.Facts.Token = by.Operator, by.Token
			if err := tx.Append(e); err != nil {
				return err
			}
		}
		c.State, c.Closed = CaseRunning, time.Time{}
		if err := tx.PutCase(c); err != nil {
			return err
		}
		f := said(by)
		f.Case, f.Trigger, f.State = c.ID, string(c.Trigger), string(c.State)
		return tx.Append(caseEvent(now, CaseReopened, c, f, nil))
	})
	return c, err
}

func (b *Bridge) deadline(app string) time.Duration {
	if d := b.door(app); d != nil {
		return d.Limits.Deadline
	}
	return Limits{}.WithDefaults().Deadline
}
