package server

import (
	"maps"
	"slices"
	"strconv"

	"github.com/exeunt/exeunt/bridge"
)

// FeedConfig is an identity provider or app that may tell of sessions.
type FeedConfig struct {
	Token  bridge.Secret `yaml:"token" jsonschema:"required" jsonschema_description:"Bearer token it may use, by reference"`
	Source string        `yaml:"source" jsonschema:"required" jsonschema_description:"Of whose people it may tell: a source"`
	Apps   []string      `yaml:"apps" jsonschema:"required" jsonschema_description:"In which apps, or at which of saml.idps, they have the sessions that it may tell of"`
}

// checkFeeds notes what is wrong with feeds.
func (d *decoder) checkFeeds(c *Config, seen map[[32]byte]string) {
	for _, name := range slices.Sorted(maps.Keys(c.Feeds)) {
		f, path := c.Feeds[name], join("feeds", name)
		d.checkName(name, path)
		if at := join(path, "token"); f.Token == "" && !d.failed(at) {
			d.add(at, "is missing; openssl rand -hex 32 makes one")
		}
		d.checkToken(f.Token, join(path, "token"), FeedToken, seen)
		d.checkWhose(c, f.Source, join(path, "source"), "of whose people it may tell")
		if at := join(path, "apps"); len(f.Apps) == 0 && !d.failed(at) {
			d.add(at, "is missing: name the apps whose sessions it may tell of")
		}
		for i, app := range f.Apps {
			at := join(path, "apps["+strconv.Itoa(i)+"]")
			d.oneOf(app, slices.AppendSeq(slices.Collect(maps.Keys(c.Apps)), maps.Keys(c.SAML.IdPs)), at)
			if idp, ok := c.SAML.IdPs[app]; ok && idp.Source != f.Source && idp.Source != "" && f.Source != "" {
				d.add(at, "signs in the people of source %s, and this feed tells of those of %s", idp.Source, f.Source)
			}
		}
	}
}

// checkWhose notes what is wrong with the name of a source; what says what it is for.
func (d *decoder) checkWhose(c *Config, source, at, what string) {
	sources := slices.Collect(maps.Keys(c.Sources))
	if source == "" && !d.failed(at) {
		d.add(at, "is missing: say %s; %s", what, suggest("", sources))
	}
	d.oneOf(source, sources, at)
}

// checkComplete notes whose sessions no feed tells of in an app that takes whoever is
// not told of to have none: their sessions would live, and be shown as absent.
func (d *decoder) checkComplete(c *Config, app, at string) {
	for _, source := range slices.Sorted(maps.Keys(c.Sources)) {
		told := false
		for _, f := range c.Feeds {
			told = told || f.Source == source && slices.Contains(f.Apps, app)
		}
		if !told {
			d.add(at, "says that every session here is told of, and no feed tells of those of the people of source %s; name this app in a feed of that source, or leave this out", source)
		}
	}
}

func feedNames(feeds map[string]FeedConfig) (names []string) {
	for name := range feeds {
		names = append(names, feedPrefix+name)
	}
	return names
}
