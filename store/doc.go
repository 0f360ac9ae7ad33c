// Package store is the memory of exeunt: one set of SQL for SQLite and
// PostgreSQL, behind [bridge.Store].
//
//	store.go       Open, Close, Update, View
//	dialect.go     everything in which the two databases differ
//	tx.go          the seam: one transaction on either database
//	sqlite.go      opening SQLite: pragmas, lock file, triggers as expected
//	authorizer.go  what SQL may do on a SQLite connection
//	appender.go    group commit: whoever waits shares one commit    (SQLite)
//	postgres_owner.go  tables, guards and rights on PostgreSQL, done as its owner
//	postgres.go    a transaction each, and repeated after a conflict (PostgreSQL)
//	migrate.go     bringing the tables up to date
//
//	listing.go     pages and scans, for people and groups alike
//	cond.go        conditions in SQL; how many there are
//	people.go      people and their keys
//	groups.go      groups
//	members.go     who is in a group
//	cases.go       cases and whom they are about
//	actions.go     actions and accounts
//	lanes.go       whose turn it is on an account
//	tokens.go      credentials of sources
//	sessions.go    what is known of sessions; notes between two messages
//	stats.go       figures for metrics
//
//	river.go       the scheduler: River, started and stopped, and its console
//	listener.go    River hears of new jobs at once                   (SQLite)
//	queues.go      which apps' queues are worked here, and ownership
//	reconcile.go   every lane with something to do has a job
//
//	sealing.go     what is kept of people, sealed and opened; the key file
//	links.go      by which people ask for themselves to be forgotten
//	retained.go    what is recognised of whoever was forgotten, and its keys
//	epochs.go      subject keys, wrapped anew as key epochs end
//	shred.go       whoever is to be forgotten: key and data destroyed, files searched
//	erasures.go    requests to forget somebody
//	holds.go       legal holds
//
//	backup.go      backups, written and restored
//	refill.go      a log that was set back, filled up from an export
//	origin.go      or ended, and begun anew
//	prune.go       old events removed by policy; their hashes stay
//	maintain.go    triggers taken away and put back, for what operators ask for
//
//	log.go         events, appended
//	seal.go        pending events get their place in the tree
//	checkpoint.go  the tree's size and root, signed
//	evidence.go    certificates and surveys read out of the log
//	anchors.go     what is kept of it elsewhere, and witnesses' signatures
//	proofs.go      proofs and tiles, for auditors
//	exports.go     how far its exports have come
//	verify.go      the log read back and recomputed
//
// Our own tables are the truth; River's can be rebuilt from them. Times are
// kept as microseconds since 1970 UTC, 0 meaning "not yet".
package store
