package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/server"
	"github.com/exeunt/exeunt/testdata/peers"
)

// TestThirdParty has people leave a SCIM application that nobody here wrote,
// and asks its own interface what became of them.
func TestThirdParty(t *testing.T) {
	app := startThirdParty(t)
	p := newProduct(t, fmt.Sprintf(`log: {level: warn}
sources:
  hr: {token: file:hr-token}
apps:
  directory:
    connector: scim
    with:
      base_url: %s
      token: file:app-token
      allow_networks: [127.0.0.1/32]
    policy: {deactivate: [lock], delete: [delete]}
    limits: {rate: 1000, retry_min: 50ms, retry_max: 500ms}
`, app.url), map[string]string{"app-token": app.token})
	p.start()

	const patch = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[%s]}`
	people := []struct {
		name, method, body string
		effect             string
		gone               bool
	}{
		{"okta@example.com", http.MethodPatch, fmt.Sprintf(patch, `{"op":"replace","value":{"active":false}}`), "lock", false},
		{"entra@example.com", http.MethodPatch, fmt.Sprintf(patch, `{"op":"Replace","path":"active","value":"False"}`), "lock", false},
		{"deleted@example.com", http.MethodDelete, "", "delete", true},
		{"stays@example.com", "", "", "", false},
	}
	there := map[string]string{} // id in the application by user name
	for _, one := range people {
		resource := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"active":true,
			"name":{"givenName":"A","familyName":"Person"},"emails":[{"type":"work","value":%[1]q,"primary":true}]}`, one.name)
		there[one.name] = app.create(t, resource)
		id := p.hire(resource)
		if one.method == "" {
			continue
		}
		if status, body, err := call(one.method, p.url+"/scim/v2/Users/"+id, hrToken, one.body); err != nil || status/100 != 2 {
			t.Fatalf("%s: %d %s %v", one.name, status, body, err)
		}
	}

	cases := map[string]server.Case{}
	for _, c := range p.settled(30 * time.Second) {
		cases[c.Who.UserName] = c
	}
	for _, one := range people {
		status, body := app.get(t, there[one.name])
		var user struct{ Active *bool }
		json.Unmarshal(body, &user)
		c, left := cases[one.name]
		switch {
		case left != (one.method != ""):
			t.Errorf("%s: a case: %v", one.name, left)
		case one.gone && status != http.StatusNotFound:
			t.Errorf("%s: the application still answers %d %s", one.name, status, body)
		case !one.gone && (status != http.StatusOK || user.Active == nil || *user.Active == left):
			t.Errorf("%s: the application answers %d %s", one.name, status, body)
		}
		if left && (c.State != "closed" || len(c.Actions) != 1 || c.Actions[0].State != "verified" || string(c.Actions[0].Effect) != one.effect) {
			t.Errorf("%s: the case shows %+v", one.name, c)
		}
	}
}

// thirdParty is the application of testdata/thirdparty/scimmy as a process.
type thirdParty struct{ url, token string }

// startThirdParty starts it where EXEUNT_TEST_SCIMMY says it is installed.
// Faults are planted in it: server.js has their names.
func startThirdParty(t *testing.T, faults ...string) thirdParty {
	t.Helper()
	app := thirdParty{token: "third-party-0123456789abcdef"}
	app.url = peers.StartNode(t, peers.Need(t, "EXEUNT_TEST_SCIMMY"), "server.js",
		"SCIM_TOKEN="+app.token, "PORT=0", "FAULTS="+strings.Join(faults, ",")) + "/scim"
	return app
}

func (a thirdParty) create(t *testing.T, resource string) (id string) {
	t.Helper()
	status, body, err := call(http.MethodPost, a.url+"/Users", a.token, resource)
	var created struct{ ID string }
	if err != nil || status != http.StatusCreated || json.Unmarshal(body, &created) != nil {
		t.Fatalf("the application answers %d %s %v", status, body, err)
	}
	return created.ID
}

func (a thirdParty) get(t *testing.T, id string) (int, []byte) {
	t.Helper()
	status, body, err := call(http.MethodGet, a.url+"/Users/"+id, a.token, "")
	if err != nil {
		t.Fatal(err)
	}
	return status, body
}
