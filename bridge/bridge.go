package bridge

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
)

// Bridge takes in what sources say and carries departures out. It is safe for
// concurrent use.
type Bridge struct {
	store  Store
	queues Queues
	watch  Observer
	now    func() time.Time
	log    zerolog.Logger

	doors    atomic.Pointer[map[string]*door] // by app name
	set      sync.Mutex                       // held by SetApps
	plans    chan struct{}                    // a case was opened
	erasures chan struct{}                    // there may be something to do about an erasure
	erasing  atomic.Pointer[Erasing]
	sound    func() error
	sign     func(context.Context) error
	trips    chan trip // a breaker opened
}

// Queues are the engine's job queues, one an app.
type Queues interface {
	// StopQueue takes an app's queue out: no job of it begins. It returns at
	// once; jobs under way end by themselves.
	StopQueue(app string)
	// StartQueue puts it back.
	StartQueue(app string)
}

// Observer is told what happened after it was committed. Its methods must not
// block.
type Observer interface {
	// Attempted is told of each call: outcome is "done", "absent", "retry",
	// "wait", "refused", "contradicted", "cannot_check" or "none_known".
	Attempted(app string, e Effect, outcome string, took time.Duration)
	// Settled is told when an action reached a final state, or got stuck.
	Settled(a Action)
	// CaseSettled is told when a case got closed, cancelled or stuck. took is
	// the time since it was opened.
	CaseSettled(c Case, took time.Duration)
}

// Options is what a [Bridge] needs.
type Options struct {
	Store  Store
	Queues Queues // nil where no lanes are worked
	// Sound is nil while nothing speaks against the log: only then is done what
	// cannot be undone. Sign seals and signs the log, and has that anchored. Both may
	// be nil.
	Sound    func() error
	Sign     func(context.Context) error
	Observer Observer // nil for none
	Now      func() time.Time
	Logger   zerolog.Logger
}

// New returns a bridge without apps; see [Bridge.SetApps].
func New(o Options) *Bridge {
	b := &Bridge{store: o.Store, queues: o.Queues, watch: o.Observer, now: o.Now, log: o.Logger,
		plans: make(chan struct{}, 1), erasures: make(chan struct{}, 1), trips: make(chan trip, 64),
		sound: o.Sound, sign: o.Sign}
	if b.sound == nil {
		b.sound = func() error { return nil }
	}
	if b.sign == nil {
		b.sign = func(context.Context) error { return nil }
	}
	b.SetErasing(Erasing{Laws: NewLawbook(nil, nil, 0, 0), Law: "gdpr", Approval: NoApproval})
	if b.now == nil {
		b.now = time.Now
	}
	if b.watch == nil {
		b.watch = blind{}
	}
	b.watch = chronicle{b.watch, b.log, b.wakeErasures}
	b.doors.Store(&map[string]*door{})
	return b
}

// SetApps replaces the registered apps. Actions of apps that are no longer
// there wait until they are back.
func (b *Bridge) SetApps(apps []App) {
	b.set.Lock()
	defer b.set.Unlock()
	doors := make(map[string]*door, len(apps))
	for _, a := range apps {
		doors[a.Name] = newDoor(a, b.trips)
	}
	b.doors.Store(&doors)
	b.wakePlanner()
}

func (b *Bridge) door(app string) *door { return (*b.doors.Load())[app] }

// time is the present as it is stored: UTC, to the microsecond.
func (b *Bridge) time() time.Time { return b.now().UTC().Truncate(time.Microsecond) }

// newID returns a random id that rises with time, so that what was written
// together is found together.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// subject is the party whom an event is about; about is what personal data
// belongs to it, or nil.
func subject(h Handle, about any) Party {
	if about == nil {
		return Party{Role: Subject, Handle: h}
	}
	payload, err := json.Marshal(about)
	if err != nil {
		panic(err) // only our own structs come here, and all of them marshal
	}
	return Party{Role: Subject, Handle: h, Payload: payload}
}

// said are the facts of an event that a caller brought about.
func said(c Caller) Facts { return Facts{Source: c.Source, Operator: c.Operator, Token: c.Token} }

// source returns the caller, who must be a source.
func source(ctx context.Context) (Caller, error) {
	c, err := CallerFrom(ctx)
	if err == nil && c.Source == "" {
		err = Errorf(KindDenied, "only a source may do this")
	}
	return c, err
}

// operator returns the caller, who must be an operator.
func operator(ctx context.Context) (Caller, error) {
	c, err := CallerFrom(ctx)
	if err == nil && c.Operator == "" {
		err = Errorf(KindDenied, "only an operator may do this")
	}
	return c, err
}

type blind struct{}

func (blind) Attempted(string, Effect, string, time.Duration) {}
func (blind) Settled(Action)                                  {}
func (blind) CaseSettled(Case, time.Duration)                 {}

// chronicle writes into our own log, for whoever runs exeunt, what becomes of
// each case: its id and the source's request, and no name.
type chronicle struct {
	Observer
	log  zerolog.Logger
	over func() // a case has ended
}

func (w chronicle) Settled(a Action) {
	if a.State == ActionStuck {
		w.log.Warn().Str("case", a.Case).Str("app", a.Lane.App).Str("effect", string(a.Effect)).
			Str("problem", a.Problem).Msg("action is stuck; see exeunt case show")
	}
	w.Observer.Settled(a)
}

func (w chronicle) CaseSettled(c Case, took time.Duration) {
	w.log.Info().Str("case", c.ID).Str("request", c.By.Request).Str("state", string(c.State)).
		Int64("ms", took.Milliseconds()).Msg(c.Trigger.Noun() + " settled")
	w.Observer.CaseSettled(c, took)
	w.over()
}
