package store

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/exeunt/exeunt/bridge"
)

// TestEnforcement is the table of what SQLite by itself refuses, and what only we
// do; it is run anew with each version of SQLite. Each column adds to the one
// before it, but for the last.
//
//	triggers   against UPDATE and DELETE
//	recursive  PRAGMA recursive_triggers: REPLACE deletes in the eyes of triggers
//	position   a trigger that wants the next number
//	ours       the authorizer: our connection, as it is opened
//	read-only  a file that is opened with mode=ro
func TestEnforcement(t *testing.T) {
	columns := []string{"triggers", "recursive", "position", "ours", "read-only"}
	const (
		refused = false
		allowed = true
	)
	other := filepath.Join(t.TempDir(), "other.db")
	for _, row := range []struct {
		sql string
		may [5]bool
	}{
		{"UPDATE log_node SET hash = zeroblob(32) WHERE id = 0", [5]bool{}},
		{"DELETE FROM log_node WHERE id = 3", [5]bool{}},
		{"DELETE FROM log_node", [5]bool{}},
		{"INSERT OR REPLACE INTO log_node (id, hash) VALUES (0, zeroblob(32))", [5]bool{allowed}},
		{"REPLACE INTO log_node (id, hash) VALUES (1, zeroblob(32))", [5]bool{allowed}},
		{"INSERT INTO log_node (id, hash) VALUES (0, zeroblob(32)) ON CONFLICT DO UPDATE SET hash = zeroblob(32)", [5]bool{}},
		{"INSERT INTO log_node (id, hash) VALUES (99, zeroblob(32))", [5]bool{allowed, allowed}},
		{"PRAGMA recursive_triggers = 0; REPLACE INTO log_node (id, hash) VALUES (0, zeroblob(32))", [5]bool{allowed, allowed}},
		{"DROP TRIGGER log_node_delete", [5]bool{allowed, allowed, allowed}},
		{"DROP TABLE log_checkpoint", [5]bool{allowed, allowed, allowed}},
		{"ALTER TABLE log_node RENAME TO gone", [5]bool{allowed, allowed, allowed}},
		{"ALTER TABLE log_node ADD COLUMN more TEXT", [5]bool{allowed, allowed, allowed}},
		{"CREATE TEMP TRIGGER swallow BEFORE INSERT ON log_event BEGIN SELECT RAISE(IGNORE); END", [5]bool{allowed, allowed, allowed, refused, allowed}},
		{"PRAGMA journal_mode = OFF; CREATE TABLE more (x)", [5]bool{allowed, allowed, allowed}},
		{"ATTACH '" + other + "' AS other", [5]bool{allowed, allowed, allowed, refused, allowed}},
		{"VACUUM", [5]bool{allowed, allowed, allowed}},
		{"PRAGMA ignore_check_constraints = 1; INSERT INTO log_node (id, hash) VALUES ((SELECT max(id) + 1 FROM log_node), x'00')", [5]bool{allowed, allowed, allowed}},
		{"PRAGMA writable_schema = 1; DELETE FROM sqlite_schema WHERE name = 'log_node_delete'", [5]bool{allowed, allowed, allowed}},
	} {
		for i, column := range columns {
			dir := t.TempDir()
			s := openTest(t, dir)
			appendEvents(t, s, 3)
			db := s.engine.(*sqliteEngine).writer
			if column != "ours" {
				s.Close()
				params := map[string]string{"recursive": "&_recursive_triggers=on", "position": "&_recursive_triggers=on", "read-only": "&mode=ro"}
				db = raw(t, dir, params[column])
			}
			if i < 2 {
				if _, err := db.Exec("DROP TRIGGER log_node_position"); err != nil {
					t.Fatal(err)
				}
			}
			may := row.may[i]
			if strings.Contains(row.sql, "writable_schema") && defensive(t) {
				may = refused
			}
			if _, err := db.Exec(row.sql); (err == nil) != may {
				t.Errorf("%s: %s: %v, want it allowed: %v", column, row.sql, err, may)
			}
			db.Close()
		}
	}
	// What was opened for reading stays so: query_only can be switched off, mode=ro
	// can not.
	dir := t.TempDir()
	openTest(t, dir).Close()
	if _, err := raw(t, dir, "&mode=ro&_query_only=on").Exec("PRAGMA query_only = 0; DELETE FROM people"); err == nil {
		t.Error("a file that was opened read-only was written to")
	}
}

// defensive reports whether SQLite was built to refuse changes of the schema by
// hand; see the script test.
func defensive(t *testing.T) bool {
	t.Helper()
	db := sql.OpenDB(connector{"file::memory:", &sqlite3.SQLiteDriver{}})
	defer db.Close()
	_, err := db.ExecContext(context.Background(), "CREATE TABLE x (y); PRAGMA writable_schema = 1; DELETE FROM sqlite_schema")
	return err != nil
}

// A hash that is missing where nobody looks is noticed before the first signature.
func TestHashesAreCounted(t *testing.T) {
	for name, change := range map[string]string{
		"one is missing":    "DROP TRIGGER log_node_delete; DELETE FROM log_node WHERE id = 1",
		"there is one more": "INSERT INTO log_node (id, hash) SELECT max(id) + 1, hash FROM log_node",
	} {
		dir := t.TempDir()
		s := openTest(t, dir)
		appendEvents(t, s, 3)
		key := s.LogKey()
		if _, err := s.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Close()
		db := raw(t, dir, "")
		trigger := ""
		for text := range must(expectedTriggers()) {
			if strings.Contains(text, "log_node_delete") {
				trigger = text
			}
		}
		if _, err := db.Exec(change); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(change, "DROP") { // put back: whoever does this is careful
			if _, err := db.Exec(trigger); err != nil {
				t.Fatal(err)
			}
		}
		db.Close()
		again, err := Open(t.Context(), Options{Dir: dir, LogKey: key})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.Checkpoint(t.Context()); err == nil || !strings.Contains(err.Error(), "hashes") {
			t.Errorf("%s: %v", name, err)
		}
		again.Close()
	}
}

// A signature that was made and lost, because the process was killed before it was
// stored, is of a log that the next one goes on from.
func TestSignatureIsLost(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	appendEvents(t, s, 3)
	key := s.LogKey()
	var lost []byte
	if err := s.engine.view(t.Context(), s, func(x *tx) error {
		_, tree, err := x.recompute(key)
		if err == nil {
			lost, err = key.Sign(tree.Size(), tree.Root())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	appendEvents(t, s, 3)
	if _, err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if report, err := s.VerifyLog(t.Context(), VerifyOptions{Held: lost}); err != nil || report.Anchored != 3 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestSignDue(t *testing.T) {
	for _, c := range []struct {
		unsigned int
		since    time.Duration
		want     bool
	}{
		{0, time.Hour, false}, {1, signEvery - 1, false}, {1, signEvery, true}, {signAfter - 1, 0, false}, {signAfter, 0, true},
	} {
		if got := signDue(c.unsigned, c.since); got != c.want {
			t.Errorf("%d after %s: %v", c.unsigned, c.since, got)
		}
	}
}

// Events are sealed and signed without anybody asking; but not while those who hold
// checkpoints elsewhere were not asked.
func TestSignsByItself(t *testing.T) {
	s := openTest(t, t.TempDir())
	s.Doubt(ErrUnasked)
	if err := s.Update(t.Context(), func(tx bridge.Tx) error {
		return tx.Append(bridge.NewEvent(time.Now(), bridge.ConfigLoaded, bridge.Facts{}))
	}); err != nil {
		t.Fatal(err)
	}
	until := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not %s", what)
			}
		}
	}
	until("sealed", func() bool { st, err := s.Stats(t.Context()); return err == nil && st.Size == 1 })
	// The turn that sealed it would have signed it too; one more turn, to be sure.
	last := time.Now()
	until("a turn later", func() bool { return time.Since(last) > sealEvery+sealEvery/2 })
	if note, err := s.LastCheckpoint(t.Context()); err != nil || note != nil {
		t.Errorf("signed while in doubt: %q, %v", note, err)
	}
	s.Doubt(nil)
	until("signed", func() bool { note, err := s.LastCheckpoint(t.Context()); return err == nil && note != nil })
}
