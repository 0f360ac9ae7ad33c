package bridge

import (
	"context"
	"errors"
	"time"
)

// Hold is a legal hold: while it stands, nothing of those in its scope is erased,
// anonymised or deleted, neither in apps nor here. It never keeps a door open.
type Hold struct {
	ID       string // random UUID
	Scope    Scope
	Basis    string // why, in whoever's words; sealed
	Approver string // who approved it, in the same way
	By       Caller // an operator, or the source that says that it stands

	Placed  time.Time
	Review  time.Time // when somebody has to look whether it is still needed; zero for one of a source
	Overdue bool      // nobody has, and that was told
	Lifted  time.Time // zero while it stands
}

// Scope is whom a hold is about: one person, all of a source, or everybody.
type Scope struct {
	Handle Handle // zero if it is not one person
	Source string // "" if it is not one source
}

// HoldsTx keeps holds.
type HoldsTx interface {
	Hold(id string) (Hold, error) // as Person
	// Holds returns those that stand, or all, newest first, at most limit.
	Holds(all bool, limit int) ([]Hold, error)
	// HoldOn returns one that stands on a person of a source; KindNotFound if none does.
	HoldOn(h Handle, source string) (Hold, error)
	// HoldBy returns the one that a source has placed on a person and that stands.
	HoldBy(source string, h Handle) (Hold, error)
	// HoldsToReview returns up to n that stand, are past their review and not
	// known to be overdue.
	HoldsToReview(now time.Time, n int) ([]Hold, error)
	PutHold(h Hold) error // inserts or replaces
	// HeldLanes returns up to n lanes with an action that is held, after a lane.
	HeldLanes(after Lane, n int) ([]Lane, error)
}

const (
	maxHoldText  = 500                      // bytes
	maxHoldSpell = 2 * 366 * 24 * time.Hour // a hold is looked at again by then
)

// PlaceHold places a hold. Only an operator may. KindConflict if the erasure of
// that person can no longer be stopped.
func (b *Bridge) PlaceHold(ctx context.Context, h Hold) (Hold, error) {
	by, err := operator(ctx)
	if err != nil {
		return Hold{}, err
	}
	now := b.time()
	if err := b.checkHold(h, now); err != nil {
		return Hold{}, err
	}
	h.ID, h.By, h.Placed = newID(), by, now
	err = b.store.Update(ctx, func(tx Tx) error { return putHold(tx, h) })
	return h, err
}

func (b *Bridge) checkHold(h Hold, now time.Time) error {
	wrong := func(field, message string) error { return &Error{Kind: KindInvalid, Field: field, Message: message} }
	switch {
	case h.Basis == "" || len(h.Basis) > maxHoldText:
		return wrong("basis", "says why, in at most 500 bytes")
	case h.Approver == "" || len(h.Approver) > maxHoldText:
		return wrong("approver", "says who approved it, in at most 500 bytes")
	}
	return checkReview(h.Review, now)
}

func checkReview(at, now time.Time) error {
	if !at.After(now) || at.After(now.Add(maxHoldSpell)) {
		return &Error{Kind: KindInvalid, Field: "review", Message: "is a time in the future, at most two years ahead"}
	}
	return nil
}

func putHold(tx Tx, h Hold) error {
	if h.Scope.Handle != (Handle{}) {
		erasures, err := tx.ErasuresOf(h.Scope.Handle)
		if err != nil {
			return err
		}
		for _, e := range erasures {
			if e.Begun || e.Stage == StageDone || e.Stage == StagePassed {
				return Errorf(KindConflict, "this person is forgotten, or the erasure can no longer be stopped")
			}
		}
	}
	if err := tx.PutHold(h); err != nil {
		return err
	}
	return tx.Append(h.event(h.Placed, HoldPlaced, said(h.By)))
}

func (h Hold) event(now time.Time, t EventType, f Facts) Event {
	f.Hold = h.ID
	if !h.Review.IsZero() {
		f.Due = h.Review.Format(time.RFC3339)
	}
	switch {
	case h.Scope.Handle != (Handle{}):
		f.Rule = "hold.person"
		return newEvent(now, t, f, subject(h.Scope.Handle, nil))
	case h.Scope.Source != "":
		f.Rule = "hold.source." + h.Scope.Source
	default:
		f.Rule = "hold.everybody"
	}
	return newEvent(now, t, f)
}

// HandleOf finds somebody by id, or by a case of theirs. Only an operator may ask.
func (b *Bridge) HandleOf(ctx context.Context, person, caseID string) (h Handle, err error) {
	if _, err := operator(ctx); err != nil {
		return Handle{}, err
	}
	err = b.store.View(ctx, func(tx Tx) (err error) {
		h, err = handleOf(tx, person, caseID)
		return err
	})
	return h, err
}

// LiftHold lifts a hold; what waited for it goes on at once. Only an operator
// may. KindConflict if it is lifted already.
func (b *Bridge) LiftHold(ctx context.Context, id string) (h Hold, err error) {
	by, err := operator(ctx)
	if err != nil {
		return Hold{}, err
	}
	err = b.store.Update(ctx, func(tx Tx) error {
		if h, err = tx.Hold(id); err != nil {
			return err
		}
		return liftHold(tx, &h, by, b.time())
	})
	if err != nil {
		return h, err
	}
	return h, b.Release(ctx)
}

func liftHold(tx Tx, h *Hold, by Caller, now time.Time) error {
	if !h.Lifted.IsZero() {
		return Errorf(KindConflict, "this hold is lifted already")
	}
	h.Lifted = now
	if err := tx.PutHold(*h); err != nil {
		return err
	}
	return tx.Append(h.event(now, HoldLifted, said(by)))
}

// ReviewHold notes that somebody has looked, and that the hold stays until then.
// Only an operator may.
func (b *Bridge) ReviewHold(ctx context.Context, id string, next time.Time) (h Hold, err error) {
	by, err := operator(ctx)
	if err != nil {
		return Hold{}, err
	}
	now := b.time()
	if err := checkReview(next, now); err != nil {
		return Hold{}, err
	}
	err = b.store.Update(ctx, func(tx Tx) error {
		if h, err = tx.Hold(id); err != nil {
			return err
		}
		if !h.Lifted.IsZero() {
			return Errorf(KindConflict, "this hold is lifted")
		}
		h.Review, h.Overdue = next.UTC().Truncate(time.Microsecond), false
		if err := tx.PutHold(h); err != nil {
			return err
		}
		f := said(by)
		f.State = "kept"
		return tx.Append(h.event(now, HoldReviewed, f))
	})
	return h, err
}

// Release wakes every lane with something that is held, by a hold or because the log
// was not sound: it looks itself whether it still is. If it is cut short, they look by
// themselves within the hour.
func (b *Bridge) Release(ctx context.Context) error {
	b.wakeErasures()
	now := b.time()
	var after Lane
	for {
		var lanes []Lane
		err := b.store.Update(ctx, func(tx Tx) (err error) {
			if lanes, err = tx.HeldLanes(after, planned); err != nil {
				return err
			}
			for _, l := range lanes {
				if err := tx.WakeLane(l, now); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(lanes) < planned {
			return err
		}
		after = lanes[len(lanes)-1]
	}
}

// sourceHold places or lifts what a source says of a person: whether they are
// under legal hold. It reports whether one was lifted.
func sourceHold(tx Tx, p Person, by Caller, now time.Time) (lifted bool, err error) {
	h, err := tx.HoldBy(p.Source, p.Handle)
	switch {
	case IsKind(err, KindNotFound) && p.Hold:
		return false, putHold(tx, Hold{ID: newID(), Scope: Scope{Handle: p.Handle}, By: by, Placed: now})
	case IsKind(err, KindNotFound), err == nil && p.Hold:
		return false, nil
	case err != nil:
		return false, err
	}
	return true, liftHold(tx, &h, by, now)
}

// TellOverdueHolds raises the alarm about holds that nobody has reviewed in time.
func (b *Bridge) TellOverdueHolds(ctx context.Context) error {
	now := b.time()
	var due []Hold
	if err := b.store.View(ctx, func(tx Tx) (err error) { // most times there is nothing to write
		due, err = tx.HoldsToReview(now, planned)
		return err
	}); err != nil {
		return err
	}
	var failures []error
	for _, one := range due {
		told := false
		err := b.store.Update(ctx, func(tx Tx) error {
			h, err := tx.Hold(one.ID)
			if told = err == nil && h.Lifted.IsZero() && !h.Overdue && h.Review.Before(now); !told {
				return err
			}
			h.Overdue = true
			return errors.Join(tx.PutHold(h), tx.Append(h.event(now, HoldReviewed, Facts{Operator: "engine", State: "overdue"})))
		})
		if err == nil && told {
			b.log.Warn().Str("hold", one.ID).Msg("nobody has reviewed this legal hold in time; see exeunt hold list")
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}
