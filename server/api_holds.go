package server

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/exeunt/exeunt/bridge"
)

// Holding is what an operator may ask about legal holds; *bridge.Bridge has it.
type Holding interface {
	PlaceHold(ctx context.Context, h bridge.Hold) (bridge.Hold, error)
	LiftHold(ctx context.Context, id string) (bridge.Hold, error)
	ReviewHold(ctx context.Context, id string, next time.Time) (bridge.Hold, error)
	// HandleOf finds somebody by id, or by a case of theirs.
	HandleOf(ctx context.Context, person, caseID string) (bridge.Handle, error)
}

// Hold is a legal hold as the API and the command line show it.
type Hold struct {
	ID       string     `json:"id"`
	Scope    string     `json:"scope"` // "person", "source", "everybody"
	Handle   string     `json:"handle,omitempty"`
	Source   string     `json:"source,omitempty"`
	Basis    string     `json:"basis,omitempty"`
	Approver string     `json:"approver,omitempty"`
	By       string     `json:"by"` // id of the token that placed it
	Says     string     `json:"said_by_source,omitempty"`
	Placed   time.Time  `json:"placed"`
	Review   *time.Time `json:"review,omitempty"`
	Overdue  bool       `json:"overdue,omitempty"`
	Lifted   *time.Time `json:"lifted,omitempty"`
}

// ShowHold brings a hold into the form in which it is shown.
func ShowHold(h bridge.Hold) Hold {
	shown := Hold{ID: h.ID, Scope: "everybody", Source: h.Scope.Source, Basis: h.Basis, Approver: h.Approver, By: h.By.Token,
		Says: h.By.Source, Placed: h.Placed, Review: moment(h.Review), Overdue: h.Overdue, Lifted: moment(h.Lifted)}
	switch {
	case h.Scope.Handle != (bridge.Handle{}):
		shown.Scope, shown.Handle = "person", h.Scope.Handle.String()
	case h.Scope.Source != "":
		shown.Scope = "source"
	}
	return shown
}

// listHolds answers GET /v1/holds: those that stand, or with all=true also those
// that were lifted; newest first.
func (s *Server) listHolds(c echo.Context) error {
	list := []Hold{}
	err := s.Store.View(c.Request().Context(), func(tx bridge.Tx) error {
		found, err := tx.Holds(c.QueryParam("all") == "true", 1000)
		for _, h := range found {
			list = append(list, ShowHold(h))
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"holds": list})
}

// placeHold answers POST /v1/holds with {"case": "id", "basis": "…", "approver":
// "…", "review": "2027-01-02T15:04:05Z"}; or with person, handle, source, or
// "everybody": true instead of case.
func (s *Server) placeHold(c echo.Context) error {
	var body struct {
		Case      string    `json:"case"`
		Person    string    `json:"person"`
		Handle    string    `json:"handle"`
		Source    string    `json:"source"`
		Everybody bool      `json:"everybody"`
		Basis     string    `json:"basis"`
		Approver  string    `json:"approver"`
		Review    time.Time `json:"review"`
	}
	scopes := 0
	if readJSON(c, &body) {
		for _, is := range []bool{body.Case != "", body.Person != "", body.Handle != "", body.Source != "", body.Everybody} {
			if is {
				scopes++
			}
		}
	}
	if scopes != 1 {
		return bridge.Errorf(bridge.KindInvalid, `the body must be {"case": "id", "basis": "why", "approver": "who", "review": "2027-01-02T15:04:05Z"}, or have person, handle, source or "everybody": true instead of case`)
	}
	h := bridge.Hold{Scope: bridge.Scope{Source: body.Source}, Basis: body.Basis, Approver: body.Approver,
		Review: body.Review.UTC().Truncate(time.Microsecond)}
	if len(body.Source) > 48 || body.Source != "" && !namePattern.MatchString(body.Source) {
		return &bridge.Error{Kind: bridge.KindInvalid, Field: "source", Message: "is the name of a source"}
	}
	var err error
	if body.Case != "" || body.Person != "" {
		h.Scope.Handle, err = s.Holding.HandleOf(c.Request().Context(), body.Person, body.Case)
	} else {
		h.Scope.Handle, err = parseHandle(body.Handle)
	}
	if err == nil {
		h, err = s.Holding.PlaceHold(c.Request().Context(), h)
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, ShowHold(h))
}

// liftHold answers POST /v1/holds/{id}/lift.
func (s *Server) liftHold(c echo.Context) error {
	id, err := holdID(c)
	if err != nil {
		return err
	}
	h, err := s.Holding.LiftHold(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, ShowHold(h))
}

// reviewHold answers POST /v1/holds/{id}/review with {"review": "2027-01-02T15:04:05Z"}:
// somebody has looked, and it stays until somebody has to look again.
func (s *Server) reviewHold(c echo.Context) error {
	var body struct {
		Review time.Time `json:"review"`
	}
	if !readJSON(c, &body) {
		return bridge.Errorf(bridge.KindInvalid, `the body must be {"review": "2027-01-02T15:04:05Z"}`)
	}
	id, err := holdID(c)
	if err != nil {
		return err
	}
	h, err := s.Holding.ReviewHold(c.Request().Context(), id, body.Review)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, ShowHold(h))
}

func holdID(c echo.Context) (string, error) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil || len(c.Param("id")) != 36 {
		return "", bridge.Errorf(bridge.KindNotFound, "there is no such hold")
	}
	return id.String(), nil
}
