package evidence

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
)

var start = time.Date(2026, 8, 31, 16, 0, 0, 0, time.UTC)

// journal writes leaves as the store would.
type journal struct {
	t      *testing.T
	leaves []ledger.ParsedLeaf
	raw    [][]byte
}

func (j *journal) add(request string, after time.Duration, what bridge.EventType, f bridge.Facts, parties ...bridge.Party) {
	j.t.Helper()
	e := bridge.Event{At: start.Add(after), Type: what, Facts: f, Parties: parties}
	rand.Read(e.ID[:])
	if request != "" {
		e.Request = uuid.MustParse(request)
	}
	body, _, err := ledger.Body(e)
	if err != nil {
		j.t.Fatal(err)
	}
	leaf := ledger.Leaf(uint64(len(j.leaves)), body)
	l, err := ledger.ParseLeaf(leaf)
	if err != nil {
		j.t.Fatal(err)
	}
	j.leaves, j.raw = append(j.leaves, l), append(j.raw, leaf)
}

func (j *journal) checkpoint() ledger.Checkpoint {
	return ledger.Checkpoint{Origin: "exeunt/test", Size: int64(len(j.leaves))}
}

func (j *journal) of(requests ...string) (leaves []ledger.ParsedLeaf) {
	for _, l := range j.leaves {
		for _, r := range requests {
			if l.Request == uuid.MustParse(r) {
				leaves = append(leaves, l)
			}
		}
	}
	return leaves
}

func (j *journal) certify(requests ...string) Certificate {
	j.t.Helper()
	c, err := Certify(j.checkpoint(), j.of(requests...))
	if err != nil {
		j.t.Fatal(err)
	}
	return c
}

const (
	grace   = "0199c1d2-0000-7000-8000-000000000001"
	alan    = "0199c1d2-0000-7000-8000-000000000002"
	erasure = "0199c1d2-0000-7000-8000-000000000003"
)

var handle = bridge.Handle{7}

func (j *journal) open(id string, after time.Duration, t bridge.Trigger) {
	j.add(id, after, bridge.CaseOpened, bridge.Facts{Source: "hr", Token: "hr.1", Case: id, Trigger: string(t), State: "open"},
		bridge.Party{Role: bridge.Subject, Handle: handle, Payload: []byte(`{"userName":"grace"}`)})
}

// act is one event of an action; what it is called is made of app and effect.
func (j *journal) act(id string, after time.Duration, what bridge.EventType, app string, e bridge.Effect, s bridge.ActionState, outcome string, attempt, status int) {
	f := bridge.Facts{Operator: "engine", Case: id, Trigger: "deactivate", Rule: app + ".deactivate", App: app, Effect: string(e), Action: app + "/" + string(e),
		State: string(s), Outcome: outcome, Attempt: attempt, Status: status}
	if what == bridge.ActionDone {
		f.Protocol = "scim"
	}
	j.add(id, after, what, f)
}

func (j *journal) note(id string, after time.Duration, what bridge.EventType, s bridge.CaseState, count int) {
	j.add(id, after, what, bridge.Facts{Operator: "engine", Case: id, Trigger: "deactivate", State: string(s), Count: count})
}

// departure is one with all that can happen to a door.
func departure(t *testing.T) *journal {
	j := &journal{t: t}
	j.add("", -time.Hour, bridge.PersonCreated, bridge.Facts{Source: "hr"})
	j.open(grace, 0, bridge.Deactivated)
	j.note(grace, 3*time.Millisecond, bridge.CasePlanned, bridge.CaseRunning, 6)
	j.act(grace, 40*time.Millisecond, bridge.ActionDone, "wiki", bridge.Lock, bridge.ActionPending, "done", 1, 200)
	j.act(grace, 60*time.Millisecond, bridge.ActionSettled, "wiki", bridge.Lock, bridge.ActionVerified, "done", 1, 200)
	j.act(grace, 50*time.Millisecond, bridge.ActionAttempted, "crm", bridge.Lock, bridge.ActionWaiting, "retry", 1, 0)
	j.open(alan, 100*time.Millisecond, bridge.Removed)
	j.act(grace, 900*time.Millisecond, bridge.ActionDone, "crm", bridge.Lock, bridge.ActionPending, "done", 2, 204)
	j.act(grace, time.Second, bridge.ActionAttempted, "crm", bridge.Lock, bridge.ActionPending, "contradicted", 2, 0)
	j.act(grace, 2*time.Second, bridge.ActionSettled, "crm", bridge.Lock, bridge.ActionVerified, "done", 2, 200)
	j.act(grace, 2100*time.Millisecond, bridge.ActionDone, "crm", bridge.Revoke, bridge.ActionPending, "done", 1, 200)
	j.act(grace, 8*time.Second, bridge.ActionSettled, "crm", bridge.Revoke, bridge.ActionVerified, "done", 1, 401)
	j.act(grace, 10*time.Millisecond, bridge.ActionSettled, "payroll", bridge.Lock, bridge.ActionAbsent, "absent", 1, 0)
	j.act(grace, 70*time.Millisecond, bridge.ActionDone, "badge", bridge.Lock, bridge.ActionPending, "done", 1, 202)
	j.act(grace, 80*time.Millisecond, bridge.ActionSettled, "badge", bridge.Lock, bridge.ActionUnverified, "cannot_check", 1, 0)
	return j
}

func TestCertify(t *testing.T) {
	j := departure(t)
	c := j.certify(grace)
	if c.Issue != Interim || c.Departure.State != bridge.CaseRunning {
		t.Errorf("a running case has an %s certificate, state %s", c.Issue, c.Departure.State)
	}
	if want := []Gap{{What: GapUnverified, App: "badge", Effect: bridge.Lock}, {What: GapSilent, Count: 1}}; !cmp.Equal(c.NotProven, want) {
		t.Errorf("not proven while it runs: %s", cmp.Diff(want, c.NotProven))
	}

	j.act(grace, 2*time.Hour, bridge.ActionSettled, "badge", bridge.Revoke, bridge.ActionStuck, "refused", 3, 0)
	j.note(grace, 2*time.Hour, bridge.CaseSettled, bridge.CaseStuck, 6)
	if c := j.certify(grace); c.Issue != Interim || c.Departure.Targets[0].Access != AccessStuck {
		t.Errorf("a stuck case: %s, badge %s", c.Issue, c.Departure.Targets[0].Access)
	}
	j.act(grace, 3*time.Hour, bridge.ActionRetried, "badge", bridge.Revoke, bridge.ActionWaiting, "", 0, 0)
	j.note(grace, 3*time.Hour, bridge.CaseReopened, bridge.CaseRunning, 0)
	j.act(grace, 3*time.Hour+time.Second, bridge.ActionDone, "badge", bridge.Revoke, bridge.ActionPending, "done", 1, 202)
	j.act(grace, 3*time.Hour+2*time.Second, bridge.ActionSettled, "badge", bridge.Revoke, bridge.ActionVerified, "done", 1, 200)
	j.note(grace, 3*time.Hour+2*time.Second, bridge.CaseSettled, bridge.CaseClosed, 6)
	c = j.certify(grace)
	d := c.Departure
	if c.Issue != Final || d.State != bridge.CaseClosed || d.Completed == nil || !d.Completed.Equal(start.Add(3*time.Hour+2*time.Second)) {
		t.Errorf("%s, %s, completed %v", c.Issue, d.State, d.Completed)
	}
	if d.Subject != handle.String() || d.By != (By{Source: "hr", Token: "hr.1"}) || d.Trigger != bridge.Deactivated || !d.Received.Equal(start) {
		t.Errorf("who, when and why: %+v", d)
	}
	got := map[string]string{}
	for _, target := range d.Targets {
		got[target.App] = string(target.Access) + " " + took(target.Shut.Sub(d.Received))
	}
	if want := map[string]string{"badge": "unproven 3 h", "crm": "proven 8 s", "payroll": "nobody 10 ms", "wiki": "proven 60 ms"}; !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	crm := d.Targets[1].Actions[0]
	if crm.Attempts != 2 || crm.Denied != 1 || crm.ReadBack != Proven || crm.Answer != 204 || crm.Shown != 200 || d.Targets[1].Protocol != "scim" {
		t.Errorf("crm: %+v", crm)
	}
	if badge := d.Targets[0].Actions[1]; badge.Attempts != 4 || badge.ReadBack != Proven {
		t.Errorf("three tries, and one after the retry: %+v", badge)
	}
	if want := []Gap{{What: GapUnverified, App: "badge", Effect: bridge.Lock}}; !cmp.Equal(c.NotProven, want) {
		t.Errorf("not proven in the end: %s", cmp.Diff(want, c.NotProven))
	}
	if len(c.Events) != len(j.of(grace)) || c.ID != grace+"/21" {
		t.Errorf("%d events, %s", len(c.Events), c.ID)
	}
	text, err := c.JSON()
	if err != nil || strings.Contains(string(text), "grace\"") || !json.Valid(text) {
		t.Errorf("%v: %s", err, text)
	}
	again, _ := Certify(j.checkpoint(), j.of(grace))
	if same, _ := again.JSON(); !bytes.Equal(text, same) {
		t.Error("the same leaves gave another certificate")
	}
}

func TestCertifyRefuses(t *testing.T) {
	j := departure(t)
	foreign := &journal{t: t}
	foreign.open(grace, 0, bridge.Deactivated)
	foreign.add(grace, 0, bridge.CasePlanned, bridge.Facts{Case: alan, State: "running"})
	small := j.checkpoint()
	small.Size = 3
	for name, c := range map[string]struct {
		at     ledger.Checkpoint
		leaves []ledger.ParsedLeaf
	}{
		"nothing":                      {j.checkpoint(), nil},
		"no beginning":                 {j.checkpoint(), j.of(grace)[1:]},
		"two departures":               {j.checkpoint(), j.of(grace, alan)},
		"an event twice":               {j.checkpoint(), append(j.of(grace), j.of(grace)[0])},
		"an event of nobody's":         {j.checkpoint(), append(j.of(grace), j.leaves[0])},
		"beyond the checkpoint":        {small, j.of(grace)},
		"filed under another's number": {foreign.checkpoint(), foreign.leaves},
	} {
		if got, err := Certify(c.at, c.leaves); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A door that was shut, and opened again for somebody who came back, does not
// read as shut; and one whose answer came too late is not taken for done.
func TestCameBack(t *testing.T) {
	j := &journal{t: t}
	j.open(grace, 0, bridge.Deactivated)
	j.note(grace, time.Millisecond, bridge.CasePlanned, bridge.CaseRunning, 2)
	j.act(grace, time.Second, bridge.ActionDone, "crm", bridge.Lock, bridge.ActionPending, "done", 1, 200)
	j.act(grace, 2*time.Second, bridge.ActionSettled, "crm", bridge.Lock, bridge.ActionVerified, "done", 1, 200)
	j.act(grace, 3*time.Second, bridge.ActionSettled, "wiki", bridge.Lock, bridge.ActionDropped, "", 1, 0)
	j.act(grace, 3*time.Second, bridge.RestoreOffered, "crm", bridge.Restore, bridge.ActionOffered, "", 0, 0)
	j.add(grace, 3*time.Second, bridge.PersonCameBack, bridge.Facts{Source: "hr", Case: grace, State: "closed", Count: 1})
	j.act(grace, 4*time.Second, bridge.ActionDone, "wiki", bridge.Lock, bridge.ActionDropped, "late", 1, 200)
	d := j.certify(grace).Departure
	if d.Returned == nil || d.State != bridge.CaseClosed || d.Targets[0].Restored != nil || d.Targets[1].Access != AccessKept || d.Targets[1].Actions[0].Settled == nil {
		t.Errorf("%+v", d)
	}
	j.act(grace, 5*time.Second, bridge.RestoreAccepted, "crm", bridge.Restore, bridge.ActionWaiting, "", 0, 0)
	j.act(grace, 6*time.Second, bridge.ActionSettled, "crm", bridge.Restore, bridge.ActionVerified, "done", 1, 200)
	if d := j.certify(grace).Departure; d.Targets[0].Restored == nil || *d.Targets[0].After != 2000 {
		t.Errorf("%+v", d.Targets[0])
	}
}

// Whatever stands in the leaves of a case, in whatever order, it is read without a
// panic, into the same bytes each time; and nothing is shut that was not settled.
func FuzzCertify(f *testing.F) {
	f.Add([]byte{0, 0, 0, 35, 2, 1, 17, 0, 0, 34, 1, 2})
	f.Add([]byte{33, 0, 2, 36, 7, 8, 37, 7, 7, 3, 4, 4, 66, 1, 1})
	f.Fuzz(func(t *testing.T, steps []byte) {
		j := &journal{t: t}
		j.open(grace, 0, bridge.Deactivated)
		for i := 0; i+2 < len(steps) && i < 90; i += 3 {
			e := bridge.Effects[int(steps[i+1])%len(bridge.Effects)]
			s := bridge.ActionStates[int(steps[i+2])%len(bridge.ActionStates)]
			j.act(grace, time.Duration(i)*time.Second, bridge.EventType(steps[i]), []string{"crm", "", "=x"}[i%2], e, s, []string{"done", "late", "contradicted"}[int(steps[i+1])%3], int(steps[i+2]), 200)
		}
		c, err := Certify(j.checkpoint(), j.leaves)
		if err != nil {
			return
		}
		page(t, c, Reader{SLA: time.Hour})
		for _, target := range c.Departure.Targets {
			if target.Access.Shut() && target.Shut.Before(start) {
				t.Errorf("%+v is shut, and was not", target)
			}
		}
		v, err := survey(t, j, Period{From: start, To: start.Add(time.Hour), SLA: time.Minute}, 0, len(j.leaves))
		if err == nil {
			if _, err := v.CSV(); err != nil {
				t.Error(err)
			}
		}
	})
}
