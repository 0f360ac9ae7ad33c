package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

// endpoint is one address of the server, and who we are there.
type endpoint struct {
	name string // for errors and receipts
	url  string
	credentials
}

// credentials are how a client shows who it is.
type credentials struct {
	id     string
	secret bridge.Secret
	auth   string
}

// token is one token, and what RFC 7009 calls its kind (section 2.1).
type token struct {
	value bridge.Secret
	kind  string
}

const (
	refresh = "refresh_token"
	access  = "access_token"
)

var (
	errClient = errors.New("the server refused our client_id, client_secret or way of authentication; they must be what is registered there (client_id, client_secret, auth)")
	errKind   = errors.New("the server does not revoke tokens of this kind")
)

// ask makes one exchange about a token. The errors of OAuth (RFC 6749, section 5.2,
// and RFC 7009, section 2.2.1) come with 400, and that of a client that is not
// known may come with 401.
func (s *server) ask(ctx context.Context, e endpoint, t token) (*call.Response, error) {
	if err := s.slots.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("%s: %w", e.name, err)
	}
	defer s.slots.Release(1)
	form := url.Values{"token": {string(t.value)}}
	if t.kind != "" {
		form.Set("token_type_hint", t.kind)
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	e.show(header, form)
	answer, err := s.client.Send(ctx, call.Request{Name: e.name, Method: http.MethodPost, URL: e.url, Header: header, Body: []byte(form.Encode())})
	if err != nil {
		return nil, err
	}
	return answer, outcome(answer)
}

// show authenticates the client (RFC 6749, section 2.3.1: what goes into the
// header is encoded like a form first).
func (c credentials) show(header http.Header, form url.Values) {
	switch c.auth {
	case none:
		form.Set("client_id", c.id)
	case post:
		form.Set("client_id", c.id)
		form.Set("client_secret", string(c.secret))
	default:
		pair := url.QueryEscape(c.id) + ":" + url.QueryEscape(string(c.secret))
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	}
}

// outcome says what an answer means. Of its body only the code of an error counts,
// and only if it is one that means something here.
func outcome(a *call.Response) error {
	switch a.Status {
	case http.StatusBadRequest:
		var says struct {
			Error string `json:"error"`
		}
		call.Unmarshal(a.Body, &says) // if it is no JSON, it is a refusal like any other
		switch says.Error {
		case "unsupported_token_type":
			return bridge.Impossible(fmt.Errorf("%s answered %d: %w", a.Name, a.Status, errKind))
		case "invalid_client", "unauthorized_client":
			return bridge.Permanent(fmt.Errorf("%s answered %d: %w", a.Name, a.Status, errClient))
		}
	case http.StatusUnauthorized:
		return bridge.Permanent(fmt.Errorf("%s answered %d: %w", a.Name, a.Status, errClient))
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return bridge.Permanent(fmt.Errorf("%s answered %d: there is no such endpoint", a.Name, a.Status))
	case http.StatusNotImplemented:
		return bridge.Impossible(fmt.Errorf("%s answered %d: the server does not offer it", a.Name, a.Status))
	}
	return a.Outcome()
}

// active asks whether a token is active (RFC 7662, section 2.2). Only an answer
// that says so plainly counts.
func (s *server) active(ctx context.Context, value bridge.Secret) (bool, *call.Response, error) {
	answer, err := s.ask(ctx, *s.introspection, token{value: value})
	if err != nil {
		return false, nil, err
	}
	var says struct {
		Active *bool `json:"active"`
	}
	if err := answer.Decode(&says); err != nil {
		return false, nil, err
	}
	if says.Active == nil {
		return false, nil, fmt.Errorf("%s answered %d without saying whether the token is active", answer.Name, answer.Status)
	}
	return *says.Active, answer, nil
}
