package sandbox

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Issuer is an authorization server of OAuth, with one client. Its Admin is the
// client's secret; the client authenticates with HTTP Basic, or in the body, and
// never with both.
//
//	POST /revoke      200, also for a token that it does not know (RFC 7009)
//	POST /introspect  {"active": true | false} (RFC 7662)
//	GET  /me          200 with a bearer token that is active, else 401
type Issuer struct{ *App }

// Tokens is how an issuer deals with tokens.
type Tokens struct {
	Client        string
	RefreshOnly   bool // access tokens are not revoked: unsupported_token_type
	SelfContained bool // /me believes access tokens that are revoked, as apps do that only look at a signature
}

// StartIssuer starts one. Users of the options are not used: see [Issuer.Grant].
func StartIssuer(o Options, t Tokens) (*Issuer, error) {
	if o.Admin == "" {
		o.Admin = random()
	}
	app, err := start(o, &grants{client: t, secret: o.Admin, tokens: map[string]grant{}})
	if err != nil {
		return nil, err
	}
	return &Issuer{app}, nil
}

// RevokeURL, IntrospectURL and PageURL are its endpoints.
func (i *Issuer) RevokeURL() string     { return i.url + "/revoke" }
func (i *Issuer) IntrospectURL() string { return i.url + "/introspect" }
func (i *Issuer) PageURL() string       { return i.url + "/me" }

// Grant issues two tokens to a subject.
func (i *Issuer) Grant(subject string) (access, refresh string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	access, refresh = random(), random()
	tokens := i.live.(*grants).tokens
	tokens[access] = grant{subject, refresh, true}
	tokens[refresh] = grant{subject, "", true}
	return access, refresh
}

// Active counts the tokens of a subject.
func (i *Issuer) Active(subject string) (n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, g := range i.live.(*grants).tokens {
		if g.subject == subject && g.active {
			n++
		}
	}
	return n
}

// grant is one token.
type grant struct {
	subject string
	of      string // the refresh token that an access token goes with; "" of a refresh token
	active  bool
}

type grants struct {
	client Tokens
	secret string
	tokens map[string]grant
	done   []Change
}

func (g *grants) copy() world {
	c := *g
	c.tokens, c.done = maps.Clone(g.tokens), slices.Clone(g.done)
	return &c
}

func (g *grants) changes() []Change { return g.done }

func (g *grants) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/me" && r.Method == http.MethodGet {
		if one, ok := g.tokens[bearer(r)]; !ok || one.of == "" || !one.active && !g.client.SelfContained {
			w.WriteHeader(http.StatusUnauthorized)
		}
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/revoke" && r.URL.Path != "/introspect" {
		http.NotFound(w, r)
		return
	}
	fields, ok := form(r)
	if !ok || !g.known(r, fields) {
		spurn(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	token := fields.Get("token")
	one := g.tokens[token]
	switch {
	case token == "":
		spurn(w, http.StatusBadRequest, "invalid_request")
	case r.URL.Path == "/introspect":
		w.Header().Set("Cache-Control", "no-store")
		writeJSON(w, http.StatusOK, "application/json", map[string]any{"active": one.active})
	case one.active && one.of != "" && g.client.RefreshOnly:
		spurn(w, http.StatusBadRequest, "unsupported_token_type")
	case one.active:
		g.revoke(token)
	}
}

// known reports whether a request shows the client in exactly one way.
func (g *grants) known(r *http.Request, fields url.Values) bool {
	id, secret, inHeader := r.BasicAuth()
	if inHeader {
		var err, err2 error
		id, err = url.QueryUnescape(id)
		secret, err2 = url.QueryUnescape(secret)
		if err != nil || err2 != nil || fields.Has("client_id") || fields.Has("client_secret") {
			return false
		}
	} else {
		id, secret = fields.Get("client_id"), fields.Get("client_secret")
	}
	return id == g.client.Client && same(secret, g.secret)
}

// revoke ends a token, and with a refresh token the access tokens that it made.
func (g *grants) revoke(token string) {
	for name, other := range g.tokens {
		if other.active && (name == token || other.of == token && !g.client.RefreshOnly) {
			other.active = false
			g.tokens[name] = other
			g.done = append(g.done, Change{other.subject, "token revoked", time.Now()})
		}
	}
}

func spurn(w http.ResponseWriter, status int, code string) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Basic")
	}
	writeJSON(w, status, "application/json", map[string]string{"error": code})
}
