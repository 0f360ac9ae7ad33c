package bridge

import (
	"context"
	"slices"
	"time"
)

// LogOut opens a case that ends a person's sessions, wherever a policy wants that
// on [LoggedOut]; nobody leaves. from is who said so, an app or an identity
// provider, by name: it is not told again. The case has an outbox, retries and
// evidence like any other, so a logout that began goes on after a crash.
func (b *Bridge) LogOut(ctx context.Context, person, from string) (Case, error) {
	by, err := CallerFrom(ctx)
	if err != nil {
		return Case{}, err
	}
	by.Token = from
	var c Case
	var n news
	now := b.time()
	err = b.store.Update(ctx, func(tx Tx) error {
		n = nil
		p, err := tx.Person(person)
		if err != nil {
			return err
		}
		c, err = b.openCase(tx, p, LoggedOut, by, now, &n)
		return err
	})
	if err != nil {
		return Case{}, err
	}
	n.tell(b.watch)
	b.wakePlanner()
	return c, nil
}

// glance is how often [Bridge.AwaitCase] looks.
const glance = 25 * time.Millisecond

// AwaitCase returns a case and its actions as soon as nothing in it is under way or
// due, or as they are when ctx ends, which is no error.
func (b *Bridge) AwaitCase(ctx context.Context, id string) (c Case, actions []Action, err error) {
	look := time.NewTicker(glance)
	defer look.Stop()
	for {
		err = b.store.View(context.WithoutCancel(ctx), func(tx Tx) error {
			if c, err = tx.Case(id); err != nil {
				return err
			}
			actions, err = tx.Actions(id)
			return err
		})
		// What is put off may yet succeed, but not while somebody waits at a browser.
		waits := slices.ContainsFunc(actions, func(a Action) bool { return a.State.open() && !a.Due.After(b.now()) })
		if err != nil || c.State != CaseOpen && !waits {
			return c, actions, err
		}
		select {
		case <-ctx.Done():
			return c, actions, nil
		case <-look.C:
		}
	}
}

// ShutByBrowser notes that an app confirmed through somebody's browser that it
// ended the sessions of an action, which could not be reached otherwise. If the app
// can be checked, it is. KindConflict if the action has found another end.
func (b *Bridge) ShutByBrowser(ctx context.Context, action string, r Receipt) error {
	var n news
	now := b.time()
	err := b.store.Update(ctx, func(tx Tx) error {
		n = nil
		a, err := tx.Action(action)
		if err != nil {
			return err
		}
		checked := b.checks(a)
		if checked {
			if err := tx.WakeLane(a.Lane, now); err != nil {
				return err
			}
			if a, err = tx.Action(action); err != nil { // read again behind the lane's lock
				return err
			}
		}
		if a.Effect != Revoke || a.State == ActionVerified || a.State == ActionUnverified || a.State == ActionDropped {
			return Errorf(KindConflict, "this action has ended")
		}
		c, err := tx.Case(a.Case)
		if err != nil {
			return err
		}
		a.Begun, a.Done, a.Problem = true, r, ""
		a.State, a.Checks, a.Due, a.Settled = ActionPending, 0, now, time.Time{}
		a.Deadline = now.Add(b.deadline(a.Lane.App))
		if err := tx.Append(actionEvent(now, ActionDone, c, a, r.Word, testimony{Receipt: &r})); err != nil {
			return err
		}
		if !checked {
			a = a.end(ActionUnverified, now)
			n.settled(a)
			if err := tx.Append(actionEvent(now, ActionSettled, c, a, word(ErrCannotCheck), testimony{})); err != nil {
				return err
			}
		}
		if err := tx.PutAction(&a); err != nil {
			return err
		}
		return settleCase(tx, a.Case, now, &n)
	})
	if err == nil {
		n.tell(b.watch)
	}
	return err
}

// checks reports whether the app of an action lets it be checked.
func (b *Bridge) checks(a Action) bool {
	d := b.door(a.Lane.App)
	if d == nil {
		return false
	}
	can, _ := d.Connector.Capabilities().Of(a.Effect)
	return can.Checked
}
