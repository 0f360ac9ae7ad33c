package cli

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/server"
	"github.com/exeunt/exeunt/server/anchor"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
)

// checkEvery is how often the log is read back and signed to see whether it
// still is what it was.
const checkEvery = time.Minute

// oldAnchor is the name of the file that log.checkpoint names, among the places.
const oldAnchor = "checkpoint"

// notary minds the log's checkpoints: it has them signed and brought to places
// outside, and raises the alarm when the log was refused a signature.
type notary struct {
	store   *store.Store
	keeper  *anchor.Keeper
	policy  ledger.Policy
	metrics *server.Metrics
	log     zerolog.Logger

	sound func(context.Context) // told when the log is sound again, or for the first time; may be nil

	mu    sync.Mutex // from a signature until the alarm says how it went
	alarm atomic.Pointer[error]
}

// newNotary reads what the configuration says about places; it asks nobody.
func newNotary(s *store.Store, key *ledger.Signer, c server.LogConfig, metrics *server.Metrics, log zerolog.Logger) (*notary, error) {
	n := &notary{store: s, metrics: metrics, log: log}
	unasked := store.ErrUnasked
	n.alarm.Store(&unasked)
	places := make(map[string]anchor.Place)
	if c.Checkpoint != "" {
		places[oldAnchor] = anchor.NewFile(c.Checkpoint)
	}
	var err error
	for name, a := range c.Anchors {
		if places[name], err = a.Open(time.Now); err != nil {
			return nil, failf("log.anchors.%s: %w", name, err)
		}
	}
	if n.policy, err = c.ReadPolicy(); err != nil {
		return nil, failf("log.policy: %w", err)
	}
	for _, w := range n.policy.Witnesses {
		if w.URL == "" {
			continue // for verifying only
		}
		if places["witness "+w.Name], err = anchor.NewWitness(w, c.Witnesses, s); err != nil {
			return nil, failf("log.policy: %w", err)
		}
	}
	empty, err := key.Sign(0, ledger.Empty(key.Origin()).Root)
	if err != nil {
		return nil, failf("%w", err)
	}
	n.keeper = anchor.New(anchor.Options{Store: s, Key: key.VerifierKey(), Empty: empty, Places: places,
		Doubt: n.doubt, Observer: metrics, Now: time.Now, Logger: log})
	return n, nil
}

// doubt is told what the places make of the log.
func (n *notary) doubt(ctx context.Context, err error) {
	n.store.Doubt(err)
	n.check(ctx)
}

// run minds the checkpoints until ctx ends.
func (n *notary) run(ctx context.Context) error {
	checking := time.NewTicker(checkEvery)
	defer checking.Stop()
	var keeping sync.WaitGroup
	defer keeping.Wait()
	keeping.Go(func() { n.keeper.Run(ctx) })
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-checking.C:
			n.check(ctx)
		}
	}
}

// all seals, signs and brings away what there is: at the start, after the places
// were asked, so that the log is never without a checkpoint, and at the end.
func (n *notary) all(ctx context.Context) {
	if _, err := n.store.Seal(ctx); err != nil {
		n.log.Error().Err(err).Msg("the last events could not be sealed yet")
	}
	n.check(ctx)
	n.keeper.Ask(ctx)
}

// check signs, and raises or ends the alarm.
func (n *notary) check(ctx context.Context) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	note, err := n.store.Checkpoint(ctx)
	if ctx.Err() != nil || errors.Is(err, store.ErrUnasked) {
		return note, err
	}
	before := n.alarmed(ctx)
	n.metrics.LogSound(err == nil)
	if err == nil {
		n.alarm.Store(nil)
		if before != nil && n.sound != nil {
			n.sound(ctx)
		}
	} else {
		n.alarm.Store(&err)
		n.log.Error().Err(err).Msg("the log was refused a signature; run exeunt log verify")
	}
	switch was, is := errors.Is(before, store.ErrTampered), errors.Is(err, store.ErrTampered); {
	case is && !was:
		n.note(ctx, bridge.AlarmRaised)
	case was && !is:
		n.note(ctx, bridge.AlarmCleared)
	}
	return note, err
}

// note writes the alarm into the log, although it is not signed meanwhile.
func (n *notary) note(ctx context.Context, t bridge.EventType) {
	e := bridge.NewEvent(time.Now(), t, bridge.Facts{Operator: "engine", Outcome: "tampered"})
	if err := n.store.Update(ctx, func(tx bridge.Tx) error { return tx.Append(e) }); err != nil {
		n.log.Error().Err(err).Str("event", t.String()).Msg("the alarm could not be written into the log")
	}
}

// alarmed is why the log was last refused a signature.
func (n *notary) alarmed(context.Context) error {
	if err := n.alarm.Load(); err != nil {
		return *err
	}
	return nil
}

// Sound is nil while nothing speaks against the log: only then may be done what
// cannot be undone.
func (n *notary) Sound() error { return n.alarmed(context.Background()) }

// Sign seals and signs what there is, and has it brought to all places that
// answer within seconds. nil says that it was signed.
func (n *notary) Sign(ctx context.Context) error {
	if _, err := n.store.Seal(ctx); err != nil {
		return err
	}
	if _, err := n.check(ctx); err != nil {
		return err
	}
	n.keeper.Ask(ctx)
	return n.Sound()
}

// sign is [notary.Sign], and returns that checkpoint with the witnesses'
// signatures that there are.
func (n *notary) sign(ctx context.Context) ([]byte, error) {
	if err := n.Sign(ctx); err != nil {
		return nil, err
	}
	return n.store.LastCosigned(ctx, func([]byte) bool { return true })
}

// newest returns the newest checkpoint that enough witnesses have cosigned, as
// the policy says; while there is none, the newest.
func (n *notary) newest(ctx context.Context) ([]byte, error) {
	note, err := n.store.LastCosigned(ctx, n.policy.Met)
	if err == nil && note == nil {
		note, err = n.store.LastCosigned(ctx, func([]byte) bool { return true })
	}
	if err == nil && note == nil {
		err = bridge.Errorf(bridge.KindNotFound, "the log has no checkpoint yet")
	}
	return note, err
}
