package saml

import (
	"context"
	"sync"

	"golang.org/x/time/rate"

	"github.com/exeunt/exeunt/bridge"
)

// refusal is what the log says of a message that was refused: the reason is a word
// of a closed set, and the partner is named only if it really was they.
type refusal struct {
	reason  Reason
	partner string
	binding Binding
}

// word is the binding's in the log.
func (b Binding) word() string {
	switch b {
	case SOAP:
		return "saml soap"
	case Redirect:
		return "saml redirect"
	case POST:
		return "saml post"
	}
	return "saml"
}

// At most so many refusals are told one by one, and so many at once: whoever sends
// nonsense must not fill the log.
const (
	toldInASecond = 1
	toldAtOnce    = 50
)

// refusals counts those that are not told one by one.
type refusals struct {
	pace  *rate.Limiter
	mu    sync.Mutex
	later map[refusal]int // reasons, partners and bindings are few
}

func newRefusals() refusals {
	return refusals{pace: rate.NewLimiter(toldInASecond, toldAtOnce), later: map[refusal]int{}}
}

// note appends a refusal to the log, or counts it.
func (d *Desk) note(ctx context.Context, r refusal) {
	if d.refused.pace.AllowN(d.Now(), 1) {
		d.tell(ctx, r, 1)
		return
	}
	d.refused.mu.Lock()
	defer d.refused.mu.Unlock()
	d.refused.later[r]++
}

// tellRefusals appends those that were counted.
func (d *Desk) tellRefusals(ctx context.Context) {
	d.refused.mu.Lock()
	later := d.refused.later
	d.refused.later = map[refusal]int{}
	d.refused.mu.Unlock()
	for r, n := range later {
		d.tell(ctx, r, n)
	}
}

func (d *Desk) tell(ctx context.Context, r refusal, n int) {
	f := bridge.Facts{Operator: "partner", Token: r.partner, Outcome: string(r.reason), Protocol: r.binding.word()}
	if n > 1 {
		f.Count = n
	}
	if err := d.Note(ctx, bridge.NewEvent(d.Now(), bridge.LogoutRefused, f)); err != nil {
		d.Log.Error().Err(err).Msg("that a logout message was refused could not be written to the log")
	}
}
