package siem

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/store"
)

const (
	lookEvery = time.Second      // for new events
	batch     = 100              // events in one exchange
	keep      = 30 * time.Second // how long an export is ours; longer than an exchange with it takes
	retryMin  = time.Second      // after a failure, doubled each time
	retryMax  = 5 * time.Minute  // the longest pause
)

// Store is what an exporter needs of the store; *store.Store has it.
type Store interface {
	ClaimExport(ctx context.Context, name, origin string, holder [16]byte, keep time.Duration) (next int64, mine bool, err error)
	Exported(ctx context.Context, name string, from, to int64, refused []store.Refused) error
	Exports(ctx context.Context) ([]store.Export, int64, error)
	Sealed(ctx context.Context, from int64, limit int) ([]store.Sealed, error)
}

// Observer is told what becomes of events.
type Observer interface {
	// Exported is told of each exchange: how many events were "taken", "failed" or "refused".
	Exported(export, outcome string, n int)
	// Lag is told how many sealed events an export lacks, and how old the oldest is.
	Lag(export string, events int64, age time.Duration)
}

// Options is what an [Exporter] needs; all of it is required.
type Options struct {
	Store    Store
	Log      Log
	To       map[string]Receiver // by the export's name
	Observer Observer
	Now      func() time.Time
	Logger   zerolog.Logger
}

// Exporter brings every sealed event to every receiver.
type Exporter struct {
	Options
	holder [16]byte // this process
}

// New returns an exporter that does nothing yet.
func New(o Options) *Exporter {
	e := &Exporter{Options: o}
	rand.Read(e.holder[:]) // never fails
	return e
}

// Run exports until ctx ends. A receiver that is slow or down holds up no other,
// and nothing else.
func (e *Exporter) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, name := range slices.Sorted(maps.Keys(e.To)) {
		wg.Go(func() { e.export(ctx, name) })
	}
	wg.Wait()
}

// export is one export until ctx ends; then whoever comes next may begin at once.
func (e *Exporter) export(ctx context.Context, name string) {
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		_, _, err := e.Store.ClaimExport(last, name, e.Log.Origin, e.holder, 0)
		if err != nil {
			e.Logger.Warn().Str("export", name).Err(err).Msg("an export could not be given back; another node has it in half a minute")
		}
	}()
	failures := 0
	for ctx.Err() == nil {
		more, err := e.Step(ctx, name)
		wait := lookEvery
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if failures == 0 {
				e.Logger.Warn().Str("export", name).Err(err).Msg("events could not be exported; they are sent again")
			}
			wait = pause(failures)
			failures++
		default:
			failures = 0
			if more {
				wait = 0
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
}

// pause is how long a receiver is left alone after so many failures before.
func pause(failures int) time.Duration {
	if failures > 8 {
		return retryMax
	}
	return min(retryMin<<failures, retryMax)
}

// Step sends what comes next, and reports whether there may be more. It is one
// turn of Run.
func (e *Exporter) Step(ctx context.Context, name string) (more bool, err error) {
	size, waiting, err := e.waiting(ctx, name)
	if err != nil {
		return false, err
	}
	if !waiting { // then nothing is written
		e.Observer.Lag(name, 0, 0)
		return false, nil
	}
	next, mine, err := e.Store.ClaimExport(ctx, name, e.Log.Origin, e.holder, keep)
	if err != nil || !mine {
		return false, err
	}
	sealed, err := e.Store.Sealed(ctx, next, batch)
	if err != nil || len(sealed) == 0 {
		return false, err
	}
	rows := make([]Row, len(sealed))
	for i, s := range sealed {
		rows[i] = rowOf(s)
	}
	e.Observer.Lag(name, size-next, max(0, e.Now().Sub(rows[0].At)))
	dealt, refused, err := e.send(ctx, name, rows)
	if dealt > 0 {
		// Even if ctx has ended: what was taken need not be sent again.
		if noted := e.Store.Exported(context.WithoutCancel(ctx), name, next, rows[dealt-1].Index+1, refused); err == nil {
			err = noted
		}
	}
	return len(rows) == batch, err
}

// waiting reports whether the export lacks events.
func (e *Exporter) waiting(ctx context.Context, name string) (size int64, waiting bool, err error) {
	list, size, err := e.Store.Exports(ctx)
	for _, one := range list {
		if one.Name == name && one.Origin == e.Log.Origin {
			return size, one.Next < size, err
		}
	}
	return size, size > 0, err
}

// send sends rows, and returns how many of them are dealt with, and which of those
// the receiver refused. If it refuses them together, each is sent alone. One is
// given up only after a later one was taken: a receiver that wants nothing at all
// is out of order, and gets everything when it is mended.
func (e *Exporter) send(ctx context.Context, name string, rows []Row) (dealt int, refused []store.Refused, err error) {
	err = e.Options.To[name].Send(ctx, rows)
	no := new(Refusal)
	switch {
	case err == nil:
		e.Observer.Exported(name, "taken", len(rows))
		return len(rows), nil, nil
	case !errors.As(err, &no):
		e.Observer.Exported(name, "failed", len(rows))
		return 0, nil, err
	}
	var doubtful []store.Refused
	for i, r := range rows {
		switch err := e.Options.To[name].Send(ctx, []Row{r}); {
		case err == nil:
			e.Observer.Exported(name, "taken", 1)
			dealt, refused, doubtful = i+1, append(refused, doubtful...), nil
		case errors.As(err, &no):
			doubtful = append(doubtful, store.Refused{Seq: r.Index, Status: no.Status})
		default:
			e.Observer.Exported(name, "failed", 1)
			e.given(name, refused)
			return dealt, refused, err
		}
	}
	e.given(name, refused)
	if dealt < len(rows) {
		e.Observer.Exported(name, "failed", len(rows)-dealt)
		return dealt, refused, err
	}
	return dealt, refused, nil
}

// given tells of what was given up.
func (e *Exporter) given(name string, refused []store.Refused) {
	for _, r := range refused {
		e.Observer.Exported(name, "refused", 1)
		e.Logger.Error().Str("export", name).Int64("index", r.Seq).Int("status", r.Status).
			Msg("the receiver refuses an event, and takes those after it; see exeunt export status")
	}
}
