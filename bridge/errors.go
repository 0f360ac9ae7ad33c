package bridge

import (
	"errors"
	"fmt"
)

// Kind says what sort of mistake an [Error] reports, so that each door (SCIM,
// API, command line) can answer in its own form.
type Kind string

const (
	KindInvalid  Kind = "invalid"   // the request is wrong and will stay wrong
	KindNotFound Kind = "not_found" // there is no such thing, or not for this caller
	KindConflict Kind = "conflict"  // something else already has this unique value
	KindStale    Kind = "stale"     // the caller's version is no longer the current one
	KindDenied   Kind = "denied"    // the caller may not do this
	KindBusy     Kind = "busy"      // too much is waiting; try again later
)

// Error is a mistake that may be shown to whoever asked, word for word.
// Every other error is internal: its text never leaves the process.
type Error struct {
	Kind    Kind
	Field   string // the attribute or parameter it is about, or ""
	Message string // one sentence, no internals, no personal data of others
}

func (e *Error) Error() string {
	if e.Field != "" {
		return e.Field + ": " + e.Message
	}
	return e.Message
}

// Errorf makes an [Error] of the given kind about no particular field.
func Errorf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// Invalid makes an [Error] of kind invalid about a field.
func Invalid(field, format string, args ...any) *Error {
	return &Error{Kind: KindInvalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// IsKind reports whether err is an [Error] of kind k.
func IsKind(err error, k Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == k
}

// Edits is the number of letters to add, drop, change or swap with their
// neighbour to make b of a, in bytes (optimal string alignment). By it a message
// finds the word that was probably meant.
func Edits(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
