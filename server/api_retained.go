package server

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"github.com/exeunt/exeunt/bridge"
)

// RetainedConfig is one purpose for which somebody who was forgotten may be
// recognised again.
type RetainedConfig struct {
	Basis    string        `yaml:"basis" jsonschema:"required" jsonschema_description:"Why that is lawful, such as GDPR 6(1)(f) with 17(3)(e)"`
	Document string        `yaml:"document" jsonschema:"required" jsonschema_description:"Where that is written down"`
	Longest  time.Duration `yaml:"longest" jsonschema:"required" jsonschema_description:"How long at most; each request says its own"`
}

// longestRetained bounds what a configuration may allow.
const longestRetained = 10 * 366 * 24 * time.Hour

// checkRetained notes what is wrong with purposes.
func (d *decoder) checkRetained(c *Config) {
	for _, name := range slices.Sorted(maps.Keys(c.Retained)) {
		r, path := c.Retained[name], join("retained", name)
		d.checkName(name, path)
		for _, one := range [...]struct{ key, text string }{{"basis", r.Basis}, {"document", r.Document}} {
			if one.text == "" {
				d.add(join(path, one.key), "is missing: without it nothing may be retained")
			}
		}
		if at := join(path, "longest"); r.Longest == 0 && !d.failed(at) {
			d.add(at, "is missing: say for how long at most, such as 8760h")
		}
		within(d, r.Longest, time.Second, longestRetained, join(path, "longest"))
	}
}

// Retaining is what an operator may ask about retained tokens; *bridge.Bridge has it.
type Retaining interface {
	AskRetained(ctx context.Context, person, caseID string, r bridge.Retention) error
	Recognise(ctx context.Context, purpose, identifier string) (bool, error)
	DestroyRetained(ctx context.Context, id string) error
}

// lookups is how often retained tokens may be looked up: enough for each new
// customer, not enough to try everybody.
func lookups() *rate.Limiter { return rate.NewLimiter(10, 50) }

// Retained is a retained token as the API and the command line show it.
type Retained struct {
	ID       string    `json:"id"`
	Purpose  string    `json:"purpose"`
	Basis    string    `json:"basis"`
	Document string    `json:"document"`
	Approver string    `json:"approver"`
	Made     time.Time `json:"made"`
	Expires  time.Time `json:"expires"`
}

// ShowRetained lists all retained tokens in the form in which they are shown.
func ShowRetained(tx bridge.Tx) ([]Retained, error) {
	list, err := tx.Retained(time.Time{})
	shown := make([]Retained, len(list))
	for i, r := range list {
		shown[i] = Retained{r.ID, r.Purpose, r.Basis, r.Document, r.Approver, r.Made, r.Expires}
	}
	return shown, err
}

// listRetained answers GET /v1/retained.
func (s *Server) listRetained(c echo.Context) error {
	var shown []Retained
	err := s.Store.View(c.Request().Context(), func(tx bridge.Tx) (err error) {
		shown, err = ShowRetained(tx)
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"retained": shown})
}

// askRetained answers POST /v1/retained with {"case": "…", "purpose": "fraud",
// "approver": "…", "expires": "2027-01-02T15:04:05Z"}, or "person" instead of
// "case": when that person is forgotten, they are to be recognised again.
func (s *Server) askRetained(c echo.Context) error {
	var body struct {
		Case     string    `json:"case"`
		Person   string    `json:"person"`
		Purpose  string    `json:"purpose"`
		Approver string    `json:"approver"`
		Expires  time.Time `json:"expires"`
	}
	if !readJSON(c, &body) || (body.Case == "") == (body.Person == "") {
		return bridge.Errorf(bridge.KindInvalid, `the body must be {"case": "id", "purpose": "name", "approver": "who", "expires": "2027-01-02T15:04:05Z"}, or have person instead of case`)
	}
	p, err := s.purpose(body.Purpose)
	if err != nil {
		return err
	}
	r := bridge.Retention{Purpose: body.Purpose, Basis: p.Basis, Document: p.Document, Approver: body.Approver,
		Expires: body.Expires.UTC().Truncate(time.Microsecond)}
	if err := r.Check(s.Now(), p.Longest); err != nil {
		return err
	}
	if err := s.Retaining.AskRetained(c.Request().Context(), body.Person, body.Case, r); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (s *Server) purpose(name string) (RetainedConfig, error) {
	p, ok := s.now.Load().Retained[name]
	if !ok {
		return p, &bridge.Error{Kind: bridge.KindInvalid, Field: "purpose", Message: "is not in the configuration; add it under retained first"}
	}
	return p, nil
}

// lookUpRetained answers POST /v1/retained/lookup with {"purpose": "fraud",
// "identifier": "…"}: {"known": true} or {"known": false}, and nothing else.
func (s *Server) lookUpRetained(c echo.Context) error {
	if turn := s.lookups.Reserve(); turn.Delay() > 0 {
		defer turn.Cancel()
		return s.answerTooMuch(c, turn.Delay())
	}
	var body struct {
		Purpose    string `json:"purpose"`
		Identifier string `json:"identifier"`
	}
	if !readJSON(c, &body) || body.Identifier == "" {
		return bridge.Errorf(bridge.KindInvalid, `the body must be {"purpose": "name", "identifier": "user name or e-mail address"}`)
	}
	if _, err := s.purpose(body.Purpose); err != nil {
		return err
	}
	known, err := s.Retaining.Recognise(c.Request().Context(), body.Purpose, body.Identifier)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]bool{"known": known})
}

// destroyRetained answers DELETE /v1/retained/{id}.
func (s *Server) destroyRetained(c echo.Context) error {
	if err := s.Retaining.DestroyRetained(c.Request().Context(), c.Param("id")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
