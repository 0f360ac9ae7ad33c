package bridge

import (
	"slices"
	"time"
)

// Effect is what an action brings about. Policy speaks of effects and never of
// a vendor's verbs, because those lie: one vendor's "delete" only deactivates,
// another's "active=false" deletes.
type Effect string

const (
	Lock      Effect = "lock"      // the person can no longer sign in
	Revoke    Effect = "revoke"    // sessions, tokens and keys are dead
	Remove    Effect = "remove"    // roles, groups and licences are gone
	Transfer  Effect = "transfer"  // somebody else owns what the person owned
	Anonymise Effect = "anonymise" // the account no longer names the person
	Erase     Effect = "erase"     // personal data is gone
	Delete    Effect = "delete"    // the account is gone
	Restore   Effect = "restore"   // undo: the person can sign in again
)

// Effects is the closed set, in the order in which one account undergoes them:
// first no new session can begin, then those that exist end, and what cannot
// be undone comes last.
var Effects = []Effect{Lock, Revoke, Remove, Transfer, Anonymise, Erase, Delete, Restore}

// Destructive reports whether e cannot be undone by [Restore].
func (e Effect) Destructive() bool { return e == Anonymise || e == Erase || e == Delete }

func (e Effect) rank() int { return slices.Index(Effects, e) }

// Trigger is what started a departure.
type Trigger string

const (
	Deactivated Trigger = "deactivate" // SCIM PATCH or PUT made the person inactive
	Removed     Trigger = "delete"     // SCIM DELETE
	Erased      Trigger = "erase"      // the person is to be forgotten
	LoggedOut   Trigger = "logout"     // the person signs out: the sessions end, and nobody leaves
)

// Noun is what a case of this trigger is called where it is shown.
func (t Trigger) Noun() string {
	if t == LoggedOut {
		return "logout"
	}
	return "departure"
}

// Capability is one effect that an app offers.
type Capability struct {
	Effect  Effect
	Covers  []string // what it reaches: "sessions", "tokens", "keys", "roles" …
	Undo    bool     // whether Restore can undo it
	Checked bool     // whether the app lets us check it
}

// Capabilities is everything an app offers; an effect that is not in it is
// reported as impossible there.
type Capabilities []Capability

// Of returns the capability for e.
func (c Capabilities) Of(e Effect) (Capability, bool) {
	i := slices.IndexFunc(c, func(c Capability) bool { return c.Effect == e })
	if i < 0 {
		return Capability{}, false
	}
	return c[i], true
}

// Policy says which effects a trigger leads to on one app.
type Policy map[Trigger][]Effect

// App is one registered downstream application.
type App struct {
	Name      string // lower-case letters, digits, '-' and '_'; at most 48
	Title     string // for people; "" means Name
	Protocol  string // the connector: "scim", "rest", "webhook"
	Connector Connector
	Policy    Policy
	Limits    Limits
}

// Limits bounds how an app is called. The zero value of each field means the
// default given beside it.
type Limits struct {
	Concurrency  int           // calls in flight at once; 2
	Rate         float64       // calls begun in a second; 10
	Burst        int           // calls that may begin at once; the rate, at least 1
	Timeout      time.Duration // for one call; 10 s, at most 30 s
	Deadline     time.Duration // from the order until an action counts as stuck; 24 h
	RetryMin     time.Duration // first back-off; 1 s, doubled each time
	RetryMax     time.Duration // longest back-off; 10 min
	BreakerAfter int           // failures in a row that open the breaker; 5
	BreakerWait  time.Duration // how long it stays open; 15 s
}

// WithDefaults returns l with a value in every field.
func (l Limits) WithDefaults() Limits {
	l.Concurrency = or(l.Concurrency, 2)
	l.Rate = or(l.Rate, 10)
	l.Burst = or(l.Burst, max(1, int(l.Rate)))
	l.Timeout = min(or(l.Timeout, 10*time.Second), 30*time.Second)
	l.Deadline = or(l.Deadline, 24*time.Hour)
	l.RetryMin = or(l.RetryMin, time.Second)
	l.RetryMax = max(or(l.RetryMax, 10*time.Minute), l.RetryMin)
	l.BreakerAfter = or(l.BreakerAfter, 5)
	l.BreakerWait = or(l.BreakerWait, 15*time.Second)
	return l
}

func or[T int | float64 | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}
