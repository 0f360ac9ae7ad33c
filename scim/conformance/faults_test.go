package conformance

import (
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

// faults is the table: how a server is broken, and which checks must see it.
func faults() (all []fault) {
	for _, list := range [][]fault{discoveryFaults(), wireFaults(), resourceFaults(), queryFaults(), changeFaults(), groupFaults(), bulkFaults(), leaverFaults()} {
		all = append(all, list...)
	}
	return all
}

func discoveryFaults() []fault {
	provider := func(edit func(object)) func(http.Handler) http.Handler {
		return documents("/ServiceProviderConfig", edit)
	}
	return []fault{
		{"etag is not mentioned", provider(func(o object) { delete(o, "etag") }), []string{"7644-4-service-provider-config"}},
		{"no authentication schemes", provider(func(o object) { o["authenticationSchemes"] = []any{} }), []string{"7643-5-authentication-schemes"}},
		{"resource types without endpoint", documents("/ResourceTypes", func(o object) { o["endpoint"] = "" }), []string{"7644-4-resource-types"}},
		{"schemas without attributes", documents("/Schemas", func(o object) { delete(o, "attributes") }), []string{"7644-4-schemas"}},
		{"mutability misspelt", documents("/Schemas", func(o object) {
			for _, a := range objects(o["attributes"]) {
				a["mutability"] = "readonly"
			}
		}), []string{"7643-7-attribute-characteristics"}},
		{"documents without meta", answers(func(q *asked, a *reply) {
			delete(a.json, "meta")
			for _, r := range a.resources() {
				delete(r, "meta")
			}
		}), []string{"7643-3.1-discovery-meta", "7643-3.1-meta"}},
		{"no look-up by id", requests(func(q *asked) {
			if q.about("Schemas/") || q.about("ResourceTypes/") {
				q.path = "/nothing"
			}
		}), []string{"7644-4-lookup-by-id", "7644-4-resource-types"}},
		{"filters on documents ignored", requests(func(q *asked) {
			if !q.about("Users") {
				q.URL.RawQuery = ""
			}
		}), []string{"7644-4-filter-refused"}},
		{"documents are paged", answers(func(q *asked, a *reply) {
			if list := a.resources(); q.URL.Query().Has("count") && (q.about("Schemas") || q.about("ResourceTypes")) && len(list) > 1 {
				a.json["Resources"] = []any{map[string]any(list[1])}
			}
		}), []string{"7644-4-paging-ignored"}},
		{"empty URIs", provider(func(o object) { o["documentationUri"] = "" }), []string{"7643-2.3.7-no-empty-reference"}},
		{"pagination wrongly described", provider(func(o object) {
			o["pagination"] = map[string]any{"cursor": true, "index": true, "defaultPaginationMethod": "offset"}
		}), []string{"9865-4-announced"}},
	}
}

func wireFaults() []fault {
	media := func(sent string) func(http.Handler) http.Handler {
		return instead(func(q *asked) *reply {
			if q.Method == http.MethodPost && q.Header.Get("Content-Type") == sent {
				return refusedAs(http.StatusUnsupportedMediaType)
			}
			return nil
		})
	}
	problem := func(edit func(*reply)) func(http.Handler) http.Handler {
		return answers(func(_ *asked, a *reply) {
			if a.status >= 400 {
				edit(a)
			}
		})
	}
	return []fault{
		{"always application/json", answers(func(_ *asked, a *reply) { a.header.Set("Content-Type", "application/json") }),
			[]string{"7644-3.1-media-type", "7644-3.1-errors-media-type"}},
		{"application/json is refused", media(mediaJSON), []string{"7644-3.8-json-sent"}},
		{"Accept is ignored", unheeded("Accept"), []string{"7644-3.8-json-wanted"}},
		{"web pages by default", answers(func(q *asked, a *reply) {
			if q.Header.Get("Accept") == "" {
				a.header.Set("Content-Type", "text/html")
			}
		}), []string{"7644-3.8-default-format"}},
		{"bodies without a type are refused", media(""), []string{"7644-3.8-no-type"}},
		{"every type is JSON", unheeded("Content-Type"), []string{"9110-15.5.16-unsupported-type"}},
		{"ASCII only", requests(func(q *asked) {
			q.raw, q.body = regexp.MustCompile(`[^\x00-\x7f]+`).ReplaceAll(q.raw, []byte("?")), nil
		}), []string{"7644-3.8-utf-8"}},
		{"anybody is let in", requests(func(q *asked) { q.Header.Set("Authorization", "Bearer "+token) }), []string{"7644-2-no-token", "7644-2-wrong-token"}},
		{"no WWW-Authenticate", unsaid("WWW-Authenticate"), []string{"7644-2-www-authenticate"}},
		{"no Allow", unsaid("Allow"), []string{"9110-15.5.6-allow"}},
		{"errors are web pages", problem(func(a *reply) {
			a.json, a.raw = nil, []byte("<h1>Oh no</h1>")
			a.header.Set("Content-Type", "text/html")
		}), []string{"7644-2-no-token", "7644-2-wrong-token", "7644-3.12-not-found", "7644-3.12-unknown-path", "7644-3.12-method-not-allowed",
			"7644-3.12-invalid-syntax", "7644-3.12-status-is-a-string", "7644-3.12-odd-parameters", "7644-3.1-errors-media-type", "7644-3.3-conflict", "7644-3.6-delete"}},
		{"errors have a number as status", problem(func(a *reply) { a.json["status"] = a.status }), []string{"7644-3.12-status-is-a-string", "7644-3.12-not-found"}},
		{"errors show a stack", problem(func(a *reply) {
			a.json["detail"] = "panic: runtime error: index out of range\n\ngoroutine 7 [running]:\nmain.main()\n\t/srv/app/main.go:7"
		}), []string{"7644-3.12-no-internals"}},
		{"errors show SQL", problem(func(a *reply) {
			a.json["detail"] = `pq: duplicate key value violates unique constraint "users_pkey"`
		}), []string{"7644-3.12-no-internals"}},
		{"long URLs break it", instead(func(q *asked) *reply {
			if len(q.URL.RawQuery) > 2000 {
				return refusedAs(http.StatusInternalServerError)
			}
			return nil
		}), []string{"7644-7-hostile-requests"}},
		{"odd numbers break it", instead(func(q *asked) *reply {
			if q.URL.Query().Get("count") == "many" {
				return refusedAs(http.StatusInternalServerError)
			}
			return nil
		}), []string{"7644-3.12-odd-parameters"}},
		{"/Me is a web page", instead(func(q *asked) *reply {
			if q.path == "/Me" {
				return &reply{status: http.StatusOK, header: http.Header{"Content-Type": {"text/html"}}, raw: []byte("<h1>Hello</h1>")}
			}
			return nil
		}), []string{"7644-3.11-me"}},
	}
}

func resourceFaults() []fault {
	var invented atomic.Int64
	invent := func(name string) func(object) {
		return func(o object) {
			if o.text(name) == "" {
				o[name] = fmt.Sprint("invented-", invented.Add(1))
			}
		}
	}
	extension := func(o object) {
		if s := texts(o["schemas"]); len(s) == 1 && s[0] == userURN {
			o["schemas"] = []any{userURN, enterpriseURN}
		}
	}
	float := func(v any) (any, bool) {
		f, _, err := big.ParseFloat(fmt.Sprint(v), 10, 53, big.ToNearestEven)
		if err != nil {
			return nil, false
		}
		n, _ := f.Int64()
		return n, true
	}
	overlay := map[string]any{}
	return []fault{
		{"created is 200", turned("POST", http.StatusCreated, http.StatusOK, ""), []string{"7644-3.3-create", "7643-4.2-create"}},
		{"no Location", unsaid("Location"), []string{"7644-3.3-location"}},
		{"clients set meta", spoiled(func(q *asked) *reply {
			if meta := q.body.at("meta"); meta != nil && q.about("Users") {
				overlay[q.body.text("userName")] = meta
			}
			return nil
		}, func(q *asked, a *reply) {
			if meta, ok := overlay[a.json.text("userName")].(map[string]any); ok {
				a.json["meta"].(map[string]any)["created"] = meta["created"]
			}
		}), []string{"7644-3.3-read-only-ignored", "7644-3.5.1-read-only-ignored"}},
		{"what is missing is invented", bodies("POST PUT", "Users", invent("userName")), []string{"7644-3.3-required", "7644-3.5.1-required"}},
		{"groups' names are invented", bodies("POST", "Groups", invent("displayName")), []string{"7643-4.2-required"}},
		{"wrong types are dropped", bodies("POST", "Users", func(o object) {
			for name, v := range o {
				_, list := v.([]any)
				_, complex := v.(map[string]any)
				_, boolean := v.(bool)
				switch name {
				case "active":
					if !boolean {
						delete(o, name)
					}
				case "name":
					if !complex {
						delete(o, name)
					}
				case "emails":
					if !list {
						delete(o, name)
					}
				case "userName":
					if complex {
						delete(o, name)
						invent(name)(o)
					}
				}
			}
		}), []string{"7643-2.3-wrong-type"}},
		{"names of attributes have a case", bodies("POST", "Users", func(o object) { delete(o, "DISPLAYNAME") }), []string{"7643-2.1-attribute-names"}},
		{"URNs have a case", instead(func(q *asked) *reply {
			if strings.Contains(string(q.raw), `"URN:`) {
				return refusedAs(http.StatusBadRequest)
			}
			return nil
		}), []string{"7643-3-schema-names"}},
		{"schemas always names the extension", shown(func(_ *asked, r object) { extension(r) }), []string{"7643-3-schemas-of-data", "7643-3.3-extension-removed"}},
		{"extensions are dropped", bodies("POST PUT", "Users", func(o object) { delete(o, enterpriseURN) }), []string{"7643-3.3-extension", "7643-3-schemas-of-data", "7644-3.10-extension-path"}},
		{"names need not be unique", turned("POST PUT PATCH", http.StatusConflict, http.StatusOK, ""),
			[]string{"7644-3.3-conflict", "7643-4.1.1-conflict-in-any-case", "7643-2.2-conflict-at-once", "7644-3.5.1-conflict", "7644-3.5.2-conflict"}},
		{"a conflict is not said to be one of uniqueness", answers(func(_ *asked, a *reply) {
			if a.status == http.StatusConflict {
				delete(a.json, "scimType")
			}
		}), []string{"7644-3.3-conflict", "7644-3.5.1-conflict", "7644-3.5.2-conflict"}},
		{"resources without schemas", shown(func(_ *asked, r object) { delete(r, "schemas") }), []string{"7644-3.4.1-read", "7644-3.3-create", "7644-3.4.2-list"}},
		{"dates as in HTTP", shown(func(_ *asked, r object) {
			if m, ok := r["meta"].(map[string]any); ok {
				at, _ := moment(fmt.Sprint(m["created"]))
				m["created"] = at.Format(http.TimeFormat)
			}
		}), []string{"7643-3.1-meta"}},
		{"lastModified stays", shown(func(_ *asked, r object) {
			if m, ok := r["meta"].(map[string]any); ok {
				m["lastModified"] = m["created"]
			}
		}), []string{"7643-3.1-last-modified"}},
		{"lastModified is now", shown(func(_ *asked, r object) {
			if m, ok := r["meta"].(map[string]any); ok {
				m["lastModified"] = time.Now().UTC().Format(time.RFC3339Nano)
			}
		}), []string{"7644-3.5.2.1-add-repeated"}},
		{"booleans are texts", shown(func(_ *asked, r object) { r["active"] = fmt.Sprint(r["active"]) }), []string{"7643-2.3.2-boolean", "7643-4.1.1-deactivate"}},
		{"integers go through floating point", remembered("badge", object{"type": "integer"}, float), []string{"7643-2.3.4-integer"}},
		{"fractions and zones are cut off", remembered("until", object{"type": "dateTime"}, func(v any) (any, bool) {
			return fmt.Sprint(v)[:19] + "Z", true
		}), []string{"7643-2.3.5-date-time"}},
		{"anything is a date", remembered("until", object{"type": "dateTime"}, func(v any) (any, bool) { return v, true }), []string{"7643-2.3.5-not-a-date"}},
		{"binary data is another", bodies("POST", "Users", func(o object) {
			o["x509Certificates"] = []any{map[string]any{"value": "AAAA"}}
		}), []string{"7643-2.3.6-binary", "7643-2.3.6-base64url"}},
		{"null is refused", instead(func(q *asked) *reply {
			if strings.Contains(string(q.raw), ":null") {
				return refusedAs(http.StatusBadRequest)
			}
			return nil
		}), []string{"7643-2.5-null-is-nothing", "7643-2.5-replace-null"}},
		{"passwords are shown", remembered("password", object{"type": "string"}, func(v any) (any, bool) { return v, true }), []string{"7643-9.2-password-never-shown"}},
		{"all values are primary", twice(shown(func(_ *asked, r object) {
			for _, e := range objects(r["emails"]) {
				e["primary"] = true
			}
		}), bodies("POST", "Users", func(o object) {
			for _, e := range objects(o["emails"]) {
				delete(e, "primary")
			}
		})), []string{"7643-2.4-one-primary", "7644-3.5.2-one-primary"}},
		{"values are repeated", shown(func(_ *asked, r object) {
			if list, ok := r["emails"].([]any); ok {
				r["emails"] = append(list, list...)
			}
		}), []string{"7643-2.4-no-repetition", "7644-3.5.2.1-add-repeated"}},
		{"one value is kept", bodies("POST", "Users", func(o object) {
			if list, ok := o["emails"].([]any); ok && len(list) > 1 {
				o["emails"] = list[:1]
			}
		}), []string{"7643-2.4-values"}},
		{"what is for few is shown to all", twice(shown(func(_ *asked, r object) { r["verdict"] = "open" }),
			remembered("verdict", object{"type": "string", "mutability": "readOnly", "returned": "request"}, func(v any) (any, bool) { return v, true })),
			[]string{"7643-2.2-returned-on-request"}},
	}
}

func queryFaults() []fault {
	items := answers(func(q *asked, a *reply) {
		if n := q.URL.Query().Get("count"); n != "" && a.json.at("Resources") != nil {
			a.json["itemsPerPage"] = n
		}
	})
	endless := func(start string) bool { return strings.HasPrefix(start, "-") || start == "0" }
	return []fault{
		{"filters are ignored", without("filter"), []string{"7644-3.4.2.2-eq", "7644-3.4.2.2-ne", "7644-3.4.2.2-co", "7644-3.4.2.2-sw", "7644-3.4.2.2-ew", "7644-3.4.2.2-pr",
			"7644-3.4.2.2-gt", "7644-3.4.2.2-ge", "7644-3.4.2.2-lt", "7644-3.4.2.2-le", "7644-3.4.2.2-date-time", "7644-3.4.2.2-boolean", "7644-3.4.2.2-null",
			"7644-3.4.2.2-operator-case", "7644-3.4.2.2-and", "7644-3.4.2.2-or", "7644-3.4.2.2-not", "7644-3.4.2.2-precedence", "7644-3.4.2.2-grouping",
			"7644-3.4.2.2-attribute-case", "7644-3.4.2.2-text-case", "7644-3.4.2.2-exact-case", "7644-3.4.2.2-escapes", "7644-3.4.2.2-value-path",
			"7644-3.4.2.2-several-values", "7644-3.4.2.2-default-to-value", "7644-3.4.2.2-multi-valued-presence", "7644-3.4.2.2-complex", "7644-3.4.2.2-urn",
			"7644-3.4.2.2-extension", "7644-3.4.2.2-mixed-schemas", "7644-3.4.2.2-invalid", "7644-3.4.2.2-unordered", "7644-3.4.2-nobody", "7644-3.4.3-search", "7644-3.4.3-search-invalid"}},
		{"filters find nobody", filters(func(string) string { return `id eq "nobody"` }), []string{"7644-3.4.2.2-eq-id", "7644-3.4.2.2-eq-external-id",
			"7644-3.4.2.2-members", "7644-3.4.2-total", "7644-3.4.2.2-entra-finds-by-address", "7644-3.4.3-search"}},
		{"or binds like and", rewritten(`\((\S+ eq "[^"]+") or (\S+ eq "[^"]+") and ([^()]*)\)$`, `(($1 or $2) and $3)`), []string{"7644-3.4.2.2-precedence"}},
		{"or is and", rewritten(` [oO]r `, ` and `), []string{"7644-3.4.2.2-or", "7644-3.4.2.2-operator-case"}},
		{"and is or", rewritten(`(title.*) and `, `$1 or `), []string{"7644-3.4.2.2-and"}},
		{"not is not heeded", rewritten(`not \(`, `(`), []string{"7644-3.4.2.2-not", "7644-3.4.2.2-value-path-nested", "7644-3.4.2.2-multi-valued-presence"}},
		{"brackets are refused inside brackets", instead(func(q *asked) *reply {
			if strings.Contains(q.URL.Query().Get("filter"), "((") {
				return refusedAs(http.StatusBadRequest)
			}
			return nil
		}), []string{"7644-3.4.2.2-grouping"}},
		{"gt is ge", rewritten(` gt "`, ` ge "`), []string{"7644-3.4.2.2-gt"}},
		{"ge is gt", rewritten(` ge "`, ` gt "`), []string{"7644-3.4.2.2-ge"}},
		{"lt is le", rewritten(` lt "`, ` le "`), []string{"7644-3.4.2.2-lt"}},
		{"le is lt", rewritten(` le "`, ` lt "`), []string{"7644-3.4.2.2-le"}},
		{"sw is co", rewritten(`title sw "ngin`, `title co "ngin`), []string{"7644-3.4.2.2-sw"}},
		{"ew is co", rewritten(` ew "`, ` co "`), []string{"7644-3.4.2.2-ew"}},
		{"empty is present", rewritten(`nickName pr`, `(nickName pr or userName ew "cyd")`), []string{"7644-3.4.2.2-pr-empty"}},
		{"texts are compared exactly", answers(exactly), []string{"7644-3.4.2.2-text-case", "7644-3.4.2.2-eq-in-any-case", "7644-3.4.2.2-members"}},
		{"value paths look at several values", rewritten(`emails\[type eq "(\w+)" and value co "([^"]+)"\]`, `(emails.type eq "$1" and emails.value co "$2")`), []string{"7644-3.4.2.2-value-path"}},
		{"paths look at the first value only", rewritten(`emails\.value eq "[^"]*@home.example"`, `id eq "nobody"`), []string{"7644-3.4.2.2-several-values"}},
		{"attributes and excludedAttributes are ignored", without("attributes", "excludedAttributes"), []string{"7644-3.4.2.5", "7644-3.9", "7644-3.10-attributes-by-urn", "7644-3.4.3-search-attributes"}},
		{"what is always returned can be excluded", answers(func(q *asked, a *reply) {
			if strings.Contains(q.URL.RawQuery, "excludedAttributes=id") {
				delete(a.json, "id")
			}
		}), []string{"7643-2.2-returned-always"}},
		{"sorting is ignored", without("sortBy", "sortOrder"), []string{"7644-3.4.2.3", "7644-3.4.3-search-sorting"}},
		{"sortOrder is ignored", without("sortOrder"), []string{"7644-3.4.2.3-descending", "7644-3.4.2.3-nothing-first", "7644-3.4.3-search-sorting"}},
		{"lists without schemas", answers(func(_ *asked, a *reply) {
			if a.json.at("Resources") != nil {
				delete(a.json, "schemas")
			}
		}), []string{"7644-3.4.2-list", "7644-3.4.2-nobody", "7644-4-schemas"}},
		{"totalResults is that of the page", answers(func(_ *asked, a *reply) {
			if a.json.at("Resources") != nil {
				a.json["totalResults"] = len(a.resources())
			}
		}), []string{"7644-3.4.2-total", "7644-3.4.2.4-count-zero", "7644-3.4.2.4-beyond-the-end", "7644-3.4.3-search-paging"}},
		{"itemsPerPage is what was asked for", items, []string{"7644-3.4.2.4-items-per-page"}},
		{"startIndex is ignored", without("startIndex"), []string{"7644-3.4.2.4-items-per-page", "7644-3.4.2.4-pages", "7644-3.4.2.4-beyond-the-end", "7644-3.4.3-search-paging"}},
		{"count is ignored", without("count"), []string{"7644-3.4.2-limit-kept", "7644-3.4.2-total", "7644-3.4.2.4-count-zero"}},
		{"a startIndex below 1 is refused", instead(func(q *asked) *reply {
			if endless(q.URL.Query().Get("startIndex")) {
				return refusedAs(http.StatusBadRequest)
			}
			return nil
		}), []string{"7644-3.4.2.4-start-below-one"}},
		{"the end of a list is an error", answers(func(q *asked, a *reply) {
			if q.URL.Query().Has("startIndex") && len(a.resources()) == 0 {
				*a = *refusedAs(http.StatusNotFound)
			}
		}), []string{"7644-3.4.2.4-beyond-the-end"}},
		{"cursors are ignored", without("cursor"), []string{"9865-2-cursor", "9865-2.1", "9865-3"}},
		{"a list goes by places", offset(), []string{"9865-2-cursor-while-people-come"}},
		{"a cursor needs escaping", answers(func(_ *asked, a *reply) {
			if s := a.json.text("nextCursor"); s != "" {
				a.json["nextCursor"] = s + "+/="
			}
		}), []string{"9865-2-cursor-form"}},
		{"a cursor comes unasked", answers(func(_ *asked, a *reply) {
			if a.json.at("Resources") != nil {
				a.json["nextCursor"] = "abc"
			}
		}), []string{"9865-2-index-still"}},
		{"the root has users only", requests(func(q *asked) {
			if q.path == "/" || q.path == "/.search" {
				q.path = "/Users" + strings.TrimSuffix(q.path, "/")
			}
		}), []string{"7644-3.4.2.1-root", "7644-3.4.3-root-search"}},
	}
}

func changeFaults() []fault {
	only := func(name string, path string) func(object) []object {
		return func(o object) []object {
			if o["op"] == name && strings.Contains(o.text("path"), path) {
				o["path"], _, _ = strings.Cut(o.text("path"), "[")
			}
			return []object{o}
		}
	}
	idle := func(method string) func(http.Handler) http.Handler {
		return requests(func(q *asked) {
			if q.Method == method {
				q.Method, q.body, q.raw = http.MethodGet, nil, nil
			}
		})
	}
	return []fault{
		{"PUT does nothing", idle(http.MethodPut), []string{"7644-3.5.1-replace", "7644-3.5.1-answer", "7644-3.5.1-required", "7643-2.5-put-empty", "7643-4.2-put-members",
			"7643-4.1.1-deactivate-by-put", "7644-3.5.1-conflict", "7644-3.5.1-okta-deactivates", "7643-3.1-last-modified"}},
		{"PUT refuses what it has said", instead(func(q *asked) *reply {
			if q.Method == http.MethodPut && q.body.at("meta") != nil {
				return refusedAs(http.StatusBadRequest)
			}
			return nil
		}), []string{"7644-3.5.1-same-again", "7644-3.5.1-read-only-ignored"}},
		{"PUT creates", turned("PUT", http.StatusNotFound, http.StatusCreated, ""), []string{"7644-3.5.1-unknown"}},
		{"PATCH does nothing", idle(http.MethodPatch), []string{"7644-3.5.2-answer", "7644-3.5.2-in-order", "7644-3.5.2-atomic", "7644-3.5.2-read-only", "7643-4.1.2-groups-read-only",
			"7643-2.2-immutable", "7644-3.5.2-one-primary", "7644-3.5.2-wrong-operation", "7644-3.5.2-wrong-path", "7644-3.5.2-wrong-value", "7644-3.10-path-by-urn",
			"7644-3.5.2.1-add-attribute", "7644-3.5.2.1-add-without-path", "7644-3.5.2.1-add-multi-valued", "7644-3.5.2.1-add-complex", "7644-3.5.2.1-add-members",
			"7644-3.5.2.2", "7644-3.5.2.3", "7643-2.5-replace-null", "7644-3.10-extension-path", "7643-3.3-extension-object", "7644-3.10-extension-urn", "7643-3.3-extension-removed",
			"7643-4.1.1-deactivate", "7643-4.1.1-reactivate", "7644-3.5.2-okta-deactivates", "7644-3.5.2-entra-deactivates", "7644-3.5.2-entra-flag-deactivates", "7644-3.5.2-entra-adds-address"}},
		{"PATCH of nobody works", turned("PATCH", http.StatusNotFound, http.StatusOK, ""), []string{"7644-3.5.2-unknown"}},
		{"PATCH is not atomic", func(h http.Handler) http.Handler {
			return spoiled(func(q *asked) *reply {
				if q.Method != http.MethodPatch {
					return nil
				}
				var last *reply
				for _, o := range objects(q.body["Operations"]) {
					one := &asked{Request: q.Clone(q.Context()), path: q.path, body: object{"schemas": []any{patchURN}, "Operations": []any{map[string]any(o)}}}
					last = one.pass(h)
				}
				return last
			}, nil)(h)
		}, []string{"7644-3.5.2-atomic"}},
		{"add replaces", operations(func(o object) []object {
			if o["op"] == "add" {
				o["op"] = "replace"
			}
			return []object{o}
		}), []string{"7644-3.5.2.1-add-multi-valued", "7644-3.5.2.1-add-members", "7644-3.5.2.1-add-without-path"}},
		{"remove takes all values", operations(only("remove", "[")), []string{"7644-3.5.2.2-remove-filtered", "7644-3.5.2.2-remove-filtered-sub-attribute", "7644-3.5.2.2-remove-member"}},
		{"replace takes all values", operations(func(o object) []object {
			path := o.text("path")
			if i := strings.IndexByte(path, '['); o["op"] == "replace" && i > 0 {
				v := o["value"]
				if _, sub, ok := strings.Cut(path, "]."); ok {
					v = map[string]any{sub: v}
				}
				o["path"], o["value"] = path[:i], []any{v}
			}
			return []object{o}
		}), []string{"7644-3.5.2.3-replace-filtered", "7644-3.5.2.3-replace-filtered-sub-attribute", "7644-3.5.2.3-replace-no-target"}},
		{"a complex value is replaced as a whole", operations(func(o object) []object {
			if o["path"] == "name" {
				return []object{{"op": "remove", "path": "name"}, o}
			}
			return []object{o}
		}), []string{"7644-3.5.2.1-add-complex", "7644-3.5.2.3-replace-complex"}},
		{"a target that is not there is no matter", turned("PATCH", http.StatusBadRequest, http.StatusOK, "noTarget"), []string{"7644-3.5.2.3-replace-no-target", "7644-3.5.2.2-remove-no-path"}},
		{"what is set by the server can be changed", turned("PATCH", http.StatusBadRequest, http.StatusOK, "mutability"),
			[]string{"7644-3.5.2-read-only", "7643-4.1.2-groups-read-only", "7643-2.2-immutable", "7644-3.5.2.2-remove-required"}},
		{"Entra's Remove takes all members", operations(func(o object) []object {
			if o["op"] == "Remove" {
				delete(o, "value")
			}
			return []object{o}
		}), []string{"7644-3.5.2.2-entra-removes-member"}},
		{"DELETE does nothing", instead(func(q *asked) *reply {
			if q.Method == http.MethodDelete && (q.about("Users") || q.about("Groups")) {
				return &reply{status: http.StatusNoContent}
			}
			return nil
		}), []string{"7644-3.6", "7643-4.2-deleted-member"}},
		{"DELETE is 200", turned("DELETE", http.StatusNoContent, http.StatusOK, ""), []string{"7644-3.6-delete", "7644-3.6-delete-group"}},
		{"conditions are ignored", unheeded("If-Match", "If-None-Match"), []string{"7644-3.14-if-none-match", "7644-3.14-if-match-put", "7644-3.14-if-match-patch", "7644-3.14-if-match-delete"}},
		{"no version matches", instead(func(q *asked) *reply {
			if q.Header.Get("If-Match") != "" {
				return refusedAs(http.StatusPreconditionFailed)
			}
			return nil
		}), []string{"7644-3.14-if-match"}},
		{"meta.version is another", shown(func(_ *asked, r object) {
			if m, ok := r["meta"].(map[string]any); ok {
				m["version"] = "1"
			}
		}), []string{"7644-3.14-version"}},
	}
}

func groupFaults() []fault {
	members := func(edit func(object)) func(http.Handler) http.Handler {
		return shown(func(_ *asked, r object) {
			for _, m := range objects(r["members"]) {
				edit(m)
			}
		})
	}
	return []fault{
		{"new groups are empty", bodies("POST", "Groups", func(o object) { delete(o, "members") }), []string{"7643-4.2-create", "7643-4.2-member-details", "7643-4.2-nested"}},
		{"members are ids only", members(func(m object) { delete(m, "$ref"); delete(m, "type") }), []string{"7643-4.2-member-details", "7643-4.2-nested"}},
		{"users show no groups", shown(func(_ *asked, r object) { delete(r, "groups") }), []string{"7643-4.1.2-groups", "7643-4.1.2-group-details", "7643-4.1.2-indirect-groups"}},
		{"groups through groups are not shown", shown(func(_ *asked, r object) {
			var direct []any
			for _, g := range objects(r["groups"]) {
				if g["type"] == "direct" {
					direct = append(direct, map[string]any(g))
				}
			}
			r["groups"] = direct
		}), []string{"7643-4.1.2-indirect-groups"}},
		{"members cannot be left out", requests(func(q *asked) {
			if q.about("Groups") {
				q.URL.RawQuery = strings.ReplaceAll(q.URL.RawQuery, "excludedAttributes=members", "")
			}
		}), []string{"7644-3.4.2.5-without-members"}},
	}
}

func bulkFaults() []fault {
	results := func(edit func(object)) func(http.Handler) http.Handler {
		return answers(func(q *asked, a *reply) {
			if q.path == "/Bulk" {
				for _, o := range objects(a.json.at("Operations")) {
					edit(o)
				}
			}
		})
	}
	return []fault{
		{"bulk loses bulkIds", results(func(o object) { delete(o, "bulkId") }), []string{"7644-3.7-operations", "7644-3.7.2-bulk-id"}},
		{"bulk always says 200", results(func(o object) { o["status"] = "200" }), []string{"7644-3.7-operations", "7644-3.7.3-errors", "7644-3.7-wrong"}},
		{"bulk understands no references", requests(func(q *asked) {
			if q.path == "/Bulk" {
				q.body, q.raw = nil, []byte(strings.ReplaceAll(string(q.raw), `"bulkId:`, `"bulk-id-`))
			}
		}), []string{"7644-3.7.2-bulk-id", "7644-3.7.1-circular"}},
		{"bulk says only that it failed", results(func(o object) { delete(o, "response") }), []string{"7644-3.7.3-errors"}},
		{"bulk goes on after failOnErrors", bodies("POST", "Bulk", func(o object) { delete(o, "failOnErrors") }), []string{"7644-3.7-fail-on-errors"}},
		{"bulk takes anything", instead(func(q *asked) *reply {
			if _, ok := q.body["Operations"].(string); ok {
				return &reply{status: http.StatusOK, header: http.Header{}, json: object{"schemas": []any{bulkAnswerURN}, "Operations": []any{}}}
			}
			return nil
		}), []string{"7644-3.7-wrong"}},
		{"bulk announces less than it takes", documents("/ServiceProviderConfig", func(o object) {
			if b, ok := o["bulk"].(map[string]any); ok {
				b["maxOperations"], b["maxPayloadSize"] = 2, 900
			}
		}), []string{"7644-3.7.4-max-operations", "7644-3.7.4-max-payload"}},
		{"lists announce less than they give", documents("/ServiceProviderConfig", func(o object) {
			if b, ok := o["filter"].(map[string]any); ok {
				b["maxResults"] = 2
			}
		}), []string{"7644-3.4.2-limit-kept"}},
	}
}

func leaverFaults() []fault {
	defaulted := func(active bool) func(http.Handler) http.Handler {
		return bodies("PUT", "Users", func(o object) {
			if _, ok := o["active"]; !ok {
				o["active"] = active
			}
		})
	}
	return []fault{
		{"deactivation is ignored", bodies("PUT PATCH", "Users", func(o object) {
			delete(o, "active")
			for _, e := range objects(o["Operations"]) {
				if v, ok := e["value"].(map[string]any); ok {
					delete(v, "active")
				}
				if e["path"] == "active" {
					e["path"], e["value"] = "displayName", "Ada"
				}
			}
		}), []string{"7643-4.1.1-deactivate", "7643-4.1.1-deactivate-by-put", "7643-4.1.1-reactivate", "7644-3.5.2-okta-deactivates", "7644-3.5.2-entra-deactivates",
			"7644-3.5.2-entra-flag-deactivates", "7644-3.5.1-okta-deactivates"}},
		{"whoever is not active is hidden", answers(func(_ *asked, a *reply) {
			if a.json.at("active") == false {
				*a = *refusedAs(http.StatusNotFound)
			}
		}), []string{"7643-4.1.1-inactive-readable"}},
		{"whoever is not active is in no group", shown(func(_ *asked, r object) { delete(r, "members") }), []string{"7643-4.1.1-inactive-member"}},
		{"PUT without active deactivates", defaulted(false), []string{"7644-3.5.1-put-without-active"}},
		{"PUT without active brings back", defaulted(true), []string{"7644-3.5.1-put-keeps-inactive"}},
	}
}
