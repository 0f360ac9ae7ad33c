package store

import (
	"context"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// Stats are figures for metrics.
type Stats struct {
	Cases        map[bridge.CaseState]int
	Actions      map[string]map[bridge.ActionState]int // by app
	Oldest       map[string]time.Time                  // due time of each app's oldest action that is due and open
	Erasures     map[Lateness]int
	Sessions     map[string]int // that are known, by app
	HoldsOverdue int            // legal holds that nobody has reviewed in time
	Size         int64          // events in the log's tree
	Pending      int64          // events that wait for their place in it
	Waiting      int            // updates that wait for their commit
	WAL          int64          // bytes of SQLite's write-ahead log; a stuck reader lets it grow
}

// Lateness is how far an erasure has come, and how late it is.
type Lateness struct {
	Stage   bridge.Stage
	Urgency bridge.Urgency
}

// Stats counts. The cost grows with the number of cases and actions, through
// narrow indexes: once in some seconds is fine.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	st := Stats{
		Cases: make(map[bridge.CaseState]int), Actions: make(map[string]map[bridge.ActionState]int),
		Erasures: make(map[Lateness]int), Sessions: make(map[string]int), Oldest: make(map[string]time.Time), Waiting: s.engine.waiting(), WAL: s.engine.walBytes(),
	}
	err := s.engine.view(ctx, s, func(t *tx) (err error) {
		if err := t.get("holds", `SELECT count(*) FROM holds WHERE lifted = 0 AND overdue`, nil, &st.HoldsOverdue); err != nil {
			return err
		}
		if err := t.each(`SELECT stage, urgency, count(*) FROM erasures GROUP BY stage, urgency`, nil, func(r scanner) error {
			var is Lateness
			var n int
			err := r.Scan(&is.Stage, &is.Urgency, &n)
			st.Erasures[is] = n
			return err
		}); err != nil {
			return err
		}
		if err := t.each(`SELECT app, count(*) FROM sessions GROUP BY app`, nil, func(r scanner) error {
			var app string
			var n int
			err := r.Scan(&app, &n)
			st.Sessions[app] = n
			return err
		}); err != nil {
			return err
		}
		if st.Size, err = t.logSize(); err != nil {
			return err
		}
		if err := t.get("log", `SELECT count(*) FROM log_pending`, nil, &st.Pending); err != nil {
			return err
		}
		if err := t.each(`SELECT state, count(*) FROM cases GROUP BY state`, nil, func(r scanner) error {
			var (
				state bridge.CaseState
				n     int
			)
			err := r.Scan(&state, &n)
			st.Cases[state] = n
			return err
		}); err != nil {
			return err
		}
		if err := t.each(`SELECT app, state, count(*) FROM actions GROUP BY app, state`, nil, func(r scanner) error {
			var (
				app   string
				state bridge.ActionState
				n     int
			)
			err := r.Scan(&app, &state, &n)
			if st.Actions[app] == nil {
				st.Actions[app] = make(map[bridge.ActionState]int)
			}
			st.Actions[app][state] = n
			return err
		}); err != nil {
			return err
		}
		return t.each(`SELECT app, min(due) FROM actions WHERE state IN ('waiting', 'pending_check') AND due <= $1 GROUP BY app`,
			[]any{micros(s.now())}, func(r scanner) error {
				var (
					app string
					due int64
				)
				err := r.Scan(&app, &due)
				st.Oldest[app] = fromMicros(due)
				return err
			})
	})
	return st, err
}
