package rest

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/connectortest"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
)

var ada = bridge.Identifiers{Person: "p1", UserName: "ada", Emails: []string{"Ada@example.com"}}

// TestSuite runs what every connector must do.
func TestSuite(t *testing.T) {
	known := bridge.Identifiers{Person: "person-0001", UserName: "amina.yusuf", DisplayName: "Amina Yusuf",
		Emails: []string{"Amina.Yusuf@corp.example"}}
	connectortest.Run(t, func(t *testing.T) connectortest.Target {
		app, err := sandbox.StartSaaS(sandbox.Options{Admin: "t0ken-of-the-administrator", Users: []sandbox.User{
			{Email: "amina.yusuf@corp.example", DisplayName: "Amina Yusuf", Password: "p"},
			{Email: "shared@corp.example"}, {Email: "shared@corp.example"}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { app.Close() })
		app.Issue("amina.yusuf@corp.example")
		app.Issue("amina.yusuf@corp.example")
		config := func(token string) Config {
			return Config{Recipe: "sandbox", Params: map[string]string{"base": app.URL()},
				Secrets: map[string]bridge.Secret{"token": bridge.Secret(token)}}
		}
		return connectortest.Target{
			Connector: open(t, config(app.Admin())), Refused: open(t, config("wr0ng-token")), App: app.App,
			Known:     known,
			Unknown:   bridge.Identifiers{Person: "person-0002", UserName: "no.such.user", Emails: []string{"no.such.user@corp.example"}},
			Ambiguous: bridge.Identifiers{Person: "person-0003", UserName: "shared", Emails: []string{"shared@corp.example"}},
			Done: func(e bridge.Effect) bool {
				now := app.Standing("amina.yusuf@corp.example")
				switch e {
				case bridge.Lock:
					return now.Status != "active"
				case bridge.Revoke:
					return now.Sessions+now.Keys == 0
				case bridge.Restore:
					return now.Status == "active"
				}
				return now.ID == ""
			},
			Remove:  func() { app.Remove("amina.yusuf@corp.example") },
			Secrets: []string{app.Admin(), "wr0ng-token"},
		}
	})
}

func startSaaS(t *testing.T) (*sandbox.SaaS, bridge.Connector) {
	t.Helper()
	app, err := sandbox.StartSaaS(sandbox.Options{Users: []sandbox.User{
		{UserName: "ada", Email: "ada@example.com", Password: "pw"}, {UserName: "bob", Email: "bob@example.com"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { app.Close() })
	return app, open(t, Config{Recipe: "sandbox", Params: map[string]string{"base": app.URL()},
		Secrets: map[string]bridge.Secret{"token": bridge.Secret(app.Admin())}})
}

// open opens a connector that may reach this machine.
func open(t *testing.T, c Config) bridge.Connector {
	t.Helper()
	c.AllowNetworks = []string{"127.0.0.0/8"}
	connector, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	return connector
}

// TestSandbox is a whole departure from a real server.
func TestSandbox(t *testing.T) {
	app, c := startSaaS(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.Probe(ctx); err != nil {
		t.Fatal(err)
	}
	account, err := c.Find(ctx, ada)
	if err != nil || account.Login != "ada@example.com" || account.Match != "email" {
		t.Fatal(account, err)
	}
	session, key := app.Issue("ada@example.com")
	me := func(header, value string) int {
		r, _ := http.NewRequestWithContext(ctx, "GET", app.URL()+"/me", nil)
		r.Header.Set(header, value)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	if me("Cookie", "session="+session) != 200 || me("Authorization", "Bearer "+key) != 200 {
		t.Fatal("the doors are not open to begin with")
	}
	order := bridge.Order{Key: "k", Account: account, Who: ada, Since: time.Now()}
	for _, e := range []bridge.Effect{bridge.Lock, bridge.Revoke, bridge.Restore, bridge.Lock, bridge.Delete} {
		order.Effect = e
		if _, err := c.Check(ctx, order); !errors.Is(err, bridge.ErrStillOpen) {
			t.Fatalf("%s before it is done: %v", e, err)
		}
		for range 2 { // the second time it is so already
			done, err := c.Do(ctx, order)
			if err != nil {
				t.Fatalf("%s: %v", e, err)
			}
			order.Done = done
			t.Logf("%s: %s", e, done.Summary)
		}
		if shown, err := c.Check(ctx, order); err != nil {
			t.Fatalf("check %s: %v", e, err)
		} else {
			t.Logf("check %s: %s", e, shown.Summary)
		}
	}
	if me("Cookie", "session="+session) != 401 || me("Authorization", "Bearer "+key) != 401 {
		t.Fatal("a door is still open")
	}
	if _, err := c.Find(ctx, ada); !errors.Is(err, bridge.ErrNoAccount) {
		t.Fatal(err)
	}
}
