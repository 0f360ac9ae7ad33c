package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/exeunt/exeunt/bridge"
)

// Group commit. One goroutine takes whoever waits, runs all in one transaction,
// commits once, and then answers all. A single caller loses nothing: the batch
// is whoever came while the last commit was under way. If one of them fails
// after it has written, the batch is rolled back and run again with a savepoint
// for each; savepoints cost more than such failures are worth.
const (
	maxWaiting = 1024 // beyond it Update answers KindBusy at once
	maxBatch   = 256  // requests that share a commit
)

// request is one Update on its way.
type request struct {
	ctx   context.Context
	store *Store
	fn    func(*tx) error
	state atomic.Int32 // queued, then taken by the writer or given up by the caller
	done  chan struct{}

	// The outcome, valid when done is closed.
	err      error
	panicked any
	// What the batch still owes for it.
	wakes []wake
}

const (
	queued = iota
	taken
	givenUp
)

type appender struct {
	queue  chan *request
	mu     sync.RWMutex // closing against sending
	closed bool
	ended  chan struct{}
}

func newAppender(commit func([]*request)) *appender {
	a := &appender{queue: make(chan *request, maxWaiting), ended: make(chan struct{})}
	go a.work(commit)
	return a
}

func (a *appender) work(commit func([]*request)) {
	through := false
	defer func() {
		if !through { // a request ended this goroutine (runtime.Goexit)
			go a.work(commit)
			return
		}
		close(a.ended)
	}()
	var batch []*request
	for r := range a.queue {
		if batch = a.collect(batch[:0], r); len(batch) > 0 {
			commit(batch)
		}
	}
	through = true
}

// collect takes whoever waits behind first.
func (a *appender) collect(batch []*request, first *request) []*request {
	for r := first; ; {
		if r.state.CompareAndSwap(queued, taken) {
			batch = append(batch, r)
		} // else its caller is gone
		if len(batch) == maxBatch {
			return batch
		}
		select {
		case next, ok := <-a.queue:
			if !ok {
				return batch
			}
			r = next
		default:
			return batch
		}
	}
}

// close answers whoever waits, and then refuses.
func (a *appender) close() {
	a.mu.Lock()
	if !a.closed {
		a.closed = true
		close(a.queue)
	}
	a.mu.Unlock()
	<-a.ended
}

func (a *appender) send(r *request) error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.closed {
		return errClosed
	}
	select {
	case a.queue <- r:
		return nil
	default:
		return bridge.Errorf(bridge.KindBusy, "too much is waiting to be stored; try again later")
	}
}

// update queues fn and waits for its commit. Once fn has begun, the caller's
// context no longer matters: its answer is certain.
func (a *appender) update(ctx context.Context, s *Store, fn func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{ctx: ctx, store: s, fn: fn, done: make(chan struct{})}
	if err := a.send(r); err != nil {
		return err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.state.CompareAndSwap(queued, givenUp) {
			return ctx.Err()
		}
		<-r.done
	}
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.err
}

// commit runs a batch: all together, and if that cannot be committed, one by
// one, so that what is wrong with one is nobody else's trouble.
func (e *sqliteEngine) commit(batch []*request) {
	through := false
	defer func() {
		for _, r := range batch {
			if !through && r.err == nil {
				r.err = errEnded
			}
			close(r.done)
		}
	}()
	err := e.together(batch, false)
	if err == errSpoiled && len(batch) > 1 {
		err = e.together(batch, true)
	}
	if err != nil && err != errSpoiled {
		for _, r := range batch {
			if err := e.together([]*request{r}, false); err != nil && err != errSpoiled {
				r.err = err
			}
		}
	}
	through = true
}

// errSpoiled says that a request failed after it had written, and was rolled
// back with the whole transaction. What went wrong is in the request.
var errSpoiled = errors.New("store: a request failed half-way")

var errEnded = errors.New("store: the transaction was abandoned because a function in it ended its goroutine")

// together runs requests in one transaction; guarded, each in a savepoint. Its
// error is about the transaction; what went wrong in a request is in the request.
func (e *sqliteEngine) together(batch []*request, guarded bool) error {
	stx, err := e.writer.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	defer stx.Rollback() // after Commit it does nothing
	var wakes []wake
	worth := false
	for _, r := range batch {
		if err := e.one(stx, r, guarded); err != nil {
			return err
		}
		if r.err == nil && r.panicked == nil {
			wakes, worth = append(wakes, r.wakes...), true
		}
	}
	if !worth {
		return nil
	}
	if err := e.river.insert(context.Background(), stx, wakes); err != nil {
		return err
	}
	if err := stx.Commit(); err != nil {
		return err
	}
	e.inbox.announce(wakes)
	return nil
}

// one runs a request; guarded, in a savepoint.
func (e *sqliteEngine) one(stx *sql.Tx, r *request, guarded bool) error {
	r.wakes, r.panicked = nil, nil
	if r.err = r.ctx.Err(); r.err != nil {
		return nil
	}
	s := sqliteSession{stx, e.texts}
	if guarded {
		if _, err := s.exec("SAVEPOINT request"); err != nil {
			return err
		}
	}
	t := &tx{session: s, dialect: r.store.dialect, ctx: context.WithoutCancel(r.ctx), store: r.store, write: true}
	completed := false
	func() {
		defer func() {
			if !completed {
				r.panicked = recover()
			}
		}()
		r.err = t.run(r.fn)
		completed = true
	}()
	failed := r.err != nil || !completed
	if !failed {
		r.wakes = t.wakes
	}
	if !guarded {
		if failed && t.wrote {
			return errSpoiled
		}
		return nil
	}
	if failed {
		if _, err := s.exec("ROLLBACK TO request"); err != nil {
			return err
		}
	}
	_, err := s.exec("RELEASE request")
	return err
}
