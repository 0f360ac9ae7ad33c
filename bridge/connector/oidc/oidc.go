package oidc

import (
	"context"
	random "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
	"github.com/exeunt/exeunt/bridge/connector/internal/probe"
)

// party is one relying party.
type party struct {
	client   *call.Client
	uri      string
	who      *Authority
	issuer   string
	audience string
	reach    reach
	probe    *probe.Probe
	slots    *semaphore.Weighted // deliveries under way, of all people together
}

// parallel is how many tokens one relying party gets at once.
const parallel = 4

const requestName = "POST logout token"

var (
	errUnknown = errors.New("nothing is known by which this app would find the person's sessions: no feed has told of a sub or sid, and no subject is configured: have a feed tell of sessions, or set subject")
	errRefused = fmt.Errorf("%s answered 400: the app refuses the token; see that it knows our issuer, our keys and this client_id", requestName)
)

// Capabilities says that sessions can be ended, and whether that can be checked.
func (p *party) Capabilities() bridge.Capabilities {
	return bridge.Capabilities{{Effect: bridge.Revoke, Covers: []string{"sessions"}, Checked: p.probe != nil}}
}

// Find says by what the relying party knows the person, and which of the sessions
// that are known are alive.
func (p *party) Find(ctx context.Context, who bridge.Identifiers) (bridge.Account, error) {
	list, _ := p.reach.targets(who)
	if len(list) == 0 {
		return bridge.Account{}, p.unknown(who)
	}
	a := bridge.Account{Match: "session", Live: p.probe.Look(ctx, who.Sessions)}
	for _, s := range who.Sessions {
		if a.ID == "" {
			a.ID = s.Subject
		}
	}
	if a.ID == "" {
		if a.ID = p.reach.subject.Of(who); a.ID != "" {
			a.Match = "subject"
		} else {
			a.ID = list[0].sid
		}
	}
	return a, nil
}

// unknown is the outcome if nothing is known by which the app would find sessions of a
// person. One that is known by something else is a session all the same.
func (p *party) unknown(who bridge.Identifiers) error {
	if p.reach.complete && len(who.Sessions) == 0 {
		return bridge.ErrNoneKnown
	}
	return bridge.Impossible(errUnknown)
}

// Do sends a logout token for each session that is known, and one for all that are
// not. All are sent, whatever becomes of one.
func (p *party) Do(ctx context.Context, o bridge.Order) (bridge.Receipt, error) {
	if o.Effect != bridge.Revoke {
		return bridge.Receipt{}, bridge.Permanent(fmt.Errorf("the app does not offer %s", o.Effect))
	}
	list, all := p.reach.targets(o.Who)
	if len(list) == 0 {
		return bridge.Receipt{}, p.unknown(o.Who)
	}
	// What one attempt has no time for is not always the same.
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	sent := make([]delivery, len(list))
	var work sync.WaitGroup
	for i, t := range list {
		work.Go(func() { sent[i] = p.deliver(ctx, t) })
	}
	work.Wait()
	return judge(sent, all)
}

// delivery is what came of one token.
type delivery struct {
	target
	answer *call.Response // nil if there was none
	err    error
}

// deliver makes one attempt with a token of its own.
func (p *party) deliver(ctx context.Context, t target) delivery {
	d := delivery{target: t}
	if err := p.slots.Acquire(ctx, 1); err != nil {
		d.err = fmt.Errorf("%s: %w", requestName, err)
		return d
	}
	defer p.slots.Release(1)
	token, err := p.token(t)
	if err != nil {
		d.err = fmt.Errorf("the logout token cannot be signed: %w", err)
		return d
	}
	d.answer, d.err = p.client.Send(ctx, call.Request{Name: requestName, Method: http.MethodPost, URL: p.uri,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		Body:   []byte(url.Values{"logout_token": {token}}.Encode()), StatusOnly: true})
	if d.err == nil {
		d.err = outcome(d.answer)
	}
	return d
}

// outcome says what an answer means (section 2.8).
func outcome(a *call.Response) error {
	switch a.Status {
	case http.StatusBadRequest:
		return bridge.Permanent(errRefused)
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return bridge.Permanent(fmt.Errorf("%s answered %d: there is nothing at backchannel_logout_uri that takes logout tokens", a.Name, a.Status))
	case http.StatusNotImplemented:
		return bridge.Impossible(fmt.Errorf("%s answered %d: the app does not offer back-channel logout", a.Name, a.Status))
	}
	return a.Outcome()
}

// judge says what all deliveries together are worth. all says that, once each was
// taken, no session can be left.
func judge(sent []delivery, all bool) (r bridge.Receipt, err error) {
	var taken []*call.Response
	named, spurned := 0, 0
	for _, d := range sent {
		switch {
		case d.err == nil:
			taken = append(taken, d.answer)
			all = all && (d.answer.Status == http.StatusOK || d.answer.Status == http.StatusNoContent)
			if d.sid != "" {
				named++
			}
		case d.sid == "" && errors.Is(d.err, errRefused):
			// A relying party that needs a sid may refuse a token without (section 2.6).
			spurned++
		default:
			err = call.Worse(err, d.err)
		}
	}
	switch {
	case err != nil:
		return bridge.Receipt{}, err
	case len(taken) == 0:
		return bridge.Receipt{}, bridge.Permanent(errRefused)
	}
	note := fmt.Sprintf("sessions named: %d, subjects: %d", named, len(taken)-named)
	if spurned > 0 {
		note += "; the app refuses tokens that name no session"
	}
	r = call.Together(taken, note)
	r.Word = bridge.Unconfirmed
	if all && spurned == 0 {
		r.Word = bridge.Confirmed
	}
	return r, nil
}

// Check tries the old sessions, if there is a way to.
func (p *party) Check(ctx context.Context, o bridge.Order) (bridge.Receipt, error) {
	if o.Effect != bridge.Revoke {
		return bridge.Receipt{}, bridge.ErrCannotCheck
	}
	return p.probe.Proof(ctx, o.Who.Sessions, o.Account.Live)
}

// Probe ends sessions that do not exist: the relying party must take the token,
// which shows that it knows issuer, keys and audience. Then it asks the page of the
// probe without a session.
func (p *party) Probe(ctx context.Context) error {
	nobody := target{sid: "exeunt-probe-" + random.Text()}
	if p.reach.bySub {
		nobody = target{sub: nobody.sid}
	}
	if d := p.deliver(ctx, nobody); d.err != nil {
		return d.err
	}
	return p.probe.Sound(ctx)
}
