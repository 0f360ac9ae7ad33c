package ledger

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Signer signs the checkpoints of one log. It is safe for concurrent use.
type Signer struct {
	key      note.Signer
	verifier string
}

// NewKey makes an Ed25519 key for the log called origin. Both are one line, in
// the form of note.GenerateKey, without the newline; secret is secret.
func NewKey(origin string) (secret, verifier string, err error) {
	if err := CheckOrigin(origin); err != nil {
		return "", "", err
	}
	return note.GenerateKey(rand.Reader, origin)
}

// NewSigner reads a secret key as made by [NewKey].
func NewSigner(secret string) (*Signer, error) {
	key, err := note.NewSigner(secret)
	if err != nil {
		return nil, errors.New("ledger: not a signing key") // say nothing of what it holds
	}
	if err := CheckOrigin(key.Name()); err != nil {
		return nil, err
	}
	// PRIVATE+KEY+name+hash+base64(type ‖ seed): the signer above has checked
	// form, type and length. The base64 itself may have a plus.
	part := strings.SplitN(secret, "+", 5)
	raw, err := base64.StdEncoding.DecodeString(part[4])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return nil, errors.New("ledger: not a signing key")
	}
	pub := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	verifier, err := note.NewEd25519VerifierKey(key.Name(), pub)
	if err != nil {
		return nil, err
	}
	return &Signer{key, verifier}, nil
}

// Origin is the name of the log.
func (s *Signer) Origin() string { return s.key.Name() }

// VerifierKey is the public key that [Open] and [Verify] ask for.
func (s *Signer) VerifierKey() string { return s.verifier }

// Sign signs the checkpoint of size and root. The caller has proven that the
// tree extends every tree it signed before, from leaves that it has read back:
// a log that signs two histories is worth nothing.
func (s *Signer) Sign(size int64, root tlog.Hash) ([]byte, error) {
	if size < 0 || size >= maxSize || size == 0 && root != emptyRoot() {
		return nil, fmt.Errorf("ledger: no checkpoint of size %d has this root", size)
	}
	text := Checkpoint{s.Origin(), size, root}.text()
	return note.Sign(&note.Note{Text: text}, s.key)
}

// LoadKey reads the key of the log called origin from a file that only its
// owner may read. The error matches fs.ErrNotExist if there is none.
func LoadKey(path, origin string) (*Signer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular() || info.Size() > 4096:
		return nil, fmt.Errorf("ledger: %s is not a key file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("ledger: %s may be read by others (mode %04o); it must be 0600", path, info.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s, err := NewSigner(strings.TrimSuffix(string(b), "\n"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if s.Origin() != origin {
		return nil, fmt.Errorf("ledger: %s is the key of log %s, not of %s", path, s.Origin(), origin)
	}
	return s, nil
}

// LoadOrCreateKey is [LoadKey], but makes a key if the file does not exist. The
// file appears whole, durable, with mode 0600, and never replaces another; of
// two that create it at once one wins, and both load that. Beside it, in
// path.pub, stands the verifier key, for auditors to take away.
//
// A log that has checkpoints already must use LoadKey: a new key would not
// explain the old signatures.
func LoadOrCreateKey(path, origin string) (*Signer, error) {
	s, err := LoadKey(path, origin)
	if errors.Is(err, fs.ErrNotExist) {
		secret, _, kerr := NewKey(origin)
		if kerr != nil {
			return nil, kerr
		}
		if err := create(path, secret+"\n", 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		s, err = LoadKey(path, origin)
	}
	if err != nil {
		return nil, err
	}
	pub, err := os.ReadFile(path + ".pub")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := create(path+".pub", s.verifier+"\n", 0o644); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	case err != nil:
		return nil, err
	case strings.TrimSpace(string(pub)) != s.verifier:
		return nil, fmt.Errorf("ledger: %s.pub does not belong to %s", path, path)
	}
	return s, nil
}

// create makes a file that did not exist, durably and in one step: it is
// written under another name, and linked, which fails if there is one already.
func create(path, text string, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // O_EXCL, 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
