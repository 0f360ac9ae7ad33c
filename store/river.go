package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
	"github.com/rs/zerolog"
	"riverqueue.com/riverui"

	"github.com/exeunt/exeunt/bridge"
)

// Worker works lanes.
type Worker interface {
	// WorkLane carries out what is due on a lane. It returns how long to wait
	// until the lane is looked at again, having called SnoozeLane; 0 if there
	// is nothing left, having called RestLane; or an error, after which it is
	// called again with the same turn. [bridge.ErrLaneLost] is no error: the
	// lane has another job.
	WorkLane(ctx context.Context, j bridge.LaneJob) (again time.Duration, err error)
}

// How River is set up. A job that is cut short is handed out again, so the
// time after which it counts as lost must exceed the time it may take.
const (
	jobTimeout      = 120 * time.Second // a look-up, the act and its check take 90 s at most
	rescueAfter     = 150 * time.Second
	keepCompleted   = time.Hour
	fetchCooldown   = 20 * time.Millisecond
	maxAttempts     = 32767 // effectively never discarded
	reconcileEvery  = time.Hour
	housekeeping    = "housekeeping" // the queue of our own periodic jobs
	longestRetry    = 30 * time.Second
	hardStopTimeout = 10 * time.Second
)

// laneArgs are the arguments of the job that works a lane.
type laneArgs struct {
	App    string `json:"app"`
	Person string `json:"person"`
	Turn   int64  `json:"turn"`
}

func (laneArgs) Kind() string { return "lane" }

// scheduler is River on either database.
type scheduler interface {
	start(ctx context.Context) error
	stop(ctx context.Context) error
	add(queue string, concurrency int) error
	remove(ctx context.Context, queue string) error
	node() string // the name of this process in River's rows
	console(prefix string, log *slog.Logger) (*riverui.Handler, error)
}

// riverOn is River with transactions of type T.
type riverOn[T any] struct {
	client *river.Client[T]
}

func newRiver[T any](s *Store, driver riverdriver.Driver[T]) (*riverOn[T], error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &laneWorker{store: s})
	river.AddWorker(workers, &reconcileWorker{store: s})
	client, err := river.NewClient(driver, &river.Config{
		Workers: workers,
		Queues:  map[string]river.QueueConfig{housekeeping: {MaxWorkers: 1, FetchPollInterval: 10 * time.Second}},
		PeriodicJobs: []*river.PeriodicJob{river.NewPeriodicJob(river.PeriodicInterval(reconcileEvery),
			func() (river.JobArgs, *river.InsertOpts) {
				return reconcileArgs{}, &river.InsertOpts{Queue: housekeeping}
			}, nil)},
		JobTimeout:                  jobTimeout,
		RescueStuckJobsAfter:        rescueAfter,
		CompletedJobRetentionPeriod: keepCompleted,
		FetchCooldown:               fetchCooldown,
		RetryPolicy:                 retries{},
		Hooks:                       []rivertype.Hook{&soon{}},
		ReindexerIndexNames:         []string{}, // DDL; SQLite's authorizer refuses it, and nothing needs it
		Logger:                      s.slog(),
	})
	return &riverOn[T]{client}, err
}

// insert adds the jobs of what was woken, in the waker's transaction.
func (r *riverOn[T]) insert(ctx context.Context, tx T, wakes []wake) error {
	if len(wakes) == 0 {
		return nil
	}
	_, err := r.client.InsertManyFastTx(ctx, tx, jobs(wakes))
	return err
}

// The context that River is started with would end everything at once if it
// ended; stop does that in two stages.
func (r *riverOn[T]) start(ctx context.Context) error {
	return r.client.Start(context.WithoutCancel(ctx))
}

func (r *riverOn[T]) stop(ctx context.Context) error {
	err := r.client.Stop(ctx)
	if err == nil {
		return nil
	}
	hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), hardStopTimeout)
	defer cancel()
	return r.client.StopAndCancel(hard)
}

func (r *riverOn[T]) node() string { return r.client.ID() }

func (r *riverOn[T]) add(queue string, concurrency int) error {
	return r.client.Queues().Add(queue, river.QueueConfig{MaxWorkers: concurrency})
}

// remove returns the context's error if jobs are still at work then; the queue
// takes on no new ones, and remove must be called again.
func (r *riverOn[T]) remove(ctx context.Context, queue string) error {
	err := r.client.Queues().Remove(ctx, queue)
	var gone *river.QueueNotFoundError
	if errors.As(err, &gone) {
		return nil
	}
	return err
}

func (r *riverOn[T]) console(prefix string, log *slog.Logger) (*riverui.Handler, error) {
	return riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints: riverui.NewEndpoints(r.client, nil), Logger: log, Prefix: prefix,
	})
}

// soon makes a job that is to begin within seconds available already; its queue
// leaves it alone until its time, and looks every second. Otherwise it would
// wait for River's scheduler, which looks every five.
type soon struct{ river.HookDefaults }

const schedulerLooks = 5 * time.Second

func (*soon) InsertBegin(_ context.Context, p *rivertype.JobInsertParams) error {
	if p.State == rivertype.JobStateScheduled && p.ScheduledAt != nil && time.Until(*p.ScheduledAt) < schedulerLooks {
		p.State = rivertype.JobStateAvailable
	}
	return nil
}

// retries is how soon a job that failed is handed out again: 1, 2, 4 … 30 s.
// These are failures of ours, such as a database that is full; what an app
// refuses is the engine's affair, with waits of its own.
type retries struct{}

func (retries) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().Add(min(time.Second<<min(len(job.Errors), 10), longestRetry))
}

type laneWorker struct {
	river.WorkerDefaults[laneArgs]
	store *Store
}

func (w *laneWorker) Work(ctx context.Context, job *river.Job[laneArgs]) error {
	worker := w.store.worker.Load()
	if worker == nil {
		return errors.New("store: nobody works lanes here")
	}
	again, err := (*worker).WorkLane(ctx, bridge.LaneJob{
		Lane: bridge.Lane{App: job.Args.App, Person: job.Args.Person}, Turn: job.Args.Turn,
	})
	switch {
	case lost(err):
		return nil
	case err != nil:
		return err
	case again > 0:
		return river.JobSnooze(again)
	}
	return nil
}

// Start begins to work the lanes of the given apps. What the last process left
// behind is taken up first.
func (s *Store) Start(ctx context.Context, w Worker, apps []Queue) error {
	if s.sched == nil {
		return errReadOnlyStore
	}
	if !s.worker.CompareAndSwap(nil, &w) {
		return errors.New("store: started twice")
	}
	if _, err := s.Reconcile(ctx); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := s.sched.start(ctx); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	s.queues.set(apps)
	s.queues.begin()
	return nil
}

// Stop takes on no more work and waits for what is under way. When ctx ends,
// it cancels that and waits a little longer.
func (s *Store) Stop(ctx context.Context) error {
	if s.sched == nil || s.worker.Load() == nil {
		return nil
	}
	s.queues.end()
	err := s.sched.stop(ctx)
	s.queues.release()
	return err
}

// Console returns River's own console, to be mounted under prefix and guarded
// by whoever mounts it, and what starts its background queries, which end
// with the context.
func (s *Store) Console(prefix string) (http.Handler, func(context.Context) error, error) {
	if s.sched == nil {
		return nil, nil, errReadOnlyStore
	}
	h, err := s.sched.console(prefix, s.slog())
	if err != nil {
		return nil, nil, err
	}
	return h, h.Start, nil
}

// slog is River's way into our log: warnings and errors.
func (s *Store) slog() *slog.Logger {
	return slog.New(zerolog.NewSlogHandler(s.log.Level(max(zerolog.WarnLevel, s.log.GetLevel())).With().
		Str("part", "river").Logger()))
}
