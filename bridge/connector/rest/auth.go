package rest

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

// authority puts our credentials on requests.
type authority interface {
	// authorise adds the credentials; its error is an outcome.
	authorise(ctx context.Context, r *call.Request) error
	// renew forgets the token with which r was refused; false if no other is to
	// be had.
	renew(ctx context.Context, r call.Request) bool
}

// fixed is one header that never changes; the zero value is none.
type fixed struct{ name, value string }

func (f fixed) authorise(_ context.Context, r *call.Request) error {
	if f.name != "" {
		r.Header.Set(f.name, f.value)
	}
	return nil
}

func (fixed) renew(context.Context, call.Request) bool { return false }

// granted is a token of OAuth 2.0's client credentials grant (RFC 6749, section
// 4.4), kept until shortly before it expires.
type granted struct {
	out     sender
	request call.Request // for a token; holds our credentials
	now     func() time.Time

	turn    chan struct{} // holds one value while somebody uses what follows
	token   string
	expires time.Time
}

const (
	defaultExpiry = 5 * time.Minute  // of a token that does not say
	earlier       = 30 * time.Second // than it expires, it is renewed
)

func (g *granted) authorise(ctx context.Context, r *call.Request) error {
	if err := g.enter(ctx); err != nil {
		return err
	}
	defer g.leave()
	if g.token == "" || !g.now().Before(g.expires) {
		if err := g.fetch(ctx); err != nil {
			return err
		}
	}
	r.Header.Set("Authorization", "Bearer "+g.token)
	return nil
}

func (g *granted) renew(ctx context.Context, r call.Request) bool {
	if g.enter(ctx) != nil {
		return false
	}
	defer g.leave()
	if r.Header.Get("Authorization") == "Bearer "+g.token { // else somebody has been here
		g.token = ""
	}
	return true
}

// enter waits for its turn, no longer than ctx lasts.
func (g *granted) enter(ctx context.Context) error {
	select {
	case g.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", g.request.Name, ctx.Err())
	}
}

func (g *granted) leave() { <-g.turn }

func (g *granted) fetch(ctx context.Context) error {
	begun := g.now()
	response, err := g.out.Send(ctx, g.request)
	if err != nil {
		return err
	}
	if err := response.Outcome(); err != nil {
		return err
	}
	var body struct {
		Token     string `json:"access_token"`
		ExpiresIn int64  `json:"expires_in"`
	}
	if err := response.Decode(&body); err != nil {
		return err
	}
	if body.Token == "" {
		return bridge.Permanent(fmt.Errorf("%s answered without a token", g.request.Name))
	}
	lasts := time.Duration(min(body.ExpiresIn, 24*60*60)) * time.Second
	if body.ExpiresIn <= 0 {
		lasts = defaultExpiry
	}
	g.token, g.expires = body.Token, begun.Add(lasts-min(earlier, lasts/10))
	return nil
}

// newAuthority reads auth; secrets and params are complete.
func (c *connector) newAuthority(secrets map[string]bridge.Secret) (authority, error) {
	a, ctx := c.recipe.Auth, context.Background()
	v := vars{"params": c.params}
	secret := func(s *SecretName) string { return string(secrets[s.Secret]) }
	switch a.Kind {
	case "none":
		return fixed{}, nil
	case "basic":
		name, err := a.Username.fill(ctx, v)
		return fixed{"Authorization", "Basic " + basic(name, secret(a.Password))}, err
	case "bearer":
		return fixed{"Authorization", "Bearer " + secret(a.Token)}, nil
	case "header":
		return fixed{http.CanonicalHeaderKey(a.Name), a.Prefix + secret(a.Value)}, nil
	}
	address, err := c.address(ctx, a.TokenURL, v)
	if err != nil {
		return nil, err
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if a.Scope != "" {
		form.Set("scope", a.Scope)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Extra)) {
		text := a.Extra[name]
		value, err := text.fill(ctx, v)
		if err != nil {
			return nil, err
		}
		form.Set(name, value)
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	id, key := secret(a.ClientID), secret(a.ClientSecret)
	if a.SendIn == "body" {
		form.Set("client_id", id)
		form.Set("client_secret", key)
	} else {
		header.Set("Authorization", "Basic "+basic(url.QueryEscape(id), url.QueryEscape(key)))
	}
	return &granted{out: c.out, now: c.now, turn: make(chan struct{}, 1), request: call.Request{
		Name: "POST " + a.TokenURL.shown(), Method: http.MethodPost, URL: address, Header: header,
		Body: []byte(form.Encode()),
	}}, nil
}

func basic(name, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(name + ":" + password))
}
