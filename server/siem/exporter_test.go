package siem

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
)

var local = connector.Egress{AllowNetworks: []string{"127.0.0.0/8"}}

// desk is a log and its exports.
type desk struct {
	*Exporter
	t     *testing.T
	store *store.Store

	mu       sync.Mutex
	outcomes map[string]int
	lacks    int64
}

func (d *desk) Exported(_, outcome string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.outcomes[outcome] += n
}

func (d *desk) Lag(_ string, events int64, _ time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lacks = events
}

func newDesk(t *testing.T, c Config) *desk {
	t.Helper()
	secret, _, err := ledger.NewKey("exeunt/test")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, outcomes: map[string]int{}}
	if d.store, err = store.Open(t.Context(), store.Options{Dir: filepath.Join(t.TempDir(), "data"), LogKey: key, Logger: zerolog.Nop()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.store.Close() })
	d.restart(c)
	return d
}

// restart makes an exporter as a new process would.
func (d *desk) restart(c Config) {
	d.t.Helper()
	l := Log{Origin: d.store.LogKey().Origin(), Version: "1.0"}
	to, err := c.Open(l, time.Now)
	if err != nil {
		d.t.Fatal(err)
	}
	d.Exporter = New(Options{Store: d.store, Log: l, To: map[string]Receiver{"siem": to}, Observer: d, Now: time.Now, Logger: zerolog.Nop()})
}

// happen appends n events, whose Count goes on from first.
func (d *desk) happen(first, n int) {
	d.t.Helper()
	if err := d.store.Update(d.t.Context(), func(tx bridge.Tx) error {
		for i := range n {
			e := bridge.NewEvent(time.Now(), bridge.CaseOpened, bridge.Facts{Count: first + i}, bridge.Party{Role: bridge.Subject, Handle: bridge.NewHandle()})
			if err := tx.Append(e); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.store.Seal(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// run takes steps until there is no more to send.
func (d *desk) run() error {
	for {
		if more, err := d.Step(d.t.Context(), "siem"); err != nil || !more {
			return err
		}
	}
}

// collector is a SIEM that notes what it took.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	took   []int64
	hashes map[int64]string
	answer func(rows []plain) (status int, take bool)
}

// answers has it answer so from now on.
func (c *collector) answers(a func([]plain) (status int, take bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = a
}

func newCollector(t *testing.T) *collector {
	c := &collector{hashes: map[int64]string{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		var rows []plain
		if err := json.Unmarshal(raw, &rows); err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		status, take := http.StatusOK, true
		if c.answer != nil {
			status, take = c.answer(rows)
		}
		if take {
			for _, one := range rows {
				c.took = append(c.took, one.Log.Index)
				c.hashes[one.Log.Index] = one.Log.Hash
			}
		}
		if status == 0 {
			panic(http.ErrAbortHandler) // the answer is lost
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) config() Config { return Config{To: c.URL, Egress: local} }

func upTo(n int64) (list []int64) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

func TestDownForDays(t *testing.T) {
	c := newCollector(t)
	d := newDesk(t, c.config())
	d.happen(0, 5)
	if err := d.run(); err != nil || !slices.Equal(c.took, upTo(5)) {
		t.Fatalf("%v, %v", c.took, err)
	}
	c.answers(func([]plain) (int, bool) { return 503, false })
	d.happen(5, 250)
	for range 3 {
		if d.run() == nil {
			t.Fatal("nobody took it, and nothing was said")
		}
	}
	if d.lacks != 250 {
		t.Errorf("the export lacks %d events", d.lacks)
	}
	c.answers(nil)
	d.restart(c.config())
	if err := d.run(); err != nil {
		t.Fatal(err)
	}
	if want := upTo(255); !slices.Equal(c.took, want) {
		t.Errorf("took %v", c.took)
	}
	if err := d.run(); err != nil || d.lacks != 0 || len(c.took) != 255 {
		t.Errorf("lacks %d, took %d, %v", d.lacks, len(c.took), err)
	}
	sealed, err := d.store.Sealed(t.Context(), 0, 255)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sealed {
		if r := rowOf(s); c.hashes[s.Seq] != r.Hash.String() {
			t.Errorf("event %d went out with another hash", s.Seq)
		}
	}
}

func TestAnswerLost(t *testing.T) {
	c := newCollector(t)
	d := newDesk(t, c.config())
	c.answers(func([]plain) (int, bool) { return 0, true })
	d.happen(0, 3)
	if d.run() == nil {
		t.Fatal("an answer that did not come was taken for one")
	}
	c.answers(nil)
	d.restart(c.config())
	if err := d.run(); err != nil || !slices.Equal(c.took, []int64{0, 1, 2, 0, 1, 2}) {
		t.Errorf("%v, %v", c.took, err)
	}
}

func TestOneBadEvent(t *testing.T) {
	c := newCollector(t)
	d := newDesk(t, c.config())
	c.answers(func(rows []plain) (int, bool) {
		if slices.ContainsFunc(rows, func(r plain) bool { return r.Facts.Count == 3 }) {
			return 422, false
		}
		return 200, true
	})
	d.happen(0, 7)
	if err := d.run(); err != nil || !slices.Equal(c.took, []int64{0, 1, 2, 4, 5, 6}) {
		t.Fatalf("%v, %v", c.took, err)
	}
	list, size, err := d.store.Exports(t.Context())
	if err != nil || size != 7 || len(list) != 1 || list[0].Next != 7 || len(list[0].Refused) != 1 || list[0].Refused[0].Seq != 3 || list[0].Refused[0].Status != 422 {
		t.Fatalf("%+v, %v", list, err)
	}
	c.answers(nil)
	if err := d.store.Replay(t.Context(), "siem", 3); err != nil {
		t.Fatal(err)
	}
	if err := d.run(); err != nil || !slices.Equal(c.took[6:], []int64{3, 4, 5, 6}) {
		t.Errorf("%v, %v", c.took, err)
	}
	if list, _, err = d.store.Exports(t.Context()); err != nil || len(list[0].Refused) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestReceiverOutOfOrder(t *testing.T) {
	c := newCollector(t)
	d := newDesk(t, c.config())
	c.answers(func([]plain) (int, bool) { return 400, false })
	d.happen(0, 4)
	for range 2 {
		if d.run() == nil {
			t.Fatal("everything was refused, and nothing was said")
		}
	}
	c.answers(nil)
	if err := d.run(); err != nil || !slices.Equal(c.took, upTo(4)) {
		t.Errorf("%v, %v", c.took, err)
	}
}

// TestRun: what happens is exported by itself, and the end of the process loses
// nothing. What was taken as it came is sent again: nobody heard the answer.
func TestRun(t *testing.T) {
	c := newCollector(t)
	d := newDesk(t, c.config())
	for round := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		ended.Go(func() { d.Run(ctx) })
		d.happen(round*10, 10)
		deadline := time.Now().Add(10 * time.Second)
		for {
			c.mu.Lock()
			n := len(c.took)
			c.mu.Unlock()
			if n >= (round+1)*10 || time.Now().After(deadline) {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
		ended.Wait()
		d.restart(c.config())
	}
	if got := slices.Compact(slices.Sorted(slices.Values(c.took))); !slices.Equal(got, upTo(20)) || len(c.took) > 40 {
		t.Errorf("took %v", c.took)
	}
}

func TestGuarded(t *testing.T) {
	c := newCollector(t)
	for _, to := range []string{c.URL, "syslog+tcp://" + c.Listener.Addr().String()} {
		config := Config{To: to, Egress: connector.Egress{AllowNetworks: []string{"192.0.2.0/24"}}}
		d := newDesk(t, config)
		d.happen(0, 1)
		if err := d.run(); err == nil || len(c.took) > 0 {
			t.Errorf("%s: a network that is not allowed was called: %v", to, err)
		}
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	d := newDesk(t, Config{To: path})
	d.happen(0, 2)
	if err := d.run(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(read(t, path), `{"cut off`...), 0o600); err != nil {
		t.Fatal(err)
	}
	d.happen(2, 1)
	if err := d.run(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(read(t, path)), "\n")
	if len(lines) != 5 || lines[2] != `{"cut off` {
		t.Fatalf("%q", lines)
	}
	for i, n := range []int{0, 1, 3} {
		var p plain
		if err := json.Unmarshal([]byte(lines[n]), &p); err != nil || p.Log.Index != int64(i) {
			t.Errorf("line %d: %v, %v", n, p, err)
		}
	}
	if err := os.Remove(path); err != nil { // rotated
		t.Fatal(err)
	}
	d.happen(3, 1)
	if err := d.run(); err != nil || bytes.Count(read(t, path), []byte("\n")) != 1 {
		t.Errorf("%q, %v", read(t, path), err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{To: "https://siem.example.com/in", Format: "ocsf", OCSF: "1.9", Token: "t"}, ""},
		{Config{To: "syslog+tls://siem.example.com", Format: "cef"}, ""},
		{Config{To: "events.jsonl"}, ""},
		{Config{}, "to"},
		{Config{To: "http://siem.example.com"}, "to"},
		{Config{To: "syslog+tls://siem.example.com/x"}, "to"},
		{Config{To: "ftp://siem.example.com"}, "to"},
		{Config{To: "events.jsonl", Token: "t"}, "to"},
		{Config{To: "e", Format: "leef"}, "format"},
		{Config{To: "e", Format: "ocsf", OCSF: "2"}, "ocsf"},
		{Config{To: "e", OCSF: "1.8"}, "ocsf"},
	} {
		var got []string
		for _, e := range c.config.Validate() {
			got = append(got, e.Field)
		}
		if fmt.Sprint(got) != fmt.Sprint(strings.Fields(c.want)) {
			t.Errorf("%+v: %v", c.config, got)
		}
	}
}
