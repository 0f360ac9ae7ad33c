package storetest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

// stopsInTwoStages: a job that ends by itself is waited for; one that does not
// is cancelled when the caller's patience ends.
func stopsInTwoStages(t *testing.T, s *store.Store) {
	begun := make(chan string, 2)
	release := make(chan struct{})
	var cancelled, finished atomic.Bool
	if err := s.Start(t.Context(), worker(func(ctx context.Context, j bridge.LaneJob) (time.Duration, error) {
		begun <- j.Lane.Person
		if j.Lane.Person == "patient" {
			<-release
			finished.Store(ctx.Err() == nil)
			return 0, s.Update(ctx, func(tx bridge.Tx) error { return tx.RestLane(j) })
		}
		<-ctx.Done()
		cancelled.Store(true)
		return 0, ctx.Err()
	}), []store.Queue{{App: "a", Concurrency: 2}}); err != nil {
		t.Fatal(err)
	}
	must(t, s, func(tx bridge.Tx) error {
		for _, person := range []string{"patient", "stubborn"} {
			if err := tx.WakeLane(bridge.Lane{App: "a", Person: person}, time.Now()); err != nil {
				return err
			}
		}
		return nil
	})
	<-begun
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(ctx) }()
	close(release)
	within(t, 5*time.Second, "the one that ends by itself", finished.Load)
	select {
	case <-stopped:
		t.Fatal("did not wait for the other")
	default:
	}
	cancel()
	if err := <-stopped; err != nil || !cancelled.Load() {
		t.Fatalf("%v, cancelled: %v", err, cancelled.Load())
	}
}

func console(t *testing.T, s *store.Store) {
	h, run, err := s.Console("/jobs")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := run(ctx); err != nil {
		t.Fatal(err)
	}
	must(t, s, func(tx bridge.Tx) error { return tx.WakeLane(bridge.Lane{App: "a", Person: "p"}, time.Now()) })
	for _, path := range []string{"/jobs/", "/jobs/api/jobs?state=available", "/jobs/api/queues", "/jobs/api/states", "/jobs/api/features"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
