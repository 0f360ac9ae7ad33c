package server

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/evidence"
)

// Evidence makes certificates and surveys of what the log says; *store.Store has it.
type Evidence interface {
	// Certify returns the certificate of a case or erasure; KindNotFound if the
	// log has nothing of it.
	Certify(ctx context.Context, id string, at store.Signed) (evidence.Certificate, error)
	// WriteCertificate writes it with all that it takes to verify it.
	WriteCertificate(ctx context.Context, w io.Writer, id string, at store.Signed) (evidence.Certificate, error)
	// WritePopulation writes the archive of all departures of a period.
	WritePopulation(ctx context.Context, w io.Writer, p evidence.Period, at store.Signed) (evidence.Survey, error)
}

// signed is a checkpoint of everything until now.
func (s *Server) signed(ctx context.Context) (store.Signed, error) {
	note, err := s.Sign(ctx)
	if err != nil {
		return store.Signed{}, err
	}
	at, err := store.OpenSigned(note, s.LogKey)
	at.Policy = s.Policy
	return at, err
}

// certify answers GET /v1/cases/{id}/certificate, and the same of erasures: the bundle, which is a zip;
// or for browsers, which accept text/html, the page for people. The page may say
// the person's name (?named=true) to the operator, and hold the times against an SLA (?sla=4h).
func (s *Server) certify(c echo.Context) error {
	id, err := caseID(c)
	if err != nil {
		return err
	}
	reader := evidence.Reader{SLA: s.now.Load().SLA}
	named := false
	for name, values := range c.QueryParams() {
		switch name {
		case "named":
			named = values[0] == "true"
		case "sla":
			if reader.SLA, err = evidence.ParseSLA(values[0]); err != nil {
				return &bridge.Error{Kind: bridge.KindInvalid, Field: name, Message: err.Error()}
			}
		default:
			return bridge.Errorf(bridge.KindInvalid, "known parameters are named and sla")
		}
	}
	if named && callerIn(c).Operator != operatorName {
		return bridge.Errorf(bridge.KindDenied, "only the operator may have the name on the page: leave named out")
	}
	at, err := s.signed(c.Request().Context())
	if err != nil {
		return err
	}
	if !wantsPage(c.Request()) {
		var bundle bytes.Buffer
		if _, err := s.Evidence.WriteCertificate(c.Request().Context(), &bundle, id, at); err != nil {
			return err
		}
		attach(c, "certificate-"+id+".zip")
		return c.Blob(http.StatusOK, "application/zip", bundle.Bytes())
	}
	cert, err := s.Evidence.Certify(c.Request().Context(), id, at)
	if err != nil {
		return err
	}
	if named && cert.Departure != nil {
		if err := s.Store.View(c.Request().Context(), func(tx bridge.Tx) error {
			reader.Name, err = NameOf(tx, cert.Departure.Case)
			return err
		}); err != nil {
			return err
		}
	}
	h := c.Response().Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	return evidence.Page(c.Response(), cert, reader)
}

// NameOf is what the person of a case is called: the display name, else the user
// name; "" if they were forgotten.
func NameOf(tx bridge.Tx, id string) (string, error) {
	found, err := tx.Case(id)
	if found.Who.DisplayName != "" {
		return found.Who.DisplayName, err
	}
	return found.Who.UserName, err
}

// wantsPage reports whether a request is a browser's, which asks for HTML.
func wantsPage(r *http.Request) bool {
	for _, accept := range r.Header.Values("Accept") {
		for _, one := range strings.Split(accept, ",") {
			if kind, _, _ := strings.Cut(one, ";"); strings.TrimSpace(kind) == "text/html" {
				return true
			}
		}
	}
	return false
}

// survey answers GET /v1/evidence/population?from=2026-07-01&to=2026-10-01&sla=24h:
// an archive of all departures that were received from then until before then.
func (s *Server) survey(c echo.Context) error {
	p := evidence.Period{SLA: s.now.Load().SLA}
	for name, values := range c.QueryParams() {
		var err error
		switch name {
		case "from":
			p.From, err = evidence.ParseDay(values[0])
		case "to":
			p.To, err = evidence.ParseDay(values[0])
		case "sla":
			p.SLA, err = evidence.ParseSLA(values[0])
		default:
			return bridge.Errorf(bridge.KindInvalid, "known parameters are from, to and sla")
		}
		if err != nil {
			return &bridge.Error{Kind: bridge.KindInvalid, Field: name, Message: err.Error()}
		}
	}
	if p.From.IsZero() || !p.From.Before(p.To) {
		return bridge.Errorf(bridge.KindInvalid, "from and to are the first day, and the day after the last, such as 2026-07-01 and 2026-10-01")
	}
	at, err := s.signed(c.Request().Context())
	if err != nil {
		return err
	}
	attach(c, "population-"+p.From.Format(time.DateOnly)+"-"+p.To.Format(time.DateOnly)+".zip")
	_, err = s.Evidence.WritePopulation(c.Request().Context(), c.Response(), p, at)
	return err
}

// attach says that the answer is a zip to be kept under a name.
func attach(c echo.Context, name string) {
	h := c.Response().Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
}
