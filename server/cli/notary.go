package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

// How often the newest checkpoint is looked for, and how often the log is read
// back and signed to see whether it still is what it was.
const (
	copyEvery  = 5 * time.Second
	checkEvery = time.Minute
)

// notary minds the log's checkpoints: it writes each new one to a place of the
// operator's choice, and remembers why the log was refused a signature.
type notary struct {
	store *store.Store
	copy  string // file to write to; "" for none
	log   zerolog.Logger

	written []byte // what copy holds; belongs to all, then run, then all
	alarm   atomic.Pointer[error]
}

// run minds the checkpoints until ctx ends.
func (n *notary) run(ctx context.Context) error {
	copying, checking := time.NewTicker(copyEvery), time.NewTicker(checkEvery)
	defer copying.Stop()
	defer checking.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-checking.C:
			n.check(ctx)
		case <-copying.C:
			if note, err := n.store.LastCheckpoint(ctx); err == nil && n.alarm.Load() == nil {
				n.keep(note)
			}
		}
	}
}

// all seals, signs and copies what there is: at the start, so that the log is
// never without a checkpoint, and at the end.
func (n *notary) all(ctx context.Context) {
	if _, err := n.store.Seal(ctx); err != nil {
		n.log.Error().Err(err).Msg("the last events could not be sealed yet")
	}
	n.check(ctx)
}

func (n *notary) check(ctx context.Context) {
	note, err := n.store.Checkpoint(ctx)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		n.alarm.Store(&err)
		n.log.Error().Err(err).Msg("the log was refused a signature; run exeunt log verify")
		return
	}
	n.alarm.Store(nil)
	n.keep(note)
}

// keep writes a checkpoint that is new to its file: whole or not at all.
func (n *notary) keep(note []byte) {
	if n.copy == "" || len(note) == 0 || bytes.Equal(note, n.written) {
		return
	}
	if err := replaceFile(n.copy, note, 0o644); err != nil { // public: everybody may verify
		n.log.Error().Err(err).Msg("the checkpoint could not be written to log.checkpoint")
		return
	}
	n.written = bytes.Clone(note)
}

// alarmed is why the log was last refused a signature.
func (n *notary) alarmed(context.Context) error {
	if err := n.alarm.Load(); err != nil {
		return *err
	}
	return nil
}

// newest returns the newest checkpoint.
func (n *notary) newest(ctx context.Context) ([]byte, error) {
	note, err := n.store.LastCheckpoint(ctx)
	if err == nil && len(note) == 0 {
		err = bridge.Errorf(bridge.KindNotFound, "the log has no checkpoint yet")
	}
	return note, err
}

// sign seals and signs what there is now, and returns the checkpoint.
func (n *notary) sign(ctx context.Context) ([]byte, error) {
	if _, err := n.store.Seal(ctx); err != nil {
		return nil, err
	}
	return n.store.Checkpoint(ctx) // run copies it
}

// replaceFile makes a file hold content, durably, or leaves it as it is.
func replaceFile(path string, content []byte, mode os.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(content); err != nil {
		return err
	}
	if err = f.Chmod(mode); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
