package webhook

import (
	"slices"
	"testing"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/connectortest"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
)

const (
	secret = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
	other  = "whsec_b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXI="
)

var amina = bridge.Identifiers{Person: "person-0001", UserName: "amina.yusuf", ExternalID: "ext-4711",
	DisplayName: "Amina Yusuf", Emails: []string{"amina.yusuf@corp.example"}}

func startApp(t *testing.T) *sandbox.Hook {
	t.Helper()
	app, err := sandbox.StartHook(sandbox.Options{Admin: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { app.Close() })
	return app
}

func config(app *sandbox.Hook) Config {
	return Config{URL: app.HookURL(), Secrets: []bridge.Secret{secret}, Check: true,
		Egress: call.Egress{AllowNetworks: []string{"127.0.0.0/8"}}}
}

func open(t *testing.T, c Config) bridge.Connector {
	t.Helper()
	h, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestSuite(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"with check":    func(*Config) {},
		"without check": func(c *Config) { c.Check = false },
		"new secret":    func(c *Config) { c.Secrets = []bridge.Secret{other, secret} },
		"every effect":  func(c *Config) { c.Effects = bridge.Effects },
	} {
		t.Run(name, func(t *testing.T) {
			connectortest.Run(t, func(t *testing.T) connectortest.Target {
				app := startApp(t)
				right := config(app)
				change(&right)
				wrong := right
				wrong.Secrets = []bridge.Secret{other}
				return connectortest.Target{
					Connector: open(t, right), Refused: open(t, wrong), App: app.App, Known: amina,
					Done: func(e bridge.Effect) bool {
						return slices.ContainsFunc(app.Changes(amina.UserName), func(c sandbox.Change) bool { return c.What == string(e) })
					},
					Secrets: []string{secret, other},
				}
			})
		})
	}
}
