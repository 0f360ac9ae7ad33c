package server

import (
	"net/netip"
	"sync"
	"time"
)

const (
	freeGuesses  = 20               // wrong credentials that are simply refused
	firstWait    = time.Second      // after that, doubled with each
	longestWait  = 5 * time.Minute  //
	forgetGuess  = 10 * time.Minute // from the last on
	maxOffenders = 4096             // addresses in one generation; there are two
)

// offenders are addresses that showed wrong credentials, and how long each is
// told to wait. Credentials are always looked at: the right ones come in at
// once, also from an address that many share, and nobody is kept waiting on a
// connection. Memory is bounded by two generations: the older one is forgotten
// when the younger is full, or old enough.
type offenders struct {
	mu     sync.Mutex
	young  map[netip.Prefix]offender
	old    map[netip.Prefix]offender
	turned time.Time
}

type offender struct {
	guesses int
	until   time.Time // it is told to wait
}

// wrong notes wrong credentials from an address, and returns how long whoever
// showed them has to wait, or zero if it may try again at once.
func (o *offenders) wrong(from netip.Addr, now time.Time) time.Duration {
	at := neighbourhood(from, 32, 64)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.young == nil || len(o.young) >= maxOffenders || now.Sub(o.turned) >= forgetGuess {
		if o.old = o.young; now.Sub(o.turned) >= 2*forgetGuess {
			o.old = nil
		}
		o.young, o.turned = map[netip.Prefix]offender{}, now
	}
	one, known := o.young[at]
	if !known {
		one = o.old[at]
	}
	if wait := one.until.Sub(now); wait > 0 { // does not make it longer: a flood would have no end
		o.young[at] = one
		return wait
	}
	if one.guesses++; one.guesses >= freeGuesses {
		one.until = now.Add(min(longestWait, firstWait<<min(one.guesses-freeGuesses, 16)))
	}
	o.young[at] = one
	return 0
}
