package evidence

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
)

// Departure is what the log says about one case.
type Departure struct {
	Case      string           `json:"case"`
	Subject   string           `json:"subject"` // handle: the person's name in the log
	Source    string           `json:"source,omitempty"`
	Trigger   bridge.Trigger   `json:"trigger"`
	By        By               `json:"by"`
	Received  time.Time        `json:"received"`
	State     bridge.CaseState `json:"state"`
	Completed *time.Time       `json:"completed,omitempty"` // when it was closed or cancelled
	Returned  *time.Time       `json:"returned,omitempty"`  // when the person came back
	Planned   int              `json:"planned"`             // actions that were decided on; -1 until then
	Targets   []Target         `json:"targets"`             // by name
}

// By is on whose word something was done.
type By struct {
	Source   string `json:"source,omitempty"`
	Operator string `json:"operator,omitempty"`
	Token    string `json:"token,omitempty"`  // id of the credential
	Handle   string `json:"handle,omitempty"` // of the person, if the log has one
}

// Target is one app in a departure.
type Target struct {
	App      string     `json:"app"`
	Protocol string     `json:"protocol,omitempty"` // by which it was spoken to
	Access   Access     `json:"access"`
	Shut     *time.Time `json:"shut,omitempty"`          // when the last of what ends access had ended
	After    *int64     `json:"shut_after_ms,omitempty"` // from Received to Shut
	Restored *time.Time `json:"restored,omitempty"`      // access was given back then, on an operator's word
	Actions  []Action   `json:"actions"`                 // as they were first heard of
}

// Action is one effect on one account.
type Action struct {
	ID       string             `json:"id"`
	Effect   bridge.Effect      `json:"effect"`
	Rule     string             `json:"rule,omitempty"`
	State    bridge.ActionState `json:"state"`
	Attempts int                `json:"attempts"` // tries at finding the account or doing it, retries included
	Done     *time.Time         `json:"done,omitempty"`
	Answer   int                `json:"answer,omitempty"` // status of the app's answer to that
	// ReadBack is what asking the app again showed.
	ReadBack ReadBack   `json:"read_back"`
	Denied   int        `json:"contradictions,omitempty"` // how often it first showed the contrary
	Settled  *time.Time `json:"settled,omitempty"`        // when it ended, with the last read-back
	Shown    int        `json:"shown,omitempty"`          // status of the answer that decided

	round int // attempts of the rounds before the last retry
}

// ReadBack is what a check of an action found.
type ReadBack string

// What a [ReadBack] may be.
const (
	NotRead    ReadBack = "none"         // nothing was read back
	Proven     ReadBack = "proven"       // the app showed that it took hold
	NoAccount  ReadBack = "no_account"   // the app knows nobody by the person's identifiers
	Unreadable ReadBack = "cannot_check" // the app offers no way
	Contrary   ReadBack = "contradicted" // the app showed the contrary, last of all
)

func readDeparture(id string, s story) (*Departure, error) {
	d := newDeparture(id)
	for i, l := range s {
		if l.Facts.Case != id {
			return nil, fmt.Errorf("evidence: event %d is filed under a case that it does not name", l.Seq)
		}
		if (l.Type == bridge.CaseOpened) != (i == 0) {
			return nil, fmt.Errorf("evidence: event %d opens a case that is open", l.Seq)
		}
		if err := d.hear(l); err != nil {
			return nil, err
		}
	}
	d.settle()
	return d, nil
}

func newDeparture(id string) *Departure {
	return &Departure{Case: id, Planned: -1, Targets: []Target{}}
}

// settle draws the conclusions, when all was heard.
func (d *Departure) settle() {
	slices.SortFunc(d.Targets, func(a, b Target) int { return cmp.Compare(a.App, b.App) })
	for i := range d.Targets {
		d.Targets[i].judge(d.Received)
	}
}

// hear takes in one event, in the order of the log.
func (d *Departure) hear(l ledger.ParsedLeaf) error {
	f, at := l.Facts, l.At
	switch l.Type {
	case bridge.CaseOpened:
		for _, p := range l.Parties {
			if p.Role == bridge.Subject {
				d.Subject = p.Handle.String()
			}
		}
		d.Source, d.Trigger, d.By, d.Received = f.Source, bridge.Trigger(f.Trigger), by(l), at
	case bridge.CasePlanned:
		d.Planned = f.Count
	case bridge.CaseSettled, bridge.CaseReopened:
	case bridge.PersonCameBack:
		d.Returned = &at
	case bridge.AccountFound, bridge.ActionAttempted, bridge.ActionDone, bridge.ActionSettled,
		bridge.RestoreOffered, bridge.RestoreAccepted, bridge.ActionRetried:
		return d.action(f).hear(l.Type, f, at, d.target(f.App))
	default: // of a later exeunt, or not about doors: it stands in the list of events
		return nil
	}
	d.State = bridge.CaseState(cmp.Or(f.State, string(d.State)))
	if !d.State.Over() {
		d.Completed = nil
	} else if d.Completed == nil {
		d.Completed = &at
	}
	return nil
}

func by(l ledger.ParsedLeaf) By {
	b := By{Source: l.Facts.Source, Operator: l.Facts.Operator, Token: l.Facts.Token}
	for _, p := range l.Parties {
		if p.Role == bridge.Actor {
			b.Handle = p.Handle.String()
		}
	}
	return b
}

func (d *Departure) target(app string) *Target {
	for i := range d.Targets {
		if d.Targets[i].App == app {
			return &d.Targets[i]
		}
	}
	d.Targets = append(d.Targets, Target{App: app})
	return &d.Targets[len(d.Targets)-1]
}

func (d *Departure) action(f bridge.Facts) *Action {
	t := d.target(f.App)
	for i := range t.Actions {
		if t.Actions[i].ID == f.Action {
			return &t.Actions[i]
		}
	}
	t.Actions = append(t.Actions, Action{ID: f.Action, Effect: bridge.Effect(f.Effect), Rule: f.Rule, ReadBack: NotRead})
	return &t.Actions[len(t.Actions)-1]
}

func (a *Action) hear(what bridge.EventType, f bridge.Facts, at time.Time, t *Target) error {
	if a.Effect != bridge.Effect(f.Effect) {
		return fmt.Errorf("evidence: action %s has two effects", a.ID)
	}
	if what == bridge.ActionRetried || what == bridge.RestoreAccepted {
		a.round = a.Attempts
	}
	a.Attempts = max(a.Attempts, a.round+f.Attempt)
	t.Protocol = cmp.Or(f.Protocol, t.Protocol)
	if what == bridge.ActionDone {
		a.Done, a.Answer, a.ReadBack = &at, f.Status, NotRead
		if f.Outcome == "late" { // the answer came when nobody waited for it any more
			return nil
		}
	}
	a.State, a.Settled, a.Shown = bridge.ActionState(f.State), nil, 0
	if f.Outcome == "contradicted" {
		a.Denied, a.ReadBack = a.Denied+1, Contrary
	}
	if what == bridge.ActionSettled {
		a.Settled, a.Shown = &at, f.Status
		switch a.State {
		case bridge.ActionVerified:
			a.ReadBack = Proven
		case bridge.ActionUnverified:
			a.ReadBack = Unreadable
		case bridge.ActionAbsent:
			a.ReadBack = NoAccount
		}
	}
	return nil
}

// words are the departure's outcome in one clause.
func (d *Departure) words() string {
	if len(d.Targets) == 0 && d.State == bridge.CaseClosed {
		return "closed, no application had anything to do"
	}
	shut, proven := 0, 0
	for _, t := range d.Targets {
		if t.Access.Shut() {
			shut++
		}
		if t.Access == AccessProven || t.Access == AccessNobody {
			proven++
		}
	}
	if shut > proven { // what was only said, or hoped
		return fmt.Sprintf("%s, %d of %d applications not known to be open, %d of them proven shut", d.State, shut, len(d.Targets), proven)
	}
	return fmt.Sprintf("%s, %d of %d applications shut, %d of them proven", d.State, shut, len(d.Targets), proven)
}
