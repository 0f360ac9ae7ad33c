package rest

import (
	"fmt"
	"strings"
	"testing"
)

// small is the smallest sensible recipe; tests change it.
const small = `api: recipe/v1
app: small
title: Small
tested: {against: fixture}
params:
  base: {type: url, example: "https://a.example.com"}
auth: {kind: bearer, token: {secret: token}}
http:
  base: ${params.base}
  errors:
    - {when: "status == 404", class: not_found}
probe: {get: /ping}
lookup:
  - get: /users
    query: {mail: "${subject.email}"}
    by: email
    items: body.users
    match: item.mail == subject.email
    as: {id: item.id}
actions:
  suspend:
    effect: lock
    steps:
      - put: /users/${user.id}
        json: {active: false}
    verify:
      get: /users/${user.id}
      expect: body.active == false
  destroy:
    effect: delete
    reversible: no
    after: [suspend]
    steps: [{delete: "/users/${user.id}"}]
    verify: {get: "/users/${user.id}", expect: status == 404}
`

func TestSmallIsFine(t *testing.T) {
	if problems := Lint([]byte(small)); problems != nil {
		t.Fatal(problems)
	}
}

// TestLint changes one thing in the small recipe and expects one mistake, at
// its line, with what to do.
func TestLint(t *testing.T) {
	tests := []struct{ old, new, want string }{
		// structure
		{"title: Small\n", "title: Small\ntitel: x\n", `4:1: titel: unknown key; did you mean "title"?`},
		{"title: Small\n", "", "1:1: title is missing"},
		{"title: Small\n", "title: Small\ntitle: Other\n", "4:1: title: stands here twice; remove one"},
		{"title: Small\n", "title: [Small]\n", "3:8: title: must be text"},
		{"api: recipe/v1", "api: recipe/v2", `1:6: api: "recipe/v2" is not known; did you mean "recipe/v1"?`},
		{"tested: {against: fixture}", "tested: &x {against: fixture}", "4:9: anchors and aliases are not allowed; write it out"},
		{"{secret: token}", "!!map {secret: token}", "tags and directives are not allowed"},
		{"effect: lock", "effect: lokc", `22:13: actions.suspend.effect: "lokc" is not known; did you mean "lock"?`},
		{"    match: item.mail == subject.email\n", "", "14:5: lookup[0]: match is missing; search is fuzzy"},
		{"    verify: {get: \"/users/${user.id}\", expect: status == 404}\n", "", "actions.destroy: verify is missing; give a request that proves it, or say verify: unverifiable"},
		{"    verify: {get: \"/users/${user.id}\", expect: status == 404}\n", "    verify: sometimes\n", "must be a request that proves it, a list of such, or the word unverifiable"},
		{"kind: bearer", "kind: oauth2_jwt_bearer", `7:14: auth.kind: "oauth2_jwt_bearer" is not known; known are none, basic, bearer`},
		// expressions, at their place
		{"expect: body.active == false", "expect: body.active = false", "28:27: actions.suspend.verify.expect: Syntax error"},
		{"expect: body.active == false", "expect: stauts == 200", "28:15: actions.suspend.verify.expect: undeclared reference to 'stauts'"},
		{"expect: body.active == false", "expect: body.active", "28:15: actions.suspend.verify.expect: this is dyn, but must be bool; compare it"},
		{"expect: body.active == false", "expect: \"true\"", "does not look at the answer; use status, headers or body"},
		{"mail: \"${subject.email}\"", "mail: \"x ${subject.emial}\"", "15:31: lookup[0].query.mail: undefined field 'emial'"},
		{"mail: \"${subject.email}\"", "mail: \"${user.id}\"", "lookup[0].query.mail: user is not known here; known are params, now, subject"},
		{"mail: \"${subject.email}\"", "mail: \"${params.bsae}\"", `there is no param "bsae"; did you mean "base"?`},
		{"mail: \"${subject.email}\"", "mail: \"${subject.email\"", "lookup[0].query.mail: ${ without its }"},
		{"{active: false}", "{active: \"${snapshot.status}\"}", "the account as it was before is not kept"},
		{"match: item.mail == subject.email", "match: item.mail == subject.userName", "18:12: lookup[0].match: must compare item with subject.email"},
		{"items: body.users", "items: \"'x'\"", "this is string, but must be list"},
		// hosts and paths
		{"base: ${params.base}", "base: https://a.${params.base}", "the host must be literal, or come from a param of type url"},
		{"base: ${params.base}", "base: http://a.example.com", `must begin with "https://" and a literal host`},
		{"base: ${params.base}", "base: https://a.example.com?x=${params.base}", "a path has no ? and no #"},
		{"{type: url,", "{type: string,", "a host may come only from a param of type url; base is of type string"},
		{"get: /ping", "get: \"https://${params.base}/ping\"", "is no host"},
		{"get: /ping", "get: ping", `must begin with "/"`},
		{"get: /ping", "get: //evil.example.com", `must begin with "/"`},
		{"get: /ping", "get: /ping?x=1", "a path has no ? and no #; parameters belong into query"},
		{"get: /ping", "get: /ping, put: /ping", "exactly one of get, post, put, patch and delete must be given"},
		{"{get: /ping}", "{ok: [204]}", "exactly one of get, post, put, patch and delete must be given"},
		{"{get: /ping}", "{delete: /ping}", "this only reads; use get"},
		{"{get: /ping}", "{get: /ping, headers: {authorization: x}}", "may not be given here; credentials belong into auth"},
		{"{get: /ping}", "{get: /ping, json: {}}", "a GET has no body"},
		{"{get: /ping}", "{get: /ping, ok: [20]}", "20 is no status of an answer"},
		// params and auth
		{"params:\n", "params:\n  spare: {type: string}\n", "6:10: params.spare: is used nowhere; remove it"},
		{"params:\n", "params:\n  spare: {type: string, pattern: \"(\"}\n", "pattern is no regular expression"},
		{"{kind: bearer, token: {secret: token}}", "{kind: bearer, value: {secret: token}}", "token is missing, which auth of kind bearer needs"},
		{"{kind: bearer, token: {secret: token}}", "{kind: none, token: {secret: token}}", "auth of kind none has no such field; remove it"},
		// actions
		{"    reversible: no\n", "", "30:5: actions.destroy: delete cannot be undone; say reversible: no"},
		{"effect: lock", "effect: lock\n    reversible: yes", "reversible: yes needs undo"},
		{"effect: lock", "effect: lock\n    reversible: yes\n    undo: destroy", "destroy must be an action with effect restore, but has effect delete"},
		{"after: [suspend]", "after: [suspnd]", `there is no action "suspnd"; did you mean "suspend"?`},
		{"after: [suspend]", "after: [destroy]", "destroy comes itself after destroy"},
		{"effect: lock", "effect: lock\n    after: [destroy]", "destroy has effect delete, which always comes later than lock"},
		{"effect: lock", "effect: lock\n    when: subject.email == ''", "subject is not known here; known are params"},
		{"[{delete: \"/users/${user.id}\"}]", "[]", "steps is empty"},
		{"json: {active: false}", "foreach: {get: /x, items: body}", "max is missing; say how many items"},
		{"json: {active: false}", "foreach: {get: /x, items: body, max: 0}", "max is between 1 and"},
		{"json: {active: false}", "json: {id: \"${item.id}\"}", "item is not known here"},
		{"items: body.users", "items: body.users\n    paginate: {cursor: body.next}", "cursor and param belong together"},
		{"items: body.users", "items: body.users\n    paginate: {page: page}", "page and offset need size"},
		{"items: body.users", "items: body.users\n    paginate: {link_header: true, next_url: body.next}", "exactly one of link_header, next_url"},
		{"class: not_found", "class: not_found, needs: transfer", "needs is for class blocked"},
	}
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			src := strings.Replace(small, test.old, test.new, 1)
			if src == small {
				t.Fatal("nothing was changed")
			}
			problems := Lint([]byte(src))
			if len(problems) == 0 || !strings.Contains(problems.Error(), test.want) {
				t.Fatalf("got\n%v\nwant\n%s", problems, test.want)
			}
		})
	}
}

func TestCasesAreLinted(t *testing.T) {
	for c, want := range map[string]string{
		"{probe: true, do: lock, http: [], gives: ok}":                     "exactly one of probe, find, do and check",
		"{do: lock, http: [], gives: done}":                                "user belongs to do, to check",
		"{do: lock, user: {id: x}, http: [], gives: proven}":               "do cannot give proven",
		"{do: revoke, user: {id: x}, http: [], gives: done}":               "no action has effect revoke",
		"{probe: true, http: [{answer: {status: 200}}], gives: ok}":        "exactly one of get, post",
		"{probe: true, http: [{get: /x, answer: {status: 1}}], gives: ok}": "1 is no status",
		"{probe: true, params: {bsae: x}, http: [], gives: ok}":            `there is no param "bsae"; did you mean "base"?`,
		"{find: {emial: x}, http: [], gives: no_account}":                  `unknown key; did you mean "email"?`,
	} {
		if problems := Lint([]byte(small + "cases: [" + c + "]\n")); !strings.Contains(fmt.Sprint(problems), want) {
			t.Errorf("%s\ngot\n%v\nwant\n%s", c, problems, want)
		}
	}
}

// TestAllAtOnce: one mistake does not hide another.
func TestAllAtOnce(t *testing.T) {
	src := strings.NewReplacer("title: Small", "titel: Small", "effect: lock", "effect: lokc",
		"body.active == false", "body.active", "reversible: no", "reversible: yes", "after: [suspend]", "after: [x]",
		"match: item.mail == subject.email", "match: item.mail == subjct.email").Replace(small)
	problems := Lint([]byte(src))
	lines := map[int]bool{}
	for _, p := range problems {
		lines[p.Line] = true
	}
	for _, line := range []int{1, 3, 18, 22, 28, 30} {
		if !lines[line] {
			t.Errorf("nothing about line %d in\n%v", line, problems)
		}
	}
}

func TestSizeAndDepth(t *testing.T) {
	for src, want := range map[string]string{
		strings.Repeat("#", maxBytes+1): "1:1: the recipe is larger than 256 KiB",
		strings.Repeat("[", 1000):       "1:1: nested more than 40 deep",
		strings.Repeat("- ", 1000):      "1:1: nested more than 40 deep",
		"a: b\n---\nc: d\n":             "1:1: a recipe is exactly one document",
		"":                              "1:1: a recipe is exactly one document",
		"a: [b\n":                       "1:",
	} {
		if problems := Lint([]byte(src)); len(problems) == 0 || !strings.HasPrefix(problems.Error(), want) {
			t.Errorf("%.20q: %v", src, problems)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("api: [&a *a]\n"))
	f.Add([]byte("? - : {a: !!x y}\n"))
	f.Add([]byte("a: |\n  b\n c: ${"))
	f.Fuzz(func(t *testing.T, src []byte) {
		r, err := Load(src)
		if err == nil && (r.Lookup == nil || len(r.Actions) == 0) {
			t.Fatal("loaded without lookup or actions")
		}
		if err != nil && err.Error() == "" {
			t.Fatal("refused without a reason")
		}
	})
}
