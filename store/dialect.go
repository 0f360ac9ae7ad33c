package store

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"
)

// dialect holds every difference between the two databases that reaches SQL.
// Statements are written once, for PostgreSQL, with $1, $2 … as parameters.
type dialect struct {
	name string
	// rebind turns $1 into what the driver takes for a position.
	rebind func(query string) string
	// lock is appended to a SELECT so that others cannot change the rows.
	lock string
	// claim is lock, but passes over rows that somebody else holds.
	claim string
	// in is "is one of", with the parameter that list has made.
	in   func(param string) string
	list func([]string) any
	// find is the function that says where in its first argument the second is.
	find string
	// shard spreads what all writers count up over several rows, if there is
	// more than one writer.
	shard string
	// event is the id of the event that this transaction appended last.
	event string
	// unique reports whether a unique index refused.
	unique func(error) bool
	// again reports whether the transaction should simply be run again.
	again func(error) bool
}

var sqliteDialect = dialect{
	name: "sqlite",
	// In SQLite $2 is a name, numbered by first appearance: SELECT $2, $1
	// would silently swap its values. ?2 is a position. The statements hold
	// no $ but that of parameters.
	rebind: func(query string) string { return strings.ReplaceAll(query, "$", "?") },
	in:     func(param string) string { return "IN (SELECT value FROM json_each(" + param + "))" },
	list: func(values []string) any {
		b, _ := json.Marshal(values) // strings always encode
		return string(b)
	},
	find:  "instr",
	shard: "0",
	event: "last_insert_rowid()", // tables without rowid, such as log_payload, do not count
	unique: func(err error) bool {
		var e sqlite3.Error
		return errors.As(err, &e) && (e.ExtendedCode == sqlite3.ErrConstraintUnique ||
			e.ExtendedCode == sqlite3.ErrConstraintPrimaryKey)
	},
	again: func(error) bool { return false }, // one writer: nobody to conflict with
}

var postgresDialect = dialect{
	name:   "postgres",
	rebind: func(query string) string { return query },
	lock:   " FOR UPDATE",
	claim:  " FOR UPDATE SKIP LOCKED",
	in:     func(param string) string { return "= ANY(" + param + "::text[])" },
	list:   func(values []string) any { return values },
	find:   "strpos",
	shard:  "pg_backend_pid() % 16",
	event:  "currval('log_event_id_seq')",
	unique: func(err error) bool { return pgCode(err) == "23505" },
	again: func(err error) bool {
		switch pgCode(err) {
		case "40001", "40P01", "55P03": // serialisation, deadlock, lock not available
			return true
		}
		return false
	},
}

func pgCode(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
