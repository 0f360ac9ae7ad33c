package conformance

import (
	"net/http"
	"strings"
)

func groupChecks() []Check {
	return []Check{
		{ID: "7643-4.2-create", Level: Must, Gap: []int{22},
			Title: "A group is created with its members",
			Harm:  "Groups are empty.",
			needs: []need{hasGroups},
			run: func(t *T) {
				u := t.hire(nil)
				body := t.club(u)
				a := t.want(t.post(t.facts.groups, body), http.StatusCreated)
				a = t.read(t.group(a.json))
				t.same(a, "displayName", a.json.at("displayName"), body["displayName"])
				t.must(a.json.text("meta", "resourceType") == "Group", a, "meta.resourceType Group")
				t.same(a, "members", each(a.json.at("members"), "value"), []string{u.id()})
			}},
		{ID: "7643-4.2-required", Level: Must, Gap: []int{22},
			Title: "A group without a displayName is refused with 400",
			Harm:  "A group that nobody can find is stored.",
			needs: []need{hasGroups, func(f facts) string {
				if d := f.describes(groupURN, "displayName"); d != nil && d.at("required") == false {
					return "the schema does not say that displayName is required"
				}
				return ""
			}},
			run: func(t *T) {
				t.fault(t.post(t.facts.groups, object{"schemas": []string{groupURN}}), http.StatusBadRequest)
			}},
		{ID: "7643-4.2-member-details", Level: Should, Gap: []int{22},
			Title: "Each member has $ref, the type and, at least when asked for, a name to show",
			Harm:  "It has to ask for each member alone what it is.",
			needs: []need{hasGroups},
			run: func(t *T) {
				u := t.hire(nil)
				g := t.group(t.form(u))
				a := t.read(g)
				m := having(a.json.at("members"), "value", u.id())
				t.must(strings.HasSuffix(m.text("$ref"), t.user(u)), a, "$ref to be the URL of the member, not %q", m.text("$ref"))
				t.must(m.text("type") == "User", a, "type User")
				shown := m.text("display") != ""
				if !shown {
					a = t.read(g + "?attributes=members.display")
					shown = len(each(a.json.at("members"), "display")) == 1
				}
				t.must(shown, a, "display")
			}},
		{ID: "7643-4.1.2-groups", Level: Must, Gap: []int{22},
			Title: "A user shows the groups that they are in, and no longer when they are taken out",
			Harm:  "It cannot tell who may do what, and whoever was taken out still seems to be in.",
			needs: []need{hasGroups, has("groups")},
			run: func(t *T) {
				u := t.hire(nil)
				g := t.form(u)
				a := t.read(t.user(u))
				t.same(a, "groups", each(a.json.at("groups"), "value"), []string{g.id()})
				t.want(t.put(t.group(g), object{"schemas": []string{groupURN}, "displayName": g.at("displayName"), "members": []object{}}), http.StatusOK)
				a = t.read(t.user(u))
				t.must(unassigned(a.json.at("groups")), a, "no groups")
			}},
		{ID: "7643-4.1.2-group-details", Level: Should, Gap: []int{22},
			Title: "Each group of a user has $ref, display and type direct",
			Harm:  "It has to ask for each group alone what it is called.",
			needs: []need{hasGroups, has("groups")},
			run: func(t *T) {
				u := t.hire(nil)
				g := t.form(u)
				a := t.read(t.user(u))
				m := having(a.json.at("groups"), "value", g.id())
				t.must(strings.HasSuffix(m.text("$ref"), t.group(g)), a, "$ref to be the URL of the group, not %q", m.text("$ref"))
				t.same(a, "display", m.at("display"), g.at("displayName"))
				t.must(m.text("type") == "direct", a, "type direct")
			}},
		{ID: "7643-4.1.2-indirect-groups", Level: Should, Gap: []int{22},
			Title: "A user shows the groups that they are in through another group, as indirect",
			Harm:  "It believes that somebody may not do what they may.",
			needs: []need{hasGroups, has("groups")},
			run: func(t *T) {
				u := t.hire(nil)
				inner := t.form(u)
				b := t.post(t.facts.groups, t.club(inner))
				if !b.ok() {
					t.skip("groups in groups are not accepted: %d", b.status)
				}
				outer := b.json
				a := t.read(t.user(u))
				t.same(a, "groups", each(a.json.at("groups"), "value"), both(inner, outer))
				t.must(having(a.json.at("groups"), "value", inner.id()).text("type") == "direct", a, "the inner group to be direct")
				t.must(having(a.json.at("groups"), "value", outer.id()).text("type") == "indirect", a, "the outer group to be indirect")
			}},
		{ID: "7643-4.2-nested", Level: Should, Gap: []int{22},
			Title: "A group can be a member of a group, of type Group",
			Harm:  "Nested groups become flat or empty.",
			needs: []need{hasGroups},
			run: func(t *T) {
				inner := t.form()
				b := t.post(t.facts.groups, t.club(inner))
				if !b.ok() {
					t.skip("groups in groups are not accepted: %d", b.status)
				}
				a := t.read(t.group(b.json))
				m := having(a.json.at("members"), "value", inner.id())
				t.must(m != nil && m.text("type") == "Group", a, "the member, of type Group")
			}},
		{ID: "7644-3.4.2.2-members", Level: Must, Gap: []int{6, 22},
			Title: "Groups are found by a member and by displayName",
			Harm:  "It cannot find out which groups it must take somebody out of.",
			needs: []need{hasGroups, canFilter},
			run: func(t *T) {
				u := t.hire(nil)
				g := t.form(u)
				for _, filter := range []string{`members.value eq "` + u.id() + `"`, `members[value eq "` + u.id() + `"]`, `displayName eq "` + strings.ToUpper(g.text("displayName")) + `"`} {
					a := t.want(t.get(query(t.facts.groups, "filter", filter)), http.StatusOK)
					t.must(len(a.resources()) == 1 && a.resources()[0].id() == g.id(), a, "that group alone")
				}
			}},
		{ID: "7644-3.4.2.5-without-members", Level: Must, Gap: []int{7, 22},
			Title: "Groups can be read and listed without their members",
			Harm:  "It has to read 50,000 members to learn a group's name.",
			needs: []need{hasGroups, canFilter},
			run: func(t *T) {
				g := t.form(t.hire(nil))
				a := t.read(t.group(g) + "?excludedAttributes=members")
				t.shows(a, a.json, []string{"id", "displayName"}, []string{"members"})
				a = t.want(t.get(query(t.facts.groups, "filter", `displayName eq "`+g.text("displayName")+`"`, "excludedAttributes", "members")), http.StatusOK)
				t.must(len(a.resources()) == 1, a, "that group")
				t.shows(a, a.resources()[0], []string{"id", "displayName"}, []string{"members"})
			}},
	}
}

func meChecks() []Check {
	return []Check{
		{ID: "7644-3.11-me", Level: Must, Gap: []int{14},
			Title: "/Me is the caller, leads to it, or is refused with 404, 403 or 501",
			Harm:  "It takes somebody else for itself, or a web page for an answer.",
			run: func(t *T) {
				a := t.ask(request{method: http.MethodGet, path: "/Me", stay: true})
				switch a.status {
				case http.StatusOK:
					t.must(a.json.id() != "", a, "a resource with an id")
					t.located(a, a.json.text("meta", "location"), a.json.id())
					t.must(!strings.HasSuffix(a.json.text("meta", "location"), "/Me"), a, "meta.location to be that of the resource itself")
				case http.StatusPermanentRedirect, http.StatusTemporaryRedirect:
					_, ok := t.sameOrigin(t.base.String()+"/Me", a.header.Get("Location"))
					t.must(ok, a, "a Location at the same server")
				case http.StatusNotFound, http.StatusForbidden, http.StatusNotImplemented:
					t.scimError(a)
				default:
					t.fail(a, "200, 307 or 308, or 403, 404 or 501 with a SCIM error")
				}
			}},
	}
}
