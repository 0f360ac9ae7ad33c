package conformance

import (
	"net/http"
	"slices"
)

func searchBody(o object) object {
	o["schemas"] = []string{searchURN}
	return o
}

// search posts to .search below an endpoint. Whether that is offered is not
// announced anywhere: a server without it says so with 404, 405 or 501.
func (t *T) search(endpoint string, o object) answer {
	a := t.post(endpoint+"/.search", searchBody(o))
	if slices.Contains([]int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}, a.status) {
		t.scimError(a)
		t.skip("%s/.search is not offered: %d", endpoint, a.status)
	}
	return a
}

func searchChecks() []Check {
	return []Check{
		{ID: "7644-3.4.3-search", Level: Must, Gap: []int{11},
			Title: "POST to .search finds what GET with the same filter finds",
			Harm:  "It has to put names and addresses into URLs, where logs keep them.",
			needs: []need{canFilter},
			run: func(t *T) {
				t.shared()
				t.meets(t.search(t.facts.users, object{"filter": `userName sw "` + t.stage("") + `" and active eq false`}), "Bob")
				t.meets(t.search(t.facts.users, object{"filter": `id eq "` + t.shared()["cyd"].id() + `"`}), "cyd")
			}},
		{ID: "7644-3.4.3-search-attributes", Level: Must, Gap: []int{11, 7},
			Title: ".search knows attributes and excludedAttributes",
			Harm:  "It gets far more than it asked for.",
			needs: []need{canFilter},
			run: func(t *T) {
				t.shared()
				filter := `userName eq "` + t.stage("ada") + `"`
				a := t.want(t.search(t.facts.users, object{"filter": filter, "attributes": []string{"userName"}}), http.StatusOK)
				t.must(len(a.resources()) == 1, a, "ada")
				t.shows(a, a.resources()[0], []string{"id", "userName"}, []string{"active", "meta"})
				a = t.want(t.search(t.facts.users, object{"filter": filter, "excludedAttributes": []string{"userName"}}), http.StatusOK)
				t.must(len(a.resources()) == 1, a, "ada")
				t.shows(a, a.resources()[0], []string{"id", "active"}, []string{"userName"})
			}},
		{ID: "7644-3.4.3-search-paging", Level: Must, Gap: []int{11, 9},
			Title: ".search knows startIndex and count",
			Harm:  "It misses people while it reads page after page.",
			needs: []need{canFilter},
			run: func(t *T) {
				t.shared()
				filter := `userName sw "` + t.stage("") + `"`
				a := t.want(t.search(t.facts.users, object{"filter": filter, "startIndex": 4, "count": 10}), http.StatusOK)
				t.must(len(a.resources()) == 2 && a.integer("totalResults") == 5, a, "the last 2 of 5")
				t.must(a.integer("startIndex") == 4 && a.integer("itemsPerPage") == 2, a, "startIndex 4 and itemsPerPage 2")
			}},
		{ID: "7644-3.4.3-search-sorting", Level: Feature, Gap: []int{11, 8},
			Title: ".search knows sortBy and sortOrder",
			Harm:  "Pages that it reads one by one overlap.",
			needs: []need{canFilter, canSort},
			run: func(t *T) {
				t.shared()
				a := t.search(t.facts.users, object{"filter": `userName sw "` + t.stage("") + `"`, "sortBy": "userName", "sortOrder": "descending"})
				t.want(a, http.StatusOK)
				t.same(a, "the order", t.order(a), []string{"eve", "dan", "cyd", "Bob", "ada"})
			}},
		{ID: "7644-3.4.3-search-invalid", Level: Must, Gap: []int{11},
			Title: "A wrong filter in .search is 400 invalidFilter",
			Harm:  "A typing mistake shows everybody, and it acts on all of them.",
			needs: []need{canFilter},
			run: func(t *T) {
				t.fault(t.search(t.facts.users, object{"filter": `userName eq`}), http.StatusBadRequest, "invalidFilter")
			}},
		{ID: "7644-3.4.2.1-root", Level: Feature, Gap: []int{11},
			Title: "A query at the root finds resources of all types",
			Harm:  "It sees only a part of what there is, and takes it for all.",
			needs: []need{canFilter, hasGroups},
			run:   func(t *T) { t.root(func(filter string) answer { return t.get(query("/", "filter", filter)) }) }},
		{ID: "7644-3.4.3-root-search", Level: Feature, Gap: []int{11},
			Title: "POST to .search at the root finds resources of all types",
			Harm:  "It sees only a part of what there is, and takes it for all.",
			needs: []need{canFilter, hasGroups},
			run: func(t *T) {
				t.root(func(filter string) answer { return t.post("/.search", searchBody(object{"filter": filter})) })
			}},
	}
}

// root looks for a user and a group with one query.
func (t *T) root(ask func(filter string) answer) {
	u := t.hire(nil)
	g := t.form()
	a := ask(`id eq "` + u.id() + `" or displayName eq "` + g.text("displayName") + `"`)
	if a.status == http.StatusBadRequest && a.scimType() == "tooMany" ||
		slices.Contains([]int{http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}, a.status) {
		t.scimError(a)
		t.skip("queries at the root are not offered: %d", a.status)
	}
	t.want(a, http.StatusOK)
	t.list(a)
	types := map[string]string{}
	for _, r := range a.resources() {
		types[r.id()] = r.text("meta", "resourceType")
	}
	t.must(len(types) == 2 && types[u.id()] == "User" && types[g.id()] == "Group", a, "the user and the group, each with its meta.resourceType")
	a = t.want(ask(`meta.resourceType eq "Group" and (id eq "`+u.id()+`" or id eq "`+g.id()+`")`), http.StatusOK)
	t.must(len(a.resources()) == 1 && a.resources()[0].id() == g.id(), a, "the group alone")
}
