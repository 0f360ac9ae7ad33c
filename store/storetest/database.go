package storetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/exeunt/exeunt/store"
)

// Postgres makes a database on the server that EXEUNT_TEST_POSTGRES names,
// drops it when the test ends, and returns its URL. Without that server the
// test is skipped; with CI=true it fails.
func Postgres(t testing.TB) string {
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
	var oid uint32
	if err := conn.QueryRow(ctx, "SELECT oid FROM pg_database WHERE datname = $1", name).Scan(&oid); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := conn.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("dropping the test database: %v", err)
		}
		dropRoles(t, conn, oid)
		conn.Close(ctx)
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("EXEUNT_TEST_POSTGRES is not a URL")
	}
	u.Path = "/" + name
	return u.String()
}

// dropRoles removes the roles that a store made for working in a database.
func dropRoles(t testing.TB, conn *pgx.Conn, oid uint32) {
	t.Helper()
	rows, err := conn.Query(context.Background(), "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname LIKE $1", fmt.Sprintf("exeunt\\_worker\\_%d\\_%%", oid))
	if err != nil {
		t.Fatal(err)
	}
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, role := range roles {
		if err == nil {
			_, err = conn.Exec(context.Background(), "DROP ROLE "+role)
		}
	}
	if err != nil {
		t.Errorf("dropping the roles of the test database: %v", err)
	}
}

// OnPostgres is how a store is opened on a database of the test's own.
func OnPostgres(t testing.TB) store.Options {
	t.Helper()
	return store.Options{URL: Postgres(t), KeyFile: filepath.Join(t.TempDir(), "keys")}
}
