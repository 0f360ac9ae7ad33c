package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/exeunt/exeunt/bridge"
)

// Case is a case as the API and the command line show it.
type Case struct {
	ID      string             `json:"id"`
	Source  string             `json:"source"`
	Trigger bridge.Trigger     `json:"trigger"`
	State   bridge.CaseState   `json:"state"`
	Who     bridge.Identifiers `json:"who"`
	Handle  string             `json:"handle"` // the person's name in the log
	By      string             `json:"by"`     // id of the token that ordered it
	Request string             `json:"request,omitempty"`
	Opened  time.Time          `json:"opened"`
	Closed  *time.Time         `json:"closed,omitempty"`
	Back    *time.Time         `json:"returned,omitempty"` // when the person came back
	Actions []Action           `json:"actions,omitempty"`  // absent in lists
}

// Action is an action as the API and the command line show it.
type Action struct {
	ID       string             `json:"id"`
	App      string             `json:"app"`
	Effect   bridge.Effect      `json:"effect"`
	State    bridge.ActionState `json:"state"`
	Attempts int                `json:"attempts"`
	Checks   int                `json:"checks"`
	Ordered  time.Time          `json:"ordered"`
	Due      time.Time          `json:"due"`
	Deadline time.Time          `json:"deadline"`
	Settled  *time.Time         `json:"settled,omitempty"`
	Problem  string             `json:"problem,omitempty"`
	Done     *bridge.Receipt    `json:"done,omitempty"`    // what the app answered
	Checked  *bridge.Receipt    `json:"checked,omitempty"` // what proved it
}

// ShowCase brings a case and its actions into the form in which it is shown.
func ShowCase(c bridge.Case, actions []bridge.Action) Case {
	shown := Case{ID: c.ID, Source: c.Source, Trigger: c.Trigger, State: c.State, Who: c.Who,
		Handle: c.Handle.String(), By: c.By.Token, Request: c.By.Request, Opened: c.Opened, Closed: moment(c.Closed), Back: moment(c.Returned)}
	for _, a := range actions {
		shown.Actions = append(shown.Actions, Action{ID: a.ID, App: a.Lane.App, Effect: a.Effect, State: a.State,
			Attempts: a.Attempts, Checks: a.Checks, Ordered: a.Ordered, Due: a.Due, Deadline: a.Deadline,
			Settled: moment(a.Settled), Problem: a.Problem, Done: receipt(a.Done), Checked: receipt(a.Checked)})
	}
	return shown
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func receipt(r bridge.Receipt) *bridge.Receipt {
	if r == (bridge.Receipt{}) {
		return nil
	}
	return &r
}

// listCases answers GET /v1/cases?state=stuck&before=2026-01-02T15:04:05Z&limit=100:
// cases in any of the states, newest first.
func (s *Server) listCases(c echo.Context) error {
	states, before, limit, err := casesQuery(c)
	if err != nil {
		return err
	}
	list := struct {
		Cases []Case `json:"cases"`
	}{[]Case{}}
	err = s.Store.View(c.Request().Context(), func(tx bridge.Tx) error {
		found, err := tx.Cases(states, before, limit)
		for _, one := range found {
			list.Cases = append(list.Cases, ShowCase(one, nil))
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, list)
}

func casesQuery(c echo.Context) (states []bridge.CaseState, before time.Time, limit int, err error) {
	before, limit, err = listQuery(c, "state", func(word string) error {
		state := bridge.CaseState(word)
		if !slices.Contains(bridge.CaseStates, state) {
			return &bridge.Error{Kind: bridge.KindInvalid, Field: "state", Message: "is one of open, running, stuck, closed, cancelled"}
		}
		states = append(states, state)
		return nil
	})
	return states, before, limit, err
}

// listQuery reads the parameters of a list: before, limit, and those called name.
func listQuery(c echo.Context, name string, each func(word string) error) (before time.Time, limit int, err error) {
	limit = 100
	for key, values := range c.QueryParams() {
		for _, v := range values {
			switch key {
			case name:
				err = each(v)
			case "before":
				if before, err = time.Parse(time.RFC3339Nano, v); err != nil {
					err = &bridge.Error{Kind: bridge.KindInvalid, Field: key, Message: "is a time such as 2026-01-02T15:04:05Z"}
				}
			case "limit":
				if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > 1000 {
					err = &bridge.Error{Kind: bridge.KindInvalid, Field: key, Message: "is a number from 1 to 1000"}
				}
			default:
				err = bridge.Errorf(bridge.KindInvalid, "known parameters are %s, before and limit", name)
			}
			if err != nil {
				return time.Time{}, 0, err
			}
		}
	}
	return before, limit, nil
}

// showCase answers GET /v1/cases/{id}: the case, its actions and receipts.
func (s *Server) showCase(c echo.Context) error {
	id, err := caseID(c)
	if err != nil {
		return err
	}
	var shown Case
	err = s.Store.View(c.Request().Context(), func(tx bridge.Tx) error {
		found, err := tx.Case(id)
		if err != nil {
			return err
		}
		actions, err := tx.Actions(id)
		shown = ShowCase(found, actions)
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, shown)
}

// retryCase answers POST /v1/cases/{id}/retry.
func (s *Server) retryCase(c echo.Context) error {
	id, err := caseID(c)
	if err != nil {
		return err
	}
	if _, err := s.Operations.RetryCase(c.Request().Context(), id); err != nil {
		return err
	}
	return s.showCase(c)
}

// restoreCase answers POST /v1/cases/{id}/restore with {"app": "crm"}: it
// orders the restore that is offered on that app, or with {} on all.
func (s *Server) restoreCase(c echo.Context) error {
	id, err := caseID(c)
	if err != nil {
		return err
	}
	var body struct {
		App string `json:"app"`
	}
	if !readJSON(c, &body) {
		return bridge.Errorf(bridge.KindInvalid, `the body must be {"app": "name"}, or {} for all apps`)
	}
	if body.App != "" && (len(body.App) > 48 || !namePattern.MatchString(body.App)) {
		return &bridge.Error{Kind: bridge.KindInvalid, Field: "app", Message: "is the name of an app"}
	}
	if _, err := s.Operations.AcceptRestore(c.Request().Context(), id, body.App); err != nil {
		return err
	}
	return s.showCase(c)
}

// answerNote answers GET /v1/log/checkpoint, the newest signed checkpoint, and
// POST, which seals and signs what there is now.
func answerNote(c echo.Context, get func(context.Context) ([]byte, error)) error {
	note, err := get(c.Request().Context())
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, "text/plain; charset=utf-8", note)
}

// endEpoch answers POST /v1/keys/epoch: the current key epoch ends now.
func (s *Server) endEpoch(c echo.Context) error {
	number, err := s.EndEpoch(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]int64{"epoch": number})
}

// replay answers POST /v1/exports/{name}/replay with {"from": 0}: the export
// begins again at that position.
func (s *Server) replay(c echo.Context) error {
	name := c.Param("name")
	var body struct {
		From *int64 `json:"from"`
	}
	if !readJSON(c, &body) || body.From == nil {
		return bridge.Errorf(bridge.KindInvalid, `the body must be {"from": position}`)
	}
	if len(name) > 48 || !namePattern.MatchString(name) {
		return bridge.Errorf(bridge.KindNotFound, "there is no such export")
	}
	if err := s.Replay(c.Request().Context(), name, *body.From); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// readJSON reads a small body strictly.
func readJSON(c echo.Context, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(c.Response(), c.Request().Body, 4096))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into) == nil && errors.Is(decoder.Decode(new(any)), io.EOF)
}

func caseID(c echo.Context) (string, error) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil || len(c.Param("id")) != 36 {
		return "", bridge.Errorf(bridge.KindNotFound, "there is no such case")
	}
	return id.String(), nil
}
