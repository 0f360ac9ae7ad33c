package store_test

import (
	"testing"
	"time"

	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/storetest"
)

// Nodes share a PostgreSQL, so one of them exports; whoever has a SQLite file is
// alone, and needs not wait for a process that is dead.
func TestWhoExports(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		whoExports(t, store.Options{Dir: t.TempDir(), LogKey: newKey(t), Logger: logger(t)}, false)
	})
	t.Run("Postgres", func(t *testing.T) {
		opts := storetest.OnPostgres(t)
		opts.LogKey, opts.Logger = newKey(t), logger(t)
		whoExports(t, opts, true)
	})
}

func whoExports(t *testing.T, opts store.Options, shared bool) {
	s := open(t, opts)
	us, them := [16]byte{1}, [16]byte{2}
	claim := func(who [16]byte, keep time.Duration) bool {
		t.Helper()
		_, mine, err := s.ClaimExport(t.Context(), "siem", "a", who, keep)
		if err != nil {
			t.Fatal(err)
		}
		return mine
	}
	for range 2 { // and it stays so
		if !claim(us, time.Minute) {
			t.Error("it is not ours")
		}
	}
	if claim(them, time.Minute) == shared {
		t.Errorf("shared is %v, and so is that two have it", shared)
	}
	if !shared {
		return
	}
	if claim(us, 0); !claim(them, time.Minute) {
		t.Error("it was not given back")
	}
}
