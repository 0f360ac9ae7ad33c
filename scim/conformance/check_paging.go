package conformance

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
)

func pagingChecks() []Check {
	const missed = "It misses people while it reads page after page, or sees them twice."
	return []Check{
		{ID: "7644-3.4.2-list", Level: Must, Gap: []int{9},
			Title: "A list is a ListResponse with totalResults and Resources",
			Harm:  "It cannot read any list.",
			run: func(t *T) {
				t.shared()
				a := t.want(t.get(query(t.facts.users, "count", "2")), http.StatusOK)
				t.list(a)
				t.must(len(a.resources()) > 0, a, "Resources: there are people")
				for _, r := range a.resources() {
					t.must(r.id() != "" && contains(r.at("schemas"), userURN), a, "resources with id and schemas")
				}
			}},
		{ID: "7644-3.4.2-total", Level: Must, Gap: []int{9},
			Title: "totalResults is how many match, not how many are on the page",
			Harm:  "It stops after the first page, and takes all others for gone.",
			needs: []need{canFilter},
			run: func(t *T) {
				t.shared()
				a := t.want(t.get(query(t.facts.users, "filter", `userName sw "`+t.stage("")+`"`, "count", "2")), http.StatusOK)
				t.must(a.integer("totalResults") == 5, a, "totalResults 5")
				t.must(len(a.resources()) == 2, a, "two of them")
			}},
		{ID: "7644-3.4.2.4-items-per-page", Level: Must, Gap: []int{9},
			Title: "itemsPerPage is how many resources are on the page, startIndex where it begins",
			Harm:  "It computes the next page wrongly and misses people.",
			run: func(t *T) {
				t.shared()
				a := t.want(t.get(query(t.facts.users, "startIndex", "2", "count", "3")), http.StatusOK)
				t.must(len(a.resources()) == 3, a, "three resources")
				t.must(a.integer("itemsPerPage") == 3 && a.integer("startIndex") == 2, a, "itemsPerPage 3 and startIndex 2")
				last := t.want(t.get(query(t.facts.users, "filter", `userName eq "`+t.stage("ada")+`"`, "count", "50")), http.StatusOK)
				if len(last.resources()) == 1 {
					t.must(last.integer("itemsPerPage") == 1, last, "itemsPerPage 1: one was returned")
				}
			}},
		{ID: "7644-3.4.2.4-pages", Level: Must, Gap: []int{9},
			Title: "Pages one after the other have everybody once, in the same order each time",
			Harm:  missed,
			needs: []need{canFilter},
			run: func(t *T) {
				t.shared()
				filter := `userName sw "` + t.stage("") + `"`
				whole := t.want(t.get(query(t.facts.users, "filter", filter, "count", "100")), http.StatusOK)
				for range 2 {
					var seen []string
					var a answer
					for start := 1; start <= 5; start += 2 {
						a = t.want(t.get(query(t.facts.users, "filter", filter, "startIndex", strconv.Itoa(start), "count", "2")), http.StatusOK)
						seen = append(seen, t.order(a)...)
					}
					t.same(a, "everybody on three pages", seen, t.order(whole))
				}
			}},
		{ID: "7644-3.4.2.4-count-zero", Level: Must, Gap: []int{9},
			Title: "count 0, or less, asks for totalResults alone",
			Harm:  "It is sent everybody when it only wants to know how many there are.",
			run: func(t *T) {
				t.shared()
				for _, count := range []string{"0", "-1"} {
					a := t.want(t.get(query(t.facts.users, "count", count)), http.StatusOK)
					t.must(len(a.resources()) == 0 && a.integer("totalResults") >= 5, a, "totalResults, and no Resources")
				}
			}},
		{ID: "7644-3.4.2.4-start-below-one", Level: Must, Gap: []int{9},
			Title: "A startIndex below 1 means 1",
			Harm:  "Clients that count from 0 are refused or miss somebody.",
			run: func(t *T) {
				t.shared()
				first := t.want(t.get(query(t.facts.users, "startIndex", "1", "count", "1")), http.StatusOK)
				t.must(len(first.resources()) == 1, first, "somebody")
				for _, start := range []string{"0", "-3"} {
					a := t.want(t.get(query(t.facts.users, "startIndex", start, "count", "1")), http.StatusOK)
					t.must(len(a.resources()) == 1 && a.resources()[0].id() == first.resources()[0].id(), a, "the same as with startIndex 1")
				}
			}},
		{ID: "7644-3.4.2.4-beyond-the-end", Level: Must, Gap: []int{9},
			Title: "A page beyond the end is empty, and no error",
			Harm:  "It takes the end of a list for a mistake and begins again.",
			run: func(t *T) {
				t.shared()
				a := t.want(t.get(query(t.facts.users, "startIndex", "1000000", "count", "10")), http.StatusOK)
				t.must(len(a.resources()) == 0 && a.integer("totalResults") >= 5, a, "totalResults, and no Resources")
			}},
	}
}

// unreserved are the characters that a cursor may have (RFC 3986, section 2.3).
var unreserved = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)

func cursorChecks() []Check {
	const missed = "It misses people while it reads page after page, or sees them twice."
	first := func(t *T, more ...string) answer {
		t.shared()
		a := t.get(t.facts.users + "?" + url.Values{"filter": {`userName sw "` + t.stage("") + `"`}, "count": {"2"}}.Encode() + "&cursor=" + joined(more))
		return t.want(a, http.StatusOK)
	}
	return []Check{
		{ID: "9865-2-cursor", Level: Feature, Gap: []int{10},
			Title: "nextCursor leads from page to page, to everybody once; the last page has none",
			Harm:  missed, needs: []need{canCursor, canFilter},
			run: func(t *T) {
				var seen []string
				a := first(t)
				t.must(a.json.text("nextCursor") != "", a, "a nextCursor: there are more")
				for range 4 {
					t.must(len(a.resources()) <= 2, a, "at most 2 resources")
					seen = append(seen, t.order(a)...)
					next := a.json.text("nextCursor")
					if next == "" {
						break
					}
					a = t.want(t.get(query(t.facts.users, "filter", `userName sw "`+t.stage("")+`"`, "count", "2", "cursor", next)), http.StatusOK)
				}
				slices.Sort(seen)
				t.same(a, "everybody, once", seen, everybody())
				t.must(a.json.at("nextCursor") == nil, a, "no nextCursor on the last page")
			}},
		{ID: "9865-2-cursor-form", Level: Feature, Gap: []int{10},
			Title: "A cursor has only characters that URLs need not escape, and the first page no previousCursor",
			Harm:  "It sends the cursor back changed, and is refused.", needs: []need{canCursor, canFilter},
			run: func(t *T) {
				a := first(t)
				t.must(unreserved.MatchString(a.json.text("nextCursor")), a, "a nextCursor of letters, digits, '-', '.', '_' and '~'")
				t.must(a.json.at("previousCursor") == nil, a, "no previousCursor on the first page")
			}},
		{ID: "9865-2-cursor-while-people-come", Level: Feature, Gap: []int{10},
			Title: "Whoever was there all the time is found once, though others come and go meanwhile",
			Harm:  "It takes somebody for gone because somebody else was removed while it read.", needs: []need{canCursor, canFilter},
			run: func(t *T) {
				group := t.prefix + "-tide-"
				leaver := t.hire(object{"userName": group + "a"})
				for _, name := range []string{"b", "d", "f", "h"} {
					t.hire(object{"userName": group + name})
				}
				filter := `userName sw "` + group + `"`
				a := t.want(t.get(query(t.facts.users, "filter", filter, "count", "2", "cursor", "")), http.StatusOK)
				seen := map[string]int{}
				count := func() {
					for _, r := range a.resources() {
						seen[r.text("userName")]++
					}
				}
				count()
				t.delete(t.user(leaver))
				t.hire(object{"userName": group + "0"})
				for range 5 {
					next := a.json.text("nextCursor")
					if next == "" {
						break
					}
					a = t.want(t.get(query(t.facts.users, "filter", filter, "count", "2", "cursor", next)), http.StatusOK)
					count()
				}
				for _, name := range []string{"b", "d", "f", "h"} {
					t.must(seen[group+name] == 1, a, "%s once, not %d times", group+name, seen[group+name])
				}
			}},
		{ID: "9865-2.1-invalid-cursor", Level: Should, Gap: []int{10},
			Title: "A cursor that the server did not make is 400 invalidCursor",
			Harm:  "It begins somewhere in the list and misses people.", needs: []need{canCursor},
			run: func(t *T) {
				t.fault(t.get(query(t.facts.users, "cursor", "made-up-by-"+t.prefix, "count", "2")), http.StatusBadRequest, "invalidCursor", "expiredCursor")
			}},
		{ID: "9865-2.1-invalid-count", Level: Should, Gap: []int{10},
			Title: "With a cursor, a count that is no number is 400 invalidCount",
			Harm:  "It gets pages of another size than it thinks.", needs: []need{canCursor},
			run: func(t *T) {
				t.fault(t.get(query(t.facts.users, "cursor", "", "count", "many")), http.StatusBadRequest, "invalidCount")
			}},
		{ID: "9865-3-cursor-search", Level: Feature, Gap: []int{10, 11},
			Title: "A cursor can be used with POST to .search",
			Harm:  missed, needs: []need{canCursor, canFilter},
			run: func(t *T) {
				t.shared()
				body := searchBody(object{"filter": `userName sw "` + t.stage("") + `"`, "count": 3, "cursor": ""})
				a := t.want(t.search(t.facts.users, body), http.StatusOK)
				seen := t.order(a)
				body["cursor"] = a.json.text("nextCursor")
				t.must(body["cursor"] != "", a, "a nextCursor")
				a = t.want(t.search(t.facts.users, body), http.StatusOK)
				seen = append(seen, t.order(a)...)
				slices.Sort(seen)
				t.same(a, "everybody, once", seen, everybody())
			}},
		{ID: "9865-4-announced", Level: Feature, Gap: []int{10},
			Title: "The pagination in the ServiceProviderConfig is complete",
			Harm:  "It does not know which kind of paging it gets.", needs: []need{canCursor},
			run: func(t *T) {
				a := t.read("/ServiceProviderConfig")
				_, ok := a.json.at("pagination", "index").(bool)
				t.must(ok, a, "pagination.index to be true or false")
				method := a.json.at("pagination", "defaultPaginationMethod")
				t.must(method == nil || method == "index" || method == "cursor", a, "pagination.defaultPaginationMethod index or cursor")
				for _, name := range []string{"defaultPageSize", "maxPageSize", "cursorTimeout"} {
					if a.json.at("pagination", name) != nil {
						n, ok := facts{provider: a.json}.number("pagination", name)
						t.must(ok && n > 0, a, "pagination.%s to be a positive integer", name)
					}
				}
			}},
		{ID: "9865-2-index-still", Level: Feature, Gap: []int{10},
			Title: "With index as the default, a query without a cursor is paged by index",
			Harm:  "Clients that know nothing of cursors miss people.",
			needs: []need{canCursor, func(f facts) string {
				if f.provider.at("pagination", "index") != true || f.provider.at("pagination", "defaultPaginationMethod") == "cursor" {
					return "paging by index is not the default"
				}
				return ""
			}},
			run: func(t *T) {
				t.shared()
				a := t.want(t.get(query(t.facts.users, "startIndex", "2", "count", "2")), http.StatusOK)
				t.must(a.integer("startIndex") == 2 && a.json.at("nextCursor") == nil, a, "startIndex 2 and no nextCursor")
			}},
	}
}

func joined(more []string) (s string) {
	for _, m := range more {
		s += "&" + m
	}
	return s
}
