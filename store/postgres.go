package store

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/exeunt/exeunt/bridge"
)

const (
	poolSize  = 16               // connections, unless the URL says pool_max_conns
	attempts  = 10               // of one Update, after conflicts
	statement = 30 * time.Second // until an Update or View is given up
)

// Keys of advisory locks: class and number. Classes are spelled in ASCII.
const (
	lockMigrate int32 = 0x65786d67 // "exmg"
	lockApp     int32 = 0x65786170 // "exap", with a hash of the app's name
	lockSeal    int32 = 0x6578736c // "exsl"
	lockHolds   int32 = 0x65786864 // "exhd"
	lockEpoch   int32 = 0x65786570 // "exep"
)

type postgresEngine struct {
	pool  *pgxpool.Pool
	river *riverOn[pgx.Tx]
	busy  atomic.Int64
}

func (s *Store) openPostgres(ctx context.Context) (err error) {
	config, err := pgxpool.ParseConfig(s.opts.URL)
	if err != nil {
		return errors.New("the database URL cannot be read") // err would show the password
	}
	if !strings.Contains(s.opts.URL, "pool_max_conns") {
		config.MaxConns = poolSize
	}
	if s.opts.ReadOnly {
		config.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	}
	e := &postgresEngine{}
	s.dialect, s.engine = postgresDialect, e
	if !s.opts.ReadOnly {
		role, err := prepare(ctx, config.Copy(), s.log)
		if err != nil {
			return err
		}
		if role != "" {
			config.AfterConnect = as(role)
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	e.pool = pool
	defer func() {
		if err != nil {
			pool.Close()
		}
	}()
	if err := pool.Ping(ctx); err != nil {
		return err
	}
	if s.opts.ReadOnly {
		return nil
	}
	if e.river, err = newRiver(s, riverpgxv5.New(pool)); err != nil {
		return err
	}
	s.sched = e.river
	s.queues = newQueues(s, &owner{config: config.ConnConfig.Copy(), held: make(map[string]bool), fresh: make(map[string]bool)})
	return nil
}

// update runs fn in a transaction of its own. At READ COMMITTED, what fn reads
// by Person, Group, Case and HoldLane is locked, so no change is lost; a
// deadlock is resolved here, by running fn again.
func (e *postgresEngine) update(ctx context.Context, s *Store, fn func(*tx) error) error {
	if e.busy.Add(1) > maxWaiting {
		e.busy.Add(-1)
		return bridge.Errorf(bridge.KindBusy, "too much is waiting to be stored; try again later")
	}
	defer e.busy.Add(-1)
	for attempt := 1; ; attempt++ {
		err := e.once(ctx, s, pgx.TxOptions{}, true, fn)
		if err == nil || !s.again(err) || attempt == attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(rand.Int64N(int64(attempt) * int64(5*time.Millisecond)))):
		}
	}
}

func (e *postgresEngine) view(ctx context.Context, s *Store, fn func(*tx) error) error {
	return e.once(ctx, s, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, false, fn)
}

func (e *postgresEngine) once(ctx context.Context, s *Store, opts pgx.TxOptions, write bool, fn func(*tx) error) error {
	c, err := e.pool.Acquire(ctx) // waiting for a connection may be given up
	if err != nil {
		return err
	}
	defer c.Release()
	// What has begun is not cut short: pgx would have to close the connection.
	inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), statement)
	defer cancel()
	ptx, err := c.BeginTx(inner, opts)
	if err != nil {
		return err
	}
	defer ptx.Rollback(inner) // after Commit it does nothing
	t := &tx{session: postgresSession{inner, ptx}, dialect: s.dialect, ctx: ctx, store: s, write: write}
	if err := t.run(fn); err != nil {
		if t.fault != nil && s.again(t.fault) {
			return t.fault // whatever fn made of it
		}
		return err
	}
	if !write {
		return nil
	}
	if err := e.river.insert(inner, ptx, t.wakes); err != nil {
		return err
	}
	return ptx.Commit(inner)
}

func (e *postgresEngine) waiting() int    { return int(e.busy.Load()) }
func (e *postgresEngine) walBytes() int64 { return 0 }

func (e *postgresEngine) close() error {
	e.pool.Close()
	return nil
}

// owner holds the advisory locks that say which apps this node works. They
// belong to one connection, and are gone when it is: every claim is a
// heartbeat, and after a failure nothing is owned. The connection must stay
// referenced from here; if it were collected, PostgreSQL would hand the locks
// to another node while we still work.
type owner struct {
	config *pgx.ConnConfig
	conn   *pgx.Conn
	held   map[string]bool
	fresh  map[string]bool // held, but what the last owner left was not inherited yet
}

// heartbeat bounds how long a claim may take.
const heartbeat = 2 * time.Second

// claim tries to own the wanted apps, gives up those that are neither wanted
// nor to be kept, and returns those that are owned.
func (o *owner) claim(wanted map[string]int, keep map[string]bool) map[string]bool {
	ctx, cancel := context.WithTimeout(context.Background(), heartbeat)
	defer cancel()
	if err := o.try(ctx, wanted, keep); err != nil {
		o.close()
	}
	return o.held
}

func (o *owner) try(ctx context.Context, wanted map[string]int, keep map[string]bool) (err error) {
	if o.conn == nil {
		if o.conn, err = pgx.ConnectConfig(ctx, o.config); err != nil {
			return err
		}
		// The server lets go of the locks within seconds when we vanish.
		if _, err := o.conn.Exec(ctx, `SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3`); err != nil {
			return err
		}
	}
	asked := false
	for app := range wanted {
		if o.held[app] {
			continue
		}
		asked = true
		var got bool
		if err := o.conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, $2)`, lockApp, appKey(app)).Scan(&got); err != nil {
			return err
		}
		if got {
			o.held[app], o.fresh[app] = true, true
		}
	}
	for app := range o.held {
		if _, ok := wanted[app]; ok || keep[app] {
			continue
		}
		asked = true
		if _, err := o.conn.Exec(ctx, `SELECT pg_advisory_unlock($1, $2)`, lockApp, appKey(app)); err != nil {
			return err
		}
		delete(o.held, app)
		delete(o.fresh, app)
	}
	if asked {
		return nil
	}
	return o.conn.Ping(ctx)
}

func (o *owner) close() {
	if o.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), heartbeat)
		defer cancel()
		o.conn.Close(ctx)
		o.conn = nil
	}
	o.held, o.fresh = make(map[string]bool), make(map[string]bool)
}

func appKey(app string) int32 {
	h := fnv.New32a()
	fmt.Fprint(h, app)
	return int32(h.Sum32())
}
