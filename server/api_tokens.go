package server

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

// ShownToken is an issued token as the API and the command line show it.
type ShownToken struct {
	ID      string     `json:"id"`
	Source  string     `json:"source"`
	Token   string     `json:"token,omitempty"` // its text: only in the answer that issues it
	Created time.Time  `json:"created"`
	Used    *time.Time `json:"used,omitempty"` // the day it was last used
	Revoked *time.Time `json:"revoked,omitempty"`
}

// ShowToken brings an issued token into the form in which it is shown.
func ShowToken(t store.Token) ShownToken {
	return ShownToken{ID: t.ID, Source: t.Source, Created: t.Created, Used: moment(t.Used), Revoked: moment(t.Revoked)}
}

// IssueToken makes a token for a source, and stores it with the event that
// tells of it. The text in the answer is kept nowhere.
func IssueToken(ctx context.Context, tokens Tokens, source string, now time.Time) (ShownToken, error) {
	text, t := NewToken(SCIMToken)
	kept := store.Token{ID: t.ID, Source: source, Hash: t.Sum, Created: now.UTC().Truncate(time.Microsecond)}
	if err := tokens.PutToken(ctx, kept, tokenEvent(bridge.TokenIssued, kept, now)); err != nil {
		return ShownToken{}, err
	}
	shown := ShowToken(kept)
	shown.Token = text
	return shown, nil
}

// RevokeToken makes a token worthless, together with the event that tells of it.
func RevokeToken(ctx context.Context, tokens Tokens, id string, now time.Time) error {
	t, err := tokens.Token(ctx, id)
	if err != nil {
		return err
	}
	return tokens.RevokeToken(ctx, id, tokenEvent(bridge.TokenRevoked, t, now))
}

func tokenEvent(what bridge.EventType, t store.Token, now time.Time) bridge.Event {
	return operatorEvent(what, now, bridge.Facts{Source: t.Source, Token: t.ID})
}

// ConfigLoaded is the event of a configuration with that many apps that is
// used from now on.
func ConfigLoaded(now time.Time, apps int) bridge.Event {
	return operatorEvent(bridge.ConfigLoaded, now, bridge.Facts{Count: apps})
}

// operatorEvent is an event that the operator brought about.
func operatorEvent(what bridge.EventType, now time.Time, f bridge.Facts) bridge.Event {
	f.Operator = "operator"
	e := bridge.Event{At: now.UTC().Truncate(time.Microsecond), Type: what, Facts: f}
	rand.Read(e.ID[:]) // never fails
	return e
}

// listTokens answers GET /v1/tokens?source=okta.
func (s *Server) listTokens(c echo.Context) error {
	tokens, err := s.Tokens.Tokens(c.Request().Context(), c.QueryParam("source"))
	if err != nil {
		return err
	}
	list := []ShownToken{}
	for _, t := range tokens {
		list = append(list, ShowToken(t))
	}
	return c.JSON(http.StatusOK, map[string]any{"tokens": list})
}

// issueToken answers POST /v1/tokens with {"source": "okta"}.
func (s *Server) issueToken(c echo.Context) error {
	var body struct {
		Source string `json:"source"`
	}
	if !readJSON(c, &body) || body.Source == "" {
		return bridge.Errorf(bridge.KindInvalid, `the body must be {"source": "name"}`)
	}
	if !slices.Contains(s.now.Load().Knows, body.Source) {
		return &bridge.Error{Kind: bridge.KindInvalid, Field: "source", Message: "is not in the configuration; add it under sources first"}
	}
	shown, err := IssueToken(c.Request().Context(), s.Tokens, body.Source, s.Now())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, shown)
}

// revokeToken answers DELETE /v1/tokens/{id}.
func (s *Server) revokeToken(c echo.Context) error {
	if err := RevokeToken(c.Request().Context(), s.Tokens, c.Param("id"), s.Now()); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
