package bridge

import "time"

// ActionState is where an action stands. What a crash leaves behind is said
// beside each: every state is repeatable.
type ActionState string

const (
	// ActionWaiting: to be carried out when due; Do has not succeeded yet. A
	// crash during Do leaves it here, and Do is repeated with the same key.
	ActionWaiting ActionState = "waiting"
	// ActionPending: Do succeeded, the check has not yet proven it ("pending
	// check"). A crash during Check leaves it here, and Check is repeated.
	ActionPending ActionState = "pending_check"
	// ActionVerified: the check proved it. Final.
	ActionVerified ActionState = "verified"
	// ActionUnverified: the app says so and offers no way to check. Final, and
	// never shown as proven.
	ActionUnverified ActionState = "unverified"
	// ActionAbsent: the app does not know the person; no door to shut. Final.
	ActionAbsent ActionState = "absent"
	// ActionImpossible: the policy wants it, the app does not offer it. Final.
	ActionImpossible ActionState = "impossible"
	// ActionDropped: the person came back before it took place. Final.
	ActionDropped ActionState = "dropped"
	// ActionStuck: refused for good, or past its deadline; a person must look.
	// An operator's retry brings it back to waiting.
	ActionStuck ActionState = "stuck"
	// ActionOffered: a restore that nobody has asked for yet. An operator's
	// acceptance brings it to waiting.
	ActionOffered ActionState = "offered"
)

// ActionStates is the closed set.
var ActionStates = []ActionState{ActionWaiting, ActionPending, ActionVerified, ActionUnverified,
	ActionAbsent, ActionImpossible, ActionDropped, ActionStuck, ActionOffered}

// open reports whether the engine still has to do something about it.
func (s ActionState) open() bool { return s == ActionWaiting || s == ActionPending }

// Settled reports whether the action has found its end.
func (s ActionState) Settled() bool { return !s.open() && s != ActionStuck && s != ActionOffered }

// Lane is one account: what happens to one person in one app, in order.
type Lane struct {
	App    string
	Person string
}

// Action is one effect on one account in one case.
type Action struct {
	ID     string // random UUID; also the idempotency key of every attempt
	Case   string
	Lane   Lane
	Effect Effect
	Seq    int64 // order in its lane; given by the store, rising
	State  ActionState

	Ordered  time.Time
	Due      time.Time // not before
	Deadline time.Time // stuck if not done by then
	Attempts int       // tries at Find or Do since it was ordered or retried
	Begun    bool      // a Do was begun: whatever the answer, it may have happened
	Checks   int       // checks since the last Do
	Held     bool      // a hold, or a log that is not sound, keeps it from being done; its deadline does not run
	Problem  string    // why it is not done yet, or stuck; safe to show

	Done    Receipt // of the last Do that succeeded
	Checked Receipt // of the check that decided
	Settled time.Time
}
