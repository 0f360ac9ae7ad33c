// Package bridge is the domain of exeunt: what a departure is, how it is
// planned, carried out and checked.
//
// The nouns, one file each:
//
//	person.go     Person, Group, Identifiers: who a source told us about
//	query.go      Query, Cond: how people and groups are looked up
//	sight.go      Sight: what one source may see, on one snapshot
//	caller.go     Caller: who is asking (source and token, or operator)
//	app.go        App, Effect, Capability, Policy: what can be shut, and what is wanted
//	connector.go  Connector, Account, Order, Receipt: how a door is shut, and its outcomes
//	case.go       Case: one departure of one person
//	action.go     Action: one effect on one account, a state machine
//	erasure.go    Erasure: one request to forget one person; next: what is done about it   pure
//	hold.go       Hold: what must be kept, and until when somebody looks again
//	event.go      Event: one line of the append-only log
//	law.go        Law: how soon whoever asks to be forgotten must be answered  pure
//	lawbook.go    Lawbook: the laws of this installation; extensions         pure
//	retained.go   Retention, Retained: what is recognised of whoever was forgotten
//	session.go    Session: what is known of a session or token of a person in one app
//	link.go       Link: by which a person asks for themselves to be forgotten
//	calendar.go   Calendar: which days nobody works                          pure
//	errors.go     Error: what may be shown to whoever asked
//	store.go      Store, Tx: what must be kept
//	secret.go     Secret: what never shows
//
// and the decisions and verbs:
//
//	bridge.go     Bridge: what it is made of; its apps, queues, observer
//	plan.go       plan: policy x apps -> actions                        pure
//	settle.go     settle, next: outcome -> state, what is due next      pure
//	people.go     AddPerson, ChangePerson, RemovePerson: the intake
//	groups.go     AddGroup, ChangeGroup, RemoveGroup
//	returned.go   what happens when somebody comes back
//	operator.go   RetryCase, AcceptRestore: what only an operator may ask for
//	erase.go      RequestErasure, VerifyErasure, ApproveErasure …: what is said about erasures
//	forget.go     AdvanceErasures: step by step, to the key's destruction
//	feed.go       TellSessions: what a feed says of sessions, also too late
//	logout.go     LogOut, AwaitCase: somebody signs out, everywhere
//	planner.go    PlanCases: open cases become actions on lanes
//	overdue.go    EndOverdue: what could not be done in time is told
//	lane.go       WorkLane: Find, Do, Check, settle, one lane at a time
//	news.go       what is told once it is committed; cases that have ended
//	door.go       one app at run time: rate, breaker, time limit
//
// The way of a departure is one direction with no call back up:
// ChangePerson stores person, case and event in one transaction; PlanCases
// turns the case into actions; WorkLane carries them out; the last settled
// action closes the case.
//
// bridge imports no other package of this module. What it needs kept is
// [Store]; what it needs done is [Connector].
package bridge
