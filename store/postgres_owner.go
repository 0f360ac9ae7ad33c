package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/rs/zerolog"
)

// What follows is done as whoever the database URL says, who owns the tables.
// All other work is done in a role that may add to the log and change nothing of
// it, so that not even a mistake of ours could.

// prepare brings the tables up to date, makes sure that nobody took away what
// guards the log, and returns the role to work in; "" if the owner must not make
// one. Of several nodes that start together one does it, and the others wait.
func prepare(ctx context.Context, config *pgxpool.Config, log zerolog.Logger) (role string, err error) {
	config.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return "", err
	}
	defer pool.Close()
	c, err := pool.Acquire(ctx)
	if err != nil {
		return "", err
	}
	defer c.Release()
	if _, err := c.Exec(ctx, `SELECT pg_advisory_lock($1, 0)`, lockMigrate); err != nil {
		return "", err
	}
	defer c.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1, 0)`, lockMigrate)
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	if err := migrateOurs(ctx, goose.DialectPostgres, db, "postgres"); err != nil {
		return "", err
	}
	if err := migrateRiver(ctx, riverpgxv5.New(pool)); err != nil {
		return "", err
	}
	if err := assertGuards(ctx, c.Conn()); err != nil {
		return "", err
	}
	role, err = worker(ctx, c.Conn())
	if pgCode(err) == "42501" { // insufficient privilege
		log.Warn().Msg("the database's user may not make roles: only triggers keep the log append-only; GRANT it CREATEROLE once, or read docs/operations.md")
		return "", nil
	}
	return role, err
}

// as makes a new connection work in a role. Temporary tables come last in its
// path, so that none can stand before one of ours.
func as(role string) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, `SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', false), set_config('role', $1, false)`, role)
		return err
	}
}

// worker makes the role that the work is done in, or brings its rights up to
// date: rows may be read and added everywhere, and changed and removed in all
// tables but those of the log and of the migrations. It cannot log in.
func worker(ctx context.Context, c *pgx.Conn) (role string, err error) {
	return role, pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		var (
			exists bool
			schema string
		)
		if err := tx.QueryRow(ctx, `SELECT 'exeunt_worker_' || d.oid || '_' || n.oid, n.nspname, EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'exeunt_worker_' || d.oid || '_' || n.oid)
			FROM pg_database d, pg_namespace n WHERE d.datname = current_database() AND n.nspname = current_schema()`).Scan(&role, &schema, &exists); err != nil {
			return err
		}
		to, in := pgx.Identifier{role}.Sanitize(), pgx.Identifier{schema}.Sanitize()
		var statements []string
		if !exists {
			statements = append(statements, `CREATE ROLE `+to+` NOLOGIN`, `GRANT `+to+` TO CURRENT_USER`)
		}
		statements = append(statements,
			`REVOKE ALL ON ALL TABLES IN SCHEMA `+in+` FROM `+to,
			`GRANT USAGE ON SCHEMA `+in+` TO `+to,
			`GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA `+in+` TO `+to)
		rows, err := tx.Query(ctx, `SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY tablename`, schema)
		if err != nil {
			return err
		}
		tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, table := range tables {
			rights := "SELECT, INSERT, UPDATE, DELETE"
			switch {
			case appendOnly(table):
				rights = "SELECT, INSERT"
			case !ours(table):
				rights = "SELECT"
			}
			statements = append(statements, `GRANT `+rights+` ON `+pgx.Identifier{schema, table}.Sanitize()+` TO `+to)
		}
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

var (
	createTrigger  = regexp.MustCompile(`(?m)^(CREATE TRIGGER (log_\w+) .*);$`)
	createFunction = regexp.MustCompile(`(?ms)^CREATE FUNCTION (log_\w+)\(\) RETURNS trigger LANGUAGE plpgsql AS \$\$(.*?)\$\$;$`)
)

// assertGuards compares the triggers on the log's tables, and their functions,
// with those of the migrations, word for word: with one of them gone, switched off
// or emptied the log would no longer be append-only.
func assertGuards(ctx context.Context, c *pgx.Conn) error {
	want := make(map[string]string)
	dir, err := fs.Sub(migrations, "migrations/postgres")
	if err != nil {
		return err
	}
	if err := fs.WalkDir(dir, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(dir, path)
		for _, m := range createTrigger.FindAllSubmatch(text, -1) {
			want["trigger "+string(m[2])] = "O " + string(m[1])
		}
		for _, m := range createFunction.FindAllSubmatch(text, -1) {
			want["function "+string(m[1])] = "plpgsql " + string(m[2])
		}
		return err
	}); err != nil {
		return err
	}
	rows, err := c.Query(ctx, `SELECT 'trigger ' || g.tgname, g.tgenabled::text || ' ' || pg_get_triggerdef(g.oid, true)
			FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid WHERE c.relnamespace = current_schema()::regnamespace AND c.relname LIKE 'log\_%' AND NOT g.tgisinternal
		UNION ALL SELECT 'function ' || p.proname, l.lanname || ' ' || p.prosrc
			FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.pronamespace = current_schema()::regnamespace AND p.proname LIKE 'log\_%'
		UNION ALL SELECT 'rule ' || r.rulename, 'a rule' FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
			WHERE c.relnamespace = current_schema()::regnamespace AND c.relname LIKE 'log\_%'`)
	if err != nil {
		return err
	}
	var name, text string
	if _, err := pgx.ForEachRow(rows, []any{&name, &text}, func() error {
		expected, ok := want[name]
		if !ok {
			return fmt.Errorf("the database has a %s that does not belong there", name)
		}
		delete(want, name)
		if text != expected {
			return fmt.Errorf("the database's %s is not what keeps the log append-only", name)
		}
		return nil
	}); err != nil {
		return err
	}
	if len(want) > 0 {
		return errors.New("the database lacks a trigger that keeps the log append-only")
	}
	return nil
}
