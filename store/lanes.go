package store

import (
	"errors"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// A lane is handed from job to job by its turn, under its row lock:
//
//	wake    not live, or asleep until later than wanted -> next turn, a new job
//	        at work (wake_at = 0), or up early enough   -> nothing to do
//	hold    the job has the turn -> at work
//	snooze  asleep until
//	rest    not live
//
// Whoever orders an action wakes its lane in the same transaction, and the job
// rests only in a transaction that saw no open action: the row lock makes one
// of them see the other, so no action is stranded. A job that was overtaken
// finds another turn in the row and ends. A job whose process dies is handed
// its turn again by River; that its completion is not part of the resting
// transaction does no harm, because a lane that is not live refuses the turn.

func (t *tx) WakeLane(l bridge.Lane, at time.Time) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	w := wake{lane: l, delay: at.Sub(t.store.now())}
	err := t.get("turn", `INSERT INTO lanes (app, person, turn, live, wake_at) VALUES ($1, $2, 1, $4, $3)
		ON CONFLICT (app, person) DO UPDATE SET turn = lanes.turn + 1, live = excluded.live, wake_at = excluded.wake_at
		WHERE NOT lanes.live OR lanes.wake_at > excluded.wake_at RETURNING turn`,
		[]any{l.App, l.Person, micros(at), true}, &w.turn)
	if bridge.IsKind(err, bridge.KindNotFound) {
		return nil
	}
	if err == nil {
		t.wakes = append(t.wakes, w)
	}
	return err
}

func (t *tx) HoldLane(j bridge.LaneJob) error {
	return t.turn(j, `UPDATE lanes SET wake_at = 0 WHERE app = $1 AND person = $2 AND turn = $3 AND live`)
}

func (t *tx) SnoozeLane(j bridge.LaneJob, at time.Time) error {
	return t.turn(j, `UPDATE lanes SET wake_at = $4 WHERE app = $1 AND person = $2 AND turn = $3 AND live`, micros(at))
}

func (t *tx) RestLane(j bridge.LaneJob) error {
	// The row stays: turns must never be given twice.
	return t.turn(j, `UPDATE lanes SET live = $4, wake_at = 0 WHERE app = $1 AND person = $2 AND turn = $3 AND live`, false)
}

func (t *tx) turn(j bridge.LaneJob, query string, args ...any) error {
	n, err := t.do(query, append([]any{j.Lane.App, j.Lane.Person, j.Turn}, args...)...)
	if err == nil && n == 0 {
		return bridge.ErrLaneLost
	}
	return err
}

// lost reports whether a job was overtaken: nothing to be done, and no fault.
func lost(err error) bool { return errors.Is(err, bridge.ErrLaneLost) }
