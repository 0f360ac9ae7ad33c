package store_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
	"github.com/exeunt/exeunt/store/vault"
)

func anything(store.Backup, *store.Store) error { return nil }

func nothing(store.Backup, store.Options) error { return nil }

// backedUp is a store with a person called marker, and a backup of it.
func backedUp(t *testing.T) (opts store.Options, p bridge.Person, backup []byte) {
	t.Helper()
	opts = store.Options{Dir: filepath.Join(t.TempDir(), "data"), LogKey: newKey(t), Logger: zerolog.Nop()}
	s, err := store.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p = leave(t, s)
	if _, err := s.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	made, err := s.Backup(t.Context(), &b)
	if err != nil || made.Size != 1 || made.Epoch != 1 || !strings.Contains(made.Checkpoint, "\n1\n") {
		t.Fatalf("%+v, %v", made, err)
	}
	return opts, p, b.Bytes()
}

// A backup from before an erasure: everything else comes back, the person stays
// erased, and their name is in no byte of anything.
func TestRestoredAndStillErased(t *testing.T) {
	opts, p, backup := backedUp(t)
	s := open(t, opts)
	bob, err := come(t.Context(), s, "bob")
	if err != nil {
		t.Fatal(err)
	}
	var later bytes.Buffer
	if _, err := s.Backup(t.Context(), &later); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Shred(t.Context(), p.Handle); err != nil {
		t.Fatal(err)
	}
	s.Close()
	for name, file := range map[string][]byte{"before bob": backup, "with bob": later.Bytes()} {
		if err := os.RemoveAll(opts.Dir); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Restore(t.Context(), bytes.NewReader(file), opts, anything, nothing); err != nil {
			t.Fatal(name, err)
		}
		s, err := store.Open(t.Context(), opts)
		if err != nil {
			t.Fatal(name, err)
		}
		err = s.View(t.Context(), func(tx bridge.Tx) error { _, err := tx.Person(p.ID); return err })
		if !bridge.IsKind(err, bridge.KindNotFound) {
			t.Errorf("%s: whoever was erased is back: %v", name, err)
		}
		err = s.View(t.Context(), func(tx bridge.Tx) error { _, err := tx.Person(bob.ID); return err })
		if (err == nil) != (name == "with bob") {
			t.Errorf("%s: somebody else: %v", name, err)
		}
		if files, read := stands(t, filepath.Dir(opts.Dir), []byte(marker)); len(files) > 0 || read == 0 {
			t.Errorf("%s: the name is in %q", name, files)
		}
		s.Close()
	}
	if bytes.Contains(backup, []byte(marker)) {
		t.Error("the name is in the backup")
	}
}

// What is no whole backup of ours restores nothing, and leaves nothing behind.
func TestBadBackups(t *testing.T) {
	opts, _, backup := backedUp(t)
	if _, err := store.Restore(t.Context(), bytes.NewReader(backup), opts, anything, nothing); err == nil || !strings.Contains(err.Error(), "database in") {
		t.Errorf("over another database: %v", err)
	}
	if err := os.RemoveAll(opts.Dir); err != nil {
		t.Fatal(err)
	}
	refused := func(name string, b []byte) {
		t.Helper()
		if _, err := store.Restore(t.Context(), bytes.NewReader(b), opts, anything, nothing); err == nil {
			t.Errorf("%s: restored", name)
		}
		left, err := filepath.Glob(filepath.Join(opts.Dir, "*.db*"))
		if more, _ := filepath.Glob(filepath.Join(opts.Dir, ".restore*")); err != nil || len(left)+len(more) > 0 {
			t.Errorf("%s: %q, %q are left", name, left, more)
		}
	}
	for at := 0; at < len(backup); at += 1 + len(backup)/40 {
		changed := bytes.Clone(backup)
		changed[at] ^= 1
		refused("changed", changed)
		refused("cut off", backup[:at])
	}
	refused("nothing", nil)
	refused("with something behind it", append(bytes.Clone(backup), 0))
	_, _, theirs := backedUp(t)
	refused("another installation's", theirs)
	if _, err := store.Restore(t.Context(), bytes.NewReader(backup), opts, func(store.Backup, *store.Store) error {
		return bridge.Errorf(bridge.KindConflict, "not this one")
	}, nothing); err == nil {
		t.Error("restored against the judgement")
	}
	// A restore that was cut short leaves a copy, which goes before anything else.
	left := filepath.Join(opts.Dir, ".restore-killed")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Restore(t.Context(), bytes.NewReader(backup), opts, anything, nothing); err != nil {
		t.Fatal(err)
	}
	open(t, opts)
	if _, err := os.Stat(left); err == nil {
		t.Error("what a killed restore left is still there")
	}
}

// While many write, a backup has all that was committed when it began, and is whole.
func TestBackupWhileOthersWrite(t *testing.T) {
	opts, _, _ := backedUp(t)
	s := open(t, opts)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	committed := 0
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := s.Update(t.Context(), func(tx bridge.Tx) error {
					return tx.Append(bridge.NewEvent(time.Now(), bridge.ConfigLoaded, bridge.Facts{}))
				}); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				committed++
				mu.Unlock()
			}
		})
	}
	for range 5 {
		mu.Lock()
		before := committed
		mu.Unlock()
		var b bytes.Buffer
		if _, err := s.Backup(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		fresh := opts
		fresh.KeyFile, fresh.Dir = opts.Dir+".keys", filepath.Join(t.TempDir(), "data")
		if _, err := store.Restore(t.Context(), &b, fresh, func(_ store.Backup, r *store.Store) error {
			report, err := r.VerifyLog(t.Context(), store.VerifyOptions{VerifierKey: opts.LogKey.VerifierKey()})
			if n := report.Size + report.Pending; n < int64(before) {
				t.Errorf("%d events in the backup, %d were committed before", n, before)
			}
			return err
		}, nothing); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	wg.Wait()
}

// A backup that meets a full disk, or a reader who has gone, is an error.
func TestBackupFails(t *testing.T) {
	opts, _, _ := backedUp(t)
	s := open(t, opts)
	if _, err := s.Backup(t.Context(), &narrow{room: 5000}); err == nil {
		t.Error("written where there was no room")
	}
	if _, err := os.Stat(filepath.Join(opts.Dir, "backup.tmp")); err == nil {
		t.Error("the snapshot is left")
	}
}

// narrow is a writer with little room.
type narrow struct{ room int }

func (n *narrow) Write(b []byte) (int, error) {
	if n.room -= len(b); n.room < 0 {
		return 0, os.ErrInvalid
	}
	return len(b), nil
}

// A new log that was begun twice says once what it continues.
func TestLogContinuedOnce(t *testing.T) {
	opts, _, _ := backedUp(t)
	key := opts.LogKey
	old := ledger.Checkpoint{Origin: key.Origin(), Size: 5}
	opts.LogKey = newKey(t)
	for range 2 {
		if lost, err := store.BeginOrigin(t.Context(), opts, old); err != nil || lost != 4 {
			t.Fatal(lost, err)
		}
	}
	s := open(t, opts)
	defer s.Close()
	list, err := s.Sealed(t.Context(), 0, 10)
	if err != nil || len(list) != 2 {
		t.Fatal(len(list), err)
	}
}

// A copy beside the database in use ends none of its key epochs, and is not worked
// on with its key file.
func TestCopyTakesNoKeys(t *testing.T) {
	opts, p, backup := backedUp(t)
	s := open(t, opts)
	copied := opts
	copied.Dir, copied.KeyFile, copied.Epoch = filepath.Join(t.TempDir(), "copy"), opts.Dir+".keys", time.Nanosecond
	if _, err := store.Restore(t.Context(), bytes.NewReader(backup), copied, anything, nothing); err != nil {
		t.Fatal(err)
	}
	if c, err := store.Open(t.Context(), copied); err == nil {
		c.Close()
		t.Error("two databases at work with one key file")
	} else if !strings.Contains(err.Error(), "needs a copy of its key file") {
		t.Error(err)
	}
	copied.Aside = true
	c := open(t, copied)
	if _, err := c.EndEpoch(t.Context()); err == nil {
		t.Error("the copy ended an epoch")
	}
	c.Close()
	if err := s.View(t.Context(), func(tx bridge.Tx) error { _, err := tx.Person(p.ID); return err }); err != nil {
		t.Error("the database in use:", err)
	}
	if keys, err := vault.Open(t.Context(), copied.KeyFile, nil); err != nil || keys.Oldest() != 1 {
		t.Error(keys.Oldest(), err)
	}
}
