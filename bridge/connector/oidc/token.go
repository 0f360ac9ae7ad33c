package oidc

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/naming"
)

// kind is the type in a logout token's header, so that no other token can be
// taken for one (section 2.4, and RFC 8725, section 3.11).
const kind = "logout+jwt"

// event says what a logout token is about.
const event = "http://schemas.openid.net/event/backchannel-logout"

// lifetime is how long a logout token is good for: two minutes, as section 4 advises.
const lifetime = 2 * time.Minute

// claims are those of a logout token (section 2.4). There is no nonce, which would
// make an ID token of it.
type claims struct {
	Issuer   string              `json:"iss"`
	Subject  string              `json:"sub,omitempty"`
	Audience string              `json:"aud"`
	Issued   int64               `json:"iat"`
	Expires  int64               `json:"exp"`
	ID       string              `json:"jti"`
	Events   map[string]struct{} `json:"events"`
	SID      string              `json:"sid,omitempty"`
}

// token makes a logout token that nobody has seen before.
func (p *party) token(t target) (string, error) {
	now := p.who.options.Now()
	payload, err := json.Marshal(claims{Issuer: p.issuer, Subject: t.sub, Audience: p.audience, SID: t.sid,
		Issued: now.Unix(), Expires: now.Add(lifetime).Unix(), ID: rand.Text(), Events: map[string]struct{}{event: {}}})
	if err != nil {
		return "", err
	}
	return p.who.sign(kind, payload)
}

// target is whom or what one logout token names: one session, or everything of a
// subject. At least one of both is set.
type target struct{ sub, sid string }

// reach is how a relying party finds sessions, and what we know of them.
type reach struct {
	subject  naming.Rule
	bySub    bool
	complete bool
}

// targets says what has to be named to end every session of a person, and whether
// a relying party that has taken all of it has none left.
func (r reach) targets(who bridge.Identifiers) (list []target, all bool) {
	var subs []string
	var sessions []target // one for each sid
	unnamed := false      // a session that no sid tells from others
	for _, s := range who.Sessions {
		if s.Subject != "" && !slices.Contains(subs, s.Subject) {
			subs = append(subs, s.Subject)
		}
		one := target{s.Subject, s.SID}
		switch {
		case s.SID == "":
			unnamed = true
		case !slices.Contains(sessions, one):
			sessions = append(sessions, one)
		}
	}
	// A subject that was told is right; one that is made up is for want of it.
	if made := r.subject.Of(who); len(subs) == 0 && made != "" {
		subs = append(subs, made)
	}
	if r.bySub && len(subs) > 0 {
		// Sessions are named all the same. A relying party that keeps a list of whom it
		// has signed out takes them off it when they sign in again, and then an old
		// cookie lives again; a sid it does not forget.
		sessions = slices.DeleteFunc(sessions, func(t target) bool { return t.sub == "" })
		return append(sessions, everything(subs)...), true
	}
	if r.complete && len(sessions) > 0 && !unnamed && len(who.Sessions) < bridge.MostSessions { // else older ones may be forgotten
		return sessions, true
	}
	return append(sessions, everything(subs)...), false
}

func everything(subs []string) (list []target) {
	for _, sub := range subs {
		list = append(list, target{sub: sub})
	}
	return list
}
