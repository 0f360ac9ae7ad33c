package scim

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

const mediaType = "application/scim+json"

// Names of requests, for receipts and errors; no values in them.
const (
	nameSearch = "GET /Users"
	nameRead   = "GET /Users/{id}"
	namePatch  = "PATCH /Users/{id}"
	namePut    = "PUT /Users/{id}"
	nameDelete = "DELETE /Users/{id}"
)

// send makes one exchange. A server that does not know SCIM's media type is
// asked again with JSON's.
func (d *door) send(ctx context.Context, r call.Request) (*call.Response, error) {
	h := http.Header{
		"Authorization": {"Bearer " + string(d.token)},
		"Accept":        {mediaType + ", application/json"},
		"Cache-Control": {"no-cache"},
	}
	for name, values := range r.Header {
		h[name] = values
	}
	r.Header = h
	if r.JSON == nil {
		return d.client.Send(ctx, r)
	}
	h["Content-Type"] = []string{mediaType}
	answer, err := d.client.Send(ctx, r)
	if err == nil && answer.Status == http.StatusUnsupportedMediaType {
		h["Content-Type"] = []string{"application/json"}
		answer, err = d.client.Send(ctx, r)
	}
	return answer, err
}

// at is the URL of one user.
func (d *door) at(id string) (string, error) {
	if id == "" || id == "." || id == ".." {
		return "", bridge.Permanent(errors.New("the account has no usable id"))
	}
	return d.base + "/Users/" + url.PathEscape(id), nil
}

func (d *door) read(ctx context.Context, id string) (*call.Response, error) {
	where, err := d.at(id)
	if err != nil {
		return nil, err
	}
	return d.send(ctx, call.Request{Name: nameRead, Method: http.MethodGet, URL: where})
}

// page asks for users from the given position on, counted from 1.
func (d *door) page(ctx context.Context, filter string, from, count int) (*call.Response, error) {
	q := url.Values{"startIndex": {strconv.Itoa(from)}, "count": {strconv.Itoa(count)}}
	if filter != "" {
		q.Set("filter", filter)
	}
	// Spaces as %20: some servers take "+" literally.
	return d.send(ctx, call.Request{Name: nameSearch, Method: http.MethodGet, URL: d.base + "/Users?" + encode(q)})
}

// gone reports whether status says that there is no such thing.
func gone(status int) bool { return status == http.StatusNotFound || status == http.StatusGone }

// unable reports whether status may mean that a server does not do the thing
// in this form, but perhaps in another.
func unable(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity, http.StatusNotImplemented:
		return true
	}
	return false
}
