package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
)

func openTest(t *testing.T, dir string) *Store {
	t.Helper()
	secret, _, err := ledger.NewKey(ledger.NewOrigin())
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{Dir: dir, LogKey: key, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func appendEvents(t *testing.T, s *Store, n int) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx bridge.Tx) error {
		for range n {
			e := bridge.Event{At: time.Now(), Type: bridge.PersonChanged,
				Parties: []bridge.Party{{Role: bridge.Subject, Payload: []byte("{}")}}}
			rand.Read(e.ID[:])
			if err := tx.Append(e); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// raw opens the file as somebody else would: no pragmas, no authorizer.
func raw(t *testing.T, dir, params string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, databaseFile)+"?_busy_timeout=5000"+params)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Every pooled connection is durable, and in the mode that readers need.
func TestPragmasOnEveryConnection(t *testing.T) {
	e := openTest(t, t.TempDir()).engine.(*sqliteEngine)
	for name, pool := range map[string]struct {
		db *sql.DB
		n  int
	}{"writer": {e.writer, 1}, "reader": {e.reader, readers}} {
		for range pool.n {
			c, err := pool.db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var sync, mode string
			if err := errors.Join(c.QueryRowContext(t.Context(), "SELECT * FROM pragma_synchronous").Scan(&sync),
				c.QueryRowContext(t.Context(), "SELECT * FROM pragma_journal_mode").Scan(&mode)); err != nil {
				t.Fatal(err)
			}
			if sync != "2" || mode != "wal" {
				t.Errorf("%s: synchronous %s, journal_mode %s", name, sync, mode)
			}
		}
	}
	// The assertion itself sees a pool that is set otherwise.
	lax := raw(t, filepath.Dir(e.path), "&_journal_mode=WAL")
	if err := e.assertPragmas(t.Context(), lax, 1); err == nil {
		t.Error("a connection with other pragmas was accepted")
	}
}

// The driver numbers $2 by first appearance, and would swap the values.
func TestParametersKeepTheirPlaces(t *testing.T) {
	s := openTest(t, t.TempDir())
	if err := s.engine.view(t.Context(), s, func(x *tx) error {
		var a, b string
		err := x.row("SELECT $2, $1", "one", "two").Scan(&a, &b)
		if a != "two" || b != "one" {
			t.Errorf("SELECT $2, $1 returned %s, %s", a, b)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// What SQL may not do to the log, on our own connections and, where triggers
// see it, on somebody else's.
func TestLogCannotBeChanged(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	appendEvents(t, s, 3)
	e := s.engine.(*sqliteEngine)
	other := raw(t, dir, "&_recursive_triggers=on")
	for _, attempt := range []struct {
		sql      string
		triggers bool // refuse it too
	}{
		{"UPDATE log_event SET body = x'00' WHERE id = 1", true},
		{"UPDATE log_leaf SET event = 2 WHERE seq = 0", true},
		{"UPDATE log_node SET hash = zeroblob(32)", true},
		{"DELETE FROM log_event WHERE id = 3", true},
		{"DELETE FROM log_event", true},
		{"DELETE FROM log_leaf WHERE seq = 2", true},
		{"DELETE FROM log_node", true},
		{"INSERT OR REPLACE INTO log_event (id, body) VALUES (1, x'00')", true},
		{"INSERT OR REPLACE INTO log_leaf (seq, event) VALUES (0, 3)", true},
		{"INSERT OR REPLACE INTO log_leaf (seq, event) VALUES (3, 1)", true},
		{"INSERT OR REPLACE INTO log_node (id, hash) VALUES (0, zeroblob(32))", true},
		{"INSERT INTO log_leaf (seq, event) VALUES (7, 3)", true},
		{"INSERT INTO log_node (id, hash) VALUES (99, zeroblob(32))", true},
		{"INSERT INTO log_checkpoint (size, note) VALUES (0, 'x')", true},
		{"DROP TRIGGER log_event_update", false},
		{"DROP TABLE log_event", false},
		{"ALTER TABLE log_event RENAME TO gone", false},
		{"CREATE TABLE more (x)", false},
		{"CREATE TEMP TRIGGER swallow BEFORE INSERT ON log_event BEGIN SELECT RAISE(IGNORE); END", false},
		{"CREATE TEMP TABLE log_event (x)", false},
		{"PRAGMA writable_schema = 1", false},
		{"PRAGMA recursive_triggers = 0", false},
		{"PRAGMA journal_mode = OFF", false},
		{"PRAGMA synchronous = OFF", false},
		{"SELECT * FROM pragma_journal_mode('OFF')", false},
		{"DELETE FROM sqlite_schema WHERE type = 'trigger'", false},
		{"ATTACH 'other.db' AS other", false},
		{"VACUUM", false},
		{"REINDEX", false},
		{"DELETE FROM goose_db_version", false},
		{"SELECT load_extension('x')", false},
	} {
		for name, db := range map[string]*sql.DB{"writer": e.writer, "reader": e.reader} {
			if _, err := db.ExecContext(t.Context(), attempt.sql); err == nil {
				t.Errorf("on the %s: %s", name, attempt.sql)
			}
		}
		if attempt.triggers {
			if _, err := other.ExecContext(t.Context(), attempt.sql); err == nil {
				t.Errorf("past the triggers: %s", attempt.sql)
			}
		}
	}
	for _, sql := range []string{"PRAGMA query_only = 0", "DELETE FROM people", "INSERT INTO tokens DEFAULT VALUES"} {
		if _, err := e.reader.ExecContext(t.Context(), sql); err == nil {
			t.Errorf("on a reader: %s", sql)
		}
	}
	if report, err := s.VerifyLog(t.Context(), VerifyOptions{}); err == nil || !strings.Contains(err.Error(), "checkpoint") {
		t.Errorf("a log that nobody signed was verified: %+v, %v", report, err)
	}
	if _, err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if report, err := s.VerifyLog(t.Context(), VerifyOptions{}); err != nil || report.Size != 3 {
		t.Errorf("after all attempts: %+v, %v", report, err)
	}
}

func TestMissingTriggerIsNoticed(t *testing.T) {
	for _, change := range []string{
		"DROP TRIGGER log_leaf_delete",
		"DROP TRIGGER log_leaf_delete; CREATE TRIGGER log_leaf_delete BEFORE DELETE ON log_leaf BEGIN SELECT 1; END",
		"CREATE TRIGGER log_swallow BEFORE INSERT ON log_event BEGIN SELECT RAISE(IGNORE); END",
	} {
		dir := t.TempDir()
		openTest(t, dir).Close()
		if _, err := raw(t, dir, "").Exec(change); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(t.Context(), Options{Dir: dir}); err == nil {
			s.Close()
			t.Errorf("opened after %s", change)
		}
	}
}

// A log that was changed since it was last signed is not signed again.
func TestNoSignatureAfterTampering(t *testing.T) {
	for name, change := range map[string]string{
		"a new event was edited":    `UPDATE log_event SET body = x'00' WHERE id = 5`,
		"a new hash was edited":     `UPDATE log_node SET hash = zeroblob(32) WHERE id = (SELECT max(id) FROM log_node)`,
		"a signed hash was edited":  `UPDATE log_node SET hash = zeroblob(32) WHERE id = 2`,
		"the signed tail was cut":   `DELETE FROM log_leaf WHERE seq >= 2`,
		"the checkpoint was edited": `UPDATE log_checkpoint SET note = x'00'`,
		"an event is gone":          `DELETE FROM log_event WHERE id = 5`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openTest(t, dir)
			appendEvents(t, s, 3)
			if _, err := s.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			appendEvents(t, s, 3)
			db := raw(t, dir, "&_foreign_keys=off")
			for trigger := range must(expectedTriggers()) {
				if _, err := db.Exec("DROP TRIGGER " + strings.Fields(trigger)[2]); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := db.Exec(change); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Checkpoint(t.Context()); !errors.Is(err, ErrTampered) {
				t.Errorf("signed, or another error: %v", err)
			}
			if _, err := s.VerifyLog(t.Context(), VerifyOptions{}); err == nil {
				t.Error("verified")
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	if _, err := Open(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another exeunt is using") {
		t.Fatalf("opened twice: %v", err)
	}
	appendEvents(t, s, 1)
	beside, err := Open(t.Context(), Options{Dir: dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	if list, err := beside.Tail(t.Context(), -1, 10); err != nil || len(list) != 1 {
		t.Errorf("a reader beside the server sees %d events: %v", len(list), err)
	}
	if err := beside.Update(t.Context(), func(bridge.Tx) error { return nil }); err == nil {
		t.Error("a reader updated")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), func(bridge.Tx) error { return nil }); err == nil {
		t.Error("updated after Close")
	}
	again, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// With the writer held up, the queue fills, and then callers are sent away at
// once; whoever was queued is served.
func TestBusy(t *testing.T) {
	s := openTest(t, t.TempDir())
	hold, entered := make(chan struct{}), make(chan struct{})
	answers := make(chan error, maxWaiting+8)
	go func() {
		answers <- s.Update(context.Background(), func(bridge.Tx) error { close(entered); <-hold; return nil })
	}()
	<-entered
	for range maxWaiting {
		go func() { answers <- s.Update(context.Background(), func(bridge.Tx) error { return nil }) }()
	}
	deadline := time.Now().Add(10 * time.Second)
	for s.engine.waiting() < maxWaiting && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if err := s.Update(t.Context(), func(bridge.Tx) error { return nil }); !bridge.IsKind(err, bridge.KindBusy) {
		t.Errorf("got %v, want busy", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Update(gone, func(bridge.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(hold)
	for range maxWaiting + 1 {
		if err := <-answers; err != nil {
			t.Fatal(err)
		}
	}
}

// What names people is for nobody else on the machine to read.
func TestFilesAreOurs(t *testing.T) {
	dir := t.TempDir()
	appendEvents(t, openTest(t, dir), 1)
	files, err := filepath.Glob(filepath.Join(dir, "exeunt.db*"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}
