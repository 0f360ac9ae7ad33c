package saml

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

const (
	// mostAsked is how often an app is asked at most, in one attempt, for one name,
	// whether there is a session left; more often only if more sessions are known.
	mostAsked = 50
	// requestValid is how long the app may take a request for a fresh one.
	requestValid = 5 * time.Minute

	requestName = "LogoutRequest by SOAP"
)

// Do has all sessions of a person ended: for each name of theirs, a LogoutRequest
// without SessionIndex, which means all of them (SAML core, section 3.7.3.2).
// Some apps end one, and say Success all the same. So they are asked again, until
// they say that there is none left.
func (d *door) Do(ctx context.Context, o bridge.Order) (bridge.Receipt, error) {
	if o.Effect != bridge.Revoke {
		return bridge.Receipt{}, bridge.Permanent(errSessions)
	}
	names, _ := d.names(o.Who)
	if len(names) == 0 { // what was known has expired since
		return bridge.Receipt{}, bridge.Impossible(errUnknown)
	}
	l, err := d.speak()
	if err != nil {
		return bridge.Receipt{}, err
	}
	var all tally
	for _, name := range names {
		known := 0
		for _, s := range o.Who.Sessions {
			if s.Name == name {
				known++
			}
		}
		if err := l.drain(ctx, name, known, &all); err != nil {
			return bridge.Receipt{}, err
		}
	}
	return all.receipt(), nil
}

// line is an app that can be spoken to.
type line struct {
	*door
	app      Partner
	endpoint string
	key      Pair
}

// tally is what an app said to one order, over all names.
type tally struct {
	ended    int // how often it said Success
	none     int // for how many names it said that there is no session, or none left
	partly   int // how often it added that not all was ended
	open     int // for how many names it never said that there is none left
	first    time.Time
	deciding *call.Response
}

// drain ends the sessions of one name. known is how many of them are known.
func (l line) drain(ctx context.Context, name bridge.NameID, known int, t *tally) error {
	var longest time.Duration
	for n := 1; ; n++ {
		said, answer, err := l.ask(ctx, name)
		if err != nil {
			return err
		}
		t.note(answer)
		switch said {
		case none:
			t.none++
			return nil
		case partly:
			t.partly++
		}
		t.ended++
		if l.once {
			return nil
		}
		// Whoever always says Success would be asked for ever. If time runs out
		// before that is known, the next attempt goes on.
		longest = max(longest, answer.Took)
		end, limited := ctx.Deadline()
		if n >= max(mostAsked, known+1) || n > known && limited && time.Until(end) < longest {
			t.open++
			return nil
		}
	}
}

func (t *tally) note(answer *call.Response) {
	if t.deciding == nil {
		t.first = answer.At
	}
	t.deciding = answer
}

// receipt is the tally as evidence.
func (t *tally) receipt() bridge.Receipt {
	var notes []string
	word := bridge.Confirmed
	if t.ended > 0 {
		notes = append(notes, fmt.Sprintf("Success: %d", t.ended))
	} else {
		word = bridge.NoSession
	}
	if t.partly > 0 {
		notes, word = append(notes, "but not all was ended"), bridge.Unconfirmed
	}
	switch {
	case t.open > 0:
		notes, word = append(notes, "but never that there is no session left"), bridge.Unconfirmed
	case t.ended == 0:
		notes = append(notes, "it knows of no session")
	case t.none > 0:
		notes = append(notes, "then no session left")
	}
	r := t.deciding.Receipt(strings.Join(notes, ", "))
	r.Word, r.At, r.Took = word, t.first.UTC(), t.deciding.At.Add(t.deciding.Took).Sub(t.first)
	return r
}

// verdict is what an answer means.
type verdict int

const (
	ended   verdict = iota // Success
	partly                 // Success, but not everywhere
	none                   // there is no such session
	refused                // our request is not what it takes
	failed                 // it could not, this time
)

// judge reads an answer. Real apps say in many ways that there is no session:
// Shibboleth answers Responder and PartialLogout, mellon Responder and RequestDenied.
func judge(r Response) verdict {
	switch {
	case r.Status == StatusSuccess && r.Second == StatusPartialLogout:
		return partly
	case r.Status == StatusSuccess:
		return ended
	case slices.Contains([]string{StatusPartialLogout, StatusRequestDenied, StatusUnknownPrincipal}, r.Second):
		return none
	case r.Status == StatusResponder:
		return failed
	}
	return refused
}

// ask sends one LogoutRequest, and returns what its answer means once it is sure
// that it is the app's, and to this request.
func (l line) ask(ctx context.Context, name bridge.NameID) (verdict, *call.Response, error) {
	now := l.authority.options.Now()
	r := Request{ID: NewID(), Issuer: l.app.Issuer, Destination: l.endpoint, Issued: now,
		NotOnOrAfter: now.Add(requestValid), Name: name}
	body, err := l.envelope(r)
	if err != nil {
		return 0, nil, bridge.Permanent(err)
	}
	answer, err := l.client.Send(ctx, call.Request{Name: requestName, Method: http.MethodPost, URL: l.endpoint, Body: body,
		Header: http.Header{"Content-Type": {"text/xml; charset=utf-8"}, "SOAPAction": {`"http://www.oasis-open.org/committees/security"`}}})
	if err != nil {
		return 0, nil, err
	}
	if answer.Status == http.StatusInternalServerError && isPage(answer) {
		return 0, nil, bridge.Permanent(errPage)
	}
	if err := answer.Outcome(); err != nil {
		return 0, nil, err
	}
	v := Verifier{Endpoint: l.authority.Endpoint(), Now: l.authority.options.Now}
	response, err := v.SOAPAnswer(answer.Body, l.app, r.ID)
	if err != nil {
		// Whoever answered, it proves nothing; perhaps the next time the app does.
		return 0, nil, fmt.Errorf("%s: the answer cannot be believed: %w", requestName, err)
	}
	switch said := judge(response); said {
	case refused:
		return 0, nil, bridge.Permanent(fmt.Errorf("%s: the app refused it: %s", requestName, code(response)))
	case failed:
		return 0, nil, fmt.Errorf("%s: the app could not: %s", requestName, code(response))
	default:
		return said, answer, nil
	}
}

var errPage = errors.New(requestName + " answered 500 with a page for people: the app does not take our messages; " +
	"its own log says why (another key or issuer than it trusts, mostly)")

// envelope writes a request as it goes onto the wire.
func (l line) envelope(r Request) ([]byte, error) {
	el, err := l.element(r, l.app)
	if err != nil {
		return nil, err
	}
	return signedEnvelope(el, l.key)
}

// isPage reports whether an answer is HTML. That is how Shibboleth refuses a message
// that it does not trust; a server that is out of order for a while says it
// in other ways too, but nobody can tell.
func isPage(r *call.Response) bool {
	body := bytes.ToLower(bytes.TrimSpace(r.Body[:min(len(r.Body), 512)]))
	return strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") ||
		bytes.HasPrefix(body, []byte("<!doctype html")) || bytes.HasPrefix(body, []byte("<html"))
}

// code names a status; only words of the specification are repeated.
func code(r Response) string {
	if r.Status == StatusRequester || r.Status == StatusResponder || r.Status == StatusVersionMismatch {
		return r.Status[strings.LastIndex(r.Status, ":")+1:]
	}
	return "a status of its own"
}
