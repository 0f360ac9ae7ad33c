package evidence

import (
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// Finding is what a departure shows for one control. Whether a control is met,
// an auditor says; this is what there is to see.
type Finding string

// What a [Finding] may be, the worst first.
const (
	FindingNo       Finding = "no"       // it did not come to that
	FindingOpen     Finding = "open"     // not yet
	FindingLate     Finding = "late"     // after the time that was set
	FindingUnproven Finding = "unproven" // as the app says, which offers no way to check
	FindingYes      Finding = "yes"
	FindingNone     Finding = "none" // nothing of that kind was asked for
)

// Control is one column of a survey: the actions that a control is about, and
// what it asks of them.
type Control struct {
	Name   string
	picks  func(Target) []Action
	timed  bool // within the SLA
	proven bool // shown by the app, asked again
}

// Controls are the columns of a survey.
func Controls() []Control {
	return []Control{
		{Name: "soc2_cc6.2_cc6.3", picks: Target.ending, timed: true},
		{Name: "iso27001_a.5.18", picks: Target.ending},
		{Name: "iso27001_a.6.5", picks: func(t Target) []Action { return t.Actions }},
		{Name: "iso27001_a.8.10", picks: effects(bridge.Anonymise, bridge.Erase, bridge.Delete), proven: true},
		{Name: "nist_ps-4", picks: Target.ending, timed: true, proven: true},
		{Name: "nist_ac-2(3)", picks: effects(bridge.Lock, bridge.Delete), timed: true},
		{Name: "pci_8.2.5", picks: Target.ending, proven: true},
	}
}

func effects(which ...bridge.Effect) func(Target) []Action {
	return func(t Target) (actions []Action) {
		for _, a := range t.Actions {
			for _, e := range which {
				if a.Effect == e {
					actions = append(actions, a)
				}
			}
		}
		return actions
	}
}

// of is what one target of a departure shows for the control.
func (c Control) of(t Target, received time.Time, sla time.Duration) Finding {
	worst := FindingNone
	for _, a := range c.picks(t) {
		worst = worse(worst, c.ofAction(a, received, sla))
	}
	return worst
}

func (c Control) ofAction(a Action, received time.Time, sla time.Duration) Finding {
	switch access := a.access(); {
	case a.Effect == bridge.Restore:
		return FindingNone
	case access == AccessOpen:
		return FindingOpen
	case !access.Shut():
		return FindingNo
	case c.timed && sla > 0 && a.Settled.Sub(received) > sla:
		return FindingLate
	case c.proven && access == AccessUnproven:
		return FindingUnproven
	}
	return FindingYes
}

func worse(a, b Finding) Finding {
	for _, f := range []Finding{FindingNo, FindingOpen, FindingLate, FindingUnproven, FindingYes} {
		if a == f || b == f {
			return f
		}
	}
	return FindingNone
}
