package ledger

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"

	"github.com/exeunt/exeunt/bridge"
)

const commitVersion = "exeunt.commit/v1\x00"

// Opening shows what a commitment in a leaf commits to. Without R nobody can
// tell whether a guessed payload is the right one; so R is kept with the
// payload, sealed, and destroyed with it.
type Opening struct {
	Role    bridge.Role
	Handle  bridge.Handle
	R       [64]byte // random
	Payload []byte
}

// Commitment is HMAC-SHA256 with key o.R of
//
//	"exeunt.commit/v1" 0x00 ‖ event id ‖ role ‖ payload
//
// It hides the payload while R is secret, and binds it to the event: neither
// can be exchanged.
func Commitment(event [16]byte, o Opening) (c [32]byte) {
	h := hmac.New(sha256.New, o.R[:])
	h.Write([]byte(commitVersion))
	h.Write(event[:])
	h.Write([]byte{byte(o.Role)})
	h.Write(o.Payload)
	h.Sum(c[:0])
	return c
}

// CheckOpening says whether o opens one of the commitments in leaf.
func CheckOpening(leaf []byte, o Opening) error {
	l, err := ParseLeaf(leaf)
	if err != nil {
		return err
	}
	want := Commitment(l.ID, o)
	for _, p := range l.Parties {
		if p.Role == o.Role && p.Handle == o.Handle && hmac.Equal(p.Commitment[:], want[:]) {
			return nil
		}
	}
	return errors.New("ledger: the leaf has no commitment to this payload")
}
