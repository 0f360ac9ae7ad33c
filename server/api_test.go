package server

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/exeunt/exeunt/bridge"
)

// departure makes somebody leave who has an app to leave, and returns the case.
// Nobody plans it here.
func (f *front) departure(t *testing.T, userName string) string {
	t.Helper()
	b := f.Operations.(*bridge.Bridge)
	b.SetApps([]bridge.App{{Name: "wiki", Policy: bridge.Policy{bridge.Removed: {bridge.Lock}}}})
	ctx := bridge.WithCaller(t.Context(), bridge.Caller{Source: "hr", Token: "hr.1", Request: "req-of-departure"})
	p, err := b.AddPerson(ctx, bridge.Person{UserName: userName, Active: true, Resource: []byte(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.RemovePerson(ctx, p.ID, nil); err != nil {
		t.Fatal(err)
	}
	var id string
	err = f.store.View(ctx, func(tx bridge.Tx) error {
		cases, err := tx.CasesOf("hr", p.ID, nil)
		if len(cases) == 1 {
			id = cases[0].ID
		}
		return err
	})
	if err != nil || id == "" {
		t.Fatalf("no case: %v", err)
	}
	return id
}

func TestCasesAPI(t *testing.T) {
	f := start(t, defaults(), nil, nil)
	first, second := f.departure(t, "grace@example.com"), f.departure(t, "ada@example.com")
	auth := []string{"Authorization", "Bearer " + adminText}
	get := func(path string, want int, into any) {
		t.Helper()
		res, body := f.ask(t, "GET", path, "", auth...)
		if res.StatusCode != want {
			t.Fatalf("GET %s: %d %s", path, res.StatusCode, body)
		}
		if into != nil {
			if err := json.Unmarshal([]byte(body), into); err != nil {
				t.Fatal(err)
			}
		}
	}
	var list struct{ Cases []Case }
	get("/v1/cases", 200, &list)
	if len(list.Cases) != 2 || list.Cases[0].ID != second || list.Cases[1].ID != first {
		t.Errorf("newest first: %+v", list.Cases)
	}
	get("/v1/cases?state=open&state=running&limit=1", 200, &list)
	if len(list.Cases) != 1 || list.Cases[0].State != bridge.CaseOpen {
		t.Errorf("open, one: %+v", list.Cases)
	}
	get("/v1/cases?state=closed", 200, &list)
	if len(list.Cases) != 0 {
		t.Errorf("none is closed: %+v", list.Cases)
	}
	var one Case
	get("/v1/cases/"+first, 200, &one)
	if one.ID != first || one.Who.UserName != "grace@example.com" || one.Trigger != bridge.Removed ||
		one.By != "hr.1" || one.Request != "req-of-departure" || len(one.Handle) != 32 || one.Opened.IsZero() {
		t.Errorf("the case: %+v", one)
	}
	for _, path := range []string{"/v1/cases?state=ope", "/v1/cases?limit=0", "/v1/cases?limit=x", "/v1/cases?before=now", "/v1/cases?stat=open"} {
		get(path, 400, nil)
	}
	for _, id := range []string{"x", "..%2f..%2fetc", "00000000-0000-7000-8000-000000000000", first + "x", "{" + first + "}"} {
		get("/v1/cases/"+id, 404, nil)
	}

	res, body := f.ask(t, "POST", "/v1/cases/"+first+"/retry", "", auth...)
	if res.StatusCode != 409 || !strings.Contains(body, "nothing in this case is stuck") {
		t.Errorf("retry: %d %s", res.StatusCode, body)
	}
	res, body = f.ask(t, "POST", "/v1/cases/"+first+"/restore", `{"app":"wiki"}`, auth...)
	if res.StatusCode != 409 {
		t.Errorf("restore: %d %s", res.StatusCode, body)
	}
	for _, bad := range []string{``, `[]`, `{"ap":"wiki"}`, `{"app":"../wiki"}`, `{"app":"wiki"}{}`, `{"app":"` + strings.Repeat("a", 5000) + `"}`} {
		if res, body := f.ask(t, "POST", "/v1/cases/"+first+"/restore", bad, auth...); res.StatusCode != 400 {
			t.Errorf("restore with %.30q: %d %s", bad, res.StatusCode, body)
		}
	}
}

func TestTokensAPI(t *testing.T) {
	f := start(t, defaults(), nil, nil)
	auth := []string{"Authorization", "Bearer " + adminText}
	res, body := f.ask(t, "POST", "/v1/tokens", `{"source":"okta"}`, auth...)
	var made ShownToken
	if err := json.Unmarshal([]byte(body), &made); err != nil || res.StatusCode != 201 || made.Source != "okta" {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	scim := func() int {
		res, _ := f.ask(t, "GET", "/scim/v2/Users", "", "Authorization", "Bearer "+made.Token)
		return res.StatusCode
	}
	if scim() != 200 {
		t.Error("the new token is refused")
	}
	if _, body = f.ask(t, "GET", "/v1/tokens", "", auth...); !strings.Contains(body, made.ID) || strings.Contains(body, made.Token) ||
		!strings.Contains(body, `"used"`) {
		t.Errorf("the list: %s", body)
	}
	if res, body = f.ask(t, "DELETE", "/v1/tokens/"+made.ID, "", auth...); res.StatusCode != 204 {
		t.Errorf("revoke: %d %s", res.StatusCode, body)
	}
	if scim() != 401 {
		t.Error("the revoked token is let in")
	}
	for path, want := range map[string]int{"/v1/tokens/" + made.ID: 204, "/v1/tokens/nobodys": 404} { // again is nothing
		if res, body = f.ask(t, "DELETE", path, "", auth...); res.StatusCode != want {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
	for _, bad := range []string{`{}`, `{"source":"nobody"}`, `{"source":"okta","x":1}`} {
		if res, body = f.ask(t, "POST", "/v1/tokens", bad, auth...); res.StatusCode != 400 {
			t.Errorf("%s: %d %s", bad, res.StatusCode, body)
		}
	}
	if _, err := f.store.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	events, err := f.store.Tail(t.Context(), -1, 10)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, e := range events {
		types = append(types, e.Type.String()+" "+e.Facts.Source+" "+e.Facts.Operator)
		if e.Facts.Token != made.ID {
			t.Errorf("which token? %+v", e.Facts)
		}
	}
	if got := strings.Join(types, ", "); got != "token.issued okta operator, token.revoked okta operator" {
		t.Errorf("the log: %s", got)
	}
}

func TestCheckpointAPI(t *testing.T) {
	f := start(t, defaults(), nil, func(o *Options) {
		o.Checkpoint = func(context.Context) ([]byte, error) {
			return nil, bridge.Errorf(bridge.KindNotFound, "the log has no checkpoint yet")
		}
		o.Sign = func(context.Context) ([]byte, error) { return []byte("exeunt/1\n3\nroot\n"), nil }
	})
	if res, body := f.ask(t, "GET", "/v1/log/checkpoint", "", "Authorization", "Bearer "+adminText); res.StatusCode != 404 {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	res, body := f.ask(t, "POST", "/v1/log/checkpoint", "", "Authorization", "Bearer "+adminText)
	if res.StatusCode != 200 || body != "exeunt/1\n3\nroot\n" || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestMetrics(t *testing.T) {
	m := NewMetrics()
	f := start(t, defaults(), nil, func(o *Options) { o.Metrics = m })
	m.Watch(f.store.Stats, f.Logger)
	f.departure(t, "grace@example.com")
	f.ask(t, "GET", "/scim/v2/Users/0199", "", "Authorization", "Bearer "+hrText)
	f.ask(t, "GET", "/scim/v2/secret-path", "", "Authorization", "Bearer "+hrText)
	m.Attempted("wiki", bridge.Lock, "done", 1e6)
	m.Settled(bridge.Action{Lane: bridge.Lane{App: "wiki"}, Effect: bridge.Lock, State: bridge.ActionVerified})
	m.CaseSettled(bridge.Case{State: bridge.CaseClosed}, 2e9)
	_, body := f.ask(t, "GET", "/metrics", "")
	for _, want := range []string{
		`exeunt_cases{state="open"} 1`, `exeunt_cases{state="stuck"} 0`,
		`exeunt_http_requests_total{method="GET",route="/scim/v2/Users/:id",status="200"} 1`,
		`exeunt_http_requests_total{method="GET",route="/scim/v2/*",status="200"} 1`,
		`exeunt_attempts_total{app="wiki",effect="lock",outcome="done"} 1`,
		`exeunt_actions_settled_total{app="wiki",effect="lock",state="verified"} 1`,
		`exeunt_departure_seconds_bucket{le="2.5"} 1`, `exeunt_departure_seconds_bucket{le="1"} 0`,
		`exeunt_log_pending_events`, `exeunt_log_events`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(body, "secret-path") || strings.Contains(body, "grace") {
		t.Error("a label from outside")
	}
}
