package server

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"github.com/exeunt/exeunt/bridge"
)

const requestHeader = "X-Request-Id"

// gate is what every request passes first: it gets an id, a log line and a
// figure in the metrics, and a panic in it ends as an error.
//
// The line says what was asked and how it ended. It holds no path, query,
// address or body: user names travel in filters.
func (s *Server) gate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		id := c.Request().Header.Get(requestHeader)
		if !saneID(id) {
			id = uuid.NewString()
		}
		header := c.Response().Header()
		header.Set(requestHeader, id)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")

		if err := s.contain(c, next); err != nil {
			if c.Response().Committed { // what was begun must not look whole
				defer panic(http.ErrAbortHandler)
			}
			c.Error(err)
		}

		took, status, route := time.Since(began), c.Response().Status, routeOf(c)
		s.Metrics.answered(route, methodOf(c), status, took)
		level := zerolog.InfoLevel
		if route == "/healthz" || route == "/readyz" || route == "/metrics" {
			level = zerolog.DebugLevel
		}
		line := s.Logger.WithLevel(level)
		if level < s.Logger.GetLevel() {
			return nil
		}
		line.Str("request", id).Str("method", methodOf(c)).Str("route", route).Int("status", status).
			Float64("ms", float64(took.Microseconds())/1000)
		if caller := callerIn(c); caller.Token != "" {
			if caller.Source != "" {
				line.Str("source", caller.Source)
			}
			line.Str("token", caller.Token)
		}
		line.Msg("answered")
		return nil
	}
}

// contain turns a panic into an internal error. The value is not logged, only
// its type and the stack: it may quote what the client sent.
func (s *Server) contain(c echo.Context, next echo.HandlerFunc) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			s.Metrics.panics.Inc()
			s.Logger.Error().Str("request", requestID(c)).Str("type", fmt.Sprintf("%T", p)).
				Bytes("stack", debug.Stack()).Msg("panic")
			err = errPanic
		}
	}()
	return next(c)
}

func requestID(c echo.Context) string { return c.Response().Header().Get(requestHeader) }

// saneID reports whether an id from outside may stand in logs and events.
func saneID(id string) bool {
	if len(id) < 8 || len(id) > 64 {
		return false
	}
	return strings.Trim(id, base62+"-_.") == ""
}

// routeOf is the route in a closed set of words, whatever was asked for.
func routeOf(c echo.Context) string {
	route := c.Path()
	rest, ok := strings.CutPrefix(c.Request().URL.Path, scimPath)
	if !ok || !strings.HasPrefix(route, scimPath) {
		return route
	}
	kind, id, _ := strings.Cut(strings.Trim(rest, "/"), "/")
	switch kind {
	case "Users", "Groups", "Schemas", "ResourceTypes":
		if id != "" {
			return scimPath + "/" + kind + "/:id"
		}
		return scimPath + "/" + kind
	case "ServiceProviderConfig", "Me", "Bulk", ".search":
		return scimPath + "/" + kind
	}
	return scimPath + "/*"
}

func methodOf(c echo.Context) string {
	switch m := c.Request().Method; m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return m
	}
	return "other"
}

// timed ends what takes so long that its answer would not arrive.
func (s *Server) timed(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ctx, cancel := context.WithTimeout(c.Request().Context(), s.GiveUp)
		defer cancel()
		c.SetRequest(c.Request().WithContext(ctx))
		return next(c)
	}
}

// paced keeps one source, or feed, from crowding out the others: a rate for each.
func (s *Server) paced(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if wait := s.charge(c.Request().Context(), (*pace).take); wait > 0 {
			return s.answerTooMuch(c, wait)
		}
		return next(c)
	}
}

// Charge counts what a request, which was counted itself, brings along against
// the rate of the source that calls. If something is owed already, it
// counts nothing and says how long to wait.
func (s *Server) Charge(ctx context.Context, requests int) time.Duration {
	return s.charge(ctx, func(p *pace) time.Duration { return p.owe(requests) })
}

func (s *Server) charge(ctx context.Context, count func(*pace) time.Duration) time.Duration {
	caller, _ := bridge.CallerFrom(ctx) // nobody's rate is not limited
	name := caller.Source
	if strings.HasPrefix(caller.Token, feedPrefix) { // which must not keep its source from speaking
		name = caller.Token
	}
	p := s.now.Load().paces[name]
	if p == nil {
		return 0
	}
	wait := count(p)
	if wait > 0 {
		s.Metrics.shed.WithLabelValues(caller.Source, "rate").Inc()
	}
	return wait
}

// pace is one source's rate.
type pace struct {
	mu sync.Mutex
	*rate.Limiter
}

// take takes one request out, if it is allowed.
func (p *pace) take() (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := p.Reserve()
	if wait = first.Delay(); wait > 0 {
		first.Cancel()
	}
	return wait
}

// owe takes n requests out, unless some are owed already; nothing more is
// allowed until they are worked off. So a Bulk that is longer than the burst is
// not refused for ever, and many at once are.
func (p *pace) owe(n int) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if wait = p.ReserveN(time.Now(), 0).Delay(); wait > 0 {
		return wait
	}
	for ; n > 0; n -= p.Burst() {
		p.ReserveN(time.Now(), min(n, p.Burst()))
	}
	return 0
}

// placed bounds the requests that are under way at once. Its place is taken
// when the body is here, so that whoever sends slowly takes none.
func (s *Server) placed(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		now := s.now.Load()
		select {
		case now.slots <- struct{}{}:
			defer func() { <-now.slots }()
			return next(c)
		default:
			return s.tooMuch(c, "queue", time.Second)
		}
	}
}

func (s *Server) tooMuch(c echo.Context, why string, wait time.Duration) error {
	s.Metrics.shed.WithLabelValues(callerIn(c).Source, why).Inc()
	return s.answerTooMuch(c, wait)
}

func (s *Server) answerTooMuch(c echo.Context, wait time.Duration) error {
	seconds := int(wait/time.Second) + 1
	c.Response().Header().Set("Retry-After", strconv.Itoa(seconds))
	return errTooMany
}

// pageHeaders are for what a browser shows.
func pageHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "+
			"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		return next(c)
	}
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
