package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

// Key is a token that the configuration names: any text, from wherever.
type Key struct {
	ID     string // for logs and events, such as "okta.1"
	Source string // "" for the operator's, and auditors'
	Kind   TokenKind
	Sum    [32]byte
}

// KeyOf makes a key of a token's text: a source's or, with source "", the
// operator's.
func KeyOf(id, source string, token bridge.Secret) Key {
	k := Key{ID: id, Source: source, Kind: SCIMToken, Sum: sha256.Sum256([]byte(token))}
	if source == "" {
		k.Kind = AdminToken
	}
	return k
}

// AuditorKey makes a key of an auditor's token.
func AuditorKey(name string, token bridge.Secret) Key {
	return Key{ID: "auditor." + name, Kind: AuditToken, Sum: sha256.Sum256([]byte(token))}
}

// feedPrefix is before a feed's name where a credential is named: no source's has it.
const feedPrefix = "feed:"

// FeedKey makes a key of the token of a feed, which speaks of a source's people.
func FeedKey(name, source string, token bridge.Secret) Key {
	return Key{ID: feedPrefix + name, Source: source, Kind: FeedToken, Sum: sha256.Sum256([]byte(token))}
}

// Tokens keeps the tokens that exeunt has issued; *store.Store has it.
type Tokens interface {
	// Token returns a token, revoked or not; KindNotFound if there is none.
	Token(ctx context.Context, id string) (store.Token, error)
	// Tokens returns a source's tokens, or with "" all, oldest first.
	Tokens(ctx context.Context, source string) ([]store.Token, error)
	// PutToken stores a new token together with the events that tell of it;
	// KindConflict if its source has room good ones with it already.
	PutToken(ctx context.Context, t store.Token, room int, events ...bridge.Event) error
	// RevokeToken makes a token worthless from now on.
	RevokeToken(ctx context.Context, id string, events ...bridge.Event) error
}

// Uses keeps when credentials were last used; *store.Store has it.
type Uses interface {
	// NoteUse notes that a credential is used now; cheap enough for every request.
	NoteUse(ctx context.Context, source, credential string) error
	// Uses returns when each was last used.
	Uses(ctx context.Context) ([]store.Use, error)
}

// reason is why a request was not let in: a closed set, for metrics and logs.
// Whoever sent it hears less.
type reason string

const (
	missing          reason = "missing"
	wrong            reason = "wrong" // no such token
	malformed        reason = "malformed"
	wrongIssuer      reason = "issuer"
	wrongAudience    reason = "audience"
	wrongClient      reason = "client"
	expired          reason = "expired"
	tooEarly         reason = "early"
	unknownKey       reason = "key"
	wrongSignature   reason = "signature"
	wrongCertificate reason = "certificate"
	ambiguous        reason = "ambiguous"   // more than one source's
	wrongAddress     reason = "address"     // right, but not from there
	noKeys           reason = "unreachable" // cannot be known now
)

// shown is what a request shows of who it is.
type shown struct {
	text  string // of its token; "" for none
	other bool   // there is an Authorization header, and none that is read here
	certs []*x509.Certificate
	from  netip.Addr
}

func (x shown) cert() *x509.Certificate {
	if len(x.certs) == 0 {
		return nil
	}
	return x.certs[0]
}

// who finds the caller, for the door of the given kind. The reason is "" if
// it may come in; err says that this is not known. A source that has to show
// more than a token has to show all of it.
func (s *Server) who(ctx context.Context, now *state, x shown, kind TokenKind) (bridge.Caller, reason, error) {
	if kind != SCIMToken { // these are never issued, only configured
		if caller, ok := now.byKey(x.text, kind); ok {
			return caller, "", nil
		}
		return bridge.Caller{}, wrong, nil
	}
	caller, why, err := s.sourceOf(ctx, now, x)
	if err != nil || why != "" {
		return bridge.Caller{}, why, err
	}
	source := now.Sources[caller.Source]
	if source.MTLS != nil && !source.MTLS.fits(x.certs, now.TLS.clients, s.Now()) {
		return bridge.Caller{}, wrongCertificate, nil
	}
	if len(source.Allow) > 0 && !contains(source.Allow, x.from) {
		return caller, wrongAddress, nil
	}
	if err := s.Uses.NoteUse(ctx, caller.Source, caller.Token); err != nil {
		s.Logger.Warn().Err(err).Str("token", caller.Token).Msg("the time of use could not be noted")
	}
	return caller, "", nil
}

// sourceOf finds the source of a token, or of a certificate if there is
// nothing else.
func (s *Server) sourceOf(ctx context.Context, now *state, x shown) (bridge.Caller, reason, error) {
	if x.text == "" && !x.other {
		source, why := now.byCertificate(x.certs, s.Now())
		return bridge.Caller{Source: source, Token: "mtls:" + source}, why, nil
	}
	if caller, ok := now.byKey(x.text, SCIMToken); ok {
		return caller, "", nil
	}
	if token, ok := ParseToken(x.text); ok && token.Kind == SCIMToken {
		return s.byIssued(ctx, now, token)
	}
	if len(now.rules) > 0 && looksLikeJWT(x.text) {
		r, why, err := now.byJWT(ctx, x.text, x.cert(), s.Now())
		if err != nil || why != "" {
			return bridge.Caller{}, why, err
		}
		return bridge.Caller{Source: r.source, Token: r.credential()}, "", nil
	}
	if x.text == "" {
		return bridge.Caller{}, missing, nil
	}
	return bridge.Caller{}, wrong, nil
}

// operatorName is what the log calls whoever has the administrator's token.
const operatorName = "operator"

// byKey finds the caller of a token that the configuration names. The operator
// may come in where auditors may.
func (s *state) byKey(text string, kind TokenKind) (caller bridge.Caller, ok bool) {
	sum := sha256.Sum256([]byte(text))
	if text == "" {
		return bridge.Caller{}, false
	}
	for _, k := range s.Keys { // all of them: how long it takes says nothing
		if subtle.ConstantTimeCompare(k.Sum[:], sum[:]) == 1 && (k.Kind == kind || k.Kind == AdminToken && kind == AuditToken) {
			caller, ok = bridge.Caller{Source: k.Source, Token: k.ID}, true
			if k.Source == "" {
				caller.Operator = map[TokenKind]string{AdminToken: operatorName, AuditToken: "auditor"}[k.Kind]
			}
		}
	}
	return caller, ok
}

// byIssued finds the caller of a token that exeunt has issued.
func (s *Server) byIssued(ctx context.Context, now *state, token Token) (bridge.Caller, reason, error) {
	issued, err := s.Tokens.Token(ctx, token.ID)
	switch {
	case bridge.IsKind(err, bridge.KindNotFound):
		return bridge.Caller{}, wrong, nil
	case err != nil:
		return bridge.Caller{}, "", err
	case subtle.ConstantTimeCompare(issued.Hash[:], token.Sum[:]) != 1, !issued.Revoked.IsZero():
		return bridge.Caller{}, wrong, nil
	}
	if _, known := now.paces[issued.Source]; !known {
		return bridge.Caller{}, wrong, nil // the source was taken out of the configuration
	}
	return bridge.Caller{Source: issued.Source, Token: issued.ID}, "", nil
}

// source lets only sources through, each as itself.
func (s *Server) source(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		now, text := s.now.Load(), bearer(c.Request())
		return s.admit(c, now, shown{text: text, certs: now.certificates(c.Request())}, SCIMToken, next)
	}
}

// feed lets only feeds through, each as its source.
func (s *Server) feed(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		return s.admit(c, s.now.Load(), shown{text: bearer(c.Request())}, FeedToken, next)
	}
}

// sourceOrNobody lets sources through, and whoever shows nothing at all.
func (s *Server) sourceOrNobody(next echo.HandlerFunc) echo.HandlerFunc {
	known := s.source(next)
	return func(c echo.Context) error {
		if c.Request().Header.Get("Authorization") == "" && len(s.now.Load().certificates(c.Request())) == 0 {
			return next(c)
		}
		return known(c)
	}
}

// operator lets only the operator through: the token as a bearer, or as the
// password of HTTP Basic with any user name, which is what browsers can do.
// Because browsers send that along with requests that other sites cause,
// changes must come from our own pages.
func (s *Server) operator(next echo.HandlerFunc) echo.HandlerFunc { return s.guard(AdminToken, next) }

// auditor lets auditors in, and the operator.
func (s *Server) auditor(next echo.HandlerFunc) echo.HandlerFunc { return s.guard(AuditToken, next) }

func (s *Server) guard(kind TokenKind, next echo.HandlerFunc) echo.HandlerFunc {
	crossOrigin := http.NewCrossOriginProtection()
	return func(c echo.Context) error {
		if err := crossOrigin.Check(c.Request()); err != nil {
			return bridge.Errorf(bridge.KindDenied, "requests that another site causes are refused")
		}
		text := bearer(c.Request())
		if text == "" {
			_, text, _ = c.Request().BasicAuth()
		}
		return s.admit(c, s.now.Load(), shown{text: text}, kind, next)
	}
}

func (s *Server) admit(c echo.Context, now *state, x shown, kind TokenKind, next echo.HandlerFunc) error {
	x.from = now.client(c.Request())
	x.other = x.text == "" && c.Request().Header.Get("Authorization") != ""
	caller, why, err := s.who(c.Request().Context(), now, x, kind)
	if kind != SCIMToken && x.text == "" {
		why = missing
	}
	if why != "" {
		return s.refuse(c, x, kind, why, caller.Source)
	}
	if later, ok := err.(unreachable); ok {
		return s.putOff(c, kind, later)
	}
	if err != nil {
		return err
	}
	caller.Request = requestID(c)
	c.Set(callerKey, caller)
	c.SetRequest(c.Request().WithContext(bridge.WithCaller(c.Request().Context(), caller)))
	return next(c)
}

// refuse says that credentials are missing or wrong, and no more than that. It
// is counted and logged with the network they came from, never with what they
// are; and whoever goes on with wrong ones is told to wait.
func (s *Server) refuse(c echo.Context, x shown, kind TokenKind, why reason, source string) error {
	s.Metrics.refused.WithLabelValues(string(kind), string(why)).Inc()
	if s.warns.Allow() {
		line := s.Logger.Warn().Str("request", requestID(c)).Str("door", string(kind)).Str("reason", string(why))
		if t, ok := ParseToken(x.text); ok {
			line = line.Str("token", t.ID)
		}
		if near := neighbourhood(x.from, 24, 48); near.IsValid() {
			line = line.Stringer("from", near)
		}
		if why == wrongAddress { // a source's own machine, and what the operator has to know
			line = line.Str("source", source).Stringer("address", x.from)
		}
		line.Msg("credentials refused")
	}
	switch why {
	case wrongAddress:
		return errElsewhere
	case missing: // browsers ask once without
	default:
		if wait := s.offenders.wrong(x.from, s.Now()); wait > 0 {
			s.Metrics.slowed.WithLabelValues(string(kind)).Inc()
			return s.later(c, wait, errTooOften)
		}
	}
	challenge := `Bearer realm="exeunt"`
	if why != missing {
		challenge += `, error="invalid_token"` // RFC 6750, section 3.1
	}
	if kind == AdminToken || kind == AuditToken {
		challenge = `Basic realm="exeunt: any name, the administrator's token as password", charset="UTF-8"`
	}
	c.Response().Header().Set("WWW-Authenticate", challenge)
	return errUnauthorized
}

// putOff says that credentials may be right, but that this cannot be known now.
func (s *Server) putOff(c echo.Context, kind TokenKind, u unreachable) error {
	s.Metrics.refused.WithLabelValues(string(kind), string(noKeys)).Inc()
	return s.later(c, u.wait, errNotNow)
}

func (s *Server) later(c echo.Context, wait time.Duration, err error) error {
	c.Response().Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	return err
}

// bearer returns the token of an Authorization header (RFC 6750, section 2.1);
// "" if there is none. Tokens in queries and bodies are not read: they would
// end in logs.
func bearer(r *http.Request) string {
	scheme, text, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || len(text) > maxJWT {
		return ""
	}
	return strings.TrimSpace(text)
}

const callerKey = "caller"

// callerIn returns who was let in; the zero Caller before that.
func callerIn(c echo.Context) bridge.Caller {
	caller, _ := c.Get(callerKey).(bridge.Caller)
	return caller
}
