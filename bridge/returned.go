package bridge

import (
	"maps"
	"time"
)

// cameBack undoes the future of the departures from which p has come back: what
// has not happened is dropped, and for what has, or may have, restoring is
// offered. Nothing is restored silently: whether the new contract gives the old
// access is for a person to say.
func (b *Bridge) cameBack(tx Tx, p Person, by Caller, now time.Time, n *news) error {
	cases, err := tx.CasesOf(p.Source, p.ID, p.Identifiers().recognised())
	if err != nil {
		return err
	}
	for _, c := range cases {
		if err := b.giveUp(tx, c, p, by, now, n); err != nil {
			return err
		}
	}
	if len(cases) > 0 {
		return nil
	}
	if p.Version == 1 { // a new person, who came from nowhere
		return nil
	}
	return tx.Append(newEvent(now, PersonCameBack, said(by), subject(p.Handle, p.Identifiers())))
}

// giveUp ends what is left of a case whose person came back.
func (b *Bridge) giveUp(tx Tx, c Case, p Person, by Caller, now time.Time, n *news) error {
	var actions []Action
	var err error
	if !c.Closed.Equal(c.Opened) { // else it was closed as it was opened, with nothing to do
		if actions, err = tx.Actions(c.ID); err != nil {
			return err
		}
	}
	lanes := map[Lane]bool{}
	for _, a := range actions {
		if a.State.open() {
			lanes[a.Lane] = true
		}
	}
	if len(lanes) > 0 {
		// Waking a lane waits for a worker that is storing a result, and lets
		// it see what is dropped; so the actions are read again behind it.
		for _, l := range sortedLanes(lanes) {
			if err := tx.WakeLane(l, now); err != nil {
				return err
			}
		}
		if actions, err = tx.Actions(c.ID); err != nil {
			return err
		}
	}
	offer := map[Lane]bool{}
	for i, a := range actions {
		if a.Begun && a.Effect != Restore && a.State != ActionAbsent {
			if _, beyond := offer[a.Lane]; !beyond {
				offer[a.Lane] = true
			}
		}
		if a.Effect.Destructive() && (a.State == ActionVerified || a.State == ActionUnverified || a.State == ActionPending) {
			offer[a.Lane] = false // beyond restoring
		}
		if a.State.open() || a.State == ActionStuck {
			a = a.end(ActionDropped, now)
			a.Problem = "the person came back"
			if err := n.put(tx, a, now); err != nil {
				return err
			}
			actions[i] = a
		}
	}
	maps.DeleteFunc(offer, func(_ Lane, can bool) bool { return !can })
	for _, l := range sortedLanes(offer) {
		if err := b.offer(tx, c, l, now); err != nil {
			return err
		}
	}
	c.Returned, c.ReturnedAs = now, p.ID
	if c.State == CaseOpen {
		c.State = CaseCancelled
	} else {
		c.State = after(actions)
	}
	if c.State.Over() && c.Closed.IsZero() {
		c.Closed = now
		took := now.Sub(c.Opened)
		*n = append(*n, func(o Observer) { o.CaseSettled(c, took) })
	}
	if err := tx.PutCase(c); err != nil {
		return err
	}
	f := said(by)
	f.Case, f.Trigger, f.State, f.Count = c.ID, string(c.Trigger), string(c.State), len(offer)
	return tx.Append(caseEvent(now, PersonCameBack, c, f, p.Identifiers()))
}

// offer adds a restore to a case for an operator to accept, if the app has one.
func (b *Bridge) offer(tx Tx, c Case, l Lane, now time.Time) error {
	d := b.door(l.App)
	if d == nil {
		return nil
	}
	if _, ok := d.Connector.Capabilities().Of(Restore); !ok {
		return nil
	}
	a := Action{ID: newID(), Case: c.ID, Lane: l, Effect: Restore, State: ActionOffered, Ordered: now, Due: now}
	if err := tx.PutAction(&a); err != nil {
		return err
	}
	return tx.Append(actionEvent(now, RestoreOffered, c, a, "", testimony{}))
}
