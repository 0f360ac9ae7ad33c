package bridge

import (
	"bytes"
	"context"
	"slices"
	"time"
)

// AddPerson stores a new person of the calling source and returns it with ID,
// Handle, Version and times set. KindConflict if the user name is taken.
func (b *Bridge) AddPerson(ctx context.Context, p Person) (Person, error) {
	c, err := source(ctx)
	if err != nil {
		return Person{}, err
	}
	now := b.time()
	var n news
	p.ID, p.Source, p.Handle, p.Version, p.Created, p.Modified = newID(), c.Source, NewHandle(), 1, now, now
	err = b.store.Update(ctx, func(tx Tx) error {
		n = nil
		if err := tx.PutPerson(p); err != nil {
			return err
		}
		if err := tx.Append(newEvent(now, PersonCreated, said(c), subject(p.Handle, p.Identifiers()))); err != nil {
			return err
		}
		if p.Hold {
			if _, err := sourceHold(tx, p, c, now); err != nil {
				return err
			}
		}
		if !p.Active {
			return nil
		}
		return b.cameBack(tx, p, c, now, &n)
	})
	if err != nil {
		return Person{}, err
	}
	n.tell(b.watch)
	return p, nil
}

// ChangePerson applies change to a person in one transaction. change may be run
// more than once and must touch nothing but its argument; its error is returned
// as it is. If it makes the person inactive, the case is open when ChangePerson
// returns. A change that changes nothing leaves no trace.
func (b *Bridge) ChangePerson(ctx context.Context, id string, change func(*Person) error) (Person, error) {
	c, err := source(ctx)
	if err != nil {
		return Person{}, err
	}
	now := b.time()
	var p Person
	var opened, lifted bool
	var n news
	err = b.store.Update(ctx, func(tx Tx) error {
		before, err := personOf(tx, c.Source, id)
		if err != nil {
			return err
		}
		p, opened, lifted, n = before, false, false, nil
		if err := change(&p); err != nil {
			return err
		}
		if same(before, p) {
			p = before
			return nil
		}
		p.ID, p.Source, p.Handle, p.Created = before.ID, before.Source, before.Handle, before.Created
		p.Version, p.Modified = before.Version+1, later(before.Modified, now)
		if err := tx.PutPerson(p); err != nil {
			return err
		}
		if before.Hold != p.Hold {
			if lifted, err = sourceHold(tx, p, c, now); err != nil {
				return err
			}
		}
		switch {
		case left(before, p):
			opened = true
			_, err := b.openCase(tx, p, Deactivated, c, now, &n)
			return err
		case returned(before, p):
			return b.cameBack(tx, p, c, now, &n)
		default:
			return tx.Append(newEvent(now, PersonChanged, said(c), subject(p.Handle, p.Identifiers())))
		}
	})
	if err != nil {
		return Person{}, err
	}
	n.tell(b.watch)
	if opened {
		b.wakePlanner()
	}
	if lifted {
		if err := b.Release(ctx); err != nil { // they look themselves within the hour
			b.log.Error().Err(err).Msg("a hold was lifted, and what waits could not be woken")
		}
	}
	return p, nil
}

// RemovePerson deletes a person and opens the case in the same transaction,
// unless allow (may be nil) refuses. The user name is free at once.
func (b *Bridge) RemovePerson(ctx context.Context, id string, allow func(Person) error) error {
	c, err := source(ctx)
	if err != nil {
		return err
	}
	now := b.time()
	var n news
	err = b.store.Update(ctx, func(tx Tx) error {
		n = nil
		p, err := personOf(tx, c.Source, id)
		if err != nil {
			return err
		}
		if allow != nil {
			if err := allow(p); err != nil {
				return err
			}
		}
		if err := tx.DeletePerson(id, p.Identifiers().recognised()); err != nil {
			return err
		}
		if _, err := b.openCase(tx, p, Removed, c, now, &n); err != nil {
			return err
		}
		return b.onDelete(tx, p, c, now)
	})
	if err == nil {
		n.tell(b.watch)
		b.wakePlanner()
		b.wakeErasures()
	}
	return err
}

// personOf returns a person if it is one of the source's: others' do not exist
// for it.
func personOf(tx Tx, source, id string) (Person, error) {
	p, err := tx.Person(id)
	if err == nil && p.Source != source {
		err = Errorf(KindNotFound, "there is no such person")
	}
	return p, err
}

// openCase stores a departure. Its planning needs no job of its own: a case in
// state open is the job, and the planner takes all that wait at once. If no app
// has to do anything about it, the case is closed as it is opened.
func (b *Bridge) openCase(tx Tx, p Person, t Trigger, by Caller, now time.Time, n *news) (Case, error) {
	c := Case{ID: newID(), Source: p.Source, Person: p.ID, Handle: p.Handle, Who: p.Identifiers(),
		Trigger: t, State: CaseOpen, By: by, Opened: now}
	*n = append(*n, func(Observer) {
		b.log.Info().Str("case", c.ID).Str("request", by.Request).Str("source", by.Source).
			Str("trigger", string(t)).Msg(t.Noun() + " opened")
	})
	if !b.wanted(t) {
		c.State, c.Closed = CaseClosed, now
		*n = append(*n, func(o Observer) { o.CaseSettled(c, 0) })
	}
	if err := tx.PutCase(c); err != nil {
		return Case{}, err
	}
	f := said(by)
	f.Case, f.Trigger, f.State = c.ID, string(t), string(c.State)
	return c, tx.Append(caseEvent(now, CaseOpened, c, f, c.Who))
}

// wanted reports whether any app's policy asks for anything on a trigger.
func (b *Bridge) wanted(t Trigger) bool {
	for _, d := range *b.doors.Load() {
		if len(d.Policy[t]) > 0 {
			return true
		}
	}
	return false
}

func same(a, b Person) bool {
	return a.UserName == b.UserName && a.ExternalID == b.ExternalID && a.DisplayName == b.DisplayName &&
		a.Active == b.Active && a.Hold == b.Hold && slices.Equal(a.Emails, b.Emails) && bytes.Equal(a.Resource, b.Resource)
}

// later keeps times of changes rising although the clock may be set back.
func later(before, now time.Time) time.Time {
	if now.After(before) {
		return now
	}
	return before.Add(time.Microsecond)
}
