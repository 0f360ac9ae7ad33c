package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/exeunt/exeunt/bridge"
)

// form is a key file: JSON, with the keys in clear or sealed.
type form struct {
	Format string `json:"format"`
	Keeper []byte `json:"keeper,omitempty"` // the key of Sealed, as the keeper has sealed it
	Sealed []byte `json:"sealed,omitempty"` // keys
	Keys   *keys  `json:"keys,omitempty"`   // or in clear
}

const (
	formatName  = "exeunt.keys/v1"
	fileContext = "key file\x00"
	maxFile     = 256 << 20 // a million people erased in one epoch
)

// readForm reads a key file, which only its owner may read.
func readForm(path string) (form, error) {
	for {
		f, read, err := readOnce(path)
		if err == nil || read == nil {
			return f, err
		}
		// Somebody may have replaced it, and overwritten what we were reading.
		now, statErr := os.Stat(path)
		if statErr != nil || os.SameFile(read, now) {
			return f, err
		}
	}
}

func readOnce(path string) (f form, info fs.FileInfo, err error) {
	file, err := os.Open(path)
	if err != nil {
		return f, nil, err
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return f, nil, err
	}
	switch {
	case !info.Mode().IsRegular() || info.Size() > maxFile:
		return f, nil, fmt.Errorf("vault: %s is not a key file", path)
	case info.Mode().Perm()&0o077 != 0:
		return f, nil, fmt.Errorf("vault: %s may be read by others (mode %04o); it must be 0600", path, info.Mode().Perm())
	}
	b, err := io.ReadAll(file)
	if err != nil {
		return f, nil, err
	}
	defer clear(b)
	f, err = parseForm(path, b)
	return f, info, err
}

func parseForm(path string, b []byte) (f form, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil || f.Format != formatName || (f.Keys == nil) == (f.Sealed == nil) || (f.Keeper == nil) != (f.Sealed == nil) {
		return f, fmt.Errorf("vault: %s is not a key file, or is damaged", path) // and nothing of what it holds
	}
	if _, err := d.Token(); err != io.EOF {
		return f, fmt.Errorf("vault: %s has something after its end", path)
	}
	return f, nil
}

// take makes the content of a file the keys in force.
func (k *Keyring) take(f form) error {
	x := f.Keys
	if f.Sealed != nil {
		if !bytes.Equal(f.Keeper, k.wrapped) {
			return fmt.Errorf("vault: %s was sealed anew; restart exeunt", k.path)
		}
		plain, err := k.file.Open(fileContext, f.Sealed)
		if err != nil {
			return fmt.Errorf("vault: %s is damaged: %w", k.path, err)
		}
		defer clear(plain)
		x = new(keys)
		if err := json.Unmarshal(plain, x); err != nil {
			return fmt.Errorf("vault: %s is damaged", k.path)
		}
	} else if k.wrapped != nil {
		return fmt.Errorf("vault: %s is no longer sealed; restart exeunt", k.path)
	}
	if err := x.ready(); err != nil {
		return fmt.Errorf("vault: %s is damaged: %w", k.path, err)
	}
	k.keys.Store(x)
	return nil
}

// ready checks what was read, and makes what is computed from it.
func (x *keys) ready() error {
	if len(x.Index) != keySize || len(x.Epochs) == 0 {
		return errors.New("keys are missing")
	}
	for i, e := range x.Epochs {
		if len(e.Key) != keySize || e.Number <= 0 || i > 0 && e.Number <= x.Epochs[i-1].Number {
			return errors.New("the keys of epochs are not what they should be")
		}
		x.Epochs[i].aead = newAEAD(e.Key)
	}
	x.known = make(map[bridge.Handle]bool, len(x.Erased))
	for _, e := range x.Erased {
		x.known[e.Handle] = true
	}
	return nil
}

func (k *Keyring) form(x keys) ([]byte, error) {
	f := form{Format: formatName, Keys: &x}
	if k.file != nil {
		plain, err := json.Marshal(x)
		if err != nil {
			return nil, err
		}
		defer clear(plain)
		f = form{Format: formatName, Keeper: k.wrapped, Sealed: k.file.Seal(fileContext, plain)}
	}
	b, err := json.MarshalIndent(f, "", " ")
	return append(b, '\n'), err
}

// Reload reads the file again: another process may have begun or ended epochs.
func (k *Keyring) Reload() error {
	k.change.Lock()
	defer k.change.Unlock()
	return k.reload()
}

func (k *Keyring) reload() error {
	f, err := readForm(k.path)
	if err != nil {
		return err
	}
	return k.take(f)
}

// update changes the file as it is now, whoever wrote it last. The new one is
// durable when it returns, and what the old one held is overwritten in its place.
func (k *Keyring) update(change func(*keys) error) error {
	k.change.Lock()
	defer k.change.Unlock()
	guard, err := os.OpenFile(k.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer guard.Close() // and so unlocked
	if err := syscall.Flock(int(guard.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if err := k.reload(); err != nil {
		return err
	}
	if err := sweep(k.path); err != nil {
		return err
	}
	x := *k.keys.Load()
	x.Epochs, x.Erased = slices.Clone(x.Epochs), slices.Clone(x.Erased)
	if err := change(&x); err != nil {
		return err
	}
	b, err := k.form(x)
	if err != nil {
		return err
	}
	if err := replace(k.path, b); err != nil {
		return err
	}
	return k.reload()
}

// unfinished is how the name of a file begins that is to become a key file; digits
// follow.
func unfinished(path string) string { return "." + filepath.Base(path) + "-" }

// sweep overwrites and removes what a change that was cut short has left: it holds
// keys that may have been destroyed since. Nobody else changes the file meanwhile.
func sweep(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, e := range entries {
		digits, is := strings.CutPrefix(e.Name(), unfinished(path))
		if !is || strings.Trim(digits, "0123456789") != "" || !e.Type().IsRegular() {
			continue
		}
		left := filepath.Join(filepath.Dir(path), e.Name())
		f, err := os.OpenFile(left, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(overwrite(f), f.Close(), os.Remove(left)); err != nil {
			return err
		}
	}
	return nil
}

// overwrite makes everything in a file zero, durably.
func overwrite(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, info.Size()), 0)
	return errors.Join(err, f.Sync())
}

// written makes a file beside path that holds b, durably, and returns its name.
func written(path string, b []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), unfinished(path)+"*") // 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// create makes a file that did not exist, whole or not at all.
func create(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	name, err := written(path, b)
	if err != nil {
		return err
	}
	defer os.Remove(name)
	if err := os.Link(name, path); err != nil {
		return err
	}
	return syncDir(path)
}

// replace makes a file hold b, whole or not at all, and then overwrites what it
// held before. Whoever lost power between the two has old keys in free blocks of
// the disk; so has a file system that writes elsewhere than it is told.
func replace(path string, b []byte) error {
	old, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer old.Close()
	name, err := written(path, b)
	if err != nil {
		return err
	}
	if err := os.Rename(name, path); err != nil {
		os.Remove(name)
		return err
	}
	if err := syncDir(path); err != nil {
		return err
	}
	return overwrite(old)
}
