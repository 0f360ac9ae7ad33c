package server

import (
	"context"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/exeunt/exeunt/bridge"
)

// Erasing is what an operator may ask about erasures; *bridge.Bridge has it.
type Erasing interface {
	RequestErasure(ctx context.Context, r bridge.ErasureRequest) (bridge.Erasure, error)
	VerifyErasure(ctx context.Context, id string) (bridge.Erasure, error)
	ApproveErasure(ctx context.Context, id string) (bridge.Erasure, error)
	RefuseErasure(ctx context.Context, id, reason string) (bridge.Erasure, error)
	AcknowledgeErasure(ctx context.Context, id, app string) (bridge.Erasure, error)
	ExtendErasure(ctx context.Context, id string) (bridge.Erasure, error)
}

// Erasure is an erasure as the API and the command line show it.
type Erasure struct {
	ID       string          `json:"id"`
	Handle   string          `json:"handle"` // the person's name in the log
	Source   string          `json:"source"`
	Origin   bridge.Origin   `json:"origin"`
	By       string          `json:"by"` // id of the token that asked
	Stage    bridge.Stage    `json:"stage"`
	Waits    bridge.Wait     `json:"waits,omitempty"` // for what, while it does not go on
	Approval bridge.Approval `json:"approval"`
	Approved []string        `json:"approved,omitempty"` // ids of tokens
	Case     string          `json:"case,omitempty"`     // the apps' part
	Amiss    []string        `json:"amiss,omitempty"`    // apps that need an operator; absent in lists
	Apps     []string        `json:"acknowledged,omitempty"`

	Law      string     `json:"law"`
	Received time.Time  `json:"received"`
	Begins   *time.Time `json:"not_before,omitempty"`
	Target   time.Time  `json:"target"`
	Due      time.Time  `json:"due"`
	Urgency  string     `json:"urgency"`
	Ended    *time.Time `json:"ended,omitempty"`

	Epoch   int64      `json:"epoch,omitempty"`   // of the key that copies from before can still be read with
	Key     string     `json:"key,omitempty"`     // fingerprint of what was destroyed
	Scanned int64      `json:"scanned,omitempty"` // bytes
	Horizon *time.Time `json:"horizon,omitempty"` // when those copies become unreadable
}

// ShowErasure brings an erasure into the form in which it is shown.
func ShowErasure(e bridge.Erasure) Erasure {
	shown := Erasure{ID: e.ID, Handle: e.Handle.String(), Source: e.Source, Origin: e.Origin, By: e.By.Token, Stage: e.Stage, Waits: e.Waits,
		Approval: e.Approval, Case: e.Case, Apps: e.Apps, Law: e.Rule, Received: e.Received, Target: e.Deadlines.Target,
		Due: e.Deadlines.Due, Urgency: e.Urgency.String(), Ended: moment(e.Ended), Epoch: e.Shredded.Epoch, Key: e.Shredded.Key,
		Scanned: e.Shredded.Scanned, Horizon: moment(e.Shredded.Horizon)}
	if e.NotBefore.After(e.Received) {
		shown.Begins = moment(e.NotBefore)
	}
	for _, by := range e.Approved {
		shown.Approved = append(shown.Approved, by.Token)
	}
	return shown
}

// ReadErasure reads one, with what stands in its way.
func ReadErasure(tx bridge.Tx, id string) (Erasure, error) {
	e, err := tx.Erasure(id)
	if err != nil {
		return Erasure{}, err
	}
	shown := ShowErasure(e)
	if e.Stage.Stoppable() {
		shown.Amiss, err = e.Amiss(tx)
	}
	return shown, err
}

// listErasures answers GET /v1/erasures?stage=ordered&before=…&limit=100: erasures
// in any of the stages, newest first.
func (s *Server) listErasures(c echo.Context) error {
	var stages []bridge.Stage
	before, limit, err := listQuery(c, "stage", func(word string) error {
		stage := bridge.Stage(word)
		if !slices.Contains(bridge.Stages, stage) {
			return &bridge.Error{Kind: bridge.KindInvalid, Field: "stage", Message: "is one of " + stageNames()}
		}
		stages = append(stages, stage)
		return nil
	})
	if err != nil {
		return err
	}
	list := []Erasure{}
	err = s.Store.View(c.Request().Context(), func(tx bridge.Tx) error {
		found, err := tx.Erasures(stages, before, limit)
		for _, e := range found {
			list = append(list, ShowErasure(e))
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"erasures": list})
}

func stageNames() string {
	words := make([]string, len(bridge.Stages))
	for i, s := range bridge.Stages {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}

// showErasure answers GET /v1/erasures/{id}.
func (s *Server) showErasure(c echo.Context) error {
	id, err := erasureID(c)
	if err != nil {
		return err
	}
	return s.answerErasure(c, http.StatusOK, id)
}

func (s *Server) answerErasure(c echo.Context, status int, id string) error {
	var shown Erasure
	err := s.Store.View(c.Request().Context(), func(tx bridge.Tx) (err error) {
		shown, err = ReadErasure(tx, id)
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(status, shown)
}

// requestErasure answers POST /v1/erasures with {"case": "id"}, or person or handle
// instead, and if wanted with "law": "ccpa" and "verified": true.
func (s *Server) requestErasure(c echo.Context) error {
	var body struct {
		Case     string `json:"case"`
		Person   string `json:"person"`
		Handle   string `json:"handle"`
		Law      string `json:"law"`
		Verified bool   `json:"verified"`
	}
	if !readJSON(c, &body) {
		return bridge.Errorf(bridge.KindInvalid, `the body must be {"case": "id"}, or have person or handle instead; law and verified may be added`)
	}
	handle, err := parseHandle(body.Handle)
	if err != nil {
		return err
	}
	e, err := s.Erasing.RequestErasure(c.Request().Context(), bridge.ErasureRequest{Person: body.Person, Case: body.Case,
		Handle: handle, Law: body.Law, Verified: body.Verified})
	if err != nil {
		return err
	}
	return s.answerErasure(c, http.StatusCreated, e.ID)
}

// parseHandle reads a handle; "" is the zero handle.
func parseHandle(text string) (h bridge.Handle, err error) {
	if text == "" {
		return h, nil
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(h) {
		return h, &bridge.Error{Kind: bridge.KindInvalid, Field: "handle", Message: "is 32 hexadecimal digits"}
	}
	copy(h[:], raw)
	return h, nil
}

// aboutErasure answers POST /v1/erasures/{id}/… with what an operator has to say.
func (s *Server) aboutErasure(say func(e Erasing, ctx context.Context, id string) (bridge.Erasure, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, err := erasureID(c)
		if err != nil {
			return err
		}
		if _, err := say(s.Erasing, c.Request().Context(), id); err != nil {
			return err
		}
		return s.answerErasure(c, http.StatusOK, id)
	}
}

// wordErasure is [Server.aboutErasure] with a body of one word: {"app": "crm"}.
func (s *Server) wordErasure(name string, say func(e Erasing, ctx context.Context, id, word string) (bridge.Erasure, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		var body map[string]string
		if !readJSON(c, &body) || len(body) != 1 || body[name] == "" {
			return bridge.Errorf(bridge.KindInvalid, `the body must be {"%s": "…"}`, name)
		}
		return s.aboutErasure(func(e Erasing, ctx context.Context, id string) (bridge.Erasure, error) {
			return say(e, ctx, id, body[name])
		})(c)
	}
}

func erasureID(c echo.Context) (string, error) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil || len(c.Param("id")) != 36 {
		return "", bridge.Errorf(bridge.KindNotFound, "there is no such erasure")
	}
	return id.String(), nil
}
