package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/mattn/go-sqlite3"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// databaseFile and lockFile are in Options.Dir.
const (
	databaseFile = "exeunt.db"
	lockFile     = "exeunt.lock"
)

// readers bounds the connections that read. On few cores more of them would
// starve the writer.
const readers = 2

type sqliteEngine struct {
	path    string
	writer  *sql.DB // one connection; River shares it
	reader  *sql.DB
	sweeper *sql.DB  // one connection, which empties the write-ahead log
	lock    *os.File // on the database
	owns    *os.File // on the key file: who ends its epochs
	texts   *rebound
	kept    kept
	river   *riverOn[*sql.Tx]
	inbox   *inbox
	*appender
}

func (s *Store) openSQLite(ctx context.Context) (err error) {
	e := &sqliteEngine{path: filepath.Join(s.opts.Dir, databaseFile), kept: kept{of: filepath.Join(s.opts.Dir, databaseFile)}, texts: &rebound{rebind: sqliteDialect.rebind}}
	s.dialect, s.engine = sqliteDialect, e
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	if s.opts.ReadOnly {
		if _, err := os.Stat(e.path); err != nil {
			return fmt.Errorf("there is no database in %s", s.opts.Dir)
		}
		e.reader = e.connect(readers, "ro", "_query_only=on&_txlock=deferred", allowReading)
		return e.assertPragmas(ctx, e.reader, readers)
	}
	if err := os.MkdirAll(s.opts.Dir, 0o700); err != nil {
		return err
	}
	if e.lock, err = lock(filepath.Join(s.opts.Dir, lockFile), s.opts.Dir); err != nil {
		return err
	}
	if e.owns, err = s.ownKeys(); err != nil {
		return err
	}
	if err := sweepLeft(s.opts.Dir); err != nil {
		return err
	}
	// SQLite would make it readable for everybody; what stands beside it has its mode.
	f, err := os.OpenFile(e.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := e.migrate(ctx); err != nil {
		return err
	}
	e.writer = e.connect(1, "rw", "_txlock=immediate", allowWriting)
	e.reader = e.connect(readers, "rw", "_query_only=on&_txlock=deferred", allowReading)
	e.sweeper = e.connect(1, "rw", "_busy_timeout=100", allowSweeping)
	if err := errors.Join(e.assertPragmas(ctx, e.writer, 1), e.assertPragmas(ctx, e.reader, readers)); err != nil {
		return err
	}
	if err := e.assertTriggers(ctx); err != nil {
		return err
	}
	// Nobody else has the file, so whatever River's rows say is at work or in
	// the lead died with the last process.
	for _, q := range []string{
		`DELETE FROM river_leader`,
		`UPDATE river_job SET state = 'available' WHERE state = 'running'`,
	} {
		if _, err := e.writer.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	e.inbox = newInbox(e.reader)
	if e.river, err = newRiver(s, &announcing{riversqlite.New(e.writer), e.inbox}); err != nil {
		return err
	}
	s.sched = e.river
	s.queues = newQueues(s, nil)
	e.appender = newAppender(e.commit)
	return nil
}

// connect opens a pool. The pragmas stand in the name of the data source, so
// that no connection can be without them.
func (e *sqliteEngine) connect(conns int, mode, params string, allow authorizer) *sql.DB {
	if !strings.Contains(params, "_busy_timeout") {
		params += "&_busy_timeout=10000"
	}
	name := "file:" + (&url.URL{Path: e.path}).EscapedPath() + "?mode=" + mode + "&" + params +
		"&_journal_mode=WAL&_synchronous=FULL&_foreign_keys=on&_secure_delete=on&_recursive_triggers=on" +
		"&_stmt_cache_size=200"
	if mode == "ro" {
		name = strings.Replace(name, "&_journal_mode=WAL", "", 1) // it would be a write
	}
	db := sql.OpenDB(connector{name, &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
		if allow != nil {
			c.RegisterAuthorizer(allow)
		}
		return nil
	}}})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db
}

type connector struct {
	name   string
	driver *sqlite3.SQLiteDriver
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.name) }
func (c connector) Driver() driver.Driver                        { return c.driver }

// pragmas is what every connection must answer. mattn's driver is built to use
// synchronous=NORMAL in WAL mode, which forgets commits in a power cut.
var pragmas = [...]struct{ name, want string }{
	{"synchronous", "2"}, {"journal_mode", "wal"}, {"foreign_keys", "1"},
	{"secure_delete", "1"}, {"recursive_triggers", "1"},
}

// assertPragmas looks at each of the conns connections of db, through a door
// that the authorizer leaves open: table-valued pragmas that only read.
func (e *sqliteEngine) assertPragmas(ctx context.Context, db *sql.DB, conns int) error {
	for range conns { // held until all are seen, so that each is another one
		c, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		for _, p := range pragmas {
			var got string
			if err := c.QueryRowContext(ctx, "SELECT * FROM pragma_"+p.name).Scan(&got); err != nil {
				return fmt.Errorf("reading pragma %s: %w", p.name, err)
			}
			if got != p.want {
				return fmt.Errorf("pragma %s is %s instead of %s", p.name, got, p.want)
			}
		}
	}
	return nil
}

// assertTriggers compares the triggers with those of the migrations, word for
// word: with one of them gone the log would no longer be append-only.
func (e *sqliteEngine) assertTriggers(ctx context.Context) error {
	want, err := expectedTriggers()
	if err != nil {
		return err
	}
	rs, err := e.reader.QueryContext(ctx, `SELECT sql FROM sqlite_schema WHERE type = 'trigger'`)
	if err != nil {
		return err
	}
	defer rs.Close()
	found := 0
	for rs.Next() {
		var text string
		if err := rs.Scan(&text); err != nil {
			return err
		}
		if !want[text] {
			return errors.New("the database has a trigger that does not belong there")
		}
		found++
	}
	if err := rs.Err(); err != nil {
		return err
	}
	if found != len(want) {
		return errors.New("the database lacks a trigger that keeps the log append-only")
	}
	return nil
}

// ownKeys keeps every other database away from the key file: a copy that ended an
// epoch would destroy the key that what is in use is wrapped by.
func (s *Store) ownKeys() (*os.File, error) {
	if s.opts.Aside {
		return nil, nil
	}
	path := s.opts.keyFile()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	owns, err := lock(path+".owner", path)
	if err != nil {
		return nil, fmt.Errorf("%w; a copy of a database needs a copy of its key file", err)
	}
	return owns, nil
}

// lock takes a lock file, which says that this process alone has what it stands
// for. It is released when the process ends, however it ends.
func lock(path, what string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another exeunt is using %s", what)
		}
		return nil, err
	}
	return f, nil
}

func (e *sqliteEngine) view(ctx context.Context, s *Store, fn func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := e.reader.Conn(ctx) // waiting for one of the readers may be given up
	if err != nil {
		return err
	}
	defer c.Close()
	stx, err := c.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	defer stx.Rollback()
	t := &tx{session: sqliteSession{stx, e.texts}, dialect: s.dialect, ctx: ctx, store: s}
	return t.run(fn)
}

func (e *sqliteEngine) walBytes() int64 {
	info, err := os.Stat(e.path + "-wal")
	if err != nil {
		return 0
	}
	return info.Size()
}

func (e *sqliteEngine) waiting() int {
	if e.appender == nil {
		return 0
	}
	return len(e.appender.queue)
}

func (e *sqliteEngine) close() error {
	var errs []error
	if e.appender != nil {
		e.appender.close()
	}
	for _, db := range []*sql.DB{e.reader, e.sweeper, e.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	e.kept.close()
	for _, f := range []*os.File{e.owns, e.lock} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// rebound remembers statements in the form that the driver takes.
type rebound struct {
	rebind func(string) string
	texts  sync.Map // string -> string
	n      int
	mu     sync.Mutex
}

// maxTexts bounds the memory; statements that depend on a query's shape are
// few, but come from outside.
const maxTexts = 500

func (r *rebound) of(query string) string {
	if text, ok := r.texts.Load(query); ok {
		return text.(string)
	}
	text := r.rebind(query)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n < maxTexts {
		r.n++
		r.texts.Store(query, text)
	}
	return text
}
