// Package storetest says what a store must do, on whichever database.
//
//	storetest.go  Run, and what the tests share
//	database.go   a PostgreSQL database for one test
//	updates.go    transactions: durable, whole, nothing lost
//	people.go     people, groups and members: keys, conflicts
//	queries.go    conditions, orders and pages, against a model
//	cases.go      cases, actions, accounts, tokens, figures
//	lanes.go      whose turn it is; lanes under load
//	stops.go      stopping in two stages; River's console
//	log.go        the log: appended, sealed, signed, verified, guarded
//	exports.go    how far exports have come
//	evidence.go   certificates and surveys read out of it
//	erasures.go   requests to forget somebody; legal holds
//	forgetting.go subject keys: sealed under, wrapped anew, destroyed
//	retained.go   what is recognised of whoever was forgotten
//	sessions.go   what is known of sessions; notes that are taken once
package storetest

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

// Run runs the suite. open returns an empty store, which it closes when the
// test ends, with Options.LogKey set.
func Run(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *store.Store)
	}{
		{"RoundTrip", roundTrip},
		{"NothingRemainsOfAnError", nothingRemains},
		{"PanicsComeBackAlone", panicsComeBack},
		{"NoUpdateIsLost", noUpdateLost},
		{"CancelledBeforeItBegins", cancelledBefore},
		{"ViewIsASnapshot", viewSnapshot},
		{"ViewCannotWrite", viewCannotWrite},
		{"UserNamesAreUnique", userNamesUnique},
		{"OneOfManyGetsTheName", oneOfMany},
		{"KeysFollowThePerson", keysFollow},
		{"Queries", queries},
		{"Conditions", conditions},
		{"ConditionsOnGroups", groupConditions},
		{"Paging", paging},
		{"Tallies", tallies},
		{"DeletedPeopleLeaveNothing", deletedPeople},
		{"Groups", groups},
		{"Members", membersOfGroup},
		{"ManyMembers", manyMembers},
		{"WhatCannotBeStored", cannotBeStored},
		{"Cases", cases},
		{"CasesOfALeaverWhoComesBack", casesOf},
		{"CaseStates", caseStates},
		{"OpenCasesAreClaimed", openCases},
		{"Actions", actions},
		{"Erasures", erasures},
		{"Holds", holds},
		{"Accounts", accounts},
		{"Tokens", tokens},
		{"TwoTokens", twoTokens},
		{"Stats", stats},
		{"LaneTurns", laneTurns},
		{"LaneIsWorked", laneIsWorked},
		{"LaneSnoozes", laneSnoozes},
		{"LaneRetriesAfterAnError", laneRetries},
		{"HotLanes", hotLanes},
		{"QueuesComeAndGo", queuesComeAndGo},
		{"ReconcileWakesWhatIsStranded", reconcile},
		{"StopsInTwoStages", stopsInTwoStages},
		{"Console", console},
		{"LogSealsInOrder", logSeals},
		{"LogSealsWhileOthersAppend", logSealsConcurrently},
		{"Checkpoints", checkpoints},
		{"Certificates", certificates},
		{"Populations", populations},
		{"Exports", exports},
		{"Anchors", anchors},
		{"Doubt", doubt},
		{"Cosignatures", cosignatures},
		{"Forgetting", forgetting},
		{"KeyEpochs", epochs},
		{"Retained", retained},
		{"Sessions", sessions},
		{"ManySessions", manySessions},
		{"SessionToldAtOnce", sessionToldAtOnce},
		{"SessionsEnd", sessionsEnd},
		{"SessionsOfTheErased", sessionsOfTheErased},
		{"Notes", notes},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

const source = "hr"

// at is a moment to the microsecond, as stores keep it.
var start = time.Date(2026, 3, 1, 9, 0, 0, 123456000, time.UTC)

func newPerson(name string) bridge.Person {
	return bridge.Person{
		ID: uuid.NewString(), Source: source, Handle: bridge.NewHandle(), UserName: name, ExternalID: "x-" + name,
		DisplayName: "Somebody", Emails: []string{name + "@Example.org", name + "@home.example"}, Active: true,
		Resource: []byte(`{"userName":"` + name + `"}`), Version: 1, Created: start, Modified: start,
	}
}

func newCase(p bridge.Person, opened time.Time) bridge.Case {
	return bridge.Case{ID: uuid.NewString(), Source: p.Source, Person: p.ID, Handle: p.Handle, Who: p.Identifiers(),
		Trigger: bridge.Deactivated, State: bridge.CaseOpen, Opened: opened,
		By: bridge.Caller{Source: p.Source, Token: "t1", Request: "r1"}}
}

func newAction(c bridge.Case, app string) bridge.Action {
	return bridge.Action{ID: uuid.NewString(), Case: c.ID, Lane: bridge.Lane{App: app, Person: c.Person}, Effect: bridge.Lock,
		State: bridge.ActionWaiting, Ordered: c.Opened, Due: c.Opened, Deadline: c.Opened.Add(time.Hour)}
}

func newEvent(t bridge.EventType, caseID string, parties ...bridge.Party) bridge.Event {
	e := bridge.Event{At: start, Type: t, Facts: bridge.Facts{Source: source, Case: caseID}, Parties: parties}
	rand.Read(e.ID[:])
	return e
}

// must runs an update that has to succeed.
func must(t *testing.T, s *store.Store, fn func(bridge.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// see runs a view that has to succeed.
func see(t *testing.T, s *store.Store, fn func(bridge.Tx) error) {
	t.Helper()
	if err := s.View(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, s *store.Store, people ...bridge.Person) {
	t.Helper()
	must(t, s, func(tx bridge.Tx) error {
		for _, p := range people {
			if err := tx.PutPerson(p); err != nil {
				return err
			}
		}
		return nil
	})
}

func wantKind(t *testing.T, err error, kind bridge.Kind) {
	t.Helper()
	if !bridge.IsKind(err, kind) {
		t.Fatalf("got error %v, want kind %s", err, kind)
	}
}

// within waits until cond holds.
func within(t *testing.T, d time.Duration, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", d, what)
		case <-tick.C:
		}
	}
}
