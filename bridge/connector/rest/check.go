package rest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// Check proves the actions that bring about an effect, each by its own proofs.
// One that cannot be proven makes the whole unproven, though the others are.
func (c *connector) Check(ctx context.Context, o bridge.Order) (bridge.Receipt, error) {
	actions := c.actions[o.Effect]
	if len(actions) == 0 {
		return bridge.Receipt{}, bridge.ErrCannotCheck
	}
	v := c.account(o)
	began := o.Since
	if !o.Done.At.IsZero() {
		began = o.Done.At
	}
	var (
		shown   evidence
		unknown bool
	)
	for _, a := range actions {
		if a.Verify.Unverifiable {
			unknown = true
			continue
		}
		for i := range a.Verify.Proofs {
			p := &a.Verify.Proofs[i]
			proof, err := c.prove(ctx, p, v)
			if errors.Is(err, bridge.ErrStillOpen) {
				shown.note(proof, "not as it should be")
				if wait := p.wait(c.now().Sub(began)); wait > 0 {
					return shown.Receipt, bridge.RetryAfter(wait, fmt.Errorf("%s: %w", proof.Name, errNotYet))
				}
			}
			if err != nil {
				return shown.Receipt, err
			}
			shown.note(proof, "as it should be")
		}
	}
	if unknown {
		return shown.Receipt, bridge.ErrCannotCheck
	}
	return shown.Receipt, nil
}

// errNotYet says that the app may still show the old state.
var errNotYet = errors.New("it does not show yet")

// wait is how long to wait before the next look, so long after the action; 0
// if the app has had its time.
func (p *Proof) wait(gone time.Duration) time.Duration {
	left := time.Duration(p.Within) - gone
	if left <= 0 {
		return 0
	}
	return min(p.Every.or(max(time.Duration(p.Within)/10, time.Second)), max(left, time.Second))
}

// proven makes all proofs of one action, without patience.
func (c *connector) proven(ctx context.Context, a *Action, v vars) (last answer, err error) {
	for i := range a.Verify.Proofs {
		if last, err = c.prove(ctx, &a.Verify.Proofs[i], v); err != nil {
			return last, err
		}
	}
	return last, nil
}

// prove makes one proof. Its error is nil, ErrStillOpen, or what kept the app
// from saying: an answer that means wait, no credentials or broken is never
// evidence, even if expect would take it.
func (c *connector) prove(ctx context.Context, p *Proof, v vars) (answer, error) {
	r, err := c.prepare(ctx, &p.Request, v)
	if err != nil {
		return answer{}, err
	}
	a, class, needs, err := c.exchange(ctx, r, accept{}, v)
	if err != nil {
		return answer{}, err
	}
	if class == Retry || class == RateLimited || class == Reauth || a.Status >= 500 {
		return a, a.outcome(class, needs)
	}
	holds, err := p.Expect.holds(ctx, a.v)
	switch {
	case err != nil:
		return a, fmt.Errorf("%s: %w", r.Name, err)
	case holds:
		return a, nil
	case class == fine, class == NotFound, class == AlreadyDone, a.Status == 404, a.Status == 410:
		return a, fmt.Errorf("%s: %w", r.Name, bridge.ErrStillOpen)
	}
	return a, a.outcome(class, needs)
}
