package witness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/exeunt/exeunt/store/ledger"
)

// memory is what is known of one log.
type memory struct {
	keys []string // of the log; more than one while one replaces another
	path string   // of the file with its newest checkpoint

	mu   sync.Mutex // from looking at last until the file is durable
	last ledger.Checkpoint
}

// open reads a checkpoint that one of the log's keys has signed.
func (m *memory) open(signed []byte) (c ledger.Checkpoint, err error) {
	for _, key := range m.keys {
		if c, err = ledger.Open(signed, key); err == nil {
			return c, nil
		}
	}
	return c, err
}

// remember reads what was cosigned last; the empty log if nothing ever was.
func (m *memory) remember(origin string) error {
	signed, err := os.ReadFile(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		m.last = ledger.Empty(origin)
		return nil
	}
	if err != nil {
		return err
	}
	if m.last, err = m.open(signed); err != nil {
		return fmt.Errorf("%s: %w", m.path, err)
	}
	return nil
}

// keep makes a checkpoint the newest, durably.
func (m *memory) keep(signed []byte, c ledger.Checkpoint) error {
	if err := replace(m.path, signed); err != nil {
		return err
	}
	m.last = c
	return nil
}

// replace makes a file hold content: whole and durable, or as it was.
func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it has its name
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// fileOf is the name of a log's file; an origin has no percent sign.
func fileOf(origin string) string {
	return strings.ReplaceAll(origin, "/", "%2F") + ".checkpoint"
}

// lock keeps another witness out of the directory until the process ends.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another witness is using %s", dir)
	}
	return f, nil
}
