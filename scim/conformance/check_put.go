package conformance

import (
	"net/http"
)

func putChecks() []Check {
	return []Check{
		{ID: "7644-3.5.1-replace", Level: Must, Gap: []int{15},
			Title: "A PUT replaces: what is sent is there, what is not sent is gone",
			Harm:  "What it has removed stays on the server.",
			needs: []need{has("displayName", "nickName")},
			run: func(t *T) {
				u := t.hire(object{"displayName": "Before", "nickName": "Adi"})
				t.want(t.put(t.user(u), t.person(object{"userName": u.at("userName"), "displayName": "After"})), http.StatusOK)
				a := t.read(t.user(u))
				t.same(a, "displayName", a.json.at("displayName"), "After")
				t.must(unassigned(a.json.at("nickName")), a, "no nickName: it was not sent")
			}},
		{ID: "7644-3.5.1-answer", Level: Must,
			Title: "A PUT is answered with 200 and the resource as it is now",
			Harm:  "It does not learn what the server made of what it sent.",
			needs: []need{has("displayName")},
			run: func(t *T) {
				u := t.hire(nil)
				a := t.want(t.put(t.user(u), t.person(object{"userName": u.at("userName"), "displayName": "After"})), http.StatusOK)
				t.same(a, "id", a.json.at("id"), u.id())
				t.same(a, "displayName", a.json.at("displayName"), "After")
			}},
		{ID: "7644-3.5.1-read-only-ignored", Level: Must, Gap: []int{15},
			Title: "What only the server sets is ignored in a PUT: id, meta, groups",
			Harm:  "A client that sends back what it read is refused, or forges who somebody is.",
			run: func(t *T) {
				u := t.hire(nil)
				was := t.read(t.user(u))
				a := t.put(t.user(u), t.person(object{"userName": u.at("userName"), "id": "somebody-else",
					"meta": object{"created": "2001-01-01T00:00:00Z"}, "groups": []object{{"value": u.id()}}}))
				t.want(a, http.StatusOK)
				a = t.read(t.user(u))
				t.same(a, "id", a.json.at("id"), u.id())
				t.same(a, "meta.created", a.json.at("meta", "created"), was.json.at("meta", "created"))
				t.must(unassigned(a.json.at("groups")), a, "no groups")
			}},
		{ID: "7644-3.5.1-same-again", Level: Must, Gap: []int{15},
			Title: "A resource can be sent back as it was read",
			Harm:  "Clients that read, change and write, as Okta does, cannot change anybody.",
			run: func(t *T) {
				u := t.hire(nil)
				was := t.read(t.user(u))
				t.want(t.put(t.user(u), was.json), http.StatusOK)
				a := t.read(t.user(u))
				t.same(a, "userName", a.json.at("userName"), was.json.at("userName"))
			}},
		{ID: "7644-3.5.1-unknown", Level: Must,
			Title: "A PUT to an unknown id is 404, and creates nobody",
			Harm:  "Somebody who is gone comes back under an id that it invented.",
			run: func(t *T) {
				path := t.facts.users + "/" + t.name("none")
				t.fault(t.put(path, t.person(nil)), http.StatusNotFound)
				t.want(t.get(path), http.StatusNotFound)
			}},
		{ID: "7644-3.5.1-required", Level: Must, Gap: []int{2},
			Title: "A PUT without what is required is refused with 400, and changes nothing",
			Harm:  "A half-filled request wipes somebody out.",
			run: func(t *T) {
				u := t.hire(nil)
				body := t.person(nil)
				delete(body, "userName")
				t.fault(t.put(t.user(u), body), http.StatusBadRequest)
				a := t.read(t.user(u))
				t.same(a, "userName", a.json.at("userName"), u.at("userName"))
			}},
		{ID: "7643-2.5-put-empty", Level: Must, Gap: []int{4},
			Title: "An empty list in a PUT removes all values",
			Harm:  "Addresses that it has removed stay on the server.",
			needs: []need{has("emails.type")},
			run: func(t *T) {
				if t.facts.describes(userURN, "emails").at("required") == true {
					t.skip("emails are required")
				}
				u := t.hire(object{"emails": []object{{"value": "a@work.example", "type": "work"}}})
				t.want(t.put(t.user(u), t.person(object{"userName": u.at("userName"), "emails": []object{}})), http.StatusOK)
				a := t.read(t.user(u))
				t.must(unassigned(a.json.at("emails")), a, "no emails")
			}},
		{ID: "7643-4.2-put-members", Level: Must, Gap: []int{22},
			Title: "A PUT of a group replaces its members",
			Harm:  "Whoever was taken out of a group stays in it.",
			needs: []need{hasGroups},
			run: func(t *T) {
				a, b := t.hire(nil), t.hire(nil)
				g := t.form(a)
				t.want(t.put(t.group(g), object{"schemas": []string{groupURN}, "displayName": g.at("displayName"),
					"members": []object{{"value": b.id()}}}), http.StatusOK)
				got := t.read(t.group(g))
				t.same(got, "members", each(got.json.at("members"), "value"), []string{b.id()})
			}},
	}
}

func deleteChecks() []Check {
	return []Check{
		{ID: "7644-3.6-delete", Level: Must, Gap: []int{27},
			Title: "A DELETE is answered with 204 and no body, and the user is gone",
			Harm:  "It believes that somebody is gone who is still there.",
			run: func(t *T) {
				u := t.hire(nil)
				a := t.want(t.delete(t.user(u)), http.StatusNoContent)
				t.must(len(a.body) == 0, a, "no body")
				t.fault(t.get(t.user(u)), http.StatusNotFound)
			}},
		{ID: "7644-3.6-every-method", Level: Must, Gap: []int{27},
			Title: "After a DELETE every method on the user is 404",
			Harm:  "A late request brings somebody back who was deleted.",
			run: func(t *T) {
				u := t.hire(nil)
				t.want(t.delete(t.user(u)), http.StatusNoContent, http.StatusOK)
				t.fault(t.put(t.user(u), t.person(object{"userName": u.at("userName")})), http.StatusNotFound)
				if canPatch(t.facts) == "" {
					t.fault(t.patch(t.user(u), op("replace", "active", true)), http.StatusNotFound)
				}
				t.fault(t.delete(t.user(u)), http.StatusNotFound)
				t.fault(t.get(t.user(u)), http.StatusNotFound)
			}},
		{ID: "7644-3.6-not-listed", Level: Must, Gap: []int{27},
			Title: "Whoever was deleted is in no list and found by no filter",
			Harm:  "It believes that somebody is still there who is gone.",
			needs: []need{canFilter},
			run: func(t *T) {
				u := t.hire(nil)
				t.want(t.delete(t.user(u)), http.StatusNoContent, http.StatusOK)
				for _, filter := range []string{`userName eq "` + u.text("userName") + `"`, `id eq "` + u.id() + `"`} {
					a := t.want(t.get(query(t.facts.users, "filter", filter)), http.StatusOK)
					t.must(a.integer("totalResults") == 0, a, "nobody")
				}
			}},
		{ID: "7644-3.6-name-is-free", Level: Must, Gap: []int{27},
			Title: "The userName of whoever was deleted can be used again",
			Harm:  "Somebody who is hired again cannot be created.",
			run: func(t *T) {
				u := t.hire(nil)
				t.want(t.delete(t.user(u)), http.StatusNoContent, http.StatusOK)
				a := t.want(t.post(t.facts.users, t.person(object{"userName": u.at("userName")})), http.StatusCreated, http.StatusOK)
				t.must(a.json.id() != u.id(), a, "a new id")
			}},
		{ID: "7643-4.2-deleted-member", Level: Must, Gap: []int{27, 22},
			Title: "Whoever was deleted is in no group any more",
			Harm:  "Groups have members that do not exist, and reading them fails.",
			needs: []need{hasGroups},
			run: func(t *T) {
				a, b := t.hire(nil), t.hire(nil)
				g := t.form(a, b)
				t.want(t.delete(t.user(a)), http.StatusNoContent, http.StatusOK)
				got := t.read(t.group(g))
				t.same(got, "members", each(got.json.at("members"), "value"), []string{b.id()})
			}},
		{ID: "7644-3.6-delete-group", Level: Must, Gap: []int{27, 22},
			Title: "A group can be deleted; its members stay, and are in it no longer",
			Harm:  "Deleting a group deletes people, or leaves them in a group that is gone.",
			needs: []need{hasGroups},
			run: func(t *T) {
				u := t.hire(nil)
				g := t.form(u)
				t.want(t.delete(t.group(g)), http.StatusNoContent)
				t.fault(t.get(t.group(g)), http.StatusNotFound)
				a := t.read(t.user(u))
				t.must(unassigned(a.json.at("groups")), a, "no groups")
			}},
	}
}

func versionChecks() []Check {
	title := func(u object, s string) object { return object{"userName": u.at("userName"), "title": s} }
	stale := func(t *T, u object, send func(header string) answer) {
		was := t.read(t.user(u)).header.Get("ETag")
		t.want(t.put(t.user(u), t.person(title(u, "second"))), http.StatusOK)
		t.fault(send("If-Match: "+was), http.StatusPreconditionFailed)
		a := t.read(t.user(u))
		t.same(a, "title", a.json.at("title"), "second")
	}
	needs := []need{canETag, has("title")}
	return []Check{
		{ID: "7644-3.14-version", Level: Feature, Gap: []int{12},
			Title: "A resource has an ETag, the same in meta.version, and another after each change",
			Harm:  "It cannot tell whether what it has is still true.", needs: needs,
			run: func(t *T) {
				u := t.hire(object{"title": "first"})
				a := t.read(t.user(u))
				t.must(etag.MatchString(a.header.Get("ETag")), a, `an ETag such as W/"1", not %q`, a.header.Get("ETag"))
				t.same(a, "meta.version", a.json.at("meta", "version"), a.header.Get("ETag"))
				t.want(t.put(t.user(u), t.person(title(u, "second"))), http.StatusOK)
				b := t.read(t.user(u))
				t.must(b.header.Get("ETag") != a.header.Get("ETag"), b, "another ETag than before the change")
			}},
		{ID: "7644-3.14-if-none-match", Level: Feature, Gap: []int{12},
			Title: "If-None-Match with the current version is 304 without a body, with another 200",
			Harm:  "It reads everything again each time.", needs: needs,
			run: func(t *T) {
				u := t.hire(nil)
				version := t.read(t.user(u)).header.Get("ETag")
				a := t.want(t.get(t.user(u), "If-None-Match: "+version), http.StatusNotModified)
				t.must(len(a.body) == 0, a, "no body")
				t.want(t.get(t.user(u), `If-None-Match: W/"another"`), http.StatusOK)
			}},
		{ID: "7644-3.14-if-match", Level: Feature, Gap: []int{12},
			Title: "If-Match with the current version lets a change through",
			Harm:  "A careful client can change nobody.", needs: needs,
			run: func(t *T) {
				u := t.hire(nil)
				version := t.read(t.user(u)).header.Get("ETag")
				t.want(t.put(t.user(u), t.person(title(u, "second")), "If-Match: "+version), http.StatusOK)
			}},
		{ID: "7644-3.14-if-match-put", Level: Feature, Gap: []int{12},
			Title: "A PUT with If-Match of an old version is 412, and changes nothing",
			Harm:  "It overwrites what somebody else has changed meanwhile.", needs: needs,
			run: func(t *T) {
				u := t.hire(nil)
				stale(t, u, func(h string) answer { return t.put(t.user(u), t.person(title(u, "third")), h) })
			}},
		{ID: "7644-3.14-if-match-patch", Level: Feature, Gap: []int{12},
			Title: "A PATCH with If-Match of an old version is 412, and changes nothing",
			Harm:  "It overwrites what somebody else has changed meanwhile.", needs: append(needs, canPatch),
			run: func(t *T) {
				u := t.hire(nil)
				stale(t, u, func(h string) answer {
					return t.call(http.MethodPatch, t.user(u), patchBody(op("replace", "title", "third")), h)
				})
			}},
		{ID: "7644-3.14-if-match-delete", Level: Feature, Gap: []int{12},
			Title: "A DELETE with If-Match of an old version is 412, and deletes nobody",
			Harm:  "It deletes somebody who was hired again meanwhile.", needs: needs,
			run: func(t *T) {
				u := t.hire(nil)
				stale(t, u, func(h string) answer { return t.delete(t.user(u), h) })
			}},
	}
}
