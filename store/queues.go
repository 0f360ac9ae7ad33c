package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"sync"
	"time"
)

// Queue says how an app is worked.
type Queue struct {
	App         string
	Concurrency int // jobs at once; at least 1
}

// River's names are narrower than ours: no doubled or trailing - and _.
var riverName = regexp.MustCompile(`^[a-z0-9]+([_-][a-z0-9]+)*$`)

// queueName is River's name for an app's queue.
func queueName(app string) string {
	if len(app) <= 48 && riverName.MatchString(app) {
		return "app-" + app
	}
	sum := sha256.Sum256([]byte(app))
	return "appx-" + hex.EncodeToString(sum[:16])
}

// SetQueues makes these the apps that are worked, from now on. Jobs of an app
// that is left out are finished, and then wait.
func (s *Store) SetQueues(_ context.Context, apps []Queue) error {
	if s.sched == nil {
		return errReadOnlyStore
	}
	s.queues.set(apps)
	return nil
}

// StopQueue takes an app's queue out until StartQueue: jobs under way are
// finished, no other begins. It returns at once and may be called from a job
// of that very queue. It says nothing to other processes and is forgotten with
// this one.
func (s *Store) StopQueue(app string) { s.queues.halt(app, true) }

// StartQueue puts an app's queue back.
func (s *Store) StartQueue(app string) { s.queues.halt(app, false) }

// queues brings the queues that River works to what they should be. One
// goroutine does it, in passes: River waits for running jobs when it removes a
// queue, so each removal is given a moment, and taken up again in the next
// pass, lest a slow app delay the others.
type queues struct {
	store *Store
	owner *owner // PostgreSQL: which apps are ours to work; nil if all are

	mu     sync.Mutex
	want   map[string]int
	halted map[string]bool

	working map[string]int  // as River has them; belongs to the goroutine
	leaving map[string]bool // being removed, with jobs under way

	kick chan struct{}
	stop chan struct{}
	once sync.Once
	wg   sync.WaitGroup
}

const (
	removePatience = 20 * time.Millisecond
	leavingPoll    = 50 * time.Millisecond
	ownerPoll      = 500 * time.Millisecond
)

func newQueues(s *Store, o *owner) *queues {
	return &queues{store: s, owner: o, want: make(map[string]int), halted: make(map[string]bool),
		working: make(map[string]int), leaving: make(map[string]bool),
		kick: make(chan struct{}, 1), stop: make(chan struct{})}
}

func (q *queues) set(apps []Queue) {
	q.mu.Lock()
	q.want = make(map[string]int, len(apps))
	for _, a := range apps {
		q.want[a.App] = max(a.Concurrency, 1)
	}
	q.mu.Unlock()
	q.nudge()
}

func (q *queues) halt(app string, halted bool) {
	q.mu.Lock()
	if halted {
		q.halted[app] = true
	} else {
		delete(q.halted, app)
	}
	q.mu.Unlock()
	q.nudge()
}

func (q *queues) nudge() {
	select {
	case q.kick <- struct{}{}:
	default:
	}
}

func (q *queues) begin() {
	q.wg.Go(func() {
		for {
			var again <-chan time.Time
			switch q.pass(); {
			case len(q.leaving) > 0:
				again = time.After(leavingPoll)
			case q.owner != nil:
				again = time.After(ownerPoll)
			}
			select {
			case <-q.stop:
				return
			case <-q.kick:
			case <-again:
			}
		}
	})
}

func (q *queues) end() {
	q.once.Do(func() { close(q.stop) })
	q.wg.Wait()
}

// release gives the apps to other nodes; nothing may be at work any more.
func (q *queues) release() {
	if q.owner != nil {
		q.owner.close()
	}
}

// pass takes one step from what is towards what should be.
func (q *queues) pass() {
	should := q.should()
	for app, n := range q.working {
		if should[app] == n && !q.leaving[app] {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), removePatience)
		err := q.store.sched.remove(ctx, queueName(app))
		cancel()
		if err != nil { // jobs under way
			q.leaving[app] = true
			continue
		}
		delete(q.working, app)
		delete(q.leaving, app)
	}
	for app, n := range should {
		if _, there := q.working[app]; there {
			continue
		}
		if err := q.inherit(app); err != nil {
			q.store.log.Error().Err(err).Str("app", app).Msg("what another node left cannot be taken up; trying again")
			continue
		}
		if err := q.store.sched.add(queueName(app), n); err != nil {
			q.store.log.Error().Err(err).Str("app", app).Msg("the app's queue cannot be worked")
			continue
		}
		q.working[app] = n
	}
}

// inherit takes up what the last owner of an app left, once.
func (q *queues) inherit(app string) error {
	if q.owner == nil || !q.owner.fresh[app] {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), statement)
	defer cancel()
	if err := q.store.inherit(ctx, app, q.store.sched.node()); err != nil {
		return err
	}
	delete(q.owner.fresh, app)
	return nil
}

// should returns the apps to be worked here now.
func (q *queues) should() map[string]int {
	q.mu.Lock()
	wanted := make(map[string]int, len(q.want))
	for app, n := range q.want {
		wanted[app] = n
	}
	q.mu.Unlock()
	if q.owner != nil {
		// The lock of an app is kept while its breaker is open, and until its
		// last job here is done.
		keep := make(map[string]bool)
		for app := range q.working {
			keep[app] = true
		}
		owned := q.owner.claim(wanted, keep)
		for app := range wanted {
			if !owned[app] {
				delete(wanted, app)
			}
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for app := range q.halted {
		delete(wanted, app)
	}
	return wanted
}
