package conformance

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

func createChecks() []Check {
	return []Check{
		{ID: "7644-3.3-create", Level: Must,
			Title: "A new user is answered with 201, an id and what was stored",
			Harm:  "It does not learn the id of whom it created, and creates them again.",
			run: func(t *T) {
				body := t.person(nil)
				a := t.want(t.post(t.facts.users, body), http.StatusCreated)
				t.must(a.json.id() != "", a, "an id")
				t.must(contains(a.json.at("schemas"), userURN), a, "schemas with %s", userURN)
				t.same(a, "userName", a.json.at("userName"), body["userName"])
				t.must(a.json.text("meta", "resourceType") == "User", a, "meta.resourceType User")
				a = t.read(t.user(a.json))
				t.same(a, "userName", a.json.at("userName"), body["userName"])
			}},
		{ID: "7644-3.3-location", Level: Must, Gap: []int{18},
			Title: "The Location of a new user is the same as its meta.location, and leads to it",
			Harm:  "It does not find again whom it created.",
			run: func(t *T) {
				a := t.want(t.post(t.facts.users, t.person(nil)), http.StatusCreated, http.StatusOK)
				location := a.header.Get("Location")
				t.located(a, location, a.json.id())
				t.same(a, "meta.location", a.json.at("meta", "location"), location)
				if path := t.path(location); path != "" {
					t.read(path)
				}
			}},
		{ID: "7644-3.3-read-only-ignored", Level: Must, Gap: []int{15},
			Title: "What only the server sets is ignored in a new user: id, meta, groups",
			Harm:  "It can take the id of somebody else, or make itself a member of a group.",
			run: func(t *T) {
				id := "00000000-0000-4000-8000-" + t.prefix[3:] + "00"
				a := t.post(t.facts.users, t.person(object{"id": id, "meta": object{"created": "2001-01-01T00:00:00Z", "resourceType": "Group"},
					"groups": []object{{"value": id}}}))
				t.want(a, http.StatusCreated, http.StatusOK)
				a = t.read(t.user(a.json))
				t.must(a.json.id() != id, a, "an id of the server's own")
				t.must(!strings.HasPrefix(a.json.text("meta", "created"), "2001"), a, "meta.created to be now")
				t.must(unassigned(a.json.at("groups")), a, "no groups")
			}},
		{ID: "7644-3.3-required", Level: Must, Gap: []int{2},
			Title: "A user without a userName is refused with 400",
			Harm:  "Somebody whom nobody can find is stored.",
			run: func(t *T) {
				body := t.person(nil)
				delete(body, "userName")
				t.fault(t.post(t.facts.users, body), http.StatusBadRequest)
				body["userName"] = ""
				t.fault(t.post(t.facts.users, body), http.StatusBadRequest)
			}},
		{ID: "7643-2.3-wrong-type", Level: Must,
			Title: "A value of another type than the schema says is refused with 400",
			Harm:  "What it sent by mistake is stored as something else.",
			run: func(t *T) {
				for _, wrong := range []object{{"userName": object{"value": "x"}}, {"name": "Ada"}, {"active": "perhaps"}, {"emails": 7}} {
					for name := range wrong {
						if t.facts.has(name) {
							t.fault(t.post(t.facts.users, t.person(wrong)), http.StatusBadRequest)
						}
					}
				}
			}},
		{ID: "7643-2.1-attribute-names", Level: Must, Gap: []int{21},
			Title: "The names of attributes are understood in any case",
			Harm:  "Attributes that it spells otherwise get lost.",
			needs: []need{has("displayName", "name.familyName")},
			run: func(t *T) {
				u := t.hire(object{"DISPLAYNAME": "Ada Check", "Name": object{"FamilyName": "Check"}})
				a := t.read(t.user(u))
				t.same(a, "displayName", a.json.at("displayName"), "Ada Check")
				t.same(a, "name.familyName", a.json.at("name", "familyName"), "Check")
			}},
		{ID: "7643-3-schema-names", Level: Should, Gap: []int{21},
			Title: "The URNs of schemas are understood in any case",
			Harm:  "A client that spells them otherwise is refused.",
			run: func(t *T) {
				a := t.post(t.facts.users, t.person(object{"schemas": []string{"URN:ietf:params:SCIM:schemas:core:2.0:user"}}))
				t.want(a, http.StatusCreated, http.StatusOK)
			}},
		{ID: "7643-3-schemas-of-data", Level: Must, Gap: []int{21},
			Title: "schemas names an extension if there is data of it, and only then",
			Harm:  "It looks for data that is not there, or overlooks what is.",
			needs: []need{hasEnterprise},
			run: func(t *T) {
				a := t.read(t.user(t.hire(nil)))
				t.must(!contains(a.json.at("schemas"), enterpriseURN), a, "schemas without %s: there is no data of it", enterpriseURN)
				a = t.read(t.user(t.hire(object{"schemas": []string{userURN, enterpriseURN}, enterpriseURN: object{"department": "Stage"}})))
				t.must(contains(a.json.at("schemas"), enterpriseURN), a, "schemas with %s", enterpriseURN)
			}},
		{ID: "7643-3.3-extension", Level: Must, Gap: []int{4},
			Title: "What an extension adds is stored under its URN",
			Harm:  "Department, cost centre and manager get lost.",
			needs: []need{hasEnterprise},
			run: func(t *T) {
				u := t.hire(object{"schemas": []string{userURN, enterpriseURN},
					enterpriseURN: object{"department": "Stage", "employeeNumber": "4711"}})
				a := t.read(t.user(u))
				t.same(a, "department", a.json.at(enterpriseURN, "department"), "Stage")
				t.same(a, "employeeNumber", a.json.at(enterpriseURN, "employeeNumber"), "4711")
			}},
	}
}

// contains reports whether a list has a URN, in any case.
func contains(list any, urn string) bool {
	for _, s := range texts(list) {
		if strings.EqualFold(s, urn) {
			return true
		}
	}
	return false
}

func uniqueChecks() []Check {
	return []Check{
		{ID: "7644-3.3-conflict", Level: Must, Gap: []int{16},
			Title: "A second user with the same userName is 409 uniqueness",
			Harm:  "A repeated request makes a second account, and only one of them will be closed.",
			run: func(t *T) {
				u := t.hire(nil)
				t.fault(t.post(t.facts.users, t.person(object{"userName": u.at("userName")})), http.StatusConflict, "uniqueness")
			}},
		{ID: "7643-4.1.1-conflict-in-any-case", Level: Must, Gap: []int{16},
			Title: "userName is unique whatever its case",
			Harm:  "One person gets two accounts, because the case of an address changed.",
			run: func(t *T) {
				if d := t.facts.describes(userURN, "userName"); d.at("caseExact") == true {
					t.skip("the schema says that userName is caseExact")
				}
				u := t.hire(nil)
				t.fault(t.post(t.facts.users, t.person(object{"userName": strings.ToUpper(u.text("userName"))})), http.StatusConflict)
			}},
		{ID: "7643-2.2-conflict-at-once", Level: Must, Gap: []int{16},
			Title: "Of eight requests at once for the same userName, exactly one creates it",
			Harm:  "Two workers of one client make two accounts, and only one of them will be closed.",
			run: func(t *T) {
				body := jsonOf(t.person(nil))
				var wait sync.WaitGroup
				answers := make([]answer, 8)
				failures := make([]error, 8)
				for i := range answers {
					wait.Go(func() {
						answers[i], failures[i] = t.send(t.ctx, request{method: http.MethodPost, path: t.facts.users, body: body})
					})
				}
				wait.Wait()
				created := 0
				for i, a := range answers {
					if failures[i] != nil {
						t.give("one of eight requests at once: %v", failures[i])
					}
					if a.ok() {
						created++
						continue
					}
					t.fault(a, http.StatusConflict)
				}
				t.must(created == 1, answers[0], "one of eight requests to succeed, not %d", created)
			}},
		{ID: "7644-3.5.1-conflict", Level: Must, Gap: []int{16},
			Title: "A PUT with somebody else's userName is 409 uniqueness, and changes nothing",
			Harm:  "Two people end up under one name.",
			run: func(t *T) {
				u, other := t.hire(nil), t.hire(nil)
				t.fault(t.put(t.user(u), t.person(object{"userName": other.at("userName")})), http.StatusConflict, "uniqueness")
				a := t.read(t.user(u))
				t.same(a, "userName", a.json.at("userName"), u.at("userName"))
			}},
		{ID: "7644-3.5.2-conflict", Level: Must, Gap: []int{16},
			Title: "A PATCH to somebody else's userName is 409 uniqueness, and changes nothing",
			Harm:  "Two people end up under one name.",
			needs: []need{canPatch},
			run: func(t *T) {
				u, other := t.hire(nil), t.hire(nil)
				t.fault(t.patch(t.user(u), op("replace", "userName", other.at("userName"))), http.StatusConflict, "uniqueness")
				a := t.read(t.user(u))
				t.same(a, "userName", a.json.at("userName"), u.at("userName"))
			}},
	}
}

func readChecks() []Check {
	return []Check{
		{ID: "7644-3.4.1-read", Level: Must,
			Title: "A user can be read by id",
			Harm:  "It cannot check what it did.",
			run: func(t *T) {
				u := t.hire(nil)
				a := t.read(t.user(u))
				t.same(a, "id", a.json.at("id"), u.id())
				t.must(contains(a.json.at("schemas"), userURN), a, "schemas with %s", userURN)
			}},
		{ID: "7643-3.1-meta", Level: Must, Gap: []int{18},
			Title: "meta has resourceType, created, lastModified and location",
			Harm:  "It cannot tell what changed since it looked last.",
			run: func(t *T) {
				u := t.hire(nil)
				a := t.read(t.user(u))
				t.must(a.json.text("meta", "resourceType") == "User", a, "meta.resourceType User")
				for _, name := range []string{"created", "lastModified"} {
					_, ok := moment(a.json.text("meta", name))
					t.must(ok, a, "meta.%s to be a dateTime with a zone", name)
				}
				t.located(a, a.json.text("meta", "location"), u.id())
			}},
		{ID: "7643-3.1-last-modified", Level: Must,
			Title: "A change moves meta.lastModified on, and leaves meta.created",
			Harm:  "It overlooks changes, or reads everything each time.",
			needs: []need{has("displayName")},
			run: func(t *T) {
				u := t.hire(object{"displayName": "Before"})
				was := t.read(t.user(u))
				// Some servers count whole seconds.
				if before, _ := moment(was.json.text("meta", "lastModified")); before.Nanosecond() == 0 {
					if err := rest(t.ctx, "1", 1); err != nil {
						t.give("cut off")
					}
				}
				body := t.person(object{"userName": u.at("userName"), "displayName": "After"})
				t.want(t.put(t.user(u), body), http.StatusOK)
				a := t.read(t.user(u))
				before, _ := moment(was.json.text("meta", "lastModified"))
				after, ok := moment(a.json.text("meta", "lastModified"))
				t.must(ok && after.After(before), a, "meta.lastModified after %s", was.json.text("meta", "lastModified"))
				t.same(a, "meta.created", a.json.at("meta", "created"), was.json.at("meta", "created"))
			}},
	}
}

// moment reads a dateTime (RFC 7643, section 2.3.5) with a zone.
func moment(s string) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339Nano, s)
	return at, err == nil
}
