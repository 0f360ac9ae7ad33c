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
	forgetAfter  = 10 * time.Minute // how old a generation grows
	maxAddresses = 4096             // in one generation; there are two
)

// generations is what is remembered of addresses. Memory is bounded by two
// generations: the older one is forgotten when the younger is full, or old enough.
type generations[V any] struct {
	mu         sync.Mutex
	young, old map[netip.Prefix]V
	turned     time.Time
}

// change has what is remembered of an address, the zero value for nothing, become
// something else.
func (g *generations[V]) change(from netip.Addr, now time.Time, to func(V) V) {
	at := neighbourhood(from, 32, 64)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.young == nil || len(g.young) >= maxAddresses || now.Sub(g.turned) >= forgetAfter {
		if g.old = g.young; now.Sub(g.turned) >= 2*forgetAfter {
			g.old = nil
		}
		g.young, g.turned = map[netip.Prefix]V{}, now
	}
	v, known := g.young[at]
	if !known {
		v = g.old[at]
	}
	g.young[at] = to(v)
}

// offenders are addresses that showed wrong credentials, and how long each is
// told to wait. Credentials are always looked at: the right ones come in at
// once, also from an address that many share, and nobody is kept waiting on a
// connection.
type offenders struct{ generations[offender] }

type offender struct {
	guesses int
	until   time.Time // it is told to wait
}

// wrong notes wrong credentials from an address, and returns how long whoever
// showed them has to wait, or zero if it may try again at once.
func (o *offenders) wrong(from netip.Addr, now time.Time) (wait time.Duration) {
	o.change(from, now, func(one offender) offender {
		if wait = max(0, one.until.Sub(now)); wait > 0 { // does not make it longer: a flood would have no end
			return one
		}
		if one.guesses++; one.guesses >= freeGuesses {
			one.until = now.Add(min(longestWait, firstWait<<min(one.guesses-freeGuesses, 16)))
		}
		return one
	})
	return wait
}
