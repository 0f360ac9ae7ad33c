package connector

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/oidc"
	"github.com/exeunt/exeunt/bridge/connector/saml"
)

// good has the smallest useful configuration of each protocol.
var good = map[string]string{
	"oauth": "revocation_endpoint: https://as.example.com/revoke\nclient_id: mail\nclient_secret: s\n" +
		"probe: {url: 'https://api.example.com/me', present: bearer, refused: [401]}\n",
	"oidc": "backchannel_logout_uri: https://wiki.example.com/logout\nclient_id: wiki\nrole: delegate\nissuer: https://idp.example.com\n",
	"rest": "recipe: sandbox\nparams: {base: 'https://saas.example.com'}\nsecrets: {token: t}\n",
	"saml": "metadata: https://wiki.example.com/metadata\nentity_id: https://wiki.example.com\nrole: hub\npin: ['" + strings.Repeat("a5", 32) + "']\n",
	"scim": "base_url: https://app.example.com/scim/v2\ntoken: t\nallow_networks: [10.0.0.0/8]\n",
	"webhook": "url: https://hooks.example.com/x\nsecrets: [whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0]\n" +
		"effects: [lock]\ncheck: true\nca_file: ''\n",
}

func TestEveryProtocol(t *testing.T) {
	for _, name := range Protocols() {
		t.Run(name, func(t *testing.T) {
			text, ok := good[name]
			if !ok {
				t.Fatal("no configuration to test with")
			}
			c := Config(name)
			if err := yaml.NewDecoder(strings.NewReader(text), yaml.Strict()).Decode(c); err != nil {
				t.Fatal(err)
			}
			if problems := c.Validate(); len(problems) > 0 {
				t.Fatal(problems)
			}
			opened, err := Open(name, c, "crm", Self{SAML: saml.NewAuthority(saml.Options{BaseURL: "https://exeunt.example.com"}),
				OIDC: oidc.NewAuthority(oidc.Options{BaseURL: "https://exeunt.example.com"})})
			if err != nil {
				t.Fatal(err)
			}
			if len(opened.Capabilities()) == 0 {
				t.Error("offers nothing")
			}
			if reflect.DeepEqual(Config(name), c) {
				t.Error("Config does not return a fresh one")
			}

			err = yaml.NewDecoder(strings.NewReader(text+"colour: red\n"), yaml.Strict()).Decode(Config(name))
			if err == nil || !strings.Contains(err.Error(), "colour") {
				t.Errorf("an unknown key is not refused: %v", err)
			}
			empty := Config(name)
			problems := empty.Validate()
			if len(problems) == 0 {
				t.Error("an empty configuration has no mistake")
			}
			for _, p := range problems {
				if p.Kind != bridge.KindInvalid || p.Field == "" || p.Message == "" {
					t.Errorf("%+v", p)
				}
			}
			if _, err := Open(name, empty, "crm", Self{}); err == nil {
				t.Error("an empty configuration was opened")
			}
		})
	}
}

func TestSecretsStayHidden(t *testing.T) {
	c := Config("scim")
	if err := yaml.Unmarshal([]byte("base_url: https://app.example.com\ntoken: opensesame\n"), c); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(c)
	if err != nil || bytes.Contains(text, []byte("opensesame")) || !bytes.Contains(text, []byte("***")) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open("ldap", nil, "crm", Self{}); !bridge.IsKind(err, bridge.KindInvalid) || !strings.Contains(err.Error(), "webhook") {
		t.Error(err)
	}
	if Config("ldap") != nil {
		t.Error("there is a configuration of nothing")
	}
	if _, err := Open("scim", Config("webhook"), "crm", Self{}); err == nil {
		t.Error("a configuration of another protocol was taken")
	}
	if _, err := Open("scim", nil, "crm", Self{}); err == nil {
		t.Error("no configuration was taken")
	}
	if !slices.IsSorted(Protocols()) {
		t.Error("the list is not in order")
	}
}
