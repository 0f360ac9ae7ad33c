package storetest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
)

// oneMore appends an event, and seals and signs the log.
func oneMore(t *testing.T, s *store.Store) []byte {
	t.Helper()
	must(t, s, func(tx bridge.Tx) error { return tx.Append(newEvent(bridge.PersonChanged, "")) })
	if _, err := s.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	note, err := s.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return note
}

// What places outside have kept is remembered, and what does not go on from it
// is not signed.
func anchors(t *testing.T, s *store.Store) {
	first := oneMore(t, s)
	second := oneMore(t, s)
	for _, a := range []struct {
		size int64
		note []byte
	}{{1, first}, {2, second}, {1, first}} {
		if err := s.Anchored(t.Context(), "worm", a.size, a.note); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := s.Anchors(t.Context())
	if err != nil || len(kept) != 1 || kept["worm"].Size != 2 || !bytes.Equal(kept["worm"].Note, second) || kept["worm"].Kept.IsZero() {
		t.Errorf("%+v, %v", kept, err)
	}
	oneMore(t, s)

	// Somebody outside says that there is more, or something else.
	other := []byte(strings.Replace(string(second), "\n2\n", "\n9\n", 1))
	if err := s.Anchored(t.Context(), "siem", 9, other); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Checkpoint(t.Context()); !errors.Is(err, store.ErrTampered) {
		t.Errorf("signed in spite of what the siem holds: %v", err)
	}
}

// While somebody outside holds another log, nothing is signed.
func doubt(t *testing.T, s *store.Store) {
	note := oneMore(t, s)
	reason := errors.New("the witness has seen more")
	s.Doubt(reason)
	if _, err := s.Checkpoint(t.Context()); !errors.Is(err, reason) {
		t.Errorf("in doubt: %v", err)
	}
	s.Doubt(nil)
	if again, err := s.Checkpoint(t.Context()); err != nil || !bytes.Equal(again, note) {
		t.Errorf("after it: %q, %v", again, err)
	}
}

// Cosignatures are kept once, and served with their checkpoint.
func cosignatures(t *testing.T, s *store.Store) {
	any := func([]byte) bool { return true }
	if note, err := s.LastCosigned(t.Context(), any); err != nil || note != nil {
		t.Errorf("without a checkpoint: %q, %v", note, err)
	}
	first, second := oneMore(t, s), oneMore(t, s)
	for _, line := range []struct {
		size          int64
		witness, line string
	}{{1, "a", "— a 1\n"}, {1, "b", "— b 1\n"}, {1, "a", "— a again\n"}, {7, "a", "— of nothing\n"}} {
		if err := s.Cosigned(t.Context(), line.size, line.witness, []byte(line.line)); err != nil {
			t.Fatal(err)
		}
	}
	if note, err := s.LastCosigned(t.Context(), any); err != nil || !bytes.Equal(note, second) {
		t.Errorf("newest: %q, %v", note, err)
	}
	two := func(note []byte) bool { return bytes.Count(note, []byte("— ")) == 3 }
	want := string(first) + "— a 1\n— b 1\n"
	if note, err := s.LastCosigned(t.Context(), two); err != nil || string(note) != want {
		t.Errorf("cosigned by two: %q, %v", note, err)
	}
	// Whoever verifies an export by a policy needs them too.
	var export bytes.Buffer
	if err := s.ExportLog(t.Context(), &export); err != nil || !strings.Contains(export.String(), want+"L") || !strings.Contains(export.String(), string(second)+"E") {
		t.Errorf("exported: %q, %v", export.String(), err)
	}
	if note, err := s.LastCosigned(t.Context(), func([]byte) bool { return false }); err != nil || note != nil {
		t.Errorf("good for nobody: %q, %v", note, err)
	}
	proof, err := s.Consistency(t.Context(), 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	old, new := parsed(t, first), parsed(t, second)
	if err := ledger.CheckConsistency(new, old, proof); err != nil {
		t.Error(err)
	}
	if _, err := s.Consistency(t.Context(), 3, 1); err == nil {
		t.Error("a proof for events that are not there")
	}
}

// parsed reads a checkpoint without its signature.
func parsed(t *testing.T, note []byte) ledger.Checkpoint {
	t.Helper()
	c, err := ledger.Read(note)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
