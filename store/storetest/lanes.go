package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

// worker is a store.Worker made of a function.
type worker func(context.Context, bridge.LaneJob) (time.Duration, error)

func (w worker) WorkLane(ctx context.Context, j bridge.LaneJob) (time.Duration, error) {
	return w(ctx, j)
}

// begin starts the store, and stops it before the test ends.
func begin(t *testing.T, s *store.Store, w worker, apps ...store.Queue) {
	t.Helper()
	if err := s.Start(t.Context(), w, apps); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

func laneTurns(t *testing.T, s *store.Store) {
	l := bridge.Lane{App: "a", Person: "p"}
	job := func(turn int64) bridge.LaneJob { return bridge.LaneJob{Lane: l, Turn: turn} }
	later := time.Now().Add(time.Hour)
	for i, step := range []struct {
		do   func(bridge.Tx) error
		lost bool
	}{
		{do: func(tx bridge.Tx) error { return tx.HoldLane(job(1)) }, lost: true}, // nobody woke it
		{do: func(tx bridge.Tx) error { return tx.WakeLane(l, later) }},           // turn 1, asleep
		{do: func(tx bridge.Tx) error { return tx.WakeLane(l, later.Add(1e9)) }},  // early enough already
		{do: func(tx bridge.Tx) error { return tx.HoldLane(job(2)) }, lost: true},
		{do: func(tx bridge.Tx) error { return tx.WakeLane(l, later.Add(-1e9)) }}, // sooner: turn 2
		{do: func(tx bridge.Tx) error { return tx.HoldLane(job(1)) }, lost: true},
		{do: func(tx bridge.Tx) error { return tx.HoldLane(job(2)) }},
		{do: func(tx bridge.Tx) error { return tx.WakeLane(l, time.Now()) }}, // at work: it will see
		{do: func(tx bridge.Tx) error { return tx.HoldLane(job(2)) }},
		{do: func(tx bridge.Tx) error { return tx.SnoozeLane(job(1), later) }, lost: true},
		{do: func(tx bridge.Tx) error { return tx.SnoozeLane(job(2), later) }},
		{do: func(tx bridge.Tx) error { return tx.HoldLane(job(2)) }}, // woken again with the same turn
		{do: func(tx bridge.Tx) error { return tx.RestLane(job(1)) }, lost: true},
		{do: func(tx bridge.Tx) error { return tx.RestLane(job(2)) }},
		{do: func(tx bridge.Tx) error { return tx.HoldLane(job(2)) }, lost: true},
		{do: func(tx bridge.Tx) error { return tx.WakeLane(l, later) }}, // turn 3
		{do: func(tx bridge.Tx) error { return tx.HoldLane(job(3)) }},
	} {
		err := s.Update(t.Context(), step.do)
		if step.lost != errors.Is(err, bridge.ErrLaneLost) || !step.lost && err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
}

func laneIsWorked(t *testing.T, s *store.Store) {
	l := bridge.Lane{App: "crm", Person: "p"}
	var calls atomic.Int32
	begin(t, s, func(ctx context.Context, j bridge.LaneJob) (time.Duration, error) {
		calls.Add(1)
		return 0, s.Update(ctx, func(tx bridge.Tx) error {
			if err := tx.HoldLane(j); err != nil {
				return err
			}
			return tx.RestLane(j)
		})
	}, store.Queue{App: "crm", Concurrency: 2})
	for want := range int32(3) {
		must(t, s, func(tx bridge.Tx) error { return tx.WakeLane(l, time.Now()) })
		within(t, 5*time.Second, "the lane is worked", func() bool { return calls.Load() == want+1 })
		within(t, 5*time.Second, "the lane rests", func() bool {
			err := s.Update(t.Context(), func(tx bridge.Tx) error { return tx.HoldLane(bridge.LaneJob{Lane: l, Turn: int64(want + 1)}) })
			return errors.Is(err, bridge.ErrLaneLost)
		})
	}
}

func laneSnoozes(t *testing.T, s *store.Store) {
	l := bridge.Lane{App: "crm", Person: "p"}
	var calls atomic.Int32
	var turns sync.Map
	begin(t, s, func(ctx context.Context, j bridge.LaneJob) (time.Duration, error) {
		n := calls.Add(1)
		turns.Store(n, j.Turn)
		wait := time.Duration(0)
		err := s.Update(ctx, func(tx bridge.Tx) error {
			if err := tx.HoldLane(j); err != nil {
				return err
			}
			switch n {
			case 1: // soon
				wait = 100 * time.Millisecond
			case 2: // not for a long time, but it will be woken
				wait = time.Hour
			default:
				return tx.RestLane(j)
			}
			return tx.SnoozeLane(j, time.Now().Add(wait))
		})
		return wait, err
	}, store.Queue{App: "crm", Concurrency: 1})
	must(t, s, func(tx bridge.Tx) error { return tx.WakeLane(l, time.Now()) })
	within(t, 5*time.Second, "it comes back after a snooze", func() bool { return calls.Load() == 2 })
	within(t, 5*time.Second, "it is woken from a long one", func() bool {
		must(t, s, func(tx bridge.Tx) error { return tx.WakeLane(l, time.Now()) })
		return calls.Load() >= 3
	})
	first, _ := turns.Load(int32(1))
	second, _ := turns.Load(int32(2))
	third, _ := turns.Load(int32(3))
	if first != int64(1) || second != int64(1) || third.(int64) <= 1 {
		t.Errorf("turns %v %v %v, want 1 1 and a new one", first, second, third)
	}
}

func laneRetries(t *testing.T, s *store.Store) {
	var calls atomic.Int32
	begin(t, s, func(ctx context.Context, j bridge.LaneJob) (time.Duration, error) {
		switch calls.Add(1) {
		case 1:
			return 0, errors.New("the disk is full")
		case 2:
			panic("a mistake of ours")
		}
		return 0, s.Update(ctx, func(tx bridge.Tx) error { return tx.RestLane(j) })
	}, store.Queue{App: "crm", Concurrency: 1})
	must(t, s, func(tx bridge.Tx) error { return tx.WakeLane(bridge.Lane{App: "crm", Person: "p"}, time.Now()) })
	within(t, 15*time.Second, "an error and a panic are survived", func() bool { return calls.Load() == 3 })
}

// hotLanes orders actions on few lanes from many sides while they are worked,
// with failures. Each action must be carried out once, in its lane's order,
// and none be left behind.
func hotLanes(t *testing.T, s *store.Store) {
	const (
		apps, people, each = 3, 5, 30
		callers            = 4
	)
	c := newCase(newPerson("ada"), start)
	putCases(t, s, c)
	var (
		mu         sync.Mutex
		done       = make(map[string]int)        // calls that succeeded, by action
		last       = make(map[bridge.Lane]int64) // seq
		inside     = make(map[bridge.Lane]bool)  // overlap
		violations int
		overlaps   int
	)
	act := func(a bridge.Action) error {
		mu.Lock()
		if inside[a.Lane] {
			overlaps++
		}
		inside[a.Lane] = true
		mu.Unlock()
		defer func() {
			mu.Lock()
			inside[a.Lane] = false
			mu.Unlock()
		}()
		if rand.IntN(10) == 0 {
			return errors.New("not now")
		}
		mu.Lock()
		defer mu.Unlock()
		if a.Seq <= last[a.Lane] {
			violations++
		}
		last[a.Lane] = a.Seq
		done[a.ID]++
		return nil
	}
	var queues []store.Queue
	for i := range apps {
		queues = append(queues, store.Queue{App: fmt.Sprintf("app%d", i), Concurrency: 4})
	}
	begin(t, s, func(ctx context.Context, j bridge.LaneJob) (time.Duration, error) {
		for {
			var next *bridge.Action
			err := s.Update(ctx, func(tx bridge.Tx) error {
				next = nil
				if err := tx.HoldLane(j); err != nil {
					return err
				}
				list, err := tx.LaneActions(j.Lane)
				if err != nil {
					return err
				}
				if len(list) == 0 {
					return tx.RestLane(j)
				}
				next = &list[0]
				return nil
			})
			if err != nil || next == nil {
				return 0, err
			}
			if act(*next) != nil {
				wait := time.Duration(rand.IntN(20)) * time.Millisecond
				return max(wait, time.Millisecond), s.Update(ctx, func(tx bridge.Tx) error { return tx.SnoozeLane(j, time.Now().Add(wait)) })
			}
			if err := s.Update(ctx, func(tx bridge.Tx) error {
				if err := tx.HoldLane(j); err != nil {
					return err
				}
				next.State = bridge.ActionVerified
				return tx.PutAction(next)
			}); err != nil {
				return 0, err
			}
		}
	}, queues...)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for n := range apps * people * each / callers {
				l := bridge.Lane{App: queues[n%apps].App, Person: fmt.Sprintf("p%d", (n/apps+i)%people)}
				if err := s.Update(t.Context(), func(tx bridge.Tx) error {
					a := newAction(c, l.App)
					a.Lane = l
					// The lane first: its row lock orders the actions.
					if err := tx.WakeLane(l, time.Now()); err != nil {
						return err
					}
					return tx.PutAction(&a)
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	const total = apps * people * each / callers * callers
	within(t, 60*time.Second, "every action is carried out", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(done) == total
	})
	mu.Lock()
	defer mu.Unlock()
	repeated := 0
	for _, n := range done {
		repeated += n - 1
	}
	if repeated != 0 || violations != 0 || overlaps != 0 {
		t.Errorf("%d repeated, %d out of order, %d at the same time", repeated, violations, overlaps)
	}
}

func queuesComeAndGo(t *testing.T, s *store.Store) {
	var calls sync.Map // app -> *atomic.Int32
	count := func(app string) int32 {
		n, _ := calls.LoadOrStore(app, new(atomic.Int32))
		return n.(*atomic.Int32).Load()
	}
	slow := make(chan struct{})
	begin(t, s, func(ctx context.Context, j bridge.LaneJob) (time.Duration, error) {
		n, _ := calls.LoadOrStore(j.Lane.App, new(atomic.Int32))
		n.(*atomic.Int32).Add(1)
		switch j.Lane.App {
		case "self": // stopping one's own queue from within must not deadlock
			s.StopQueue("self")
		case "slow":
			<-slow
		}
		return 0, s.Update(ctx, func(tx bridge.Tx) error { return tx.RestLane(j) })
	}, store.Queue{App: "self", Concurrency: 1}, store.Queue{App: "slow", Concurrency: 1})
	wake := func(app, person string) {
		must(t, s, func(tx bridge.Tx) error { return tx.WakeLane(bridge.Lane{App: app, Person: person}, time.Now()) })
	}
	wake("self", "p1")
	wake("slow", "p1")
	wake("late--", "p1") // a name that River would not take, not worked yet
	within(t, 5*time.Second, "both begin", func() bool { return count("self") == 1 && count("slow") == 1 })
	// A removal that has to wait must not hold up another queue.
	s.StopQueue("slow")
	if err := s.SetQueues(t.Context(), []store.Queue{{App: "self", Concurrency: 1}, {App: "late--", Concurrency: 3}}); err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, "an app is added while another is being removed", func() bool { return count("late--") == 1 })
	wake("self", "p2")
	close(slow)
	if n := count("self"); n != 1 {
		t.Errorf("a stopped queue worked: %d", n)
	}
	s.StartQueue("self")
	within(t, 5*time.Second, "a queue is put back", func() bool { return count("self") >= 2 })
}

func reconcile(t *testing.T, s *store.Store) {
	c := newCase(newPerson("ada"), start)
	putCases(t, s, c)
	// Two lanes with an open action: one has a job, the other nobody woke.
	must(t, s, func(tx bridge.Tx) error {
		for _, app := range []string{"woken", "stranded"} {
			a := newAction(c, app)
			if err := tx.PutAction(&a); err != nil {
				return err
			}
		}
		return tx.WakeLane(bridge.Lane{App: "woken", Person: c.Person}, time.Now())
	})
	for i, want := range []int{1, 0} { // to repeat it is safe
		if n, err := s.Reconcile(t.Context()); n != want || err != nil {
			t.Fatalf("run %d woke %d lanes: %v", i, n, err)
		}
	}
	var calls atomic.Int32
	begin(t, s, func(ctx context.Context, j bridge.LaneJob) (time.Duration, error) {
		calls.Add(1)
		return 0, s.Update(ctx, func(tx bridge.Tx) error { return tx.RestLane(j) })
	}, store.Queue{App: "woken", Concurrency: 1}, store.Queue{App: "stranded", Concurrency: 1})
	within(t, 5*time.Second, "both lanes are worked", func() bool { return calls.Load() == 2 })
}
