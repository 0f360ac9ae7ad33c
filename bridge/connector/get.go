package connector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

// Egress is where something other than an app may be, in the words and with
// the guard of every app's configuration: the issuer of tokens, for instance.
type Egress = call.Egress

// The guarded way out, for what is sent to a place that is no app.
type (
	Client   = call.Client
	Request  = call.Request
	Response = call.Response
)

// NewClient returns a client for one place; an exchange with it takes at most
// limit. Errors of its calls name requests only, and hold nothing of answers.
func NewClient(e Egress, limit time.Duration) (*Client, error) {
	return call.New(call.Config{Egress: e, Timeout: limit, MaxBytes: 256 << 10})
}

// ErrAbsent says that the other side answered, but has no such document.
var ErrAbsent = errors.New("there is no such document")

// Get fetches one document that is public knowledge, on the guarded way that
// calls of apps take: at most 256 KiB, in at most limit, following redirects
// within one origin only. name stands for the address in errors, which never
// hold anything of the answer. It leaves no connection open.
func Get(ctx context.Context, e Egress, name, url string, limit time.Duration) ([]byte, error) {
	client, err := call.New(call.Config{Egress: e, Timeout: limit, MaxBytes: 256 << 10, Redirects: 2})
	if err != nil {
		return nil, err
	}
	answer, err := client.Send(ctx, call.Request{Name: name, Method: http.MethodGet, URL: url,
		Header: http.Header{"Accept": {"application/json"}, "Connection": {"close"}}})
	switch {
	case err != nil:
		return nil, err
	case answer.Status == http.StatusNotFound:
		return nil, fmt.Errorf("%s: %w", name, ErrAbsent)
	case answer.Status != http.StatusOK:
		return nil, fmt.Errorf("%s: it answered %d", name, answer.Status)
	}
	return answer.Body, nil
}
