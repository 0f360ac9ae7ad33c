package bridge

import "time"

// CaseState is where a departure stands.
type CaseState string

const (
	// CaseOpen: stored with the source's request. The planner moves it on. After
	// a crash it is still open and is planned at the next start.
	CaseOpen CaseState = "open"
	// CaseRunning: its actions are ordered. The last settled action moves it on.
	CaseRunning CaseState = "running"
	// CaseStuck: nothing is under way, and at least one action needs a person.
	// A retry by an operator brings it back to running.
	CaseStuck CaseState = "stuck"
	// CaseClosed: every action is settled. Final, but restore actions may still
	// be offered on it.
	CaseClosed CaseState = "closed"
	// CaseCancelled: the person came back before anything was done. Final.
	CaseCancelled CaseState = "cancelled"
)

// CaseStates is the closed set.
var CaseStates = []CaseState{CaseOpen, CaseRunning, CaseStuck, CaseClosed, CaseCancelled}

// Case is one departure of one person.
type Case struct {
	ID      string // random UUID
	Source  string
	Person  string // id of the person, who may be gone
	Handle  Handle
	Who     Identifiers
	Trigger Trigger
	State   CaseState
	By      Caller // who ordered it

	Opened   time.Time
	Closed   time.Time // zero until closed or cancelled
	Returned time.Time // when the person came back; zero while they are gone

	// ReturnedAs is the id under which the person came back: another one if
	// they had been deleted.
	ReturnedAs string
}

// Over reports whether nothing will happen any more unless somebody asks.
func (s CaseState) Over() bool { return s == CaseClosed || s == CaseCancelled }

// after decides the state of a running case from its actions.
func after(actions []Action) CaseState {
	state, ran := CaseClosed, len(actions) == 0
	for _, a := range actions {
		switch {
		case a.State.open():
			return CaseRunning
		case a.State == ActionStuck:
			state = CaseStuck
		}
		if a.State != ActionOffered && (a.State != ActionDropped || a.Begun) {
			ran = true
		}
	}
	if !ran && state == CaseClosed {
		return CaseCancelled
	}
	return state
}
