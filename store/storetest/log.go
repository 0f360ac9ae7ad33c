package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
)

func logSeals(t *testing.T, s *store.Store) {
	ctx := t.Context()
	ada := bridge.NewHandle()
	var want []bridge.Event
	for i := range 7 {
		e := newEvent(bridge.CaseOpened, "c1", bridge.Party{Role: bridge.Subject, Handle: ada, Payload: fmt.Appendf(nil, `{"n":%d}`, i)})
		e.At = e.At.UTC()
		e.Request = [16]byte{byte(i)}
		want = append(want, e)
		must(t, s, func(tx bridge.Tx) error { return tx.Append(e) })
	}
	if _, err := s.Seal(ctx); err != nil { // the background may have been faster
		t.Fatal(err)
	}
	got, err := s.Tail(ctx, -1, 100)
	if err != nil {
		t.Fatal(err)
	}
	var events []bridge.Event
	for i, e := range got {
		if e.Seq != int64(i) {
			t.Fatalf("event %d has position %d", i, e.Seq)
		}
		events = append(events, e.Event)
	}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Error(diff)
	}
	if part, err := s.Tail(ctx, 4, 1); err != nil || len(part) != 1 || part[0].Seq != 5 {
		t.Errorf("after 4: %+v, %v", part, err)
	}
	if _, err := s.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	report, err := s.VerifyLog(ctx, store.VerifyOptions{})
	if err != nil || report.Size != 7 || report.Signed != 7 || report.Payloads != 7 || report.Pending != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	// The same event twice is found when the log is verified.
	var bad *ledger.EvidenceError
	must(t, s, func(tx bridge.Tx) error { return tx.Append(want[0]) })
	if _, err := s.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.VerifyLog(ctx, store.VerifyOptions{}); !errors.As(err, &bad) || bad.Fault != ledger.FaultDuplicate {
		t.Errorf("an event id occurs twice: %v", err)
	}
}

func logSealsConcurrently(t *testing.T, s *store.Store) {
	const callers, each = 8, 60
	ctx := t.Context()
	var wg, sealers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		sealers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := s.Seal(ctx); err != nil {
					t.Error(err)
					return
				}
				if _, err := s.Checkpoint(ctx); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range callers {
		wg.Go(func() {
			for i := range each {
				err := s.Update(ctx, func(tx bridge.Tx) error {
					if err := tx.Append(newEvent(bridge.PersonChanged, "", bridge.Party{Role: bridge.Subject, Payload: []byte("{}")})); err != nil {
						return err
					}
					if i%10 == 9 { // some come to nothing, and leave no gap
						return bridge.Errorf(bridge.KindStale, "never mind")
					}
					return nil
				})
				if err != nil && !bridge.IsKind(err, bridge.KindStale) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	sealers.Wait()
	if _, err := s.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	report, err := s.VerifyLog(ctx, store.VerifyOptions{})
	if want := int64(callers * each * 9 / 10); err != nil || report.Size != want || report.Pending != 0 {
		t.Fatalf("%+v, %v; want %d events", report, err, want)
	}
}

func checkpoints(t *testing.T, s *store.Store) {
	ctx := t.Context()
	appendSome := func(n int) {
		for range n {
			must(t, s, func(tx bridge.Tx) error { return tx.Append(newEvent(bridge.PersonChanged, "")) })
		}
		if _, err := s.Seal(ctx); err != nil {
			t.Fatal(err)
		}
	}
	appendSome(3)
	first, err := s.Checkpoint(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.Checkpoint(ctx); err != nil || !bytes.Equal(first, again) {
		t.Errorf("nothing new, but another checkpoint: %v", err)
	}
	appendSome(300)
	second, err := s.Checkpoint(ctx)
	if err != nil || bytes.Equal(first, second) || !strings.Contains(string(second), "\n303\n") {
		t.Fatalf("%q, %v", second, err)
	}
	if last, err := s.LastCheckpoint(ctx); err != nil || !bytes.Equal(last, second) {
		t.Errorf("last %q, %v", last, err)
	}
	report, err := s.VerifyLog(ctx, store.VerifyOptions{Held: first})
	if err != nil || report.Anchored != 3 || report.Checkpoints < 2 {
		t.Errorf("%+v, %v", report, err)
	}
}
