package vault

import (
	"context"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// Keeper seals the key file with a key that somebody else keeps, such as a key
// management service. It is asked when the file is opened or made, and then not
// any more.
type Keeper interface {
	// Encrypt and Decrypt take and return at most a few hundred bytes.
	Encrypt(ctx context.Context, plain []byte) ([]byte, error)
	Decrypt(ctx context.Context, sealed []byte) ([]byte, error)
}

// ErrDestroyed says that the key was destroyed, and that nobody can open what
// it sealed: that is how whoever was erased stays erased.
var ErrDestroyed = errors.New("the key was destroyed, so that what it sealed stays forgotten")

// Keyring is an opened key file. It is safe for concurrent use, and several
// processes may have the same file open.
type Keyring struct {
	path    string
	wrapped []byte // the file's own key, sealed by the keeper; nil without one
	file    *Subject
	keys    atomic.Pointer[keys]
	change  sync.Mutex
}

// keys is what a key file holds.
type keys struct {
	Index  []byte   `json:"index"`  // the key of blind indexes
	Epochs []epoch  `json:"epochs"` // oldest first; the last is the current one
	Erased []Erased `json:"erased,omitempty"`
	Ended  []ended  `json:"ended,omitempty"` // oldest first
	known  map[bridge.Handle]bool
}

type epoch struct {
	Number int64     `json:"number"`
	Begun  time.Time `json:"begun"`
	Key    []byte    `json:"key"`
	aead   cipher.AEAD
}

// ended is an epoch whose key was destroyed here, but not in every copy of the file.
type ended struct {
	Number int64     `json:"number"`
	At     time.Time `json:"at"`
}

// Erased is somebody who was erased. It is noted beside the keys, so that an
// older copy of the database, put back, does not bring them back; and forgotten
// when no such copy can be read any more.
type Erased struct {
	Handle bridge.Handle `json:"handle"`
	Epoch  int64         `json:"epoch"` // the current one when they were erased
	Trace  []byte        `json:"trace"` // of their wrapped key; see [Wrapped.Trace]
}

// Open opens a key file. keeper is nil for a file that no keeper seals. The
// error matches fs.ErrNotExist if there is none.
func Open(ctx context.Context, path string, keeper Keeper) (*Keyring, error) {
	k := &Keyring{path: path}
	form, err := readForm(path)
	if err != nil {
		return nil, err
	}
	switch {
	case form.Keeper == nil && keeper != nil:
		return nil, fmt.Errorf("vault: %s is not sealed by a keeper; take keys.keeper out, or run exeunt keys reseal", path)
	case form.Keeper != nil && keeper == nil:
		return nil, fmt.Errorf("vault: %s is sealed by a keeper; name it in keys.keeper", path)
	case keeper != nil:
		key, err := keeper.Decrypt(ctx, form.Keeper)
		if err != nil {
			return nil, fmt.Errorf("vault: the keeper does not open %s: %w", path, err)
		}
		if len(key) != keySize {
			return nil, fmt.Errorf("vault: the keeper opens %s to something else than a key", path)
		}
		k.wrapped, k.file = form.Keeper, &Subject{newAEAD(key)}
		clear(key)
	}
	return k, k.take(form)
}

// OpenOrCreate is [Open], but makes a key file if there is none. Whoever has a
// database already must use Open: new keys would not open what is in it.
func OpenOrCreate(ctx context.Context, path string, keeper Keeper, now time.Time) (*Keyring, error) {
	k, err := Open(ctx, path, keeper)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	k = &Keyring{path: path}
	if keeper != nil {
		key := newKey()
		if k.wrapped, err = keeper.Encrypt(ctx, key); err != nil {
			return nil, fmt.Errorf("vault: the keeper does not seal a key for %s: %w", path, err)
		}
		k.file = &Subject{newAEAD(key)}
		clear(key)
	}
	fresh := keys{Index: newKey(), Epochs: []epoch{{Number: 1, Begun: now.UTC(), Key: newKey()}}}
	form, err := k.form(fresh)
	if err != nil {
		return nil, err
	}
	if err := create(path, form); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return Open(ctx, path, keeper) // of two that made one, one has won
}

func newKey() []byte {
	key := make([]byte, keySize)
	rand.Read(key) // never fails
	return key
}

// Blind is the keyed hash of a value by which it is found again: 16 bytes of
// HMAC-SHA256 over the parts, each with its length.
func (k *Keyring) Blind(parts ...string) [16]byte {
	h := hmac.New(sha256.New, k.keys.Load().Index)
	var n [4]byte
	for _, p := range parts {
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return [16]byte(sum[:16])
}

// Epoch returns the number of the current epoch, and when it began.
func (k *Keyring) Epoch() (number int64, begun time.Time) {
	list := k.keys.Load().Epochs
	e := list[len(list)-1]
	return e.Number, e.Begun
}

// Oldest is the number of the oldest epoch whose key there is: what was sealed
// in one before can no longer be read by anybody.
func (k *Keyring) Oldest() int64 { return k.keys.Load().Epochs[0].Number }

func (e ended) lingers(now time.Time, linger time.Duration) bool { return now.Before(e.At.Add(linger)) }

// OldestAnywhere is the number of the oldest epoch whose key there is, here or in a
// copy of the key file, if such copies are kept for linger.
func (k *Keyring) OldestAnywhere(now time.Time, linger time.Duration) int64 {
	x := k.keys.Load()
	for _, e := range x.Ended {
		if e.lingers(now, linger) {
			return e.Number
		}
	}
	return x.Epochs[0].Number
}

// BeginEpoch makes the key of a new epoch, which is the current one from now
// on, if the current one began at least age ago and no other is ending. It returns
// the current one, and whether it has begun just now.
func (k *Keyring) BeginEpoch(now time.Time, age time.Duration) (number int64, begun bool, err error) {
	due := func(list []epoch) bool { return len(list) == 1 && now.Sub(list[0].Begun) >= age }
	if number, _ = k.Epoch(); !due(k.keys.Load().Epochs) {
		return number, false, nil
	}
	err = k.update(func(x *keys) error {
		number = x.Epochs[len(x.Epochs)-1].Number
		if due(x.Epochs) { // nobody else has begun it meanwhile
			number, begun = number+1, true
			x.Epochs = append(x.Epochs, epoch{Number: number, Begun: now.UTC(), Key: newKey()})
		}
		return nil
	})
	return number, begun, err
}

// DestroyBefore destroys the keys of all epochs before the given one, which
// stays, and reports whether there were any: another node may have been first.
// Everything in use must have been wrapped anew; see [Keyring.Rewrap]. Copies of the
// keys can be had elsewhere for linger from now on.
func (k *Keyring) DestroyBefore(number int64, now time.Time, linger time.Duration) (destroyed bool, err error) {
	err = k.update(func(x *keys) error {
		if number > x.Epochs[len(x.Epochs)-1].Number {
			return fmt.Errorf("vault: there is no key epoch %d", number)
		}
		destroyed = x.Epochs[0].Number < number
		x.Ended = slices.DeleteFunc(slices.Clone(x.Ended), func(e ended) bool { return !e.lingers(now, linger) })
		for _, e := range x.Epochs {
			if e.Number < number && linger > 0 {
				x.Ended = append(x.Ended, ended{e.Number, now.UTC()})
			}
		}
		x.Epochs = slices.DeleteFunc(x.Epochs, func(e epoch) bool { return e.Number < number })
		// A copy from the epoch in which somebody was erased may still hold them.
		x.Erased = slices.DeleteFunc(x.Erased, func(e Erased) bool { return e.Epoch < number })
		return nil
	})
	return destroyed && err == nil, err
}

// NoteErased notes, durably, that somebody is erased from now on; w is their
// wrapped key, nil if it is not there any more. A second note adds nothing.
func (k *Keyring) NoteErased(h bridge.Handle, w Wrapped) error {
	if k.IsErased(h) {
		return nil
	}
	return k.update(func(x *keys) error {
		if !x.known[h] {
			x.Erased = append(x.Erased, Erased{h, x.Epochs[len(x.Epochs)-1].Number, slices.Clone(w.Trace())})
		}
		return nil
	})
}

// IsErased reports whether somebody was noted as erased.
func (k *Keyring) IsErased(h bridge.Handle) bool { return k.keys.Load().known[h] }

// Erased lists who was noted as erased, as long as it matters.
func (k *Keyring) Erased() []Erased { return slices.Clone(k.keys.Load().Erased) }
