package anchor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/exeunt/exeunt/store/ledger"
)

// file holds the newest checkpoint: whole, or as it was.
type file struct{ path string }

// NewFile is a file that is replaced with each checkpoint.
func NewFile(path string) Place { return file{path} }

func (f file) Held(_ context.Context, origin string) ([]byte, error) {
	note, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(note) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, plain(err)
	}
	c, err := ledger.Read(note)
	if err != nil {
		return nil, errors.New("it holds something that is no checkpoint; remove that, or name another file")
	}
	if c.Origin != origin {
		return nil, nil // of a log that was closed
	}
	return note, nil
}

func (f file) Put(ctx context.Context, c Checkpoint) error {
	held, err := f.Held(ctx, c.Origin)
	if err != nil || bytes.Equal(held, c.Note) {
		return err
	}
	if held != nil {
		old, err := ledger.Read(held)
		if err != nil {
			return err
		}
		if err := compare(old, c); err != nil {
			return err
		}
	}
	return plain(f.replace(c.Note))
}

func (f file) replace(note []byte) (err error) {
	t, err := os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(t.Name()) // fails once it has its name
	_, err = t.Write(note)
	if err := errors.Join(err, t.Chmod(0o644), t.Sync(), t.Close()); err != nil { // public: everybody may verify
		return err
	}
	return os.Rename(t.Name(), f.path)
}

// folder holds one file for each checkpoint. Nothing in it is ever changed or
// removed, so that it may be on a disk that refuses to.
type folder struct{ path string }

// NewFolder is a folder that gets a file for each checkpoint, named by its size.
func NewFolder(path string) Place { return folder{path} }

// tries is how often a file with another content is gone round: it was broken off
// by a crash, and cannot be mended.
const tries = 8

// name begins with the size in twelve digits, so that names sort.
func (folder) name(size int64, try int) string {
	if try == 0 {
		return fmt.Sprintf("%012d.checkpoint", size)
	}
	return fmt.Sprintf("%012d-%d.checkpoint", size, try)
}

func (f folder) Put(_ context.Context, c Checkpoint) error {
	for try := range tries {
		path := filepath.Join(f.path, f.name(c.Size, try))
		err := write(path, c.Note)
		if !errors.Is(err, fs.ErrExist) {
			return plain(err)
		}
		held, err := os.ReadFile(path)
		if err != nil {
			return plain(err)
		}
		old, err := ledger.Read(held)
		switch {
		case bytes.Equal(held, c.Note):
			return nil
		case err == nil && old.Origin == c.Origin && bytes.HasSuffix(held, []byte("\n")):
			return compare(old, c)
		}
	}
	return errors.New("its file for this size cannot be written")
}

// write makes a file that did not exist.
func write(path string, content []byte) error {
	t, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o444)
	if err != nil {
		return err
	}
	_, err = t.Write(content)
	return errors.Join(err, t.Sync(), t.Close())
}

// Held returns the checkpoint of a log with the largest size that is readable.
func (f folder) Held(_ context.Context, origin string) ([]byte, error) {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return nil, plain(err)
	}
	for _, e := range slices.Backward(entries) {
		if !strings.HasSuffix(e.Name(), ".checkpoint") {
			continue
		}
		note, err := os.ReadFile(filepath.Join(f.path, e.Name()))
		if err != nil {
			return nil, plain(err)
		}
		if c, err := ledger.Read(note); err == nil && c.Origin == origin {
			return note, nil
		}
	}
	return nil, nil
}

// plain leaves the path out: whoever reads the line knows the place's name.
func plain(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}
