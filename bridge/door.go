package bridge

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"
)

// door is one app at run time.
type door struct {
	App
	limit   *rate.Limiter
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	trips   chan<- trip
	// closed is until when the app asked us to leave it alone, in unix
	// nanoseconds.
	closed atomic.Int64
}

// trip says that an app is to be left alone, and for how long.
type trip struct {
	app  string
	wait time.Duration
}

func newDoor(a App, trips chan<- trip) *door {
	a.Limits = a.Limits.WithDefaults()
	d := &door{App: a, limit: rate.NewLimiter(rate.Limit(a.Limits.Rate), a.Limits.Burst), trips: trips}
	d.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:    a.Name,
		Timeout: a.Limits.BreakerWait,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return c.ConsecutiveFailures >= uint32(a.Limits.BreakerAfter)
		},
		IsSuccessful: func(err error) bool { return !unwell(err) },
		IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				d.leave(a.Limits.BreakerWait)
			}
		},
	})
	return d
}

// leave has the app's queue stopped for a while. It must not block: without
// the trip, the app's lanes only ask one by one and are told to wait.
func (d *door) leave(wait time.Duration) {
	select {
	case d.trips <- trip{d.Name, wait}:
	default:
	}
}

// patience is how long a lane's turn may wait for the app's rate before it is
// given back to the engine.
const patience = time.Second

// enter asks for leave to call the app: nil and a function that must be told
// how the call ended, or how long to wait before asking again.
func (d *door) enter(ctx context.Context, now time.Time) (done func(error), wait time.Duration) {
	if until := time.Unix(0, d.closed.Load()); until.After(now) {
		return nil, until.Sub(now)
	}
	done, err := d.breaker.Allow()
	if err != nil { // open, or half open with its one trial under way
		return nil, d.Limits.BreakerWait/2 + time.Millisecond
	}
	if wait = d.pace(ctx); wait > 0 {
		done(context.Canceled)
		return nil, wait
	}
	return done, 0
}

// pace waits until the app's rate allows a call. If that takes too long for a
// turn, it returns how long.
func (d *door) pace(ctx context.Context) (wait time.Duration) {
	r := d.limit.Reserve()
	if wait = r.Delay(); wait == 0 {
		return 0
	}
	if wait > patience {
		r.Cancel()
		return wait
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return 0
	case <-ctx.Done():
		r.Cancel()
		return patience
	}
}

// unwell reports whether err speaks of the app's health and not of one account.
func unwell(err error) bool {
	if err == nil || IsPermanent(err) || IsImpossible(err) || errors.Is(err, ErrNoAccount) || errors.Is(err, ErrNoneKnown) || errors.Is(err, ErrStillOpen) ||
		errors.Is(err, ErrCannotCheck) || errors.Is(err, context.Canceled) {
		return false
	}
	_, told := WaitOf(err)
	return !told
}

// errPace says that the app's rate leaves a check for later.
var errPace = errors.New("the check waits for the app's rate")

// carryOut makes the calls of one step, each at the app's pace: Find if the
// account is not known, then Do and the first Check, or a further Check. What
// cannot be undone is not done in the step that finds the account: before it,
// everything is looked at again.
func (d *door) carryOut(ctx context.Context, s step, now func() time.Time) outcome {
	o := outcome{step: s}
	if s.account == nil {
		account, err := timed(&o, ctx, d, func(ctx context.Context) (Account, error) {
			return d.Connector.Find(ctx, s.who.Who)
		})
		if errors.Is(err, ErrNoAccount) && s.former != nil {
			// Some apps hide whom they have locked; by its id the account is known.
			account, err = *s.former, nil
			account.Match = "id"
		}
		d.heed(err, now())
		if o.err = err; err != nil {
			return o
		}
		if s.former != nil && s.former.Case == s.who.ID { // what was seen alive was so, although it is dead by now
			account.Live = slices.Compact(slices.Sorted(slices.Values(append(account.Live, s.former.Live...))))
		}
		o.found, o.account = &account, &account
		if s.action.Effect.Destructive() || d.pace(ctx) > 0 {
			return o
		}
	}
	order := Order{Key: s.action.ID, Effect: s.action.Effect, Account: *o.account, Who: s.who.Who,
		Trigger: s.who.Trigger, Since: s.who.Opened, Done: s.action.Done}
	if s.action.State == ActionWaiting {
		o.begun = true
		receipt, err := timed(&o, ctx, d, func(ctx context.Context) (Receipt, error) {
			return d.Connector.Do(ctx, order)
		})
		d.heed(err, now())
		if o.err = err; err != nil {
			return o
		}
		o.done, order.Done = &receipt, receipt
		if wait := d.pace(ctx); wait > 0 {
			o.err = RetryAfter(wait, errPace)
			return o
		}
	}
	receipt, err := timed(&o, ctx, d, func(ctx context.Context) (Receipt, error) {
		return d.Connector.Check(ctx, order)
	})
	o.checked, o.err = &receipt, err
	return o
}

// heed remembers that an app asked to be left alone.
func (d *door) heed(err error, now time.Time) {
	if wait, told := WaitOf(err); told {
		d.closed.Store(now.Add(wait).UnixNano())
		if wait > patience {
			d.leave(wait)
		}
	}
}

// timed makes one call within the app's time limit and notes it. A connector
// that panics has failed for good: the same input would fail it again.
func timed[T any](o *outcome, ctx context.Context, d *door, f func(context.Context) (T, error)) (v T, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.Limits.Timeout)
	defer cancel()
	began := time.Now()
	defer func() {
		if p := recover(); p != nil {
			err = Permanent(fmt.Errorf("the %s connector failed: internal error", d.Protocol))
			o.panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
		}
		o.calls = append(o.calls, call{word(err), time.Since(began)})
	}()
	return f(ctx)
}

// word names the outcome of a call for events and metrics.
func word(err error) string {
	_, wait := WaitOf(err)
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, ErrNoAccount):
		return "absent"
	case errors.Is(err, ErrNoneKnown):
		return "none_known"
	case errors.Is(err, ErrStillOpen):
		return "contradicted"
	case errors.Is(err, ErrCannotCheck):
		return "cannot_check"
	case IsPermanent(err):
		return "refused"
	case IsImpossible(err):
		return "impossible"
	case wait:
		return "wait"
	default:
		return "retry"
	}
}
