package scim

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

// Check reads the user back. Only an explicit active=false is proof of a lock,
// and only a user whom neither a read nor a search finds is gone.
func (d *door) Check(ctx context.Context, o bridge.Order) (bridge.Receipt, error) {
	if _, offered := d.offers.Of(o.Effect); !offered {
		return bridge.Receipt{}, bridge.ErrCannotCheck
	}
	answer, err := d.read(ctx, o.Account.ID)
	switch {
	case err != nil:
		return bridge.Receipt{}, err
	case gone(answer.Status), answer.Status == http.StatusForbidden:
		return d.checkGone(ctx, o, answer)
	case answer.Status/100 != 2:
		return bridge.Receipt{}, answer.Outcome()
	}
	var u user
	if err := answer.Decode(&u); err != nil {
		return bridge.Receipt{}, err
	}
	if u.ID != o.Account.ID {
		return bridge.Receipt{}, fmt.Errorf("%s answered %d with another user", answer.Name, answer.Status)
	}
	if o.Effect == bridge.Delete {
		return answer.Receipt("the account is still there"), bridge.ErrStillOpen
	}
	active, known := u.active()
	switch want := o.Effect == bridge.Restore; {
	case !known:
		return answer.Receipt("active is not shown"), bridge.ErrCannotCheck
	case active != want:
		return answer.Receipt(fmt.Sprintf("active=%t", active)), bridge.ErrStillOpen
	}
	return answer.Receipt(fmt.Sprintf("active=%t", active)), nil
}

// checkGone takes a read that found nobody, and looks for a second proof.
func (d *door) checkGone(ctx context.Context, o bridge.Order, read *call.Response) (bridge.Receipt, error) {
	absent, err := d.absent(ctx, o.Account)
	switch {
	case errors.Is(err, errNoSearch) && gone(read.Status):
		// An app without search: its word is all there is.
	case errors.Is(err, errNoSearch):
		return bridge.Receipt{}, read.Outcome()
	case err != nil:
		return bridge.Receipt{}, err
	case !absent && read.Status == http.StatusForbidden:
		return bridge.Receipt{}, read.Outcome()
	case !absent:
		return read.Receipt("but a search still finds the account"), bridge.ErrStillOpen
	}
	if o.Effect == bridge.Restore {
		return read.Receipt("the account is gone"), bridge.ErrStillOpen
	}
	return read.Receipt("the account is gone"), nil
}

// absent reports whether a search that works does not find the account.
func (d *door) absent(ctx context.Context, a bridge.Account) (bool, error) {
	attribute, value := byUserName, a.Login
	if value == "" {
		attribute, value = byID, a.ID
	}
	found, err := d.search(ctx, attribute, value)
	if err != nil {
		return false, err
	}
	for _, u := range found {
		if u.ID == a.ID {
			return false, nil
		}
	}
	return true, nil
}

// Probe lists one user: the address is right and the token is taken.
func (d *door) Probe(ctx context.Context) error { return d.listing(ctx) }
