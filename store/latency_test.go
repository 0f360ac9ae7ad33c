package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/storetest"
)

type worker func(context.Context, bridge.LaneJob) (time.Duration, error)

func (w worker) WorkLane(ctx context.Context, j bridge.LaneJob) (time.Duration, error) {
	return w(ctx, j)
}

// BenchmarkPickUp measures the time from a commit to the beginning of the work
// it ordered, at 6 commits a second over 5 queues, and what an idle store costs.
func BenchmarkPickUp(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { pickUp(b, store.Options{Dir: b.TempDir()}) })
	b.Run("postgres", func(b *testing.B) { pickUp(b, storetest.OnPostgres(b)) })
}

func pickUp(b *testing.B, opts store.Options) {
	opts.Logger = zerolog.Nop()
	opts.LogKey = newKey(b)
	s := open(b, opts)
	const apps = 5
	var (
		mu        sync.Mutex
		committed = make(map[string]time.Time)
		begun     = make(map[string]time.Time)
	)
	var queues []store.Queue
	for i := range apps {
		queues = append(queues, store.Queue{App: fmt.Sprintf("app%d", i), Concurrency: 4})
	}
	if err := s.Start(b.Context(), worker(func(ctx context.Context, j bridge.LaneJob) (time.Duration, error) {
		mu.Lock()
		begun[j.Lane.Person] = time.Now()
		mu.Unlock()
		return 0, s.Update(ctx, func(tx bridge.Tx) error { return tx.RestLane(j) })
	}), queues); err != nil {
		b.Fatal(err)
	}
	defer s.Stop(context.Background())
	tick := time.NewTicker(5 * time.Second) // let the start settle
	<-tick.C
	before := cpu()
	<-tick.C
	tick.Stop()
	idle := float64(cpu()-before) / float64(5*time.Second) * 100
	n := 0
	for b.Loop() {
		time.Sleep(time.Duration(rand.ExpFloat64() * float64(time.Second/6)))
		person := fmt.Sprintf("p%d", n)
		app := queues[n%apps].App
		n++
		if err := s.Update(b.Context(), func(tx bridge.Tx) error {
			return tx.WakeLane(bridge.Lane{App: app, Person: person}, time.Now())
		}); err != nil {
			b.Fatal(err)
		}
		mu.Lock()
		committed[person] = time.Now()
		mu.Unlock()
	}
	time.Sleep(2 * time.Second)
	var took []time.Duration
	mu.Lock()
	for p, c := range committed {
		if begun[p].IsZero() {
			b.Errorf("%s never began", p)
		}
		took = append(took, max(begun[p].Sub(c), 0))
		if d := begun[p].Sub(c); d > 100*time.Millisecond && os.Getenv("EXEUNT_TRACE") != "" {
			fmt.Println(p, d)
		}
	}
	mu.Unlock()
	slices.Sort(took)
	b.ReportMetric(idle, "idle-%")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// cpu is the processor time this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
