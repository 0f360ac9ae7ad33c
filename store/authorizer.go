package store

import (
	"strings"

	"github.com/mattn/go-sqlite3"
)

// authorizer decides about one thing that a statement wants to do, when it is
// prepared. Triggers alone do not protect the log: SQL could drop them, switch
// them off or go around them.
type authorizer = func(op int, arg1, arg2, db string) int

// Codes that mattn's driver does not name.
const (
	sqliteRecursive = 33
)

// allowReading is for connections that must not change anything.
func allowReading(op int, arg1, arg2, _ string) int {
	switch op {
	case sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT, sqliteRecursive:
		return sqlite3.SQLITE_OK
	case sqlite3.SQLITE_FUNCTION:
		return function(arg2)
	case sqlite3.SQLITE_PRAGMA:
		return readPragma(arg1, arg2)
	}
	return sqlite3.SQLITE_DENY
}

// allowWriting is for the writer: rows of our tables and River's, but only
// new ones in the log. No DDL, no ATTACH, no setting of a PRAGMA.
func allowWriting(op int, arg1, arg2, db string) int {
	switch op {
	case sqlite3.SQLITE_INSERT:
		if ours(arg1) || appendOnly(arg1) {
			return sqlite3.SQLITE_OK
		}
	case sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE:
		if ours(arg1) {
			return sqlite3.SQLITE_OK
		}
	default:
		return allowReading(op, arg1, arg2, db)
	}
	return sqlite3.SQLITE_DENY
}

// allowSweeping is for the connection that empties the write-ahead log.
func allowSweeping(op int, arg1, arg2, db string) int {
	if op == sqlite3.SQLITE_PRAGMA && arg1 == "wal_checkpoint" && arg2 == "TRUNCATE" {
		return sqlite3.SQLITE_OK
	}
	return allowReading(op, arg1, arg2, db)
}

func appendOnly(table string) bool {
	switch table {
	case "log_event", "log_leaf", "log_node", "log_checkpoint", "log_cosignature":
		return true
	}
	return false
}

func ours(table string) bool {
	switch table {
	case "subject_keys", "tombstones", "people", "people_keys", "groups", "groups_keys", "members", "tallies", "cases", "gone_keys",
		"actions", "accounts", "lanes", "tokens", "uses", "log_payload", "log_pending", "anchors",
		"retentions", "peppers", "retained", "links", "exports", "exports_refused", "erasures", "holds",
		"sessions", "notes":
		return true
	}
	return strings.HasPrefix(table, "river_") && table != "river_migration"
}

// function lets SQL call what computes, not what reaches out of the database.
func function(name string) int {
	switch strings.ToLower(name) {
	case "load_extension", "fts3_tokenizer", "readfile", "writefile", "edit":
		return sqlite3.SQLITE_DENY
	}
	return sqlite3.SQLITE_OK
}

// readPragma lets the start-up checks look at a pragma. Setting it has a value.
func readPragma(name, value string) int {
	if value != "" {
		return sqlite3.SQLITE_DENY
	}
	for _, p := range pragmas {
		if p.name == name {
			return sqlite3.SQLITE_OK
		}
	}
	return sqlite3.SQLITE_DENY
}
