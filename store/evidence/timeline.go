package evidence

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// timeline is a departure drawn: time goes to the right, the longer ago the
// denser, and each action has a row. All lengths are in the drawing's own units.
type timeline struct {
	Width, Height, Left, Right, Bottom float64
	Ticks                              []tick
	SLA                                *tick
	Rows                               []row
}

type tick struct {
	X     float64
	Label string
}

type row struct {
	Y      float64
	App    string // on the first row of an app
	Effect bridge.Effect
	Tries  []float64 // attempts that did not succeed
	Done   float64   // the app said that it is done; 0 if it did not
	End    float64   // where it stands
	Mark   string    // what stands at the end: "proven", "unproven", "nobody", "bad", "open", "none"
	Label  string
}

// Span is the length of the band from the app's answer to the end.
func (r row) Span() float64 { return max(r.End-r.Done, 0) }

const (
	drawnWidth = 760
	drawnLeft  = 170
	drawnRight = 620
	rowHeight  = 24
	rowsTop    = 34
)

// draw lays a departure out; nil if no action was heard of.
func draw(c Certificate, sla time.Duration) *timeline {
	d := c.Departure
	if d == nil || len(d.Targets) == 0 {
		return nil
	}
	last := sla
	for _, e := range c.Events {
		last = max(last, e.At.Sub(d.Received))
	}
	x := scale(last)
	t := &timeline{Width: drawnWidth, Left: drawnLeft, Right: drawnRight}
	for _, target := range d.Targets {
		for i, a := range target.Actions {
			r := row{Y: rowsTop + float64(len(t.Rows)+1)*rowHeight, Effect: a.Effect, Mark: markOf(a.State), End: x(last)}
			if i == 0 {
				r.App = clip(target.App, 22)
			}
			for _, e := range c.Events {
				if e.App == target.App && e.Effect == a.Effect && e.What == bridge.ActionAttempted.String() {
					r.Tries = append(r.Tries, x(e.At.Sub(d.Received)))
				}
			}
			if a.Done != nil {
				r.Done = x(a.Done.Sub(d.Received))
			}
			if a.Settled != nil {
				r.End, r.Label = x(a.Settled.Sub(d.Received)), took(a.Settled.Sub(d.Received))
			}
			r.Label = cmp.Or(markWords[r.Mark], r.Label)
			t.Rows = append(t.Rows, r)
		}
	}
	t.Bottom = rowsTop + float64(len(t.Rows)+1)*rowHeight
	t.Height = t.Bottom + 8
	for _, at := range ticks {
		if xt := x(at); at <= last && (len(t.Ticks) == 0 || xt-t.Ticks[len(t.Ticks)-1].X >= 44) {
			t.Ticks = append(t.Ticks, tick{xt, took(at)})
		}
	}
	t.Ticks[0].Label = "received"
	if sla > 0 {
		t.SLA = &tick{x(sla), "to be shut by " + took(sla)}
		t.Ticks = slices.DeleteFunc(t.Ticks, func(k tick) bool { return math.Abs(k.X-t.SLA.X) < 1 })
	}
	return t
}

var ticks = []time.Duration{0, time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 4 * time.Hour,
	24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour, 365 * 24 * time.Hour}

// scale maps time since the departure to a place in the drawing. It is
// logarithmic: a door shut in a second and one that took a day are both seen.
func scale(last time.Duration) func(time.Duration) float64 {
	const unit = 250 * time.Millisecond
	at := func(d time.Duration) float64 { return math.Log1p(float64(max(d, 0)) / float64(unit)) }
	whole := at(max(last, time.Second))
	return func(d time.Duration) float64 {
		return math.Round((drawnLeft+(drawnRight-drawnLeft)*at(d)/whole)*10) / 10
	}
}

func markOf(s bridge.ActionState) string {
	switch s {
	case bridge.ActionVerified:
		return "proven"
	case bridge.ActionUnverified:
		return "unproven"
	case bridge.ActionAbsent:
		return "nobody"
	case bridge.ActionStuck:
		return "bad"
	case bridge.ActionImpossible, bridge.ActionDropped, bridge.ActionOffered:
		return "none"
	}
	return "open"
}

// markWords say what a mark means where a time alone would not.
var markWords = map[string]string{"bad": "stuck", "none": "not done", "open": "under way", "nobody": "no account"}

// clip keeps a name within its column.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
