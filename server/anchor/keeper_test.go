package anchor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector"
	tlogwitness "github.com/exeunt/exeunt/server/witness"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
)

var local = connector.Egress{AllowNetworks: []string{"127.0.0.0/8"}}

// desk is a log with a keeper, and a clock that the test moves.
type desk struct {
	t      *testing.T
	dir    string
	secret string
	store  *store.Store
	*Keeper

	now      time.Time
	mu       sync.Mutex
	outcomes map[string]int
	behind   map[string]time.Duration
}

func newSecret(t *testing.T, name string) string {
	t.Helper()
	secret, _, err := ledger.NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, dir: filepath.Join(t.TempDir(), "data"), secret: newSecret(t, "exeunt/test"), now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	d.open()
	return d
}

func (d *desk) open() {
	d.t.Helper()
	key, err := ledger.NewSigner(d.secret)
	if err != nil {
		d.t.Fatal(err)
	}
	if d.store, err = store.Open(d.t.Context(), store.Options{Dir: d.dir, LogKey: key, Doubt: store.ErrUnasked, Logger: zerolog.Nop()}); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { d.store.Close() })
}

// keep begins to keep places, as at the start of a process.
func (d *desk) keep(places map[string]Place) *desk {
	d.t.Helper()
	key := d.store.LogKey()
	empty, err := key.Sign(0, ledger.Empty(key.Origin()).Root)
	if err != nil {
		d.t.Fatal(err)
	}
	d.outcomes, d.behind = map[string]int{}, map[string]time.Duration{}
	d.Keeper = New(Options{Store: d.store, Key: key.VerifierKey(), Empty: empty, Places: places, Observer: d,
		Doubt: func(_ context.Context, err error) { d.store.Doubt(err) }, Now: func() time.Time { return d.now }, Logger: zerolog.Nop()})
	d.Ask(d.t.Context())
	return d
}

func (d *desk) Anchored(place, outcome string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.outcomes[place+" "+outcome]++
}

func (d *desk) Behind(place string, by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.behind[place] = by
}

// sign appends n events, and signs.
func (d *desk) sign(n int) ([]byte, error) {
	d.t.Helper()
	for range n {
		if err := d.store.Update(d.t.Context(), func(tx bridge.Tx) error {
			return tx.Append(bridge.NewEvent(d.now, bridge.ConfigLoaded, bridge.Facts{}))
		}); err != nil {
			d.t.Fatal(err)
		}
	}
	if _, err := d.store.Seal(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	return d.store.Checkpoint(d.t.Context())
}

func (d *desk) mustSign(n int) []byte {
	d.t.Helper()
	note, err := d.sign(n)
	if err != nil {
		d.t.Fatal(err)
	}
	return note
}

// after lets time pass, and everybody look.
func (d *desk) after(wait time.Duration) {
	d.now = d.now.Add(wait)
	for _, one := range d.deliveries {
		d.deliver(d.t.Context(), one)
		d.judge(d.t.Context())
	}
}

// refused wants the log to be refused a signature, for a reason.
func (d *desk) refused(why string) {
	d.t.Helper()
	if _, err := d.sign(1); !errors.Is(err, store.ErrTampered) || !strings.Contains(err.Error(), why) {
		d.t.Errorf("signed, or not for the reason %q: %v", why, err)
	}
}

// copy is the data directory as it is now, for an insider to put back.
func (d *desk) copy() string {
	d.t.Helper()
	to := filepath.Join(d.t.TempDir(), "copy")
	d.store.Close()
	if err := os.CopyFS(to, os.DirFS(d.dir)); err != nil {
		d.t.Fatal(err)
	}
	d.open()
	return to
}

func (d *desk) putBack(copy string) {
	d.t.Helper()
	d.store.Close()
	if err := errors.Join(os.RemoveAll(d.dir), os.CopyFS(d.dir, os.DirFS(copy))); err != nil {
		d.t.Fatal(err)
	}
	d.open()
}

// guard is a real witness behind a server that can be made to fail.
type guard struct {
	*tlogwitness.Witness
	policy ledger.Policy
	url    string
	key    string
	fail   func(w http.ResponseWriter, r *http.Request, on http.Handler) // nil: it does not
	asked  atomic.Int64
}

func newGuard(d *desk) *guard {
	d.t.Helper()
	key, err := ledger.NewCosigner(newSecret(d.t, "witness.example"))
	if err != nil {
		d.t.Fatal(err)
	}
	g := &guard{key: key.VerifierKey()}
	if g.Witness, err = tlogwitness.Open(tlogwitness.Options{Dir: d.t.TempDir(), Logs: []string{d.store.LogKey().VerifierKey()}, Key: key, Logger: zerolog.Nop()}); err != nil {
		d.t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.asked.Add(1)
		if g.fail != nil {
			g.fail(w, r, g.Witness)
			return
		}
		g.Witness.ServeHTTP(w, r)
	}))
	d.t.Cleanup(func() { server.Close(); g.Close() })
	g.url = server.URL
	if g.policy, err = ledger.ParsePolicy([]byte("witness w " + g.key + " " + g.url + "\nquorum w\n")); err != nil {
		d.t.Fatal(err)
	}
	return g
}

func (g *guard) places(d *desk) map[string]Place {
	d.t.Helper()
	p, err := NewWitness(g.policy.Witnesses[0], local, d.store)
	if err != nil {
		d.t.Fatal(err)
	}
	return map[string]Place{"w": p}
}

func (g *guard) size() int64 { return g.Sizes()["exeunt/test"] }

// wantCosigned wants the newest checkpoint to be cosigned.
func (d *desk) wantCosigned(g *guard, note []byte) {
	d.t.Helper()
	got, err := d.store.LastCosigned(d.t.Context(), g.policy.Met)
	if err != nil || !bytes.HasPrefix(got, note) {
		d.t.Errorf("cosigned is %q, %v; want %q", got, err, note)
	}
}

func TestWitnessCosigns(t *testing.T) {
	d := newDesk(t)
	if _, err := d.store.Checkpoint(t.Context()); !errors.Is(err, store.ErrUnasked) {
		t.Errorf("signed before anybody was asked: %v", err)
	}
	g := newGuard(d)
	d.keep(g.places(d))
	for range 3 {
		note := d.mustSign(3)
		d.after(lookEvery)
		d.wantCosigned(g, note)
	}
	asked := g.asked.Load()
	d.after(lookEvery)
	if g.asked.Load() != asked {
		t.Error("asked, and nothing was new")
	}
	// After a restart too, and what it says then is the same.
	d.store.Close()
	d.open()
	d.keep(g.places(d))
	note := d.mustSign(1)
	d.Ask(t.Context())
	d.wantCosigned(g, note)
}

// The answer is lost after the witness has stored the checkpoint.
func TestWitnessAnswerIsLost(t *testing.T) {
	d := newDesk(t)
	g := newGuard(d)
	d.keep(g.places(d))
	d.mustSign(3)
	g.fail = func(w http.ResponseWriter, r *http.Request, on http.Handler) {
		on.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
	d.after(lookEvery)
	if g.size() != 3 || d.outcomes["w failed"] != 1 {
		t.Fatalf("the witness has %d; %v", g.size(), d.outcomes)
	}
	g.fail = nil
	note := d.mustSign(2)
	d.after(time.Hour)
	d.wantCosigned(g, note)
	if d.outcomes["w contradicted"] != 0 {
		t.Error("it is taken for a contradiction")
	}
}

// A witness that is down for days delays nothing, is asked ever more seldom, is
// told of, and catches up.
func TestWitnessIsDownForDays(t *testing.T) {
	d := newDesk(t)
	g := newGuard(d)
	d.keep(g.places(d))
	g.fail = func(w http.ResponseWriter, r *http.Request, _ http.Handler) { w.WriteHeader(http.StatusBadGateway) }
	first := g.asked.Load()
	var note []byte
	for range 3 * 24 * 60 {
		note = d.mustSign(1)
		d.after(time.Minute)
	}
	if n := g.asked.Load() - first; n < 3*24*6-20 || n > 3*24*6+20 {
		t.Errorf("asked %d times in three days", n)
	}
	if err := d.Late(t.Context()); err == nil || !strings.Contains(err.Error(), "w lacks checkpoints") {
		t.Errorf("nobody is told: %v", err)
	}
	if b := d.behind["w"]; b < 71*time.Hour {
		t.Errorf("behind %s", b)
	}
	g.fail = nil
	d.after(retryMax)
	d.wantCosigned(g, note)
	d.after(lookEvery)
	if err := d.Late(t.Context()); err != nil || d.behind["w"] != 0 {
		t.Errorf("after it caught up: %v, %s", err, d.behind["w"])
	}
}

// Whoever puts back an old copy is found out at the next start, before anything is
// signed, also if the old copy is empty.
func TestWitnessKnowsThatItWasSetBack(t *testing.T) {
	d := newDesk(t)
	g := newGuard(d)
	none := d.copy()
	d.keep(g.places(d))
	d.mustSign(5)
	old := d.copy()
	d.keep(g.places(d))
	d.mustSign(5)
	d.after(lookEvery)
	if g.size() != 10 {
		t.Fatalf("the witness has %d", g.size())
	}
	for name, copy := range map[string]string{"old": old, "empty": none} {
		d.putBack(copy)
		d.keep(g.places(d))
		d.refused("it has cosigned 10 events, and they are not here")
		if note, err := d.store.LastCheckpoint(t.Context()); err != nil || bytes.Contains(note, []byte("\n10\n")) || name == "empty" && note != nil {
			t.Errorf("%s: signed %q, %v", name, note, err)
		}
	}
}

// With the key in hand, another history can be signed, but not be cosigned.
func TestWitnessKnowsAFork(t *testing.T) {
	d := newDesk(t)
	g := newGuard(d)
	d.keep(g.places(d))
	d.mustSign(5)
	old := d.copy()
	d.keep(g.places(d))
	d.mustSign(5)
	d.after(lookEvery)
	d.putBack(old)
	d.keep(nil) // nobody is asked: ten others, and more, are signed
	d.mustSign(20)
	d.keep(g.places(d))
	d.refused("it has cosigned 10 events that are not the beginning of the log")
	if g.size() != 10 {
		t.Errorf("the witness has %d", g.size())
	}
	// As many as it has seen, but others.
	d.putBack(old)
	d.keep(nil)
	d.mustSign(5)
	d.keep(g.places(d))
	d.refused("another history of 10 events")
}

// Two nodes tell one witness, and neither takes the other for a liar.
func TestTwoNodes(t *testing.T) {
	d := newDesk(t)
	g := newGuard(d)
	d.keep(g.places(d))
	other := New(d.Options)
	other.Places = g.places(d)
	other = New(other.Options)
	other.Ask(t.Context())
	var wg sync.WaitGroup
	for range 10 {
		d.mustSign(3)
		wg.Go(func() { d.Ask(t.Context()) })
		wg.Go(func() { other.Ask(t.Context()) })
		wg.Wait()
	}
	d.now = d.now.Add(time.Hour)
	note := d.mustSign(1)
	d.Ask(t.Context())
	other.Ask(t.Context())
	d.wantCosigned(g, note)
	if d.outcomes["w contradicted"] != 0 {
		t.Errorf("%v", d.outcomes)
	}
}

// overtaken is a place to which another node brings a newer checkpoint, just before
// this one does.
type overtaken struct {
	Place
	first func()
}

func (o *overtaken) Put(ctx context.Context, c Checkpoint) error {
	if o.first != nil {
		o.first()
		o.first = nil
	}
	return o.Place.Put(ctx, c)
}

// Two nodes keep one file, and neither takes it for a contradiction.
func TestOvertaken(t *testing.T) {
	d := newDesk(t)
	place := NewFile(filepath.Join(t.TempDir(), "checkpoint"))
	d.keep(nil)
	d.mustSign(3)
	d.keep(map[string]Place{"f": &overtaken{place, func() {
		newer, err := checkpoint(d.mustSign(1))
		if err := errors.Join(err, place.Put(t.Context(), newer)); err != nil {
			t.Fatal(err)
		}
	}}})
	if d.outcomes["f contradicted"] != 0 {
		t.Errorf("%v", d.outcomes)
	}
	d.mustSign(1)
	if d.after(time.Minute); d.outcomes["f kept"] != 1 {
		t.Errorf("%v", d.outcomes)
	}
}

// A folder that holds a closed log, which was longer, holds the new one to its word too.
func TestFolderOfTwoLogs(t *testing.T) {
	d := newDesk(t)
	path := t.TempDir()
	old, err := ledger.NewSigner(newSecret(t, "exeunt/closed"))
	if err != nil {
		t.Fatal(err)
	}
	note, err := old.Sign(1000, ledger.Empty("").Root)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := checkpoint(note)
	if err := errors.Join(err, NewFolder(path).Put(t.Context(), closed)); err != nil {
		t.Fatal(err)
	}
	d.keep(map[string]Place{"f": NewFolder(path)})
	d.mustSign(3)
	before := d.copy()
	d.keep(nil)
	d.mustSign(3)
	d.keep(map[string]Place{"f": NewFolder(path)})
	d.putBack(before)
	d.keep(map[string]Place{"f": NewFolder(path)})
	d.refused("6 events, and here are 3")
}

// Whatever a witness answers, only a real contradiction is one.
func TestHostileWitness(t *testing.T) {
	for name, c := range map[string]struct {
		status   int
		body     string
		disputes bool
	}{
		"nothing": {200, "", false}, "garbage": {200, "— x y\n", false}, "a page": {200, strings.Repeat("<p>", 1000), false},
		"endless": {200, strings.Repeat("x", 1<<20), false}, "no size": {409, "", false}, "no number": {409, "many\n", false},
		"a negative size": {409, "-1\n", false}, "another spelling": {409, "007\n", false}, "always the same": {409, "1\n", false},
		"more than there are": {409, "9000\n", true}, "too many to count": {409, "99999999999999999999\n", false}, "moved": {301, "", false},
		"forbidden": {403, "", false}, "unknown": {404, "", false}, "no proof": {422, "", true}, "down": {500, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			g := newGuard(d)
			d.keep(g.places(d))
			d.mustSign(3)
			g.fail = func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				w.Header().Set("Location", "http://169.254.169.254/")
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			}
			d.after(lookEvery)
			if d.outcomes["w kept"] != 1 { // the empty log, before
				t.Errorf("kept: %v", d.outcomes)
			}
			if _, err := d.sign(1); (err != nil) != c.disputes {
				t.Errorf("signing: %v", err)
			}
			g.fail = nil // it comes to its senses
			d.after(time.Hour)
			if _, err := d.sign(1); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
