package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/vault"
)

// Shred destroys what is kept of a person; see [bridge.Forgetting]. In this order:
// the key file notes the handle, so that no old copy that is put back brings them
// back; key and sealed data are overwritten and deleted; the write-ahead log, which
// still has them, is truncated; and all files are searched for the key.
//
// On PostgreSQL nothing is searched: its files are not ours to read, and what was
// deleted may stay in them until the epoch's key is destroyed, which makes it
// unreadable there as in backups.
func (s *Store) Shred(ctx context.Context, h bridge.Handle) (bridge.Shredded, error) {
	if h == everybody {
		return bridge.Shredded{}, bridge.Errorf(bridge.KindInvalid, "the installation cannot be erased")
	}
	if s.opts.ReadOnly {
		return bridge.Shredded{}, errReadOnlyStore
	}
	var wrapped []byte
	err := s.engine.view(ctx, s, func(t *tx) error {
		return t.get("key", `SELECT wrapped FROM subject_keys WHERE handle = $1`, []any{h[:]}, &wrapped)
	})
	if err != nil && !bridge.IsKind(err, bridge.KindNotFound) {
		return bridge.Shredded{}, err
	}
	if err := s.keys.NoteErased(h, wrapped); err != nil {
		return bridge.Shredded{}, err
	}
	if err := s.update(ctx, func(t *tx) error { return t.forget(h) }); err != nil {
		return bridge.Shredded{}, err
	}
	epoch, begun := s.keys.Epoch()
	shredded := bridge.Shredded{Epoch: epoch, Horizon: begun.Add(s.opts.Epoch + s.opts.Linger)}
	trace := vault.Wrapped(wrapped).Trace()
	for _, e := range s.keys.Erased() { // it may have been deleted by an attempt that was cut short
		if e.Handle == h && trace == nil {
			trace = e.Trace
		}
	}
	if trace != nil {
		sum := sha256.Sum256(trace)
		shredded.Key = hex.EncodeToString(sum[:8])
	}
	shredded.Scanned, err = s.engine.scrub(ctx, trace)
	return shredded, err
}

// OldestEpoch is the number of the oldest key epoch of which there is a key, here or
// in a copy of the key file; see [bridge.Forgetting].
func (s *Store) OldestEpoch() int64 { return s.keys.OldestAnywhere(s.now(), s.opts.Linger) }

// forget deletes everything that was sealed under somebody's key, and the key.
func (t *tx) forget(h bridge.Handle) error {
	var person string
	err := t.get("key", `SELECT person FROM subject_keys WHERE handle = $1`, []any{h[:]}, &person)
	if err != nil && !bridge.IsKind(err, bridge.KindNotFound) {
		return err
	}
	delete(t.subjects, h)
	if person != "" {
		if err := t.DeletePerson(person, nil); err != nil && !bridge.IsKind(err, bridge.KindNotFound) {
			return err
		}
		if _, err := t.do(`DELETE FROM gone_keys WHERE person = $1`, person); err != nil {
			return err
		}
	}
	const theirs = `(SELECT id FROM cases WHERE handle = $1)`
	for _, query := range []string{
		`UPDATE subject_keys SET wrapped = $2 WHERE handle = $1`,
		`UPDATE cases SET sealed = $2 WHERE handle = $1`,
		`UPDATE holds SET sealed = $2 WHERE handle = $1`, // why there was one may name them
		`UPDATE actions SET sealed = $2 WHERE case_id IN ` + theirs,
	} {
		if _, err := t.do(query, h[:], []byte{}); err != nil {
			return err
		}
	}
	for _, query := range []string{
		`DELETE FROM accounts WHERE (app, person) IN (SELECT app, person FROM actions WHERE case_id IN ` + theirs + `)`,
		`DELETE FROM log_payload WHERE handle = $1`,
		`DELETE FROM links WHERE handle = $1`,
		`DELETE FROM sessions WHERE handle = $1`,
		`DELETE FROM retentions WHERE handle = $1`,
		`DELETE FROM retained WHERE pepper = $1`,
		`DELETE FROM peppers WHERE handle = $1`,
		`DELETE FROM subject_keys WHERE handle = $1`,
	} {
		if _, err := t.do(query, h[:]); err != nil {
			return err
		}
	}
	_, err = t.do(`INSERT INTO tombstones (handle, erased) VALUES ($1, $2) ON CONFLICT DO NOTHING`, h[:], micros(t.store.now()))
	return err
}

const (
	// sweepFor bounds how long one attempt waits for readers of the old state.
	sweepFor = 5 * time.Second
	sweepGap = 20 * time.Millisecond
)

// errNotGone says that old pages are still in use; whoever reads them will end.
var errNotGone = bridge.Errorf(bridge.KindBusy, "what was deleted is still in a file that somebody reads; try again")

// scrub truncates the write-ahead log and searches all files in the directory.
func (e *sqliteEngine) scrub(ctx context.Context, trace []byte) (searched int64, err error) {
	if err := errors.Join(e.truncate(ctx), sweepBackup(filepath.Dir(e.path))); err != nil {
		return 0, err
	}
	found, searched, err := search(filepath.Dir(e.path), trace, e.kept.open)
	if err == nil && found {
		err = errNotGone
	}
	return searched, err
}

// truncate brings everything from the write-ahead log into the database and
// empties it. With an open reader the pragma fails without an error: only its
// first column says so.
func (e *sqliteEngine) truncate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sweepFor)
	defer cancel()
	tick := time.NewTicker(sweepGap)
	defer tick.Stop()
	for {
		var busy, frames, moved int
		if err := e.sweeper.QueryRowContext(context.WithoutCancel(ctx), `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &moved); err != nil {
			return err
		}
		if busy == 0 && frames <= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errNotGone
		case <-tick.C:
		}
	}
}

// kept are the database's own files, opened for searching. They stay open while the
// database is: POSIX has it that closing any handle on a file gives up all locks that
// the process has on it, so SQLite would lose its own, and another process would take
// itself for the last and cut the shared memory off under our feet.
type kept struct {
	mu    sync.Mutex
	files []*os.File
	of    string // path that the names of the database's files begin with
}

// open opens a file to be searched; done is to be called afterwards.
func (k *kept) open(path string) (f *os.File, done func(), err error) {
	if !strings.HasPrefix(path, k.of) {
		f, err := os.Open(path)
		return f, func() { f.Close() }, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range k.files {
		if was, err := f.Stat(); err == nil && os.SameFile(info, was) {
			return f, func() {}, nil
		}
	}
	if f, err = os.Open(path); err == nil {
		k.files = append(k.files, f)
	}
	return f, func() {}, err
}

// close is for when nothing of the database is open any more.
func (k *kept) close() {
	for _, f := range k.files {
		f.Close()
	}
}

// search looks for what in every file under dir.
func search(dir string, what []byte, open func(string) (*os.File, func(), error)) (found bool, searched int64, err error) {
	if len(what) == 0 {
		return false, 0, nil
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !found {
			var n int64
			found, n, err = searchFile(path, what, open)
			searched += n
		}
		if errors.Is(err, fs.ErrNotExist) { // a temporary file that has gone meanwhile
			return nil
		}
		return err
	})
	return found, searched, err
}

const (
	searchPart   = 16 << 20  // bytes that one goroutine searches at a time
	searchBuffer = 128 << 10 // fits into a processor's own cache
)

func searchFile(path string, what []byte, open func(string) (*os.File, func(), error)) (found bool, searched int64, err error) {
	f, done, err := open(path)
	if err != nil {
		return false, 0, err
	}
	defer done()
	info, err := f.Stat()
	if err != nil {
		return false, 0, err
	}
	var hit atomic.Bool
	var parts errgroup.Group
	parts.SetLimit(runtime.GOMAXPROCS(0))
	for from := int64(0); from < info.Size(); from += searchPart {
		parts.Go(func() error {
			if hit.Load() {
				return nil
			}
			// What begins in this part may end in the next.
			part := io.NewSectionReader(f, from, searchPart+int64(len(what)-1))
			is, err := contains(part, what)
			if is {
				hit.Store(true)
			}
			return err
		})
	}
	err = parts.Wait()
	return hit.Load(), info.Size(), err
}

func contains(r io.Reader, what []byte) (bool, error) {
	buffer := make([]byte, searchBuffer)
	kept := 0 // from the end of what was read before: it may begin there
	for {
		n, err := io.ReadFull(r, buffer[kept:])
		if bytes.Contains(buffer[:kept+n], what) {
			return true, nil
		}
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return false, nil
		case err != nil:
			return false, err
		}
		kept = copy(buffer, buffer[len(buffer)-len(what)+1:])
	}
}

// scrub: the files are PostgreSQL's.
func (e *postgresEngine) scrub(context.Context, []byte) (int64, error) { return 0, nil }
