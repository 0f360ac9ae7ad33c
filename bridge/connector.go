package bridge

import (
	"context"
	"errors"
	"time"
)

// Connector speaks one app's protocol. It must be safe for concurrent use, keep
// to the deadline of ctx, and put no secret and no personal data into errors.
//
// The outcome of Find, Do, Check and Probe is nil, [Permanent], [Impossible], [RetryAfter],
// one of the sentinels named there, or any other error, which means: try again
// after a back-off.
type Connector interface {
	// Capabilities says what the app offers. It does not change while the
	// connector lives, and asks nobody.
	Capabilities() Capabilities
	// Find returns the account of a person in this app; [ErrNoAccount] if there
	// is none, [ErrNoneKnown] if that is only what others say. More than one match
	// is Permanent: exeunt does not guess.
	Find(ctx context.Context, who Identifiers) (Account, error)
	// Do carries out an order. It must be safe to repeat: already so, or already
	// gone, is success.
	Do(ctx context.Context, o Order) (Receipt, error)
	// Check proves that an order has taken hold, by reading back or by trying
	// the old credential: nil is proof. [ErrStillOpen] if the app shows the
	// contrary, [ErrCannotCheck] if it offers no way to know (the receipt's summary says why),
	// RetryAfter if it is not known yet.
	Check(ctx context.Context, o Order) (Receipt, error)
	// Probe says whether app and credentials are in order; it changes nothing.
	Probe(ctx context.Context) error
}

var (
	// ErrNoAccount says that the app does not know the person.
	ErrNoAccount = errors.New("no account")
	// ErrNoneKnown says that no session of the person is known, where each would have
	// been told of. The app was not asked, and so nothing is shown as proven.
	ErrNoneKnown = errors.New("no session is known, and feeds tell of every one; the app was not asked")
	// ErrCannotCheck says that the app offers no way to check.
	ErrCannotCheck = errors.New("the app offers no way to check")
	// ErrStillOpen says that the app, asked again, shows that the order has
	// not taken hold.
	ErrStillOpen = errors.New("the app answered success, but the door is still open")
)

// Account is a person as one app knows them.
type Account struct {
	ID    string   `json:"id"`              // the app's own id
	Login string   `json:"login,omitempty"` // what the person signs in with there
	Match string   `json:"match,omitempty"` // by what it was found: "userName", "email" …
	Live  []string `json:"live,omitempty"`  // which of the person's credentials were let in when it was found, by a hash of each

	// Case is the case that it was last found for, and Revoke the action, if that ends
	// sessions; connectors leave both alone.
	Case   string `json:"-"`
	Revoke string `json:"revoke,omitempty"`
}

// Order is one action as a connector sees it.
type Order struct {
	Key     string // idempotency key: the same for every attempt of one action
	Effect  Effect
	Account Account
	Who     Identifiers
	Trigger Trigger
	Since   time.Time // when the departure was ordered
	Done    Receipt   // in Check: what Do returned
}

// Receipt is what an app answered, kept as evidence. It holds no secret.
type Receipt struct {
	Summary string        `json:"summary"`          // for people: "PATCH /Users/{id} → 200, active=false"
	Status  int           `json:"status,omitempty"` // protocol status of the deciding answer
	Ref     string        `json:"ref,omitempty"`    // the app's own reference: request id, job id
	Word    string        `json:"word,omitempty"`   // of ending sessions: Confirmed, NoSession or Unconfirmed
	At      time.Time     `json:"at"`
	Took    time.Duration `json:"took"` // nanoseconds
}

// What an app's answer is worth when it was told to end sessions.
const (
	Confirmed   = "confirmed"   // it says so, and it was made sure that it is the app who says it
	NoSession   = "no_session"  // it says so likewise, or who tells of every session does, and that there was none
	Unconfirmed = "unconfirmed" // it took the message, which does not mean that any session ended
)

// Impossible marks err as final in another way: the app turns out not to offer this,
// or nothing is known of the person that it would need. Nobody is to look, but
// the case says so.
func Impossible(err error) error { return &impossible{err} }

type impossible struct{ error }

func (i *impossible) Unwrap() error { return i.error }

// IsImpossible reports whether err says that the app does not offer this.
func IsImpossible(err error) bool {
	var i *impossible
	return errors.As(err, &i)
}

// Permanent marks err as final: repeating will not help, a person must look.
func Permanent(err error) error { return &permanent{err} }

// RetryAfter marks err as passing: try again, but not before d has gone by.
func RetryAfter(d time.Duration, err error) error { return &retryAfter{d, err} }

type permanent struct{ error }

func (p *permanent) Unwrap() error { return p.error }

type retryAfter struct {
	wait time.Duration
	error
}

func (r *retryAfter) Unwrap() error { return r.error }

// IsPermanent reports whether err is final.
func IsPermanent(err error) bool {
	var p *permanent
	return errors.As(err, &p)
}

// WaitOf returns how long err asks to wait, and whether it does ask.
func WaitOf(err error) (time.Duration, bool) {
	var r *retryAfter
	if errors.As(err, &r) {
		return r.wait, true
	}
	return 0, false
}
