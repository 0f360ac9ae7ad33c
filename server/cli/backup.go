package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/server"
	"github.com/exeunt/exeunt/server/anchor"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
)

func backupCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "backup",
		Short: "Write the database to one file that can be read until its key epoch ends",
		Long: `Copies the database as it is, beside a running exeunt, into one file that is encrypted to
the current key epoch and holds the newest checkpoint. When that epoch ends (keys.epoch) the
file can no longer be read, by anybody: so whoever was erased is erased from backups too.
Make backups more often than epochs end. The file has neither the key file nor log.key:
keep copies of those elsewhere.`,
		Example: `  exeunt backup -o /backup/exeunt-$(date +%F)`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := configOf(c)
			if err != nil {
				return err
			}
			s, err := readStore(c)
			if err != nil {
				return err
			}
			var made store.Backup
			err = writeFile(out, func(w io.Writer) (err error) {
				made, err = s.Backup(c.Context(), w)
				return err
			})
			if err = errors.Join(err, s.Close()); err != nil {
				return failf("there is no backup: %w", err)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s holds %s of the log, and can be read until key epoch %d ends, about %s\n",
				out, count(int(made.Size), "event"), made.Epoch, stamp(endOf(s, config)))
			if err := noteBackup(c, config, made); err != nil {
				return failf("the backup is good, but the log could not be told of it: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "`file` to write")
	c.MarkFlagRequired("output")
	c.Flags().String("url", "", "where exeunt listens, if not as configured: http://host:port")
	return c
}

func endOf(s *store.Store, config server.Config) time.Time {
	keys, err := s.Keys()
	if err != nil {
		return time.Time{}
	}
	_, begun := keys.Epoch()
	return begun.Add(config.Keys.Epoch)
}

// noteBackup has the log tell that a backup was made.
func noteBackup(c *cobra.Command, config server.Config, made store.Backup) error {
	return change(c, config, func(api *client) error {
		return api.call(c.Context(), "POST", "/v1/backups", server.MadeBackup{Epoch: made.Epoch, Size: made.Size, Bytes: made.Bytes}, nil)
	}, func(s *store.Store) error {
		return s.Update(c.Context(), func(tx bridge.Tx) error {
			return tx.Append(server.BackupMade(time.Now(), "", server.MadeBackup{Epoch: made.Epoch, Size: made.Size, Bytes: made.Bytes}))
		})
	})
}

func restoreCommand() *cobra.Command {
	var held, leaves string
	var newOrigin bool
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup into an empty data directory, and forget again whoever was erased since",
		Long: `Puts a backup in place, while exeunt does not run. The data directory must have no database;
log.key and log.key.pub must be in it, and the key file in its place: put back your copies.

Whoever was erased since the backup is forgotten again before anything else happens. Going
back is going back: if a checkpoint is known that has more events than the backup (in
log.checkpoint, in a file or folder of log.anchors, or named here), the log would be shorter
than what was signed; and if none is known, nobody can say. Nothing is restored then, unless
  --leaves       an export of the log (exeunt log export) has what is missing, or
  --new-origin   the old log ends, and a new one begins that says what was lost.
Actions that were under way at the backup are taken up again; the apps are asked as if
nothing had happened, which is safe to repeat. Have sources send everybody again.`,
		Example: `  exeunt restore /backup/exeunt-2026-11-28
  exeunt restore /backup/exeunt-2026-11-28 --leaves log.export
  exeunt restore /backup/exeunt-2026-11-28 --new-origin --checkpoint /mnt/auditor/checkpoint`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			config, err := configOf(c)
			if err != nil {
				return err
			}
			if config.Database != "" {
				return misusef("a PostgreSQL database is restored by pg_restore; exeunt forgets again at its next start whoever was erased")
			}
			r := &restoration{Command: c, config: config, leaves: leaves, newOrigin: newOrigin, held: held}
			return r.run(args[0])
		},
	}
	c.Flags().StringVar(&held, "checkpoint", "", "`file` with a checkpoint of the log that was kept elsewhere")
	c.Flags().StringVar(&leaves, "leaves", "", "`file` with an export of the log, to take from it what is missing")
	c.Flags().BoolVar(&newOrigin, "new-origin", false, "if events are lost for good: end this log, and begin a new one that says so")
	return c
}

// restoration is one run of restore.
type restoration struct {
	*cobra.Command
	config    server.Config
	leaves    string
	newOrigin bool

	keys   []*ledger.Signer    // log.key, and those of logs that have ended
	key    *ledger.Signer      // which of them has signed the backup's log
	held   string              // a file with a checkpoint, or ""
	kept   []ledger.Checkpoint // all that are known
	newest *ledger.Checkpoint  // that is known of the log; nil for none
	known  bool                // it is as new as the backup's own at least, so the log may go on from it
	added  int                 // events from the export
	begun  *ledger.Signer      // the key of the log that has begun; nil if the old one goes on
	lost   int64               // events of the old one
}

func (r *restoration) run(file string) error {
	path := filepath.Join(r.config.Data, keyFile)
	var err error
	if r.keys, err = logKeys(path); err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return misusef("the backup cannot be read: %w", err)
	}
	defer f.Close()
	made, err := store.Restore(r.Context(), f, storeOptions(r.config, zerolog.Nop()), r.judge, r.settle)
	if err != nil {
		return failf("nothing was restored: %w", err)
	}
	out := r.OutOrStdout()
	fmt.Fprintf(out, "restored the state of %s, with %s\n", stamp(made.Made), count(int(made.Size), "event"))
	if r.leaves != "" {
		fmt.Fprintf(out, "%s taken from %s\n", count(r.added, "event"), r.leaves)
	}
	if r.begun != nil {
		sayBegun(out, r.newest.Origin, r.begun, r.lost, path)
	}
	return nil
}

// logKeys reads log.key, and the keys beside it of logs that have ended: a restore
// that was cut short may have put one aside.
func logKeys(path string) (keys []*ledger.Signer, err error) {
	ended, err := filepath.Glob(path + ".*.pub")
	if err != nil {
		return nil, failf("%w", err)
	}
	for _, p := range append([]string{path + ".pub"}, ended...) {
		public, failed := os.ReadFile(p)
		if failed != nil {
			err = cmp.Or(err, fmt.Errorf("%s is missing", p))
			continue
		}
		origin, _, _ := bytes.Cut(public, []byte("+"))
		key, failed := ledger.LoadKey(strings.TrimSuffix(p, ".pub"), string(origin))
		if failed != nil {
			err = cmp.Or(err, failed)
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, misusef("%w: put back your copies of log.key and log.key.pub first", err)
	}
	return keys, nil
}

// findNewest looks for the newest checkpoint in all places that can be read.
func (r *restoration) findNewest() error {
	take := func(note []byte) error {
		c, err := ledger.Open(note, r.key.VerifierKey())
		if err == nil {
			r.kept = append(r.kept, c)
		}
		if err == nil && (r.newest == nil || c.Size > r.newest.Size) {
			r.newest = &c
		}
		return err
	}
	if r.held != "" {
		note, err := os.ReadFile(r.held)
		if err != nil {
			return misusef("the checkpoint cannot be read: %w", err)
		}
		if err := take(note); err != nil {
			return misusef("the checkpoint is none of this log: %w", err)
		}
	}
	places := map[string]anchor.Place{}
	if r.config.Log.Checkpoint != "" {
		places[oldAnchor] = anchor.NewFile(r.config.Log.Checkpoint)
	}
	for name, a := range r.config.Log.Anchors {
		if place, err := a.Open(time.Now); err == nil {
			places[name] = place
		}
	}
	for name, place := range places {
		holder, can := place.(interface {
			Held(ctx context.Context, origin string) ([]byte, error)
		})
		if !can {
			continue
		}
		note, err := holder.Held(r.Context(), r.key.Origin())
		if err == nil && note != nil {
			err = take(note)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(r.ErrOrStderr(), "exeunt: what %s holds could not be read, and was not compared\n", name)
		}
	}
	return nil
}

// judge looks at a database before it is put in its place.
func (r *restoration) judge(made store.Backup, s *store.Store) error {
	own, err := r.signedBy(made)
	if err != nil {
		return err
	}
	if err := r.findNewest(); err != nil {
		return err
	}
	opts := store.VerifyOptions{VerifierKey: r.key.VerifierKey()}
	report, err := s.VerifyLog(r.Context(), opts)
	if err != nil {
		return fmt.Errorf("the log in the backup does not verify: %w", err)
	}
	for _, c := range r.kept { // an older one may be of another history than a newer
		if c.Size > report.Size {
			continue
		}
		note, err := r.key.Sign(c.Size, c.Root) // once more
		if err == nil {
			err = s.GoesOn(r.Context(), r.key, note)
		}
		if err != nil {
			return fmt.Errorf("the log in the backup is not the one that was signed: %w", err)
		}
	}
	r.known = r.newest != nil && r.newest.Size >= own.Size
	if !r.known {
		r.newest = &own // what was signed after it, nobody knows
	}
	switch {
	case r.newOrigin || r.leaves != "" && !r.ended():
		return nil
	case r.ended():
		return errors.New("the log in the backup has ended, and log.key is not its key: give --new-origin to end it here too")
	case !r.known:
		return errors.New("whether the log went on after the backup is not known here, and nothing may be signed twice: " +
			"name its newest checkpoint with --checkpoint, or give --leaves or --new-origin; see exeunt restore --help")
	case r.newest.Size > report.Size:
		return fmt.Errorf("the log had %d events once, and the backup has %d: give --leaves with an export, or --new-origin; see exeunt restore --help",
			r.newest.Size, report.Size)
	}
	return nil
}

// signedBy finds the key of the log in a backup, and its newest checkpoint there.
func (r *restoration) signedBy(made store.Backup) (own ledger.Checkpoint, err error) {
	for _, r.key = range r.keys { // log.key comes first
		own = ledger.Empty(r.key.Origin())
		if made.Checkpoint == "" {
			return own, nil
		}
		if own, err = ledger.Open([]byte(made.Checkpoint), r.key.VerifierKey()); err == nil {
			return own, nil
		}
	}
	return own, errors.New("the checkpoint in the backup is not signed by log.key")
}

// settle brings the log in a copy to where it was, or ends it, before the copy is put
// in its place.
func (r *restoration) settle(made store.Backup, opts store.Options) error {
	if r.leaves != "" {
		if err := r.refill(opts); err != nil {
			return fmt.Errorf("the log could not be refilled: %w", err)
		}
	} else if r.newOrigin && (r.ended() || !r.known || r.newest.Size > made.Size) {
		if err := r.beginAside(opts); err != nil {
			return err
		}
	}
	opts.LogKey = r.key
	s, err := store.Open(r.Context(), opts)
	if err != nil {
		return err
	}
	if r.begun == nil {
		// Places that hold it do not contradict the log then, and nothing is signed
		// before they were asked.
		if err := s.Remember(r.Context(), r.newestNote()); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return errors.Join(s.Update(r.Context(), func(tx bridge.Tx) error {
		return tx.Append(bridge.NewEvent(time.Now(), bridge.BackupRestored, bridge.Facts{Operator: "operator", Epoch: made.Epoch, Size: made.Size}))
	}), s.Close())
}

// ended reports whether the backup's log is not the one that log.key signs.
func (r *restoration) ended() bool {
	_, err := ledger.LoadKey(filepath.Join(r.config.Data, keyFile), r.key.Origin())
	return err != nil
}

// beginAside begins a new log in a copy, and then gives it its key: if that is cut
// short, the next attempt begins another.
func (r *restoration) beginAside(opts store.Options) (err error) {
	fresh := filepath.Join(opts.Dir, keyFile)
	if r.begun, err = logKey(fresh); err != nil {
		return err
	}
	opts.LogKey = r.begun
	if r.lost, err = store.BeginOrigin(r.Context(), opts, *r.newest); err != nil {
		return err
	}
	path := filepath.Join(r.config.Data, keyFile)
	for _, key := range r.keys {
		if _, err := ledger.LoadKey(path, key.Origin()); err != nil {
			continue
		}
		if err := putAside(path, key); err != nil {
			return err
		}
	}
	return errors.Join(os.Rename(fresh, path), os.Rename(fresh+".pub", path+".pub"))
}

// putAside gives the key of a log that has ended its log's name. Cut short at any
// moment, it leaves the key in one place at least.
func putAside(path string, key *ledger.Signer) error {
	aside := path + "." + filepath.Base(key.Origin())
	private, err := os.ReadFile(path)
	if err == nil {
		err = replaceFile(aside, private, 0o600)
	}
	if err == nil {
		err = replaceFile(aside+".pub", []byte(key.VerifierKey()+"\n"), 0o644)
	}
	if err == nil {
		err = errors.Join(os.RemoveAll(path+".pub"), os.Remove(path))
	}
	if err != nil {
		return fmt.Errorf("the old log's key cannot be put aside: %w", err)
	}
	return nil
}

func (r *restoration) refill(opts store.Options) error {
	f, err := os.Open(r.leaves)
	if err != nil {
		return err
	}
	defer f.Close()
	s, err := store.Open(r.Context(), opts)
	if err != nil {
		return err
	}
	defer s.Close()
	var last ledger.Checkpoint
	if r.added, last, err = s.Refill(r.Context(), f, r.key.VerifierKey()); err != nil {
		return err
	}
	if last.Size > r.newest.Size {
		r.newest = &last
	}
	if report, err := s.VerifyLog(r.Context(), store.VerifyOptions{VerifierKey: r.key.VerifierKey(), Held: r.newestNote()}); err != nil {
		return fmt.Errorf("%w (%+v)", err, report)
	}
	return nil
}

// newestNote is the newest checkpoint, signed; our own key signs it once more.
func (r *restoration) newestNote() []byte {
	note, _ := r.key.Sign(r.newest.Size, r.newest.Root)
	return note
}

func logContinueCommand() *cobra.Command {
	var held string
	c := &cobra.Command{
		Use:   "continue --after CHECKPOINT",
		Short: "End a log that was set back, and begin a new one that says what was lost",
		Long: `For when a log was set back, and what is missing cannot be had: exeunt signs nothing that
contradicts what it has signed. The old log's name and key are put aside; a new log begins,
with a new key and all events that are left, and its first event names the old one's last
checkpoint. Give its new log.key.pub to whoever verifies. exeunt must not run.`,
		Example: `  exeunt log continue --after /mnt/auditor/checkpoint`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := configOf(c)
			if err != nil {
				return err
			}
			note, err := os.ReadFile(held)
			if err != nil {
				return misusef("the checkpoint cannot be read: %w", err)
			}
			for _, public := range oldKeys(config) {
				if last, err := ledger.Open(note, public); err == nil {
					return beginOrigin(c, config, last)
				}
			}
			return misusef("the checkpoint is none of this log")
		},
	}
	c.Flags().StringVar(&held, "after", "", "`file` with the old log's newest checkpoint")
	c.MarkFlagRequired("after")
	return c
}

// oldKeys are the public keys in the data directory.
func oldKeys(config server.Config) (keys []string) {
	files, _ := filepath.Glob(filepath.Join(config.Data, keyFile+"*.pub"))
	for _, f := range files {
		if raw, err := os.ReadFile(f); err == nil {
			keys = append(keys, string(bytes.TrimSpace(raw)))
		}
	}
	return keys
}

// beginOrigin puts the old log's key aside, and begins a new log. It may be repeated.
func beginOrigin(c *cobra.Command, config server.Config, old ledger.Checkpoint) error {
	path := filepath.Join(config.Data, keyFile)
	if key, err := ledger.LoadKey(path, old.Origin); err == nil {
		if err := putAside(path, key); err != nil {
			return failf("%w", err)
		}
	}
	key, err := logKey(path)
	if err != nil {
		return failf("%w", err)
	}
	opts := storeOptions(config, zerolog.Nop())
	opts.LogKey = key
	lost, err := store.BeginOrigin(context.WithoutCancel(c.Context()), opts, old)
	if err != nil {
		return failf("the new log could not be begun: %w; try exeunt log continue", err)
	}
	sayBegun(c.OutOrStdout(), old.Origin, key, lost, path)
	return nil
}

func sayBegun(w io.Writer, old string, key *ledger.Signer, lost int64, path string) {
	fmt.Fprintf(w, "%s ended, and %s of it are known to be lost; the log is called %s now\nGive %s.pub to whoever verifies, and take the old checkpoints away from where they are kept\n",
		old, count(int(lost), "event"), key.Origin(), path)
}
