package store_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/storetest"
)

// The same on PostgreSQL, by triggers; and without one of them nothing opens.
func TestLogCannotBeChangedOnPostgres(t *testing.T) {
	opts := storetest.OnPostgres(t)
	opts.LogKey = newKey(t)
	s := open(t, opts)
	for range 3 {
		if err := s.Update(t.Context(), func(tx bridge.Tx) error {
			return tx.Append(bridge.Event{ID: uuid.New(), At: time.Now(), Type: bridge.PersonChanged})
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), opts.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, sql := range []string{
		`UPDATE log_event SET body = ''`, `DELETE FROM log_event WHERE id = 3`, `TRUNCATE log_event CASCADE`,
		`UPDATE log_leaf SET event = 2`, `DELETE FROM log_leaf`, `TRUNCATE log_leaf`,
		`UPDATE log_node SET hash = hash`, `DELETE FROM log_node`, `TRUNCATE log_node`,
		`INSERT INTO log_leaf (seq, event) VALUES (7, 3)`,
		`INSERT INTO log_leaf (seq, event) VALUES (0, 3) ON CONFLICT (seq) DO UPDATE SET event = 3`,
		`INSERT INTO log_node (id, hash) SELECT 99, hash FROM log_node LIMIT 1`,
		`INSERT INTO log_checkpoint (size, note) VALUES (0, 'x')`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err == nil {
			t.Errorf("not refused: %s", sql)
		}
	}
	if _, err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if report, err := s.VerifyLog(t.Context(), store.VerifyOptions{}); err != nil || report.Size != 3 {
		t.Errorf("after all attempts: %+v, %v", report, err)
	}
	if _, err := conn.Exec(t.Context(), `ALTER TABLE log_event DISABLE TRIGGER log_event_keep`); err != nil {
		t.Fatal(err)
	}
	if second, err := store.Open(t.Context(), opts); err == nil {
		second.Close()
		t.Error("opened with a trigger switched off")
	}
}
