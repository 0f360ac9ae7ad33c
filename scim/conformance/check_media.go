package conformance

import (
	"mime"
	"net/http"
)

const (
	mediaSCIM = "application/scim+json"
	mediaJSON = "application/json"
)

// media is the type of an answer's body, without parameters.
func (a answer) media() string {
	m, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return m
}

func mediaChecks() []Check {
	return []Check{
		{ID: "7644-3.1-media-type", Level: Must, Gap: []int{20},
			Title: "application/scim+json is accepted, and answered when it is asked for",
			Harm:  "A client that sends what the RFC says is refused, or does not read the answer.",
			run: func(t *T) {
				a := t.want(t.post(t.facts.users, t.person(nil), "Content-Type: "+mediaSCIM, "Accept: "+mediaSCIM), http.StatusCreated, http.StatusOK)
				t.must(a.media() == mediaSCIM, a, "Content-Type %s, not %q", mediaSCIM, a.header.Get("Content-Type"))
			}},
		{ID: "7644-3.1-errors-media-type", Level: Must, Gap: []int{20, 19},
			Title: "Errors are application/scim+json too",
			Harm:  "It takes an error for a broken proxy and tries again for ever.",
			run: func(t *T) {
				a := t.get(t.facts.users + "/" + t.name("none"))
				t.must(a.media() == mediaSCIM, a, "Content-Type %s, not %q", mediaSCIM, a.header.Get("Content-Type"))
			}},
		{ID: "7644-3.8-json-sent", Level: Should, Gap: []int{20},
			Title: "application/json is accepted as the type of a body",
			Harm:  "Okta, Google and others, which send application/json, cannot create anybody.",
			run: func(t *T) {
				t.want(t.post(t.facts.users, t.person(nil), "Content-Type: "+mediaJSON), http.StatusCreated, http.StatusOK)
				t.want(t.post(t.facts.users, t.person(nil), "Content-Type: "+mediaJSON+"; charset=utf-8"), http.StatusCreated, http.StatusOK)
			}},
		{ID: "7644-3.8-json-wanted", Level: Should, Gap: []int{20},
			Title: "Whoever accepts only application/json is answered with it",
			Harm:  "OneLogin and other clients that insist on application/json do not read the answer.",
			run: func(t *T) {
				a := t.want(t.get(query(t.facts.users, "count", "1"), "Accept: "+mediaJSON), http.StatusOK)
				t.must(a.media() == mediaJSON, a, "Content-Type %s, not %q", mediaJSON, a.header.Get("Content-Type"))
			}},
		{ID: "7644-3.8-default-format", Level: Must, Gap: []int{20},
			Title: "Whoever says nothing about formats is answered with application/scim+json or application/json",
			Harm:  "A client without an Accept header gets something that it cannot read.",
			run: func(t *T) {
				a := t.want(t.ask(request{method: http.MethodGet, path: query(t.facts.users, "count", "1"), header: http.Header{"Accept": nil}}), http.StatusOK)
				t.must(a.media() == mediaSCIM || a.media() == mediaJSON, a, "Content-Type %s, not %q", mediaSCIM, a.header.Get("Content-Type"))
			}},
		{ID: "7644-3.8-no-type", Level: Dialect, Gap: []int{20},
			Title: "A body without a Content-Type is taken for JSON",
			Harm:  "Simple clients that set no Content-Type cannot create anybody.",
			run: func(t *T) {
				r := request{method: http.MethodPost, path: t.facts.users, header: http.Header{"Content-Type": nil}}
				r.body = jsonOf(t.person(nil))
				t.want(t.ask(r), http.StatusCreated, http.StatusOK)
			}},
		{ID: "9110-15.5.16-unsupported-type", Level: Should, Gap: []int{20, 19},
			Title: "A body of another type is refused with 415 and a SCIM error",
			Harm:  "A wrong client is told that its JSON is bad, and nobody finds out why.",
			run: func(t *T) {
				t.fault(t.post(t.facts.users, "<user/>", "Content-Type: application/xml"), http.StatusUnsupportedMediaType)
			}},
		{ID: "7644-3.8-utf-8", Level: Must,
			Title: "Names in any script come back as they were sent",
			Harm:  "People with names in other scripts are stored under wrong names.",
			needs: []need{has("name.familyName")},
			run: func(t *T) {
				const name = "Zoë Ångström-李小龙 𝒳 O'Neil"
				u := t.hire(object{"name": object{"familyName": name}})
				a := t.read(t.user(u))
				t.same(a, "name.familyName", a.json.at("name", "familyName"), name)
			}},
	}
}
