package server

import (
	"context"
	"crypto/rand"
	"maps"
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
	Used    *time.Time `json:"used,omitempty"` // last, to within minutes
	Revoked *time.Time `json:"revoked,omitempty"`
}

// ShowToken brings an issued token into the form in which it is shown.
func ShowToken(t store.Token) ShownToken {
	return ShownToken{ID: t.ID, Source: t.Source, Created: t.Created, Used: moment(t.Used), Revoked: moment(t.Revoked)}
}

// ShownCredential is what else sources may use, by the name that it has in logs
// and events: the configuration names it, and it is changed there.
type ShownCredential struct {
	Name   string     `json:"name"` // "okta.1" the first token, "jwt:…", "mtls:okta"
	Source string     `json:"source"`
	Used   *time.Time `json:"used,omitempty"` // last, to within minutes
}

// ShowCredentials lists the credentials that the configuration names.
func ShowCredentials(sources map[string]SourceConfig, uses []store.Use) []ShownCredential {
	list := []ShownCredential{}
	for _, source := range slices.Sorted(maps.Keys(sources)) {
		for _, name := range sources[source].credentials(source) {
			shown := ShownCredential{Name: name, Source: source}
			for _, u := range uses {
				if u.Source == source && u.Credential == name {
					shown.Used = moment(u.Used)
				}
			}
			list = append(list, shown)
		}
	}
	return list
}

// IssueToken makes a token for a source, and stores it with the event that
// tells of it. named is how many tokens the configuration names for that source:
// with these it may have [store.LiveTokens]. The text in the answer is kept nowhere.
func IssueToken(ctx context.Context, tokens Tokens, source string, named int, now time.Time) (ShownToken, error) {
	text, t := NewToken(SCIMToken)
	kept := store.Token{ID: t.ID, Source: source, Hash: t.Sum, Created: now.UTC().Truncate(time.Microsecond)}
	if err := tokens.PutToken(ctx, kept, store.LiveTokens-named, tokenEvent(bridge.TokenIssued, kept, now)); err != nil {
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
	f.Operator = operatorName
	e := bridge.Event{At: now.UTC().Truncate(time.Microsecond), Type: what, Facts: f}
	rand.Read(e.ID[:]) // never fails
	return e
}

// listTokens answers GET /v1/tokens?source=okta: the tokens that were issued,
// and what else the configuration names.
func (s *Server) listTokens(c echo.Context) error {
	tokens, err := s.Tokens.Tokens(c.Request().Context(), c.QueryParam("source"))
	if err != nil {
		return err
	}
	list := []ShownToken{}
	for _, t := range tokens {
		list = append(list, ShowToken(t))
	}
	uses, err := s.Uses.Uses(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"tokens": list, "configured": ShowCredentials(s.now.Load().Sources, uses)})
}

// issueToken answers POST /v1/tokens with {"source": "okta"}.
func (s *Server) issueToken(c echo.Context) error {
	var body struct {
		Source string `json:"source"`
	}
	if !readJSON(c, &body) || body.Source == "" {
		return bridge.Errorf(bridge.KindInvalid, `the body must be {"source": "name"}`)
	}
	now := s.now.Load()
	if !slices.Contains(now.Knows, body.Source) {
		return &bridge.Error{Kind: bridge.KindInvalid, Field: "source", Message: "is not in the configuration; add it under sources first"}
	}
	shown, err := IssueToken(c.Request().Context(), s.Tokens, body.Source, len(now.Sources[body.Source].Token), s.Now())
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
