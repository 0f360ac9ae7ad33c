package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
	"github.com/exeunt/exeunt/store/vault"
)

// Options says where everything is kept. Exactly one of Dir and URL is set.
type Options struct {
	Dir string // directory of the SQLite database, exeunt.db; made if missing
	URL string // of a PostgreSQL database: postgres://…

	// ReadOnly opens what another process may be writing: no lock, no
	// migration, no work. Update fails.
	ReadOnly bool

	// KeyFile has the keys of what is kept of people; Dir with ".keys" after it if
	// "". It must not be where copies of the database go. Without it nothing can be
	// read. Several nodes have the same file.
	KeyFile string
	Keeper  vault.Keeper  // seals the key file; nil for none
	Epoch   time.Duration // how long its keys live; [DefaultEpoch] if 0
	// Linger is how long the key of an epoch can still be had from elsewhere, such
	// as a copy of the key file, after it was destroyed.
	Linger time.Duration

	// Aside is for a copy that may stand beside the database in use, with the same
	// key file: key epochs are not ended, which would take the other's keys.
	Aside bool

	LogKey *ledger.Signer // signs checkpoints; without it there are none
	// Doubt keeps the log from being signed until [Store.Doubt] is called with nil:
	// [ErrUnasked], or nil.
	Doubt error

	Now    func() time.Time // time.Now if nil
	Logger zerolog.Logger
}

// Store is a [bridge.Store]. It is safe for concurrent use.
type Store struct {
	dialect
	engine
	opts  Options
	log   zerolog.Logger
	sched scheduler // nil if read-only

	keys    *vault.Keyring
	keysErr error // why there are none, if read-only

	worker atomic.Pointer[Worker] // set by Start
	queues *queues

	sealing sync.Mutex // one sealer in this process
	signing sync.Mutex // and one signer
	whole   bool       // the tree's hashes were counted; under signing
	doubt   atomic.Pointer[error]
	dirty   atomic.Bool // something may be pending
	used    sync.Map    // source and credential -> when its use was last noted
	closed  atomic.Bool
	background
}

// engine is what differs between the databases above SQL.
type engine interface {
	update(ctx context.Context, s *Store, fn func(*tx) error) error
	view(ctx context.Context, s *Store, fn func(*tx) error) error
	waiting() int    // updates that wait for their turn
	walBytes() int64 // size of the write-ahead log; 0 if it is the server's affair
	// scrub sees to it that nothing of what was deleted is left in files, by which
	// trace is recognised, and returns how many bytes were searched.
	scrub(ctx context.Context, trace []byte) (searched int64, err error)
	close() error
}

// Open opens a store, and brings its tables up to date.
func Open(ctx context.Context, opts Options) (*Store, error) {
	if (opts.Dir == "") == (opts.URL == "") {
		return nil, errors.New("store: exactly one of a directory and a database URL is needed")
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Epoch == 0 {
		opts.Epoch = DefaultEpoch
	}
	s := &Store{opts: opts, log: opts.Logger, background: background{stop: make(chan struct{})}}
	s.Doubt(opts.Doubt)
	var err error
	if opts.Dir != "" {
		err = s.openSQLite(ctx)
	} else {
		err = s.openPostgres(ctx)
	}
	if err == nil {
		if err = s.openKeys(ctx); err != nil {
			err = errors.Join(err, s.engine.close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if !opts.ReadOnly {
		s.dirtied() // the last process may have left something
		s.background.wg.Go(s.keepLog)
		if !opts.Aside {
			s.background.wg.Go(s.keepEpochs)
		}
	}
	return s, nil
}

// lastWords bounds how long Close takes to seal and sign the last events.
const lastWords = 5 * time.Second

// Close ends what runs in the background and closes the database. Whoever
// works must have been stopped before; see [Store.Stop]. A second Close does nothing.
func (s *Store) Close() error {
	if !s.closed.CompareAndSwap(false, true) {
		return nil
	}
	s.background.end()
	if !s.opts.ReadOnly {
		ctx, cancel := context.WithTimeout(context.Background(), lastWords)
		defer cancel()
		s.sealAndSign(ctx)
	}
	return s.engine.close()
}

// now is the time, to the microsecond, UTC.
func (s *Store) now() time.Time { return s.opts.Now().UTC().Truncate(time.Microsecond) }

// Update runs fn in one transaction and returns when it is durable; see
// [bridge.Store].
func (s *Store) Update(ctx context.Context, fn func(bridge.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// View runs fn on one consistent snapshot; see [bridge.Store].
func (s *Store) View(ctx context.Context, fn func(bridge.Tx) error) error {
	return s.engine.view(ctx, s, func(t *tx) error { return fn(t) })
}

func (s *Store) update(ctx context.Context, fn func(*tx) error) error {
	if s.opts.ReadOnly {
		return errReadOnlyStore
	}
	appended := false
	err := s.engine.update(ctx, s, func(t *tx) error {
		err := fn(t)
		appended = t.appended
		return err
	})
	if err == nil && appended {
		s.dirtied()
	}
	return err
}

var (
	errReadOnlyStore = errors.New("store: opened for reading only")
	errClosed        = errors.New("store: closed")
)

// run calls fn, and holds it to what a failed statement means.
func (t *tx) run(fn func(*tx) error) error {
	if err := fn(t); err != nil {
		return err
	}
	return t.fault
}

// background is goroutines that Close waits for.
type background struct {
	stop chan struct{}
	wg   sync.WaitGroup
}

func (b *background) end() {
	close(b.stop)
	b.wg.Wait()
}

var _ bridge.Store = (*Store)(nil)
