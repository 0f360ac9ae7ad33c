package evidence

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
)

func survey(t *testing.T, j *journal, p Period, from, to int) (Survey, error) {
	t.Helper()
	s, err := NewSurveyor(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range j.leaves[from:to] {
		if err := s.Hear(l); err != nil {
			return Survey{}, err
		}
	}
	return s.Survey(j.checkpoint())
}

// quarter has four departures: one before the period, two in it, one after; and
// the second is closed long after the period's end.
func quarter(t *testing.T) (*journal, Period) {

	before, late, after := "0199c1d2-0000-7000-8000-0000000000a1", "0199c1d2-0000-7000-8000-0000000000a2", "0199c1d2-0000-7000-8000-0000000000a3"
	j := &journal{t: t}
	j.add("", -2*day, bridge.PersonCreated, bridge.Facts{Source: "hr"})
	j.open(before, -day, bridge.Deactivated)
	j.note(before, -day, bridge.CasePlanned, bridge.CaseCancelled, 0)
	j.open(grace, time.Hour, bridge.Deactivated)
	j.note(grace, time.Hour, bridge.CasePlanned, bridge.CaseRunning, 2)
	j.act(grace, time.Hour+time.Second, bridge.ActionSettled, "crm", bridge.Lock, bridge.ActionVerified, "done", 1, 200)
	j.act(grace, 7*time.Hour, bridge.ActionSettled, "crm", bridge.Delete, bridge.ActionUnverified, "done", 1, 200)
	j.note(grace, 7*time.Hour, bridge.CaseSettled, bridge.CaseClosed, 2)
	j.open(late, 9*day, bridge.Removed)
	j.note(late, 9*day, bridge.CasePlanned, bridge.CaseRunning, 1)
	j.open(after, 10*day, bridge.Deactivated)
	j.note(after, 10*day, bridge.CasePlanned, bridge.CaseCancelled, 0)
	j.act(late, 12*day, bridge.ActionSettled, "wiki", bridge.Lock, bridge.ActionVerified, "done", 9, 200)
	j.note(late, 12*day, bridge.CaseSettled, bridge.CaseClosed, 1)
	j.add("", 13*day, bridge.PersonCreated, bridge.Facts{Source: "hr"})
	return j, Period{From: start, To: start.Add(10 * day), SLA: 4 * time.Hour}
}

func TestSurvey(t *testing.T) {
	j, p := quarter(t)
	v, err := survey(t, j, p, 0, len(j.leaves))
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Departures) != 2 || v.Departures[0].Case != grace || v.Issue != Final {
		t.Fatalf("%+v", v)
	}
	if want := map[string]Finding{"soc2_cc6.2_cc6.3": "yes", "iso27001_a.5.18": "yes", "iso27001_a.6.5": "yes", "iso27001_a.8.10": "unproven",
		"nist_ps-4": "yes", "nist_ac-2(3)": "late", "pci_8.2.5": "yes"}; !cmp.Equal(v.Departures[0].Findings, want) {
		t.Error(cmp.Diff(want, v.Departures[0].Findings))
	}
	if got := v.Departures[1].Findings; got["nist_ps-4"] != FindingLate || got["iso27001_a.5.18"] != FindingYes || got["iso27001_a.8.10"] != FindingNone {
		t.Errorf("shut after three days: %v", got)
	}
	if *v.Departures[1].Worst != (72 * time.Hour).Milliseconds() {
		t.Errorf("worst: %d", *v.Departures[1].Worst)
	}
	table, err := v.CSV()
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(string(table))).ReadAll()
	if err != nil || len(lines) != 3 || lines[1][0] != grace || lines[1][9] != "crm" || lines[2][11] != "259200" {
		t.Errorf("%v %q", err, lines)
	}
	if text, err := v.JSON(); err != nil || !json.Valid(text) {
		t.Errorf("%v", err)
	}

	// While the log ends before everything is over, it says so.
	if v, err := surveyOf(t, j, p, 11); err != nil || v.Issue != Interim || v.Departures[1].Findings["pci_8.2.5"] != FindingOpen {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err := surveyOf(t, j, p, 8); err != nil || v.Issue != Interim || len(v.Departures) != 1 {
		t.Errorf("the log ends within the period: %+v, %v", v, err)
	}
	// What was stored a little later may bear an earlier time.
	for after, want := range map[time.Duration]string{Margin - time.Second: Interim, Margin: Final} {
		j := &journal{t: t}
		j.add("", -2*day, bridge.PersonCreated, bridge.Facts{Source: "hr"})
		j.add("", 10*day+after, bridge.PersonCreated, bridge.Facts{Source: "hr"})
		if v, err := survey(t, j, p, 0, 2); err != nil || v.Issue != want {
			t.Errorf("the log ends %s after the period: %s, %v", after, v.Issue, err)
		}
	}
}

// surveyOf is a survey of the log when it had size events.
func surveyOf(t *testing.T, j *journal, p Period, size int) (Survey, error) {
	return survey(t, &journal{t: t, leaves: j.leaves[:size]}, p, 0, size)
}

// Leaves that do not reach over both ends of the period, or have a gap, prove
// nothing about who is missing.
func TestSurveyIsComplete(t *testing.T) {
	j, p := quarter(t)
	for name, part := range map[string][2]int{"begins with the first departure": {3, len(j.leaves)}, "ends with the last": {0, 9}, "nothing": {4, 4}} {
		if v, err := survey(t, j, p, part[0], part[1]); err == nil {
			t.Errorf("%s: %v", name, v)
		}
	}
	if _, err := survey(t, j, p, 2, len(j.leaves)); err != nil {
		t.Errorf("one event of before is enough: %v", err)
	}
	gap := &journal{t: t, leaves: append(append([]ledger.ParsedLeaf{}, j.leaves[:3]...), j.leaves[8:]...)}
	s, _ := NewSurveyor(p)
	var refused error
	for _, l := range gap.leaves {
		refused = errors.Join(refused, s.Hear(l))
	}
	if refused == nil {
		t.Error("a gap is heard over")
	}
	s, _ = NewSurveyor(p)
	heard := 0
	for _, l := range j.leaves {
		if s.Enough() {
			break
		}
		if err := s.Hear(l); err != nil {
			t.Fatal(err)
		}
		heard++
	}
	if heard != 14 {
		t.Errorf("%d events are needed until all that began in the period is over, want 14", heard)
	}
	for _, bad := range []Period{{From: start, To: start}, {From: start.Add(1), To: start}, {From: start, To: start.Add(time.Hour), SLA: -1}} {
		if _, err := NewSurveyor(bad); err == nil {
			t.Errorf("%v is a period", bad)
		}
	}
}

// A clock that was set back is shown.
func TestSurveyClockSetBack(t *testing.T) {
	j, p := quarter(t)
	j.add("", 11*24*time.Hour, bridge.PersonCreated, bridge.Facts{Source: "hr"})
	v, err := survey(t, j, p, 0, len(j.leaves))
	if err != nil || v.SetBack != 48*time.Hour {
		t.Errorf("%v, %v", v.SetBack, err)
	}
}

func TestCell(t *testing.T) {
	for in, want := range map[string]string{"crm": "crm", "": "", "=1+1": "'=1+1", "@x": "'@x", "-2": "'-2", "+3": "'+3"} {
		if got := cell(in); got != want {
			t.Errorf("%q is written %q", in, got)
		}
	}
}

// Nobody leaves by signing out.
func TestSurveyWithoutLogouts(t *testing.T) {
	j := &journal{t: t}
	j.add("", -2*day, bridge.PersonCreated, bridge.Facts{Source: "hr"})
	j.open(grace, time.Hour, bridge.LoggedOut)
	j.note(grace, time.Hour, bridge.CasePlanned, bridge.CaseRunning, 1)
	j.open(alan, 2*time.Hour, bridge.Deactivated)
	j.note(alan, 2*time.Hour, bridge.CasePlanned, bridge.CaseCancelled, 0)
	j.act(grace, 3*time.Hour, bridge.ActionSettled, "crm", bridge.Revoke, bridge.ActionVerified, "done", 1, 200)
	j.note(grace, 3*time.Hour, bridge.CaseSettled, bridge.CaseClosed, 1)
	j.add("", 12*day, bridge.PersonCreated, bridge.Facts{Source: "hr"})
	v, err := survey(t, j, Period{From: start, To: start.Add(10 * day)}, 0, len(j.leaves))
	if err != nil || len(v.Departures) != 1 || v.Departures[0].Case != alan {
		t.Errorf("%+v, %v", v.Departures, err)
	}
}
