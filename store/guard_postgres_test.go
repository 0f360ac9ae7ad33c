package store_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/storetest"
)

// onPostgres is a store with three sealed events, and a connection of the owner.
func onPostgres(t *testing.T) (*store.Store, store.Options, *pgx.Conn) {
	t.Helper()
	opts := storetest.OnPostgres(t)
	opts.LogKey = newKey(t)
	s := open(t, opts)
	appendThree(t, s)
	conn, err := pgx.Connect(t.Context(), opts.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	return s, opts, conn
}

func appendThree(t *testing.T, s *store.Store) {
	t.Helper()
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
}

// What SQL may not do to the log: our own connections have no right to it, and
// even the owner runs into triggers.
func TestLogCannotBeChangedOnPostgres(t *testing.T) {
	s, _, conn := onPostgres(t)
	if err := s.Cosigned(t.Context(), 3, "w", []byte("x")); err != nil {
		t.Fatal(err)
	}
	const forbidden = "42501"
	for _, attempt := range []struct {
		sql      string
		ours     string // what our connections are told
		triggers bool   // refuse it to the owner too
	}{
		{`UPDATE log_event SET body = ''`, forbidden, true},
		{`DELETE FROM log_event WHERE id = 3`, forbidden, true},
		{`TRUNCATE log_event CASCADE`, forbidden, true},
		{`UPDATE log_leaf SET event = 2`, forbidden, true},
		{`DELETE FROM log_leaf`, forbidden, true},
		{`TRUNCATE log_leaf`, forbidden, true},
		{`UPDATE log_node SET hash = hash`, forbidden, true},
		{`DELETE FROM log_node`, forbidden, true},
		{`TRUNCATE log_node`, forbidden, true},
		{`UPDATE log_checkpoint SET note = ''`, forbidden, false}, // there is no row yet
		{`TRUNCATE log_checkpoint`, forbidden, true},
		{`UPDATE log_cosignature SET line = ''`, forbidden, false},
		{`TRUNCATE log_cosignature`, forbidden, true},
		{`INSERT INTO log_leaf (seq, event) VALUES (0, 3) ON CONFLICT (seq) DO UPDATE SET event = 3`, forbidden, true},
		{`INSERT INTO log_leaf (seq, event) VALUES (7, 3)`, "P0001", true},
		{`INSERT INTO log_node (id, hash) SELECT 99, hash FROM log_node LIMIT 1`, "P0001", true},
		{`INSERT INTO log_checkpoint (size, note) VALUES (0, 'x')`, "P0001", true},
		{`ALTER TABLE log_event DISABLE TRIGGER log_event_keep`, forbidden, false},
		{`ALTER TABLE log_event DISABLE TRIGGER ALL`, forbidden, false},
		{`ALTER TABLE log_event RENAME TO gone`, forbidden, false},
		{`ALTER TABLE log_event ALTER COLUMN body TYPE text USING ''`, forbidden, false},
		{`DROP TRIGGER log_event_keep ON log_event`, forbidden, false},
		{`DROP TABLE log_event CASCADE`, forbidden, false},
		{`DROP FUNCTION log_refuse() CASCADE`, forbidden, false},
		{`CREATE OR REPLACE FUNCTION log_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`, forbidden, false},
		{`CREATE RULE swallow AS ON INSERT TO log_event DO INSTEAD NOTHING`, forbidden, false},
		{`CREATE TRIGGER swallow BEFORE INSERT ON log_event FOR EACH ROW EXECUTE FUNCTION log_refuse()`, forbidden, false},
		{`SET session_replication_role = replica`, forbidden, false},
		{`GRANT UPDATE ON log_event TO CURRENT_USER`, "", false}, // a warning: it grants nothing
		{`UPDATE log_event SET body = ''`, forbidden, true},
		{`UPDATE goose_db_version SET is_applied = false`, forbidden, false},
	} {
		if code, err := store.Exec(t.Context(), s, attempt.sql); code != attempt.ours {
			t.Errorf("on our connection: %s: %v, want %s", attempt.sql, err, attempt.ours)
		}
		if !attempt.triggers {
			continue
		}
		if _, err := conn.Exec(t.Context(), attempt.sql); err == nil {
			t.Errorf("past the triggers: %s", attempt.sql)
		}
	}
	// A temporary table does not stand before the log's.
	if _, err := store.Exec(t.Context(), s, `CREATE TEMP TABLE IF NOT EXISTS log_event (id bigint, body bytea); SELECT count(*) FROM log_leaf JOIN log_event ON id = event WHERE length(body) > 0`); err != nil {
		t.Fatal(err)
	}
	appendThree(t, s)
	if _, err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if report, err := s.VerifyLog(t.Context(), store.VerifyOptions{}); err != nil || report.Size != 6 {
		t.Errorf("after all attempts: %+v, %v", report, err)
	}
}

// Without one of the guards nothing opens.
func TestMissingGuardIsNoticedOnPostgres(t *testing.T) {
	s, opts, conn := onPostgres(t)
	s.Close()
	for change, back := range map[string]string{
		`ALTER TABLE log_event DISABLE TRIGGER log_event_keep`:                                                    `ALTER TABLE log_event ENABLE TRIGGER log_event_keep`,
		`CREATE OR REPLACE FUNCTION log_node_place() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`: "",
		`CREATE RULE swallow AS ON INSERT TO log_event DO INSTEAD NOTHING`:                                        `DROP RULE swallow ON log_event`,
		`CREATE TRIGGER log_swallow BEFORE INSERT ON log_event FOR EACH ROW EXECUTE FUNCTION log_refuse()`:        `DROP TRIGGER log_swallow ON log_event`,
	} {
		if back == "" { // as it was
			var text string
			if err := conn.QueryRow(t.Context(), `SELECT pg_get_functiondef('log_node_place'::regproc)`).Scan(&text); err != nil {
				t.Fatal(err)
			}
			back = text
		}
		if _, err := conn.Exec(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		if second, err := store.Open(t.Context(), opts); err == nil {
			second.Close()
			t.Errorf("opened after %s", change)
		}
		if _, err := conn.Exec(t.Context(), back); err != nil {
			t.Fatal(err)
		}
		again, err := store.Open(t.Context(), opts)
		if err != nil {
			t.Fatalf("not opened, and all is as it was: %v", err)
		}
		again.Close()
	}
}

// An owner who may make roles needs to be told nothing; one who may not has the
// triggers.
func TestOwnersOnPostgres(t *testing.T) {
	for attribute, want := range map[string]string{"CREATEROLE": "42501", "NOCREATEROLE": "P0001"} {
		t.Run(attribute, func(t *testing.T) {
			opts := storetest.OnPostgres(t)
			opts.LogKey = newKey(t)
			conn, err := pgx.Connect(t.Context(), opts.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			b := make([]byte, 6)
			rand.Read(b)
			owner := "exeunt_owner_" + hex.EncodeToString(b)
			for _, sql := range []string{`CREATE ROLE ` + owner + ` LOGIN ` + attribute + ` PASSWORD 'pw'`, `CREATE SCHEMA own AUTHORIZATION ` + owner,
				`ALTER ROLE ` + owner + ` SET search_path = own`} {
				if _, err := conn.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			server := *conn.Config()
			t.Cleanup(func() { // before the database is dropped, and after the store was closed
				conn, err := pgx.ConnectConfig(context.Background(), &server)
				if err == nil {
					_, err = conn.Exec(context.Background(), `DROP OWNED BY `+owner+` CASCADE`)
				}
				if err == nil {
					_, err = conn.Exec(context.Background(), `DROP ROLE `+owner)
				}
				if err != nil {
					t.Error(err)
				}
			})
			u, err := url.Parse(opts.URL)
			if err != nil {
				t.Fatal(err)
			}
			u.User = url.UserPassword(owner, "pw")
			opts.URL = u.String()
			s := open(t, opts)
			appendThree(t, s)
			if code, err := store.Exec(t.Context(), s, `UPDATE log_event SET body = ''`); code != want {
				t.Errorf("%v, want %s", err, want)
			}
			s.Close()
		})
	}
}

// Two nodes sign one log, and another starts meanwhile: no event is lost, and
// each checkpoint goes on from the last.
func TestTwoNodesSign(t *testing.T) {
	a, opts, conn := onPostgres(t)
	b := open(t, opts)
	var wg sync.WaitGroup
	for _, s := range []*store.Store{a, b} {
		wg.Go(func() {
			for range 15 {
				appendThree(t, s)
				if _, err := s.Checkpoint(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		c, err := store.Open(t.Context(), opts)
		if err != nil {
			t.Error(err)
			return
		}
		c.Close()
	})
	wg.Wait()
	report, err := a.VerifyLog(t.Context(), store.VerifyOptions{})
	if err != nil || report.Size != 93 {
		t.Errorf("%+v, %v", report, err)
	}
	var signed int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM log_checkpoint`).Scan(&signed); err != nil || signed < 5 {
		t.Errorf("%d checkpoints, %v", signed, err)
	}
	if note, err := b.LastCheckpoint(t.Context()); err != nil || !strings.Contains(string(note), "\n93\n") {
		t.Errorf("%q, %v", note, err)
	}
}
