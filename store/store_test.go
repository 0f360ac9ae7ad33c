package store_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
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
		return open(t, store.Options{URL: freshDatabase(t), LogKey: newKey(t), Logger: logger(t)})
	})
}

// freshDatabase makes a database on the server that EXEUNT_TEST_POSTGRES names,
// and drops it when the test ends.
func freshDatabase(t testing.TB) string {
	t.Helper()
	server := os.Getenv("EXEUNT_TEST_POSTGRES")
	if server == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("EXEUNT_TEST_POSTGRES is not set")
		}
		t.Skip("EXEUNT_TEST_POSTGRES is not set: PostgreSQL is not tested")
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 8)
	rand.Read(b)
	name := "exeunt_test_" + hex.EncodeToString(b)
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := conn.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("dropping the test database: %v", err)
		}
		conn.Close(ctx)
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("EXEUNT_TEST_POSTGRES is not a URL")
	}
	u.Path = "/" + name
	return u.String()
}
