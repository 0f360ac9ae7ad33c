package scim

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

const patchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

var (
	// errForm says that the server does not take PATCH in this form.
	errForm = errors.New("not in this form")
	// errNoPatch says that the server takes no PATCH at all.
	errNoPatch = errors.New("no PATCH")
)

// Do carries out lock, restore or delete. Somebody who is gone is locked and
// deleted already, but cannot be restored.
func (d *door) Do(ctx context.Context, o bridge.Order) (bridge.Receipt, error) {
	if _, offered := d.offers.Of(o.Effect); !offered {
		return bridge.Receipt{}, bridge.Permanent(fmt.Errorf("the app does not offer %s", o.Effect))
	}
	switch {
	case o.Effect == bridge.Delete, o.Effect == bridge.Lock && d.lockBy == viaDelete:
		return d.delete(ctx, o)
	case d.lockBy == viaPut:
		return d.put(ctx, o, "")
	}
	active := o.Effect == bridge.Restore
	withPath := map[string]any{"op": "replace", "path": "active", "value": active}
	without := map[string]any{"op": "replace", "value": map[string]any{"active": active}}
	r, err := d.patch(ctx, o, withPath, "")
	if errors.Is(err, errForm) {
		// The key differs with the form, for it stands for one request.
		r, err = d.patch(ctx, o, without, "-pathless")
	}
	if errors.Is(err, errForm) || errors.Is(err, errNoPatch) {
		r, err = d.put(ctx, o, "-put")
	}
	return r, err
}

func (d *door) patch(ctx context.Context, o bridge.Order, op map[string]any, form string) (bridge.Receipt, error) {
	where, err := d.at(o.Account.ID)
	if err != nil {
		return bridge.Receipt{}, err
	}
	answer, err := d.send(ctx, call.Request{Name: namePatch, Method: http.MethodPatch, URL: where, Key: o.Key + form,
		JSON: map[string]any{"schemas": []string{patchSchema}, "Operations": []any{op}}})
	switch {
	case err != nil:
		return bridge.Receipt{}, err
	case answer.Status == http.StatusMethodNotAllowed, answer.Status == http.StatusNotImplemented:
		return bridge.Receipt{}, errNoPatch
	case unable(answer.Status):
		return bridge.Receipt{}, errForm
	case gone(answer.Status):
		// Gone, or a server without PATCH: only a read tells.
		read, err := d.read(ctx, o.Account.ID)
		if err != nil {
			return bridge.Receipt{}, err
		}
		if read.Status/100 == 2 {
			return bridge.Receipt{}, errNoPatch
		}
	}
	return d.settle(ctx, o, answer)
}

// put reads the user, changes active, and writes it back whole.
func (d *door) put(ctx context.Context, o bridge.Order, form string) (bridge.Receipt, error) {
	read, err := d.read(ctx, o.Account.ID)
	if err != nil {
		return bridge.Receipt{}, err
	}
	if read.Status/100 != 2 {
		return d.settle(ctx, o, read)
	}
	whole, err := withActive(read.Body, o.Effect == bridge.Restore)
	if err != nil {
		return bridge.Receipt{}, fmt.Errorf("%s answered %d with a body that is not the JSON it should be", nameRead, read.Status)
	}
	where, err := d.at(o.Account.ID)
	if err != nil {
		return bridge.Receipt{}, err
	}
	r := call.Request{Name: namePut, Method: http.MethodPut, URL: where, JSON: whole, Key: o.Key + form}
	if tag := read.Header.Get("ETag"); tag != "" {
		r.Header = http.Header{"If-Match": {tag}}
	}
	answer, err := d.send(ctx, r)
	if err != nil {
		return bridge.Receipt{}, err
	}
	return d.settle(ctx, o, answer)
}

func (d *door) delete(ctx context.Context, o bridge.Order) (bridge.Receipt, error) {
	where, err := d.at(o.Account.ID)
	if err != nil {
		return bridge.Receipt{}, err
	}
	answer, err := d.send(ctx, call.Request{Name: nameDelete, Method: http.MethodDelete, URL: where, Key: o.Key})
	if err != nil {
		return bridge.Receipt{}, err
	}
	return d.settle(ctx, o, answer)
}

// settle says what the deciding answer of Do means.
func (d *door) settle(ctx context.Context, o bridge.Order, answer *call.Response) (bridge.Receipt, error) {
	switch {
	case answer.Status/100 == 2:
		return answer.Receipt(""), nil
	case gone(answer.Status):
		if o.Effect == bridge.Restore {
			return bridge.Receipt{}, bridge.Permanent(fmt.Errorf("%s answered %d: the account is gone and cannot be restored",
				answer.Name, answer.Status))
		}
		return answer.Receipt("already gone"), nil
	case answer.Status == http.StatusForbidden && o.Effect != bridge.Restore:
		// Some servers say this of somebody who is gone; a search tells.
		switch absent, err := d.absent(ctx, o.Account); {
		case err != nil && !errors.Is(err, errNoSearch):
			return bridge.Receipt{}, err
		case absent:
			return answer.Receipt("already gone: no search finds the account"), nil
		}
	}
	return bridge.Receipt{}, answer.Outcome()
}
