package store_test

import (
	"bytes"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
)

// happened appends an event of a case, of so many days ago.
func happened(t *testing.T, s *store.Store, days int, id uuid.UUID, what bridge.EventType, state string) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx bridge.Tx) error {
		e := bridge.NewEvent(time.Now().AddDate(0, 0, -days), what, bridge.Facts{Case: id.String(), State: state})
		e.Request = id
		return tx.Append(e)
	}); err != nil {
		t.Fatal(err)
	}
}

// Old events go, those of departures that are open or would be cut in two stay, and
// everything that is left verifies, before a checkpoint from before too.
func TestPrune(t *testing.T) {
	opts := store.Options{Dir: filepath.Join(t.TempDir(), "data"), LogKey: newKey(t), Logger: zerolog.Nop()}
	s, err := store.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	old, cut, open1 := uuid.New(), uuid.New(), uuid.New()
	for range 300 {
		happened(t, s, 900, uuid.Nil, bridge.ConfigLoaded, "")
	}
	happened(t, s, 800, old, bridge.CaseOpened, "open") // 300
	happened(t, s, 799, old, bridge.CaseSettled, "closed")
	happened(t, s, 798, uuid.Nil, bridge.ConfigLoaded, "") // 302
	happened(t, s, 797, cut, bridge.CaseOpened, "open")    // 303
	happened(t, s, 796, uuid.Nil, bridge.ConfigLoaded, "")
	happened(t, s, 10, cut, bridge.CaseSettled, "closed")
	happened(t, s, 9, open1, bridge.CaseOpened, "open")
	if _, err := s.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	held, err := s.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if n, err := store.Prune(t.Context(), opts, time.Now().AddDate(0, 0, -400)); err != nil || n != 303 {
		t.Fatal(n, err)
	}
	if n, err := store.Prune(t.Context(), opts, time.Now().AddDate(0, 0, -400)); err != nil || n != 0 {
		t.Error("again:", n, err)
	}
	if s, err = store.Open(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	happened(t, s, 0, uuid.Nil, bridge.ConfigLoaded, "")
	if _, err := s.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	note, err := s.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	report, err := s.VerifyLog(t.Context(), store.VerifyOptions{Held: held})
	if err != nil || report.Pruned != 303 || report.Size != 309 || report.Anchored != 307 {
		t.Errorf("%+v, %v", report, err)
	}
	at, err := store.OpenSigned(note, s.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Certify(t.Context(), cut.String(), at); err != nil {
		t.Error("what stays has its certificate:", err)
	}
	if _, err := s.Certify(t.Context(), old.String(), at); !bridge.IsKind(err, bridge.KindNotFound) {
		t.Error("what was pruned has one:", err)
	}
	if _, err := s.ProveInclusion(t.Context(), 304, at); err != nil {
		t.Error(err)
	}
	if _, err := s.LeavesFrom(t.Context(), 0, 5); !bridge.IsKind(err, bridge.KindNotFound) {
		t.Error(err)
	}
	hashes, err := s.Tile(t.Context(), tlog.Tile{H: 8, L: 0, N: 0, W: 5})
	if err != nil || len(hashes) != 5*tlog.HashSize {
		t.Errorf("hashes of what was pruned: %d bytes, %v", len(hashes), err)
	}
	if _, err := s.Tile(t.Context(), tlog.Tile{H: 8, L: -1, N: 0, W: 5}); !bridge.IsKind(err, bridge.KindNotFound) {
		t.Errorf("entries of what was pruned: %v", err)
	}
	var export bytes.Buffer
	if err := s.ExportLog(t.Context(), &export); err != nil {
		t.Fatal(err)
	}
	if r, _, err := ledger.VerifyExport(bytes.NewReader(export.Bytes()), ledger.Options{VerifierKey: s.VerifierKey(), Held: held}); err != nil || r.Pruned != 303 || r.Anchored != 307 {
		t.Errorf("%+v, %v", r, err)
	}
	b := export.Bytes()
	for at := 20; at < 400; at++ { // hashes of what was pruned
		b[at] ^= 1
		if _, _, err := ledger.VerifyExport(bytes.NewReader(b), ledger.Options{VerifierKey: s.VerifierKey()}); err == nil {
			t.Errorf("byte %d changed, and it verifies", at)
		}
		b[at] ^= 1
	}
	s.Close()
}

// Whoever removes events without a word is seen: more than the log says was pruned.
func TestPrunedInSecret(t *testing.T) {
	opts := store.Options{Dir: filepath.Join(t.TempDir(), "data"), LogKey: newKey(t), Logger: zerolog.Nop()}
	s, err := store.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	for range 9 {
		happened(t, s, 900, uuid.Nil, bridge.ConfigLoaded, "")
	}
	s.Close()
	if n, err := store.Prune(t.Context(), opts, time.Now().AddDate(0, 0, -400)); err != nil || n != 9 {
		t.Fatal(n, err)
	}
	if s, err = store.Open(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	for range 9 {
		happened(t, s, 0, uuid.Nil, bridge.ConfigLoaded, "")
	}
	s.Close()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(opts.Dir, "exeunt.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, query := range []string{`DROP TRIGGER log_leaf_delete`, `DROP TRIGGER log_event_delete`,
		`CREATE TEMP TABLE gone AS SELECT event FROM log_leaf WHERE seq < 11`, `DELETE FROM log_leaf WHERE seq < 11`,
		`DELETE FROM log_event WHERE id IN (SELECT event FROM gone)`} {
		if _, err := db.Exec(query); err != nil {
			t.Fatal(query, err)
		}
	}
	opts.ReadOnly = true
	if s, err = store.Open(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var bad *ledger.EvidenceError
	if r, err := s.VerifyLog(t.Context(), store.VerifyOptions{}); !errors.As(err, &bad) || bad.Fault != ledger.FaultMissing {
		t.Errorf("%+v, %v", r, err)
	}
}
