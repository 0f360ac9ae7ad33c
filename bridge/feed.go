package bridge

import (
	"context"
	"slices"
	"time"
)

// Told is what a feed says of one session: that there is one, or that it has ended.
type Told struct {
	Whose   Key     // ByID, ByUserName, ByExternalID or ByEmail: who it is to the feed's source
	Session Session // its app, and what is known of it; whose it is, is found by Whose
	Ended   bool
}

// Why something that was told is not kept.
const (
	NobodyKnown  = "no_such_person"
	SeveralKnown = "several_people"
)

// heard is how much of what was told one transaction takes, so that others get
// their turn between.
const heard = 50

// TellSessions keeps what a feed says of sessions of its source's people. For each
// it returns "", or why it is not kept; what came before an error is kept, and
// may be told again.
//
// A session of somebody who has left must not live on: if it was not known, and a
// policy ended the person's sessions in its app when they left, that is done again;
// also if it was told so that nothing tells it from one that was known.
func (b *Bridge) TellSessions(ctx context.Context, told []Told) (why []string, err error) {
	by, err := source(ctx)
	if err != nil {
		return nil, err
	}
	now := b.time()
	for some := range slices.Chunk(told, heard) {
		words := make([]string, len(some))
		err := b.store.Update(ctx, func(tx Tx) (err error) {
			h := hearing{tx, by, now, *b.doors.Load(), map[Lane]Case{}}
			for i, t := range some {
				if words[i], err = h.hear(t); err != nil {
					return err
				}
			}
			return h.endLate()
		})
		if err != nil {
			return why, err
		}
		why = append(why, words...)
	}
	return why, nil
}

// hearing is one transaction in which a feed is heard.
type hearing struct {
	Tx
	by    Caller
	now   time.Time
	doors map[string]*door
	late  map[Lane]Case // sessions of people who have left, and the departure that should have ended them
}

func (h *hearing) hear(t Told) (why string, err error) {
	p, departures, why, err := h.find(t.Whose)
	if err != nil || why != "" {
		return why, err
	}
	s := t.Session
	s.Person, s.Handle, s.Feed, s.Learned = p.ID, p.Handle, h.by.Token, h.now
	if t.Ended {
		return "", h.DropSession(s.App, s.Mark())
	}
	l := Lane{App: s.App, Person: p.ID}
	d := h.doors[s.App] // nil for an identity provider
	i := slices.IndexFunc(departures, func(c Case) bool { return d != nil && d.wants(c.Trigger, Revoke) })
	if i >= 0 && departures[i].State != CaseOpen { // else it is still to be planned, with all that is known then
		known, err := h.Sessions(l, h.now)
		if err != nil {
			return "", err
		}
		late := !slices.ContainsFunc(known, func(k Session) bool { return k.Mark() == s.Mark() })
		if !late && s.plain() { // the one that is known, or one that has begun since
			late, err = h.ended(departures[i], l)
		}
		if err != nil {
			return "", err
		}
		if late {
			h.late[l] = departures[i]
		}
	}
	return "", h.PutSession(s)
}

// ended reports whether a departure has nothing left to do about a lane's sessions.
func (h *hearing) ended(c Case, l Lane) (bool, error) {
	actions, err := h.Actions(c.ID)
	return !slices.ContainsFunc(actions, func(a Action) bool { return a.Lane == l && a.Effect == Revoke && a.State.open() }), err
}

// find returns whose a session is and, if they are not here, their departures,
// newest first. Nobody changes the person until the transaction ends: whoever
// leaves now leaves before the session is heard of, or after.
func (h *hearing) find(k Key) (p Person, departures []Case, why string, err error) {
	id, keys := k.Value, []Key(nil)
	if k.Attribute != ByID {
		id, keys = "", []Key{k}
		people, _, err := h.People(Query{Source: h.by.Source, Where: Is(k), Limit: 2})
		if err != nil {
			return p, nil, "", err
		}
		switch len(people) {
		case 1:
			id, keys = people[0].ID, nil
		case 2:
			return p, nil, SeveralKnown, nil
		}
	}
	p, err = personOf(h, h.by.Source, id)
	gone := IsKind(err, KindNotFound)
	if err != nil && !gone || err == nil && p.Active {
		return p, nil, "", err
	}
	departures, err = h.CasesOf(h.by.Source, id, keys)
	departures = slices.DeleteFunc(departures, Case.erased) // who is forgotten stays so
	if gone && len(departures) == 0 {
		return p, nil, NobodyKnown, err
	}
	if gone {
		p = Person{ID: departures[0].Person, Handle: departures[0].Handle}
	}
	return p, departures, "", err
}

// endLate has the sessions ended of those of whom it was heard too late.
func (h *hearing) endLate() error {
	for _, l := range sortedLanes(h.late) {
		c := h.late[l]
		if err := h.WakeLane(l, h.now); err != nil {
			return err
		}
		actions, err := h.Actions(c.ID) // behind the lane's lock
		if err != nil {
			return err
		}
		if slices.ContainsFunc(actions, func(a Action) bool {
			return a.Lane == l && a.Effect == Revoke && a.State == ActionWaiting && a.Attempts == 0
		}) {
			continue // what is known is read when it begins
		}
		a := Action{ID: newID(), Case: c.ID, Lane: l, Effect: Revoke, State: ActionWaiting,
			Ordered: h.now, Due: h.now, Deadline: h.now.Add(h.doors[l.App].Limits.Deadline)}
		if err := h.PutAction(&a); err != nil {
			return err
		}
		c.State, c.Closed = CaseRunning, time.Time{}
		if err := h.PutCase(c); err != nil {
			return err
		}
		f := said(h.by)
		f.Case, f.Trigger, f.App, f.Effect, f.State = c.ID, string(c.Trigger), l.App, string(Revoke), string(c.State)
		if err := h.Append(caseEvent(h.now, CaseReopened, c, f, nil)); err != nil {
			return err
		}
	}
	return nil
}
