package evidence

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// Method is how personal data is destroyed in exeunt itself; what the apps do
// is said of each of them.
const Method = "crypto-shredding: the person's key was destroyed, and everything that was sealed under it deleted"

// Erasure is what the log says about forgetting one person.
type Erasure struct {
	ID      string `json:"id"`
	Subject string `json:"subject"` // handle
	Case    string `json:"case,omitempty"`
	By      By     `json:"by"`
	Law     string `json:"law,omitempty"` // rule by which the deadline was computed, with its version
	Due     string `json:"due,omitempty"` // RFC 3339; after an extension, the new one

	Received  time.Time  `json:"received"`
	Verified  *time.Time `json:"verified,omitempty"` // that it is the person, or who may ask for them
	Approvals []Approval `json:"approvals,omitempty"`
	Extended  *time.Time `json:"extended,omitempty"`
	Refused   *Refusal   `json:"refused,omitempty"`
	Holds     []HoldSeen `json:"holds,omitempty"` // each look at legal holds
	Waived    []Waiver   `json:"waived,omitempty"`

	Intended *time.Time `json:"intended,omitempty"` // from here on nothing stopped it
	Erased   *time.Time `json:"erased,omitempty"`   // keys destroyed, and no byte found where that was searched
	Method   string     `json:"method,omitempty"`
	Key      string     `json:"key,omitempty"`      // fingerprint of the wrapped key that was destroyed
	Epoch    int64      `json:"epoch,omitempty"`    // number of the key epoch in which that was
	Searched int64      `json:"searched,omitempty"` // bytes in which no trace of it was found; 0 on PostgreSQL, whose files are not searched
	Horizon  string     `json:"horizon,omitempty"`  // when backups from before can no longer be read, RFC 3339
	Passed   *time.Time `json:"passed,omitempty"`   // when that was so

	Retained []Token `json:"retained,omitempty"` // tokens kept by law of somebody who is forgotten
}

// Approval is one approval of an erasure.
type Approval struct {
	By By        `json:"by"`
	At time.Time `json:"at"`
}

// Refusal is why an erasure was not done.
type Refusal struct {
	By   By        `json:"by"`
	At   time.Time `json:"at"`
	Word string    `json:"reason,omitempty"`
}

// HoldSeen is what one look at the legal holds found.
type HoldSeen struct {
	At    time.Time `json:"at"`
	State string    `json:"state"` // "held" or "free"
	Hold  string    `json:"hold,omitempty"`
}

// Waiver is an operator's word that the erasure may go on without one app.
type Waiver struct {
	App string    `json:"app"`
	By  By        `json:"by"`
	At  time.Time `json:"at"`
}

// Token is a retained token, under its random id. When it was destroyed, the log
// says elsewhere: that event is no part of the erasure.
type Token struct {
	ID      string    `json:"id"`
	Kept    time.Time `json:"kept"`
	Law     string    `json:"basis,omitempty"`
	Expires string    `json:"expires,omitempty"` // RFC 3339; it is destroyed then at the latest
}

func readErasure(id string, s story) (*Erasure, error) {
	e := &Erasure{ID: id}
	for i, l := range s {
		f, at := l.Facts, l.At
		if f.Erasure != id {
			return nil, fmt.Errorf("evidence: event %d is filed under an erasure that it does not name", l.Seq)
		}
		if (l.Type == bridge.ErasureReceived) != (i == 0) {
			return nil, fmt.Errorf("evidence: event %d begins an erasure that has begun", l.Seq)
		}
		e.Case = cmp.Or(f.Case, e.Case)
		switch l.Type {
		case bridge.ErasureReceived:
			for _, p := range l.Parties {
				if p.Role == bridge.Subject {
					e.Subject = p.Handle.String()
				}
			}
			e.By, e.Received, e.Law, e.Due = by(l), at, f.Law, f.Due
		case bridge.ErasureVerified:
			e.Verified = &at
		case bridge.ErasureApproved:
			if f.App != "" {
				e.Waived = append(e.Waived, Waiver{f.App, by(l), at})
			} else {
				e.Approvals = append(e.Approvals, Approval{by(l), at})
			}
		case bridge.ErasureRefused:
			e.Refused = &Refusal{by(l), at, f.Outcome}
		case bridge.ErasureHeld:
			e.Holds = append(e.Holds, HoldSeen{at, f.State, f.Hold})
		case bridge.ErasureExtended:
			e.Extended, e.Due = &at, cmp.Or(f.Due, e.Due)
		case bridge.ErasureIntended:
			e.Intended = &at
		case bridge.ErasureDone:
			e.Erased, e.Method, e.Key, e.Epoch = &at, Method, f.Key, f.Epoch
			e.Searched, e.Horizon = f.Bytes, f.Due
		case bridge.ErasureHorizon:
			e.Passed = &at
		case bridge.RetainedKept:
			e.Retained = append(e.Retained, Token{ID: f.Retain, Kept: at, Law: f.Law, Expires: f.Due})
		}
	}
	if e.Erased != nil && e.Intended == nil || e.Passed != nil && e.Erased == nil {
		return nil, errors.New("evidence: the erasure was done before it was begun: an event is missing")
	}
	return e, nil
}

// final reports whether nothing will come of it any more.
func (e *Erasure) final() bool { return e.Passed != nil || e.Refused != nil }

func (e *Erasure) gaps() (gaps []Gap) {
	switch {
	case e.Erased == nil:
		if n := len(e.Holds); n > 0 && e.Holds[n-1].State == "held" {
			gaps = append(gaps, Gap{What: GapHeld})
		}
		gaps = append(gaps, Gap{What: GapErasure})
	case e.Passed == nil:
		gaps = append(gaps, Gap{What: GapBackups, Until: e.Horizon})
	}
	return gaps
}

// words are the erasure's outcome in one clause.
func (e *Erasure) words() string {
	switch {
	case e.Refused != nil:
		return "refused"
	case e.Erased == nil:
		return "not done yet"
	case e.Passed != nil:
		return "done, and no backup from before can be read any more"
	case e.Horizon != "":
		return "done here; backups from before can be read until " + e.Horizon
	default:
		return "done here; backups from before can still be read"
	}
}
