package server

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// Readiness is one condition for being sent requests.
type Readiness struct {
	Name  string // "store", "engine", "log", "anchors"
	Check func(context.Context) error
	Warn  bool // that it does not hold is said, but is no reason to send no requests
}

// healthz says that the process lives, and nothing else: whoever restarts it
// because a database is down makes nothing better.
func (s *Server) healthz(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

// readyz says which conditions hold. Why one does not is in the log: anybody
// may ask here.
func (s *Server) readyz(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), 2*time.Second)
	defer cancel()
	status, word, checks := http.StatusOK, "ready", map[string]string{}
	for _, r := range s.Ready {
		checks[r.Name] = "ok"
		if err := r.Check(ctx); err != nil && r.Warn {
			checks[r.Name] = "late"
		} else if err != nil {
			status, word, checks[r.Name] = http.StatusServiceUnavailable, "not ready", "failed"
			s.Logger.Error().Str("check", r.Name).Err(err).Msg("not ready")
		}
	}
	return c.JSON(status, map[string]any{"status": word, "checks": checks})
}
