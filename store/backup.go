package store

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"filippo.io/age"
	"github.com/mattn/go-sqlite3"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/vault"
)

// Backup is what a backup says of itself. The file is an age file (age-encryption.org/v1)
// whose one recipient is the key epoch in which it was made, so it can be read until
// that ends. In it stand the length of this as JSON (u32, big-endian), this, and the
// database.
type Backup struct {
	Version    string    `json:"version"` // backupVersion
	Made       time.Time `json:"made"`
	Epoch      int64     `json:"epoch"`      // of the keys
	Size       int64     `json:"size"`       // events in the log's tree
	Checkpoint string    `json:"checkpoint"` // the newest signed one; "" if there is none
	Bytes      int64     `json:"bytes"`      // of the database
}

const backupVersion = "exeunt.backup/v1"

// maxManifest bounds what a backup says of itself.
const maxManifest = 256 << 10

// errNoBackup: PostgreSQL has tools that know more about it than we do.
var errNoBackup = bridge.Errorf(bridge.KindInvalid, "a PostgreSQL database is backed up by pg_dump, or your provider's snapshots; "+
	"what is kept of people is sealed in those too")

// The snapshot that a backup is made from stands in the data directory, where
// [Store.Shred] searches too and waits for it.
const (
	snapshotDir  = "backup.tmp"
	snapshotLock = "backup.lock"
)

// Backup writes a backup. Others write on meanwhile: it has what was committed when
// it began. The error is KindBusy if a key epoch ended meanwhile: what was written
// is then worth nothing.
func (s *Store) Backup(ctx context.Context, w io.Writer) (b Backup, err error) {
	e, ok := s.engine.(*sqliteEngine)
	switch {
	case !ok:
		return b, errNoBackup
	case s.keys == nil:
		return b, s.keysErr
	}
	held, err := lock(filepath.Join(s.opts.Dir, snapshotLock), s.opts.Dir+" for a backup")
	if err != nil {
		return b, err
	}
	defer held.Close()
	tmp := filepath.Join(s.opts.Dir, snapshotDir)
	if err := errors.Join(os.RemoveAll(tmp), os.Mkdir(tmp, 0o700)); err != nil {
		return b, err
	}
	defer os.RemoveAll(tmp)
	if err := s.keys.Reload(); err != nil {
		return b, err
	}
	oldest := s.keys.Oldest()
	snapshot := filepath.Join(tmp, databaseFile)
	if err := e.copyTo(ctx, snapshot); err != nil {
		return b, err
	}
	b = Backup{Version: backupVersion, Made: s.now()}
	if err := s.describe(ctx, &b, tmp); err != nil {
		return b, err
	}
	f, err := os.Open(snapshot)
	if err != nil {
		return b, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return b, err
	}
	b.Bytes = info.Size()
	b.Epoch, _ = s.keys.Epoch()
	if err := errors.Join(seal(w, s.keys, b, f), s.keys.Reload()); err != nil {
		return b, err
	}
	if s.keys.Oldest() != oldest {
		return b, bridge.Errorf(bridge.KindBusy, "a key epoch ended while the backup was made; make it again")
	}
	return b, nil
}

// sweepBackup removes the snapshot of a backup that was cut short: it may have
// people in it who are erased now. One that is being made stays.
func sweepBackup(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, snapshotDir)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	held, err := lock(filepath.Join(dir, snapshotLock), dir)
	if err != nil {
		return nil
	}
	defer held.Close()
	return os.RemoveAll(filepath.Join(dir, snapshotDir))
}

func seal(w io.Writer, keys *vault.Keyring, b Backup, database io.Reader) error {
	out, err := age.Encrypt(w, epochKey{keys})
	if err != nil {
		return err
	}
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	if _, err := out.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)); err != nil {
		return err
	}
	if _, err := io.Copy(out, database); err != nil {
		return err
	}
	return out.Close()
}

// describe reads size and checkpoint out of a snapshot.
func (s *Store) describe(ctx context.Context, b *Backup, dir string) error {
	copied, err := Open(ctx, Options{Dir: dir, ReadOnly: true, KeyFile: s.opts.keyFile(), Logger: s.log})
	if err != nil {
		return err
	}
	defer copied.Close()
	return copied.engine.view(ctx, copied, func(t *tx) (err error) {
		if b.Size, err = t.logSize(); err != nil {
			return err
		}
		_, note, err := t.lastCheckpoint()
		b.Checkpoint = string(note)
		return err
	})
}

// copyTo copies the database as it is on one snapshot, page by page (SQLite's
// online backup), into a new file.
func (e *sqliteEngine) copyTo(ctx context.Context, path string) error {
	to, err := (&sqlite3.SQLiteDriver{}).Open("file:" + path + "?_secure_delete=on")
	if err != nil {
		return err
	}
	defer to.Close()
	from, err := e.reader.Conn(ctx)
	if err != nil {
		return err
	}
	defer from.Close()
	return from.Raw(func(c any) error {
		backup, err := to.(*sqlite3.SQLiteConn).Backup("main", c.(*sqlite3.SQLiteConn), "main")
		if err != nil {
			return err
		}
		_, err = backup.Step(-1) // all at once: under one read transaction
		return errors.Join(err, backup.Finish())
	})
}

// epochKey is a recipient and identity of age: the key of the epoch that is
// named in the stanza wraps the file's key.
type epochKey struct{ keys *vault.Keyring }

const (
	epochStanza  = "exeunt-epoch"
	backupSealed = "backup\x00"
)

func (k epochKey) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	epoch, sealed := k.keys.SealNow(backupSealed, fileKey)
	return []*age.Stanza{{Type: epochStanza, Args: []string{strconv.FormatInt(epoch, 10)}, Body: sealed}}, nil
}

func (k epochKey) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) != 1 || stanzas[0].Type != epochStanza || len(stanzas[0].Args) != 1 {
		return nil, errors.New("it was not made by exeunt")
	}
	epoch, err := strconv.ParseInt(stanzas[0].Args[0], 10, 64)
	if err != nil || epoch <= 0 {
		return nil, errors.New("it names no key epoch")
	}
	key, err := k.keys.OpenOf(epoch, backupSealed, stanzas[0].Body)
	switch {
	case errors.Is(err, vault.ErrDestroyed):
		return nil, fmt.Errorf("the key of its epoch %d was destroyed: that is how erased people stay erased", epoch)
	case err != nil:
		return nil, errors.New("the key file is not the one it was made with, or an older copy of it")
	}
	return key, nil
}

// unseal opens a backup; the database follows in rest.
func unseal(r io.Reader, keys *vault.Keyring) (b Backup, rest io.Reader, err error) {
	if rest, err = age.Decrypt(r, epochKey{keys}); err != nil {
		return b, nil, fmt.Errorf("the backup cannot be read: %w", err)
	}
	var length [4]byte
	if _, err := io.ReadFull(rest, length[:]); err != nil {
		return b, nil, errors.New("the backup is cut off")
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxManifest {
		return b, nil, errors.New("the backup does not say what it is")
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(rest, text); err != nil {
		return b, nil, errors.New("the backup is cut off")
	}
	if json.Unmarshal(text, &b) != nil || b.Version != backupVersion {
		return b, nil, errors.New("the backup is of another version of exeunt")
	}
	return b, rest, nil
}

// restoring is how the folder begins in which a database is while it is restored.
const restoring = ".restore-"

// Restore puts a backup into an empty directory: whole, or not at all. Before that
// judge looks at it, opened for reading, and settle does what else is to be done,
// with the options by which the copy is opened that will be put in place. The error
// of either ends it. Last, everybody is forgotten again of whom the key file or the
// log says that they were erased.
func Restore(ctx context.Context, r io.Reader, opts Options, judge func(Backup, *Store) error, settle func(Backup, Options) error) (b Backup, err error) {
	if opts.Dir == "" {
		return b, errNoBackup
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return b, err
	}
	guard, err := lock(filepath.Join(opts.Dir, lockFile), opts.Dir)
	if err != nil {
		return b, err
	}
	defer guard.Close()
	if err := sweepRestores(opts.Dir); err != nil {
		return b, err
	}
	path := filepath.Join(opts.Dir, databaseFile)
	if _, err := os.Stat(path); err == nil {
		return b, fmt.Errorf("there is a database in %s already; move it away first, and keep it", opts.Dir)
	}
	keys, err := vault.Open(ctx, opts.keyFile(), opts.Keeper)
	if err != nil {
		return b, fmt.Errorf("the key file cannot be read: %w", err)
	}
	b, database, err := unseal(r, keys)
	if err != nil {
		return b, err
	}
	tmp, err := os.MkdirTemp(opts.Dir, restoring+"*")
	if err != nil {
		return b, err
	}
	defer os.RemoveAll(tmp)
	fresh := filepath.Join(tmp, databaseFile)
	if err := writeDatabase(fresh, database, b.Bytes); err != nil {
		return b, err
	}
	if err := judged(ctx, opts, tmp, b, judge); err != nil {
		return b, err
	}
	aside := opts
	aside.KeyFile, aside.Dir, aside.Aside, aside.Doubt = opts.keyFile(), tmp, true, ErrUnasked
	if err := settle(b, aside); err != nil {
		return b, err
	}
	if err := eraseAgain(ctx, aside); err != nil {
		return b, fmt.Errorf("whoever was erased could not be forgotten again: %w", err)
	}
	if info, err := os.Stat(fresh + "-wal"); err == nil && info.Size() > 0 {
		return b, errors.New("the database could not be closed")
	}
	for _, end := range []string{"-wal", "-shm"} { // of an earlier life
		if err := os.RemoveAll(path + end); err != nil {
			return b, err
		}
	}
	if err := os.Rename(fresh, path); err != nil {
		return b, err
	}
	dir, err := os.Open(opts.Dir)
	if err != nil {
		return b, err
	}
	return b, errors.Join(dir.Sync(), dir.Close())
}

func writeDatabase(path string, from io.Reader, want int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, from) // age has checked each part before it is here
	if err == nil && n != want {
		err = errors.New("the backup is cut off")
	}
	return errors.Join(err, f.Sync(), f.Close())
}

func judged(ctx context.Context, opts Options, dir string, b Backup, judge func(Backup, *Store) error) error {
	opts.KeyFile, opts.Dir, opts.ReadOnly = opts.keyFile(), dir, true
	if err := quickCheck(ctx, filepath.Join(dir, databaseFile)); err != nil {
		return err
	}
	s, err := Open(ctx, opts)
	if err != nil {
		return err
	}
	defer s.Close()
	return judge(b, s)
}

// quickCheck has SQLite look whether a database is in order.
func quickCheck(ctx context.Context, path string) error {
	e := &sqliteEngine{path: path}
	db := e.connect(1, "ro", "_query_only=on", nil)
	defer db.Close()
	var found string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return fmt.Errorf("the database in the backup is damaged: %s", found)
	}
	return nil
}

// eraseAgain opens a copy, and forgets whoever was erased.
func eraseAgain(ctx context.Context, opts Options) error {
	s, err := Open(ctx, opts) // for those in the key file
	if err != nil {
		return err
	}
	return errors.Join(s.forgetLogged(ctx), s.Close())
}

// sweepLeft removes what backups and restores that were cut short have left. If it
// was a restore that left nothing else, it must be run again: an empty database in
// its place would begin the log once more.
func sweepLeft(dir string) error {
	_, err := os.Stat(filepath.Join(dir, databaseFile))
	left, _ := filepath.Glob(filepath.Join(dir, restoring+"*"))
	if errors.Is(err, fs.ErrNotExist) && len(left) > 0 {
		return fmt.Errorf("a restore was cut short; run it again, or remove %s", left[0])
	}
	return errors.Join(sweepRestores(dir), sweepBackup(dir))
}

// sweepRestores removes what a restore that was cut short has left: it may have
// people in it who were erased since.
func sweepRestores(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, restoring+"*"))
	for _, path := range left {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}
