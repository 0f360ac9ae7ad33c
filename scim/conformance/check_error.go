package conformance

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

func jsonOf(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own bodies are maps of simple values
	}
	return raw
}

func errorChecks() []Check {
	return []Check{
		{ID: "7644-2-no-token", Level: Must, Gap: []int{24, 19},
			Title: "A request without credentials is 401, with a SCIM error",
			Harm:  "Anybody may read and change its people.",
			run: func(t *T) {
				t.fault(t.ask(request{method: http.MethodGet, path: query(t.facts.users, "count", "1"), anonymous: true}), http.StatusUnauthorized)
			}},
		{ID: "7644-2-wrong-token", Level: Must, Gap: []int{24, 19},
			Title: "A wrong token is 401, with a SCIM error",
			Harm:  "Anybody who invents a token may read and change its people.",
			run: func(t *T) {
				a := t.ask(request{method: http.MethodGet, path: query(t.facts.users, "count", "1"), token: "wrong-0123456789abcdef"})
				t.fault(a, http.StatusUnauthorized)
			}},
		{ID: "7644-2-www-authenticate", Level: Must, Gap: []int{24},
			Title: "A 401 says in WWW-Authenticate which credentials are wanted",
			Harm:  "Its log says that something is wrong, and not that the token is missing.",
			run: func(t *T) {
				a := t.want(t.ask(request{method: http.MethodGet, path: query(t.facts.users, "count", "1"), anonymous: true}), http.StatusUnauthorized)
				t.must(a.header.Get("WWW-Authenticate") != "", a, "a header WWW-Authenticate")
			}},
		{ID: "7644-3.12-not-found", Level: Must, Gap: []int{19},
			Title: "An unknown user is 404, with a SCIM error and a detail",
			Harm:  "It cannot tell somebody who is gone from a server that is broken.",
			run: func(t *T) {
				a := t.fault(t.get(t.facts.users+"/"+t.name("none")), http.StatusNotFound)
				t.must(a.json.text("detail") != "", a, "a detail for people to read")
			}},
		{ID: "7644-3.12-unknown-path", Level: Must, Gap: []int{19},
			Title: "A path that does not exist is 404, with a SCIM error",
			Harm:  "It has to read web pages meant for browsers.",
			run: func(t *T) {
				t.fault(t.get("/"+t.prefix+"-nothing"), http.StatusNotFound)
			}},
		{ID: "9110-15.5.6-allow", Level: Must, Gap: []int{19},
			Title: "A method that a path does not serve is 405, with Allow",
			Harm:  "It believes that the resource does not exist, or that the server is broken.",
			run: func(t *T) {
				a := t.want(t.put(t.facts.users, t.person(nil)), http.StatusMethodNotAllowed)
				allow := strings.ToUpper(a.header.Get("Allow"))
				t.must(strings.Contains(allow, "GET") && strings.Contains(allow, "POST"), a, "a header Allow with GET and POST, not %q", allow)
			}},
		{ID: "7644-3.12-method-not-allowed", Level: Must, Gap: []int{19},
			Title: "A 405 has a SCIM error in its body",
			Harm:  "It does not understand why it was refused.",
			run: func(t *T) {
				t.fault(t.delete("/ServiceProviderConfig"), http.StatusMethodNotAllowed)
				t.fault(t.delete("/Schemas"), http.StatusMethodNotAllowed)
			}},
		{ID: "7644-3.12-invalid-syntax", Level: Must, Gap: []int{19},
			Title: "A body that is no JSON is 400 invalidSyntax",
			Harm:  "It tries again and again what can never work.",
			run: func(t *T) {
				for _, body := range []string{`{"userName": `, `[]`, `{} {}`} {
					t.fault(t.post(t.facts.users, body), http.StatusBadRequest, "invalidSyntax", "invalidValue")
				}
			}},
		{ID: "7644-3.12-status-is-a-string", Level: Must, Gap: []int{19},
			Title: "The status in an error is a string",
			Harm:  "A client with types cannot read any error.",
			run: func(t *T) {
				a := t.want(t.get(t.facts.users+"/"+t.name("none")), http.StatusNotFound)
				_, ok := a.json.at("status").(string)
				t.must(ok, a, `"status": "404", with quotes`)
			}},
	}
}

// innards is what errors of this and that runtime show of their insides.
var innards = []*regexp.Regexp{
	regexp.MustCompile(`goroutine \d+ \[|panic:|runtime error`),
	regexp.MustCompile(`Traceback \(most recent call last\)|File ".*", line \d+`),
	regexp.MustCompile(`(?m)^\s*at [\w.$<>]+\(|at [\w$.]+\.java:\d+|\.java:\d+\)|\.kt:\d+\)`),
	regexp.MustCompile(`\bat .*\((/|[A-Z]:\\|file:|node:).*:\d+:\d+\)|node_modules/`),
	regexp.MustCompile(`(/usr|/home|/var|/opt|/root|/srv|/app)/[\w./-]+\.\w+|[A-Z]:\\[\w\\]+\.\w+`),
	regexp.MustCompile(`\.go:\d+|\.py:\d+|\.rb:\d+|\.php(:\d+| on line)|\.cs:line \d+`),
	regexp.MustCompile(`(?i)SQLSTATE|syntax error at or near|\bSELECT\b.*\bFROM\b|\bINSERT INTO\b|sqlite3?\.|ORA-\d{5}|duplicate key value violates|UNIQUE constraint failed`),
	regexp.MustCompile(`(?i)json: cannot unmarshal|Unexpected token .* in JSON at position|NullPointerException|ActiveRecord::`),
}

func hostileChecks() []Check {
	return []Check{
		{ID: "7644-3.12-no-internals", Level: Must, Gap: []int{26},
			Title: "Errors show no stack, no file, no SQL",
			Harm:  "Whoever tries a few wrong requests learns how to break in.",
			run: func(t *T) {
				u := t.hire(nil)
				for _, a := range []answer{
					t.post(t.facts.users, `{"userName": `),
					t.post(t.facts.users, `{"schemas": 7, "userName": {"a": []}}`),
					t.post(t.facts.users, t.person(object{"userName": u.text("userName")})),
					t.get(t.facts.users + "/" + `%27%20OR%201=1--`),
					t.get(query(t.facts.users, "filter", `userName eq`)),
					t.get(query(t.facts.users, "filter", `userName eq "'; DROP TABLE users"`)),
					t.get(query(t.facts.users, "count", "many")),
					t.call(http.MethodPatch, t.user(u), `{"schemas":["`+patchURN+`"],"Operations":7}`),
					t.call(http.MethodPatch, t.user(u), `{"schemas":["`+patchURN+`"],"Operations":[{"op":"replace","path":"emails[","value":[[]]}]}`),
					t.put(t.user(u), `null`),
				} {
					for _, r := range innards {
						if m := r.FindString(string(a.body)); m != "" && a.status >= 400 {
							t.fail(a, "an error without insides, such as %q", m)
						}
					}
				}
			}},
		{ID: "7644-7-hostile-requests", Level: Must, Gap: []int{25},
			Title: "Strange requests are refused, and break nothing",
			Harm:  "One wrong client can take the server down for all.",
			run: func(t *T) {
				u := t.hire(nil)
				deep := strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)
				wide := `{"schemas":["` + userURN + `"],"userName":"` + t.name("w") + `","emails":[` + strings.Repeat(`{},`, 5000) + `{}]}`
				for _, a := range []answer{
					t.post(t.facts.users, deep),
					t.post(t.facts.users, wide),
					t.post(t.facts.users, "\xff\xfe{}"),
					t.post(t.facts.users, `{"schemas":["`+userURN+`"],"userName":"`+"\x00"+`"}`),
					t.get(t.facts.users + "/%00"),
					t.get(t.facts.users + "/..%2f..%2fetc%2fpasswd"),
					t.get(t.facts.users + "/" + strings.Repeat("x", 4000)),
					t.get(query(t.facts.users, "filter", strings.Repeat("(", 2000)+`userName pr`+strings.Repeat(")", 2000))),
					t.get(query(t.facts.users, "filter", strings.Repeat("not (", 500)+`userName pr`+strings.Repeat(")", 500))),
					t.get(query(t.facts.users, "startIndex", "99999999999999999999", "count", "99999999999999999999")),
					t.patch(t.user(u), op("replace", strings.Repeat("a.", 2000)+"b", 1)),
					t.patch(t.user(u), op("replace", `emails[`+strings.Repeat("(", 2000)+`type eq "x"]`, 1)),
				} {
					t.must(a.status < 500 || a.status == http.StatusNotImplemented, a, "to be refused with 4xx")
				}
				t.read(t.user(u))
			}},
		{ID: "7644-3.4.2-limit-kept", Level: Must, Gap: []int{25},
			Title: "A list has no more resources than count asks for and filter.maxResults announces",
			Harm:  "It gets more than it has room for.",
			run: func(t *T) {
				t.shared()
				most := 1
				a := t.want(t.get(query(t.facts.users, "count", "1")), http.StatusOK)
				t.must(len(a.resources()) <= most, a, "at most %d resource", most)
				if most, ok := t.facts.number("filter", "maxResults"); ok && most > 0 {
					a := t.get(query(t.facts.users, "count", "100000"))
					if a.status == http.StatusBadRequest {
						t.fault(a, http.StatusBadRequest, "tooMany")
						return
					}
					t.want(a, http.StatusOK)
					t.must(len(a.resources()) <= most, a, "at most the %d resources that filter.maxResults announces", most)
				}
			}},
		{ID: "7644-3.12-odd-parameters", Level: Must, Gap: []int{19},
			Title: "A count that is no number is refused or ignored, with a SCIM answer",
			Harm:  "It cannot tell its own mistake from a server that is broken.",
			run: func(t *T) {
				a := t.get(query(t.facts.users, "count", "many"))
				if !slices.Contains([]int{http.StatusOK, http.StatusBadRequest}, a.status) {
					t.fail(a, "200, or 400 with a SCIM error")
				}
				if a.status == http.StatusBadRequest {
					t.scimError(a)
				}
			}},
	}
}
