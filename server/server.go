package server

import (
	"context"
	"crypto/tls"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/saml"
	"github.com/exeunt/exeunt/scim"
	"github.com/exeunt/exeunt/server/page"
)

// Operations is what an operator may ask of the bridge; *bridge.Bridge has it.
type Operations interface {
	// RetryCase sends the stuck actions of a case on their way again.
	RetryCase(ctx context.Context, id string) (bridge.Case, error)
	// AcceptRestore orders the restore that is offered on one app.
	AcceptRestore(ctx context.Context, id, app string) (bridge.Case, error)
}

// Reader reads the store; every [bridge.Store] has it.
type Reader interface {
	View(ctx context.Context, fn func(bridge.Tx) error) error
}

// Options is what a [Server] needs. SCIM, Operations, Store, Tokens and Uses
// are required.
type Options struct {
	SCIM       http.Handler // sees paths below /scim/v2
	Operations Operations
	Erasing    Erasing
	Holding    Holding
	Retaining  Retaining
	Linking    Linking
	Feeding    Feeding
	PublicURL  string // where they reach us; "" if nobody knows
	Store      Reader
	Tokens     Tokens
	Uses       Uses
	SAML       *saml.Desk   // where logout messages arrive; nil for none
	Console    http.Handler // the job console, mounted at ConsolePath; nil for none
	// Checkpoint returns the newest signed checkpoint of the log; KindNotFound
	// if there is none yet.
	Checkpoint func(context.Context) ([]byte, error)
	// Sign seals and signs what the log holds now, and returns that checkpoint.
	Sign     func(context.Context) ([]byte, error)
	LogKey   string // the log's public key
	Policy   []byte // which witnesses the log has; nil for none
	Log      Log
	Evidence Evidence
	// Note appends an event to the log.
	Note func(context.Context, bridge.Event) error
	// Replay has an export begin again at a position of the log.
	Replay func(ctx context.Context, export string, from int64) error
	// EndEpoch ends the current key epoch, and returns the number of the new one.
	EndEpoch func(context.Context) (int64, error)
	Ready    []Readiness
	GiveUp   time.Duration    // how long a SCIM request may take; 0 for 55 seconds
	Now      func() time.Time // nil for time.Now
	Metrics  *Metrics         // nil for a fresh one
	Logger   zerolog.Logger
}

// ConsolePath is where the job console is mounted, whole path included.
const ConsolePath = "/console/river"

// Settings is what may change while the server runs.
type Settings struct {
	Keys      []Key                     // tokens that the configuration names
	Knows     []string                  // names of the sources that may speak to us
	Sources   map[string]SourceConfig   // what else they show, and from where they may call
	Feeds     map[string]FeedConfig     // who may tell of sessions
	Proxies   []Network                 // whose word about a client counts
	ProxyCert bool                      // also about its certificate
	TLS       TLSConfig                 // of the listener
	Limit     LimitsConfig              // all fields set
	JWKS      []byte                    // our public keys in OpenID Connect; nil for none
	Retained  map[string]RetainedConfig // purposes
	Laws      bridge.Lawbook
	Law       string        // of requests that name none
	SLA       time.Duration // by when every app is to be shut; 0: not measured
}

// Server answers everything that comes in.
type Server struct {
	Options
	now       atomic.Pointer[state]
	echo      *echo.Echo
	warns     *rate.Limiter // log lines about refused credentials
	offenders offenders
	lookups   *rate.Limiter
	pages     *page.Pages

	neighbours neighbours
	anybody    *room // for bodies of whoever is not known yet
}

// state is one set of settings and what was made of it.
type state struct {
	Settings
	paces     map[string]*pace // of sources, and of feeds
	slots     chan struct{}    // SCIM requests under way
	room      *room            // for their bodies
	rules     []rule           // for access tokens
	issuers   map[string]*issuer
	handshake *tls.Config // nil without TLS
}

// New returns a server with all routes; it does not listen.
func New(o Options, s Settings) *Server {
	if o.Metrics == nil {
		o.Metrics = NewMetrics()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.GiveUp == 0 {
		o.GiveUp = writeTimeout - 5*time.Second
	}
	srv := &Server{Options: o, warns: rate.NewLimiter(5, 20), lookups: lookups(), pages: page.New(), anybody: &room{size: logoutRoom}}
	srv.Apply(s)
	srv.routes()
	return srv
}

// Apply replaces the settings. Requests under way end under the old ones.
func (s *Server) Apply(settings Settings) {
	next := &state{Settings: settings, paces: map[string]*pace{}, room: newRoom(settings.Limit.Body)}
	next.slots = make(chan struct{}, settings.Limit.Queue)
	for _, name := range append(slices.Clone(settings.Knows), feedNames(settings.Feeds)...) {
		next.paces[name] = &pace{Limiter: rate.NewLimiter(rate.Limit(settings.Limit.Rate), settings.Limit.Burst)}
	}
	var before map[string]*issuer // keeps its keys
	if last := s.now.Load(); last != nil {
		before = last.issuers
	}
	next.rules, next.issuers = rulesOf(settings.Sources, before, s.issuerOf)
	next.handshake = settings.handshake()
	s.now.Store(next)
}

func (s *Server) issuerOf(j *JWTConfig) *issuer {
	return &issuer{name: j.Issuer, jwks: j.JWKS, egress: j.Egress, now: s.Now, log: s.Logger, metrics: s.Metrics}
}

// routes is every route there is. What is not SCIM, health, metrics or public keys
// is behind the operator's guard, and so is what does not exist.
func (s *Server) routes() {
	e := echo.New()
	e.HTTPErrorHandler = s.answerError
	e.Use(s.gate)

	looks := []string{http.MethodGet, http.MethodHead}
	e.Match(looks, "/healthz", s.healthz)
	e.Match(looks, "/readyz", s.readyz)
	e.Match(looks, "/metrics", echo.WrapHandler(s.Metrics.handler()))

	e.Match(looks, "/oidc/jwks", s.jwks)
	e.Match(looks, erasePath, s.askErase)
	e.POST(erasePath, s.erase)

	if s.SAML != nil {
		s.mountSAML(e)
	}

	people := echo.WrapHandler(http.StripPrefix(scim.Mount, s.SCIM))
	door := []echo.MiddlewareFunc{s.timed, s.source, s.paced, s.sized, s.placed}
	// RFC 7643, section 5: how to come in must be known before one is in. A body is
	// not read: nobody may take room that sources need.
	e.Match(looks, scimPath+"/ServiceProviderConfig", people, s.timed, s.sourceOrNobody, s.paced, s.placed)
	e.Any(scimPath, people, door...)
	e.Any(scimPath+"/*", people, door...)

	e.POST("/v1/sessions", s.tellSessions, s.timed, s.feed, s.paced, s.sized, s.placed)

	shown := e.Group("", s.auditor)
	shown.GET("/v1/cases/:id/certificate", s.certify)
	shown.GET("/v1/erasures/:id/certificate", s.certify)
	shown.GET("/v1/evidence/population", s.survey)
	shown.GET("/v1/log/checkpoint", func(c echo.Context) error { return answerNote(c, s.Checkpoint) })
	shown.GET("/v1/log/proof/inclusion", s.proveInclusion)
	shown.GET("/v1/log/proof/consistency", s.proveConsistency)
	shown.GET("/v1/log/tile/*", s.logTile)
	shown.GET("/v1/log/events", s.logEvents)

	guarded := e.Group("", s.operator)
	guarded.GET("/v1/cases", s.listCases)
	guarded.GET("/v1/cases/:id", s.showCase)
	guarded.POST("/v1/cases/:id/retry", s.retryCase)
	guarded.POST("/v1/cases/:id/restore", s.restoreCase)
	guarded.GET("/v1/sessions", s.listSessions)
	guarded.POST("/v1/log/checkpoint", func(c echo.Context) error { return answerNote(c, s.Sign) })
	guarded.POST("/v1/keys/epoch", s.endEpoch)
	guarded.POST("/v1/backups", s.backupMade)
	guarded.POST("/v1/erasures/links", s.makeLink)
	guarded.GET("/v1/erasures", s.listErasures)
	guarded.POST("/v1/erasures", s.requestErasure)
	guarded.GET("/v1/erasures/:id", s.showErasure)
	guarded.POST("/v1/erasures/:id/verify", s.aboutErasure(Erasing.VerifyErasure))
	guarded.POST("/v1/erasures/:id/approve", s.aboutErasure(Erasing.ApproveErasure))
	guarded.POST("/v1/erasures/:id/refuse", s.wordErasure("reason", Erasing.RefuseErasure))
	guarded.POST("/v1/erasures/:id/acknowledge", s.wordErasure("app", Erasing.AcknowledgeErasure))
	guarded.POST("/v1/erasures/:id/extend", s.aboutErasure(Erasing.ExtendErasure))
	guarded.GET("/v1/holds", s.listHolds)
	guarded.POST("/v1/holds", s.placeHold)
	guarded.POST("/v1/holds/:id/lift", s.liftHold)
	guarded.POST("/v1/holds/:id/review", s.reviewHold)
	guarded.GET("/v1/retained", s.listRetained)
	guarded.POST("/v1/retained", s.askRetained)
	guarded.POST("/v1/retained/lookup", s.lookUpRetained)
	guarded.DELETE("/v1/retained/:id", s.destroyRetained)
	guarded.POST("/v1/exports/:name/replay", s.replay)
	guarded.GET("/v1/tokens", s.listTokens)
	guarded.POST("/v1/tokens", s.issueToken)
	guarded.DELETE("/v1/tokens/:id", s.revokeToken)
	if s.Console != nil {
		console := echo.WrapHandler(s.Console)
		guarded.Any(ConsolePath, console, pageHeaders)
		guarded.Any(ConsolePath+"/*", console, pageHeaders)
		guarded.GET("/", func(c echo.Context) error { return c.Redirect(http.StatusFound, ConsolePath+"/") })
	}
	guarded.Any("/*", func(echo.Context) error { return echo.ErrNotFound })
	s.echo = e
}

const scimPath = scim.Mount

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

// writeTimeout is how long after a request's head its answer is cut off. The
// door gives up before, so that it can say so, and say of a Bulk what was done.
const writeTimeout = 60 * time.Second

// HTTP returns a server with time and size limits for s. Its ErrorLog is
// silent: it would repeat what clients send.
func (s *Server) HTTP() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          quiet(),
	}
}
