package scim

import (
	"net/http"
	"strings"
)

// sign is one thing by which a client is recognised. Where a source names no
// dialect, each request is looked at by itself: nothing is remembered, so that
// the same request is always read in the same way, and no source can make
// another's be read otherwise. No sign is something that a client sends which
// keeps to the RFCs and is not the one that is named.
type sign struct {
	client   Dialect
	what     string // for docs/scim.md: what is seen
	known    string // where from, as in testdata/idp/README.md
	recorded string // a conversation in which it is seen

	request func(r *http.Request) bool     // looks at what comes before the body
	body    func(body map[string]any) bool // looks at the body
}

// signs is every sign, the plainest first: the first that is seen decides. What
// a client calls itself goes before what its bodies look like.
//
// What JumpCloud, Ping and Rippling call themselves nobody has published, and
// their bodies are not unlike others': they are read as Generic, which mends all
// that they need.
func signs() []sign {
	return []sign{
		{client: Okta, what: "`User-Agent: Okta SCIM Client …`", known: "documented", recorded: "okta/001-deactivate-patch.txt",
			request: calls("okta scim client")},
		{client: Google, what: "`User-Agent: Google-Auto-Provisioning`", known: "captured", recorded: "google/001-create.txt",
			request: calls("google-auto-provisioning")},
		{client: Entra, what: "a flag in the query: `aadOptscim062020`, `AzureAdScimPatch062020` or `AzureAdScimPatch2017`", known: "inferred",
			recorded: "entra/018-flag.txt", request: flagged},
		{client: OneLogin, what: "no `User-Agent`, and a URL that ends with `?` or `&`", known: "captured", recorded: "onelogin/005-wire.txt",
			request: endsOpen},
		{client: Entra, what: "operations called `Add`, `Replace` or `Remove`", known: "documented", recorded: "entra/001-deactivate-string.txt",
			body: capitalOps},
		{client: Entra, what: "a PATCH without a path whose value has dotted names", known: "documented", recorded: "entra/003-deactivate-pathless.txt",
			body: dottedNames},
		{client: Entra, what: "the schema `http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/…`", known: "documented",
			recorded: "entra/009-group-create.txt", body: adscim},
		{client: OneLogin, what: "`emails` as one object", known: "documented", recorded: "onelogin/004-update.txt", body: oneEmail},
	}
}

// calls sees that a client calls itself so, in whatever case.
func calls(name string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.HasPrefix(strings.ToLower(r.UserAgent()), name) }
}

// flagged sees what Entra has its users put at the end of the tenant's URL.
func flagged(r *http.Request) bool {
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		switch name, _, _ := strings.Cut(part, "="); strings.ToLower(name) {
		case "aadoptscim062020", "azureadscimpatch062020", "azureadscimpatch2017":
			return true
		}
	}
	return false
}

// endsOpen sees a query that ends where OneLogin would have put more.
func endsOpen(r *http.Request) bool {
	return r.UserAgent() == "" && (r.URL.ForceQuery || strings.HasSuffix(r.URL.RawQuery, "&"))
}

func capitalOps(body map[string]any) bool {
	return anyOperation(body, func(o map[string]any) bool {
		switch member(o, "op") {
		case "Add", "Replace", "Remove":
			return true
		}
		return false
	})
}

func dottedNames(body map[string]any) bool {
	return anyOperation(body, func(o map[string]any) bool {
		whole, _ := member(o, "value").(map[string]any)
		if member(o, "path") != nil {
			return false
		}
		for name := range whole {
			if strings.Contains(name, ".") && !strings.HasPrefix(strings.ToLower(name), "urn:") {
				return true
			}
		}
		return false
	})
}

func anyOperation(body map[string]any, is func(map[string]any) bool) bool {
	list, _ := member(body, "Operations").([]any)
	for _, e := range list {
		if o, ok := e.(map[string]any); ok && is(o) {
			return true
		}
	}
	return false
}

func adscim(body map[string]any) bool {
	list, _ := member(body, "schemas").([]any)
	for _, e := range list {
		if s, ok := e.(string); ok && strings.HasPrefix(s, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/") {
			return true
		}
	}
	return false
}

func oneEmail(body map[string]any) bool {
	_, one := member(body, "emails").(map[string]any)
	return one
}

// recognise says whose request it is, by what comes before the body and, if
// that is here already (else nil), the body; Generic if nothing tells.
func recognise(signs []sign, r *http.Request, body map[string]any) Dialect {
	for _, s := range signs {
		if s.request != nil && s.request(r) || s.body != nil && s.body(body) {
			return s.client
		}
	}
	return Generic
}

// listen begins to read a request in the source's dialect.
func (q *request) listen(d Dialect) {
	if q.auto = d == Auto; q.auto {
		d = recognise(q.signs, q.Request, nil)
	}
	q.understand(d)
}

// listenTo looks at the body, if it is not known yet who speaks.
func (q *request) listenTo(body map[string]any) {
	if q.auto && q.dialect == Generic {
		q.understand(recognise(q.signs, q.Request, body))
	}
}

func (q *request) understand(d Dialect) {
	if q.mendings[d] == nil {
		d = Generic
	}
	q.dialect, q.mending = d, q.mendings[d]
	q.media = q.answerMedia()
}
