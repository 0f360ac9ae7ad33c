package siem

import (
	"cmp"
	"strconv"

	"github.com/exeunt/exeunt/bridge"
)

// Classes of the Open Cybersecurity Schema Framework (schema.ocsf.io), category
// 3, identity and access management. 1.9 deprecates Account Change in favour of
// User Management, which counts its activities otherwise.
const (
	accountChange    = 3001
	entityManagement = 3004
	userManagement   = 3007
)

// other is an activity, type or status that the schema has no number for; its name
// stands beside it.
const other = 99

// Severities, by their numbers.
const (
	informational = 1
	low           = 2
	medium        = 3
	critical      = 5
)

// activity is a number in Account Change 1.8 and in User Management 1.9.
type activity struct{ old, new int }

// activities are those of effects. What only one of the two has is other in
// the one that does not.
var activities = map[string]activity{
	string(bridge.Lock):    {5, 5},      // Disable; Disable
	string(bridge.Revoke):  {other, 19}, // -; Remove Programmatic Credentials
	string(bridge.Remove):  {other, 17}, // -; Remove Roles
	string(bridge.Delete):  {6, 3},      // Delete; Delete
	string(bridge.Restore): {2, 4},      // Enable; Enable
}

// The same activities in Entity Management in both versions.
var entityActivities = map[bridge.EventType]int{
	bridge.GroupCreated: 1, bridge.GroupChanged: 3, bridge.GroupRemoved: 4,
	bridge.TokenIssued: 1, bridge.TokenRevoked: 4, bridge.ConfigLoaded: 3,
	bridge.ErasureDone: 4, bridge.EpochBegun: 1, bridge.EpochDestroyed: 4,
	bridge.HoldPlaced: 1, bridge.HoldLifted: 4, bridge.HoldReviewed: 3,
	bridge.RetainedKept: 1, bridge.RetainedDestroyed: 4,
	bridge.BackupMade: 1, bridge.LogPruned: 3,
}

// ocsfEvent is one event of any of the three classes.
type ocsfEvent struct {
	Category     int        `json:"category_uid"`
	Class        int        `json:"class_uid"`
	Activity     int        `json:"activity_id"`
	ActivityName string     `json:"activity_name,omitempty"`
	Type         int        `json:"type_uid"`
	Time         int64      `json:"time"` // milliseconds since 1970
	Severity     int        `json:"severity_id"`
	Status       int        `json:"status_id,omitempty"`
	StatusName   string     `json:"status,omitempty"`
	Detail       string     `json:"status_detail,omitempty"`
	Code         string     `json:"status_code,omitempty"`
	Message      string     `json:"message"`
	Metadata     metadata   `json:"metadata"`
	Actor        ocsfActor  `json:"actor"`
	User         *ocsfUser  `json:"user,omitempty"`
	Entity       *ocsfThing `json:"entity,omitempty"`
	Unmapped     unmapped   `json:"unmapped"`
}

type metadata struct {
	Version     string  `json:"version"` // of the schema
	Product     product `json:"product"`
	UID         string  `json:"uid"`
	Code        string  `json:"event_code"`
	LogName     string  `json:"log_name"`
	Sequence    int64   `json:"sequence"`
	Correlation string  `json:"correlation_uid,omitempty"`
}

type product struct {
	Name    string `json:"name"`
	Vendor  string `json:"vendor_name"`
	Version string `json:"version"`
}

type ocsfActor struct {
	App  string    `json:"app_name"`
	User *ocsfUser `json:"user,omitempty"`
}

type ocsfUser struct {
	UID string `json:"uid"` // a handle
}

type ocsfThing struct {
	UID    string `json:"uid"`
	Type   string `json:"type"`
	TypeID int    `json:"type_id,omitempty"`
}

// unmapped is what the schema has no place for.
type unmapped struct {
	Log     place        `json:"log"`
	Facts   bridge.Facts `json:"facts"`
	Parties []party      `json:"parties,omitempty"`
}

// ocsf is the row as OCSF, version "1.8" or "1.9".
func (l Log) ocsf(r Row, version string) []byte {
	f, p := r.Facts, l.plain(r)
	e := ocsfEvent{Category: 3, Time: r.At.UnixMilli(), Severity: severity(r), Message: r.Type.String(),
		Metadata: metadata{Version: version + ".0", Product: product{"exeunt", "exeunt", l.Version}, UID: r.id(), Code: r.Type.String(),
			LogName: l.Origin, Sequence: r.Index, Correlation: cmp.Or(f.Erasure, f.Case)},
		Actor: ocsfActor{App: cmp.Or(f.Source, f.Operator, "exeunt")}, Unmapped: unmapped{p.Log, f, p.Parties}}
	if who := actor(r); who != "" {
		e.Actor.User = &ocsfUser{who}
	}
	e.Class, e.Activity = class(r, version)
	if e.Class == entityManagement {
		e.Entity = thing(r, l)
	} else {
		e.User = &ocsfUser{subject(r)}
	}
	if e.Activity == other {
		e.ActivityName = cmp.Or(f.Effect, r.Type.String())
	}
	e.Type = e.Class*100 + e.Activity
	e.Status, e.StatusName = status(r)
	e.Detail = f.Outcome
	if f.Status > 0 {
		e.Code = strconv.Itoa(f.Status)
	}
	return marshal(e)
}

// class says which event it is to OCSF. A person's accounts are users; whatever
// is about the log, keys, tokens, groups, erasures and holds is an entity.
func class(r Row, version string) (class, number int) {
	if t := r.Type; t < bridge.CaseOpened && t >= bridge.GroupCreated || t >= bridge.TokenIssued || subject(r) == "" {
		return entityManagement, cmp.Or(entityActivities[t], other)
	}
	var a activity
	switch r.Type {
	case bridge.PersonCreated:
		a = activity{1, 1}
	case bridge.PersonChanged:
		a = activity{other, 2}
	case bridge.ActionAttempted, bridge.ActionDone, bridge.ActionSettled:
		a = activities[r.Facts.Effect]
	}
	if version == "1.8" {
		return accountChange, cmp.Or(a.old, other)
	}
	return userManagement, cmp.Or(a.new, other)
}

// thing is what an Entity Management event is about.
func thing(r Row, l Log) *ocsfThing {
	f := r.Facts
	switch {
	case f.Group != "":
		return &ocsfThing{f.Group, "Group", 3}
	case f.Hold != "":
		return &ocsfThing{f.Hold, "hold", other}
	case f.Retain != "":
		return &ocsfThing{f.Retain, "retained token", other}
	case subject(r) != "":
		return &ocsfThing{subject(r), "User", 2}
	case f.Erasure != "":
		return &ocsfThing{f.Erasure, "erasure", other}
	case f.Epoch > 0:
		return &ocsfThing{strconv.FormatInt(f.Epoch, 10), "key epoch", other}
	case f.Token != "" && r.Type == bridge.LogoutRefused:
		return &ocsfThing{f.Token, "partner", other}
	case f.Token != "":
		return &ocsfThing{f.Token, "token", other}
	}
	return &ocsfThing{l.Origin, "log", other}
}

// subject is the handle of whom the event is about; "" if of nobody.
func subject(r Row) string { return r.handle(bridge.Subject) }

// actor is the handle of who did it.
func actor(r Row) string { return r.handle(bridge.Actor) }

// status is how what the event tells of went: only what was proven is a success.
func status(r Row) (int, string) {
	switch outcome(r) {
	case "success":
		return 1, ""
	case "failure":
		return 2, ""
	case "":
		return 0, ""
	}
	return other, outcome(r)
}

// outcome is "success", "failure", a word between the two, or "" if the event is
// no attempt at anything.
func outcome(r Row) string {
	switch r.Type {
	case bridge.ActionAttempted, bridge.ErasureRefused, bridge.AlarmRaised, bridge.LogoutRefused:
		return "failure"
	case bridge.ActionDone:
		return "unchecked" // the app said so
	case bridge.ErasureDone:
		return "success"
	case bridge.ActionSettled:
		switch s := bridge.ActionState(r.Facts.State); s {
		case bridge.ActionVerified, bridge.ActionAbsent:
			return "success"
		case bridge.ActionStuck, bridge.ActionImpossible:
			return "failure"
		default:
			return string(s) // unverified, dropped
		}
	}
	return ""
}

func severity(r Row) int {
	switch {
	case r.Type == bridge.AlarmRaised:
		return critical
	case r.Type == bridge.ErasureEscalated, r.Facts.State == string(bridge.ActionStuck):
		return medium
	case outcome(r) == "failure":
		return low
	}
	return informational
}
