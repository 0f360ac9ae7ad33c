package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/exeunt/exeunt/bridge"
)

// keySize is the length in bytes of every key here: AES-256.
const keySize = 32

// nonceSize is the length of a nonce. Nonces are random, which is right for
// fewer than 2^32 messages under one key; a subject has far fewer.
const nonceSize = 12

const tagSize = 16

// Subject seals what belongs to one person. It is safe for concurrent use.
type Subject struct{ aead cipher.AEAD }

// Seal encrypts plain with AES-256-GCM, bound to context: what was sealed in one
// place does not open in another.
func (s Subject) Seal(context string, plain []byte) []byte { return seal(s.aead, context, plain) }

// Open decrypts what Seal has made with the same context. Its error says
// nothing of what is inside.
func (s Subject) Open(context string, sealed []byte) ([]byte, error) {
	return open(s.aead, context, sealed)
}

func newAEAD(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the length is ours
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has the right block size
	}
	return aead
}

func seal(aead cipher.AEAD, context string, plain []byte) []byte {
	b := make([]byte, nonceSize, nonceSize+len(plain)+tagSize)
	rand.Read(b) // never fails
	return aead.Seal(b, b, plain, []byte(context))
}

var errOpen = errors.New("vault: what is sealed does not open: it was changed, or sealed in another place or under another key")

func open(aead cipher.AEAD, context string, sealed []byte) ([]byte, error) {
	if len(sealed) < nonceSize+tagSize {
		return nil, errOpen
	}
	plain, err := aead.Open(nil, sealed[:nonceSize], sealed[nonceSize:], []byte(context))
	if err != nil {
		return nil, errOpen
	}
	return plain, nil
}

// Wrapped is a subject's key as the database keeps it: the number of the epoch,
// 8 bytes big-endian, and the key sealed under the epoch's.
type Wrapped []byte

const wrappedSize = 8 + nonceSize + keySize + tagSize

// Epoch is the number of the epoch under whose key it is sealed; 0 if it is no
// wrapped key.
func (w Wrapped) Epoch() int64 {
	if len(w) != wrappedSize {
		return 0
	}
	return int64(binary.BigEndian.Uint64(w))
}

// Trace is a part of w by which a copy of it is recognised in a file, and which
// tells nothing: its nonce.
func (w Wrapped) Trace() []byte {
	if len(w) != wrappedSize {
		return nil
	}
	return w[8 : 8+nonceSize]
}

// NewSubject makes a key for a person, wrapped by the current epoch's. The
// person who has the zero handle is the installation itself.
func (k *Keyring) NewSubject(h bridge.Handle) (Subject, Wrapped) {
	key := make([]byte, keySize)
	rand.Read(key)
	defer clear(key)
	return Subject{newAEAD(key)}, k.wrap(h, key)
}

func (k *Keyring) wrap(h bridge.Handle, key []byte) Wrapped {
	n, sealed := k.SealNow(subjectContext(h), key)
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, wrappedSize), uint64(n)), sealed...)
}

func subjectContext(h bridge.Handle) string { return "subject\x00" + string(h[:]) }

func (k *Keyring) unwrap(h bridge.Handle, w Wrapped) ([]byte, error) {
	if len(w) != wrappedSize {
		return nil, errors.New("vault: this is no wrapped key")
	}
	return k.OpenOf(w.Epoch(), subjectContext(h), w[8:])
}

// Subject unwraps a person's key. [ErrDestroyed] if its epoch is over.
func (k *Keyring) Subject(h bridge.Handle, w Wrapped) (Subject, error) {
	key, err := k.unwrap(h, w)
	if err != nil {
		return Subject{}, err
	}
	defer clear(key)
	return Subject{newAEAD(key)}, nil
}

// Rewrap wraps a person's key by the current epoch's.
func (k *Keyring) Rewrap(h bridge.Handle, w Wrapped) (Wrapped, error) {
	key, err := k.unwrap(h, w)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return k.wrap(h, key), nil
}

// SealNow seals plain under the current epoch's key, and returns its number.
func (k *Keyring) SealNow(context string, plain []byte) (epoch int64, sealed []byte) {
	keys := k.keys.Load()
	e := keys.Epochs[len(keys.Epochs)-1]
	return e.Number, seal(e.aead, context, plain)
}

// OpenOf opens what was sealed in an epoch. [ErrDestroyed] if that is over.
func (k *Keyring) OpenOf(epoch int64, context string, sealed []byte) ([]byte, error) {
	e, err := k.epoch(epoch)
	if err != nil {
		return nil, err
	}
	return open(e.aead, context, sealed)
}

func (k *Keyring) epoch(number int64) (epoch, error) {
	for again := false; ; again = true {
		keys := k.keys.Load()
		for _, e := range keys.Epochs {
			if e.Number == number {
				return e, nil
			}
		}
		if number < keys.Epochs[0].Number {
			return epoch{}, fmt.Errorf("vault: key epoch %d: %w", number, ErrDestroyed)
		}
		if again || k.reload() != nil { // another node may have begun it
			return epoch{}, fmt.Errorf("vault: the key file knows no key epoch %d: is it the newest one?", number)
		}
	}
}
