package evidence

import (
	"slices"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// Access is whether the person can still get into an app.
type Access string

// What an [Access] may be, the worst first: an app is as open as the worst of
// the actions that end access to it.
const (
	AccessStuck      Access = "stuck"      // not shut, and a person must look
	AccessOpen       Access = "open"       // not shut yet
	AccessKept       Access = "kept"       // not shut: the person came back, or the policy changed
	AccessImpossible Access = "impossible" // the app does not offer all that was asked for
	AccessUnproven   Access = "unproven"   // shut as the app says, which offers no way to check
	AccessProven     Access = "proven"     // shut, and the app showed it
	AccessNobody     Access = "nobody"     // the app does not know the person
	AccessUnasked    Access = "unasked"    // ending access was not asked for
)

// Shut reports whether the door is shut, proven or not.
func (a Access) Shut() bool {
	return a == AccessUnproven || a == AccessProven || a == AccessNobody
}

var worstFirst = []Access{AccessStuck, AccessOpen, AccessKept, AccessImpossible, AccessUnproven, AccessProven, AccessNobody, AccessUnasked}

// access is what one action says about access.
func (a Action) access() Access {
	if a.Settled == nil && a.State.Settled() {
		return AccessOpen // an event that only exeunt's own mistake could write
	}
	switch a.State {
	case bridge.ActionVerified:
		return AccessProven
	case bridge.ActionUnverified:
		return AccessUnproven
	case bridge.ActionAbsent:
		return AccessNobody
	case bridge.ActionImpossible:
		return AccessImpossible
	case bridge.ActionDropped:
		return AccessKept
	case bridge.ActionStuck:
		return AccessStuck
	default:
		return AccessOpen
	}
}

// ending are the actions that end access: lock, revoke and remove; and delete
// where nothing locks the account before.
func (t Target) ending() (actions []Action) {
	locks := slices.ContainsFunc(t.Actions, func(a Action) bool {
		return a.Effect == bridge.Lock && a.State != bridge.ActionImpossible
	})
	for _, a := range t.Actions {
		switch a.Effect {
		case bridge.Lock, bridge.Revoke, bridge.Remove:
			actions = append(actions, a)
		case bridge.Delete:
			if !locks {
				actions = append(actions, a)
			}
		}
	}
	return actions
}

// judge decides whether and when the app was shut.
func (t *Target) judge(received time.Time) {
	t.Access = AccessUnasked
	var last time.Time
	for _, a := range t.ending() {
		access := a.access()
		if slices.Index(worstFirst, access) < slices.Index(worstFirst, t.Access) {
			t.Access = access
		}
		if a.Settled != nil && a.Settled.After(last) {
			last = *a.Settled
		}
	}
	for _, a := range t.Actions {
		if a.Effect == bridge.Restore && (a.State == bridge.ActionVerified || a.State == bridge.ActionUnverified) {
			t.Restored = a.Settled
		}
	}
	if t.Access.Shut() {
		after := last.Sub(received).Milliseconds()
		t.Shut, t.After = &last, &after
	}
}

// gaps are what was asked for and is not proven.
func (d *Departure) gaps() (gaps []Gap) {
	for _, t := range d.Targets {
		for _, a := range t.Actions {
			what := map[bridge.ActionState]string{
				bridge.ActionWaiting: GapOpen, bridge.ActionPending: GapOpen, bridge.ActionStuck: GapStuck,
				bridge.ActionUnverified: GapUnverified, bridge.ActionImpossible: GapImpossible, bridge.ActionDropped: GapDropped,
			}[a.State]
			if what != "" {
				gaps = append(gaps, Gap{What: what, App: t.App, Effect: a.Effect})
			}
		}
	}
	switch {
	case d.Planned < 0 && !d.State.Over():
		gaps = append(gaps, Gap{What: GapUnplanned})
	case d.Planned > d.heard():
		gaps = append(gaps, Gap{What: GapSilent, Count: d.Planned - d.heard()})
	}
	return gaps
}

// heard is of how many of the planned actions an event tells.
func (d *Departure) heard() (n int) {
	for _, t := range d.Targets {
		for _, a := range t.Actions {
			if a.Effect != bridge.Restore {
				n++
			}
		}
	}
	return n
}

// Worst is how long the last app took to be shut; all is false if one is not,
// or if not all are known.
func (d *Departure) Worst() (worst time.Duration, all bool) {
	all = d.Planned >= 0 && d.Planned <= d.heard()
	for _, t := range d.Targets {
		switch {
		case t.After != nil:
			worst = max(worst, time.Duration(*t.After)*time.Millisecond)
		case t.Access != AccessUnasked:
			all = false
		}
	}
	return worst, all
}
