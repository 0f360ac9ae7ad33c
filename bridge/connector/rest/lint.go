package rest

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"

	"github.com/exeunt/exeunt/bridge"
)

// check finds the mistakes that the structure does not show, and compiles the
// expressions on the way. Its error means that there is no CEL at all.
func (r *Recipe) check() (Problems, error) {
	env, err := newEnv()
	if err != nil {
		return nil, err
	}
	c := &compiler{env: env, params: r.Params, used: map[string]bool{}}
	if r.App != "" && !isApp(r.App) {
		c.problems.add(Pos{1, 1}, "app", "must be lower-case letters, digits and '-'")
	}
	c.checkParams(r)
	c.checkAuth(&r.Auth)
	c.checkHTTP(&r.HTTP)
	c.request("probe", &r.Probe.Request, inPerson.without("subject"), reading)
	c.statuses("probe.ok", r.Probe.Pos, r.Probe.OK)
	c.compile("probe.success", r.Probe.Success, inParams.answer(), cel.BoolType)
	for i := range r.Lookup {
		c.checkLookup(indexed("lookup", i), &r.Lookup[i])
	}
	if r.Lookup != nil && len(r.Lookup) == 0 {
		c.problems.add(Pos{1, 1}, "lookup", "is empty; say how an account is found")
	}
	if r.Actions != nil && len(r.Actions) == 0 {
		c.problems.add(Pos{1, 1}, "actions", "is empty; say what can be done with an account")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Actions)) {
		c.checkAction(r, name)
	}
	for i := range r.Cases {
		c.checkCase(r, indexed("cases", i), &r.Cases[i])
	}
	for name, p := range r.Params {
		if !c.used[name] {
			c.problems.add(p.Pos, join("params", name), "is used nowhere; remove it")
		}
	}
	return c.problems, nil
}

func (s scope) without(name string) scope {
	return slices.DeleteFunc(slices.Clone(s), func(n string) bool { return n == name })
}

func isApp(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && !strings.HasPrefix(s, "-")
}

func (c *compiler) checkParams(r *Recipe) {
	for name, p := range r.Params {
		path := join("params", name)
		if !isName(name) {
			c.problems.add(p.Pos, path, "a param's name is letters, digits and '_'")
		}
		if _, err := p.regexp(); err != nil {
			c.problems.add(p.Pos, path, "pattern is no regular expression (RE2)")
			continue
		}
		if p.Optional && p.Default != "" {
			c.problems.add(p.Pos, path, "has a default, so it is never left out; remove optional")
		}
		for _, v := range []string{p.Default, p.Example} {
			if problem := p.wrong(v); v != "" && problem != "" {
				c.problems.add(p.Pos, path, "%q %s", v, problem)
			}
		}
		if len(r.Cases) > 0 && p.Default == "" && p.Example == "" && !p.Optional {
			c.problems.add(p.Pos, path, "has no default; give an example for the cases")
		}
	}
}

func (p Param) regexp() (*regexp.Regexp, error) { return regexp.Compile(`\A(?:` + p.Pattern + `)\z`) }

// wrong says what is wrong with a value of p; "" if nothing is.
func (p Param) wrong(v string) string {
	if p.Type == "url" {
		u, err := url.Parse(v)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
			return "must be a URL that begins with https://"
		}
		if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
			return "must be a URL without user name, query and fragment"
		}
	}
	if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' }) {
		return "must not hold control characters"
	}
	if re, err := p.regexp(); p.Pattern != "" && err == nil && !re.MatchString(v) {
		return "does not match the pattern " + p.Pattern
	}
	return ""
}

// authFields says which fields each kind of auth has; "?" marks those that may
// be left out.
var authFields = map[string]string{
	"none":                      "",
	"basic":                     "username password",
	"bearer":                    "token",
	"header":                    "name prefix? value",
	"oauth2_client_credentials": "token_url client_id client_secret scope? extra? send_in?",
}

func (c *compiler) checkAuth(a *Auth) {
	given := map[string]bool{
		"username": a.Username != nil, "password": a.Password != nil, "token": a.Token != nil,
		"name": a.Name != "", "prefix": a.Prefix != "", "value": a.Value != nil,
		"token_url": a.TokenURL != nil, "client_id": a.ClientID != nil, "client_secret": a.ClientSecret != nil,
		"scope": a.Scope != "", "extra": a.Extra != nil, "send_in": a.SendIn != "",
	}
	list, known := authFields[a.Kind]
	if !known {
		return // told by the decoder
	}
	fields := strings.Fields(list)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		switch {
		case given[name] && !slices.Contains(fields, name) && !slices.Contains(fields, name+"?"):
			c.problems.add(a.Pos, join("auth", name), "auth of kind %s has no such field; remove it", a.Kind)
		case !given[name] && slices.Contains(fields, name):
			c.problems.add(a.Pos, "auth", "%s is missing, which auth of kind %s needs", name, a.Kind)
		}
	}
	c.text("auth.username", a.Username, inParams)
	c.texts("auth.extra", a.Extra, inParams)
	if a.TokenURL != nil {
		c.path("auth.token_url", a.TokenURL, inParams)
	}
	if a.Name != "" && !isHeader(a.Name) {
		c.problems.add(a.Pos, "auth.name", "%q is no name of a header", a.Name)
	}
}

func isHeader(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 127 || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// ours are headers that are made, not given.
var ours = []string{"Authorization", "Proxy-Authorization", "Cookie", "Host", "Content-Length",
	"Transfer-Encoding", "Connection", "User-Agent"}

func (c *compiler) headers(path string, m map[string]Text, s scope) {
	for name, t := range m {
		if !isHeader(name) {
			c.problems.add(t.Pos, join(path, name), "is no name of a header")
		}
		if slices.Contains(ours, http.CanonicalHeaderKey(name)) {
			c.problems.add(t.Pos, join(path, name), "may not be given here; credentials belong into auth")
		}
	}
	c.texts(path, m, s)
}

func (c *compiler) checkHTTP(h *HTTP) {
	c.text("http.base", &h.Base, inParams)
	if h.Base.Source != "" {
		if _, ok := h.Base.host(); !ok {
			c.problems.add(h.Base.Pos, "http.base", `must begin with "https://" and a literal host, or with a param of type url: "${params.base}"`)
		} else {
			c.host("http.base", &h.Base)
			c.literals("http.base", &h.Base)
		}
	}
	c.headers("http.headers", h.Headers, inParams)
	for i := range h.Errors {
		rule := &h.Errors[i]
		path := indexed("http.errors", i)
		c.compile(join(path, "when"), &rule.When, scope{"status", "headers", "body"}, cel.BoolType)
		if rule.Needs != "" && rule.Class != Blocked {
			c.problems.add(rule.Pos, path, "needs is for class blocked")
		}
	}
}

// host checks what a text that has a host begins with.
func (c *compiler) host(path string, t *Text) {
	lead, ok := t.host()
	if !ok {
		return
	}
	if name, isParam := strings.CutPrefix(lead, "params."); isParam {
		if p, ok := c.params[name]; ok && p.Type != "url" {
			c.problems.add(t.Pos, path, "a host may come only from a param of type url; %s is of type %s", name, p.Type)
		}
		if p := c.params[name]; p.Optional {
			c.problems.add(t.Pos, path, "%s may be left out, so no host can come from it", name)
		}
		if len(t.parts) > 1 && !strings.HasPrefix(t.parts[1].literal, "/") {
			c.problems.add(t.Pos, path, `after a param of type url the path begins with "/"`)
		}
		return
	}
	host := strings.TrimPrefix(lead, "https://")
	if u, err := url.Parse(lead); err != nil || u.Host == "" || u.User != nil || host == "" {
		c.problems.add(t.Pos, path, "%q is no host", host)
	}
	if rest := strings.TrimPrefix(t.parts[0].literal, lead); rest == "" && len(t.parts) > 1 {
		c.problems.add(t.Pos, path, "the host must be literal, or come from a param of type url")
	}
}

// path checks the path of a request.
func (c *compiler) path(path string, t *Text, s scope) {
	c.text(path, t, s)
	if t.Source == "" {
		c.problems.add(t.Pos, path, `a path begins with "/"`)
		return
	}
	if _, ok := t.host(); ok {
		c.host(path, t)
	} else if !strings.HasPrefix(t.Source, "/") || strings.HasPrefix(t.Source, "//") {
		c.problems.add(t.Pos, path, `must begin with "/", or with "https://" and a literal host, or with a param of type url`)
	}
	c.literals(path, t)
}

func (c *compiler) literals(path string, t *Text) {
	for _, p := range t.parts {
		if strings.ContainsAny(p.literal, "?#") {
			c.problems.add(t.Pos, path, "a path has no ? and no #; parameters belong into query")
		}
		if strings.ContainsAny(p.literal, " \\\t\n") {
			c.problems.add(t.Pos, path, "a path has no spaces and no backslashes")
		}
	}
}

// use says for what a request is made.
type use int

const (
	reading use = iota // GET, or POST where the vendor reads with it
	writing
)

func (c *compiler) request(path string, r *Request, s scope, u use) {
	method, target := r.method()
	if method == "" {
		if r.Pos != (Pos{}) {
			c.problems.add(r.Pos, path, "exactly one of get, post, put, patch and delete must be given, with the path")
		}
		return
	}
	c.path(join(path, strings.ToLower(method)), target, s)
	if u == reading && method != http.MethodGet && method != http.MethodPost {
		c.problems.add(target.Pos, path, "this only reads; use get, or post if the vendor reads with it")
	}
	if r.JSON != nil && r.Form != nil {
		c.problems.add(r.Pos, path, "json and form exclude each other")
	}
	if method == http.MethodGet && (r.JSON != nil || r.Form != nil) {
		c.problems.add(r.Pos, path, "a GET has no body")
	}
	c.texts(join(path, "query"), r.Query, s)
	c.headers(join(path, "headers"), r.Headers, s)
	c.body(join(path, "json"), r.JSON, s)
	c.texts(join(path, "form"), r.Form, s)
}

func (c *compiler) statuses(path string, at Pos, codes []int) {
	for _, code := range codes {
		if code < 200 || code > 599 {
			c.problems.add(at, path, "%d is no status of an answer", code)
		}
	}
}

func (c *compiler) checkLookup(path string, l *Lookup) {
	c.request(path, &l.Request, inPerson, reading)
	c.statuses(join(path, "ok"), l.Pos, l.OK)
	c.statuses(join(path, "absent"), l.Pos, l.Absent)
	c.compile(join(path, "success"), l.Success, inPerson.answer(), cel.BoolType)
	c.compile(join(path, "items"), l.Items, inPerson.answer(), cel.ListType(cel.DynType))
	each := inPerson.answer().with("item")
	c.compile(join(path, "match"), &l.Match, each, cel.BoolType)
	if l.Match.run != nil && l.By != "" && !(l.Match.uses("item") && l.Match.uses("subject."+l.By)) {
		c.problems.add(l.Match.Pos, join(path, "match"), "must compare item with subject.%s", l.By)
	}
	c.compile(join(path, "as.id"), &l.As.ID, each, nil)
	c.compile(join(path, "as.login"), l.As.Login, each, nil)
	c.paginate(join(path, "paginate"), l.Paginate, inPerson.answer())
	if l.Paginate != nil && l.Items == nil {
		c.problems.add(l.Pos, path, "paginate needs items: where the list is in the answer")
	}
}

func (c *compiler) paginate(path string, p *Paginate, s scope) {
	if p == nil {
		return
	}
	given := 0
	for _, yes := range []bool{p.LinkHeader, p.NextURL != nil, p.Cursor != nil, p.Page != "", p.Offset != ""} {
		if yes {
			given++
		}
	}
	if given != 1 {
		c.problems.add(p.Pos, path, "exactly one of link_header, next_url, cursor, page and offset must be given")
	}
	if (p.Cursor != nil) != (p.Param != "") {
		c.problems.add(p.Pos, path, "cursor and param belong together: where the cursor is in the answer, and in which query parameter it goes")
	}
	counts := p.Page != "" || p.Offset != ""
	if counts != (p.Size > 0) {
		c.problems.add(p.Pos, path, "page and offset need size: how many items make a full page")
	}
	if p.First != nil && !counts {
		c.problems.add(p.Pos, path, "first is for page and offset")
	}
	if p.MaxPages > 1000 {
		c.problems.add(p.Pos, path, "max_pages is at most 1000")
	}
	c.compile(join(path, "next_url"), p.NextURL, s, nil)
	c.compile(join(path, "cursor"), p.Cursor, s, nil)
}

// rank is an effect's place in the order in which an account undergoes them.
func rank(effect string) int { return slices.Index(bridge.Effects, bridge.Effect(effect)) }
