package saml

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/exeunt/exeunt/bridge"
)

// A person's browser is led from app to app, because some can be reached by it only:
// from us to an app with a LogoutRequest, back to us with its LogoutResponse, to
// the next app, and at last back to whoever asked. What must be remembered on the
// way is kept here and not in the browser: RelayState is a random word by which it
// is found again, once. Whoever does not come back leaves the rest of the apps as
// they are, and the case says so.

// chain is one such walk.
type chain struct {
	Case    string   `json:"case"`
	Asker   asker    `json:"asker"`
	Browser [32]byte `json:"browser"` // hash of the cookie of the browser that walks
	Left    []leg    `json:"left"`    // apps to go to
	At      leg      `json:"at"`      // the app that it went to
	Asked   string   `json:"asked"`   // the ID of what that was asked
	Whole   bool     `json:"whole"`   // that is about every session that is known there
}

// leg is an app on the way, and the action that it settles.
type leg struct {
	App    string `json:"app"`
	Action string `json:"action"`
}

const (
	walkFor = 10 * time.Minute // how long the way to one app and back may take
	// maxLegs is how many apps one walk visits: browsers follow some twenty redirects
	// in a row, and each app takes two.
	maxLegs = 8
)

// canWalk reports whether a request comes from a browser's own window. In a frame
// of another site a browser keeps our cookie to itself, and that of the apps.
func canWalk(r *http.Request) bool {
	to := r.Header.Get("Sec-Fetch-Dest")
	return to == "" || to == "document"
}

// legs are the actions of a case that only a browser can settle: of apps without an
// endpoint for SOAP. One that could not be reached by SOAP is not visited either,
// because a person would be stranded there; the engine goes on trying.
func (x *exchange) legs(actions []bridge.Action) (legs []leg) {
	for _, a := range actions {
		if a.State != bridge.ActionImpossible || a.Effect != bridge.Revoke {
			continue
		}
		p, ok := x.Authority.Named(a.Lane.App, RoleSP)
		if _, soap := p.takes(SOAP); !ok || soap {
			continue
		}
		if _, front := frontDoor(p, Redirect); front && len(legs) < maxLegs {
			legs = append(legs, leg{a.Lane.App, a.ID})
		}
	}
	return legs
}

// walk sends the browser on its way: to the next app, or, if there is none left,
// back to whoever asked.
func (x *exchange) walk(c chain) {
	for len(c.Left) > 0 {
		c.At, c.Left = c.Left[0], c.Left[1:]
		sent, err := x.visit(c)
		if err != nil {
			x.fault(err).Str("case", c.Case).Str("app", c.At.App).Msg("a person's browser could not be sent to an app")
		}
		if sent {
			return
		}
	}
	of, actions, err := x.await(c.Case) // what an app confirmed may have to be checked
	if err != nil {
		x.fault(err).Str("case", c.Case).Msg("what came of a logout cannot be read")
		x.answer(c.Asker, partial)
		return
	}
	x.answer(c.Asker, outcome(of, actions))
}

// visit sends the browser to one app, and remembers that it did. sent is false if
// that app cannot be visited.
func (x *exchange) visit(c chain) (sent bool, err error) {
	to, ok := x.Authority.Named(c.At.App, RoleSP)
	at, front := frontDoor(to, Redirect)
	app := x.app(c.At.App)
	if !ok || !front || app == nil {
		return false, nil
	}
	name, whole, ok, err := x.nameFor(c, app)
	if err != nil || !ok {
		return false, err
	}
	key, err := app.signer()
	if err != nil {
		return false, err
	}
	now, relay := x.Now(), rand.Text()
	request := Request{ID: NewID(), Issuer: to.Issuer, Destination: at.Location, Issued: now, NotOnOrAfter: now.Add(walkFor), Name: name}
	el, err := app.element(request, to)
	if err != nil {
		return false, err
	}
	c.Asked, c.Whole, c.Browser = request.ID, whole, x.browser()
	note, err := json.Marshal(c)
	if err != nil {
		return false, err
	}
	err = x.Memory.Update(x.ctx, func(tx bridge.Tx) error {
		return tx.PutNote(keyOf("chain", relay), note, now, now.Add(walkFor))
	})
	if err != nil {
		return false, err
	}
	return true, x.send(at.Binding, at.Location, el, true, relay, key)
}

// nameFor is what an app calls the person of a case. A browser asks an app once, so that
// is whole only if what is known has this name, and is one session, or the app ends all
// together.
func (x *exchange) nameFor(c chain, app *door) (name bridge.NameID, whole, ok bool, err error) {
	err = x.Memory.View(x.ctx, func(tx bridge.Tx) error {
		of, err := tx.Case(c.Case)
		if err != nil {
			return err
		}
		if of.Who.Sessions, err = tx.Sessions(bridge.Lane{App: c.At.App, Person: of.Person}, x.Now()); err != nil {
			return err
		}
		if names, _ := app.names(of.Who); len(names) > 0 {
			name, ok = names[0], true // the newest
			others := slices.ContainsFunc(of.Who.Sessions, func(s bridge.Session) bool { return s.Name != name })
			whole = len(of.Who.Sessions) == 0 || !others && (app.once || len(of.Who.Sessions) == 1)
		}
		return nil
	})
	return name, whole, ok, err
}

// response takes what an app answered through a browser. It counts only if we
// asked: the walk that RelayState finds must be this browser's, it must have gone to
// this app, and the answer must be to what we asked there.
func (x *exchange) response(m Message) {
	var c chain
	unasked := &Refusal{Reason: Unasked, Detail: "no walk waits for this answer", Partner: m.From.Name}
	err := x.Memory.Update(x.ctx, func(tx bridge.Tx) error {
		note, err := tx.TakeNote(keyOf("chain", m.RelayState), x.Now())
		if bridge.IsKind(err, bridge.KindNotFound) {
			return unasked
		} else if err != nil {
			return err
		}
		c = chain{}
		if err := json.Unmarshal(note, &c); err != nil {
			return err
		}
		if m.Binding == SOAP || m.From.Role != RoleSP || m.From.Name != c.At.App || m.Response.InResponseTo != c.Asked || !x.walks(c) {
			return unasked // and the note stays
		}
		return nil
	})
	if err != nil {
		x.refuse(err)
		return
	}
	if m.Response.Status == StatusSuccess && m.Response.Second != StatusPartialLogout {
		said := bridge.Receipt{Summary: "LogoutResponse through the person's browser: Success", Word: bridge.Confirmed, At: x.Now()}
		if !c.Whole {
			said.Summary, said.Word = said.Summary+", but more sessions are known than it was asked about", bridge.Unconfirmed
		}
		err := x.Logouts.ShutByBrowser(x.ctx, c.At.Action, said)
		if err != nil && !bridge.IsKind(err, bridge.KindConflict) { // it has found another end
			x.fault(err).Str("case", c.Case).Str("app", c.At.App).Msg("what an app confirmed could not be written down")
		}
	}
	x.walk(c)
}

// cookie is the name of the cookie that tells one browser from another. The prefix
// has browsers take it from this host only, and only by https.
func (x *exchange) cookie() string {
	if x.secure() {
		return "__Host-exeunt-logout"
	}
	return "exeunt-logout"
}

func (x *exchange) secure() bool { return strings.HasPrefix(x.Authority.Endpoint(), "https://") }

// browser returns the hash of the browser's cookie, and gives it one if it has none:
// one for all walks of a browser, since several windows may walk at once.
//
// Apps may come back by POST, and with that a browser sends SameSite=None only. That
// is no loss: without the partner's signature and RelayState the cookie is good for
// nothing. Without https browsers do not take None, and such apps do not get through.
func (x *exchange) browser() [32]byte {
	value := x.shown()
	if value == "" {
		value = rand.Text()
	}
	c := &http.Cookie{Name: x.cookie(), Value: value, Path: "/", MaxAge: int(walkFor.Seconds()), HttpOnly: true, Secure: x.secure(), SameSite: http.SameSiteLaxMode}
	if c.Secure {
		c.SameSite = http.SameSiteNoneMode
	}
	http.SetCookie(x.w, c)
	return sha256.Sum256([]byte(value))
}

// shown is the cookie that the browser has shown, if it may be one of ours.
func (x *exchange) shown() string {
	c, err := x.r.Cookie(x.cookie())
	if err != nil || len(c.Value) != len(rand.Text()) {
		return ""
	}
	return c.Value
}

// walks reports whether it is this browser that walks.
func (x *exchange) walks(c chain) bool {
	is := sha256.Sum256([]byte(x.shown()))
	return subtle.ConstantTimeCompare(is[:], c.Browser[:]) == 1
}

// send has the browser bring a message to a partner.
func (x *exchange) send(b Binding, to string, el *etree.Element, request bool, relay string, key Pair) error {
	if b == Redirect {
		url, err := RedirectURL(to, el, request, relay, key)
		if err != nil {
			return err
		}
		x.w.Header().Set("Location", url)
		x.w.WriteHeader(http.StatusSeeOther) // always by GET
		return nil
	}
	signed, err := Sign(el, key)
	if err != nil {
		return err
	}
	page, policy, err := POSTForm(to, signed, request, relay)
	if err != nil {
		return err
	}
	x.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	x.w.Header().Set("Content-Security-Policy", policy)
	_, err = x.w.Write(page)
	return err
}
