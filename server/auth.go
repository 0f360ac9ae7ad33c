package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

// Key is a token that the configuration names: any text, from wherever.
type Key struct {
	ID     string // for logs and events, such as "okta.1"
	Source string // "" for the operator's
	Sum    [32]byte
}

// KeyOf makes a key of a token's text.
func KeyOf(id, source string, token bridge.Secret) Key {
	return Key{ID: id, Source: source, Sum: sha256.Sum256([]byte(token))}
}

// Tokens keeps the tokens that exeunt has issued; *store.Store has it.
type Tokens interface {
	// Token returns a token, revoked or not; KindNotFound if there is none.
	Token(ctx context.Context, id string) (store.Token, error)
	// Tokens returns a source's tokens, or with "" all, oldest first.
	Tokens(ctx context.Context, source string) ([]store.Token, error)
	// PutToken stores a new token together with the events that tell of it.
	PutToken(ctx context.Context, t store.Token, events ...bridge.Event) error
	// RevokeToken makes a token worthless from now on.
	RevokeToken(ctx context.Context, id string, events ...bridge.Event) error
	// TouchToken notes that a token was used today; cheap enough for every request.
	TouchToken(ctx context.Context, id string) error
}

// who finds the caller of a token, for the door of the given kind. ok is false
// if the token opens nothing; err says that this is not known.
func (s *Server) who(ctx context.Context, text string, kind TokenKind) (caller bridge.Caller, ok bool, err error) {
	now := s.now.Load()
	sum := sha256.Sum256([]byte(text))
	for _, k := range now.Keys { // all of them: how long it takes says nothing
		if subtle.ConstantTimeCompare(k.Sum[:], sum[:]) == 1 && (k.Source == "") == (kind == AdminToken) {
			caller, ok = callerOf(k.Source, k.ID), true
		}
	}
	if ok {
		return caller, true, nil
	}
	token, wellFormed := ParseToken(text)
	if !wellFormed || token.Kind != kind || kind != SCIMToken {
		return bridge.Caller{}, false, nil // the operator's token is never issued, only configured
	}
	issued, err := s.Tokens.Token(ctx, token.ID)
	switch {
	case bridge.IsKind(err, bridge.KindNotFound):
		return bridge.Caller{}, false, nil
	case err != nil:
		return bridge.Caller{}, false, err
	case subtle.ConstantTimeCompare(issued.Hash[:], token.Sum[:]) != 1, !issued.Revoked.IsZero():
		return bridge.Caller{}, false, nil
	}
	if _, known := now.sources[issued.Source]; !known {
		return bridge.Caller{}, false, nil // the source was taken out of the configuration
	}
	if err := s.Tokens.TouchToken(ctx, issued.ID); err != nil {
		s.Logger.Warn().Err(err).Str("token", issued.ID).Msg("the day of use could not be noted")
	}
	return callerOf(issued.Source, issued.ID), true, nil
}

func callerOf(source, token string) bridge.Caller {
	if source == "" {
		return bridge.Caller{Operator: "operator", Token: token}
	}
	return bridge.Caller{Source: source, Token: token}
}

// source lets only sources through, each as itself.
func (s *Server) source(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		text, _ := bearer(c.Request())
		return s.admit(c, text, SCIMToken, next)
	}
}

// operator lets only the operator through: the token as a bearer, or as the
// password of HTTP Basic with any user name, which is what browsers can do.
// Because browsers send that along with requests that other sites cause,
// changes must come from our own pages.
func (s *Server) operator(next echo.HandlerFunc) echo.HandlerFunc {
	crossOrigin := http.NewCrossOriginProtection()
	return func(c echo.Context) error {
		if err := crossOrigin.Check(c.Request()); err != nil {
			return bridge.Errorf(bridge.KindDenied, "requests that another site causes are refused")
		}
		text, ok := bearer(c.Request())
		if !ok {
			_, text, _ = c.Request().BasicAuth()
		}
		return s.admit(c, text, AdminToken, next)
	}
}

func (s *Server) admit(c echo.Context, text string, kind TokenKind, next echo.HandlerFunc) error {
	var (
		caller bridge.Caller
		ok     bool
		err    error
	)
	if text != "" {
		if caller, ok, err = s.who(c.Request().Context(), text, kind); err != nil {
			return err
		}
	}
	if !ok {
		return s.refuse(c, text, kind)
	}
	caller.Request = requestID(c)
	c.Set(callerKey, caller)
	c.SetRequest(c.Request().WithContext(bridge.WithCaller(c.Request().Context(), caller)))
	return next(c)
}

// refuse says that credentials are missing or wrong, and no more than that.
func (s *Server) refuse(c echo.Context, text string, kind TokenKind) error {
	reason := "wrong"
	if text == "" {
		reason = "missing"
	}
	s.Metrics.refused.WithLabelValues(string(kind), reason).Inc()
	if s.warns.Allow() {
		line := s.Logger.Warn().Str("request", requestID(c)).Str("door", string(kind)).Str("reason", reason)
		if t, ok := ParseToken(text); ok {
			line = line.Str("token", t.ID)
		}
		line.Msg("credentials refused")
	}
	challenge := `Bearer realm="exeunt"`
	if kind == AdminToken {
		challenge = `Basic realm="exeunt: any name, the administrator's token as password", charset="UTF-8"`
	}
	c.Response().Header().Set("WWW-Authenticate", challenge)
	return errUnauthorized
}

// bearer returns the token of an Authorization header (RFC 6750, section 2.1).
// Tokens in queries and bodies are not read: they would end in logs.
func bearer(r *http.Request) (string, bool) {
	scheme, text, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || len(text) > 4096 {
		return "", false
	}
	return strings.TrimSpace(text), true
}

const callerKey = "caller"

// callerIn returns who was let in; the zero Caller before that.
func callerIn(c echo.Context) bridge.Caller {
	caller, _ := c.Get(callerKey).(bridge.Caller)
	return caller
}
