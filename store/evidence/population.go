package evidence

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
)

// SurveyVersion is that of a survey's form, and of how it is read out of leaves.
const SurveyVersion = "exeunt.population/v1"

// Margin is how far a survey looks beyond both ends of its period: an event that
// was stored a little later than others may bear an earlier time.
const Margin = 10 * time.Minute

// Period is what is asked for: all departures that were received from From until
// before To.
type Period struct {
	From time.Time     `json:"from"`
	To   time.Time     `json:"to"`
	SLA  time.Duration `json:"sla_ns"` // by when every app is to be shut; 0 if that is not measured
}

// Survey is all departures of a period.
type Survey struct {
	Version string `json:"version"`
	Period  Period `json:"period"`
	Log     Log    `json:"log"`
	First   int64  `json:"first"` // the first event that was read, from before the period
	Last    int64  `json:"last"`  // and the last; it says how things stood then

	// Issue is "interim" while a departure is not over, or if the log does not
	// reach beyond the period by [Margin]: it may still get one of it.
	Issue   string        `json:"issue"`
	SetBack time.Duration `json:"clock_set_back_ns,omitempty"` // how far, at most, times fall behind earlier events'

	Departures []Row    `json:"departures"` // in the order of the log
	Limits     []string `json:"limits"`
}

// Row is one departure in a survey.
type Row struct {
	Case     string             `json:"case"`
	Subject  string             `json:"subject"`
	Source   string             `json:"source,omitempty"`
	Trigger  bridge.Trigger     `json:"trigger"`
	Received time.Time          `json:"received"`
	State    bridge.CaseState   `json:"state"`
	Closed   *time.Time         `json:"completed,omitempty"`
	Returned *time.Time         `json:"returned,omitempty"`
	Silent   int                `json:"not_begun,omitempty"` // planned actions of which no event tells
	Worst    *int64             `json:"shut_after_ms,omitempty"`
	Findings map[string]Finding `json:"controls"` // the worst of its apps, by the control's name
	Doors    []Door             `json:"targets"`
}

// Door is one app of a departure in a survey.
type Door struct {
	App      string             `json:"app"`
	Access   Access             `json:"access"`
	After    *int64             `json:"shut_after_ms,omitempty"`
	Findings map[string]Finding `json:"controls"`
}

var surveyLimits = []string{
	"Departures that no source told exeunt of: it lists all that the log has.",
	"That the clock was right: which period a departure belongs to is said by the clock of the machine that runs exeunt.",
	"That a control is met: the columns say what there is to see, an auditor says what it is worth.",
}

// Surveyor makes a survey from leaves that it hears one by one, in the order of
// the log and without a gap.
type Surveyor struct {
	period   Period
	first    int64
	last     int64
	heard    int64
	begun    time.Time // of the first leaf
	latest   time.Time // so far
	setBack  time.Duration
	order    []string
	cases    map[string]*Departure
	underway map[string]bool
}

// NewSurveyor is a surveyor of one period. Times have microseconds, as in leaves.
func NewSurveyor(p Period) (*Surveyor, error) {
	p.From, p.To = p.From.UTC().Truncate(time.Microsecond), p.To.UTC().Truncate(time.Microsecond)
	if !p.From.Before(p.To) || p.SLA < 0 {
		return nil, errors.New("evidence: a period ends after it begins, and its SLA is not below 0")
	}
	return &Surveyor{period: p, cases: map[string]*Departure{}, underway: map[string]bool{}}, nil
}

// Hear takes in the next leaf.
func (s *Surveyor) Hear(l ledger.ParsedLeaf) error {
	if s.heard == 0 {
		s.first, s.begun, s.latest = int64(l.Seq), l.At, l.At
	} else if int64(l.Seq) != s.last+1 {
		return fmt.Errorf("evidence: after event %d comes event %d", s.last, l.Seq)
	}
	s.heard, s.last = s.heard+1, int64(l.Seq)
	s.setBack = max(s.setBack, s.latest.Sub(l.At))
	if l.At.After(s.latest) {
		s.latest = l.At
	}
	id := uuid.UUID(l.Request).String()
	d := s.cases[id]
	switch {
	case l.Type == bridge.CaseOpened && d != nil:
		return fmt.Errorf("evidence: event %d opens a case that is open", l.Seq)
	case l.Type == bridge.CaseOpened:
		if l.At.Before(s.period.From) || !l.At.Before(s.period.To) || l.Facts.Trigger == string(bridge.LoggedOut) { // nobody leaves by logging out
			return nil
		}
		d = newDeparture(id)
		s.cases[id], s.order = d, append(s.order, id)
	case d == nil:
		return nil
	}
	if l.Facts.Case != id {
		return nil // of an erasure
	}
	err := d.hear(l)
	if d.State.Over() {
		delete(s.underway, id)
	} else {
		s.underway[id] = true
	}
	return err
}

// Enough reports whether the survey needs no more leaves: the period is over, and
// so is every departure of it.
func (s *Surveyor) Enough() bool {
	return s.heard > 0 && len(s.underway) == 0 && !s.latest.Before(s.period.To.Add(Margin))
}

// Survey is what was heard, under the checkpoint by which it was proven. The
// error says what of the period may be missing.
func (s *Surveyor) Survey(c ledger.Checkpoint) (Survey, error) {
	switch {
	case s.heard == 0:
		return Survey{}, errors.New("evidence: there is no event")
	case s.first > 0 && !s.begun.Before(s.period.From.Add(-Margin)):
		return Survey{}, errors.New("evidence: the events begin within the period: some of before are needed")
	case s.last+1 < c.Size && s.latest.Before(s.period.To.Add(Margin)):
		return Survey{}, errors.New("evidence: the events end within the period, and the log goes on")
	case s.last >= c.Size:
		return Survey{}, errors.New("evidence: there are more events than the checkpoint has")
	}
	v := Survey{Version: SurveyVersion, Period: s.period, Log: Log{c.Origin, c.Size}, First: s.first, Last: s.last,
		Issue: Final, SetBack: s.setBack, Departures: []Row{}, Limits: surveyLimits}
	if len(s.underway) > 0 || s.latest.Before(s.period.To.Add(Margin)) { // one of the period may still come
		v.Issue = Interim
	}
	for _, id := range s.order {
		d := s.cases[id]
		d.settle()
		v.Departures = append(v.Departures, d.row(s.period.SLA))
	}
	return v, nil
}

func (d *Departure) row(sla time.Duration) Row {
	r := Row{Case: d.Case, Subject: d.Subject, Source: d.Source, Trigger: d.Trigger, Received: d.Received, State: d.State,
		Closed: d.Completed, Returned: d.Returned, Silent: max(0, d.Planned-d.heard()), Doors: []Door{}, Findings: map[string]Finding{}}
	if worst, all := d.Worst(); all && len(d.Targets) > 0 {
		ms := worst.Milliseconds()
		r.Worst = &ms
	}
	controls := Controls()
	for _, c := range controls {
		r.Findings[c.Name] = FindingNone
		if r.Silent > 0 || d.Planned < 0 && !d.State.Over() {
			r.Findings[c.Name] = FindingOpen
		}
	}
	for _, t := range d.Targets {
		door := Door{App: t.App, Access: t.Access, After: t.After, Findings: map[string]Finding{}}
		for _, c := range controls {
			f := c.of(t, d.Received, sla)
			door.Findings[c.Name], r.Findings[c.Name] = f, worse(f, r.Findings[c.Name])
		}
		r.Doors = append(r.Doors, door)
	}
	return r
}

// JSON is the one spelling of a survey: population.json in its bundle.
func (v Survey) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(v, "", " ")
	return append(b, '\n'), err
}

// CSV is the survey as a table, a line for each app of each departure:
// population.csv in its bundle.
func (v Survey) CSV() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	head := []string{"case", "subject", "source", "trigger", "received", "state", "completed", "returned", "departure_shut_after_s",
		"app", "access", "shut_after_s", "sla_s"}
	controls := Controls()
	for _, c := range controls {
		head = append(head, c.Name)
	}
	w.Write(head)
	for _, r := range v.Departures {
		doors := r.Doors
		if len(doors) == 0 {
			doors = []Door{{Findings: r.Findings}} // nobody is left out because nothing was to be done
		}
		for _, d := range doors {
			line := []string{r.Case, r.Subject, cell(r.Source), cell(string(r.Trigger)), moment(&r.Received), cell(string(r.State)), moment(r.Closed),
				moment(r.Returned), seconds(r.Worst), cell(d.App), string(d.Access), seconds(d.After), strconv.FormatFloat(v.Period.SLA.Seconds(), 'f', -1, 64)}
			for _, c := range controls {
				line = append(line, string(d.Findings[c.Name]))
			}
			w.Write(line)
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// cell is s as text, also for a spreadsheet that would take it for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func moment(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func seconds(ms *int64) string {
	if ms == nil {
		return ""
	}
	return strconv.FormatFloat(float64(*ms)/1000, 'f', -1, 64)
}

// String says in one sentence what the survey found.
func (v Survey) String() string {
	shut, open := 0, 0
	for _, r := range v.Departures {
		switch {
		case r.Worst != nil || len(r.Doors) == 0:
			shut++
		case !r.State.Over():
			open++
		}
	}
	s := fmt.Sprintf("From %s until before %s the log has %d departures, and none is left out: %d with every door shut, %d not over, %d otherwise (%s)",
		v.Period.From.Format(time.RFC3339), v.Period.To.Format(time.RFC3339), len(v.Departures), shut, open, len(v.Departures)-shut-open, v.Issue)
	if len(v.Departures) == 1 {
		s = strings.Replace(s, "1 departures", "1 departure", 1)
	}
	if v.SetBack > Margin {
		s += fmt.Sprintf("; the clock was set back meanwhile, by %s, so that one may belong to another period", took(v.SetBack))
	}
	return s
}
