package server

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/evidence"
)

// Log is what auditors ask about the log; *store.Store has it.
type Log interface {
	// ProveInclusion is a proof as c2sp.org/tlog-proof has it, with the checkpoint.
	ProveInclusion(ctx context.Context, seq int64, at store.Signed) ([]byte, error)
	// ProveConsistency proves that the log of to events begins with that of from.
	ProveConsistency(ctx context.Context, from, to int64) (tlog.TreeProof, error)
	// Tile is the content of a tile of hashes (c2sp.org/tlog-tiles), or of level -1:
	// of entries.
	Tile(ctx context.Context, t tlog.Tile) ([]byte, error)
	// LeavesFrom returns leaves from a position on, at most limit.
	LeavesFrom(ctx context.Context, from int64, limit int) ([][]byte, error)
}

// proveInclusion answers GET /v1/log/proof/inclusion?seq=7: that event 7 is in the
// log as it is signed now.
func (s *Server) proveInclusion(c echo.Context) error {
	seq, err := number(c, "seq")
	if err != nil {
		return err
	}
	at, err := s.newest(c.Request().Context())
	if err != nil {
		return err
	}
	proof, err := s.Log.ProveInclusion(c.Request().Context(), seq, at)
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, "text/plain; charset=utf-8", proof)
}

// newest is the newest signed checkpoint.
func (s *Server) newest(ctx context.Context) (store.Signed, error) {
	note, err := s.Checkpoint(ctx)
	if err != nil {
		return store.Signed{}, err
	}
	return store.OpenSigned(note, s.LogKey)
}

// proveConsistency answers GET /v1/log/proof/consistency?from=5&to=9: that the log
// of 9 events begins with that of 5. A hash a line, base64.
func (s *Server) proveConsistency(c echo.Context) error {
	from, err := number(c, "from")
	if err != nil {
		return err
	}
	to, err := number(c, "to")
	if err != nil {
		return err
	}
	proof, err := s.Log.ProveConsistency(c.Request().Context(), from, to)
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, "text/plain; charset=utf-8", evidence.FormatConsistency(proof))
}

// logTile answers GET /v1/log/tile/<level>/<number>[.p/<width>], hashes, and
// /v1/log/tile/entries/<number>[.p/<width>], leaves. A whole tile never changes.
func (s *Server) logTile(c echo.Context) error {
	// tlog writes the height too, and calls data what C2SP calls entries.
	path, entries := strings.CutPrefix(c.Param("*"), "entries/")
	if entries {
		path = "data/" + path
	}
	tile, err := tlog.ParseTilePath("tile/8/" + path)
	if err != nil || entries != (tile.L < 0) {
		return bridge.Errorf(bridge.KindNotFound, "there is no such tile; see c2sp.org/tlog-tiles")
	}
	content, err := s.Log.Tile(c.Request().Context(), tile)
	if err != nil {
		return err
	}
	if tile.W == 1<<tile.H {
		c.Response().Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	return c.Blob(http.StatusOK, "application/octet-stream", content)
}

// maxLeaves bounds how many events are answered at once.
const maxLeaves = 1000

// logEvents answers GET /v1/log/events?from=0&limit=100: the exact bytes of events
// that are in the signed log. They name nobody.
func (s *Server) logEvents(c echo.Context) error {
	from, limit := int64(0), int64(100)
	for name, into := range map[string]*int64{"from": &from, "limit": &limit} {
		if c.QueryParam(name) == "" {
			continue
		}
		n, err := number(c, name)
		if err != nil {
			return err
		}
		*into = n
	}
	at, err := s.newest(c.Request().Context())
	if err != nil {
		return err
	}
	limit = min(limit, maxLeaves, max(at.Size-from, 0))
	leaves, err := s.Log.LeavesFrom(c.Request().Context(), from, int(limit))
	if err != nil {
		return err
	}
	answer := struct {
		Origin string   `json:"origin"`
		Size   int64    `json:"size"` // of the signed log
		From   int64    `json:"from"`
		Leaves []string `json:"leaves"` // base64
	}{at.Origin, at.Size, from, []string{}}
	for _, leaf := range leaves {
		answer.Leaves = append(answer.Leaves, base64.StdEncoding.EncodeToString(leaf))
	}
	return c.JSON(http.StatusOK, answer)
}

// number reads a parameter that is a number from 0 on.
func number(c echo.Context, name string) (int64, error) {
	text := c.QueryParam(name)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || strings.HasPrefix(text, "+") {
		return 0, &bridge.Error{Kind: bridge.KindInvalid, Field: name, Message: "is a number, 0 or more"}
	}
	return n, nil
}
