package bridge

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// planned is how many cases one transaction of the planner takes, so that
// requests get their turn between.
const planned = 50

// look is how often the planner looks for cases that it was not told of: those
// of a process that died.
const look = 5 * time.Second

// overdue is how often it looks for actions that nobody gets to.
const overdue = time.Minute

// Run plans cases, minds the breakers and the deadlines, and takes erasures on
// until ctx ends.
func (b *Bridge) Run(ctx context.Context) error {
	var forgetting sync.WaitGroup
	defer forgetting.Wait()
	forgetting.Go(func() { b.forget(ctx) })
	var open resumes
	var looked time.Time
	for {
		if now := b.now(); now.Sub(looked) >= overdue {
			looked = now
			if n, err := b.EndOverdue(ctx); err != nil && ctx.Err() == nil {
				b.log.Error().Err(err).Msg("deadlines cannot be minded; trying again")
			} else if n == planned { // more are overdue
				looked = time.Time{}
			}
			if err := b.EndRetained(ctx); err != nil && ctx.Err() == nil {
				b.log.Error().Err(err).Msg("expired retained tokens cannot be destroyed; trying again")
			}
			if err := b.endSessions(ctx); err != nil && ctx.Err() == nil {
				b.log.Error().Err(err).Msg("expired sessions cannot be removed; trying again")
			}
		}
		wait := open.wait(b.now(), look)
		n, err := b.PlanCases(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			b.log.Error().Err(err).Msg("cases cannot be planned; trying again")
		case n == planned: // more are waiting
			wait = 0
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-b.plans:
		case <-t.C:
		case trip := <-b.trips:
			b.log.Warn().Str("app", trip.app).Dur("wait", trip.wait).Msg("app fails or asked us to wait; its queue is stopped for a while")
			if b.queues != nil {
				b.queues.StopQueue(trip.app)
			}
			open.add(trip.app, b.now().Add(trip.wait))
		}
		t.Stop()
		for _, app := range open.due(b.now()) {
			if b.queues != nil { // also of an app that was taken out: it may come back
				b.queues.StartQueue(app)
			}
		}
	}
}

// resumes are the apps whose queues are stopped, and until when.
type resumes map[string]time.Time

func (r *resumes) add(app string, at time.Time) {
	if *r == nil {
		*r = resumes{}
	}
	(*r)[app] = at
}

func (r resumes) wait(now time.Time, most time.Duration) time.Duration {
	for _, at := range r {
		most = min(most, max(at.Sub(now), 0))
	}
	return most
}

func (r resumes) due(now time.Time) (apps []string) {
	for app, at := range r {
		if !at.After(now) {
			apps = append(apps, app)
			delete(r, app)
		}
	}
	return apps
}

func (b *Bridge) wakePlanner() {
	select {
	case b.plans <- struct{}{}:
	default:
	}
}

// PlanCases turns waiting cases into actions on lanes, a bounded number at
// once, and returns how many. It asks no app: each lane finds its own account,
// so that an app that is down delays nobody else.
func (b *Bridge) PlanCases(ctx context.Context) (n int, err error) {
	doors := *b.doors.Load() // once: apps may be taken out meanwhile
	apps := make([]App, 0, len(doors))
	for _, name := range slices.Sorted(maps.Keys(doors)) {
		apps = append(apps, doors[name].App)
	}
	var news news
	now := b.time()
	err = b.store.Update(ctx, func(tx Tx) error {
		news = nil
		cases, err := tx.OpenCases(planned)
		if n = len(cases); err != nil {
			return err
		}
		for _, c := range cases {
			if err := planCase(tx, c, apps, now, &news); err != nil {
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

func planCase(tx Tx, c Case, apps []App, now time.Time, n *news) error {
	actions := plan(c, apps, now)
	lanes := map[Lane]bool{}
	for i := range actions {
		if err := tx.PutAction(&actions[i]); err != nil {
			return err
		}
		a := actions[i]
		if a.State.open() {
			lanes[a.Lane] = true
			continue
		}
		n.settled(a)
		if err := tx.Append(actionEvent(now, ActionSettled, c, a, "", testimony{})); err != nil {
			return err
		}
	}
	for _, l := range sortedLanes(lanes) {
		if err := tx.WakeLane(l, now); err != nil {
			return err
		}
	}
	c.State = after(actions)
	if c.State.Over() {
		c.Closed = now
		took := now.Sub(c.Opened)
		*n = append(*n, func(o Observer) { o.CaseSettled(c, took) })
	}
	if err := tx.PutCase(c); err != nil {
		return err
	}
	f := engine(c)
	f.State, f.Count = string(c.State), len(actions)
	return tx.Append(caseEvent(now, CasePlanned, c, f, nil))
}

// sortedLanes gives lanes the order in which every transaction locks them.
func sortedLanes[T any](set map[Lane]T) []Lane {
	return slices.SortedFunc(maps.Keys(set), func(a, b Lane) int {
		return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Person, b.Person))
	})
}
