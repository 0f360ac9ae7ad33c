package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/vault"
)

// session is the seam: one transaction on either database. Queries are in the
// form of [dialect].
type session interface {
	exec(query string, args ...any) (affected int64, err error)
	row(query string, args ...any) scanner
	rows(query string, args ...any) (rows, error)
}

type scanner interface{ Scan(dest ...any) error }

type rows interface {
	scanner
	Next() bool
	Err() error
	Close() error
}

// tx is a [bridge.Tx].
type tx struct {
	session
	dialect
	ctx   context.Context // never cancelled: a statement cut short would undo others' work
	store *Store
	write bool

	subjects map[bridge.Handle]vault.Subject // keys of people

	keys  map[string][]bridge.Key // of people and groups, as this transaction last saw them
	wakes []wake                  // jobs to insert with the commit
	fault error                   // the first statement that failed: nothing may be committed

	appended bool // something is to be sealed
	wrote    bool // a statement that changes something was tried
}

// wake is a job to be inserted when its transaction commits.
type wake struct {
	lane  bridge.Lane
	turn  int64
	delay time.Duration // until it may begin; at most 0 is at once
}

var errReadOnly = errors.New("store: writing in a view")

// mayWrite is asked before each statement that changes something.
func (t *tx) mayWrite() error {
	t.wrote = true
	if !t.write {
		return t.failed(errReadOnly)
	}
	return nil
}

// do runs a statement that changes something.
func (t *tx) do(query string, args ...any) (int64, error) {
	if err := t.mayWrite(); err != nil {
		return 0, err
	}
	n, err := t.exec(query, args...)
	return n, t.failed(err)
}

// get reads one row; KindNotFound, saying what, if there is none.
func (t *tx) get(what, query string, args []any, dest ...any) error {
	err := t.row(query, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return bridge.Errorf(bridge.KindNotFound, "there is no such %s", what)
	}
	return t.failed(err)
}

// each reads rows; scan is called for each, and may end the reading with
// errEnough.
func (t *tx) each(query string, args []any, scan func(scanner) error) error {
	rs, err := t.rows(query, args...)
	if err != nil {
		return t.failed(err)
	}
	for rs.Next() {
		if err = scan(rs); err != nil {
			break
		}
	}
	if errors.Is(err, errEnough) {
		return t.failed(rs.Close())
	}
	return t.failed(errors.Join(err, rs.Err(), rs.Close()))
}

var errEnough = errors.New("enough")

// forUpdate is what to append to a SELECT whose rows the transaction may change.
func (t *tx) forUpdate() string {
	if t.write {
		return t.lock
	}
	return ""
}

// failed remembers that a statement failed: after that PostgreSQL refuses
// everything, and so do we on both.
func (t *tx) failed(err error) error {
	if err != nil && t.fault == nil {
		t.fault = err
	}
	return err
}

// sqliteSession is a transaction of mattn's driver, which keeps prepared
// statements by their text (_stmt_cache_size).
type sqliteSession struct {
	tx    *sql.Tx
	texts *rebound
}

// A context without Done spares the driver a goroutine a statement.
func (s sqliteSession) exec(query string, args ...any) (int64, error) {
	r, err := s.tx.ExecContext(context.Background(), s.texts.of(query), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (s sqliteSession) row(query string, args ...any) scanner {
	return s.tx.QueryRowContext(context.Background(), s.texts.of(query), args...)
}

func (s sqliteSession) rows(query string, args ...any) (rows, error) {
	return s.tx.QueryContext(context.Background(), s.texts.of(query), args...)
}

type postgresSession struct {
	ctx context.Context
	tx  pgx.Tx
}

func (s postgresSession) exec(query string, args ...any) (int64, error) {
	tag, err := s.tx.Exec(s.ctx, query, args...)
	return tag.RowsAffected(), err
}

func (s postgresSession) row(query string, args ...any) scanner {
	return s.tx.QueryRow(s.ctx, query, args...) // pgx.ErrNoRows is sql.ErrNoRows
}

func (s postgresSession) rows(query string, args ...any) (rows, error) {
	r, err := s.tx.Query(s.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgxRows{r}, nil
}

type pgxRows struct{ pgx.Rows }

func (r pgxRows) Close() error {
	r.Rows.Close()
	return nil
}

// jobs turns what was woken into River's form.
func jobs(wakes []wake) []river.InsertManyParams {
	params := make([]river.InsertManyParams, len(wakes))
	for i, w := range wakes {
		opts := &river.InsertOpts{Queue: queueName(w.lane.App), MaxAttempts: maxAttempts}
		if w.delay > 0 {
			opts.ScheduledAt = time.Now().Add(w.delay)
		}
		params[i] = river.InsertManyParams{
			Args: laneArgs{App: w.lane.App, Person: w.lane.Person, Turn: w.turn}, InsertOpts: opts,
		}
	}
	return params
}

// micros is a time as it is kept.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// filled is b, but never NULL.
func filled(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
