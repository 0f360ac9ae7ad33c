package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

// method returns the request's method and path; "" if it does not have exactly
// one.
func (r *Request) method() (string, *Text) {
	method, path := "", (*Text)(nil)
	for _, m := range []struct {
		name string
		path *Text
	}{{http.MethodGet, r.Get}, {http.MethodPost, r.Post}, {http.MethodPut, r.Put},
		{http.MethodPatch, r.Patch}, {http.MethodDelete, r.Delete}} {
		if m.path == nil {
			continue
		}
		if method != "" {
			return "", nil
		}
		method, path = m.name, m.path
	}
	return method, path
}

// name is how errors and receipts call the request.
func (r *Request) name() string {
	method, path := r.method()
	return method + " " + path.shown()
}

// prepare makes the request with its values. Its error is an outcome: a value
// that may not stand where it should is Permanent.
func (c *connector) prepare(ctx context.Context, r *Request, v vars) (call.Request, error) {
	method, path := r.method()
	out := call.Request{Name: r.name(), Method: method, Header: http.Header{}}
	fail := func(err error) (call.Request, error) {
		if ctx.Err() != nil {
			return out, fmt.Errorf("%s: %w", out.Name, ctx.Err())
		}
		return out, bridge.Permanent(fmt.Errorf("%s: %w", out.Name, err))
	}
	address, err := c.address(ctx, path, v)
	if err != nil {
		return fail(err)
	}
	if len(r.Query) > 0 {
		query, err := values(ctx, r.Query, v)
		if err != nil {
			return fail(err)
		}
		address += "?" + query.Encode()
	}
	out.URL = address
	for _, headers := range []map[string]Text{c.recipe.HTTP.Headers, r.Headers} {
		for name, text := range headers {
			value, err := text.fill(ctx, v)
			if err != nil {
				return fail(err)
			}
			if strings.ContainsAny(value, "\r\n\x00") {
				return fail(fmt.Errorf("the header %s would hold a line break", name))
			}
			out.Header.Set(name, value)
		}
	}
	switch {
	case r.JSON != nil:
		if out.JSON, err = r.JSON.fill(ctx, v); err != nil {
			return fail(err)
		}
	case r.Form != nil:
		form, err := values(ctx, r.Form, v)
		if err != nil {
			return fail(err)
		}
		out.Body = []byte(form.Encode())
		out.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return out, nil
}

// once adds an idempotency key in the header of that name. The key is made of
// what is the same in every attempt, and differs from request to request.
func once(r *call.Request, header string, same ...string) {
	sum := sha256.Sum256([]byte(strings.Join(same, "\n")))
	key := hex.EncodeToString(sum[:16])
	if strings.EqualFold(header, "Idempotency-Key") {
		r.Key = key
	} else {
		r.Header.Set(header, key)
	}
}

// address is where a path leads. A url param and a literal host stand for
// themselves; everything else is escaped.
func (c *connector) address(ctx context.Context, path *Text, v vars) (string, error) {
	base, rest := c.base, *path
	if lead, ok := path.host(); ok {
		base = lead
		if name, isParam := strings.CutPrefix(lead, "params."); isParam {
			base = strings.TrimRight(c.params[name], "/")
			rest.parts = path.parts[1:]
		} else {
			rest.parts = slices.Clone(path.parts)
			rest.parts[0].literal = strings.TrimPrefix(rest.parts[0].literal, lead)
		}
	}
	p, err := rest.path(ctx, v)
	return base + p, err
}

// host returns what stands before the path in a text: a literal
// "https://host", or "params.name" if it begins with that param.
func (t *Text) host() (string, bool) {
	if len(t.parts) == 0 {
		return "", false
	}
	if e := t.parts[0].expr; e != nil {
		source := strings.TrimSpace(e.Source)
		name, ok := strings.CutPrefix(source, "params.")
		return source, ok && isName(name)
	}
	after, ok := strings.CutPrefix(t.parts[0].literal, "https://")
	if !ok {
		return "", false
	}
	host, _, _ := strings.Cut(after, "/")
	return "https://" + host, true
}

func isName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

func values(ctx context.Context, texts map[string]Text, v vars) (url.Values, error) {
	out := url.Values{}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		t := texts[name]
		s, err := t.fill(ctx, v)
		if err != nil {
			return nil, err
		}
		out.Set(name, s)
	}
	return out, nil
}

// exchange sends a request and says what its answer means. The error is that of
// an answer which never came; the class is judged by the caller.
func (c *connector) exchange(ctx context.Context, r call.Request, want accept, v vars) (answer, Class, string, error) {
	for again := false; ; again = true {
		if err := c.auth.authorise(ctx, &r); err != nil {
			return answer{}, usual, "", err
		}
		response, err := c.out.Send(ctx, r)
		if err != nil {
			return answer{}, usual, "", err
		}
		a := newAnswer(response, v, c.resets)
		class, needs, err := a.class(ctx, want, c.recipe.HTTP.Errors)
		if err != nil {
			return answer{}, usual, "", fmt.Errorf("%s: %w", r.Name, err)
		}
		if class == Reauth && !again && c.auth.renew(ctx, r) {
			continue
		}
		return a, class, needs, nil
	}
}

// succeed is exchange for a request that must succeed: every class but fine is
// an error, and so is one that says that there is nothing.
func (c *connector) succeed(ctx context.Context, r call.Request, want accept, v vars) (answer, error) {
	a, class, needs, err := c.exchange(ctx, r, want, v)
	switch {
	case err != nil:
		return a, err
	case class == fine:
		return a, nil
	case class == NotFound, class == AlreadyDone:
		return a, errNothing
	}
	return a, a.outcome(class, needs)
}

// errNothing says that what was asked for is not there.
var errNothing = errors.New("there is nothing")
