package scim

import (
	"testing"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/connectortest"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
)

const token = "t0ken-of-the-administrator"

var (
	people = []sandbox.User{
		{UserName: "amina.yusuf", Email: "amina.yusuf@corp.example", ExternalID: "ext-4711", DisplayName: "Amina Yusuf", Password: "p"},
		{UserName: "ben", Email: "shared@corp.example"},
		{UserName: "cora", Email: "shared@corp.example"},
	}
	amina = bridge.Identifiers{Person: "person-0001", UserName: "Amina.Yusuf", ExternalID: "ext-4711",
		DisplayName: "Amina Yusuf", Emails: []string{"amina.yusuf@corp.example"}}
	nobody = bridge.Identifiers{Person: "person-0002", UserName: "no.such.user", Emails: []string{"no.such.user@corp.example"}}
	shared = bridge.Identifiers{Person: "person-0003", UserName: "not.a.login", Emails: []string{"shared@corp.example"}}
)

func config(app *sandbox.SCIM) Config {
	return Config{BaseURL: app.BaseURL(), Token: token, Egress: call.Egress{AllowNetworks: []string{"127.0.0.0/8"}}}
}

func open(t *testing.T, c Config) bridge.Connector {
	t.Helper()
	d, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func startApp(t *testing.T, q sandbox.Quirks) *sandbox.SCIM {
	t.Helper()
	app, err := sandbox.StartSCIM(sandbox.Options{Admin: token, Users: people}, q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { app.Close() })
	return app
}

// Every kind of server that the client is to survive passes the whole suite.
func TestSuite(t *testing.T) {
	for name, test := range map[string]struct {
		quirks sandbox.Quirks
		change func(*Config)
	}{
		"by the book":         {},
		"no PATCH":            {quirks: sandbox.Quirks{NoPatch: true}},
		"no path in PATCH":    {quirks: sandbox.Quirks{NoPath: true}},
		"only path in PATCH":  {quirks: sandbox.Quirks{PathOnly: true, Empty: true}},
		"PUT by order":        {change: func(c *Config) { c.Deactivate = viaPut }},
		"204 for changes":     {quirks: sandbox.Quirks{Empty: true}},
		"403 for who is gone": {quirks: sandbox.Quirks{Forbidden: true}},
		"search ignored":      {quirks: sandbox.Quirks{NoFilter: true}},
		"lock deletes": {quirks: sandbox.Quirks{LockDeletes: true},
			change: func(c *Config) { c.Effects = []bridge.Effect{bridge.Lock, bridge.Delete} }},
		"delete only": {change: func(c *Config) { c.Effects = []bridge.Effect{bridge.Delete} }},
	} {
		t.Run(name, func(t *testing.T) {
			connectortest.Run(t, func(t *testing.T) connectortest.Target {
				app := startApp(t, test.quirks)
				right := config(app)
				if test.change != nil {
					test.change(&right)
				}
				wrong := right
				wrong.Token = "wr0ng-token"
				return connectortest.Target{
					Connector: open(t, right), Refused: open(t, wrong), App: app.App,
					Known: amina, Unknown: nobody, Ambiguous: shared,
					Done: func(e bridge.Effect) bool {
						switch e {
						case bridge.Delete:
							return app.ID("amina.yusuf") == ""
						case bridge.Restore:
							return app.Active("amina.yusuf")
						}
						return !app.Active("amina.yusuf")
					},
					Remove:  func() { app.Remove("amina.yusuf") },
					Secrets: []string{token, "wr0ng-token"},
				}
			})
		})
	}
}
