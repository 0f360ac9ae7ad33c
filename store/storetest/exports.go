package storetest

import (
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

func exports(t *testing.T, s *store.Store) {
	ctx := t.Context()
	must(t, s, func(tx bridge.Tx) error {
		for range 5 {
			if err := tx.Append(newEvent(bridge.CaseOpened, "c1")); err != nil {
				return err
			}
		}
		return nil
	})
	if _, err := s.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	us := [16]byte{1}
	claim := func(origin string, want int64) {
		t.Helper()
		if next, mine, err := s.ClaimExport(ctx, "siem", origin, us, time.Minute); err != nil || !mine || next != want {
			t.Fatalf("%d, %v, %v; want %d", next, mine, err, want)
		}
	}
	claim("a", 0)
	if err := s.Exported(ctx, "siem", 0, 3, []store.Refused{{Seq: 1, Status: 422}}); err != nil {
		t.Fatal(err)
	}
	claim("a", 3)
	if err := s.Exported(ctx, "siem", 0, 5, nil); err != nil { // it stands elsewhere
		t.Fatal(err)
	}
	claim("a", 3)
	list, size, err := s.Exports(ctx)
	if err != nil || size != 5 || len(list) != 1 || list[0].Next != 3 || list[0].Origin != "a" || list[0].Moved.IsZero() ||
		len(list[0].Refused) != 1 || list[0].Refused[0].Seq != 1 || list[0].Refused[0].Status != 422 {
		t.Fatalf("%+v, %d, %v", list, size, err)
	}
	rows, err := s.Sealed(ctx, 3, 10)
	if err != nil || len(rows) != 2 || rows[0].Seq != 3 {
		t.Fatalf("%v, %v", rows, err)
	}
	if err := s.Replay(ctx, "siem", 1); err != nil {
		t.Fatal(err)
	}
	claim("a", 1)
	for from, name := range map[int64]string{6: "siem", -1: "siem", 0: "other"} {
		if s.Replay(ctx, name, from) == nil {
			t.Errorf("%s was set to %d", name, from)
		}
	}
	claim("b", 0) // another log counts from its own beginning
}
