package scim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/exeunt/exeunt/bridge"
)

// retryAfter is what a caller is told to wait, in seconds, when too much is
// waiting to be stored.
const retryAfter = 1

// fault is a mistake of the caller's that is answered with 400 and a keyword
// of RFC 7644, table 9.
func fault(t scimerrors.ScimType, format string, args ...any) error {
	return scimerrors.ScimError{Status: http.StatusBadRequest, ScimType: t, Detail: fmt.Sprintf(format, args...)}
}

// refusal is any other answer than success.
func refusal(status int, detail string) error {
	return scimerrors.ScimError{Status: status, Detail: detail}
}

// asAnswer turns an error into what the caller is told. shown is false if err
// is internal: then nothing of its text is in the answer.
func asAnswer(err error) (answer scimerrors.ScimError, shown bool) {
	var said scimerrors.ScimError
	if errors.As(err, &said) {
		return said, true
	}
	var known *bridge.Error
	if errors.As(err, &known) {
		said.Detail = known.Error()
		switch known.Kind {
		case bridge.KindInvalid:
			said.Status, said.ScimType = http.StatusBadRequest, scimerrors.ScimTypeInvalidValue
			return said, true
		case bridge.KindNotFound:
			said.Status = http.StatusNotFound
			return said, true
		case bridge.KindConflict:
			said.Status, said.ScimType = http.StatusConflict, scimerrors.ScimTypeUniqueness
			return said, true
		case bridge.KindStale:
			said.Status = http.StatusPreconditionFailed
			return said, true
		case bridge.KindDenied:
			said.Status = http.StatusForbidden
			return said, true
		case bridge.KindBusy:
			said.Status = http.StatusTooManyRequests
			return said, true
		}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return scimerrors.ScimError{Status: http.StatusServiceUnavailable, Detail: "The request was given up."}, false
	}
	return scimerrors.ScimError{Status: http.StatusInternalServerError, Detail: "Something went wrong here."}, false
}

// WriteError answers with a SCIM error (RFC 7644, section 3.12). scimType is
// one of its keywords or ""; detail must be safe to show. It is also how the
// server refuses requests before they come here.
func WriteError(w http.ResponseWriter, status int, scimType, detail string) {
	writeError(w, mediaSCIM, scimerrors.ScimError{Status: status, ScimType: scimerrors.ScimType(scimType), Detail: detail})
}

func writeError(w http.ResponseWriter, media string, e scimerrors.ScimError) {
	if e.Status == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	writeJSON(w, media, e.Status, appendJSON(nil, errorBody(e)))
}

// errorBody is a SCIM error (RFC 7644, section 3.12).
func errorBody(e scimerrors.ScimError) map[string]any {
	body := map[string]any{"schemas": []any{urnError}, "status": strconv.Itoa(e.Status)}
	if e.ScimType != "" {
		body["scimType"] = string(e.ScimType)
	}
	if e.Detail != "" {
		body["detail"] = e.Detail
	}
	return body
}
