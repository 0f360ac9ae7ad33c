package storetest

import (
	"archive/zip"
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/evidence"
)

// said appends an event of a case, some time after start.
func said(t *testing.T, s *store.Store, id string, after time.Duration, what bridge.EventType, state bridge.CaseState) {
	t.Helper()
	e := newEvent(what, id, bridge.Party{Role: bridge.Subject, Handle: bridge.Handle{1}, Payload: []byte(`{}`)})
	e.At, e.Request, e.Facts.State = start.Add(after), uuid.MustParse(id), string(state)
	must(t, s, func(tx bridge.Tx) error { return tx.Append(e) })
}

// signed seals and signs the log.
func checkpointed(t *testing.T, s *store.Store) store.Signed {
	t.Helper()
	if _, err := s.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	note, err := s.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at, err := store.OpenSigned(note, s.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func unzip(t *testing.T, b *bytes.Buffer) *zip.Reader {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func certificates(t *testing.T, s *store.Store) {
	ctx := t.Context()
	grace, alan := uuid.NewString(), uuid.NewString()
	said(t, s, alan, -time.Minute, bridge.CaseOpened, bridge.CaseOpen)
	at := checkpointed(t, s)
	said(t, s, grace, 0, bridge.CaseOpened, bridge.CaseOpen)
	if _, err := s.Certify(ctx, grace, at); !bridge.IsKind(err, bridge.KindBusy) {
		t.Errorf("what is not signed yet: %v", err)
	}
	said(t, s, alan, time.Minute, bridge.CaseSettled, bridge.CaseClosed)
	said(t, s, grace, 2*time.Minute, bridge.CaseSettled, bridge.CaseClosed)
	at = checkpointed(t, s)
	var b bytes.Buffer
	if _, err := s.WriteCertificate(ctx, &b, grace, at); err != nil {
		t.Fatal(err)
	}
	c, signed, err := evidence.VerifyBundle(unzip(t, &b), s.VerifierKey())
	if err != nil || signed != at.Checkpoint {
		t.Fatal(err)
	}
	if d := c.Departure; d.Case != grace || d.State != bridge.CaseClosed || len(c.Events) != 2 || c.Events[0].Seq != 1 || c.Events[1].Seq != 3 {
		t.Errorf("%+v", c)
	}
	for _, unknown := range []string{uuid.NewString(), uuid.Nil.String(), "x", ""} {
		if _, err := s.Certify(ctx, unknown, at); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Errorf("%q: %v", unknown, err)
		}
	}
}

func populations(t *testing.T, s *store.Store) {
	const day = 24 * time.Hour
	noise := func(n int, after time.Duration) {
		must(t, s, func(tx bridge.Tx) error {
			for range n {
				e := newEvent(bridge.PersonChanged, "")
				e.At = start.Add(after)
				if err := tx.Append(e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	var want []string
	noise(1, -2*day)
	said(t, s, uuid.NewString(), -day, bridge.CaseOpened, bridge.CaseClosed)
	for i := range 3 {
		id := uuid.NewString()
		want = append(want, id)
		said(t, s, id, time.Duration(i)*day, bridge.CaseOpened, bridge.CaseOpen)
		noise(700, time.Duration(i)*day)
		said(t, s, id, time.Duration(i)*day+time.Hour, bridge.CaseSettled, bridge.CaseClosed)
	}
	said(t, s, uuid.NewString(), 3*day, bridge.CaseOpened, bridge.CaseOpen)
	noise(50, 4*day)
	at := checkpointed(t, s)
	var b bytes.Buffer
	found, err := s.WritePopulation(t.Context(), &b, evidence.Period{From: start, To: start.Add(3 * day)}, at)
	if err != nil {
		t.Fatal(err)
	}
	v, c, err := evidence.VerifyArchive(unzip(t, &b), s.VerifierKey())
	if err != nil || c != at.Checkpoint || v.String() != found.String() {
		t.Fatalf("%+v, %v", v, err)
	}
	var got []string
	for _, r := range v.Departures {
		got = append(got, r.Case)
	}
	// One event from before is read, and as few as are needed from after.
	if len(got) != 3 || got[0] != want[0] || got[2] != want[2] || v.First != 1 || v.Last != 3+3*702 || v.Issue != evidence.Final {
		t.Errorf("%v from %d to %d, %s; want %v", got, v.First, v.Last, v.Issue, want)
	}
}
