package evidence

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// Reader is for whom, and against what, a certificate is shown on a page.
// Nothing of it is evidence.
type Reader struct {
	Name string        // of the person, for a copy that is made for them; "" shows the handle
	SLA  time.Duration // by when every app is to be shut; 0 if that is not measured
}

//go:embed page.html
var pageText string

// Page writes a certificate as one HTML file: its style and drawing are in it,
// it has no scripts and loads nothing.
func Page(w io.Writer, c Certificate, r Reader) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"stamp": stamp, "took": took, "effect": func(e bridge.Effect) string { return effectWords[e] },
		"readback": func(b ReadBack) string { return readBackWords[b] }, "gap": gapWords, "mark": markOf, "date": date,
		"due": due, "trigger": triggerWords, "by": byWords,
	}).Parse(pageText)
	if err != nil {
		return err
	}
	return t.Execute(w, sheet{Certificate: c, Reader: r, Timeline: draw(c, r.SLA)})
}

// sheet is what the template sees.
type sheet struct {
	Certificate
	Reader   Reader
	Timeline *timeline
}

// Headline is the outcome in one sentence.
func (s sheet) Headline() string {
	switch d, e := s.Departure, s.Erasure; {
	case e != nil && e.Refused != nil:
		return "The erasure was refused."
	case e != nil && e.Passed != nil:
		return "The person is forgotten here, and backups from before can no longer be read."
	case e != nil && e.Erased != nil:
		return "The person is forgotten here; backups from before are not unreadable yet."
	case e != nil:
		return "The erasure is under way."
	case d.State == bridge.CaseCancelled:
		return "The person came back before anything was done."
	case d.State == bridge.CaseOpen:
		return "The " + d.Trigger.Noun() + " was received, and is being planned."
	case d.Planned == 0, d.Planned < 0 && d.State == bridge.CaseClosed:
		return "No application had anything to do."
	case s.allShut() && s.count(proven) == s.doors():
		return "Every door was shut, and proven shut."
	case s.allShut():
		return "No door is known to be open; not every one is proven to be shut."
	case d.State == bridge.CaseStuck:
		return "Not every door is shut: a person must look."
	case d.State == bridge.CaseRunning:
		return "The doors are being shut."
	default:
		return "Not every door was shut."
	}
}

// doors are the apps where ending access was asked for.
func (s sheet) doors() int {
	return s.count(func(a Access) bool { return a != AccessUnasked })
}

// CameTo is what an action in an app came to. What is not proven is worth no more than
// what the app said.
func (s sheet) CameTo(app string, a Action) string {
	switch {
	case a.State != bridge.ActionUnverified:
		return stateWords[a.State]
	case a.Done == nil:
		return "the app was not asked: nothing is known there"
	}
	for _, e := range s.Events {
		if e.What != bridge.ActionDone.String() || e.App != app || e.Effect != a.Effect || !e.At.Equal(*a.Done) {
			continue
		}
		switch e.Outcome {
		case bridge.NoSession:
			return "the app says that there was nothing to end"
		case bridge.Unconfirmed:
			return "the app took the message, and does not say that it is done"
		}
	}
	return stateWords[a.State]
}

func (s sheet) allShut() bool {
	_, all := s.Departure.Worst()
	return all && s.doors() > 0
}

func proven(a Access) bool { return a == AccessProven || a == AccessNobody }

func (s sheet) count(is func(Access) bool) (n int) {
	for _, t := range s.Departure.Targets {
		if is(t.Access) {
			n++
		}
	}
	return n
}

// Figures are the few numbers that most readers came for.
func (s sheet) Figures() (f []figure) {
	d, e := s.Departure, s.Erasure
	if e != nil {
		f = append(f, figure{"Received", stamp(e.Received)})
		if e.Due != "" {
			f = append(f, figure{"Due", due(e.Due)})
		}
		if e.Erased != nil {
			f = append(f, figure{"Erased after", took(e.Erased.Sub(e.Received))})
		}
		if e.Horizon != "" && e.Passed == nil {
			f = append(f, figure{"Backups readable until", due(e.Horizon)})
		}
		return f
	}
	f = append(f, figure{"Received", stamp(d.Received)})
	if n := s.doors(); n > 0 {
		f = append(f, figure{"Shut", fmt.Sprintf("%d of %d", s.count(Access.Shut), n)},
			figure{"Proven", fmt.Sprintf("%d of %d", s.count(proven), n)})
		if worst, all := d.Worst(); all {
			f = append(f, figure{"Last door after", took(worst)})
		}
	}
	return f
}

type figure struct{ Name, Value string }

// Ended is after what time the app was shut, or all that was asked for ended if
// that was something else; else why not.
func (s sheet) Ended(t Target) string {
	if t.After != nil {
		return took(time.Duration(*t.After) * time.Millisecond)
	}
	var last time.Time
	for _, a := range t.Actions {
		if t.Access != AccessUnasked || !a.access().Shut() {
			return accessWords[t.Access]
		}
		if a.Settled.After(last) {
			last = *a.Settled
		}
	}
	return took(last.Sub(s.Departure.Received))
}

// Within says how a target stands against the SLA; "" if that is not measured.
func (s sheet) Within(t Target) string {
	switch {
	case s.Reader.SLA == 0 || t.Access == AccessUnasked:
		return ""
	case t.After != nil && *t.After <= s.Reader.SLA.Milliseconds():
		return "within " + took(s.Reader.SLA)
	case t.After != nil:
		return "later than " + took(s.Reader.SLA)
	default:
		return "not shut"
	}
}

// Steps are an erasure's way, done and still to come.
func (s sheet) Steps() []step {
	e := s.Erasure
	steps := []step{{"Received", &e.Received, byWords(e.By)}, {"Identity verified", e.Verified, ""}}
	for _, a := range e.Approvals {
		steps = append(steps, step{"Approved", &a.At, byWords(a.By)})
	}
	for i, h := range e.Holds {
		if i == 0 || h.State != e.Holds[i-1].State { // looks that found the same tell nothing
			steps = append(steps, step{"Legal holds looked at", &h.At, map[string]string{"free": "none stands against it", "held": "one stands against it"}[h.State]})
		}
	}
	for _, w := range e.Waived {
		steps = append(steps, step{"Goes on without " + w.App, &w.At, byWords(w.By)})
	}
	if e.Extended != nil {
		steps = append(steps, step{"Deadline extended", e.Extended, due(e.Due)})
	}
	if r := e.Refused; r != nil {
		return append(steps, step{"Refused", &r.At, byWords(r.By)})
	}
	key := ""
	if e.Key != "" {
		key = fmt.Sprintf("key %s, in key epoch %d; ", e.Key, e.Epoch)
		if e.Searched > 0 {
			key += fmt.Sprintf("no trace of it in %s searched", size(e.Searched))
		} else {
			key += "the database's files are not exeunt's to search"
		}
	}
	horizon := ""
	if e.Horizon != "" && e.Passed == nil {
		horizon = "expected " + due(e.Horizon)
	}
	return append(steps, step{"Irrevocable", e.Intended, ""}, step{"Keys destroyed, data deleted", e.Erased, key},
		step{"Backups from before unreadable", e.Passed, horizon})
}

type step struct {
	Name string
	At   *time.Time
	Note string
}

var effectWords = map[bridge.Effect]string{
	bridge.Lock: "lock the account", bridge.Revoke: "end sessions, tokens and keys", bridge.Remove: "take roles and licences away",
	bridge.Transfer: "hand over what the person owned", bridge.Anonymise: "anonymise", bridge.Erase: "erase personal data",
	bridge.Delete: "delete the account", bridge.Restore: "restore",
}

var stateWords = map[bridge.ActionState]string{
	bridge.ActionWaiting: "not done yet", bridge.ActionPending: "said to be done, being checked", bridge.ActionVerified: "done and proven",
	bridge.ActionUnverified: "said to be done, cannot be checked", bridge.ActionAbsent: "no account there",
	bridge.ActionImpossible: "not offered by the app", bridge.ActionDropped: "not done any more", bridge.ActionStuck: "stuck",
	bridge.ActionOffered: "offered to the operator",
}

var accessWords = map[Access]string{
	AccessStuck: "stuck", AccessOpen: "open", AccessKept: "kept", AccessImpossible: "not wholly possible",
	AccessUnproven: "not proven", AccessProven: "shut, proven", AccessNobody: "no account", AccessUnasked: "–",
}

var readBackWords = map[ReadBack]string{
	NotRead: "–", Proven: "shows it", NoAccount: "knows nobody", Unreadable: "offers no way", Contrary: "shows the contrary",
}

func gapWords(g Gap) string {
	what := map[string]string{
		GapUnplanned: "What has to be done is not decided yet.", GapOpen: "is under way.", GapStuck: "is stuck: a person must look.",
		GapUnverified: "is not proven; what the app said of it, if it was asked, stands above.", GapImpossible: "is not offered by the app.",
		GapDropped: "was not done any more: the person came back, or the policy changed.",
		GapErasure: "The person's data in exeunt is not destroyed yet.", GapHeld: "A legal hold stands against the erasure.",
		GapBackups: "Backups from before the erasure can still be read",
	}[g.What]
	switch {
	case g.What == GapSilent:
		return fmt.Sprintf("%d of the planned actions have not begun.", g.Count)
	case g.What == GapBackups && g.Until != "":
		return what + " until " + due(g.Until) + "."
	case g.What == GapBackups:
		return what + "."
	case g.App != "":
		return fmt.Sprintf("%s: to %s %s", g.App, effectWords[g.Effect], what)
	}
	return what
}

func triggerWords(t bridge.Trigger) string {
	switch t {
	case bridge.Deactivated:
		return "made inactive by SCIM"
	case bridge.Removed:
		return "deleted by SCIM"
	case bridge.LoggedOut:
		return "logged out; nobody left"
	}
	return string(t)
}

func byWords(b By) string {
	var parts []string
	for _, p := range [][2]string{{"source ", b.Source}, {"", b.Operator}, {"with credential ", b.Token}, {"person ", b.Handle}} {
		if p[1] != "" {
			parts = append(parts, p[0]+p[1])
		}
	}
	return strings.Join(parts, ", ")
}

func stamp(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") }
func date(t time.Time) string  { return t.UTC().Format("2006-01-02 15:04:05.000") }

// due shows a date of a leaf, whatever stands there.
func due(s string) string {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC().Format("2 January 2006, 15:04 UTC")
	}
	return s
}

// took is a duration as people say it, with two units at most.
func took(d time.Duration) string {
	switch {
	case d < 0:
		return "–" + took(-d)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strings.Replace(fmt.Sprintf("%.1f s", d.Seconds()), ".0 ", " ", 1)
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	units := []struct {
		name string
		d    time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		if d < u.d || i == 0 && d < 2*u.d { // 24 h is what people say
			continue
		}
		text := fmt.Sprintf("%d %s", d/u.d, u.name)
		if i+1 < len(units) {
			if rest := d % u.d / units[i+1].d; rest > 0 {
				text += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return text
	}
	return ""
}

func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d bytes", n)
}
