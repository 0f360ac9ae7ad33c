package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

// Do carries out the actions that bring about an effect, in order. A repeat
// sends everything again, but for actions that look first.
func (c *connector) Do(ctx context.Context, o bridge.Order) (bridge.Receipt, error) {
	actions := c.actions[o.Effect]
	if len(actions) == 0 {
		return bridge.Receipt{}, bridge.Permanent(fmt.Errorf("the app does not offer %s", o.Effect))
	}
	v := c.account(o)
	done := evidence{effect: o.Effect}
	for _, a := range actions {
		if a.CheckFirst {
			proof, err := c.proven(ctx, a, v)
			if err == nil {
				done.note(proof, "so already")
				continue
			}
			if !errors.Is(err, bridge.ErrStillOpen) {
				return done.Receipt, err
			}
		}
		for i := range a.Steps {
			if err := c.step(ctx, &a.Steps[i], fmt.Sprintf("%s\n%s %d", o.Key, a.name, i), v, &done); err != nil {
				return done.Receipt, err
			}
		}
	}
	return done.Receipt, nil
}

func (c *connector) step(ctx context.Context, s *Step, key string, v vars, done *evidence) error {
	if s.Foreach == nil {
		return c.send(ctx, s, key, v, done)
	}
	f := s.Foreach
	r, err := c.prepare(ctx, &f.Request, v)
	if err != nil {
		return err
	}
	items, last, err := c.list(ctx, r, &f.Items, f.Paginate, accept{already: f.Already}, v)
	if errors.Is(err, errNothing) {
		done.note(last, "nothing there")
		return nil
	}
	if err != nil {
		return err
	}
	var meant []any
	for _, one := range items {
		mean, err := f.Where.holds(ctx, v.with("item", one.item))
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		if mean {
			meant = append(meant, one.item)
		}
	}
	if len(meant) > f.Max {
		return bridge.Permanent(fmt.Errorf("%s: %d items, more than the %d that are plausible", r.Name, len(meant), f.Max))
	}
	done.note(last, fmt.Sprintf("%d to do", len(meant)))
	for _, item := range meant {
		if err := c.send(ctx, s, key, v.with("item", item), done); err != nil {
			return err
		}
	}
	return nil
}

// send makes one request of a step, and waits for what it begins.
func (c *connector) send(ctx context.Context, s *Step, key string, v vars, done *evidence) error {
	r, err := c.prepare(ctx, &s.Request, v)
	if err != nil {
		return err
	}
	if s.IdempotencyKey != "" {
		item, err := json.Marshal(v["item"])
		if err != nil {
			return bridge.Permanent(fmt.Errorf("%s: the item cannot be told from others", r.Name))
		}
		once(&r, s.IdempotencyKey, key, string(item))
	}
	a, class, needs, err := c.exchange(ctx, r, accept{s.OK, s.Success, s.Already}, v)
	if err != nil {
		return err
	}
	if class == NotFound && done.effect == bridge.Restore {
		return bridge.Permanent(fmt.Errorf("%s answered %d: the account is gone", r.Name, a.Status))
	}
	switch class {
	case fine:
		done.note(a, "")
		if s.Poll != nil {
			return c.poll(ctx, s.Poll, v.with("body", a.v["body"]).with("headers", a.v["headers"]), done)
		}
	case AlreadyDone:
		done.note(a, "so already")
	case NotFound:
		done.note(a, "gone already")
	}
	return a.outcome(class, needs)
}

const (
	defaultEvery  = 2 * time.Second
	defaultWithin = 20 * time.Second
)

// poll asks until what was begun has ended.
func (c *connector) poll(ctx context.Context, p *Poll, v vars, done *evidence) error {
	r, err := c.prepare(ctx, &p.Request, v)
	if err != nil {
		return err
	}
	every := p.Every.or(defaultEvery)
	end := time.NewTimer(p.Within.or(defaultWithin))
	defer end.Stop()
	for {
		a, err := c.succeed(ctx, r, accept{}, v)
		if errors.Is(err, errNothing) {
			return bridge.Permanent(fmt.Errorf("%s: there is nothing to wait for", r.Name))
		}
		if err != nil {
			return err
		}
		ended, err := p.Until.holds(ctx, a.v)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		if ended {
			done.note(a, "")
			return nil
		}
		if p.Failed != nil {
			failed, err := p.Failed.holds(ctx, a.v)
			if err != nil {
				return fmt.Errorf("%s: %w", r.Name, err)
			}
			if failed {
				return bridge.Permanent(fmt.Errorf("%s: the app says that it failed", r.Name))
			}
		}
		next := time.NewTimer(every)
		select {
		case <-ctx.Done():
			next.Stop()
			return fmt.Errorf("%s: %w", r.Name, ctx.Err())
		case <-end.C:
			next.Stop()
			return bridge.RetryAfter(every, fmt.Errorf("%s: it has not ended yet", r.Name))
		case <-next.C:
		}
	}
}

// evidence gathers the receipt of an action that takes several requests. It
// names requests as the recipe does, so that no value gets into it.
type evidence struct {
	bridge.Receipt
	effect bridge.Effect
	last   string
	times  int
}

// note adds an answer. The last one decides status and reference, the first the time.
func (e *evidence) note(a answer, what string) {
	if a.Response == nil {
		return
	}
	r := a.Receipt(what)
	e.text(r.Summary)
	e.Status, e.Took = r.Status, e.Took+r.Took
	if r.Ref != "" {
		e.Ref = r.Ref
	}
	if e.At.IsZero() {
		e.At = r.At
	}
}

const maxSummary = 400 // bytes

// text adds words; the same again is counted.
func (e *evidence) text(s string) {
	switch {
	case s == e.last:
		e.times++
		e.Summary = strings.TrimSuffix(e.Summary, counter(e.times-1)) + counter(e.times)
		return
	case e.Summary == "":
		e.Summary = s
	case len(e.Summary)+len(s) > maxSummary:
		if !strings.HasSuffix(e.Summary, "; …") {
			e.Summary += "; …"
		}
		e.last = ""
		return
	default:
		e.Summary += "; " + s
	}
	e.last, e.times = s, 1
}

func counter(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(" (%d times)", n)
}

var _ bridge.Connector = (*connector)(nil)
var _ sender = (*call.Client)(nil)
