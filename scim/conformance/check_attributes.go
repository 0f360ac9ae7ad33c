package conformance

import (
	"maps"
	"net/http"
	"slices"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// shows fails unless a resource has the attributes that are wanted, and not
// those that are unwanted.
func (t *T) shows(a answer, r object, wanted, unwanted []string) {
	for _, name := range wanted {
		t.must(!unassigned(r.at(name)), a, "%s", name)
	}
	for _, name := range unwanted {
		t.must(r.at(name) == nil, a, "no %s", name)
	}
}

func attributeChecks() []Check {
	const harm = "It gets far more than it asked for: with a group of 50,000 members, too much."
	names := []need{has("displayName", "title")}
	ada := func(t *T) object { return t.hire(object{"displayName": "Ada", "title": "Engineer"}) }
	only := func(id, section, title string, ask func(*T, object, string) answer, needs ...need) []Check {
		return []Check{
			{ID: section + "-attributes-" + id, Level: Must, Gap: []int{7},
				Title: title + " with attributes shows only those, and id", Harm: harm, needs: append(needs, names...),
				run: func(t *T) {
					a := ask(t, ada(t), "attributes=displayName,title")
					for _, r := range one(a) {
						t.shows(a, r, []string{"id", "displayName", "title"}, []string{"userName", "active", "meta"})
					}
				}},
			{ID: section + "-excluded-attributes-" + id, Level: Must, Gap: []int{7},
				Title: title + " with excludedAttributes shows all but those", Harm: harm, needs: append(needs, names...),
				run: func(t *T) {
					a := ask(t, ada(t), "excludedAttributes=displayName,meta")
					for _, r := range one(a) {
						t.shows(a, r, []string{"id", "userName", "title"}, []string{"displayName", "meta"})
					}
				}},
		}
	}
	checks := slices.Concat(
		only("get", "7644-3.4.2.5", "Reading", func(t *T, u object, q string) answer { return t.read(t.user(u) + "?" + q) }),
		only("list", "7644-3.4.2.5", "Listing", func(t *T, u object, q string) answer {
			a := t.want(t.get(query(t.facts.users, "filter", `userName eq "`+u.text("userName")+`"`)+"&"+q), http.StatusOK)
			t.must(len(a.resources()) == 1, a, "that person")
			return a
		}, canFilter),
		only("post", "7644-3.9", "Creating", func(t *T, _ object, q string) answer {
			return t.want(t.post(t.facts.users+"?"+q, t.person(object{"displayName": "Ada", "title": "Engineer"})), http.StatusCreated, http.StatusOK)
		}),
		only("put", "7644-3.9", "Replacing", func(t *T, u object, q string) answer {
			return t.want(t.put(t.user(u)+"?"+q, t.person(object{"userName": u.at("userName"), "displayName": "Ada", "title": "Actress"})), http.StatusOK)
		}),
		only("patch", "7644-3.9", "Patching", func(t *T, u object, q string) answer {
			// With attributes, 204 is not allowed (RFC 7644, section 3.5.2).
			status := []int{http.StatusOK}
			if q[0] == 'e' {
				status = append(status, http.StatusNoContent)
			}
			a := t.want(t.patch(t.user(u)+"?"+q, op("replace", "title", "Actress")), status...)
			if a.status == http.StatusNoContent {
				t.skip("a PATCH is answered with 204")
			}
			return a
		}, canPatch),
	)
	return append(checks,
		Check{ID: "7644-3.4.2.5-sub-attributes", Level: Must, Gap: []int{7},
			Title: "A sub-attribute can be asked for alone", Harm: harm, needs: []need{has("name.familyName", "name.givenName")},
			run: func(t *T) {
				u := t.hire(object{"name": object{"givenName": "Ada", "familyName": "Young"}})
				a := t.read(t.user(u) + "?attributes=name.familyName")
				t.same(a, "name", a.json.at("name"), object{"familyName": "Young"})
				a = t.read(t.user(u) + "?excludedAttributes=name.familyName")
				t.same(a, "name.givenName", a.json.at("name", "givenName"), "Ada")
				t.must(a.json.at("name", "familyName") == nil, a, "no name.familyName")
			}},
		Check{ID: "7644-3.10-attributes-by-urn", Level: Must, Gap: []int{7},
			Title: "attributes may be named with the URN of their schema, in any case", Harm: "It does not see what it asked for.", needs: names,
			run: func(t *T) {
				a := t.read(t.user(ada(t)) + "?attributes=" + userURN + ":DISPLAYNAME")
				t.shows(a, a.json, []string{"id", "displayName"}, []string{"title", "userName"})
			}},
		Check{ID: "7643-2.2-returned-always", Level: Must, Gap: []int{7},
			Title: "id is shown whatever is excluded", Harm: "It cannot tell whom an answer is about.",
			run: func(t *T) {
				a := t.read(t.user(t.hire(nil)) + "?excludedAttributes=id,userName")
				t.must(a.json.id() != "", a, "id: it is always returned")
			}},
	)
}

// one is the resource of an answer, or those of a list.
func one(a answer) []object {
	if list := a.resources(); len(list) > 0 {
		return list
	}
	return []object{a.json}
}

func sortChecks() []Check {
	const harm = "Pages that it reads one by one overlap, and what it compares with its own sorted list differs."
	order := func(id, title string, needs []need, parameters []string, want ...string) Check {
		return Check{ID: "7644-3.4.2.3-" + id, Level: Feature, Gap: []int{8}, Title: title, Harm: harm,
			needs: append([]need{canSort, canFilter}, needs...),
			run: func(t *T) {
				t.shared()
				a := t.get(query(t.facts.users, append([]string{"filter", `userName sw "` + t.stage("") + `"`, "count", "100"}, parameters...)...))
				t.want(a, http.StatusOK)
				t.same(a, "the order", t.order(a), want)
			}}
	}
	family := []need{has("name.familyName")}
	return []Check{
		order("ascending", "sortBy sorts, by default ascending", nil, []string{"sortBy", "userName"}, "ada", "Bob", "cyd", "dan", "eve"),
		order("descending", "sortOrder descending turns it round", nil, []string{"sortBy", "userName", "sortOrder", "descending"}, "eve", "dan", "cyd", "Bob", "ada"),
		order("text-case", "Texts that are not caseExact are sorted whatever their case, also in a sub-attribute", family,
			[]string{"sortBy", "name.familyName", "sortOrder", "ascending"}, "Bob", "cyd", "eve", "ada", "dan"),
		order("nothing-first", "Who has no value comes last, and in descending order first", family,
			[]string{"sortBy", "name.familyName", "sortOrder", "descending"}, "dan", "ada", "eve", "cyd", "Bob"),
		order("primary", "A multi-valued attribute is sorted by its primary value", []need{has("emails.primary")},
			[]string{"sortBy", "emails"}, "eve", "ada", "Bob", "cyd", "dan"),
	}
}
