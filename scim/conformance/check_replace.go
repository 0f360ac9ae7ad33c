package conformance

import (
	"net/http"
)

func replaceChecks() []Check {
	replace := func(id, title, harm string, needs []need, run func(*T)) Check {
		return Check{ID: "7644-3.5.2.3-" + id, Level: Must, Gap: []int{1}, Title: title, Harm: harm, needs: append([]need{canPatch}, needs...), run: run}
	}
	emails := []object{{"value": "a@work.example", "type": "work", "display": "Work"}, {"value": "b@home.example", "type": "home"}}
	return []Check{
		replace("replace-attribute", "replace sets an attribute", "What it changes stays as it was.", []need{has("title")},
			func(t *T) {
				u := t.hire(object{"title": "before"})
				a := t.patched(t.user(u), op("replace", "title", "after"))
				t.same(a, "title", a.json.at("title"), "after")
			}),
		replace("replace-missing", "replace of an attribute without a value adds it", "What it sets for the first time is refused or lost.", []need{has("title")},
			func(t *T) {
				u := t.hire(nil)
				a := t.patched(t.user(u), op("replace", "title", "after"))
				t.same(a, "title", a.json.at("title"), "after")
			}),
		replace("replace-without-path", "replace without a path sets what is in the value, and leaves the rest", "What it changes stays as it was, or the rest is lost.",
			[]need{has("title", "nickName", "emails.type")},
			func(t *T) {
				u := t.hire(object{"title": "before", "nickName": "Adi", "emails": emails})
				a := t.patched(t.user(u), op("replace", "", object{"title": "after", "emails": []object{{"value": "c@new.example", "type": "other"}}}))
				t.same(a, "title", a.json.at("title"), "after")
				t.same(a, "nickName", a.json.at("nickName"), "Adi")
				t.same(a, "the values of emails", each(a.json.at("emails"), "value"), []string{"c@new.example"})
			}),
		replace("replace-multi-valued", "replace of a multi-valued attribute replaces all values", "Old addresses stay beside the new.", []need{has("emails.type")},
			func(t *T) {
				u := t.hire(object{"emails": emails})
				a := t.patched(t.user(u), op("replace", "emails", []object{{"value": "c@new.example", "type": "other"}}))
				t.same(a, "the values of emails", each(a.json.at("emails"), "value"), []string{"c@new.example"})
			}),
		replace("replace-complex", "replace of a complex attribute leaves the sub-attributes that are not named", "Changing the family name removes the given name.",
			[]need{has("name.givenName", "name.familyName")},
			func(t *T) {
				u := t.hire(object{"name": object{"givenName": "Ada", "familyName": "Before"}})
				a := t.patched(t.user(u), op("replace", "name", object{"familyName": "After"}))
				t.same(a, "name", a.json.at("name", "familyName"), "After")
				t.same(a, "name.givenName", a.json.at("name", "givenName"), "Ada")
			}),
		replace("replace-filtered", "replace with a filter replaces only the values that it selects", "Changing one address changes all, or none.", []need{has("emails.type")},
			func(t *T) {
				u := t.hire(object{"emails": emails})
				a := t.patched(t.user(u), op("replace", `emails[type eq "work"]`, object{"value": "c@work.example", "type": "work"}))
				t.same(a, "the values of emails", each(a.json.at("emails"), "value"), []string{"b@home.example", "c@work.example"})
			}),
		replace("replace-filtered-sub-attribute", "replace with a filter and a sub-attribute changes only that", "Changing one address changes all, or none.", []need{has("emails.display")},
			func(t *T) {
				u := t.hire(object{"emails": emails})
				a := t.patched(t.user(u), op("replace", `emails[type eq "work" and value sw "a@"].value`, "c@work.example"))
				t.same(a, "the values of emails", each(a.json.at("emails"), "value"), []string{"b@home.example", "c@work.example"})
				t.must(having(a.json.at("emails"), "value", "c@work.example").text("display") == "Work", a, "its display as it was")
			}),
		replace("replace-members", "replace of members replaces all of them", "Whoever was taken out of a group stays in it.", []need{hasGroups},
			func(t *T) {
				a, b := t.hire(nil), t.hire(nil)
				g := t.form(a)
				got := t.patched(t.group(g), op("replace", "members", []object{{"value": b.id()}}))
				t.same(got, "members", each(got.json.at("members"), "value"), []string{b.id()})
			}),
		{ID: "7644-3.5.2.3-replace-no-target", Level: Must, Gap: []int{2},
			Title: "replace with a filter that selects nothing is 400 noTarget",
			Harm:  "A change that was not made is answered with success.",
			needs: []need{canPatch, has("emails.type")},
			run: func(t *T) {
				u := t.hire(object{"emails": emails})
				t.fault(t.patch(t.user(u), op("replace", `emails[value eq "nobody@example.com"].display`, "x")), http.StatusBadRequest, "noTarget")
				a := t.read(t.user(u))
				t.same(a, "the values of emails", each(a.json.at("emails"), "value"), []string{"a@work.example", "b@home.example"})
			}},
		{ID: "7643-2.5-replace-null", Level: Should, Gap: []int{4},
			Title: "replace with null takes the value away",
			Harm:  "Clients that empty a field with null, as some directories do, are refused.",
			needs: []need{canPatch, has("nickName", "title")},
			run: func(t *T) {
				u := t.hire(object{"nickName": "Adi", "title": "Actress"})
				a := t.patched(t.user(u), op("replace", "nickName", nil), op("replace", "", object{"title": nil}))
				t.must(unassigned(a.json.at("nickName")) && unassigned(a.json.at("title")), a, "no nickName and no title")
			}},
	}
}

func patchExtensionChecks() []Check {
	const harm = "Departments, cost centres and managers stay as they were."
	hire := func(t *T) object {
		return t.hire(object{"schemas": []string{userURN, enterpriseURN}, enterpriseURN: object{"department": "Stage", "costCenter": "7"}})
	}
	change := func(id, title string, o object) Check {
		return Check{ID: id, Level: Must, Gap: []int{4}, Title: title, Harm: harm, needs: []need{canPatch, hasEnterprise},
			run: func(t *T) {
				a := t.patched(t.user(hire(t)), o)
				t.same(a, "department", a.json.at(enterpriseURN, "department"), "Tour")
				t.same(a, "costCenter", a.json.at(enterpriseURN, "costCenter"), "7")
			}}
	}
	return []Check{
		change("7644-3.10-extension-path", "An attribute of an extension is patched by its URN", op("replace", enterpriseURN+":department", "Tour")),
		change("7643-3.3-extension-object", "An extension is patched by an object under its URN", op("replace", "", object{enterpriseURN: object{"department": "Tour"}})),
		change("7644-3.10-extension-urn", "An extension is patched by a path that is its URN", op("replace", enterpriseURN, object{"department": "Tour"})),
		{ID: "7643-3.3-extension-removed", Level: Must, Gap: []int{4, 21},
			Title: "An extension whose last value was removed is gone from the resource and from schemas", Harm: harm,
			needs: []need{canPatch, hasEnterprise},
			run: func(t *T) {
				u := hire(t)
				a := t.patched(t.user(u), op("remove", enterpriseURN+":department"), op("remove", enterpriseURN+":costCenter"))
				t.must(unassigned(a.json.at(enterpriseURN)), a, "nothing of the extension")
				t.must(!contains(a.json.at("schemas"), enterpriseURN), a, "schemas without %s", enterpriseURN)
			}},
	}
}
