package conformance

import (
	"net/http"
	"regexp"
)

// etag is an entity tag (RFC 9110, section 8.8.3).
var etag = regexp.MustCompile(`^(W/)?"[^"]+"$`)

func patchChecks() []Check {
	return []Check{
		{ID: "7644-3.5.2-answer", Level: Must, Gap: []int{1},
			Title: "A PATCH is answered with 200 and the whole resource, or with 204",
			Harm:  "It does not know whether its change was made.",
			needs: []need{canPatch, has("title")},
			run: func(t *T) {
				u := t.hire(nil)
				a := t.want(t.patch(t.user(u), op("replace", "title", "Actress")), http.StatusOK, http.StatusNoContent)
				if a.status == http.StatusNoContent {
					t.must(len(a.body) == 0, a, "no body")
					return
				}
				t.same(a, "id", a.json.at("id"), u.id())
				t.same(a, "userName", a.json.at("userName"), u.at("userName"))
				t.same(a, "title", a.json.at("title"), "Actress")
			}},
		{ID: "7644-3.5.2-in-order", Level: Must, Gap: []int{1},
			Title: "The operations of a PATCH are carried out in order",
			Harm:  "What should be last is overwritten by what was before.",
			needs: []need{canPatch, has("title", "nickName")},
			run: func(t *T) {
				u := t.hire(nil)
				a := t.patched(t.user(u), op("add", "title", "first"), op("add", "nickName", "Adi"), op("replace", "title", "second"), op("remove", "nickName"))
				t.same(a, "title", a.json.at("title"), "second")
				t.must(unassigned(a.json.at("nickName")), a, "no nickName")
			}},
		{ID: "7644-3.5.2-atomic", Level: Must, Gap: []int{1},
			Title: "If one operation of a PATCH fails, none is carried out",
			Harm:  "A change is made by half, and nobody knows which half.",
			needs: []need{canPatch, has("title")},
			run: func(t *T) {
				u := t.hire(object{"title": "before"})
				t.fault(t.patch(t.user(u), op("replace", "title", "after"), op("replace", "active", false), op("remove", "")), http.StatusBadRequest)
				a := t.read(t.user(u))
				t.same(a, "title", a.json.at("title"), "before")
				t.same(a, "active", a.json.at("active"), true)
			}},
		{ID: "7644-3.5.2-read-only", Level: Must, Gap: []int{2},
			Title: "A PATCH of what only the server sets is 400 mutability",
			Harm:  "It can take the id of somebody else, or make itself a member of a group.",
			needs: []need{canPatch},
			run: func(t *T) {
				u := t.hire(nil)
				for _, o := range []object{op("replace", "id", "somebody-else"), op("replace", "meta.created", "2001-01-01T00:00:00Z"), op("remove", "id")} {
					t.fault(t.patch(t.user(u), o), http.StatusBadRequest, "mutability")
				}
				t.read(t.user(u))
			}},
		{ID: "7643-4.1.2-groups-read-only", Level: Must, Gap: []int{22, 2},
			Title: "The groups of a user cannot be patched there",
			Harm:  "Whoever may change a user can make them an administrator.",
			needs: []need{canPatch, hasGroups},
			run: func(t *T) {
				u := t.hire(nil)
				g := t.form()
				t.fault(t.patch(t.user(u), op("add", "groups", []object{{"value": g.id()}})), http.StatusBadRequest, "mutability")
				a := t.read(t.group(g))
				t.must(unassigned(a.json.at("members")), a, "no members")
			}},
		{ID: "7643-2.2-immutable", Level: Must, Gap: []int{15, 2},
			Title: "What is immutable cannot be changed once it is set",
			Harm:  "A member of a group becomes somebody else.",
			needs: []need{canPatch, hasGroups, func(f facts) string {
				if f.schemas != nil && f.describes(groupURN, "members.value").at("mutability") != "immutable" {
					return "the schema does not say that members.value is immutable"
				}
				return ""
			}},
			run: func(t *T) {
				a, b := t.hire(nil), t.hire(nil)
				g := t.form(a)
				t.fault(t.patch(t.group(g), op("replace", `members[value eq "`+a.id()+`"].value`, b.id())), http.StatusBadRequest)
				got := t.read(t.group(g))
				t.same(got, "members", each(got.json.at("members"), "value"), []string{a.id()})
			}},
		{ID: "7644-3.5.2-one-primary", Level: Must, Gap: []int{3},
			Title: "Making one value primary makes the others not primary",
			Harm:  "Two addresses are primary, and mails go to the old one.",
			needs: []need{canPatch, has("emails.primary")},
			run: func(t *T) {
				emails := []object{{"value": "a@work.example", "type": "work", "primary": true}, {"value": "b@home.example", "type": "home"}}
				check := func(a answer, value string) {
					for _, e := range objects(a.json.at("emails")) {
						t.must((e.at("primary") == true) == (e.text("value") == value), a, "only %s to be primary", value)
					}
				}
				u := t.hire(object{"emails": emails})
				check(t.patched(t.user(u), op("replace", `emails[type eq "home"].primary`, true)), "b@home.example")
				u = t.hire(object{"emails": emails})
				check(t.patched(t.user(u), op("add", "emails", []object{{"value": "c@new.example", "type": "other", "primary": true}})), "c@new.example")
			}},
		{ID: "7644-3.5.2-wrong-operation", Level: Must, Gap: []int{1},
			Title: "An operation that does not exist, or none at all, is 400",
			Harm:  "A wrong request is answered with success, and nothing happens.",
			needs: []need{canPatch},
			run: func(t *T) {
				u := t.hire(nil)
				t.fault(t.patch(t.user(u), op("move", "title", "x")), http.StatusBadRequest, "invalidSyntax", "invalidValue")
				t.fault(t.call(http.MethodPatch, t.user(u), object{"schemas": []string{patchURN}}), http.StatusBadRequest, "invalidSyntax", "invalidValue")
			}},
		{ID: "7644-3.5.2-wrong-path", Level: Must, Gap: []int{1, 5},
			Title: "A path that is no path is 400 invalidPath or invalidFilter",
			Harm:  "A wrong request is answered with success, and nothing happens.",
			needs: []need{canPatch, has("emails.type")},
			run: func(t *T) {
				u := t.hire(object{"emails": []object{{"value": "a@work.example", "type": "work"}}})
				for _, path := range []string{`emails[type eq "work"`, `emails[type].value`, `..`, `emails]`} {
					t.fault(t.patch(t.user(u), op("replace", path, "x")), http.StatusBadRequest, "invalidPath", "invalidFilter")
				}
			}},
		{ID: "7644-3.5.2-wrong-value", Level: Must, Gap: []int{2},
			Title: "A value of another type than the schema says is 400, and changes nothing",
			Harm:  "What it sent by mistake is stored as something else.",
			needs: []need{canPatch},
			run: func(t *T) {
				u := t.hire(nil)
				t.fault(t.patch(t.user(u), op("replace", "active", "perhaps")), http.StatusBadRequest)
				t.fault(t.patch(t.user(u), op("replace", "userName", object{"a": "b"})), http.StatusBadRequest)
				a := t.read(t.user(u))
				t.same(a, "active", a.json.at("active"), true)
			}},
		{ID: "7644-3.10-path-by-urn", Level: Must, Gap: []int{4},
			Title: "A path may begin with the URN of the schema, in any case",
			Harm:  "Clients that always write the URN can change nobody.",
			needs: []need{canPatch, has("title")},
			run: func(t *T) {
				u := t.hire(nil)
				a := t.patched(t.user(u), op("replace", userURN+":TITLE", "Actress"))
				t.same(a, "title", a.json.at("title"), "Actress")
			}},
		{ID: "7644-3.5.2-unknown", Level: Must,
			Title: "A PATCH of an unknown id is 404",
			Harm:  "A deactivation of the wrong id is answered with success.",
			needs: []need{canPatch},
			run: func(t *T) {
				t.fault(t.patch(t.facts.users+"/"+t.name("none"), op("replace", "active", false)), http.StatusNotFound)
			}},
	}
}

func addChecks() []Check {
	add := func(id, title, harm string, needs []need, run func(*T)) Check {
		return Check{ID: "7644-3.5.2.1-" + id, Level: Must, Gap: []int{1}, Title: title, Harm: harm, needs: append([]need{canPatch}, needs...), run: run}
	}
	work := object{"value": "a@work.example", "type": "work"}
	home := object{"value": "b@home.example", "type": "home"}
	mail := []need{has("emails.type")}
	return []Check{
		add("add-attribute", "add sets an attribute, whether or not it had a value", "What it adds is not stored.", []need{has("nickName")},
			func(t *T) {
				u := t.hire(nil)
				a := t.patched(t.user(u), op("add", "nickName", "Adi"))
				t.same(a, "nickName", a.json.at("nickName"), "Adi")
				a = t.patched(t.user(u), op("add", "nickName", "Ada"))
				t.same(a, "nickName", a.json.at("nickName"), "Ada")
			}),
		add("add-without-path", "add without a path sets what is in the value, and leaves the rest", "What it adds is not stored, or the rest is lost.",
			[]need{has("nickName", "title", "emails.type")},
			func(t *T) {
				u := t.hire(object{"title": "Actress", "emails": []object{work}})
				a := t.patched(t.user(u), op("add", "", object{"nickName": "Adi", "emails": []object{home}}))
				t.same(a, "nickName", a.json.at("nickName"), "Adi")
				t.same(a, "title", a.json.at("title"), "Actress")
				t.same(a, "the values of emails", each(a.json.at("emails"), "value"), []string{"a@work.example", "b@home.example"})
			}),
		add("add-multi-valued", "add to a multi-valued attribute keeps the values that are there", "Adding one address removes all others.", mail,
			func(t *T) {
				u := t.hire(object{"emails": []object{work}})
				a := t.patched(t.user(u), op("add", "emails", []object{home}))
				t.same(a, "the values of emails", each(a.json.at("emails"), "value"), []string{"a@work.example", "b@home.example"})
			}),
		add("add-repeated", "add of a value that is there already changes nothing, not even lastModified", "Each repeated request makes one more value, or looks like a change.", mail,
			func(t *T) {
				u := t.hire(object{"emails": []object{work}})
				was := t.read(t.user(u))
				a := t.patched(t.user(u), op("add", "emails", []object{work}))
				t.same(a, "the values of emails", each(a.json.at("emails"), "value"), []string{"a@work.example"})
				t.same(a, "meta.lastModified", a.json.at("meta", "lastModified"), was.json.at("meta", "lastModified"))
			}),
		add("add-complex", "add to a complex attribute keeps the sub-attributes that are not named", "Changing the family name removes the given name.",
			[]need{has("name.givenName", "name.familyName")},
			func(t *T) {
				u := t.hire(object{"name": object{"givenName": "Ada", "familyName": "Before"}})
				a := t.patched(t.user(u), op("add", "name", object{"familyName": "After"}))
				t.same(a, "name.familyName", a.json.at("name", "familyName"), "After")
				t.same(a, "name.givenName", a.json.at("name", "givenName"), "Ada")
				a = t.patched(t.user(u), op("add", "name.givenName", "Eve"))
				t.same(a, "name.givenName", a.json.at("name", "givenName"), "Eve")
				t.same(a, "name.familyName", a.json.at("name", "familyName"), "After")
			}),
		add("add-members", "add to members keeps the members that are there", "Adding somebody to a group removes all others from it.", []need{hasGroups},
			func(t *T) {
				a, b := t.hire(nil), t.hire(nil)
				g := t.form(a)
				got := t.patched(t.group(g), op("add", "members", []object{{"value": b.id()}}))
				t.same(got, "members", each(got.json.at("members"), "value"), both(a, b))
			}),
	}
}

// both are the ids of two resources, sorted.
func both(a, b object) []string {
	if a.id() < b.id() {
		return []string{a.id(), b.id()}
	}
	return []string{b.id(), a.id()}
}

func removeChecks() []Check {
	remove := func(id, title, harm string, needs []need, run func(*T)) Check {
		return Check{ID: "7644-3.5.2.2-" + id, Level: Must, Gap: []int{1}, Title: title, Harm: harm, needs: append([]need{canPatch}, needs...), run: run}
	}
	emails := []object{{"value": "a@work.example", "type": "work"}, {"value": "b@home.example", "type": "home", "display": "Home"}}
	return []Check{
		remove("remove-attribute", "remove takes the value of an attribute away", "What it removes stays on the server.", []need{has("nickName")},
			func(t *T) {
				u := t.hire(object{"nickName": "Adi"})
				a := t.patched(t.user(u), op("remove", "nickName"))
				t.must(unassigned(a.json.at("nickName")), a, "no nickName")
			}),
		remove("remove-sub-attribute", "remove of a sub-attribute leaves the others", "Removing the given name removes the whole name.",
			[]need{has("name.givenName", "name.familyName")},
			func(t *T) {
				u := t.hire(object{"name": object{"givenName": "Ada", "familyName": "Check"}})
				a := t.patched(t.user(u), op("remove", "name.givenName"))
				t.must(unassigned(a.json.at("name", "givenName")), a, "no name.givenName")
				t.same(a, "name.familyName", a.json.at("name", "familyName"), "Check")
			}),
		remove("remove-multi-valued", "remove of a multi-valued attribute takes all values away", "Addresses that it removes stay on the server.", []need{has("emails.type")},
			func(t *T) {
				u := t.hire(object{"emails": emails})
				a := t.patched(t.user(u), op("remove", "emails"))
				t.must(unassigned(a.json.at("emails")), a, "no emails")
			}),
		remove("remove-filtered", "remove with a filter takes only the values away that it selects", "Removing one address removes all.", []need{has("emails.type")},
			func(t *T) {
				u := t.hire(object{"emails": emails})
				a := t.patched(t.user(u), op("remove", `emails[type eq "work"]`))
				t.same(a, "the values of emails", each(a.json.at("emails"), "value"), []string{"b@home.example"})
				a = t.patched(t.user(u), op("remove", `emails[type eq "home" and not (value co "work")]`))
				t.must(unassigned(a.json.at("emails")), a, "no emails at all")
			}),
		remove("remove-filtered-sub-attribute", "remove with a filter and a sub-attribute takes only that away", "Removing a label removes the address.", []need{has("emails.display")},
			func(t *T) {
				u := t.hire(object{"emails": emails})
				a := t.patched(t.user(u), op("remove", `emails[type eq "home"].display`))
				t.same(a, "the values of emails", each(a.json.at("emails"), "value"), []string{"a@work.example", "b@home.example"})
				t.must(unassigned(having(a.json.at("emails"), "type", "home").at("display")), a, "no display on it")
			}),
		remove("remove-member", "remove of one member leaves the others", "Taking one person out of a group empties it.", []need{hasGroups},
			func(t *T) {
				a, b := t.hire(nil), t.hire(nil)
				g := t.form(a, b)
				got := t.patched(t.group(g), op("remove", `members[value eq "`+a.id()+`"]`))
				t.same(got, "members", each(got.json.at("members"), "value"), []string{b.id()})
			}),
		remove("remove-all-members", "remove of members empties the group", "Whoever was taken out of a group stays in it.", []need{hasGroups},
			func(t *T) {
				g := t.form(t.hire(nil), t.hire(nil))
				got := t.patched(t.group(g), op("remove", "members"))
				t.must(unassigned(got.json.at("members")), got, "no members")
			}),
		remove("remove-no-path", "remove without a path is 400 noTarget", "A request that means nothing removes everything, or is taken for done.", nil,
			func(t *T) {
				u := t.hire(nil)
				t.fault(t.patch(t.user(u), op("remove", "")), http.StatusBadRequest, "noTarget")
			}),
		{ID: "7644-3.5.2.2-remove-required", Level: Must, Gap: []int{2},
			Title: "remove of a required attribute is 400 mutability",
			Harm:  "Somebody without a name stays, whom nobody finds.",
			needs: []need{canPatch},
			run: func(t *T) {
				u := t.hire(nil)
				t.fault(t.patch(t.user(u), op("remove", "userName")), http.StatusBadRequest, "mutability", "invalidValue")
				a := t.read(t.user(u))
				t.same(a, "userName", a.json.at("userName"), u.at("userName"))
			}},
	}
}
