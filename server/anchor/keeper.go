package anchor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
)

const (
	lookEvery = 5 * time.Second  // for a new checkpoint
	retryMin  = 5 * time.Second  // after a failure, doubled each time
	retryMax  = 10 * time.Minute // the longest pause
	lateAfter = time.Hour        // then a place that lacks a checkpoint is a warning
	askFor    = 5 * time.Second  // all places, in Ask
)

// Store is what a keeper needs of the store; *store.Store has it.
type Store interface {
	Log
	LastCheckpoint(ctx context.Context) ([]byte, error)
	Anchors(ctx context.Context) (map[string]store.Anchor, error)
	Anchored(ctx context.Context, place string, size int64, note []byte) error
}

// Observer is told what becomes of checkpoints.
type Observer interface {
	// Anchored is told of each attempt: "kept", "failed" or "contradicted".
	Anchored(place, outcome string)
	// Behind is told for how long a place lacks a checkpoint; 0: it has the newest.
	Behind(place string, d time.Duration)
}

// Options is what a [Keeper] needs; all but Empty is required.
type Options struct {
	Store  Store
	Key    string           // the log's verifier key
	Empty  []byte           // signed checkpoint of the empty log: asked with when there is no other
	Places map[string]Place // by name
	// Doubt is told whenever it changes that places contradict the log: why, or nil.
	Doubt    func(context.Context, error)
	Observer Observer
	Now      func() time.Time
	Logger   zerolog.Logger
}

// Keeper brings checkpoints to places. It is safe for concurrent use.
type Keeper struct {
	Options
	deliveries []*delivery // by name

	mu    sync.Mutex
	doubt string // what Doubt was told last; "": nothing yet
}

// delivery is how things stand with one place.
type delivery struct {
	name  string
	place Place

	mu       sync.Mutex // held while the place is asked
	asked    bool       // in this process, so that the place has seen what we have
	kept     int64      // size that it has
	failures int
	next     time.Time // not before, after a failure

	behind  atomic.Int64 // since when it lacks a checkpoint, in microseconds; 0: it does not
	dispute atomic.Pointer[Contradiction]
}

// since is for how long a place lacks a checkpoint.
func (d *delivery) since(now time.Time) time.Duration {
	behind := d.behind.Load()
	if behind == 0 {
		return 0
	}
	return max(0, now.Sub(time.UnixMicro(behind)))
}

// New returns a keeper that does nothing yet.
func New(o Options) *Keeper {
	k := &Keeper{Options: o}
	for _, name := range slices.Sorted(maps.Keys(o.Places)) {
		k.deliveries = append(k.deliveries, &delivery{name: name, place: o.Places[name]})
	}
	return k
}

// Ask compares the log with what the places hold, and brings them what they lack:
// all at once, and for five seconds at most. It comes before the first signature,
// and after one that was asked for. Whoever does not answer, or failed a short
// while ago, is asked later.
func (k *Keeper) Ask(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	var wg sync.WaitGroup
	for _, d := range k.deliveries {
		wg.Go(func() { k.deliver(limited, d) })
	}
	wg.Wait()
	k.judge(ctx)
}

// Run brings new checkpoints to the places until ctx ends. A place that is slow
// or down holds up nobody else.
func (k *Keeper) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, d := range k.deliveries {
		wg.Go(func() {
			tick := time.NewTicker(lookEvery)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					k.deliver(ctx, d)
					k.judge(ctx)
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// deliver brings the newest checkpoint to a place that lacks it, or was not asked
// by this process yet; unless it failed a short while ago.
func (k *Keeper) deliver(ctx context.Context, d *delivery) {
	if !d.mu.TryLock() {
		return // it is being asked right now
	}
	defer d.mu.Unlock()
	if k.Now().Before(d.next) {
		return
	}
	note, err := k.Store.LastCheckpoint(ctx)
	if err != nil {
		return // the store says so itself
	}
	first := note == nil
	if first {
		note = k.Empty
	}
	c, err := checkpoint(note)
	if err != nil {
		return // for the signer to find
	}
	kept, err := k.Store.Anchors(ctx)
	if err != nil {
		return
	}
	if a := kept[d.name]; d.asked && a.Size >= c.Size { // another node was there
		d.kept = a.Size
	}
	disputed := d.dispute.Load() != nil
	if d.asked && d.kept >= c.Size && !disputed {
		d.behind.Store(0)
		return
	}
	if !d.asked || disputed {
		err = k.held(ctx, d, c)
	}
	if _, answers := d.place.(*witness); err == nil && first && !answers {
		return // there is nothing to keep yet
	}
	if err == nil {
		err = d.place.Put(ctx, c)
	}
	var x *Contradiction
	if errors.As(err, &x) && x.size > c.Size {
		// Another node may have signed and brought that meanwhile.
		if newest, failed := k.Store.LastCheckpoint(ctx); failed == nil {
			if now, failed := checkpoint(newest); failed == nil && now.Size >= x.size {
				err = errors.New("it has a newer checkpoint")
			}
		}
	}
	if err == nil && c.Size > 0 {
		err = k.Store.Anchored(ctx, d.name, c.Size, note)
	}
	if err == nil || !errors.Is(ctx.Err(), context.Canceled) { // else it was we who gave up
		k.settle(d, c.Size, err)
	}
}

// held holds the log to what a place kept.
func (k *Keeper) held(ctx context.Context, d *delivery, ours Checkpoint) error {
	place, ok := d.place.(holder)
	if !ok {
		return nil
	}
	note, err := place.Held(ctx, ours.Origin)
	if err != nil || note == nil {
		return err
	}
	c, err := ledger.Open(note, k.Key)
	if err != nil {
		return contradicts("it holds a checkpoint that our key did not sign")
	}
	if err := compare(c, ours); err != nil {
		return err
	}
	proof, err := k.Store.Consistency(ctx, ours.Size, c.Size)
	if err != nil {
		return err
	}
	if ledger.CheckConsistency(ours.Checkpoint, c, proof) != nil {
		return contradicts("it holds %d events that are not the beginning of the log", c.Size)
	}
	return nil
}

// settle notes how an attempt ended. d is locked.
func (k *Keeper) settle(d *delivery, size int64, err error) {
	now := k.Now()
	var c *Contradiction
	switch {
	case err == nil:
		d.asked, d.kept, d.failures, d.next = true, size, 0, time.Time{}
		d.behind.Store(0)
		d.dispute.Store(nil)
		k.Observer.Anchored(d.name, "kept")
		return
	case errors.As(err, &c):
		if d.dispute.Swap(c) == nil {
			k.Logger.Error().Str("place", d.name).Err(err).Msg("a place outside contradicts the log; it is not signed any more")
		}
		k.Observer.Anchored(d.name, "contradicted")
	default:
		if d.failures == 0 {
			k.Logger.Warn().Str("place", d.name).Err(err).Msg("a checkpoint could not be brought to a place; it is tried again")
		}
		k.Observer.Anchored(d.name, "failed")
	}
	d.next = now.Add(pause(d.failures))
	d.failures++
	d.behind.CompareAndSwap(0, now.UnixMicro())
}

// pause is how long a place is left alone after so many failures before.
func pause(failures int) time.Duration {
	if failures >= 7 {
		return retryMax
	}
	return retryMin << failures
}

// judge reports how things stand, and tells Doubt what all places together make
// of the log, if that is news.
func (k *Keeper) judge(ctx context.Context) {
	k.mu.Lock() // until Doubt was told: in this order
	defer k.mu.Unlock()
	var errs []error
	for _, d := range k.deliveries {
		k.Observer.Behind(d.name, d.since(k.Now()))
		if c := d.dispute.Load(); c != nil {
			errs = append(errs, fmt.Errorf("%s: %w", d.name, c))
		}
	}
	var err error
	if len(errs) > 0 {
		err = fmt.Errorf("%w: %w", store.ErrTampered, errors.Join(errs...))
	}
	if text := fmt.Sprint(err); text != k.doubt {
		k.doubt = text
		k.Doubt(ctx, err)
	}
}

// Late names the places that have lacked a checkpoint for more than an hour.
func (k *Keeper) Late(context.Context) error {
	var errs []error
	for _, d := range k.deliveries {
		if d.since(k.Now()) > lateAfter {
			errs = append(errs, fmt.Errorf("%s lacks checkpoints since %s", d.name, time.UnixMicro(d.behind.Load()).UTC().Format(time.RFC3339)))
		}
	}
	return errors.Join(errs...)
}
