package bridge

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Forget takes erasures on until ctx ends: when it is woken, and every few
// seconds, for those of a process that died. It stands beside the planner, so
// that searching files keeps nobody's door open.
func (b *Bridge) forget(ctx context.Context) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		if err := errors.Join(b.AdvanceErasures(ctx), b.TellOverdueHolds(ctx)); err != nil && ctx.Err() == nil {
			b.log.Error().Err(err).Msg("some erasures could not be taken on; trying again")
		}
		select {
		case <-ctx.Done():
			return
		case <-b.erasures:
		case <-tick.C:
		}
	}
}

func (b *Bridge) wakeErasures() {
	select {
	case b.erasures <- struct{}{}:
	default:
	}
}

// AdvanceErasures takes every erasure as far as it goes now. One that fails keeps
// no other from going on.
func (b *Bridge) AdvanceErasures(ctx context.Context) error {
	var failures []error
	for after := ""; ; {
		var page []Erasure
		if err := b.store.View(ctx, func(tx Tx) (err error) {
			page, err = tx.OpenErasures(b.store.OldestEpoch(), b.time(), after, planned)
			return err
		}); err != nil {
			return errors.Join(append(failures, err)...)
		}
		for _, e := range page {
			if err := b.advanceErasure(ctx, e.ID); err != nil {
				failures = append(failures, err)
			}
			if ctx.Err() != nil {
				return errors.Join(failures...)
			}
		}
		if len(page) < planned {
			return errors.Join(failures...)
		}
		after = page[len(page)-1].ID
	}
}

// advanceErasure makes one move after the other, until there is none.
func (b *Bridge) advanceErasure(ctx context.Context, id string) error {
	for {
		var e Erasure
		var m move
		moved := false
		// Most times there is nothing to do, and nothing to write.
		err := b.store.View(ctx, func(tx Tx) (err error) {
			e, m, moved, err = b.look(tx, id)
			return err
		})
		if err != nil || !moved {
			return err
		}
		if m == shred {
			again, err := b.shred(ctx, e)
			if err != nil || !again {
				return err
			}
			continue
		}
		var news news
		err = b.store.Update(ctx, func(tx Tx) error {
			news = nil
			e, m, moved, err := b.look(tx, id) // again, behind the lock
			if err != nil || !moved {
				return err
			}
			return b.make(tx, e, m, &news)
		})
		if err != nil {
			return err
		}
		news.tell(b.watch)
		if m == stay {
			return nil
		}
		if m == order {
			b.wakePlanner()
		}
	}
}

// look reads an erasure and decides about it. moved is false if nothing is to be
// written: neither a move, nor why there is none, nor how late it is.
func (b *Bridge) look(tx Tx, id string) (e Erasure, m move, moved bool, err error) {
	if e, err = tx.Erasure(id); err != nil {
		return e, stay, false, err
	}
	s, err := b.standingOf(tx, e)
	if err != nil {
		return e, stay, false, err
	}
	m, waits := e.next(s)
	urgency := e.urgency(s.now)
	moved = m != stay || waits != e.Waits || urgency != e.Urgency
	e.Waits = waits
	return e, m, moved, nil
}

// standingOf reads what an erasure is decided by.
func (b *Bridge) standingOf(tx Tx, e Erasure) (standing, error) {
	s := standing{now: b.time(), unsound: b.sound() != nil, oldest: b.store.OldestEpoch()}
	if e.Stage != StageIntended && !e.Stage.Stoppable() {
		return s, nil
	}
	if h, err := tx.HoldOn(e.Handle, e.Source); err == nil {
		s.hold = h.ID
	} else if !IsKind(err, KindNotFound) {
		return s, err
	}
	if e.Stage == StageIntended {
		return s, nil
	}
	active := func(id string) (bool, error) {
		p, err := tx.Person(id)
		if IsKind(err, KindNotFound) {
			return false, nil
		}
		return err == nil && p.Active, err
	}
	var err error
	if s.active, err = active(e.Person); err != nil {
		return s, err
	}
	cases, err := tx.CasesWith(e.Handle)
	if err != nil {
		return s, err
	}
	since := latest(e.Received, e.Word)
	for _, c := range cases {
		s.back = s.back || c.Returned.After(since)
		s.open = s.open || c.State == CaseOpen
		if c.ReturnedAs != "" && c.ReturnedAs != e.Person && !s.elsewhere {
			if s.elsewhere, err = active(c.ReturnedAs); err != nil {
				return s, err
			}
		}
		actions, err := tx.Actions(c.ID)
		if err != nil {
			return s, err
		}
		for _, a := range actions {
			s.open = s.open || a.State.open()
		}
		s.amiss = append(s.amiss, e.amiss(actions)...)
	}
	s.back = s.back || s.elsewhere && e.Word.IsZero()
	return s, nil
}

// make carries a move out, in one transaction with its events.
func (b *Bridge) make(tx Tx, e Erasure, m move, n *news) error {
	now := b.time()
	engine := Facts{Operator: "engine"}
	looked := func(state string) error {
		x := e.event(now, ErasureHeld, engine)
		x.Facts.State = state
		if state == "held" {
			h, err := tx.HoldOn(e.Handle, e.Source)
			if err != nil {
				return err
			}
			x.Facts.Hold = h.ID
		}
		return tx.Append(x)
	}
	if urgency := e.urgency(now); urgency > e.Urgency {
		e.Urgency = urgency
		x := e.event(now, ErasureEscalated, engine)
		x.Facts.Outcome, x.Facts.Law, x.Facts.Due = urgency.String(), e.Rule, e.Deadlines.Due.Format(time.RFC3339)
		if err := tx.Append(x); err != nil {
			return err
		}
		*n = append(*n, func(Observer) {
			b.log.Warn().Str("erasure", e.ID).Str("stage", string(e.Stage)).Str("urgency", urgency.String()).
				Time("due", e.Deadlines.Due).Msg("an erasure is late; see exeunt erase show")
		})
	}
	switch m {
	case order:
		return errors.Join(looked("free"), b.orderErasure(tx, e, now, n))
	case intend:
		return errors.Join(looked("free"), b.intend(tx, e, now, n))
	case pass:
		e.Stage = StagePassed
		engine.Epoch = e.Shredded.Epoch
		return putErasure(tx, e, now, ErasureHorizon, engine)
	}
	if e.Waits == WaitsHold {
		if err := looked("held"); err != nil {
			return err
		}
	}
	return tx.PutErasure(e)
}

// orderErasure makes a case of the apps' part, and takes back whatever restore is
// offered: what is to be erased is never restored.
func (b *Bridge) orderErasure(tx Tx, e Erasure, now time.Time, n *news) error {
	who, err := whoOf(tx, e)
	if err != nil {
		return err
	}
	p := Person{ID: e.Person, Source: e.Source, Handle: e.Handle, UserName: who.UserName, ExternalID: who.ExternalID,
		DisplayName: who.DisplayName, Emails: who.Emails}
	c, err := b.openCase(tx, p, Erased, e.By, now, n)
	if e.Case = c.ID; err != nil {
		return err
	}
	if err := b.withdraw(tx, e.Handle, n); err != nil {
		return err
	}
	e.Stage = StageOrdered
	return putErasure(tx, e, now, ErasureOrdered, Facts{Operator: "engine", Case: e.Case, Trigger: string(Erased)})
}

// whoOf is who an erasure is about: the person if they are still there, else what
// their newest case remembers.
func whoOf(tx Tx, e Erasure) (Identifiers, error) {
	p, err := tx.Person(e.Person)
	if err == nil && p.Handle == e.Handle {
		return p.Identifiers(), nil
	}
	if err != nil && !IsKind(err, KindNotFound) {
		return Identifiers{}, err
	}
	cases, err := tx.CasesWith(e.Handle)
	if err != nil || len(cases) == 0 {
		return Identifiers{Person: e.Person}, err
	}
	return cases[0].Who, nil
}

// intend is the last moment at which anything can be stopped. The person goes with
// it, so that nobody can come back under a key that is being destroyed.
func (b *Bridge) intend(tx Tx, e Erasure, now time.Time, n *news) error {
	who, err := whoOf(tx, e)
	if err != nil {
		return err
	}
	if _, err := retain(tx, now, e.ID, e.Handle, who); err != nil {
		return err
	}
	if err := b.withdraw(tx, e.Handle, n); err != nil {
		return err
	}
	if err := tx.DeletePerson(e.Person, nil); err != nil && !IsKind(err, KindNotFound) {
		return err
	}
	e.Stage = StageIntended
	return putErasure(tx, e, now, ErasureIntended, Facts{Operator: "engine", Case: e.Case})
}

// shred has everything destroyed that is kept of a person, between two signatures.
// It reports whether that is done; else it is tried again.
func (b *Bridge) shred(ctx context.Context, e Erasure) (done bool, err error) {
	wait := func(w Wait, why error) (bool, error) {
		err := b.store.Update(ctx, func(tx Tx) error {
			now, err := tx.Erasure(e.ID)
			if err != nil || now.Stage != StageIntended || now.Waits == w {
				return err
			}
			now.Waits = w
			return tx.PutErasure(now)
		})
		return false, errors.Join(why, err)
	}
	if err := b.sign(ctx); err != nil {
		return wait(WaitsLog, err)
	}
	if begun, err := b.beginShred(ctx, e.ID); err != nil || !begun {
		return false, err
	}
	shredded, err := b.store.Shred(ctx, e.Handle)
	if IsKind(err, KindBusy) {
		return wait(WaitsFiles, nil)
	} else if err != nil {
		return wait(WaitsFiles, err)
	}
	now := b.time()
	var n news
	err = b.store.Update(ctx, func(tx Tx) error {
		n = nil
		e, err := tx.Erasure(e.ID)
		if err != nil || e.Stage != StageIntended { // another node was first
			return err
		}
		if err := b.withdraw(tx, e.Handle, &n); err != nil { // they may have come back since the intent
			return err
		}
		e.Stage, e.Waits, e.Ended, e.Shredded = StageDone, "", now, shredded
		f := Facts{Operator: "engine", Case: e.Case, Key: shredded.Key, Epoch: shredded.Epoch, Bytes: shredded.Scanned}
		if !shredded.Horizon.IsZero() {
			f.Due = shredded.Horizon.UTC().Format(time.RFC3339)
		}
		return putErasure(tx, e, now, ErasureDone, f)
	})
	if err != nil {
		return false, err
	}
	n.tell(b.watch)
	b.log.Info().Str("erasure", e.ID).Msg("a person is forgotten")
	if err := b.sign(ctx); err != nil && ctx.Err() == nil { // it is signed with the next events
		b.log.Error().Err(err).Str("erasure", e.ID).Msg("a person is forgotten, and the log could not be signed at once")
	}
	return true, nil
}

// beginShred notes that destroying begins now, unless a hold was placed since it was
// intended: from here on none can be.
func (b *Bridge) beginShred(ctx context.Context, id string) (begun bool, err error) {
	err = b.store.Update(ctx, func(tx Tx) error {
		e, m, _, err := b.look(tx, id)
		if begun = err == nil && m == shred; !begun || e.Begun {
			return err
		}
		e.Begun = true
		return tx.PutErasure(e)
	})
	return begun, err
}

// withdraw takes back the restores that are offered on a person's cases.
func (b *Bridge) withdraw(tx Tx, h Handle, n *news) error {
	return b.dropAll(tx, h, "the person is forgotten", n, func(a Action) bool { return a.State == ActionOffered })
}

// dropAll drops those of a person's actions that pick chooses.
func (b *Bridge) dropAll(tx Tx, h Handle, why string, n *news, pick func(Action) bool) error {
	now := b.time()
	cases, err := tx.CasesWith(h)
	if err != nil {
		return err
	}
	for _, c := range cases {
		actions, err := tx.Actions(c.ID)
		if err != nil {
			return err
		}
		lanes := map[Lane]bool{}
		for _, a := range actions {
			if pick(a) {
				lanes[a.Lane] = true
			}
		}
		if len(lanes) == 0 {
			continue
		}
		for _, l := range sortedLanes(lanes) { // waits for a worker that is storing a result; see giveUp
			if err := tx.WakeLane(l, now); err != nil {
				return err
			}
		}
		if actions, err = tx.Actions(c.ID); err != nil {
			return err
		}
		for _, a := range actions {
			if !pick(a) {
				continue
			}
			a = a.end(ActionDropped, now)
			a.Problem = why
			if err := n.put(tx, a, now); err != nil {
				return err
			}
		}
		if err := settleCase(tx, c.ID, now, n); err != nil {
			return err
		}
	}
	return nil
}

// erased reports whether nobody knows any more whom a case was about: every
// person has a user name.
func (c Case) erased() bool { return c.Who.UserName == "" }

func listed(words []string) string { return strings.Join(words, ", ") }
