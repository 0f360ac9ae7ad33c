package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
	"github.com/exeunt/exeunt/store/storetest"
)

// childDir and childURL tell this test binary to be a server that may be
// killed; see child.
const (
	childDir  = "EXEUNT_TEST_CHILD_DIR"
	childURL  = "EXEUNT_TEST_CHILD_URL"
	childKeys = "EXEUNT_TEST_CHILD_KEYS"
	childKey  = "EXEUNT_TEST_CHILD_KEY"
	childHang = "EXEUNT_TEST_CHILD_HANG" // the first call never ends
	childRole = "EXEUNT_TEST_CHILD_ROLE" // "forget", "full": something else than ordering and working
)

func TestMain(m *testing.M) {
	if os.Getenv(childDir) != "" || os.Getenv(childURL) != "" {
		switch os.Getenv(childRole) {
		case "forget":
			forgetfulChild()
		case "full":
			fullDiskChild()
		default:
			child()
		}
		return
	}
	os.Exit(m.Run())
}

// drain is a worker that carries out the actions of a lane in order, and says
// each on lines.
func drain(s *store.Store, say func(string, ...any)) worker {
	return func(ctx context.Context, j bridge.LaneJob) (time.Duration, error) {
		for {
			var next *bridge.Action
			if err := s.Update(ctx, func(tx bridge.Tx) error {
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
			}); err != nil || next == nil {
				return 0, err
			}
			say("CALL %s %s %d", j.Lane.App+"/"+j.Lane.Person, next.ID, next.Seq)
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
	}
}

const crashApps = 3

func crashQueues() (q []store.Queue) {
	for i := range crashApps {
		q = append(q, store.Queue{App: fmt.Sprintf("app%d", i), Concurrency: 2})
	}
	return q
}

// order stores a case with an action on a random lane, wakes it, and appends
// the event.
func order(ctx context.Context, s *store.Store) (string, error) {
	c := bridge.Case{ID: uuid.NewString(), Source: "hr", Person: fmt.Sprintf("p%d", rand.IntN(5)), Trigger: bridge.Removed,
		State: bridge.CaseRunning, Opened: time.Now()}
	a := bridge.Action{ID: uuid.NewString(), Case: c.ID, Lane: bridge.Lane{App: fmt.Sprintf("app%d", rand.IntN(crashApps)), Person: c.Person},
		Effect: bridge.Lock, State: bridge.ActionWaiting, Due: time.Now()}
	return a.ID, s.Update(ctx, func(tx bridge.Tx) error {
		a.Seq = 0
		if err := tx.PutCase(c); err != nil {
			return err
		}
		if err := tx.WakeLane(a.Lane, a.Due); err != nil {
			return err
		}
		if err := tx.PutAction(&a); err != nil {
			return err
		}
		return tx.Append(bridge.Event{ID: uuid.New(), At: time.Now(), Type: bridge.CaseOpened, Facts: bridge.Facts{Case: c.ID},
			Parties: []bridge.Party{{Role: bridge.Subject, Payload: []byte("{}")}}})
	})
}

// child is a server that orders and works until it is killed, and says on its
// standard output what it was promised (ACK) and what it did (CALL).
func child() {
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(os.Stdout, format+"\n", args...)
	}
	key, err := ledger.NewSigner(os.Getenv(childKey))
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Dir: os.Getenv(childDir), URL: os.Getenv(childURL), KeyFile: os.Getenv(childKeys), LogKey: key, Logger: zerolog.Nop()})
	if err != nil {
		panic(err)
	}
	work := drain(s, say)
	if os.Getenv(childHang) != "" {
		work = func(context.Context, bridge.LaneJob) (time.Duration, error) { say("CALL"); select {} }
	}
	if err := s.Start(ctx, work, crashQueues()); err != nil {
		panic(err)
	}
	say("READY")
	if os.Getenv(childHang) != "" {
		if _, err := order(ctx, s); err != nil {
			panic(err)
		}
		select {}
	}
	for range 3 {
		go func() {
			for {
				id, err := order(ctx, s)
				if err != nil {
					panic(err)
				}
				say("ACK %s", id)
				runtime.GC() // a connection that nobody refers to would lose its locks
			}
		}()
	}
	select {}
}

// start runs a child and hands each of its lines to hear; the returned function
// kills it and waits until all was heard.
func start(t *testing.T, env []string, hear func(string)) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	heard := make(chan struct{})
	ready := make(chan struct{})
	go func() {
		defer close(heard)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if lines.Text() == "READY" {
				close(ready)
				continue
			}
			hear(lines.Text())
		}
	}()
	select {
	case <-ready:
	case <-heard:
		t.Fatal("the child ended at once")
	case <-time.After(20 * time.Second):
		t.Fatal("the child did not begin")
	}
	return func() {
		cmd.Process.Kill()
		<-heard
		cmd.Wait()
	}
}

// Kill -9, many times: nothing that was acknowledged is lost, every action is
// carried out, in order, and repeated only if the kill came between the call
// and its record.
func TestKilledAgainAndAgain(t *testing.T) {
	kills := 25
	if testing.Short() {
		kills = 5
	}
	dir := t.TempDir()
	secret, _, err := ledger.NewKey(ledger.NewOrigin())
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	acked := make(map[string]bool)
	calls := make(map[string]int)
	last := make(map[string]int64) // by lane
	violations := 0
	hear := func(line string) {
		f := strings.Fields(line)
		switch {
		case len(f) == 2 && f[0] == "ACK":
			acked[f[1]] = true
		case len(f) == 4 && f[0] == "CALL":
			var seq int64
			fmt.Sscan(f[3], &seq)
			if seq < last[f[1]] {
				violations++
			}
			last[f[1]] = seq
			calls[f[2]]++
		}
	}
	for range kills {
		kill := start(t, []string{childDir + "=" + dir, childKey + "=" + secret}, hear)
		time.Sleep(time.Duration(50+rand.IntN(350)) * time.Millisecond) // the moment of the kill is the test
		kill()
	}
	s := open(t, store.Options{Dir: dir, LogKey: key, Logger: zerolog.Nop()})
	var mu sync.Mutex
	if err := s.Start(t.Context(), drain(s, func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		hear(fmt.Sprintf(format, args...))
	}), crashQueues()); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for open := -1; open != 0; {
		st, err := s.Stats(t.Context())
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("actions still open: %v, %v", st.Actions, err)
		}
		open = 0
		for _, states := range st.Actions {
			open += states[bridge.ActionWaiting]
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	repeated := 0
	for id := range acked {
		if calls[id] == 0 {
			t.Errorf("acknowledged, but never carried out: %s", id)
		}
	}
	for _, n := range calls {
		repeated += n - 1
	}
	// At each kill at most one call a slot is unrecorded.
	if atMost := kills * crashApps * 2; violations != 0 || repeated > atMost {
		t.Errorf("%d out of order, %d repeated (at most %d could be)", violations, repeated, atMost)
	}
	if _, err := s.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	report, err := s.VerifyLog(t.Context(), store.VerifyOptions{})
	if err != nil || report.Size < int64(len(acked)) || report.Pending != 0 {
		t.Errorf("%+v, %v; %d acknowledged", report, err, len(acked))
	}
	t.Logf("%d kills: %d acknowledged, %d calls, %d repeated, %d events", kills, len(acked), len(calls)+repeated, repeated, report.Size)
}

// A job that was at work when its process was killed is at work again within a
// second of the restart.
func TestKilledJobResumes(t *testing.T) {
	dir := t.TempDir()
	secret, _, err := ledger.NewKey(ledger.NewOrigin())
	if err != nil {
		t.Fatal(err)
	}
	at := make(chan struct{}, 1)
	kill := start(t, []string{childDir + "=" + dir, childKey + "=" + secret, childHang + "=1"}, func(line string) {
		if line == "CALL" {
			at <- struct{}{}
		}
	})
	<-at
	kill()
	s := open(t, store.Options{Dir: dir, Logger: zerolog.Nop()})
	again := make(chan struct{}, 1)
	if err := s.Start(t.Context(), drain(s, func(string, ...any) { again <- struct{}{} }), crashQueues()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-again:
	case <-time.After(time.Second):
		t.Error("the job was not resumed within a second")
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// On PostgreSQL the next owner of an app takes up what a dead one was at work
// on, long before River would hand it out again.
func TestKilledJobIsInherited(t *testing.T) {
	opts := storetest.OnPostgres(t)
	secret, _, err := ledger.NewKey(ledger.NewOrigin())
	if err != nil {
		t.Fatal(err)
	}
	at := make(chan struct{}, 1)
	kill := start(t, []string{childURL + "=" + opts.URL, childKeys + "=" + opts.KeyFile, childKey + "=" + secret, childHang + "=1"}, func(line string) {
		if line == "CALL" {
			at <- struct{}{}
		}
	})
	<-at
	kill()
	s := open(t, opts)
	again := make(chan struct{}, 1)
	if err := s.Start(t.Context(), drain(s, func(string, ...any) { again <- struct{}{} }), crashQueues()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-again:
	case <-time.After(10 * time.Second):
		t.Error("what the dead node was at work on is at rest")
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// On PostgreSQL one node works an app; when it is killed another takes over.
func TestOneNodeWorksAnApp(t *testing.T) {
	opts := storetest.OnPostgres(t)
	secret, _, err := ledger.NewKey(ledger.NewOrigin())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	theirs, ours := 0, 0
	kill := start(t, []string{childURL + "=" + opts.URL, childKeys + "=" + opts.KeyFile, childKey + "=" + secret}, func(line string) {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasPrefix(line, "CALL") {
			theirs++
		}
	})
	wait := func(what string, cond func() bool) {
		t.Helper()
		deadline := time.Now().Add(15 * time.Second)
		for {
			mu.Lock()
			ok := cond()
			mu.Unlock()
			if ok {
				return
			}
			if time.Now().After(deadline) {
				kill()
				t.Fatalf("%s: theirs %d, ours %d", what, theirs, ours)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	wait("the first node works", func() bool { return theirs > 20 })
	key, err := ledger.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	opts.LogKey = key
	s := open(t, opts)
	if err := s.Start(t.Context(), drain(s, func(string, ...any) {
		mu.Lock()
		defer mu.Unlock()
		ours++
	}), crashQueues()); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	mu.Lock()
	before := theirs
	mu.Unlock()
	wait("the first node goes on, with garbage collected", func() bool { return theirs > before+200 })
	mu.Lock()
	if ours != 0 {
		t.Errorf("both nodes worked: ours %d", ours)
	}
	mu.Unlock()
	kill()
	killed := time.Now()
	for range 5 {
		if _, err := order(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	wait("the second node takes over", func() bool { return ours > 0 })
	t.Logf("taken over %s after the kill", time.Since(killed).Round(time.Millisecond))
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
