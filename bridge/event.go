package bridge

import (
	"crypto/rand"
	"time"
)

// EventType says what happened. The numbers are part of the leaf format and
// never change their meaning.
type EventType uint16

const (
	PersonCreated  EventType = 1
	PersonChanged  EventType = 2
	PersonCameBack EventType = 3
	GroupCreated   EventType = 6
	GroupChanged   EventType = 7
	GroupRemoved   EventType = 8

	CaseOpened   EventType = 16 // the person was deactivated or removed
	CasePlanned  EventType = 17
	CaseSettled  EventType = 18 // running -> closed, stuck or cancelled
	CaseReopened EventType = 19

	AccountFound    EventType = 32
	ActionAttempted EventType = 33 // an attempt that did not succeed
	ActionDone      EventType = 34 // the app said that it is done
	ActionSettled   EventType = 35 // reached a final state, or stuck
	RestoreOffered  EventType = 36
	RestoreAccepted EventType = 37
	ActionRetried   EventType = 38

	TokenIssued  EventType = 48
	TokenRevoked EventType = 49
	ConfigLoaded EventType = 50

	ErasureReceived   EventType = 64 // somebody asked for a person to be forgotten
	ErasureVerified   EventType = 65 // it is the person, or who may ask for them
	ErasureApproved   EventType = 66
	ErasureRefused    EventType = 67 // with the reason's word in Outcome
	ErasureHeld       EventType = 68 // holds were looked at: State is "held" or "free"
	ErasureOrdered    EventType = 69 // the apps' part is in Case
	ErasureIntended   EventType = 70 // from here on nothing stops it
	ErasureDone       EventType = 71 // keys are destroyed, and no byte was found
	ErasureHorizon    EventType = 72 // backups from before can no longer be read either
	ErasureExtended   EventType = 73
	ErasureEscalated  EventType = 74 // the target, or the deadline, has passed
	HoldPlaced        EventType = 80
	HoldLifted        EventType = 81
	HoldReviewed      EventType = 82 // State: "kept", or "overdue" if nobody did in time
	RetainedKept      EventType = 85 // a token of somebody who was forgotten
	RetainedDestroyed EventType = 86

	EpochBegun     EventType = 96 // subject keys are wrapped by a new key
	EpochDestroyed EventType = 97 // the key of an epoch is gone
	BackupMade     EventType = 100
	BackupRestored EventType = 101
	LogPruned      EventType = 102
	LogContinued   EventType = 103 // another log, whose last checkpoint is named here, ended
	AlarmRaised    EventType = 112 // the log was refused a signature
	AlarmCleared   EventType = 113

	LogoutRefused EventType = 120 // a logout message was not good; the reason's word is in Outcome
)

// String is the type's name in exports and listings.
func (t EventType) String() string {
	if s, ok := eventNames[t]; ok {
		return s
	}
	return "unknown"
}

var eventNames = map[EventType]string{
	PersonCreated: "person.created", PersonChanged: "person.changed", PersonCameBack: "person.came_back",
	GroupCreated: "group.created", GroupChanged: "group.changed", GroupRemoved: "group.removed",
	CaseOpened: "case.opened", CasePlanned: "case.planned", CaseSettled: "case.settled",
	CaseReopened: "case.reopened",
	AccountFound: "account.found", ActionAttempted: "action.attempted", ActionDone: "action.done",
	ActionSettled: "action.settled", RestoreOffered: "restore.offered",
	RestoreAccepted: "restore.accepted", ActionRetried: "action.retried",
	TokenIssued: "token.issued", TokenRevoked: "token.revoked", ConfigLoaded: "config.loaded",
	ErasureReceived: "erase.received", ErasureVerified: "erase.verified", ErasureApproved: "erase.approved",
	ErasureRefused: "erase.refused", ErasureHeld: "hold.checked", ErasureOrdered: "erase.ordered",
	ErasureIntended: "erase.intent", ErasureDone: "erase.done", ErasureHorizon: "erase.backup_horizon_passed",
	ErasureExtended: "erase.extended", ErasureEscalated: "erase.escalated",
	HoldPlaced: "hold.placed", HoldLifted: "hold.lifted", HoldReviewed: "hold.reviewed",
	RetainedKept: "retained.kept", RetainedDestroyed: "retained.destroyed",
	EpochBegun: "epoch.begun", EpochDestroyed: "epoch.destroyed",
	BackupMade: "backup.made", BackupRestored: "backup.restored",
	LogPruned: "log.pruned", LogContinued: "log.continued",
	AlarmRaised: "alarm.raised", AlarmCleared: "alarm.cleared",
	LogoutRefused: "logout.refused",
}

// Facts is the public part of an event: what anybody may read who holds the
// log. It has enumerated values, names from the configuration and random ids
// only; free text and personal data do not belong here.
//
// The fields' names and order are part of the leaf format: new ones may be
// added with omitempty, those that exist never change.
type Facts struct {
	Source   string `json:"source,omitempty"`   // who: the source
	Operator string `json:"operator,omitempty"` // or "operator", "engine"
	Token    string `json:"token,omitempty"`    // id of the credential
	Rule     string `json:"rule,omitempty"`     // why: policy rule, "app.trigger"
	Trigger  string `json:"trigger,omitempty"`
	Case     string `json:"case,omitempty"`
	Action   string `json:"action,omitempty"`
	App      string `json:"app,omitempty"`
	Effect   string `json:"effect,omitempty"`
	State    string `json:"state,omitempty"`   // reached with this event
	Outcome  string `json:"outcome,omitempty"` // "retry", "refused", "contradicted" …
	Attempt  int    `json:"attempt,omitempty"`
	Status   int    `json:"status,omitempty"` // what the app answered
	Millis   int64  `json:"ms,omitempty"`
	Count    int    `json:"count,omitempty"`
	Group    string `json:"group,omitempty"` // random id of a group

	Erasure string `json:"erasure,omitempty"` // random id
	Hold    string `json:"hold,omitempty"`    // random id
	Retain  string `json:"retain,omitempty"`  // random id of a retained token
	Law     string `json:"law,omitempty"`     // rule by which a deadline was computed, with its version: "gdpr/1"
	Due     string `json:"due,omitempty"`     // a deadline, RFC 3339
	Epoch   int64  `json:"epoch,omitempty"`   // number of a key epoch
	Key     string `json:"key,omitempty"`     // fingerprint of a wrapped subject key
	Bytes   int64  `json:"bytes,omitempty"`   // how many were searched, or written
	Size    int64  `json:"size,omitempty"`    // of a log, in events
	Root    string `json:"root,omitempty"`    // its root, base64
	Origin  string `json:"origin,omitempty"`  // of another log

	Protocol string `json:"protocol,omitempty"` // by which the app was spoken to
}

// Role says what part a person played in an event.
type Role uint8

const (
	Subject  Role = 1 // the person it is about
	Actor    Role = 2 // who did it
	Approver Role = 3 // who approved it
)

// Party is a person in an event: the handle stands in the log, the payload
// (personal data, as JSON) stays outside it behind a hiding commitment.
type Party struct {
	Role    Role
	Handle  Handle
	Payload []byte // nil if there is none
}

// Event is one line of the append-only log.
type Event struct {
	ID      [16]byte // random
	At      time.Time
	Type    EventType
	Request [16]byte // the request or case it belongs to; zero if none
	Facts   Facts
	Parties []Party
}

// NewEvent is an event with an id of its own.
func NewEvent(at time.Time, t EventType, f Facts, parties ...Party) Event {
	return newEvent(at, t, f, parties...)
}

func newEvent(at time.Time, t EventType, f Facts, parties ...Party) Event {
	e := Event{At: at, Type: t, Facts: f, Parties: parties}
	rand.Read(e.ID[:]) // never fails
	return e
}
