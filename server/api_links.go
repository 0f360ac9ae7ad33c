package server

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/server/page"
)

const (
	erasePath   = "/erase/:token"
	linkGood    = 7 * 24 * time.Hour
	linkLongest = 31 * 24 * time.Hour
)

// Linking makes the links by which people ask for themselves to be forgotten, and
// takes their requests.
type Linking interface {
	// MakeLink makes a link for somebody; see [bridge.Bridge.MakeLink].
	MakeLink(ctx context.Context, person, caseID, law, secret string, good time.Duration) (bridge.Link, error)
	// EraseByLink takes down the request of whoever comes by a link; KindNotFound
	// if the link is not good.
	EraseByLink(ctx context.Context, secret string) error
}

// Link is a link as the API and the command line show it, this once.
type Link struct {
	URL     string    `json:"url"` // to be sent to the person, and to nobody else
	Expires time.Time `json:"expires"`
}

// makeLink answers POST /v1/erasures/links with {"case": "…"} or {"person": "…"},
// and maybe "law" and "good_for" ("168h").
func (s *Server) makeLink(c echo.Context) error {
	var body struct {
		Case    string `json:"case"`
		Person  string `json:"person"`
		Law     string `json:"law"`
		GoodFor string `json:"good_for"`
	}
	if !readJSON(c, &body) || (body.Case == "") == (body.Person == "") {
		return bridge.Errorf(bridge.KindInvalid, `the body must be {"case": "id"} or {"person": "id"}; it may have law and good_for`)
	}
	if s.PublicURL == "" {
		return bridge.Errorf(bridge.KindInvalid, "a link needs an address that people can reach: set public_url in the configuration")
	}
	now, good := s.now.Load(), linkGood
	if body.GoodFor != "" {
		var err error
		if good, err = time.ParseDuration(body.GoodFor); err != nil || good <= 0 || good > linkLongest {
			return &bridge.Error{Kind: bridge.KindInvalid, Field: "good_for", Message: "is a time such as 168h, at most 744h"}
		}
	}
	if body.Law == "" {
		body.Law = now.Law
	}
	if _, err := now.Laws.Law(body.Law); err != nil {
		return err
	}
	secret := randomBase62(32, secretLen)
	l, err := s.Linking.MakeLink(c.Request().Context(), body.Person, body.Case, body.Law, secret, good)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, Link{strings.TrimSuffix(s.PublicURL, "/") + "/erase/" + secret, l.Expires})
}

// askErase answers GET /erase/{token}: the same page for every link, also for one
// that is not good. It looks at nothing and changes nothing, because programs that
// look for harm in mail open links too.
func (s *Server) askErase(c echo.Context) error {
	return s.pages.Erase(c.Response(), http.StatusOK, page.Ask)
}

// erase answers POST /erase/{token}: what the page sends. Every link that is not
// good is answered alike.
func (s *Server) erase(c echo.Context) error {
	if err := http.NewCrossOriginProtection().Check(c.Request()); err != nil {
		return s.pages.Erase(c.Response(), http.StatusNotFound, page.NotGood)
	}
	err := error(bridge.Errorf(bridge.KindNotFound, "there is no such link"))
	if secret := c.Param("token"); len(secret) == secretLen && isBase62(secret) {
		err = s.Linking.EraseByLink(c.Request().Context(), secret)
	}
	switch {
	case err == nil:
		return s.pages.Erase(c.Response(), http.StatusOK, page.Received)
	case !bridge.IsKind(err, bridge.KindNotFound):
		s.Logger.Error().Str("request", requestID(c)).Str("route", erasePath).Err(err).Msg("a request by a link could not be taken down")
		return s.pages.Erase(c.Response(), http.StatusServiceUnavailable, page.Failed)
	}
	if wait := s.offenders.wrong(s.now.Load().client(c.Request()), s.Now()); wait > 0 {
		s.Metrics.slowed.WithLabelValues("link").Inc()
		c.Response().Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
		return s.pages.Erase(c.Response(), http.StatusTooManyRequests, page.Slow)
	}
	return s.pages.Erase(c.Response(), http.StatusNotFound, page.NotGood)
}
