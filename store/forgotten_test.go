package store_test

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

// marker is a name that occurs nowhere by chance.
const marker = "Zyqqvrlynth"

// leave stores somebody called marker who has left, wherever a name may be kept.
func leave(t *testing.T, s *store.Store) bridge.Person {
	t.Helper()
	p := bridge.Person{ID: uuid.NewString(), Source: "hr", Handle: bridge.NewHandle(), UserName: marker, ExternalID: marker,
		DisplayName: marker, Emails: []string{marker + "@example.org"}, Resource: []byte(`{"userName":"` + marker + `"}`),
		Version: 1, Created: time.Now(), Modified: time.Now()}
	c := bridge.Case{ID: uuid.NewString(), Source: "hr", Person: p.ID, Handle: p.Handle, Who: p.Identifiers(),
		Trigger: bridge.Removed, State: bridge.CaseRunning, Opened: time.Now()}
	a := bridge.Action{ID: uuid.NewString(), Case: c.ID, Lane: bridge.Lane{App: "a", Person: p.ID}, Effect: bridge.Lock,
		State: bridge.ActionVerified, Done: bridge.Receipt{Summary: marker, Ref: marker}}
	if err := s.Update(t.Context(), func(tx bridge.Tx) error {
		return errors.Join(tx.PutPerson(p), tx.PutCase(c), tx.PutAction(&a),
			tx.PutAccount(a.Lane, bridge.Account{ID: marker, Login: marker, Case: c.ID}),
			tx.PutSession(bridge.Session{App: "a", Person: p.ID, Handle: p.Handle, Name: bridge.NameID{Value: marker, Format: marker,
				NameQualifier: marker, SPNameQualifier: marker}, Index: marker, Subject: marker, SID: marker, Access: marker, Refresh: marker,
				Credential: marker, Feed: "feed:idp", Learned: time.Now(), Expires: time.Now().Add(time.Hour)}),
			tx.PutNote(sha256.Sum256(p.Handle[:]), []byte(marker), time.Now(), time.Now().Add(time.Hour)),
			tx.Append(bridge.NewEvent(time.Now(), bridge.CaseOpened, bridge.Facts{},
				bridge.Party{Role: bridge.Subject, Handle: p.Handle, Payload: []byte(marker)})),
			tx.DeletePerson(p.ID, p.Keys()), tx.PutPerson(p))
	}); err != nil {
		t.Fatal(err)
	}
	return p
}

// stands lists the files below dir that have what in them, and how much was read.
func stands(t *testing.T, dir string, what []byte) (files []string, read int) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if read += len(b); bytes.Contains(bytes.ToLower(b), bytes.ToLower(what)) {
			files = append(files, filepath.Base(path))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return files, read
}

func TestNoByteOfAName(t *testing.T) {
	root := t.TempDir() // data and keys are in it
	s := open(t, store.Options{Dir: filepath.Join(root, "data"), LogKey: newKey(t), Logger: zerolog.Nop()})
	p := leave(t, s)
	if _, err := s.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	wrapped := wrappedKey(t, filepath.Join(root, "data", "exeunt.db"), p.Handle)
	for _, when := range []string{"before", "after"} {
		if files, read := stands(t, root, []byte(marker)); len(files) > 0 || read < 1<<16 {
			t.Errorf("%s: the name is in %q; %d bytes read", when, files, read)
		}
		files, _ := stands(t, filepath.Join(root, "data"), wrapped[8:])
		if (len(files) > 0) != (when == "before") {
			t.Errorf("%s: the wrapped key is in %q", when, files)
		}
		if when == "before" {
			if done, err := s.Shred(t.Context(), p.Handle); err != nil || done.Scanned < 1<<16 {
				t.Fatalf("%+v, %v", done, err)
			}
		}
	}
}

func wrappedKey(t *testing.T, file string, h bridge.Handle) (wrapped []byte) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(`SELECT wrapped FROM subject_keys WHERE handle = ?`, h[:]).Scan(&wrapped); err != nil {
		t.Fatal(err)
	}
	return wrapped
}

// An open reader keeps old pages in the write-ahead log, and SQLite says so in a
// column and by no error.
func TestNotForgottenWhileSomebodyReads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, store.Options{Dir: dir, Logger: zerolog.Nop()})
	p := leave(t, s)
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "exeunt.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow(`SELECT count(*) FROM subject_keys`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Shred(t.Context(), p.Handle); !bridge.IsKind(err, bridge.KindBusy) {
		t.Fatalf("forgotten under a reader's eyes: %v", err)
	}
	if err := s.Update(t.Context(), func(tx bridge.Tx) error { // others go on meanwhile
		return tx.Append(bridge.NewEvent(time.Now(), bridge.ConfigLoaded, bridge.Facts{}))
	}); err != nil {
		t.Error(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Shred(t.Context(), p.Handle); err != nil || done.Scanned == 0 {
		t.Errorf("when the reader has gone: %+v, %v", done, err)
	}
}

// A copy of the database from before brings nobody back, and one from before the
// end of its key epoch is unreadable.
func TestOldCopyPutBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	opts := store.Options{Dir: dir, Logger: zerolog.Nop()}
	s, err := store.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	p := leave(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	copied, err := os.ReadFile(filepath.Join(dir, "exeunt.db"))
	if err != nil {
		t.Fatal(err)
	}
	putBack := func() {
		t.Helper()
		for _, end := range []string{"", "-wal", "-shm"} {
			os.Remove(filepath.Join(dir, "exeunt.db"+end))
		}
		if err := os.WriteFile(filepath.Join(dir, "exeunt.db"), copied, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if s, err = store.Open(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Shred(t.Context(), p.Handle); err != nil {
		t.Fatal(err)
	}
	s.Close()
	putBack()
	if s, err = store.Open(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if err := s.View(t.Context(), func(tx bridge.Tx) error { _, err := tx.Person(p.ID); return err }); !bridge.IsKind(err, bridge.KindNotFound) {
		t.Errorf("brought back by an old copy: %v", err)
	}
	if _, err := s.EndEpoch(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	putBack()
	if s, err := store.Open(t.Context(), opts); err == nil {
		s.Close()
		t.Error("a copy from an epoch that has ended opens")
	} else if !strings.Contains(err.Error(), "destroyed") {
		t.Error(err)
	}
}

func TestKeyFileMustBeTheRightOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	opts := store.Options{Dir: dir, Logger: zerolog.Nop()}
	s, err := store.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := os.Rename(dir+".keys", dir+".moved"); err != nil {
		t.Fatal(err)
	}
	if s, err := store.Open(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "put it back") {
		s.Close()
		t.Errorf("without it: %v", err)
	}
	another := filepath.Join(t.TempDir(), "another")
	if s, err = store.Open(t.Context(), store.Options{Dir: another, Logger: zerolog.Nop()}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	opts.KeyFile = another + ".keys"
	if s, err := store.Open(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "is not the key file of this database") {
		s.Close()
		t.Errorf("with another's: %v", err)
	}
	opts.KeyFile = dir + ".moved"
	open(t, opts)
}

// While a copy of the key file is kept somewhere, backups from before can be read,
// however late the epoch ended.
func TestBackupsCanBeReadAsLongAsTheirKeyCanBeHad(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var passed atomic.Int64 // since start; the store looks at the clock whenever it likes
	opts := store.Options{Dir: filepath.Join(t.TempDir(), "data"), Epoch: 1000 * time.Hour, Linger: 24 * time.Hour,
		Now: func() time.Time { return start.Add(time.Duration(passed.Load())) }, Logger: zerolog.Nop()}
	s := open(t, opts)
	p := leave(t, s)
	done, err := s.Shred(t.Context(), p.Handle)
	if err != nil {
		t.Fatal(err)
	}
	passed.Store(int64(900 * time.Hour)) // and nobody ends the epoch before
	for range 2 {
		if _, err := s.EndEpoch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for after, can := range map[time.Duration]bool{0: true, 24*time.Hour - time.Second: true, 24 * time.Hour: false} {
		passed.Store(int64(900*time.Hour + after))
		if got := s.OldestEpoch() <= done.Epoch; got != can {
			t.Errorf("%s after its key was destroyed here: %v", after, got)
		}
	}
}
