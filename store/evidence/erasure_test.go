package evidence

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/exeunt/exeunt/bridge"
)

const day = 24 * time.Hour

func (j *journal) erase(after time.Duration, what bridge.EventType, f bridge.Facts, parties ...bridge.Party) {
	f.Erasure = erasure
	j.add(erasure, after, what, f, parties...)
}

// erased is an erasure up to and including the destruction of keys.
func erased(t *testing.T) *journal {
	j := &journal{t: t}
	due := start.AddDate(0, 1, 0).Format(time.RFC3339)
	j.erase(0, bridge.ErasureReceived, bridge.Facts{Operator: "operator", Token: "admin", Law: "gdpr/1", Due: due},
		bridge.Party{Role: bridge.Subject, Handle: handle, Payload: []byte(`{}`)})
	j.erase(time.Hour, bridge.ErasureVerified, bridge.Facts{Operator: "operator"})
	j.erase(2*time.Hour, bridge.ErasureApproved, bridge.Facts{Operator: "operator", Token: "second"},
		bridge.Party{Role: bridge.Approver, Handle: bridge.Handle{9}})
	j.erase(3*time.Hour, bridge.ErasureHeld, bridge.Facts{State: "held", Hold: "h1"})
	j.erase(30*time.Hour, bridge.ErasureHeld, bridge.Facts{State: "free"})
	j.erase(30*time.Hour, bridge.ErasureOrdered, bridge.Facts{Case: grace})
	j.open(grace, 30*time.Hour, "erase")
	j.note(grace, 30*time.Hour, bridge.CasePlanned, bridge.CaseRunning, 2)
	j.act(grace, 31*time.Hour, bridge.ActionDone, "crm", bridge.Erase, bridge.ActionPending, "done", 1, 202)
	j.act(grace, 55*time.Hour, bridge.ActionSettled, "crm", bridge.Erase, bridge.ActionVerified, "done", 1, 404)
	j.act(grace, 30*time.Hour, bridge.ActionSettled, "fax", bridge.Erase, bridge.ActionImpossible, "", 0, 0)
	j.note(grace, 55*time.Hour, bridge.CaseSettled, bridge.CaseClosed, 2)
	j.erase(55*time.Hour, bridge.RetainedKept, bridge.Facts{Retain: "r1", Law: "fraud", Due: start.AddDate(1, 0, 0).Format(time.RFC3339)})
	j.erase(56*time.Hour, bridge.ErasureIntended, bridge.Facts{Key: "0123456789abcdef"})
	j.erase(56*time.Hour+time.Second, bridge.ErasureDone, bridge.Facts{Key: "0123456789abcdef", Epoch: 12, Bytes: 5 << 20, Due: start.Add(9 * day).Format(time.RFC3339)})
	return j
}

func TestErasure(t *testing.T) {
	j := erased(t)
	c := j.certify(erasure, grace)
	e := c.Erasure
	if c.Issue != Interim || e.Case != grace || e.Subject != handle.String() || e.Law != "gdpr/1" || len(e.Approvals) != 1 || e.Approvals[0].By.Token != "second" ||
		e.Epoch != 12 || e.Searched != 5<<20 || e.Method == "" || len(e.Retained) != 1 || e.Retained[0].ID != "r1" || len(e.Holds) != 2 {
		t.Errorf("%s: %+v", c.Issue, e)
	}
	if want := []Gap{{What: GapImpossible, App: "fax", Effect: bridge.Erase}, {What: GapBackups, Until: "2026-09-09T16:00:00Z"}}; !cmp.Equal(c.NotProven, want) {
		t.Error(cmp.Diff(want, c.NotProven))
	}
	text, _ := c.JSON()
	if p := page(t, c, Reader{}); strings.Contains(p+string(text)+c.String(), "everywhere") || !strings.Contains(p, "Backups from before the erasure can still be read until 9 September 2026") ||
		!strings.Contains(p, "crm: ") && !strings.Contains(p, "erase personal data") {
		t.Error("the interim certificate says too much or too little")
	}
	j.erase(9*day, bridge.ErasureHorizon, bridge.Facts{Epoch: 12})
	c = j.certify(erasure, grace)
	if c.Issue != Final || len(c.NotProven) != 1 {
		t.Errorf("when backups are unreadable: %s, %v", c.Issue, c.NotProven)
	}
	// An app that cannot erase still has them.
	if p := page(t, c, Reader{}); !strings.Contains(p, "The person is forgotten here, and") || !strings.Contains(p, "no trace of it in 5.0 MiB searched") ||
		!strings.Contains(p, "until 31 August 2027, 16:00 UTC at the latest") {
		t.Error("the final certificate's page says too much or too little")
	}

	// Its events do not stand alone, nor in another order, nor for another case.
	for name, leaves := range map[string][]string{"without its case": {erasure}} {
		if got, err := Certify(j.checkpoint(), j.of(leaves...)); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	all := j.of(erasure)
	for i, l := range all {
		if l.Type == bridge.ErasureIntended {
			if got, err := Certify(j.checkpoint(), append(j.of(grace), append(all[:i:i], all[i+1:]...)...)); err == nil {
				t.Errorf("done without having been begun: %v", got)
			}
		}
	}
}

// On PostgreSQL no file is searched, and nobody is told that one was.
func TestErasureWithoutSearch(t *testing.T) {
	j := &journal{t: t}
	j.erase(0, bridge.ErasureReceived, bridge.Facts{Operator: "operator"}, bridge.Party{Role: bridge.Subject, Handle: handle})
	j.erase(time.Hour, bridge.ErasureIntended, bridge.Facts{})
	j.erase(time.Hour, bridge.ErasureDone, bridge.Facts{Key: "0123456789abcdef", Epoch: 12})
	if p := page(t, j.certify(erasure), Reader{}); strings.Contains(p, "searched") || !strings.Contains(p, "not exeunt&#39;s to search") {
		t.Error("the page tells of a search that there was not")
	}
}

func TestErasureUnderWay(t *testing.T) {
	j := &journal{t: t}
	j.erase(0, bridge.ErasureReceived, bridge.Facts{Operator: "operator", Law: "gdpr/1"}, bridge.Party{Role: bridge.Subject, Handle: handle})
	j.erase(time.Hour, bridge.ErasureHeld, bridge.Facts{State: "held", Hold: "h1"})
	c := j.certify(erasure)
	if want := []Gap{{What: GapHeld}, {What: GapErasure}}; c.Issue != Interim || !cmp.Equal(c.NotProven, want) {
		t.Errorf("%s %v", c.Issue, c.NotProven)
	}
	j.erase(2*time.Hour, bridge.ErasureRefused, bridge.Facts{Operator: "operator", Outcome: "identity"})
	if c := j.certify(erasure); c.Issue != Final || !strings.Contains(page(t, c, Reader{}), "The erasure was refused.") {
		t.Errorf("%s", c.Issue)
	}
}
