package connectortest

import (
	"errors"
	"testing"

	"github.com/exeunt/exeunt/bridge"
)

// Revoke has a person's sessions ended as the engine has it, and checked: Find, Do, Check.
func Revoke(t *testing.T, c bridge.Connector, who bridge.Identifiers) (done bridge.Receipt, checked bridge.Receipt, err error) {
	t.Helper()
	account, err := c.Find(t.Context(), who)
	if err != nil {
		return done, checked, err
	}
	o := bridge.Order{Key: "k", Effect: bridge.Revoke, Account: account, Who: who, Trigger: bridge.Deactivated}
	if done, err = c.Do(t.Context(), o); err != nil {
		return done, checked, err
	}
	o.Done = done
	checked, err = c.Check(t.Context(), o)
	return done, checked, err
}

// Word is what came of that: the word of the receipt, or else the kind of error.
func Word(done bridge.Receipt, err error) string {
	switch {
	case err == nil, errors.Is(err, bridge.ErrCannotCheck):
		return done.Word
	case bridge.IsImpossible(err):
		return "impossible"
	case bridge.IsPermanent(err):
		return "permanent"
	}
	return "retry"
}
