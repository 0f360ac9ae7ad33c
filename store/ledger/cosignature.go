package ledger

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	cosign "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// Cosigner is the key of a witness. It is safe for concurrent use.
type Cosigner struct {
	*cosign.Signer
	verifier string
}

// NewCosigner reads the secret key of a witness, as made by [NewKey].
func NewCosigner(secret string) (*Cosigner, error) {
	s, err := NewSigner(secret)
	if err != nil {
		return nil, err
	}
	c, err := cosign.NewSignerForCosignatureV1(secret)
	if err != nil {
		return nil, errors.New("ledger: not a signing key")
	}
	verifier, err := cosign.VKeyToCosignatureV1(s.VerifierKey())
	if err != nil {
		return nil, err
	}
	return &Cosigner{c, verifier}, nil
}

// VerifierKey is the public key as it stands in a policy.
func (c *Cosigner) VerifierKey() string { return c.verifier }

// Cosign returns the signature line for a checkpoint (C2SP cosignature/v1), with
// the time now: it says that no larger one of this log was seen. Whoever calls
// has opened it, proven it consistent with what was cosigned before, and stored it.
func (c *Cosigner) Cosign(signed []byte) ([]byte, error) {
	text, _, ok := strings.Cut(string(signed), "\n\n")
	if !ok {
		return nil, errors.New("ledger: not a signed note")
	}
	n, err := note.Sign(&note.Note{Text: text + "\n"}, c.Signer)
	if err != nil {
		return nil, err
	}
	return n[len(text)+2:], nil
}

// newCosigner reads the verifier key of a witness, which names its own type.
func newCosigner(key string) (note.Verifier, error) {
	v, err := cosign.NewVerifierForCosignatureV1(key)
	if err != nil {
		return nil, fmt.Errorf("ledger: verifier key of a witness: %w", err)
	}
	// A key of another type would be taken for one of these, under another hash.
	if !strings.HasPrefix(key, fmt.Sprintf("%s+%08x+", v.Name(), v.KeyHash())) {
		return nil, errors.New("ledger: verifier key of a witness: its hash is wrong")
	}
	return v, nil
}

// Cosignature finds the cosignature of one witness on a signed checkpoint, among
// its own signatures and in more lines, such as a witness answers; others are
// passed over. It returns the line and when it was made.
func Cosignature(signed, lines []byte, witnessKey string) (line []byte, at time.Time, err error) {
	v, err := newCosigner(witnessKey)
	if err != nil {
		return nil, at, err
	}
	if len(signed)+len(lines) > maxNote {
		return nil, at, errors.New("ledger: too many signatures")
	}
	n, err := note.Open(Cosign(signed, lines), note.VerifierList(v))
	if err != nil {
		return nil, at, fmt.Errorf("ledger: no cosignature of %s: %w", v.Name(), err)
	}
	sig := n.Sigs[0]
	if _, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil {
		return nil, at, errors.New("ledger: cosignature in another spelling")
	}
	if at, err = cosign.CoSigV1Timestamp(sig); err != nil {
		return nil, at, fmt.Errorf("ledger: cosignature: %w", err)
	}
	if at.Unix() <= 0 {
		return nil, at, errors.New("ledger: cosignature without a time")
	}
	return []byte("— " + sig.Name + " " + sig.Base64 + "\n"), at, nil
}
