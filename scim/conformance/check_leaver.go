package conformance

import (
	"net/http"
)

// inactive fails unless a user is there and not active.
func (t *T) inactive(u object, after answer) {
	a := t.read(t.user(u))
	if a.json.at("active") != false {
		after.body = append([]byte("then active is not false in "), a.body...)
		after.json = nil
		t.fail(after, "active to be false when the user is read")
	}
}

func leaverChecks() []Check {
	const stays = "Whoever left can still sign in, and the client was told otherwise."
	return []Check{
		{ID: "7643-4.1.1-deactivate", Level: Must,
			Title: "PATCH active=false deactivates",
			Harm:  stays, needs: []need{canPatch},
			run: func(t *T) {
				u := t.hire(nil)
				t.inactive(u, t.want(t.patch(t.user(u), op("replace", "active", false)), http.StatusOK, http.StatusNoContent))
			}},
		{ID: "7643-4.1.1-deactivate-by-put", Level: Must,
			Title: "PUT with active=false deactivates",
			Harm:  stays,
			run: func(t *T) {
				u := t.hire(nil)
				t.inactive(u, t.want(t.put(t.user(u), t.person(object{"userName": u.at("userName"), "active": false})), http.StatusOK))
			}},
		{ID: "7643-4.1.1-reactivate", Level: Must,
			Title: "PATCH active=true brings somebody back",
			Harm:  "Whoever comes back cannot work.", needs: []need{canPatch},
			run: func(t *T) {
				u := t.hire(object{"active": false})
				a := t.patched(t.user(u), op("replace", "active", true))
				t.same(a, "active", a.json.at("active"), true)
			}},
		{ID: "7643-4.1.1-inactive-readable", Level: Should,
			Title: "Whoever is not active can be read, found and listed",
			Harm:  "It takes them for deleted and creates them again, active.", needs: []need{canFilter},
			run: func(t *T) {
				u := t.hire(nil)
				t.want(t.put(t.user(u), t.person(object{"userName": u.at("userName"), "active": false})), http.StatusOK)
				t.read(t.user(u))
				a := t.want(t.get(query(t.facts.users, "filter", `userName eq "`+u.text("userName")+`"`)), http.StatusOK)
				t.must(len(a.resources()) == 1 && a.resources()[0].at("active") == false, a, "that person, with active false")
				t.fault(t.post(t.facts.users, t.person(object{"userName": u.at("userName")})), http.StatusConflict)
			}},
		{ID: "7643-4.1.1-inactive-member", Level: Should, Gap: []int{22},
			Title: "Whoever is not active stays in their groups",
			Harm:  "Whoever comes back is in no group: Entra ID does not put them back.", needs: []need{hasGroups},
			run: func(t *T) {
				u := t.hire(nil)
				g := t.form(u)
				t.want(t.put(t.user(u), t.person(object{"userName": u.at("userName"), "active": false})), http.StatusOK)
				a := t.read(t.group(g))
				t.same(a, "members", each(a.json.at("members"), "value"), []string{u.id()})
			}},
		{ID: "7644-3.5.1-put-without-active", Level: Should, Gap: []int{15},
			Title: "PUT without active does not deactivate",
			Harm:  "A change of name locks somebody out.",
			run: func(t *T) {
				u := t.hire(nil)
				body := t.person(object{"userName": u.at("userName")})
				delete(body, "active")
				t.want(t.put(t.user(u), body), http.StatusOK)
				a := t.read(t.user(u))
				t.must(a.json.at("active") != false, a, "active not to be false")
			}},
		{ID: "7644-3.5.1-put-keeps-inactive", Level: Should, Gap: []int{15},
			Title: "PUT without active does not bring back whoever left",
			Harm:  "A change of name lets somebody in again who left.",
			run: func(t *T) {
				u := t.hire(object{"active": false})
				body := t.person(object{"userName": u.at("userName")})
				delete(body, "active")
				t.want(t.put(t.user(u), body), http.StatusOK)
				a := t.read(t.user(u))
				t.must(a.json.at("active") != true, a, "active not to be true")
			}},
	}
}

func dialectChecks() []Check {
	const stays = "Whoever left can still sign in: what this client sends to deactivate them does nothing."
	deactivates := func(id, title string, o object) Check {
		return Check{ID: id, Level: Dialect, Title: title, Harm: stays, needs: []need{canPatch},
			run: func(t *T) {
				u := t.hire(nil)
				t.inactive(u, t.want(t.patch(t.user(u), o), http.StatusOK, http.StatusNoContent))
			}}
	}
	return []Check{
		deactivates("7644-3.5.2-okta-deactivates", "Okta: replace without a path, {\"active\": false}", op("replace", "", object{"active": false})),
		deactivates("7644-3.5.2-entra-deactivates", "Entra ID: Replace active with the text \"False\"", op("Replace", "active", "False")),
		deactivates("7644-3.5.2-entra-flag-deactivates", "Entra ID with its compatibility flag: replace active with false", op("replace", "active", false)),
		{ID: "7644-3.5.1-okta-deactivates", Level: Dialect,
			Title: "Okta: the whole user is read, and sent back with active false",
			Harm:  stays,
			run: func(t *T) {
				u := t.hire(nil)
				whole := t.read(t.user(u)).json
				whole["active"] = false
				t.inactive(u, t.want(t.put(t.user(u), whole, "Content-Type: "+mediaJSON), http.StatusOK, http.StatusNoContent))
			}},
		{ID: "7644-3.5.2.2-entra-removes-member", Level: Dialect, Gap: []int{1, 22},
			Title: "Entra ID: Remove members with a list of values removes only those",
			Harm:  "When one person leaves a group, everybody is taken out of it.", needs: []need{canPatch, hasGroups},
			run: func(t *T) {
				a, b := t.hire(nil), t.hire(nil)
				g := t.form(a, b)
				got := t.patched(t.group(g), op("Remove", "members", []object{{"$ref": nil, "value": a.id()}}))
				t.same(got, "members", each(got.json.at("members"), "value"), []string{b.id()})
			}},
		{ID: "7644-3.4.2.2-entra-finds-by-address", Level: Dialect, Gap: []int{5},
			Title: "Entra ID: emails[type eq \"work\"].value eq \"…\" finds whoever has that address",
			Harm:  "It cannot match people by address, and creates everybody again.", needs: []need{canFilter, has("emails.type")},
			run: func(t *T) {
				address := t.stage("ada") + "@work.example"
				t.findsAlone(`emails[type eq "work"].value eq "`+address+`"`, "ada")
			}},
		{ID: "7644-3.5.2-entra-adds-address", Level: Dialect, Gap: []int{1},
			Title: "Entra ID: Add emails[type eq \"work\"].value creates the address if there is none",
			Harm:  "New people have no address.", needs: []need{canPatch, has("emails.type")},
			run: func(t *T) {
				if t.facts.describes(userURN, "emails").at("required") == true {
					t.skip("emails are required")
				}
				u := t.hire(nil)
				a := t.patched(t.user(u), op("Add", `emails[type eq "work"].value`, "a@work.example"))
				t.same(a, "the values of emails", each(a.json.at("emails"), "value"), []string{"a@work.example"})
				t.must(having(a.json.at("emails"), "value", "a@work.example").text("type") == "work", a, "of type work")
			}},
	}
}
