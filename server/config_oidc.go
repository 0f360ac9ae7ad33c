package server

import (
	"fmt"
	"slices"
	"time"

	"github.com/exeunt/exeunt/bridge/connector/oidc"
)

// OIDCConfig is who exeunt is in OpenID Connect. Apps that it signs people out of are
// among the apps.
type OIDCConfig struct {
	Issuer string   `yaml:"issuer" jsonschema:"format=uri" jsonschema_description:"Who exeunt is towards apps whose provider it is (role hub); default: public_url"`
	Keys   []string `yaml:"keys" jsonschema_description:"PEM files with a private key and its certificate: the first signs, all are at /oidc/jwks. Without them, one is made in the data directory"`

	authority *oidc.Authority // made with the configuration; nil: nothing is said in OpenID Connect
}

// LoadOIDC reads the keys that logout tokens are signed with, or makes one if there is
// none and create says so. Where nothing is said in OpenID Connect, there are none.
func (c Config) LoadOIDC(create bool) error {
	if c.OIDC.authority == nil {
		return nil
	}
	return c.OIDC.authority.Load(c.Data, create)
}

// Federated reports whether anything is said in SAML or OpenID Connect.
func (c Config) Federated() bool { return c.SAML.authority != nil || c.OIDC.authority != nil }

// connects reports whether an app is reached by that connector.
func (c *Config) connects(by string) bool {
	for _, app := range c.Apps {
		if app.Connector == by {
			return true
		}
	}
	return false
}

// checkOIDC notes what is wrong with who we are in OpenID Connect, and makes that
// known to the apps.
func (d *decoder) checkOIDC(c *Config) {
	if c.OIDC.Issuer == "" && len(c.OIDC.Keys) == 0 && !c.connects("oidc") {
		return
	}
	if c.OIDC.Issuer != "" {
		if e := oidc.CheckIssuer("oidc.issuer", c.OIDC.Issuer); e != nil {
			d.add(e.Field, "%s", e.Message)
		}
	}
	var keys, names []string
	for i, key := range c.OIDC.Keys {
		keys = append(keys, beside(d.file, key))
		if at := fmt.Sprintf("oidc.keys[%d]", i); !d.failed(at) {
			switch name, err := oidc.CheckKey(keys[i]); {
			case err != nil:
				d.add(at, "cannot be used: %s", err)
			case slices.Contains(names, name):
				d.add(at, "holds the same key as one before it; leave out one of the two")
			default:
				names = append(names, name)
			}
		}
	}
	c.OIDC.authority = oidc.NewAuthority(oidc.Options{Issuer: c.OIDC.Issuer, BaseURL: c.PublicURL, Keys: keys, Now: time.Now})
	d.self.OIDC = c.OIDC.authority
}
