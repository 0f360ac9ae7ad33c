package bridge

import (
	"context"
	"time"
)

// Store keeps everything. It is implemented by package store, once for SQLite
// and PostgreSQL; storetest says what it must do.
type Store interface {
	// Update runs fn in one transaction and returns when it is durable. fn may
	// be run again after a conflict, and may share its commit with others: it
	// must have no side effects but through tx, and must not block. If fn
	// returns an error, nothing of it remains. KindBusy when too much waits.
	Update(ctx context.Context, fn func(tx Tx) error) error
	// View runs fn on one consistent snapshot. Writing through tx fails.
	View(ctx context.Context, fn func(tx Tx) error) error
	Forgetting
}

// Forgetting is how what is kept of a person is destroyed.
type Forgetting interface {
	// Shred destroys a person's subject key and everything sealed under it, and
	// sees to it that nothing of the key is left in any file. It may be repeated,
	// and must be until its error is nil: KindBusy says that it could not be
	// seen to yet. What is appended about the person afterwards keeps no
	// personal data.
	Shred(ctx context.Context, h Handle) (Shredded, error)
	// OldestEpoch is the number of the oldest key epoch that can be read: older
	// copies of what is kept are unreadable, wherever they are.
	OldestEpoch() int64
}

// Shredded is what was done to forget a person.
type Shredded struct {
	Epoch   int64     // the key epoch it happened in: copies from it, and before, still hold the person
	Key     string    // fingerprint of the wrapped key: hex, 16 digits; "" if there is no trace of it any more
	Scanned int64     // bytes of files that were searched for the key; 0 if there are no files of ours
	Horizon time.Time // when copies from that epoch become unreadable, if all goes as planned
}

// Tx is one transaction. What does not exist is a KindNotFound error; a value
// that must be unique and is not is KindConflict.
type Tx interface {
	PeopleTx
	GroupsTx
	CasesTx
	LanesTx
	LogTx
	RetentionsTx
	RetainedTx
	LinksTx
	ErasuresTx
	HoldsTx
	SessionsTx
	NotesTx
}

// PeopleTx keeps people.
type PeopleTx interface {
	// Person returns a person and, in Update, keeps others from changing it
	// until the transaction ends.
	Person(id string) (Person, error)
	// People returns a page of what q asks for and the number of all matches.
	People(q Query) ([]Person, int, error)
	// ScanPeople hands everybody of a source of whom where holds to each, some
	// at a time, in the order of creation, until it returns an error.
	ScanPeople(source string, where Cond, each func([]Person) error) error
	// PutPerson inserts p if p.Version is 1, else replaces it. Its keys are
	// indexed; user names are unique within a source.
	PutPerson(p Person) error
	// DeletePerson removes a person, its keys and its memberships. By the keys
	// given, CasesOf recognises whoever comes back under a new id.
	DeletePerson(id string, by []Key) error
	// Memberships returns, by id, the groups that people or groups are in,
	// directly or through other groups, ordered by the groups' ids; at most
	// limit in all.
	Memberships(limit int, ids ...string) (map[string][]Membership, error)
}

// GroupsTx keeps groups.
type GroupsTx interface {
	Group(id string) (Group, error)       // as Person
	Groups(q Query) ([]Group, int, error) // as People
	ScanGroups(source string, where Cond, each func([]Group) error) error
	PutGroup(g Group) error // inserts if g.Version is 1, else replaces
	DeleteGroup(id string) error
	Members(group string) Members
}

// Members is who is in one group. None of its methods needs memory for all
// members but List without a limit.
type Members interface {
	// List returns up to limit members after the one with id after ("" for the
	// first), ordered by id; limit 0 means all.
	List(after string, limit int) ([]Member, error)
	// Add adds people or groups of the same source; who is in it already stays.
	// KindInvalid if there is no such person or group in the group's source.
	Add(ids ...string) (added int, err error)
	// Remove removes them; who is not in it is passed over.
	Remove(ids ...string) (removed int, err error)
	// Clear removes everybody.
	Clear() error
}

// CasesTx keeps cases, their actions, and the accounts that were found.
type CasesTx interface {
	Case(id string) (Case, error) // as Person
	// Cases returns cases in any of the states (none: all), newest first,
	// opened before the given time (zero: now), at most limit.
	Cases(states []CaseState, before time.Time, limit int) ([]Case, error)
	// CasesOf returns the cases from which a person has not come back
	// (Returned is zero; logouts are none): those of the person with that id, and those of people
	// who were deleted from the same source by one of the keys. Newest first.
	CasesOf(source, person string, keys []Key) ([]Case, error)
	PutCase(c Case) error // inserts or replaces
	// Overdue returns up to n lanes that have an open action whose deadline was
	// before the given time.
	Overdue(before time.Time, n int) ([]Lane, error)
	ActionsTx
	AccountsTx
	DeparturesTx
}

// DeparturesTx looks cases up for many people at once.
type DeparturesTx interface {
	// CaseStates returns, by the id of the person, the state of the newest case
	// from which they have not come back.
	CaseStates(source string, people ...string) (map[string]CaseState, error)
}

// ActionsTx keeps actions.
type ActionsTx interface {
	Action(id string) (Action, error)
	Actions(caseID string) ([]Action, error) // by lane, then Seq
	// LaneActions returns the actions of a lane that are open or stuck, by Seq.
	LaneActions(l Lane) ([]Action, error)
	PutAction(a *Action) error // inserts and sets Seq if Seq is 0, else replaces
}

// AccountsTx keeps the accounts that were found.
type AccountsTx interface {
	Account(l Lane) (Account, error)
	PutAccount(l Lane, a Account) error // Account{} forgets the link
}

// LanesTx is the engine's part of a transaction.
type LanesTx interface {
	// WakeLane sees to it that the lane is worked at the given time or before.
	// At most one job works a lane at a time, whatever is woken.
	WakeLane(l Lane, at time.Time) error
	// HoldLane locks a job's lane until the transaction ends; ErrLaneLost if
	// the lane is no longer this job's.
	HoldLane(j LaneJob) error
	// SnoozeLane notes that the job will look at its lane again at that time.
	SnoozeLane(j LaneJob, at time.Time) error
	// RestLane ends the job: the lane has nothing open.
	RestLane(j LaneJob) error
	// OpenCases claims up to n cases in state CaseOpen, oldest first, that no
	// other node is planning.
	OpenCases(n int) ([]Case, error)
}

// LogTx appends to the log.
type LogTx interface {
	// Append adds e to the log, in this transaction.
	Append(e Event) error
}

// LaneJob is the engine's turn on one lane.
type LaneJob struct {
	Lane Lane
	Turn int64 // rises each time the lane is handed to a new job
}

// ErrLaneLost says that a lane was handed to another job.
var ErrLaneLost = Errorf(KindStale, "the lane belongs to another job")
