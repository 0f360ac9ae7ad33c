package oauth

import (
	"net/http"
	"testing"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/connectortest"
	"github.com/exeunt/exeunt/bridge/connector/internal/probe"
	"github.com/exeunt/exeunt/testdata/peers"
)

// A server that others wrote takes back what it issued, and says so afterwards.
func TestServerOfOthers(t *testing.T) {
	server := peers.OIDCProvider(t)
	for name, change := range map[string]func(*Config){
		"introspection":    func(*Config) {},
		"secret in a body": func(c *Config) { c.Auth = post },
		"probe": func(c *Config) {
			c.Introspection, c.Probe = "", &probe.Config{URL: server.UserInfo, Present: "bearer"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := Config{Revocation: server.Revocation, Introspection: server.Introspect, ClientID: server.ClientID,
				ClientSecret: peers.ClientSecret, Egress: loopback}
			change(&c)
			if err := open(t, c).Probe(t.Context()); err != nil {
				t.Errorf("Probe: %v", err)
			}
			wrong := c
			wrong.ClientSecret = "another"
			if err := open(t, wrong).Probe(t.Context()); !bridge.IsPermanent(err) {
				t.Errorf("Probe with another secret: %v", err)
			}
			ada, grace := server.Grant(t, "ada"), server.Grant(t, "grace")
			who := bridge.Identifiers{Person: "p", Sessions: []bridge.Session{{Access: bridge.Secret(ada.Access), Refresh: bridge.Secret(ada.Refresh)}}}
			done, checked, err := connectortest.Revoke(t, open(t, c), who)
			if err != nil || done.Word != bridge.Confirmed {
				t.Errorf("%+v, %+v, %v", done, checked, err)
			}
			if server.Active(t, ada.Access) || server.Active(t, ada.Refresh) || server.Open(t, ada.Access) == http.StatusOK || server.Refresh(t, ada.Refresh) == http.StatusOK {
				t.Error("her tokens are good")
			}
			if server.Open(t, grace.Access) != http.StatusOK || server.Refresh(t, grace.Refresh) != http.StatusOK {
				t.Error("somebody else's are not")
			}
		})
	}
}
