package bridge

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// lastTry is how long after its deadline an action may still be at its last try.
const lastTry = 2 * time.Minute

// EndOverdue gets those actions stuck that are past their deadline and were not
// tried any more, a bounded number of lanes at once, and returns how many lanes:
// the app was taken out, or fails so much that not everybody gets a turn. The
// engine does what is wanted in time; this is so that a person is told.
func (b *Bridge) EndOverdue(ctx context.Context) (n int, err error) {
	var news news
	now := b.time()
	err = b.store.Update(ctx, func(tx Tx) error {
		news = nil
		lanes, err := tx.Overdue(now.Add(-lastTry), planned)
		if n = len(lanes); err != nil {
			return err
		}
		for _, l := range lanes {
			if err := b.endOverdue(tx, l, now, &news); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	news.tell(b.watch)
	return n, nil
}

func (b *Bridge) endOverdue(tx Tx, l Lane, now time.Time, n *news) error {
	// Waits for a worker that is storing a result; see giveUp.
	if err := tx.WakeLane(l, now); err != nil {
		return err
	}
	actions, err := tx.LaneActions(l)
	if err != nil {
		return err
	}
	late := "the deadline passed before the app could be asked"
	if b.door(l.App) == nil {
		late = "the deadline passed, and the app is no longer registered"
	}
	cases := map[string]bool{}
	for _, a := range actions {
		if !a.State.open() || !a.Deadline.Before(now.Add(-lastTry)) {
			continue
		}
		if a.Held {
			waits, err := b.stillHeld(tx, a)
			if err != nil {
				return err
			}
			if waits || b.door(l.App) != nil { // it looks for itself when the app gets its turn
				a.Deadline = now.Add(b.deadline(l.App))
				if err := tx.PutAction(&a); err != nil {
					return err
				}
				continue
			}
			a.Held, a.Problem = false, ""
		}
		a = a.end(ActionStuck, now)
		a.Problem = cmp.Or(a.Problem, late)
		if err := n.put(tx, a, now); err != nil {
			return err
		}
		cases[a.Case] = true
	}
	for _, id := range slices.Sorted(maps.Keys(cases)) {
		if err := settleCase(tx, id, now, n); err != nil {
			return err
		}
	}
	return nil
}

// stillHeld reports whether what keeps a held action still does.
func (b *Bridge) stillHeld(tx Tx, a Action) (bool, error) {
	if b.sound() != nil {
		return true, nil
	}
	c, err := tx.Case(a.Case)
	if err != nil {
		return false, err
	}
	_, err = tx.HoldOn(c.Handle, c.Source)
	if IsKind(err, KindNotFound) {
		return false, nil
	}
	return err == nil, err
}
