package rest

import (
	"context"
	"errors"
	"fmt"

	"github.com/exeunt/exeunt/bridge"
)

// Find tries the lookups in order. The first that finds one account decides;
// one that finds several ends the search.
func (c *connector) Find(ctx context.Context, who bridge.Identifiers) (bridge.Account, error) {
	v := c.person(who)
	tried := false
	for i := range c.recipe.Lookup {
		l := &c.recipe.Lookup[i]
		if l.value(v["subject"].(*Subject)) == "" {
			continue
		}
		tried = true
		account, err := c.look(ctx, l, v)
		if !errors.Is(err, bridge.ErrNoAccount) {
			return account, err
		}
	}
	if !tried {
		return bridge.Account{}, bridge.Permanent(errors.New("the person has no attribute by which accounts are found there"))
	}
	return bridge.Account{}, bridge.ErrNoAccount
}

// value is the attribute by which l looks.
func (l *Lookup) value(s *Subject) string {
	switch l.By {
	case "email":
		return s.Email
	case "userName":
		return s.UserName
	default:
		return s.ExternalID
	}
}

func (c *connector) look(ctx context.Context, l *Lookup, v vars) (account bridge.Account, err error) {
	r, err := c.prepare(ctx, &l.Request, v)
	if err != nil {
		return account, err
	}
	want := accept{ok: l.OK, success: l.Success, already: l.Absent}
	items, _, err := c.list(ctx, r, l.Items, l.Paginate, want, v)
	if errors.Is(err, errNothing) {
		return account, bridge.ErrNoAccount
	}
	if err != nil {
		return account, err
	}
	for _, one := range items {
		v := one.in.v.with("item", one.item)
		same, err := l.Match.holds(ctx, v)
		var without *errEval
		if errors.As(err, &without) {
			continue // an item without the attribute is not this person
		}
		if err != nil {
			return account, fmt.Errorf("%s: %w", r.Name, err)
		}
		if !same {
			continue
		}
		next, err := l.As.account(ctx, v)
		if err != nil {
			return account, fmt.Errorf("%s: %w", r.Name, err)
		}
		if account.ID != "" && account.ID != next.ID {
			return bridge.Account{}, bridge.Permanent(fmt.Errorf("%s: several accounts match the person", r.Name))
		}
		account = next
	}
	if account.ID == "" {
		return account, bridge.ErrNoAccount
	}
	account.Match = l.By
	return account, nil
}

func (as *As) account(ctx context.Context, v vars) (a bridge.Account, err error) {
	if a.ID, err = as.ID.word(ctx, v); err != nil {
		return a, err
	}
	if a.ID == "" {
		return a, &errEval{&as.ID, "is empty in this answer"}
	}
	if as.Login != nil {
		a.Login, err = as.Login.word(ctx, v)
	}
	return a, err
}
