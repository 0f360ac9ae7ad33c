package bridge

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Erasing is what the configuration says of erasures.
type Erasing struct {
	Laws     Lawbook
	Law      string // of requests that name none
	Approval Approval
	OnDelete bool          // whoever a source deletes is forgotten
	After    time.Duration // how long after that
}

// SetErasing replaces it, for what is asked from now on.
func (b *Bridge) SetErasing(e Erasing) { b.erasing.Store(&e) }

// ErasureRequest is what is asked for: exactly one of Person, Case and Handle
// says of whom.
type ErasureRequest struct {
	Person   string
	Case     string
	Handle   Handle
	Law      string // "" for the configuration's
	Origin   Origin
	Verified bool // it is known to be the person, or who may ask for them
}

// RequestErasure receives a request to forget somebody. KindNotFound if nothing
// is kept of them, KindConflict if they are being forgotten already.
func (b *Bridge) RequestErasure(ctx context.Context, r ErasureRequest) (e Erasure, err error) {
	by, err := operator(ctx)
	if err != nil {
		return Erasure{}, err
	}
	if named := count(r.Person != "", r.Case != "", r.Handle != (Handle{})); named != 1 {
		return Erasure{}, Errorf(KindInvalid, "say of whom, by one of person, case and handle")
	}
	now, c := b.time(), *b.erasing.Load()
	e, err = c.received(now, now, r.Law, by, r.Origin)
	if err != nil {
		return Erasure{}, err
	}
	err = b.store.Update(ctx, func(tx Tx) error {
		e := &e
		e.Stage = StageReceived
		if e.Handle = r.Handle; e.Handle == (Handle{}) {
			if e.Handle, err = handleOf(tx, r.Person, r.Case); err != nil {
				return err
			}
		}
		if err := whose(tx, e); err != nil {
			return err
		}
		if err := receive(tx, *e); err != nil {
			return err
		}
		if !r.Verified {
			return b.putWaiting(tx, e)
		}
		e.Stage = StageVerified
		if err := putErasure(tx, *e, now, ErasureVerified, said(by)); err != nil {
			return err
		}
		return b.putWaiting(tx, e)
	})
	if err == nil {
		b.wakeErasures()
	}
	return e, err
}

func count(all ...bool) (n int) {
	for _, is := range all {
		if is {
			n++
		}
	}
	return n
}

// received is an erasure that was asked for now; what the law gives begins to run
// at begins.
func (c Erasing) received(now, begins time.Time, law string, by Caller, o Origin) (Erasure, error) {
	rule, deadlines, err := c.Laws.Deadlines(cmp.Or(law, c.Law), begins)
	return Erasure{ID: newID(), Origin: cmp.Or(o, ByRequest), By: by, Approval: c.Approval, NotBefore: begins,
		Rule: rule, Deadlines: deadlines, Received: now}, err
}

// whose completes an erasure by whose handle it has.
func whose(tx Tx, e *Erasure) error {
	id, err := tx.Whose(e.Handle)
	if err != nil {
		return err
	}
	cases, err := tx.CasesWith(e.Handle)
	if err != nil {
		return err
	}
	if id != "" {
		if p, err := tx.Person(id); err == nil && p.Handle == e.Handle {
			e.Source, e.Person = p.Source, p.ID
			return nil
		} else if err != nil && !IsKind(err, KindNotFound) {
			return err
		}
	}
	if len(cases) == 0 || cases[0].erased() {
		return Errorf(KindNotFound, "nothing is kept of such a person, or they are forgotten already")
	}
	e.Source, e.Person = cases[0].Source, cases[0].Person
	return nil
}

// receive stores an erasure, unless the person is being forgotten already.
func receive(tx Tx, e Erasure) error {
	others, err := tx.ErasuresOf(e.Handle)
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.Stage != StageRefused {
			return Errorf(KindConflict, "this person is being forgotten already: erasure %s", o.ID)
		}
	}
	f := said(e.By)
	f.Law, f.Rule, f.Due = e.Rule, "erasure."+string(e.Origin), e.Deadlines.Due.Format(time.RFC3339)
	return putErasure(tx, e, e.Received, ErasureReceived, f)
}

// putErasure stores an erasure with its event.
func putErasure(tx Tx, e Erasure, now time.Time, t EventType, f Facts) error {
	if err := tx.PutErasure(e); err != nil {
		return err
	}
	return tx.Append(e.event(now, t, f))
}

// onDelete has whoever a source has just deleted forgotten, if that is the policy.
// The source knows its people: its word needs no proof of identity.
func (b *Bridge) onDelete(tx Tx, p Person, by Caller, now time.Time) error {
	c := *b.erasing.Load()
	if !c.OnDelete {
		return nil
	}
	e, err := c.received(now, now.Add(c.After), "", by, ByDelete)
	if err != nil { // the configuration was checked; and nothing keeps a door open
		b.log.Error().Err(err).Msg("somebody was deleted, and their erasure could not be received")
		return nil
	}
	e.Source, e.Person, e.Handle, e.Stage = p.Source, p.ID, p.Handle, StageReceived
	if err := receive(tx, e); err != nil {
		if IsKind(err, KindConflict) { // an erasure was asked for before
			return nil
		}
		return err
	}
	e.Stage = StageVerified
	return putErasure(tx, e, now, ErasureVerified, said(by))
}

// VerifyErasure notes that it is the person who asks, or who may ask for them.
func (b *Bridge) VerifyErasure(ctx context.Context, id string) (Erasure, error) {
	return b.changeErasure(ctx, id, ErasureVerified, func(tx Tx, e *Erasure, by Caller, f *Facts) error {
		if e.Stage != StageReceived {
			return Errorf(KindConflict, "this erasure is %s: nobody has to be verified", e.Stage)
		}
		e.Stage = StageVerified
		return nil
	})
}

// ApproveErasure gives the approval that the policy asks for, or says that it goes
// on although the person came back: for what is kept of them from before.
func (b *Bridge) ApproveErasure(ctx context.Context, id string) (Erasure, error) {
	return b.changeErasure(ctx, id, ErasureApproved, func(tx Tx, e *Erasure, by Caller, f *Facts) error {
		s, err := b.standingOf(tx, *e)
		if err != nil {
			return err
		}
		_, waits := e.next(s)
		switch waits {
		case WaitsApproval:
		case WaitsReturned:
			e.Word, e.Case = b.time(), "" // what was left of the apps' part was dropped when they came back
		default:
			return Errorf(KindConflict, "this erasure is %s, and waits for no approval", e.Stage)
		}
		e.Stage, e.Approved = StageApproved, append(e.Approved, by)
		return e.seenBy(by)
	})
}

// seenBy is the error if an erasure needs four eyes, and these are two of them.
func (e Erasure) seenBy(by Caller) error {
	if e.Approval == FourEyes && by.Token == e.By.Token {
		return Errorf(KindDenied, "who asked for this erasure may not decide about it; use another credential")
	}
	return nil
}

// RefuseErasure ends an erasure that can still be stopped; word is one of [Refusals].
func (b *Bridge) RefuseErasure(ctx context.Context, id, word string) (Erasure, error) {
	if !slices.Contains(Refusals, word) {
		return Erasure{}, &Error{Kind: KindInvalid, Field: "reason", Message: "is one of " + listed(Refusals)}
	}
	var n news
	e, err := b.changeErasure(ctx, id, ErasureRefused, func(tx Tx, e *Erasure, by Caller, f *Facts) error {
		n = nil
		if !e.Stage.Stoppable() {
			return Errorf(KindConflict, "this erasure is %s, and can no longer be refused", e.Stage)
		}
		e.Stage, e.Ended, f.Outcome = StageRefused, b.time(), word
		if e.Case == "" {
			return nil
		}
		return b.dropAll(tx, e.Handle, "the erasure was refused", &n, func(a Action) bool {
			return a.Case == e.Case && (a.State.open() || a.State == ActionStuck)
		})
	})
	if err == nil {
		n.tell(b.watch)
	}
	return e, err
}

// AcknowledgeErasure accepts that nothing is erased in one app: it cannot, or is
// stuck. It is for an app that stands in the way now.
func (b *Bridge) AcknowledgeErasure(ctx context.Context, id, app string) (Erasure, error) {
	return b.changeErasure(ctx, id, ErasureApproved, func(tx Tx, e *Erasure, by Caller, f *Facts) error {
		s, err := b.standingOf(tx, *e)
		switch {
		case err != nil:
			return err
		case !e.Stage.Stoppable() || !slices.Contains(s.amiss, app):
			return Errorf(KindConflict, "this erasure does not wait for a word about that app")
		}
		e.Apps, f.App = append(e.Apps, app), app
		slices.Sort(e.Apps)
		return e.seenBy(by)
	})
}

// ExtendErasure takes the longer time that the law gives, from an operator who has
// told the person.
func (b *Bridge) ExtendErasure(ctx context.Context, id string) (Erasure, error) {
	return b.changeErasure(ctx, id, ErasureExtended, func(tx Tx, e *Erasure, by Caller, f *Facts) (err error) {
		if !e.Stage.Stoppable() {
			return Errorf(KindConflict, "this erasure is %s: there is nothing to put off", e.Stage)
		}
		e.Deadlines, err = e.Deadlines.Extended(b.time())
		e.Urgency = UrgencyOf(latest(e.Received, e.NotBefore), e.Deadlines.Due, b.time())
		f.Law, f.Due = e.Rule, e.Deadlines.Due.Format(time.RFC3339)
		return err
	})
}

// putWaiting notes what an erasure waits for now, so that whoever has just spoken
// sees it. That a hold was found is for the engine to note, with its event.
func (b *Bridge) putWaiting(tx Tx, e *Erasure) error {
	s, err := b.standingOf(tx, *e)
	if err != nil {
		return err
	}
	if _, e.Waits = e.next(s); e.Waits == WaitsHold {
		e.Waits = ""
	}
	return tx.PutErasure(*e)
}

// changeErasure is what an operator has to say about an erasure.
func (b *Bridge) changeErasure(ctx context.Context, id string, t EventType,
	change func(Tx, *Erasure, Caller, *Facts) error) (e Erasure, err error) {
	by, err := operator(ctx)
	if err != nil {
		return Erasure{}, err
	}
	err = b.store.Update(ctx, func(tx Tx) error {
		if e, err = tx.Erasure(id); err != nil {
			return err
		}
		f := said(by)
		if err := change(tx, &e, by, &f); err != nil {
			return err
		}
		if err := putErasure(tx, e, b.time(), t, f); err != nil {
			return err
		}
		return b.putWaiting(tx, &e)
	})
	if err == nil {
		b.wakeErasures()
	}
	return e, err
}
