package store_test

import (
	"context"
	"testing"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
	"github.com/exeunt/exeunt/store/storetest"
)

func logger(t testing.TB) zerolog.Logger {
	return zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)
}

func newKey(t testing.TB) *ledger.Signer {
	secret, _, err := ledger.NewKey(ledger.NewOrigin())
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func open(t testing.TB, opts store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.Store {
		return open(t, store.Options{Dir: t.TempDir(), LogKey: newKey(t), Logger: logger(t)})
	})
}

func TestPostgres(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.Store {
		opts := storetest.OnPostgres(t)
		opts.LogKey, opts.Logger = newKey(t), logger(t)
		return open(t, opts)
	})
}
