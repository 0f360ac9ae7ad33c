package bridge

import (
	"time"

	"github.com/google/uuid"
)

// news collects what the observer is told once a transaction is committed.
type news []func(Observer)

func (n news) tell(o Observer) {
	for _, f := range n {
		f(o)
	}
}

func (n *news) settled(a Action) { *n = append(*n, func(o Observer) { o.Settled(a) }) }

// put stores an action that has found its end without a call, with its event.
func (n *news) put(tx Tx, a Action, now time.Time) error {
	if err := tx.PutAction(&a); err != nil {
		return err
	}
	n.settled(a)
	c, err := tx.Case(a.Case)
	if err != nil {
		return err
	}
	return tx.Append(actionEvent(now, ActionSettled, c, a, "", testimony{}))
}

// settleCase moves a running case on when its last action has ended.
func settleCase(tx Tx, id string, now time.Time, n *news) error {
	c, err := tx.Case(id) // locks it: the last two lanes of a case must not overlook each other
	if err != nil || c.State == CaseOpen {
		return err
	}
	actions, err := tx.Actions(id)
	if err != nil {
		return err
	}
	state := after(actions)
	if state == c.State {
		return nil
	}
	c.State, c.Closed = state, time.Time{}
	if state.Over() {
		c.Closed = now
	}
	if err := tx.PutCase(c); err != nil {
		return err
	}
	took := now.Sub(c.Opened)
	if state != CaseRunning {
		*n = append(*n, func(o Observer) { o.CaseSettled(c, took) })
	}
	f := engine(c)
	f.State, f.Millis, f.Count = string(state), took.Milliseconds(), len(actions)
	return tx.Append(caseEvent(now, CaseSettled, c, f, nil))
}

// engine are the facts of an event that nobody but the engine brought about.
func engine(c Case) Facts { return Facts{Operator: "engine", Case: c.ID, Trigger: string(c.Trigger)} }

// caseEvent is an event that belongs to a case. about is personal data, or nil.
func caseEvent(now time.Time, t EventType, c Case, f Facts, about any) Event {
	e := newEvent(now, t, f, subject(c.Handle, about))
	e.Request, _ = uuid.Parse(c.ID)
	return e
}

// testimony is what an event keeps of an app's words. It may name the person,
// so it is not part of the public facts.
type testimony struct {
	Account *Account `json:"account,omitempty"`
	Receipt *Receipt `json:"receipt,omitempty"`
}

// actionEvent is an event about an action; the policy rule that ordered it is
// named by app and trigger.
func actionEvent(now time.Time, t EventType, c Case, a Action, what string, said testimony) Event {
	f := engine(c)
	f.Rule = a.Lane.App + "." + string(c.Trigger)
	f.App, f.Action, f.Effect, f.State, f.Outcome = a.Lane.App, a.ID, string(a.Effect), string(a.State), what
	f.Attempt = a.Attempts
	if said.Receipt != nil {
		f.Status, f.Millis = said.Receipt.Status, said.Receipt.Took.Milliseconds()
	}
	var about any
	if said != (testimony{}) {
		about = said
	}
	return caseEvent(now, t, c, f, about)
}
