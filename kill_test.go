package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"github.com/exeunt/exeunt/bridge/connector/sandbox"
	"github.com/exeunt/exeunt/store/storetest"
)

// TestKill has fifty people leave while exeunt is killed again and again, at
// random moments. EXEUNT_TEST_SEED repeats a run's moments, as far as the
// machine repeats its own.
func TestKill(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		killed(t, 20, "", 40*time.Second)
	})
	// What sleeps there is woken by River's leader, and a new one is elected
	// only when the lease of a dead one has run out.
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		killed(t, 5, storetest.Postgres(t), 45*time.Second)
	})
}

const leavers = 50

// leaver is one of the fifty.
type leaver struct {
	name    string
	id      string
	deleted bool // leaves by DELETE, else by PATCH
	tries   int  // requests sent until one was answered
	unheard bool // deleted, but the answer was lost
}

// leave has the identity provider say that somebody leaves.
func (l *leaver) leave(url string) (status int, answer []byte, err error) {
	if l.deleted {
		return call(http.MethodDelete, url+"/scim/v2/Users/"+l.id, hrToken, "")
	}
	return call(http.MethodPatch, url+"/scim/v2/Users/"+l.id, hrToken,
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"False"}]}`)
}

// saidAgain is what a repeated leave is answered.
func (l *leaver) saidAgain() int {
	if l.deleted {
		return http.StatusNotFound
	}
	return http.StatusOK
}

// killed runs the whole story; database is the URL of PostgreSQL, "" for
// SQLite, and patience how long what was begun may take after the last kill.
func killed(t *testing.T, kills int, database string, patience time.Duration) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("EXEUNT_TEST_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal("EXEUNT_TEST_SEED is not a number")
		}
	}
	t.Logf("EXEUNT_TEST_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	users := []sandbox.User{{UserName: "stays@example.com", Email: "stays@example.com"}}
	var people []*leaver
	for i := range leavers {
		name := fmt.Sprintf("person%02d@example.com", i)
		users = append(users, sandbox.User{UserName: name, Email: name})
		people = append(people, &leaver{name: name, deleted: i%2 == 1})
	}
	town := newTown(t, users)
	config := town.config
	if database != "" {
		config = "database: env:EXEUNT_DATABASE\n" + config
	}
	p := newProduct(t, config, town.files)
	if database != "" {
		p.env = []string{"EXEUNT_DATABASE=" + database}
	}
	p.start()
	for _, l := range people {
		l.id = p.hire(fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"active":true,
			"emails":[{"value":%[1]q,"primary":true}]}`, l.name))
	}

	// The identity provider sends a few requests a round, and goes on sending
	// those that nobody answered.
	var provider idp
	random.Shuffle(len(people), func(i, j int) { people[i], people[j] = people[j], people[i] })
	held, busy := "", 0
	for kill := range kills {
		provider.at(p.url)
		for _, l := range people[kill*leavers/kills : (kill+1)*leavers/kills] {
			provider.send(t, l, time.Duration(random.Int64N(int64(200*time.Millisecond))))
		}
		time.Sleep(time.Duration(random.Int64N(int64(300 * time.Millisecond)))) // the moment
		if provider.waiting.Load() > 0 || town.open(people[:(kill+1)*leavers/kills]) {
			busy++
		}
		p.kill()
		p.start()
		if kill == kills/2 {
			held = p.keepCheckpoint()
		}
	}
	provider.at(p.url)
	provider.wait.Wait()
	if busy < kills/2 {
		t.Errorf("of %d kills only %d came while there was something to do", kills, busy)
	}
	again, unheard := 0, 0
	for _, l := range people {
		again += l.tries - 1
		if l.unheard {
			unheard++
		}
		// Whatever was heard, it is said once more, and nothing comes of it.
		if status, _, err := l.leave(p.url); err != nil || status != l.saidAgain() {
			t.Errorf("%s, said again: %d, %v", l.name, status, err)
		}
	}
	last := time.Now()
	cases := p.settled(patience)
	t.Logf("%d of %d kills while something was to do; %d requests were repeated, %d of them stored but not answered at first; "+
		"all was settled %v after the last kill", busy, kills, again, unheard, time.Since(last).Round(time.Millisecond))

	// No departure is lost, and none is there twice; all of it is proven.
	found := map[string]int{}
	actions := 0
	for _, c := range cases {
		found[c.Who.UserName+" "+string(c.Trigger)]++
		if c.State != "closed" {
			t.Errorf("the case of %s is %s", c.Who.UserName, c.State)
		}
		var did []string
		for _, a := range c.Actions {
			did = append(did, a.App+" "+string(a.Effect))
			if a.State != "verified" {
				t.Errorf("%s: %s of %s is %s: %s", c.Who.UserName, a.Effect, a.App, a.State, a.Problem)
			}
		}
		if slices.Sort(did); !slices.Equal(did, town.wanted[string(c.Trigger)]) {
			t.Errorf("%s: %v was done, %v was wanted", c.Who.UserName, did, town.wanted[string(c.Trigger)])
		}
		actions += len(did)
	}
	for _, l := range people {
		trigger, active, status := "deactivate", "false", http.StatusOK
		if l.deleted {
			trigger, active, status = "delete", "", http.StatusNotFound
		}
		if n := found[l.name+" "+trigger]; n != 1 {
			t.Errorf("%s has %d cases", l.name, n)
		}
		got, body, err := call(http.MethodGet, p.url+"/scim/v2/Users/"+l.id, hrToken, "")
		if err != nil || got != status || !strings.Contains(string(body), active) {
			t.Errorf("%s is %d %s %v", l.name, got, body, err)
		}
	}
	if len(cases) != leavers {
		t.Errorf("there are %d cases", len(cases))
	}
	town.checkOnce(t, people)

	// What the log tells agrees, and it verifies, also against what was kept.
	p.stop()
	told := map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(p.run("log", "tail", "--json", "--last", "100000")), "\n") {
		var e struct{ Type string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		told[e.Type]++
	}
	for what, n := range map[string]int{"person.created": leavers, "case.opened": leavers, "case.settled": leavers, "action.settled": actions} {
		if told[what] != n {
			t.Errorf("the log tells %d times of %s, not %d", told[what], what, n)
		}
	}
	p.run("log", "verify")
	if said := p.run("log", "verify", "--checkpoint", held); !strings.Contains(said, "are those of the checkpoint kept elsewhere") {
		t.Errorf("log verify does not speak of the checkpoint kept elsewhere: %s", said)
	}
	if database == "" {
		p.checkIntegrity()
	}
}

// idp sends departures, and repeats what nobody answered.
type idp struct {
	url     atomic.Pointer[string] // of the exeunt that runs now
	wait    sync.WaitGroup
	waiting atomic.Int64 // departures that were not answered yet
}

// at says where exeunt is now.
func (i *idp) at(url string) { i.url.Store(&url) }

func (i *idp) send(t *testing.T, l *leaver, after time.Duration) {
	i.waiting.Add(1)
	i.wait.Go(func() {
		defer i.waiting.Add(-1)
		time.Sleep(after) // requests come when they come
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			l.tries++
			status, answer, err := l.leave(*i.url.Load())
			switch {
			case err != nil: // killed, before or after it was stored
				continue
			case status == l.saidAgain() && l.deleted && l.tries > 1:
				l.unheard = true
			case status/100 != 2:
				t.Errorf("%s leaves, and is answered %d: %s", l.name, status, answer)
			}
			return
		}
		t.Errorf("that %s leaves is not answered", l.name)
	})
}

// keepCheckpoint copies the newest checkpoint to elsewhere.
func (p *product) keepCheckpoint() (file string) {
	p.t.Helper()
	var note []byte
	within(p.t, 20*time.Second, func() (err error) {
		note, err = os.ReadFile(filepath.Join(p.dir, "checkpoint"))
		return err
	})
	p.write("held", string(note))
	return "held"
}

// checkIntegrity has SQLite look at its own file.
func (p *product) checkIntegrity() {
	p.t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(p.dir, "data/exeunt.db")+"?mode=ro")
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close()
	for _, check := range []struct{ pragma, want string }{{"integrity_check", "ok"}, {"foreign_key_check", ""}} {
		var got string
		if err := db.QueryRow("PRAGMA " + check.pragma).Scan(&got); err != nil && err != sql.ErrNoRows || got != check.want {
			p.t.Errorf("%s: %q, %v", check.pragma, got, err)
		}
	}
}

// town is five apps, slow enough to be caught in the middle.
type town struct {
	scim   map[string]*sandbox.SCIM
	saas   map[string]*sandbox.SaaS
	badge  *sandbox.Hook
	config string
	files  map[string]string
	wanted map[string][]string // by trigger: "app effect", sorted
}

func newTown(t *testing.T, users []sandbox.User) *town {
	w := &town{scim: map[string]*sandbox.SCIM{}, saas: map[string]*sandbox.SaaS{}, files: map[string]string{},
		wanted: map[string][]string{}}
	const also = `
      allow_networks: [127.0.0.1/32]
    limits: {concurrency: 2, rate: 1000, retry_min: 20ms, retry_max: 100ms, breaker_after: 20, breaker_wait: 100ms, deadline: 5m}
`
	var apps strings.Builder
	add := func(name, config, effects string, app *sandbox.App, err error) {
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { app.Close() })
		app.Faults.Set(sandbox.Fault{Kind: sandbox.Slow, Delay: sandbox.Duration(10 * time.Millisecond)})
		w.files[name] = app.Admin()
		fmt.Fprintf(&apps, "  %s:\n%s%s    policy: {deactivate: [%s], delete: [%[4]s, delete]}\n", name, config, also, effects)
		for _, e := range strings.Split(effects, ", ") {
			w.wanted["deactivate"] = append(w.wanted["deactivate"], name+" "+e)
			w.wanted["delete"] = append(w.wanted["delete"], name+" "+e)
		}
		w.wanted["delete"] = append(w.wanted["delete"], name+" delete")
	}
	for _, name := range []string{"chat", "wiki"} {
		app, err := sandbox.StartSCIM(sandbox.Options{Users: users}, sandbox.Quirks{})
		if err != nil {
			t.Fatal(err)
		}
		w.scim[name] = app
		add(name, fmt.Sprintf("    connector: scim\n    with:\n      base_url: %s\n      token: file:%s", app.BaseURL(), name), "lock", app.App, nil)
	}
	for _, name := range []string{"crm", "desk"} {
		app, err := sandbox.StartSaaS(sandbox.Options{Users: users})
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range users {
			app.Issue(u.Email)
		}
		w.saas[name] = app
		add(name, fmt.Sprintf("    connector: rest\n    with:\n      recipe: sandbox\n      params: {base: %q}\n      secrets: {token: file:%s}",
			app.URL(), name), "lock, revoke", app.App, nil)
	}
	hook, err := sandbox.StartHook(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.badge = hook
	add("badge", fmt.Sprintf("    connector: webhook\n    with:\n      url: %s\n      secrets: [file:badge]\n      check: true", hook.HookURL()),
		"lock", hook.App, nil)
	for _, list := range w.wanted {
		slices.Sort(list)
	}
	w.config = "log: {level: warn, checkpoint: checkpoint}\nsources:\n  hr:\n    token: file:hr-token\napps:\n" + apps.String()
	return w
}

// open reports whether one of these people can still get in somewhere.
func (w *town) open(people []*leaver) bool {
	for _, l := range people {
		for _, app := range w.scim {
			if app.Active(l.name) {
				return true
			}
		}
		for _, app := range w.saas {
			if s := app.Standing(l.name); s.Status == "active" || s.Sessions+s.Keys > 0 || l.deleted && s.Status != "" {
				return true
			}
		}
	}
	return false
}

// checkOnce looks at what the apps did themselves: everything once, to those
// who left and to nobody else.
func (w *town) checkOnce(t *testing.T, people []*leaver) {
	t.Helper()
	count := func(app string, changes []sandbox.Change) map[string]int {
		of, n := map[string]map[string]int{}, map[string]int{}
		for _, c := range changes {
			if of[c.Account] == nil {
				of[c.Account] = map[string]int{}
			}
			if of[c.Account][c.What]++; of[c.Account][c.What] > 1 {
				t.Errorf("%s: %q was done again to %s", app, c.What, c.Account)
			}
			n[c.What]++
		}
		return n
	}
	expect := func(app string, got map[string]int, want map[string]int) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s did %v, wanted %v", app, got, want)
		}
	}
	if w.open(people) {
		t.Error("somebody can still get in")
	}
	for name, app := range w.scim {
		expect(name, count(name, app.Changes("")), map[string]int{"lock": leavers, "delete": leavers / 2})
		if !app.Active("stays@example.com") {
			t.Errorf("%s: somebody is locked who never left", name)
		}
	}
	for name, app := range w.saas {
		expect(name, count(name, app.Changes("")), map[string]int{"lock": leavers, "delete": leavers / 2,
			"session ended": leavers, "key revoked": leavers})
		if s := app.Standing("stays@example.com"); s.Status != "active" || s.Sessions != 1 || s.Keys != 1 {
			t.Errorf("%s: somebody is touched who never left: %+v", name, s)
		}
	}
	expect("badge", count("badge", w.badge.Changes("")), map[string]int{"lock": leavers, "delete": leavers / 2})
}
