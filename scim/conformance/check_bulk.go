package conformance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// bulk sends operations; failOnErrors 0 means: not said.
func (t *T) bulk(failOnErrors int, ops ...object) answer {
	body := object{"schemas": []string{bulkURN}, "Operations": ops}
	if failOnErrors > 0 {
		body["failOnErrors"] = failOnErrors
	}
	return t.post("/Bulk", body)
}

// done are the results of a bulk, which must have been carried out.
func (t *T) done(a answer) []object {
	t.want(a, http.StatusOK)
	t.must(contains(a.json.at("schemas"), bulkAnswerURN), a, "schemas with %s", bulkAnswerURN)
	return objects(a.json.at("Operations"))
}

// ended is the status in one result: a string, or in older servers an object
// with a code.
func ended(o object) string {
	if s := o.text("status"); s != "" {
		return s
	}
	return o.text("status", "code")
}

// made reads what an operation of a bulk created, by its location.
func (t *T) made(a answer, o object) answer {
	path := t.path(o.text("location"))
	t.must(path != "", a, "the location of what was created, not %q", o.text("location"))
	return t.read(path)
}

func (t *T) hireInBulk(bulkID string) object {
	return object{"method": "POST", "path": t.facts.users, "bulkId": bulkID, "data": t.person(nil)}
}

func bulkChecks() []Check {
	const harm = "It cannot tell which of its changes were made, and makes them twice or not at all."
	return []Check{
		{ID: "7644-3.7-operations", Level: Feature, Gap: []int{13},
			Title: "A bulk creates, changes and deletes, and answers each operation",
			Harm:  harm, needs: []need{canBulk, canPatch},
			run: func(t *T) {
				put, patch, gone := t.hire(nil), t.hire(nil), t.hire(nil)
				a := t.bulk(0, t.hireInBulk("one"),
					object{"method": "PUT", "path": t.user(put), "data": t.person(object{"userName": put.at("userName"), "active": false})},
					object{"method": "PATCH", "path": t.user(patch), "data": patchBody(op("replace", "active", false))},
					object{"method": "DELETE", "path": t.user(gone)})
				results := t.done(a)
				t.must(len(results) == 4, a, "4 results")
				for i, want := range []string{"201", "200", "200", "204"} {
					got := ended(results[i])
					t.must(got == want || i == 2 && got == "204", a, "status %q of operation %d, not %q", want, i+1, got)
				}
				t.must(results[0].text("bulkId") == "one", a, "bulkId of the operation that has one")
				t.must(t.made(a, results[0]).json.id() != "", a, "the new user")
				for _, u := range []object{put, patch} {
					b := t.read(t.user(u))
					t.same(b, "active", b.json.at("active"), false)
				}
				t.want(t.get(t.user(gone)), http.StatusNotFound)
			}},
		{ID: "7644-3.7.2-bulk-id", Level: Feature, Gap: []int{13},
			Title: "bulkId: refers to what another operation of the same bulk creates, also a later one",
			Harm:  "New people are not in their new groups.", needs: []need{canBulk, hasGroups},
			run: func(t *T) {
				group := func(bulkID string) object {
					return object{"method": "POST", "path": t.facts.groups, "bulkId": "team",
						"data": object{"schemas": []string{groupURN}, "displayName": t.name("g"), "members": []object{{"type": "User", "value": "bulkId:" + bulkID}}}}
				}
				for _, ops := range [][]object{{t.hireInBulk("ada"), group("ada")}, {group("eve"), t.hireInBulk("eve")}} {
					a := t.bulk(0, ops...)
					results := t.done(a)
					t.must(len(results) == 2, a, "2 results")
					locations := map[string]object{}
					for _, r := range results {
						t.must(ended(r) == "201", a, "201 for both")
						locations[r.text("bulkId")] = r
					}
					g := t.made(a, locations["team"])
					delete(locations, "team")
					for _, r := range locations {
						u := t.made(a, r)
						t.same(g, "members", each(g.json.at("members"), "value"), []string{u.json.id()})
					}
				}
			}},
		{ID: "7644-3.7.1-circular", Level: Feature, Gap: []int{13},
			Title: "References in a circle are resolved, or refused with 409",
			Harm:  "The server hangs or fails on two groups that contain each other.", needs: []need{canBulk, hasGroups},
			run: func(t *T) {
				group := func(bulkID, other string) object {
					return object{"method": "POST", "path": t.facts.groups, "bulkId": bulkID,
						"data": object{"schemas": []string{groupURN}, "displayName": t.name("g"), "members": []object{{"type": "Group", "value": "bulkId:" + other}}}}
				}
				a := t.bulk(0, group("a", "b"), group("b", "a"))
				if a.status == http.StatusConflict {
					t.scimError(a)
					return
				}
				results := t.done(a)
				t.must(len(results) == 2, a, "2 results")
				if slices.ContainsFunc(results, func(o object) bool { return ended(o) == "409" }) {
					return
				}
				first, second := t.made(a, results[0]), t.made(a, results[1])
				t.same(first, "members", each(first.json.at("members"), "value"), []string{second.json.id()})
				t.same(second, "members", each(second.json.at("members"), "value"), []string{first.json.id()})
			}},
		{ID: "7644-3.7.3-errors", Level: Feature, Gap: []int{13},
			Title: "An operation that fails shows a SCIM error, and does not stop the others",
			Harm:  harm, needs: []need{canBulk},
			run: func(t *T) {
				u := t.hire(nil)
				again := t.hireInBulk("again")
				again["data"] = t.person(object{"userName": u.at("userName")})
				a := t.bulk(0, again, object{"method": "DELETE", "path": t.facts.users + "/" + t.name("none")}, t.hireInBulk("new"))
				results := t.done(a)
				t.must(len(results) == 3, a, "3 results")
				for i, want := range []string{"409", "404", "201"} {
					t.must(ended(results[i]) == want, a, "status %q of operation %d, not %q", want, i+1, ended(results[i]))
				}
				problem := object{"response": results[0].at("response")}
				t.must(contains(problem.at("response", "schemas"), errorURN) && problem.text("response", "scimType") == "uniqueness", a,
					"response with a SCIM error of scimType uniqueness")
			}},
		{ID: "7644-3.7-fail-on-errors", Level: Feature, Gap: []int{13},
			Title: "After failOnErrors errors nothing more is done",
			Harm:  "It goes on with changes that make no sense any more.", needs: []need{canBulk},
			run: func(t *T) {
				nobody := object{"method": "DELETE", "path": t.facts.users + "/" + t.name("none")}
				last := t.hireInBulk("last")
				a := t.bulk(2, nobody, t.hireInBulk("first"), nobody, last)
				results := t.done(a)
				t.must(len(results) == 3, a, "3 results: the second error ends it")
				t.absent(a, last)
			}},
		{ID: "7644-3.7-wrong", Level: Feature, Gap: []int{13},
			Title: "A bulk that is no bulk is 400; a method or path that does not exist is an error of its operation",
			Harm:  harm, needs: []need{canBulk},
			run: func(t *T) {
				t.fault(t.post("/Bulk", object{"schemas": []string{bulkURN}, "Operations": "all"}), http.StatusBadRequest)
				a := t.bulk(0, object{"method": "POST", "path": "/" + t.prefix, "bulkId": "x", "data": object{}}, t.hireInBulk("new"))
				results := t.done(a)
				t.must(len(results) == 2 && ended(results[0])[:1] == "4" && ended(results[1]) == "201", a, "4xx for the first, 201 for the second")
			}},
	}
}

// absent fails if what an operation should not have created is there.
func (t *T) absent(a answer, o object) {
	name := o["data"].(object).text("userName")
	b := t.want(t.get(query(t.facts.users, "filter", fmt.Sprintf("userName eq %q", name))), http.StatusOK)
	t.must(b.integer("totalResults") == 0, a, "%s not to be created", name)
}

const longestBulk = 64 << 20 // that we send to see whether a limit is kept

func bulkLimitChecks() []Check {
	return []Check{
		{ID: "7644-3.7.4-max-operations", Level: Feature, Gap: []int{13, 25},
			Title: "A bulk with more operations than maxOperations is 413, and nothing of it is done",
			Harm:  "It does not learn that its request was too large, or only a part of it is done.", needs: []need{canBulk},
			run: func(t *T) {
				most, ok := t.facts.number("bulk", "maxOperations")
				if !ok || most < 1 || most > 10_000 {
					t.skip("bulk.maxOperations is not between 1 and 10,000")
				}
				first := t.hireInBulk("first")
				ops := []object{first}
				for range most {
					ops = append(ops, object{"method": "DELETE", "path": t.facts.users + "/none"})
				}
				a := t.fault(t.bulk(0, ops...), http.StatusRequestEntityTooLarge)
				t.absent(a, first)
			}},
		{ID: "7644-3.7.4-max-payload", Level: Feature, Gap: []int{13, 25, 19},
			Title: "A bulk with more bytes than maxPayloadSize is 413, and nothing of it is done",
			Harm:  "It does not learn that its request was too large.", needs: []need{canBulk},
			run: func(t *T) {
				most, ok := t.facts.number("bulk", "maxPayloadSize")
				if !ok || most < 1 || most > longestBulk {
					t.skip("bulk.maxPayloadSize is not between 1 byte and %d MiB", longestBulk>>20)
				}
				first := t.hireInBulk("first")
				first["data"].(object)["displayName"] = strings.Repeat("x", most)
				a := t.fault(t.bulk(0, first), http.StatusRequestEntityTooLarge)
				t.absent(a, first)
			}},
	}
}
