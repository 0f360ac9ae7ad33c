package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// DefaultEpoch is how long the keys of an epoch live.
const DefaultEpoch = 7 * 24 * time.Hour

// rewrapped is how many subject keys one transaction wraps anew, so that
// requests get their turn between.
const rewrapped = 500

var errAside = errors.New("store: a copy ends no key epochs")

// keepEpochs ends epochs until the store is closed.
func (s *Store) keepEpochs() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with ctx
		select {
		case <-s.background.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	tick := time.NewTicker(min(s.opts.Epoch/10+time.Millisecond, time.Minute))
	defer tick.Stop()
	for {
		if err := s.endEpoch(ctx, s.opts.Epoch); err != nil && ctx.Err() == nil {
			s.log.Error().Err(err).Msg("the key epoch could not be ended; trying again")
		}
		select {
		case <-s.background.stop:
			return
		case <-tick.C:
		}
	}
}

// EndEpoch ends the current key epoch now: subject keys are wrapped anew, and the
// old epoch's key is destroyed. No older copy of what is kept can be read any more.
// It returns the number of the epoch that has begun.
func (s *Store) EndEpoch(ctx context.Context) (int64, error) {
	if s.opts.ReadOnly {
		return 0, errReadOnlyStore
	}
	if s.opts.Aside {
		return 0, errAside
	}
	err := s.endEpoch(ctx, 0)
	number, _ := s.keys.Epoch()
	return number, err
}

// endEpoch ends the current epoch if it is older than age, and goes on with what
// was begun before. Several nodes may do it at once: whatever they wrap is good.
func (s *Store) endEpoch(ctx context.Context, age time.Duration) error {
	now := s.now()
	number, begun, err := s.keys.BeginEpoch(now, age)
	if err != nil {
		return err
	}
	if begun {
		s.log.Info().Int64("epoch", number).Msg("a new key epoch has begun")
		if err := s.noteEpoch(ctx, bridge.EpochBegun, number); err != nil {
			return err
		}
	}
	if s.keys.Oldest() == number {
		return nil
	}
	if err := s.rewrapAll(ctx, number); err != nil {
		return err
	}
	oldest := s.keys.Oldest()
	if destroyed, err := s.keys.DestroyBefore(number, s.now(), s.opts.Linger); err != nil || !destroyed {
		return err
	}
	s.log.Info().Int64("epoch", oldest).Msg("the key of an epoch was destroyed: older backups can no longer be read")
	return s.noteEpoch(ctx, bridge.EpochDestroyed, number-1)
}

func (s *Store) noteEpoch(ctx context.Context, t bridge.EventType, number int64) error {
	return s.update(ctx, func(x *tx) error {
		return x.Append(bridge.NewEvent(s.now(), t, bridge.Facts{Operator: "engine", Epoch: number}))
	})
}

// rewrapAll wraps every subject key by the key of the given epoch, or later.
func (s *Store) rewrapAll(ctx context.Context, number int64) error {
	after := []byte{}
	for {
		var last []byte
		err := s.update(ctx, func(t *tx) (err error) {
			last, err = t.rewrapSome(after, number, rewrapped)
			return err
		})
		if err != nil {
			return err
		}
		if last == nil {
			break
		}
		after = last
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	// Whoever made a key meanwhile may have used the old epoch's: nobody makes
	// one while this looks once more.
	return s.update(ctx, func(t *tx) error {
		if err := t.epochEnds(); err != nil {
			return err
		}
		for after := []byte{}; ; {
			last, err := t.rewrapSome(after, number, rewrapped)
			if err != nil || last == nil {
				return err
			}
			after = last
		}
	})
}

// rewrapSome wraps some of the keys after a handle anew that an older epoch's key
// wraps, and returns the last handle; nil if there are none.
func (t *tx) rewrapSome(after []byte, number int64, limit int) (last []byte, err error) {
	type row struct {
		handle  bridge.Handle
		wrapped []byte
	}
	var list []row
	older := binary.BigEndian.AppendUint64(nil, uint64(number)) // wrapped keys begin with the number
	if err := t.each(`SELECT handle, wrapped FROM subject_keys WHERE handle > $1 AND wrapped < $2 ORDER BY handle LIMIT $3`+t.forUpdate(),
		[]any{after, older, limit}, func(s scanner) error {
			var r row
			var h []byte
			err := s.Scan(&h, &r.wrapped)
			copy(r.handle[:], h)
			r.wrapped = bytes.Clone(r.wrapped)
			list = append(list, r)
			return err
		}); err != nil {
		return nil, err
	}
	for _, r := range list {
		anew, err := t.store.keys.Rewrap(r.handle, r.wrapped)
		if err != nil {
			return nil, t.failed(err)
		}
		if _, err := t.do(`UPDATE subject_keys SET wrapped = $2 WHERE handle = $1`, r.handle[:], []byte(anew)); err != nil {
			return nil, err
		}
		last = r.handle[:]
	}
	return last, nil
}

// epochStays keeps the epoch from ending until the transaction does, and sees to
// it that this node knows the current one. With one process both are so.
func (t *tx) epochStays() error {
	if t.name != postgresDialect.name {
		return nil
	}
	if _, err := t.do(`SELECT pg_advisory_xact_lock_shared($1, 0)`, lockEpoch); err != nil {
		return err
	}
	var current []byte // the installation's key is the first that is wrapped anew
	err := t.get("key", `SELECT wrapped FROM subject_keys WHERE handle = $1`, []any{everybody[:]}, &current)
	if bridge.IsKind(err, bridge.KindNotFound) {
		return nil // it is being made
	}
	if err != nil {
		return err
	}
	_, err = t.store.keys.Subject(everybody, current) // reads the file again if need be
	return err
}

// epochEnds waits for whoever makes a key, and keeps others from it.
func (t *tx) epochEnds() error {
	if t.name != postgresDialect.name {
		return nil
	}
	_, err := t.do(`SELECT pg_advisory_xact_lock($1, 0)`, lockEpoch)
	return err
}
