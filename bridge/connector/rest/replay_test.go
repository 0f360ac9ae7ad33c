package rest

import (
	"fmt"
	"strings"
	"testing"
)

const smallCases = small + `cases:
  - {probe: true, http: [{get: /ping, headers: {Authorization: Bearer secret-token}, answer: {status: 200}}], gives: ok}
  - find: {email: a@b}
    http: [{get: /users, query: {mail: a@b}, answer: {status: 200, json: {users: [{id: 7, mail: a@b}]}}}]
    user: {id: "7"}
    gives: account
  - {find: {email: a@b}, http: [{get: /users, query: {mail: a@b}, answer: {status: 404}}], gives: no_account}
  - {do: lock, user: {id: "7"}, http: [{put: /users/7, json: {active: false}, answer: {status: 204}}], gives: done}
  - {check: lock, user: {id: "7"}, http: [{get: /users/7, answer: {status: 200, json: {active: false}}}], gives: proven}
  - {check: lock, user: {id: "7"}, http: [{get: /users/7, answer: {status: 200, json: {active: true}}}], gives: still_open}
  - {do: delete, user: {id: "7"}, http: [{delete: /users/7, answer: {status: 204}}], gives: done}
  - {check: delete, user: {id: "7"}, http: [{get: /users/7, answer: {status: 404}}], gives: proven}
  - {check: delete, user: {id: "7"}, http: [{get: /users/7, answer: {status: 200}}], gives: still_open}
`

// TestReplay changes the recipe or its cases and expects the difference to be
// told.
func TestReplay(t *testing.T) {
	for _, test := range []struct{ old, new, want string }{
		{"put: /users/${user.id}", "patch: /users/${user.id}", "the request differs\n  expected PUT https://a.example.com/users/7\n  got      PATCH https://a.example.com/users/7"},
		{"put: /users/${user.id}", "put: /user/${user.id}", "got      PUT https://a.example.com/user/7"},
		{"        json: {active: false}", "        json: {active: \"no\"}", "the body differs\n  expected {\"active\":false}\n  got      {\"active\":\"no\"}"},
		{"        json: {active: false}", "        form: {active: \"false\"}", "the body differs"},
		{"        json: {active: false}", "", "the body differs\n  expected {\"active\":false}\n  got      null"},
		{`query: {mail: "${subject.email}"}`, `query: {mail: "${subject.email}", x: y}`, "the query differs\n  expected map[mail:a@b]\n  got      map[mail:a@b x:y]"},
		{"Bearer secret-token", "Bearer other", "the header Authorization differs"},
		{"probe: {get: /ping}", "probe: {get: /ping, success: body == 'x'}", "gave permanent: GET /ping answered 200: the app refused, not ok"},
		{"gives: ok}", "gives: permanent}", "gave ok, not permanent"},
		{`user: {id: "7"}` + "\n    gives: account", `user: {id: "8"}` + "\n    gives: account", `gave the account {id: "7", login: ""}, not account`},
		{"http: [{put: /users/7, json: {active: false}, answer: {status: 204}}]", "http: []", "PUT https://a.example.com/users/7 was requested, which no line of the case expects"},
		{"http: [{delete: /users/7, answer: {status: 204}}]", "http: [{delete: /users/7, answer: {status: 204}}, {get: /x, answer: {status: 200}}]", "GET /x was not requested (done)"},
		{`  - {do: lock, user: {id: "7"}, http: [{put: /users/7, json: {active: false}, answer: {status: 204}}], gives: done}` + "\n", "", "do lock: no case shows that do lock gives done"},
		{"gives: no_account}", "gives: retry}", "find: no case shows that find gives no_account"},
	} {
		text := strings.Replace(smallCases, test.old, test.new, 1)
		if text == smallCases {
			t.Fatal("nothing was changed:", test.old)
		}
		r, err := Load([]byte(text))
		if err != nil {
			t.Fatalf("%s\n%v", test.new, err)
		}
		var told []string
		for _, result := range Test(r) {
			if result.Err != nil {
				told = append(told, fmt.Sprintf("%s: %s", result.Name, result.Err))
			}
		}
		if !strings.Contains(strings.Join(told, "\n"), test.want) {
			t.Errorf("%s\ngot\n%s\nwant\n%s", test.new, strings.Join(told, "\n"), test.want)
		}
	}
	r, err := Load([]byte(smallCases))
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range Test(r) {
		if result.Err != nil {
			t.Errorf("unchanged: %+v", result)
		}
	}
}
