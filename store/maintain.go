package store

import (
	"context"
	"database/sql"
	"errors"
)

// withoutTriggers runs do while the triggers of some tables are away, and puts them
// back word for word, all in one transaction. Only what an operator asks for by name,
// while exeunt does not run, comes here.
func withoutTriggers(ctx context.Context, tx *sql.Tx, tables []string, do func() error) error {
	var back []string
	for _, table := range tables {
		rows, err := tx.QueryContext(ctx, `SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?`, table)
		if err != nil {
			return err
		}
		var names []string
		for rows.Next() {
			var name, text string
			if err := rows.Scan(&name, &text); err != nil {
				return errors.Join(err, rows.Close())
			}
			names, back = append(names, name), append(back, text)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		for _, name := range names {
			if _, err := tx.ExecContext(ctx, "DROP TRIGGER "+name); err != nil {
				return err
			}
		}
	}
	if err := do(); err != nil {
		return err
	}
	for _, text := range back {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}
