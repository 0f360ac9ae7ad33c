package store

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"
	"log/slog"
	"regexp"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed migrations
var migrations embed.FS

// migrate brings SQLite's tables up to date, on a connection of its own: the
// writer's authorizer refuses what migrations do.
func (e *sqliteEngine) migrate(ctx context.Context) error {
	db := e.connect(1, "rwc", "_txlock=immediate", nil)
	defer db.Close()
	if err := migrateOurs(ctx, goose.DialectSQLite3, db, "sqlite"); err != nil {
		return err
	}
	return migrateRiver(ctx, riversqlite.New(db))
}

func migrateOurs(ctx context.Context, dialect goose.Dialect, db *sql.DB, name string) error {
	dir, err := fs.Sub(migrations, "migrations/"+name)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, db, dir, goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

func migrateRiver[T any](ctx context.Context, driver riverdriver.Driver[T]) error {
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// expectedTriggers returns the text of each trigger in the migrations, as
// SQLite keeps it.
func expectedTriggers() (map[string]bool, error) {
	dir, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return nil, err
	}
	triggers := make(map[string]bool)
	create := regexp.MustCompile(`(?m)^(CREATE TRIGGER .* END);$`)
	return triggers, fs.WalkDir(dir, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(dir, path)
		for _, m := range create.FindAllSubmatch(text, -1) {
			triggers[string(m[1])] = true
		}
		return err
	})
}
