package server

import (
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"github.com/exeunt/exeunt/bridge/connector/saml"
)

// What one address may send to the desk for logout messages. An identity provider
// sends all of its own from one; a browser sends a few. Each is looked at before it
// is known from whom it is.
const (
	logoutRate  = 100 // in a second
	logoutBurst = 500
	logoutRoom  = 32 << 20 // bytes of bodies under way together
)

// mountSAML adds the routes of SAML, which anybody reaches: what comes there is
// believed by its signature, or not at all.
func (s *Server) mountSAML(e *echo.Echo) {
	slo := echo.WrapHandler(s.SAML)
	e.GET("/saml/slo", slo, s.neighbourly)
	e.POST("/saml/slo", slo, s.neighbourly, s.roomy)
	looks := []string{http.MethodGet, http.MethodHead}
	e.Match(looks, "/saml/metadata", echo.WrapHandler(http.HandlerFunc(s.SAML.Metadata)), s.neighbourly)
	for _, entry := range []string{"/saml/sso", "/saml/acs"} {
		e.Match([]string{http.MethodGet, http.MethodHead, http.MethodPost}, entry, echo.WrapHandler(http.HandlerFunc(s.SAML.NoEntry)), s.neighbourly)
	}
}

// ShowLogout writes one of the pages for people who are signed out.
func (s *Server) ShowLogout(w http.ResponseWriter, status int, which saml.Page) {
	s.pages.Logout(w, status, string(which)) // whoever hung up does not see it
}

// neighbourly keeps one address from crowding out the others.
func (s *Server) neighbourly(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if wait := s.neighbours.take(s.now.Load().client(c.Request()), s.Now()); wait > 0 {
			return s.tooMuch(c, "address", wait)
		}
		return next(c)
	}
}

// roomy reads a short body in a room of its own, so that nobody takes what
// sources need.
func (s *Server) roomy(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		h := hold{room: s.anybody}
		defer h.release()
		body, err := h.read(r.Body, r.ContentLength, saml.MaxBody)
		switch err {
		case nil:
		case errTooMuch:
			return tooLong(saml.MaxBody)
		case errNoRoom:
			return s.tooMuch(c, "memory", time.Second)
		default:
			return errCutOff
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		return next(c)
	}
}

// neighbours are the addresses that sent something, each with its rate.
type neighbours struct{ generations[*rate.Limiter] }

// take counts one request, and returns how long whoever sent it has to wait, or zero
// if it may be looked at.
func (n *neighbours) take(from netip.Addr, now time.Time) (wait time.Duration) {
	n.change(from, now, func(one *rate.Limiter) *rate.Limiter {
		if one == nil {
			one = rate.NewLimiter(logoutRate, logoutBurst)
		}
		if !one.AllowN(now, 1) {
			wait = time.Second
		}
		return one
	})
	return wait
}
