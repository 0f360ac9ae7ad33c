package store

import (
	"context"
)

// Exec runs SQL where a store on PostgreSQL does its work, and returns the code of
// what became of it: "" if it ran.
func Exec(ctx context.Context, s *Store, sql string) (code string, err error) {
	_, err = s.engine.(*postgresEngine).pool.Exec(ctx, sql)
	return pgCode(err), err
}
