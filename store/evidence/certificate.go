package evidence

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
)

// Version is that of the certificate's form and of how it is read out of
// leaves. Neither changes under one version: old certificates must still verify.
const Version = "exeunt.certificate/v1"

// Certificate is what the log says about one departure, or about an erasure
// with the departure that belongs to it. People appear under their handles only.
type Certificate struct {
	Version string `json:"version"`
	ID      string `json:"id"`    // what it is about, and the number of the newest event in it
	Issue   string `json:"issue"` // "interim" while something may still come of it, else "final"
	Log     Log    `json:"log"`

	Departure *Departure `json:"departure,omitempty"`
	Erasure   *Erasure   `json:"erasure,omitempty"`

	NotProven []Gap    `json:"not_proven"` // what was asked for and is not proven; empty if everything is
	Limits    []string `json:"limits"`     // what no certificate of this kind can prove
	Events    []Event  `json:"events"`     // what all of the above was read out of
}

// Issues of a certificate.
const (
	Interim = "interim"
	Final   = "final"
)

// Log is the log as the certificate's checkpoint states it.
type Log struct {
	Origin string `json:"origin"`
	Size   int64  `json:"size"`
}

// Gap is one thing that is not proven.
type Gap struct {
	What   string        `json:"what"` // one of the words below
	App    string        `json:"app,omitempty"`
	Effect bridge.Effect `json:"effect,omitempty"`
	Count  int           `json:"count,omitempty"`
	Until  string        `json:"until,omitempty"` // when it will be otherwise, RFC 3339
}

// What a [Gap] may be.
const (
	GapUnplanned  = "not_planned" // what has to be done is not decided yet
	GapSilent     = "not_begun"   // Count actions of which no event tells
	GapOpen       = "open"        // under way
	GapStuck      = "stuck"       // needs a person
	GapUnverified = "unverified"  // the app says so, and offers no way to check
	GapImpossible = "impossible"  // the app does not offer it
	GapDropped    = "dropped"     // not done: the person came back, or the policy changed
	GapErasure    = "not_erased"  // the keys are not destroyed
	GapHeld       = "held"        // a legal hold stands against it
	GapBackups    = "backups"     // copies from before can still be read
)

// Event is one leaf, as far as it is not said elsewhere.
type Event struct {
	Seq     int64         `json:"seq"`
	At      time.Time     `json:"at"`
	What    string        `json:"event"`
	App     string        `json:"app,omitempty"`
	Effect  bridge.Effect `json:"effect,omitempty"`
	State   string        `json:"state,omitempty"`
	Outcome string        `json:"outcome,omitempty"`
}

// limits say what a certificate cannot show. They are part of its form.
func limits(erasure bool) []string {
	l := []string{
		"That no event about it was left out: each event here is proven to stand in the log, not that there are no others. The whole log shows that.",
		"Anything about applications that are not named here: exeunt shuts the doors it was told of.",
		"That the clock was right: times are those of the machine that runs exeunt.",
		"More than the app showed: \"proven\" means that the app, asked again, showed that the door is shut.",
	}
	if erasure {
		l = append(l, "Anything about copies that left exeunt and the named applications before: exports, mails, screenshots, what recipients keep.")
	}
	return l
}

// story is a group of leaves of one request, by position.
type story []ledger.ParsedLeaf

// Certify reads a certificate out of leaves: all that are known of one case, or
// of one erasure and its case. Their order does not matter. c is the checkpoint
// under which each of them was proven. The same leaves and checkpoint give the
// same certificate, always and everywhere. The error says why the leaves are
// not those of one departure or erasure.
func Certify(c ledger.Checkpoint, leaves []ledger.ParsedLeaf) (Certificate, error) {
	leaves = slices.Clone(leaves)
	slices.SortFunc(leaves, func(a, b ledger.ParsedLeaf) int { return cmp.Compare(a.Seq, b.Seq) })
	requests := map[[16]byte]story{}
	for i, l := range leaves {
		switch {
		case i > 0 && l.Seq == leaves[i-1].Seq:
			return Certificate{}, fmt.Errorf("evidence: event %d is there twice", l.Seq)
		case int64(l.Seq) >= c.Size:
			return Certificate{}, fmt.Errorf("evidence: event %d is not in a log of %d", l.Seq, c.Size)
		case l.Request == [16]byte{}:
			return Certificate{}, fmt.Errorf("evidence: event %d belongs to no case and no erasure", l.Seq)
		}
		requests[l.Request] = append(requests[l.Request], l)
	}
	cert := Certificate{Version: Version, Issue: Final, Log: Log{c.Origin, c.Size}, NotProven: []Gap{}}
	for request, s := range requests {
		var err error
		switch s[0].Type {
		case bridge.CaseOpened:
			if cert.Departure != nil {
				return Certificate{}, errors.New("evidence: these are the events of more than one departure")
			}
			cert.Departure, err = readDeparture(uuid.UUID(request).String(), s)
		case bridge.ErasureReceived:
			if cert.Erasure != nil {
				return Certificate{}, errors.New("evidence: these are the events of more than one erasure")
			}
			cert.Erasure, err = readErasure(uuid.UUID(request).String(), s)
		default:
			return Certificate{}, fmt.Errorf("evidence: event %d is not how a departure or an erasure begins", s[0].Seq)
		}
		if err != nil {
			return Certificate{}, err
		}
	}
	return cert.complete(leaves)
}

// complete fills in what follows from what was read.
func (c Certificate) complete(leaves []ledger.ParsedLeaf) (Certificate, error) {
	d, e := c.Departure, c.Erasure
	switch {
	case d == nil && e == nil:
		return Certificate{}, errors.New("evidence: there is no event")
	case e != nil && d != nil && e.Case != d.Case:
		return Certificate{}, errors.New("evidence: the departure is not that of the erasure")
	case e != nil && d == nil && e.Case != "":
		return Certificate{}, errors.New("evidence: the erasure's departure is missing")
	case e != nil:
		c.ID = e.ID
	default:
		c.ID = d.Case
	}
	c.ID = fmt.Sprintf("%s/%d", c.ID, leaves[len(leaves)-1].Seq)
	if d != nil {
		c.NotProven = append(c.NotProven, d.gaps()...)
		if !d.State.Over() {
			c.Issue = Interim
		}
	}
	if e != nil {
		c.NotProven = append(c.NotProven, e.gaps()...)
		if !e.final() {
			c.Issue = Interim
		}
	}
	c.Limits = limits(e != nil)
	for _, l := range leaves {
		c.Events = append(c.Events, Event{Seq: int64(l.Seq), At: l.At, What: l.Type.String(), App: l.Facts.App,
			Effect: bridge.Effect(l.Facts.Effect), State: l.Facts.State, Outcome: l.Facts.Outcome})
	}
	return c, nil
}

// JSON is the one spelling of a certificate: certificate.json in its bundle.
func (c Certificate) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(c)
	return b.Bytes(), err
}

// String says in one sentence what is certified.
func (c Certificate) String() string {
	var s string
	switch {
	case c.Erasure != nil:
		s = fmt.Sprintf("The erasure %s: %s", c.Erasure.ID, c.Erasure.words())
		if c.Departure != nil {
			s += "; " + c.Departure.words()
		}
	case c.Departure != nil:
		s = fmt.Sprintf("The %s %s: %s", c.Departure.Trigger.Noun(), c.Departure.Case, c.Departure.words())
	}
	return fmt.Sprintf("%s (%s certificate)", s, c.Issue)
}
