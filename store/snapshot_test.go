package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/vault"
)

// meanwhile is a writer that does something at the first write.
type meanwhile struct {
	bytes.Buffer
	do func()
}

func (m *meanwhile) Write(b []byte) (int, error) {
	if m.do != nil {
		m.do()
		m.do = nil
	}
	return m.Buffer.Write(b)
}

// Whoever is in the snapshot of a backup is not said to be forgotten before it is
// gone; and what a backup that was killed has left keeps nobody.
func TestForgottenInSnapshots(t *testing.T) {
	opts, p, _ := backedUp(t)
	s := open(t, opts)
	var during error
	if _, err := s.Backup(t.Context(), &meanwhile{do: func() { _, during = s.Shred(t.Context(), p.Handle) }}); err != nil {
		t.Fatal(err)
	}
	if !bridge.IsKind(during, bridge.KindBusy) {
		t.Errorf("forgotten while a snapshot has them: %v", during)
	}
	if _, err := s.Shred(t.Context(), p.Handle); err != nil {
		t.Error(err)
	}

	ada := leave(t, s)
	left := filepath.Join(opts.Dir, "backup.tmp")
	wrapped := wrappedKey(t, filepath.Join(opts.Dir, "exeunt.db"), ada.Handle)
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "exeunt.db"), wrapped, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Shred(t.Context(), ada.Handle); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("what a killed backup left is still there")
	}
}

// A backup during which its key epoch ended can be read by nobody: it is none.
func TestEpochEndsDuringBackup(t *testing.T) {
	opts, _, _ := backedUp(t)
	s := open(t, opts)
	if _, err := s.Backup(t.Context(), &meanwhile{do: func() {
		if _, err := s.EndEpoch(t.Context()); err != nil {
			t.Error(err)
		}
	}}); !bridge.IsKind(err, bridge.KindBusy) {
		t.Errorf("made: %v", err)
	}
}

// The log says that somebody is to be erased, and the process died before the key
// file noted it. Who comes back from a backup is then not that one.
func TestBegunErasuresAreDoneAgain(t *testing.T) {
	opts, p, _ := backedUp(t)
	s := open(t, opts)
	bob, err := come(t.Context(), s, "bob")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), func(tx bridge.Tx) error {
		return tx.Append(bridge.NewEvent(time.Now(), bridge.ErasureIntended, bridge.Facts{Operator: "engine"},
			bridge.Party{Role: bridge.Subject, Handle: p.Handle}))
	}); err != nil {
		t.Fatal(err)
	}
	var backup bytes.Buffer
	if _, err := s.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := os.RemoveAll(opts.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Restore(t.Context(), &backup, opts, anything, nothing); err != nil {
		t.Fatal(err)
	}
	keys, err := vault.Open(t.Context(), opts.Dir+".keys", nil)
	if err != nil || !keys.IsErased(p.Handle) || keys.IsErased(bob.Handle) {
		t.Error("the key file does not note who was erased", err)
	}
	s = open(t, opts)
	for id, there := range map[string]bool{p.ID: false, bob.ID: true} {
		err := s.View(t.Context(), func(tx bridge.Tx) error { _, err := tx.Person(id); return err })
		if (err == nil) != there {
			t.Errorf("%s: %v", id, err)
		}
	}
}
