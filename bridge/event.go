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

func newEvent(at time.Time, t EventType, f Facts, parties ...Party) Event {
	e := Event{At: at, Type: t, Facts: f, Parties: parties}
	rand.Read(e.ID[:]) // never fails
	return e
}
