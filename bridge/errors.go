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

// IsKind reports whether err is an [Error] of kind k.
func IsKind(err error, k Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == k
}
