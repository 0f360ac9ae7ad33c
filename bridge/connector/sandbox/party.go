package sandbox

import (
	"encoding/json"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Party is a relying party of OpenID Connect, which people are signed in to from
// elsewhere. It keeps sessions by sid, as most do: a token that names only a subject
// is answered 200 and ends nothing, unless it was told to keep them by subject.
//
//	GET  /page    200 with the cookie of a session, else 302
//	POST /logout  200; 400 for a logout token that is wrong in any way, or was seen before
type Party struct{ *App }

// Trust is whom a party believes, and how it keeps sessions.
type Trust struct {
	Issuer, ClientID string
	Keys             func() ([]byte, error) // the issuer's JWK set, as it is now
	BySubject        bool
}

// StartParty starts one. Users of the options are not used: see [Party.SignIn].
func StartParty(o Options, t Trust) (*Party, error) {
	app, err := start(o, &rooms{trust: t, sessions: map[string]room{}, seen: map[string]bool{}})
	if err != nil {
		return nil, err
	}
	return &Party{app}, nil
}

// PageURL is the page that needs a session, and LogoutURL takes logout tokens.
func (p *Party) PageURL() string   { return p.url + "/page" }
func (p *Party) LogoutURL() string { return p.url + "/logout" }

// SignIn begins a session of a subject, and returns its cookie's value and sid.
func (p *Party) SignIn(subject string) (cookie, sid string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cookie, sid = random(), random()
	p.live.(*rooms).sessions[cookie] = room{sid, subject}
	return cookie, sid
}

// SignedIn counts the sessions of a subject.
func (p *Party) SignedIn(subject string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.live.(*rooms).sessions {
		if r.subject == subject {
			n++
		}
	}
	return n
}

// room is one session.
type room struct{ sid, subject string }

type rooms struct {
	trust    Trust
	sessions map[string]room // by cookie
	seen     map[string]bool // jti
	done     []Change
}

func (p *rooms) copy() world {
	c := *p
	c.sessions, c.seen, c.done = maps.Clone(p.sessions), maps.Clone(p.seen), slices.Clone(p.done)
	return &c
}

func (p *rooms) changes() []Change { return p.done }

func (p *rooms) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/page" && r.Method == http.MethodGet:
		admit(w, r, p.sessions, p.trust.Issuer)
	case r.URL.Path == "/logout" && r.Method == http.MethodPost:
		if !p.logout(r) {
			w.WriteHeader(http.StatusBadRequest)
		}
	default:
		http.NotFound(w, r)
	}
}

// admit answers a page that needs a session: whoever has none is led to where people
// are signed in.
func admit[S any](w http.ResponseWriter, r *http.Request, sessions map[string]S, signIn string) {
	if c, err := r.Cookie(cookie); err == nil {
		if _, ok := sessions[c.Value]; ok {
			return // 200
		}
	}
	w.Header().Set("Location", signIn)
	w.WriteHeader(http.StatusFound)
}

// logout checks a logout token as section 2.6 of OpenID Connect Back-Channel Logout
// 1.0 says, also where that only advises, and ends what it names.
func (p *rooms) logout(r *http.Request) bool {
	fields, ok := form(r)
	if !ok || len(fields) != 1 {
		return false
	}
	payload, ok := p.verified(fields.Get("logout_token"))
	if !ok {
		return false
	}
	var c struct {
		Issuer, Subject, Audience, ID, SID *string
		Issued, Expires                    *int64
		Events                             map[string]map[string]any
	}
	places := map[string]any{"iss": &c.Issuer, "sub": &c.Subject, "aud": &c.Audience, "jti": &c.ID, "sid": &c.SID,
		"iat": &c.Issued, "exp": &c.Expires, "events": &c.Events}
	var raw map[string]json.RawMessage
	if json.Unmarshal(payload, &raw) != nil {
		return false
	}
	for name, value := range raw {
		if places[name] == nil || json.Unmarshal(value, places[name]) != nil { // a nonce, above all
			return false
		}
	}
	now := time.Now().Unix()
	about, named := c.Events["http://schemas.openid.net/event/backchannel-logout"]
	switch {
	case c.Issuer == nil || *c.Issuer != p.trust.Issuer, c.Audience == nil || *c.Audience != p.trust.ClientID,
		c.Issued == nil || *c.Issued > now+5 || *c.Issued < now-120,
		c.Expires == nil || *c.Expires <= now || *c.Expires > now+300,
		c.ID == nil || *c.ID == "" || p.seen[*c.ID],
		!named || len(about) != 0 || len(c.Events) != 1,
		c.Subject == nil && c.SID == nil, c.Subject != nil && *c.Subject == "", c.SID != nil && *c.SID == "":
		return false
	}
	p.seen[*c.ID] = true
	maps.DeleteFunc(p.sessions, func(_ string, s room) bool {
		hit := c.SID != nil && s.sid == *c.SID && (c.Subject == nil || s.subject == *c.Subject) ||
			c.SID == nil && p.trust.BySubject && s.subject == *c.Subject
		if hit {
			p.done = append(p.done, Change{s.subject, "session ended", time.Now()})
		}
		return hit
	})
	return true
}

// verified is the payload of a token that one of the keys signed, for nothing else.
func (p *rooms) verified(token string) (payload []byte, ok bool) {
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.ES384})
	if err != nil || strings.ContainsAny(token, "+/=") || signed.Signatures[0].Header.ExtraHeaders["typ"] != "logout+jwt" {
		return nil, false
	}
	text, err := p.trust.Keys()
	var set jose.JSONWebKeySet
	if err != nil || json.Unmarshal(text, &set) != nil {
		return nil, false
	}
	keys := set.Key(signed.Signatures[0].Header.KeyID)
	if len(keys) != 1 || keys[0].Algorithm != signed.Signatures[0].Header.Algorithm {
		return nil, false
	}
	payload, err = signed.Verify(keys[0])
	return payload, err == nil
}

// form reads a body as a form, each field once.
func form(r *http.Request) (url.Values, bool) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" || r.ParseForm() != nil {
		return nil, false
	}
	for _, values := range r.PostForm {
		if len(values) != 1 {
			return nil, false
		}
	}
	return r.PostForm, true
}
