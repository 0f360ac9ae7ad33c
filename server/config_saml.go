package server

import (
	"cmp"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/saml"
)

// SAMLConfig is who exeunt is in SAML, and who may tell it there that somebody
// signs out. Apps that it signs people out of are among the apps.
type SAMLConfig struct {
	EntityID string               `yaml:"entity_id" jsonschema_description:"Our entity id; default: public_url with /saml/metadata after it"`
	Keys     []string             `yaml:"keys" jsonschema_description:"PEM files with a private key and its certificate: the first signs, all are in the metadata. Without them, one is made in the data directory"`
	IdPs     map[string]IdPConfig `yaml:"idps" jsonschema_description:"Identity providers that may have somebody signed out of every app, by name"`

	authority *saml.Authority // made with the configuration; nil: nothing is said or heard in SAML
}

// IdPConfig is one identity provider.
type IdPConfig struct {
	Source string `yaml:"source" jsonschema:"required" jsonschema_description:"The source whose people it signs in"`
	NameID string `yaml:"name_id" jsonschema:"enum=userName,enum=email,enum=externalId,default=userName" jsonschema_description:"What of a person its NameID is, when nothing else is known of it"`

	saml.Origin `yaml:",inline"`
}

// nameIDs are what of a person a NameID may be, and by what that is looked up.
func nameIDs() map[string]bridge.Attribute {
	return map[string]bridge.Attribute{"userName": bridge.ByUserName, "email": bridge.ByEmail, "externalId": bridge.ByExternalID}
}

// SAMLCircle is whom the desk for logout messages knows by a configuration; apps are
// those that came with it.
func (c Config) SAMLCircle(apps []bridge.App) saml.Circle {
	s := saml.Circle{Authority: c.SAML.authority, Apps: apps, People: map[string]saml.Namesakes{}}
	for name, idp := range c.SAML.IdPs {
		s.People[name] = saml.Namesakes{Source: idp.Source, By: nameIDs()[cmp.Or(idp.NameID, "userName")]}
	}
	return s
}

// SAMLAuthority is who exeunt is in SAML, with its keys read, or made if it has none
// and create says so; nil if nothing is said or heard in SAML.
func (c Config) SAMLAuthority(create bool, log zerolog.Logger) (*saml.Authority, error) {
	a := c.SAML.authority
	if a == nil {
		return nil, nil
	}
	a.Equip(c.Data, create, log)
	return a, a.Load(create)
}

// speaksSAML reports whether anything is said or heard in SAML.
func (c *Config) speaksSAML() bool {
	return c.SAML.EntityID != "" || len(c.SAML.Keys)+len(c.SAML.IdPs) > 0 || c.connects("saml")
}

// authority makes who exeunt is in SAML, and makes the identity providers known to it.
func (d *decoder) authority(c *Config) *saml.Authority {
	if !c.speaksSAML() {
		return nil
	}
	keys := slices.Clone(c.SAML.Keys)
	for i, key := range keys {
		keys[i] = beside(d.file, key)
		if err := saml.CheckKey(keys[i]); err != nil {
			d.add("saml.keys["+strconv.Itoa(i)+"]", "%s", err)
		}
	}
	a := saml.NewAuthority(saml.Options{EntityID: c.SAML.EntityID, BaseURL: c.PublicURL, Keys: keys, Now: time.Now})
	for _, name := range slices.Sorted(maps.Keys(c.SAML.IdPs)) {
		idp, path := c.SAML.IdPs[name], join("saml.idps", name)
		idp.Root(filepath.Dir(d.file))
		partner := saml.PartnerConfig{Name: name, Role: saml.RoleIdP, Origin: idp.Origin}
		problems := partner.Validate()
		for _, e := range problems {
			if at := join(path, e.Field); !d.failed(at) {
				d.add(at, "%s", e.Message)
			}
		}
		if len(problems) > 0 || a.EntityID() == "" { // its own mistake
			continue
		}
		if e := a.Register(partner); e != nil {
			d.add(strings.TrimSuffix(join(path, e.Field), "."), "%s", e.Message)
		}
	}
	return a
}

// checkSAML notes what is wrong with who speaks SAML to us. What stands in keys and
// metadata is looked at when they are read.
func (d *decoder) checkSAML(c *Config) {
	if c.PublicURL == "" && c.speaksSAML() && !d.failed("public_url") {
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
		d.checkWhose(c, idp.Source, join(path, "source"), "whose people it signs in")
		d.oneOf(idp.NameID, slices.Collect(maps.Keys(nameIDs())), join(path, "name_id"))
	}
	c.SAML.authority = d.authority(c)
	d.self.SAML = c.SAML.authority
}
