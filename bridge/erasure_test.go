package bridge

import (
	"testing"
	"time"
)

func TestNextOfErasure(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	at := func(s Stage, change ...func(*Erasure)) Erasure {
		e := Erasure{Stage: s, Approval: NoApproval}
		for _, f := range change {
			f(&e)
		}
		return e
	}
	later := func(e *Erasure) { e.NotBefore = now.Add(time.Second) }
	asked := func(a Approval) func(*Erasure) { return func(e *Erasure) { e.Approval = a } }
	done := func(e *Erasure) { e.Shredded.Epoch = 7 }
	for _, c := range []struct {
		what string
		e    Erasure
		s    standing
		move move
		wait Wait
	}{
		{"nobody knows who asks", at(StageReceived), standing{}, stay, WaitsIdentity},
		{"an approval is needed", at(StageVerified, asked(OperatorApproval)), standing{}, stay, WaitsApproval},
		{"of another's", at(StageVerified, asked(FourEyes)), standing{}, stay, WaitsApproval},
		{"none is needed", at(StageVerified), standing{}, order, ""},
		{"it was given", at(StageApproved, asked(FourEyes)), standing{}, order, ""},
		{"time to think it over", at(StageApproved, later), standing{}, stay, WaitsTime},
		{"still there", at(StageApproved), standing{active: true}, stay, WaitsActive},
		{"came back, and left again", at(StageApproved), standing{back: true}, stay, WaitsReturned},
		{"held", at(StageApproved), standing{hold: "h"}, stay, WaitsHold},
		{"held, although the log is not sound either", at(StageOrdered), standing{hold: "h", unsound: true}, stay, WaitsHold},
		{"a departure is under way: apps wait for it themselves", at(StageApproved), standing{open: true}, order, ""},
		{"their accounts are in use by who they are now", at(StageApproved), standing{elsewhere: true}, intend, ""},
		{"but a departure is under way", at(StageApproved), standing{elsewhere: true, open: true}, stay, WaitsApps},
		{"apps are at it", at(StageOrdered), standing{open: true}, stay, WaitsApps},
		{"one is at it, one is stuck", at(StageOrdered), standing{open: true, amiss: []string{"crm"}}, stay, WaitsApps},
		{"one is stuck", at(StageOrdered), standing{amiss: []string{"crm"}}, stay, WaitsOperator},
		{"came back meanwhile", at(StageOrdered), standing{back: true}, stay, WaitsReturned},
		{"active meanwhile", at(StageOrdered), standing{active: true}, stay, WaitsActive},
		{"held at the last moment", at(StageOrdered), standing{hold: "h"}, stay, WaitsHold},
		{"the log is not sound", at(StageOrdered), standing{unsound: true}, stay, WaitsLog},
		{"apps are through", at(StageOrdered), standing{}, intend, ""},
		{"nothing stops it any more", at(StageIntended), standing{active: true, back: true, open: true, amiss: []string{"crm"}}, shred, ""},
		{"but a hold puts it off", at(StageIntended), standing{hold: "h"}, stay, WaitsHold},
		{"and no longer when it has begun", at(StageIntended, func(e *Erasure) { e.Begun = true }), standing{hold: "h"}, shred, ""},
		{"but a log that is not sound", at(StageIntended), standing{unsound: true}, stay, WaitsLog},
		{"backups can be read", at(StageDone, done), standing{oldest: 7}, stay, ""},
		{"they cannot", at(StageDone, done), standing{oldest: 8}, pass, ""},
		{"over", at(StagePassed), standing{oldest: 9}, stay, ""},
		{"refused", at(StageRefused), standing{}, stay, ""},
	} {
		c.s.now = now
		if m, w := c.e.next(c.s); m != c.move || w != c.wait {
			t.Errorf("%s: %q %q, want %q %q", c.what, m, w, c.move, c.wait)
		}
	}
}

// Whatever else is so: what stands against an erasure keeps it from being intended.
func TestNothingIsIntendedAgainst(t *testing.T) {
	for bits := range 1 << 7 {
		is := func(n int) bool { return bits>>n&1 == 1 }
		s := standing{active: is(0), back: is(1), open: is(2), unsound: is(3), elsewhere: is(4)}
		if is(5) {
			s.hold = "h"
		}
		if is(6) {
			s.amiss = []string{"crm"}
		}
		against := s.active || s.back || s.open || s.unsound || is(5) || is(6)
		for _, stage := range Stages {
			for _, a := range Approvals {
				m, w := Erasure{Stage: stage, Approval: a}.next(s)
				if m == intend && (against || stage == StageReceived || stage == StageVerified && a != NoApproval) {
					t.Errorf("%s, %s, %+v: intended", stage, a, s)
				}
				if m == shred && stage != StageIntended {
					t.Errorf("%s: destroyed without an intent", stage)
				}
				if m == stay && w == "" && stage.Stoppable() {
					t.Errorf("%s, %+v: waits, and does not say for what", stage, s)
				}
			}
		}
	}
}

func TestAmiss(t *testing.T) {
	e := Erasure{Case: "c", Apps: []string{"old"}}
	act := func(app, id string, s ActionState) Action { return Action{Lane: Lane{App: app}, Case: id, State: s} }
	got := e.amiss([]Action{act("wiki", "c", ActionVerified), act("old", "c", ActionImpossible), act("crm", "c", ActionStuck),
		act("crm", "before", ActionStuck), act("box", "c", ActionImpossible), act("hub", "before", ActionImpossible), act("mail", "c", ActionAbsent),
		act("sms", "c", ActionDropped), act("fax", "before", ActionDropped)})
	if len(got) != 3 || got[0] != "box" || got[1] != "crm" || got[2] != "sms" {
		t.Error(got)
	}
}

func TestUrgencyNeverFalls(t *testing.T) {
	received := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	e := Erasure{Stage: StageOrdered, Received: received, Urgency: Pressing, Deadlines: Deadlines{Due: received.AddDate(0, 1, 0)}}
	if got := e.urgency(received); got != Pressing {
		t.Error("with the clock set back:", got)
	}
	if got := e.urgency(received.AddDate(0, 2, 0)); got != Overdue {
		t.Error(got)
	}
	e.Stage = StageDone
	if got := e.urgency(received.AddDate(0, 2, 0)); got != Pressing {
		t.Error("what is done gets late:", got)
	}
	e = Erasure{Stage: StageVerified, Received: received, NotBefore: received.AddDate(0, 1, 0), Deadlines: Deadlines{Due: received.AddDate(0, 2, 0)}}
	if got := e.urgency(received.AddDate(0, 1, 0)); got != InTime {
		t.Error("late before it may begin:", got)
	}
}
