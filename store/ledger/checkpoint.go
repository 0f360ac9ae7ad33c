package ledger

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint states that the log called Origin had Size events and the tree
// hash Root. Signed, it is a C2SP tlog-checkpoint: a signed note of three
// lines, without extension lines.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   tlog.Hash
}

// maxNote bounds a signed checkpoint in bytes. A hundred Ed25519 or sixteen
// ML-DSA-44 cosignatures of witnesses have room.
const maxNote = 128 << 10

// NewOrigin makes up a name for a log: exeunt/ and 16 random bytes in hex. It
// is shown to witnesses, so it names nobody.
func NewOrigin() string {
	var id [16]byte
	rand.Read(id[:]) // never fails
	return "exeunt/" + hex.EncodeToString(id[:])
}

// CheckOrigin says whether a log may be called so: 1 to 200 letters, digits
// and . _ - / of ASCII. A note needs a name without space and plus; the rest is
// so that it can stand in any file, address or line.
func CheckOrigin(origin string) error {
	if len(origin) == 0 || len(origin) > 200 {
		return errors.New("ledger: an origin has 1 to 200 characters")
	}
	for _, c := range []byte(origin) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '.', c == '_', c == '-', c == '/':
		default:
			return errors.New("ledger: an origin has letters, digits and . _ - / only")
		}
	}
	return nil
}

// text is the signed part of the note.
func (c Checkpoint) text() string {
	return string(log.Checkpoint{Origin: c.Origin, Size: uint64(c.Size), Hash: c.Root[:]}.Marshal())
}

// Open reads a signed checkpoint. It must carry a valid Ed25519 signature of
// verifierKey (in the form of note.NewVerifier), and be a checkpoint of the
// log of that name; signatures of others, such as witnesses, are passed over
// and not checked. Everything else that is signed has one spelling only.
func Open(signed []byte, verifierKey string) (Checkpoint, error) {
	v, err := newVerifier(verifierKey)
	if err != nil {
		return Checkpoint{}, err
	}
	return open(signed, v)
}

func newVerifier(key string) (note.Verifier, error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("ledger: verifier key: %w", err)
	}
	if err := CheckOrigin(v.Name()); err != nil {
		return nil, err
	}
	return v, nil
}

func open(signed []byte, v note.Verifier) (Checkpoint, error) {
	if len(signed) > maxNote {
		return Checkpoint{}, errors.New("ledger: checkpoint is too large")
	}
	n, err := note.Open(signed, note.VerifierList(v))
	var unknown *note.UnverifiedNoteError
	switch {
	case errors.As(err, &unknown):
		return Checkpoint{}, fmt.Errorf("ledger: checkpoint is not signed by %s+%08x", v.Name(), v.KeyHash())
	case err != nil:
		return Checkpoint{}, fmt.Errorf("ledger: checkpoint: %w", err)
	}
	// note decodes signatures without looking at unused bits.
	if _, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64); err != nil {
		return Checkpoint{}, errors.New("ledger: checkpoint: signature in another spelling")
	}
	c, err := read(n.Text)
	if err == nil && c.Origin != v.Name() {
		err = errors.New("ledger: checkpoint is of another log than its key")
	}
	if err != nil {
		return Checkpoint{}, err
	}
	return c, nil
}

// Read reads what a signed checkpoint says, without looking at signatures: for
// one that was opened before, or to learn what is claimed.
func Read(signed []byte) (Checkpoint, error) {
	text, _, ok := strings.Cut(string(signed), "\n\n")
	if !ok {
		return Checkpoint{}, errors.New("ledger: not a signed note")
	}
	return read(text + "\n")
}

func read(text string) (Checkpoint, error) {
	var p log.Checkpoint
	rest, err := p.Unmarshal([]byte(text))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("ledger: %w", err)
	}
	if p.Size >= maxSize || len(p.Hash) != tlog.HashSize {
		return Checkpoint{}, errors.New("ledger: checkpoint: size or hash out of range")
	}
	c := Checkpoint{Origin: p.Origin, Size: int64(p.Size), Root: tlog.Hash(p.Hash)}
	switch {
	case len(rest) > 0:
		return Checkpoint{}, errors.New("ledger: checkpoint has extension lines")
	case c.text() != text:
		return Checkpoint{}, errors.New("ledger: checkpoint in another spelling")
	case c.Size == 0 && c.Root != emptyRoot():
		return Checkpoint{}, errors.New("ledger: checkpoint gives the empty log a wrong hash")
	}
	return c, nil
}

// Empty is the checkpoint of a log without events.
func Empty(origin string) Checkpoint { return Checkpoint{Origin: origin, Root: emptyRoot()} }

// OriginOf is the name of the log that a verifier key belongs to.
func OriginOf(verifierKey string) (string, error) {
	v, err := newVerifier(verifierKey)
	if err != nil {
		return "", err
	}
	return v.Name(), nil
}
