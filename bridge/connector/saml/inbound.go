package saml

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/beevik/etree"

	"github.com/exeunt/exeunt/bridge"
)

// asker is who asked for a logout, and how they want to be answered.
type asker struct {
	Partner string  `json:"partner"`         // by name
	Request string  `json:"request"`         // the ID of their message
	Relay   string  `json:"relay,omitempty"` // goes back to them as it came, and is nothing else to us
	Binding Binding `json:"binding"`
	Silent  bool    `json:"silent,omitempty"` // they want no answer (aslo:Asynchronous)
}

// status is that of an answer: two codes.
type status struct{ first, second string }

// What a logout comes to. Everything but proof is a partial logout (core, section
// 3.7.3.2); it does not say where, nor whether anybody is known by that name.
var (
	complete = status{StatusSuccess, ""}
	partial  = status{StatusSuccess, StatusPartialLogout}
	broken   = status{StatusResponder, ""}
	denied   = status{StatusRequester, StatusRequestDenied}
)

// request carries out a LogoutRequest: a case ends the person's sessions in every
// app but the sender's; the answer waits for the apps, but not for ever; what can
// only be reached through the person's browser is visited with it.
func (x *exchange) request(m Message) {
	ask := asker{m.From.Name, m.Request.ID, m.RelayState, m.Binding, m.Request.Asynchronous}
	who, err := x.who(m)
	if bridge.IsKind(err, bridge.KindNotFound) {
		x.Log.Info().Str("request", x.id()).Str("partner", ask.Partner).Msg("a partner has somebody signed out by a name that nobody here has")
		x.answer(ask, partial)
		return
	}
	var c bridge.Case
	if err == nil {
		ctx := bridge.WithCaller(x.ctx, bridge.Caller{Operator: "partner", Request: x.id()})
		c, err = x.Logouts.LogOut(ctx, who.ID, ask.Partner)
	}
	if err != nil {
		x.fault(err).Str("partner", ask.Partner).Msg("a logout could not begin")
		x.unsee()
		x.answer(ask, broken)
		return
	}
	if err := x.learn(m, who); err != nil {
		x.fault(err).Str("partner", ask.Partner).Msg("the name that a partner uses could not be kept")
	}
	if ask.Silent && m.Binding == SOAP { // they do not wait
		x.answer(ask, partial)
		return
	}
	of, actions, err := x.await(c.ID)
	if err != nil {
		x.fault(err).Str("case", c.ID).Msg("what came of a logout cannot be read")
		x.answer(ask, partial)
		return
	}
	var left []leg
	if m.Binding != SOAP && canWalk(x.r) {
		left = x.legs(actions)
	}
	if len(left) == 0 {
		x.answer(ask, outcome(of, actions))
		return
	}
	x.walk(chain{Case: c.ID, Asker: ask, Left: left})
}

// await waits for the apps, while whoever asked does, and not for ever.
func (x *exchange) await(id string) (bridge.Case, []bridge.Action, error) {
	ctx, cancel := context.WithTimeout(x.r.Context(), x.Wait)
	defer cancel()
	select {
	case x.waiting <- struct{}{}:
		defer func() { <-x.waiting }()
	default:
		cancel() // as things are now
	}
	return x.Logouts.AwaitCase(ctx, id)
}

// who is the person that a request is about: first by what is known of sessions,
// then by what the identity provider's NameIDs are. Whom an identity provider means is
// of its own source, whatever feeds of others have told. KindNotFound if it is
// nobody, or might be more than one.
func (x *exchange) who(m Message) (who bridge.Person, err error) {
	nobody := bridge.Errorf(bridge.KindNotFound, "nobody is known by that name")
	registers := []string{m.From.Name}
	if m.From.Role == RoleSP { // it calls people as its identity provider does
		if idp, ok := x.Authority.Partner(m.From.Issuer, RoleIdP); ok {
			registers = append(registers, idp.Name)
		}
	}
	name := m.Request.Name
	same, ok := x.People[registers[len(registers)-1]]
	err = x.Memory.View(x.ctx, func(tx bridge.Tx) error {
		known := map[string]bool{} // by id, each looked up once
		var found []bridge.Person
		for _, register := range registers {
			sessions, err := tx.SessionsNamed(register, name, x.Now())
			if err != nil {
				return err
			}
			for _, s := range sessions {
				if known[s.Person] {
					continue
				}
				known[s.Person] = true
				p, err := tx.Person(s.Person)
				switch {
				case bridge.IsKind(err, bridge.KindNotFound): // deleted, and perhaps here again as somebody else
				case err != nil:
					return err
				case !ok || p.Source == same.Source:
					found = append(found, p)
				}
			}
		}
		if len(found) == 1 {
			who = found[0]
			return nil
		}
		if len(found) > 1 || !ok || name.Format == transient || name.Value == "" {
			return nobody
		}
		people, n, err := tx.People(bridge.Query{Source: same.Source, Where: bridge.Is(bridge.Normalise(same.By, name.Value)), Limit: 1})
		if err != nil {
			return err
		}
		if n != 1 || len(people) != 1 {
			return nobody
		}
		who = people[0]
		return nil
	})
	return who, err
}

// learned is how long the name that an app has for somebody is kept after the app
// used it.
const learned = 90 * 24 * time.Hour

// learn keeps what an app calls a person, so that it can be told when they leave.
// The session itself is over.
func (x *exchange) learn(m Message, who bridge.Person) error {
	if m.From.Role != RoleSP || m.Request.Name.Format == transient {
		return nil
	}
	now := x.Now()
	return x.Memory.Update(x.ctx, func(tx bridge.Tx) error {
		known, err := tx.SessionsNamed(m.From.Name, m.Request.Name, now)
		if err != nil || len(known) > 0 {
			return err
		}
		return tx.PutSession(bridge.Session{App: m.From.Name, Person: who.ID, Handle: who.Handle, Name: m.Request.Name,
			Feed: m.From.Name, Learned: now, Expires: now.Add(learned)})
	})
}

// outcome is what may be said of a case: that all is ended only if every app showed
// it, or said it in a way that we verified, or does not know the person.
func outcome(c bridge.Case, actions []bridge.Action) status {
	if c.State == bridge.CaseOpen { // not planned yet
		return partial
	}
	for _, a := range actions {
		switch {
		case a.State == bridge.ActionVerified, a.State == bridge.ActionAbsent:
		case a.State == bridge.ActionUnverified && (a.Done.Word == bridge.Confirmed || a.Done.Word == bridge.NoSession):
		default:
			return partial
		}
	}
	return complete
}

// answer answers whoever asked, where their metadata says, by the binding that they
// came by if they take that, else by another that a browser can carry. Somebody who
// wants no answer, or has no place for it, leaves a person with us: they get a page.
func (x *exchange) answer(ask asker, s status) {
	to, known := x.partner(ask.Partner) // or it was taken out of the configuration meanwhile
	at, front := frontDoor(to, ask.Binding)
	if ask.Binding != SOAP && (!front || ask.Silent) {
		page := PagePartial
		if s == complete {
			page = PageOut
		}
		x.Show(x.w, http.StatusOK, page)
		return
	}
	key, err := x.keyFor(to)
	response := Response{ID: NewID(), Issuer: to.Issuer, Issued: x.Now(), InResponseTo: ask.Request, Status: s.first, Second: s.second}
	switch {
	case err != nil:
	case !known:
		err = errors.New("the partner is not there any more")
	case ask.Binding == SOAP:
		err = x.sendBack(response.Element(), key)
	default:
		response.Destination = cmp.Or(at.ResponseURL, at.Location)
		err = x.send(at.Binding, response.Destination, response.Element(), false, ask.Relay, key)
	}
	if err != nil {
		x.fail(err)
	}
}

// partner is who has that name, which nobody else has.
func (x *exchange) partner(name string) (Partner, bool) {
	if p, ok := x.Authority.Named(name, RoleIdP); ok {
		return p, true
	}
	return x.Authority.Named(name, RoleSP)
}

// keyFor is by what key a partner knows us.
func (x *exchange) keyFor(p Partner) (Pair, error) {
	if app := x.app(p.Name); app != nil && p.Role == RoleSP {
		return app.signer()
	}
	return x.Authority.signer()
}

// app is the connector of an app; nil if it does not speak SAML, or is not there.
func (x *exchange) app(name string) *door {
	i := slices.IndexFunc(x.Apps, func(a bridge.App) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	app, _ := x.Apps[i].Connector.(*door)
	return app
}

// sendBack answers in the exchange in which it was asked.
func (x *exchange) sendBack(el *etree.Element, key Pair) error {
	envelope, err := signedEnvelope(el, key)
	if err != nil {
		return err
	}
	x.w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, err = x.w.Write(envelope)
	return err
}

// fail answers when there is no answer.
func (x *exchange) fail(err error) {
	x.fault(err).Msg("a logout message could not be answered")
	if x.binding == SOAP {
		http.Error(x.w, "try again later", http.StatusServiceUnavailable)
		return
	}
	x.Show(x.w, http.StatusServiceUnavailable, PageFailed)
}

// frontDoor is where a partner takes messages that a browser brings: by the binding
// asked for if it can, else by Redirect, else by POST.
func frontDoor(p Partner, first Binding) (at Endpoint, ok bool) {
	for _, b := range []Binding{first, Redirect, POST} {
		if at, ok := p.takes(b); ok && b != SOAP {
			return at, true
		}
	}
	return Endpoint{}, false
}
