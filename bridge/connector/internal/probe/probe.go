// Package probe tries old credentials at an app, to see whether the sessions they
// belong to are alive. It is the only proof of death that does not rest on the
// app's word.
//
//	config.go  Config: what an administrator writes; Validate, Open
//	probe.go   Probe: Look before sessions are ended, Proof after it; By: other ways to try
//
// Refused is proof only of a credential that worked before: a page that lets nobody in,
// or a cookie that was never good, proves nothing. So [Probe.Look] notes, before
// anything is done, which credentials are let in.
//
// A credential goes onto the wire and nowhere else: not into errors, receipts or logs.
package probe

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

// Probe tries credentials at one app. It is safe for concurrent use; nil is an app
// that offers no way to.
type Probe struct {
	holds func(bridge.Session) []bridge.Secret // the credentials of one session
	try   Try
	sound func(context.Context) error // nil: nothing to say

	resting atomic.Int64 // until when nobody waits for it again, in unix nanoseconds
}

// Try presents one credential, and reports whether it is let in; answer is what
// showed that. An error says that it showed neither.
type Try func(ctx context.Context, credential bridge.Secret) (alive bool, answer *call.Response, err error)

// By returns a probe that tries credentials in a way of its own, and not at a page;
// holds are those of a session, of which it has none if they are empty.
func By(holds func(bridge.Session) []bridge.Secret, try Try) *Probe {
	return &Probe{holds: holds, try: try}
}

// shown is what is presented at a page.
func shown(s bridge.Session) []bridge.Secret { return []bridge.Secret{s.Credential} }

// page is a page of an app that only a session is let into.
type page struct {
	client  *call.Client
	url     string
	how     string // in what the credential is presented: cookie, bearer or header
	name    string // of the cookie or header
	refused []int
}

const (
	requestName = "GET probe"

	parallel = 4               // credentials tried at once
	patience = 4 * time.Second // for one answer
	glance   = 5 * time.Second // for all that is tried before sessions are ended, or half the time there is
	slow     = time.Second     // without an answer, after which it is left alone …
	rest     = time.Minute     // … for so long
)

var (
	errPresent = errors.New("a credential that was told cannot be presented as the probe is to present it")
	errSlow    = errors.New("the probe does not answer")
	errOpen    = errors.New("the probe lets in whoever presents nothing; name a page that needs a session")
)

// try is [Try] at the page: 2xx is alive, a status that the configuration calls a
// refusal is dead, and anything else is an error. A credential that could reach beyond
// its place in the request is not sent, and the error is Permanent.
func (p *page) try(ctx context.Context, credential bridge.Secret) (bool, *call.Response, error) {
	if !p.fits(string(credential)) {
		return false, nil, bridge.Permanent(errPresent)
	}
	return p.ask(ctx, p.present(string(credential)))
}

func (p *page) ask(ctx context.Context, h http.Header) (bool, *call.Response, error) {
	h.Set("Accept", "text/html, */*;q=0.8") // some relying parties answer browsers with a redirect, and others with 401
	answer, err := p.client.Send(ctx, call.Request{Name: requestName, Method: http.MethodGet, URL: p.url, Header: h, StatusOnly: true})
	switch {
	case err != nil:
		return false, nil, err
	case answer.Status/100 == 2:
		return true, answer, nil
	case slices.Contains(p.refused, answer.Status):
		return false, answer, nil
	}
	if _, told := bridge.WaitOf(answer.Outcome()); told {
		return false, nil, answer.Outcome()
	}
	return false, nil, fmt.Errorf("%s answered %d, which says neither that the session lives nor that it is dead", answer.Name, answer.Status)
}

// fits reports whether a credential stays in its place: a cookie's value ends
// before a semicolon (RFC 6265, section 4.1.1), a bearer token has no spaces (RFC
// 6750, section 2.1), and nothing holds what could end a line.
func (p *page) fits(credential string) bool {
	return credential != "" && !strings.ContainsFunc(credential, func(r rune) bool {
		return r < ' ' || r > '~' || p.how == asCookie && r == ';' || p.how == asBearer && r == ' '
	})
}

func (p *page) present(credential string) http.Header {
	switch p.how {
	case asCookie:
		return http.Header{"Cookie": {p.name + "=" + credential}}
	case asBearer:
		return http.Header{"Authorization": {"Bearer " + credential}}
	}
	return http.Header{http.CanonicalHeaderKey(p.name): {credential}}
}

// sound asks without a credential: whoever presents nothing must be refused.
func (p *page) sound(ctx context.Context) error {
	alive, _, err := p.ask(ctx, http.Header{})
	if alive {
		return bridge.Permanent(errOpen)
	}
	return err
}

// Look returns which of the sessions' credentials are let in now, by a hash of each. It
// has no error: a probe that is out of order must not keep a session alive by holding
// up its end, and costs nothing but the proof.
func (p *Probe) Look(ctx context.Context, sessions []bridge.Session) (live []string) {
	if p == nil || p.rests() > 0 {
		return nil
	}
	patient := glance
	if end, ok := ctx.Deadline(); ok {
		patient = min(patient, time.Until(end)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	found := p.credentials(sessions)
	for i, t := range p.all(ctx, found, true) {
		if t.alive {
			live = append(live, hash(found[i]))
		}
	}
	return live
}

// hash tells one credential of a person from another, and nothing else of it.
func hash(credential bridge.Secret) string {
	sum := sha256.Sum256([]byte(credential))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// Proof tries every credential again. nil is proof: of each session that is known a
// credential was let in by [Probe.Look], now or earlier (live), and all are refused now.
// [bridge.ErrStillOpen] if one is let in; [bridge.ErrCannotCheck] if there is no probe, or a
// session that it says nothing of. The receipt says which, in numbers only.
func (p *Probe) Proof(ctx context.Context, sessions []bridge.Session, live []string) (bridge.Receipt, error) {
	if p == nil {
		return cannot("no probe is configured for this app: what it says is all that is known")
	}
	found := p.credentials(sessions)
	if len(found) == 0 {
		return cannot("no session is known with a credential that could be tried")
	}
	if wait := p.rests(); wait > 0 {
		return bridge.Receipt{}, bridge.RetryAfter(wait, errSlow)
	}
	refused, unfit := tried{}, 0
	var failed error
	for _, t := range p.all(ctx, found, false) {
		switch {
		case t.alive:
			return t.answer.Receipt("an old credential is still let in"), bridge.ErrStillOpen
		case errors.Is(t.err, errPresent):
			unfit++
		case t.err != nil:
			failed = t.err
		default:
			refused = t
		}
	}
	mute, never := p.unproven(sessions, live)
	all := len(found)
	switch dead := fmt.Sprintf("all credentials (%d) are refused", all); {
	case failed != nil:
		return bridge.Receipt{}, failed
	case unfit > 0:
		return cannot(fmt.Sprintf("%d of %d credentials cannot be presented to the probe", unfit, all))
	case mute > 0:
		return cannot(fmt.Sprintf("%s, but sessions without one to try: %d", dead, mute))
	case never == len(sessions):
		return cannot(dead + ", but none was let in before either")
	case never > 0:
		return cannot(fmt.Sprintf("%s, but sessions that were not let in before either: %d of %d", dead, never, len(sessions)))
	case len(sessions) >= bridge.MostSessions:
		return cannot(fmt.Sprintf("%s, but of a person who has had %d sessions here older ones may not be known", dead, len(sessions)))
	}
	before := len(slices.DeleteFunc(found, func(c bridge.Secret) bool { return !slices.Contains(live, hash(c)) }))
	return refused.answer.Receipt(fmt.Sprintf("all old credentials (%d) are refused; let in before: %d", all, before)), nil
}

// unproven counts the sessions of which a refusal says nothing: those that have no
// credential, and those of which none was let in before.
func (p *Probe) unproven(sessions []bridge.Session, live []string) (mute, never int) {
	for _, s := range sessions {
		switch held := p.credentials([]bridge.Session{s}); {
		case len(held) == 0:
			mute++
		case !slices.ContainsFunc(held, func(c bridge.Secret) bool { return slices.Contains(live, hash(c)) }):
			never++
		}
	}
	return mute, never
}

func cannot(why string) (bridge.Receipt, error) {
	return bridge.Receipt{Summary: why, At: time.Now().UTC()}, bridge.ErrCannotCheck
}

// Sound says whether the probe can tell anything at all.
func (p *Probe) Sound(ctx context.Context) error {
	if p == nil || p.sound == nil {
		return nil
	}
	return p.sound(ctx)
}

// rests is for how long a probe that did not answer is left alone.
func (p *Probe) rests() time.Duration { return time.Until(time.Unix(0, p.resting.Load())) }

// tried is what came of one credential.
type tried struct {
	alive  bool
	answer *call.Response
	err    error
}

// all tries credentials, a few at once. With brief, the first that gets no plain
// answer ends it: a page that hangs is not asked again and again.
func (p *Probe) all(ctx context.Context, found []bridge.Secret, brief bool) []tried {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	list := make([]tried, len(found))
	var work errgroup.Group
	work.SetLimit(parallel)
	for i, credential := range found {
		work.Go(func() error {
			t := &list[i]
			begun := time.Now()
			t.alive, t.answer, t.err = p.try(ctx, credential)
			if t.err != nil && time.Since(begun) > slow { // whoever leaves next does not wait as well
				p.resting.Store(time.Now().Add(rest).UnixNano())
			}
			if brief && t.err != nil && !errors.Is(t.err, errPresent) {
				cancel()
			}
			return nil
		})
	}
	work.Wait()
	return list
}

// credentials are those that are known, each once.
func (p *Probe) credentials(sessions []bridge.Session) (found []bridge.Secret) {
	for _, s := range sessions {
		for _, c := range p.holds(s) {
			if c != "" && !slices.Contains(found, c) {
				found = append(found, c)
			}
		}
	}
	return found
}
