package rest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

// sender is the way out, a [call.Client].
type sender interface {
	Send(ctx context.Context, r call.Request) (*call.Response, error)
}

// connector is a recipe with the params and secrets of one registration.
type connector struct {
	recipe  *Recipe
	params  map[string]string
	base    string // of paths; without a slash at its end
	auth    authority
	out     sender
	resets  []call.Reset
	actions map[bridge.Effect][]*Action // that this registration offers, in order
	now     func() time.Time
}

// assemble puts a connector together; params and secrets are complete.
func assemble(r *Recipe, params map[string]string, secrets map[string]bridge.Secret, out sender, now func() time.Time) (*connector, error) {
	c := &connector{recipe: r, params: params, out: out, now: now, resets: r.resets(),
		actions: map[bridge.Effect][]*Action{}}
	ctx := context.Background()
	base, err := c.address(ctx, &r.HTTP.Base, vars{"params": params})
	if err != nil {
		return nil, err
	}
	c.base = strings.TrimRight(base, "/")
	for _, a := range r.ordered() {
		offered, err := a.When.holds(ctx, vars{"params": params})
		if err != nil {
			return nil, err
		}
		if offered {
			c.actions[bridge.Effect(a.Effect)] = append(c.actions[bridge.Effect(a.Effect)], a)
		}
	}
	c.auth, err = c.newAuthority(secrets)
	return c, err
}

func (r *Recipe) resets() []call.Reset {
	h := r.HTTP.RateHeaders
	if h == nil {
		return nil
	}
	return []call.Reset{{Header: h.Reset, Unit: call.Unit(h.Unit), Remaining: h.Remaining}}
}

// Limits is how the vendor wants to be called, as the recipe says.
func (c *connector) Limits() bridge.Limits {
	l := c.recipe.HTTP.Limit
	return bridge.Limits{Rate: l.Rate, Burst: l.Burst, Concurrency: l.Concurrency}
}

// Capabilities is what the recipe's actions bring about.
func (c *connector) Capabilities() bridge.Capabilities {
	var out bridge.Capabilities
	for _, e := range bridge.Effects {
		actions := c.actions[e]
		if len(actions) == 0 {
			continue
		}
		one := bridge.Capability{Effect: e, Undo: true, Checked: true}
		for _, a := range actions {
			one.Undo = one.Undo && c.offers(a.Undo)
			one.Checked = one.Checked && !a.Verify.Unverifiable
			for _, what := range a.Covers {
				if !slices.Contains(one.Covers, what) {
					one.Covers = append(one.Covers, what)
				}
			}
		}
		out = append(out, one)
	}
	return out
}

// offers reports whether an action with effect restore is offered.
func (c *connector) offers(name string) bool {
	return slices.ContainsFunc(c.actions[bridge.Restore], func(a *Action) bool { return a.name == name })
}

// Probe makes the recipe's probe.
func (c *connector) Probe(ctx context.Context) error {
	p := &c.recipe.Probe
	v := vars{"params": c.params, "now": c.now()}
	r, err := c.prepare(ctx, &p.Request, v)
	if err != nil {
		return err
	}
	a, class, needs, err := c.exchange(ctx, r, accept{ok: p.OK, success: p.Success}, v)
	if err != nil || class == fine {
		return err
	}
	if class == NotFound || class == AlreadyDone {
		class = Fatal
	}
	return a.outcome(class, needs)
}

func (c *connector) person(who bridge.Identifiers) vars {
	return vars{"params": c.params, "now": c.now(), "subject": &Subject{
		ID: who.Person, UserName: who.UserName, ExternalID: who.ExternalID, DisplayName: who.DisplayName,
		Email: who.Email(), Emails: who.Emails,
	}}
}

func (c *connector) account(o bridge.Order) vars {
	return c.person(o.Who).with("user", &User{ID: o.Account.ID, Login: o.Account.Login})
}
