package store

import (
	"context"

	"github.com/riverqueue/river"

	"github.com/exeunt/exeunt/bridge"
)

type reconcileArgs struct{}

func (reconcileArgs) Kind() string { return "reconcile" }

type reconcileWorker struct {
	river.WorkerDefaults[reconcileArgs]
	store *Store
}

func (w *reconcileWorker) Work(ctx context.Context, _ *river.Job[reconcileArgs]) error {
	n, err := w.store.Reconcile(ctx)
	if n > 0 {
		w.store.log.Warn().Int("lanes", n).Msg("lanes had something to do but no job; they were woken")
	}
	return err
}

// reconcileBatch bounds the lanes that one transaction wakes.
const reconcileBatch = 200

// Reconcile wakes every lane that has an open action but no job, and returns
// how many there were. That happens only if River's rows were lost or somebody
// cancelled a job. It is exact by turn: a lane that moved on meanwhile is left
// alone, so it may run at any time and more than once.
func (s *Store) Reconcile(ctx context.Context) (int, error) {
	var stranded []bridge.LaneJob
	err := s.engine.view(ctx, s, func(t *tx) error {
		return t.each(`SELECT DISTINCT a.app, a.person, coalesce(l.turn, 0) AS turn
			FROM actions a LEFT JOIN lanes l ON l.app = a.app AND l.person = a.person
			WHERE a.state IN ('waiting', 'pending_check')
			EXCEPT
			SELECT args ->> 'app', args ->> 'person', CAST(args ->> 'turn' AS BIGINT) FROM river_job
			WHERE kind = 'lane' AND state IN ('available', 'pending', 'retryable', 'running', 'scheduled')`, nil,
			func(r scanner) error {
				var j bridge.LaneJob
				err := r.Scan(&j.Lane.App, &j.Lane.Person, &j.Turn)
				stranded = append(stranded, j)
				return err
			})
	})
	if err != nil {
		return 0, err
	}
	return s.rewake(ctx, stranded)
}

// inherit gives those lanes of an app a new turn whose jobs are at work on
// other nodes. It is for the node that has just got the app's lock: whoever
// had it is dead, or has lost the app and only ends what it began, and what
// comes of that is for nobody, because its turn is over. River would hand
// those jobs out again as well, but much later.
func (s *Store) inherit(ctx context.Context, app, node string) error {
	var left []bridge.LaneJob
	err := s.engine.view(ctx, s, func(t *tx) error {
		return t.each(`SELECT args ->> 'person', CAST(args ->> 'turn' AS BIGINT) FROM river_job
			WHERE kind = 'lane' AND queue = $1 AND state = 'running' AND attempted_by[cardinality(attempted_by)] <> $2`,
			[]any{queueName(app), node}, func(r scanner) error {
				j := bridge.LaneJob{Lane: bridge.Lane{App: app}}
				err := r.Scan(&j.Lane.Person, &j.Turn)
				left = append(left, j)
				return err
			})
	})
	if err != nil {
		return err
	}
	n, err := s.rewake(ctx, left)
	if n > 0 {
		s.log.Info().Str("app", app).Int("lanes", n).Msg("another node left lanes at work; they go on here")
	}
	return err
}

// rewake hands lanes to new jobs, but for those that have moved on to another
// turn meanwhile, and returns how many.
func (s *Store) rewake(ctx context.Context, stranded []bridge.LaneJob) (woken int, err error) {
	for len(stranded) > 0 {
		part := stranded[:min(reconcileBatch, len(stranded))]
		n := 0
		if err := s.update(ctx, func(t *tx) error {
			n = 0
			for _, j := range part {
				if err := t.turn(j, `UPDATE lanes SET live = $4 WHERE app = $1 AND person = $2 AND turn = $3`, false); err != nil &&
					!(lost(err) && j.Turn == 0) { // turn 0: there is no row yet
					if lost(err) {
						continue
					}
					return err
				}
				if err := t.WakeLane(j.Lane, s.now()); err != nil {
					return err
				}
				n++
			}
			return nil
		}); err != nil {
			return woken, err
		}
		woken += n
		stranded = stranded[len(part):]
	}
	return woken, nil
}
