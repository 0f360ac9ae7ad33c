package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/scim"
)

// Mistakes of requests that no bridge.Kind stands for.
var (
	errUnauthorized = echo.NewHTTPError(http.StatusUnauthorized, "the credentials are missing or wrong")
	errTooOften     = echo.NewHTTPError(http.StatusTooManyRequests, "the credentials are wrong, and were so too often; mend them before you try again")
	errElsewhere    = echo.NewHTTPError(http.StatusForbidden, "this source may not call from this address; allow it in the configuration, or call from where it is allowed")
	errNotNow       = echo.NewHTTPError(http.StatusServiceUnavailable, "whether these credentials are right cannot be known now; try again later")
	errTooMany      = echo.NewHTTPError(http.StatusTooManyRequests, "too many requests; try again later")
	errCutOff       = echo.NewHTTPError(http.StatusBadRequest, "the request body ended early or took too long")
	errPanic        = errors.New("panic")
)

// tooLong names the limit, as RFC 7644, section 3.7.4, demands.
func tooLong(limit int64) error {
	return echo.NewHTTPError(http.StatusRequestEntityTooLarge, "the request body is longer than "+strconv.FormatInt(limit, 10)+" bytes (maxPayloadSize); send less at once")
}

// statusOf maps an error to an HTTP status and to what may be said about it.
// It is the only place where that is decided for anything but SCIM resources.
func statusOf(err error) (int, string) {
	var known *bridge.Error
	if errors.As(err, &known) {
		switch known.Kind {
		case bridge.KindInvalid:
			return http.StatusBadRequest, known.Error()
		case bridge.KindNotFound:
			return http.StatusNotFound, known.Error()
		case bridge.KindConflict:
			return http.StatusConflict, known.Error()
		case bridge.KindStale:
			return http.StatusPreconditionFailed, known.Error()
		case bridge.KindDenied:
			return http.StatusForbidden, known.Error()
		case bridge.KindBusy:
			return http.StatusTooManyRequests, known.Error()
		}
	}
	var web *echo.HTTPError
	if errors.As(err, &web) && (web.Code < 500 || web == errNotNow) {
		if text, ok := web.Message.(string); ok {
			return web.Code, text
		}
		return web.Code, http.StatusText(web.Code)
	}
	return http.StatusInternalServerError, "something went wrong here; the log has it under the request id"
}

// answerError is the way out for every error that a handler returned.
func (s *Server) answerError(err error, c echo.Context) {
	status, detail := statusOf(err)
	if status == http.StatusInternalServerError && !errors.Is(err, errPanic) {
		s.Logger.Error().Str("request", requestID(c)).Str("route", routeOf(c)).Err(err).Msg("internal error")
	}
	if c.Response().Committed {
		return
	}
	header := c.Response().Header()
	if bridge.IsKind(err, bridge.KindBusy) {
		header.Set("Retry-After", "1")
	}
	if strings.HasPrefix(c.Path(), scimPath) {
		scim.WriteError(c.Response(), status, "", detail)
		return
	}
	header.Del("Content-Disposition") // of what there is not
	header.Set("Content-Type", "application/problem+json")
	c.Response().WriteHeader(status)
	json.NewEncoder(c.Response()).Encode(problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Request: requestID(c),
	})
}

// problem is RFC 9457.
type problem struct {
	Type    string `json:"type"`
	Title   string `json:"title"`
	Status  int    `json:"status"`
	Detail  string `json:"detail,omitempty"`
	Request string `json:"request,omitempty"`
}
