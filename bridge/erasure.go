package bridge

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Erasure is one request to forget one person. It holds no personal data: it
// stays when the person is forgotten.
type Erasure struct {
	ID     string // random UUID
	Source string // the person's
	Person string // id of the person, who may be gone
	Handle Handle
	Origin Origin
	By     Caller // who asked
	Stage  Stage
	Waits  Wait // why it does not go on, "" while it does

	Approval  Approval // what the policy asked for when it was received
	Approved  []Caller
	Apps      []string  // where an operator has accepted that nothing is erased, sorted
	Case      string    // of the apps' part; "" until it is ordered, or if there is none
	Word      time.Time // when an operator said that it goes on although the person came back
	Begun     bool      // destroying: no hold can be placed on the person any more
	NotBefore time.Time // when what the policy gives the source to think it over is past

	Rule      string // by which the deadlines were computed: "gdpr/1"
	Deadlines Deadlines
	Urgency   Urgency // that was told last

	Received, Ended time.Time
	Shredded        Shredded // what was done, in stage done
}

// Origin is by which way an erasure was asked for.
type Origin string

const (
	ByDelete  Origin = "on_delete" // the policy asks for it when a source deletes somebody
	ByRequest Origin = "request"   // somebody asked an operator
	ByLink    Origin = "link"      // the person asked, by a link of theirs
)

// Approval is whose word an erasure needs.
type Approval string

const (
	NoApproval       Approval = "none"
	OperatorApproval Approval = "operator"
	FourEyes         Approval = "four_eyes" // an operator's, by another credential than it was asked for with
)

// Approvals is the closed set.
var Approvals = []Approval{NoApproval, OperatorApproval, FourEyes}

// Stage is how far an erasure has come. Every step may be repeated; a crash leaves
// it in the stage before, or behind the step.
type Stage string

const (
	// StageReceived: who asked is not known to be the person yet. An operator's
	// word moves it on.
	StageReceived Stage = "received"
	// StageVerified: it is the person, or who may ask for them. An operator's
	// approval moves it on, or the engine if none is asked for.
	StageVerified Stage = "verified"
	// StageApproved: the engine orders the apps' part when nothing stands against it.
	StageApproved Stage = "approved"
	// StageOrdered: the apps' part is a case. The engine moves it on when every
	// app is through with the person.
	StageOrdered Stage = "ordered"
	// StageIntended: nothing stops it any more but a hold, which only puts it off.
	// The engine signs the log, destroys what is kept here, and does so again
	// after a crash.
	StageIntended Stage = "intended"
	// StageDone: what was kept here is destroyed; copies from before can be read
	// until the key of their epoch is destroyed.
	StageDone Stage = "done"
	// StagePassed: they cannot either. Final.
	StagePassed Stage = "horizon_passed"
	// StageRefused: an operator said no. Final.
	StageRefused Stage = "refused"
)

// Stages is the closed set.
var Stages = []Stage{StageReceived, StageVerified, StageApproved, StageOrdered, StageIntended, StageDone, StagePassed, StageRefused}

// Stoppable reports whether the erasure is under way and can still be stopped.
func (s Stage) Stoppable() bool {
	return slices.Contains([]Stage{StageReceived, StageVerified, StageApproved, StageOrdered}, s)
}

// Wait is why an erasure does not go on.
type Wait string

const (
	WaitsIdentity Wait = "identity" // nobody has said yet that it is the person who asks
	WaitsApproval Wait = "approval"
	WaitsTime     Wait = "time"     // the policy leaves the source time to think it over
	WaitsActive   Wait = "active"   // the person is active at their source
	WaitsReturned Wait = "returned" // they came back meanwhile: an operator has to say whether it goes on
	WaitsHold     Wait = "hold"
	WaitsApps     Wait = "apps"     // apps are at it
	WaitsOperator Wait = "operator" // an app cannot do it, or is stuck: an operator has to mend or to acknowledge that
	WaitsLog      Wait = "log"      // nothing that cannot be undone is done while the log is not sound
	WaitsFiles    Wait = "files"    // destroyed, but not yet seen to be gone from the files
)

// Refusals are the words for why an erasure is refused. There is no free text: it
// would have to be forgotten too.
var Refusals = []string{"identity_unproven", "legal_obligation", "legal_claims", "withdrawn", "mistaken"}

// standing is what an erasure is decided by, as it is now.
type standing struct {
	now       time.Time
	active    bool   // the person is active at their source
	back      bool   // they came back since the erasure was received, or since an operator's word about that
	elsewhere bool   // they are active under another id: the accounts are in use again
	hold      string // id of a hold, or ""
	open      bool   // an app is still at it, also of a departure
	amiss     []string
	unsound   bool  // the log
	oldest    int64 // key epoch
}

// move is what the engine does about an erasure.
type move string

const (
	stay   move = ""
	order  move = "order"  // the apps' part becomes a case
	intend move = "intend" // from here on nothing stops it
	shred  move = "shred"
	pass   move = "pass" // the backups' horizon has passed
)

// next decides what is done about an erasure now, or why nothing is.
func (e Erasure) next(s standing) (move, Wait) {
	switch e.Stage {
	case StageReceived:
		return stay, WaitsIdentity
	case StageIntended:
		switch {
		case s.hold != "" && !e.Begun:
			return stay, WaitsHold
		case s.unsound:
			return stay, WaitsLog
		}
		return shred, ""
	case StageDone:
		if s.oldest > e.Shredded.Epoch {
			return pass, ""
		}
		return stay, ""
	case StagePassed, StageRefused:
		return stay, ""
	}
	switch {
	case e.Stage == StageVerified && e.Approval != NoApproval:
		return stay, WaitsApproval
	case s.now.Before(e.NotBefore):
		return stay, WaitsTime
	case s.active:
		return stay, WaitsActive
	case s.back:
		return stay, WaitsReturned
	case s.hold != "":
		return stay, WaitsHold
	case e.Stage != StageOrdered && !s.elsewhere: // else the accounts are no longer those of whom is forgotten
		return order, ""
	case s.open:
		return stay, WaitsApps
	case len(s.amiss) > 0:
		return stay, WaitsOperator
	case s.unsound:
		return stay, WaitsLog
	}
	return intend, ""
}

// urgency is how late the erasure is; what is done is never late.
func (e Erasure) urgency(now time.Time) Urgency {
	if !e.Stage.Stoppable() && e.Stage != StageIntended {
		return e.Urgency
	}
	return max(e.Urgency, UrgencyOf(latest(e.Received, e.NotBefore), e.Deadlines.Due, now))
}

// amiss are the apps, sorted, in which not everything is done that was to be:
// where the erasure is impossible, or was given up because the policy has changed
// meanwhile, and where anything is stuck. Only an operator's word, app by app, lets
// an erasure go on without.
func (e Erasure) amiss(actions []Action) (apps []string) {
	for _, a := range actions {
		undone := a.State == ActionStuck || a.Case == e.Case && (a.State == ActionImpossible || a.State == ActionDropped)
		if undone && !slices.Contains(e.Apps, a.Lane.App) {
			apps = append(apps, a.Lane.App)
		}
	}
	slices.Sort(apps)
	return slices.Compact(apps)
}

// Amiss is what stands in the way now; see AcknowledgeErasure.
func (e Erasure) Amiss(tx Tx) (apps []string, err error) {
	cases, err := tx.CasesWith(e.Handle)
	for _, c := range cases {
		if err != nil {
			break
		}
		var actions []Action
		actions, err = tx.Actions(c.ID)
		apps = append(apps, e.amiss(actions)...)
	}
	slices.Sort(apps)
	return slices.Compact(apps), err
}

// event is one of an erasure. The person has nothing but a handle in it.
func (e Erasure) event(now time.Time, t EventType, f Facts) Event {
	f.Erasure, f.State = e.ID, string(e.Stage)
	x := newEvent(now, t, f, subject(e.Handle, nil))
	x.Request, _ = uuid.Parse(e.ID)
	return x
}

// ErasuresTx keeps erasures.
type ErasuresTx interface {
	Erasure(id string) (Erasure, error) // as Person
	// Erasures returns erasures in any of the stages (none: all), newest first,
	// received before the given time (zero: now), at most limit.
	Erasures(stages []Stage, before time.Time, limit int) ([]Erasure, error)
	// ErasuresOf returns those of a person, newest first.
	ErasuresOf(h Handle) ([]Erasure, error)
	// OpenErasures returns up to n that something may be done about now, in the
	// order of their ids from after on: those that are not done and not put off
	// until later, and those that were done in a key epoch before the given one.
	OpenErasures(epoch int64, now time.Time, after string, n int) ([]Erasure, error)
	PutErasure(e Erasure) error // inserts or replaces
	// CasesWith returns all cases of a person, newest first.
	CasesWith(h Handle) ([]Case, error)
	// Whose returns the id of the person with a handle, "" if it is not known.
	Whose(h Handle) (person string, err error)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
