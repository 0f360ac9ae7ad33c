package server

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt/exeunt/bridge"
)

// MadeBackup is what the log is told of a backup.
type MadeBackup struct {
	Epoch int64 `json:"epoch"` // of the keys
	Size  int64 `json:"size"`  // events of the log in it
	Bytes int64 `json:"bytes"` // of the database
}

// BackupMade is the event that a backup was made.
func BackupMade(at time.Time, token string, b MadeBackup) bridge.Event {
	return operatorEvent(bridge.BackupMade, at, bridge.Facts{Token: token, Epoch: b.Epoch, Size: b.Size, Bytes: b.Bytes})
}

// backupMade answers POST /v1/backups: a backup was made beside us.
func (s *Server) backupMade(c echo.Context) error {
	var b MadeBackup
	if !readJSON(c, &b) || b.Epoch < 1 || b.Size < 0 || b.Bytes < 0 {
		return bridge.Errorf(bridge.KindInvalid, `the body must be {"epoch": 1, "size": 100, "bytes": 1000}`)
	}
	if err := s.Note(c.Request().Context(), BackupMade(s.Now(), callerIn(c).Token, b)); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
