package server

import (
	"cmp"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector"
)

// SAMLConfig is who exeunt is in SAML, and who may tell it there that somebody
// signs out. Apps that it signs people out of are among the apps.
type SAMLConfig struct {
	EntityID string               `yaml:"entity_id" jsonschema_description:"Our entity id; default: public_url with /saml/metadata after it"`
	Keys     []string             `yaml:"keys" jsonschema_description:"PEM files with a private key and its certificate: the first signs, all are in the metadata. Without them, one is made in the data directory"`
	IdPs     map[string]IdPConfig `yaml:"idps" jsonschema_description:"Identity providers that may have somebody signed out of every app, by name"`
}

// IdPConfig is one identity provider.
type IdPConfig struct {
	Metadata string   `yaml:"metadata" jsonschema:"required" jsonschema_description:"File or https address of its metadata"`
	EntityID string   `yaml:"entity_id" jsonschema_description:"Which entity, if the metadata describes several"`
	Pin      []string `yaml:"pin" jsonschema_description:"SHA-256 fingerprints of certificates: one of them signs the metadata, or only they are used; needed for an address"`
	AllowCBC bool     `yaml:"allow_cbc" jsonschema_description:"Take names that are encrypted by AES-CBC, which can be changed unnoticed"`
	Source   string   `yaml:"source" jsonschema:"required" jsonschema_description:"The source whose people it signs in"`
	NameID   string   `yaml:"name_id" jsonschema:"enum=userName,enum=email,enum=externalId,default=userName" jsonschema_description:"What of a person its NameID is, when nothing else is known of it"`

	connector.Egress `yaml:",inline"`
}

// nameIDs are what of a person a NameID may be, and by what that is looked up.
func nameIDs() map[string]bridge.Attribute {
	return map[string]bridge.Attribute{"userName": bridge.ByUserName, "email": bridge.ByEmail, "externalId": bridge.ByExternalID}
}

// By is what people of the identity provider are looked up by.
func (c IdPConfig) By() bridge.Attribute { return nameIDs()[cmp.Or(c.NameID, "userName")] }

// SpeaksSAML reports whether anything is said or heard in SAML.
func (c Config) SpeaksSAML() bool {
	if c.SAML.EntityID != "" || len(c.SAML.Keys)+len(c.SAML.IdPs) > 0 {
		return true
	}
	for _, app := range c.Apps {
		if app.Connector == "saml" {
			return true
		}
	}
	return false
}

// SAMLEntity is our entity id.
func (c Config) SAMLEntity() string {
	return cmp.Or(c.SAML.EntityID, strings.TrimSuffix(c.PublicURL, "/")+"/saml/metadata")
}

// place makes relative paths such that count from the configuration file.
func (c *SAMLConfig) place(file string) {
	for i, key := range c.Keys {
		if key != "" {
			c.Keys[i] = beside(file, key)
		}
	}
	for name, idp := range c.IdPs {
		if idp.Metadata != "" && !strings.Contains(idp.Metadata, "://") {
			idp.Metadata = beside(file, idp.Metadata)
		}
		idp.Root(filepath.Dir(file))
		c.IdPs[name] = idp
	}
}

// checkSAML notes what is wrong with who speaks SAML to us. What stands in keys and
// metadata is looked at when they are read.
func (d *decoder) checkSAML(c *Config) {
	if c.PublicURL == "" && c.SpeaksSAML() && !d.failed("public_url") {
		d.add("saml", "needs public_url: messages are for one address, so write there where others reach exeunt, such as https://exeunt.example.com")
	}
	if id := c.SAML.EntityID; id != "" {
		if u, err := url.Parse(id); err != nil || u.Scheme == "" || len(id) > 1024 {
			d.add("saml.entity_id", "must be a URI of at most 1024 characters, such as https://exeunt.example.com/saml/metadata")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.SAML.IdPs)) {
		idp, path := c.SAML.IdPs[name], join("saml.idps", name)
		d.checkName(name, path)
		if _, taken := c.Apps[name]; taken {
			d.add(path, "has the name of an app, and what is known of sessions is told apart by name; choose another")
		}
		for _, one := range []struct{ key, value, what string }{
			{"metadata", idp.Metadata, "it is the file or address that describes the identity provider"},
			{"source", idp.Source, "it is the source whose people are signed in there"}} {
			if one.value == "" && !d.failed(join(path, one.key)) {
				d.add(join(path, one.key), "is missing; %s", one.what)
			}
		}
		if _, known := c.Sources[idp.Source]; !known && idp.Source != "" {
			d.add(join(path, "source"), "there is no source %q; %s", idp.Source, suggest(idp.Source, slices.Collect(maps.Keys(c.Sources))))
		}
		d.oneOf(idp.NameID, slices.Collect(maps.Keys(nameIDs())), join(path, "name_id"))
		for _, e := range idp.Egress.Validate() {
			d.add(join(path, e.Field), "%s", e.Message)
		}
	}
}
