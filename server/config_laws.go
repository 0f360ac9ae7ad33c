package server

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

// LawConfig is a rule of one's own about how soon an erasure must be done.
type LawConfig struct {
	Like     string       `yaml:"like" jsonschema_description:"A built-in law; what is not said here is as there"`
	Version  int          `yaml:"version" jsonschema:"minimum=1,default=1" jsonschema_description:"Raise it with each change: what was received before keeps its deadline"`
	Title    string       `yaml:"title" jsonschema_description:"Name shown to people"`
	Confirm  *bridge.Span `yaml:"confirm" jsonschema_description:"Until when receipt must be confirmed"`
	Respond  *bridge.Span `yaml:"respond" jsonschema_description:"Until when it must be done, from receipt on"`
	Extend   *bridge.Span `yaml:"extend" jsonschema_description:"By how much that can be put off, once"`
	Notice   *bridge.Span `yaml:"notice" jsonschema_description:"Until when the person must be told that it is; default: while the first time runs"`
	Roll     *bool        `yaml:"roll" jsonschema_description:"What ends on a day off ends on the next working day"`
	Holidays *string      `yaml:"holidays" jsonschema_description:"Days off: weekends, us-federal, england-wales, one of calendars; empty for none, not even weekends"`
	Zone     *string      `yaml:"zone" jsonschema_description:"Where days begin and end, such as Europe/Vienna"`
}

// DefaultLaw is the law of requests that name none.
const DefaultLaw = "gdpr"

// ErasureConfig is about people who are to be forgotten.
type ErasureConfig struct {
	Law      string          `yaml:"law" jsonschema:"default=gdpr" jsonschema_description:"Law of requests that name none: gdpr, uk-gdpr, ccpa, virginia, lgpd, pipeda, or one of laws"`
	OnDelete bool            `yaml:"on_delete" jsonschema_description:"Whoever a source deletes is forgotten too, once their doors are shut"`
	After    time.Duration   `yaml:"after" jsonschema_description:"How long after that; until then the source may think it over. The law's time begins then"`
	Approval bridge.Approval `yaml:"approval" jsonschema:"enum=none,enum=operator,enum=four_eyes,default=none" jsonschema_description:"Whose word an erasure needs: nobody's, an operator's, or one by another credential than it was asked for with"`
}

// Erasing is what the bridge is told of it.
func (c Config) Erasing() bridge.Erasing {
	return bridge.Erasing{Laws: c.Lawbook(), Law: cmp.Or(c.Erasure.Law, DefaultLaw), Approval: cmp.Or(c.Erasure.Approval, bridge.NoApproval),
		OnDelete: c.Erasure.OnDelete, After: c.Erasure.After}
}

// over is l with what the configuration says instead.
func (c LawConfig) over(l bridge.Law, name string) bridge.Law {
	l.Name, l.Version, l.Title, l.Note = name, cmp.Or(c.Version, 1), cmp.Or(c.Title, l.Title, name), ""
	put(&l.Confirm, c.Confirm)
	put(&l.Respond, c.Respond)
	put(&l.Extend, c.Extend)
	put(&l.Notice, c.Notice)
	put(&l.Roll, c.Roll)
	put(&l.Holidays, c.Holidays)
	put(&l.Zone, c.Zone)
	return l
}

func put[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// Lawbook is the laws of this configuration.
func (c Config) Lawbook() bridge.Lawbook {
	calendars, _ := c.calendars()
	return bridge.NewLawbook(c.laws(), calendars, c.Keys.Epoch, c.Keys.Linger())
}

// laws are the own ones, by name.
func (c Config) laws() (own []bridge.Law) {
	for _, name := range slices.Sorted(maps.Keys(c.Laws)) {
		like := bridge.Law{}
		for _, l := range bridge.Laws() {
			if l.Name == c.Laws[name].Like {
				like = l
			}
		}
		own = append(own, c.Laws[name].over(like, name))
	}
	return own
}

// calendars are the own ones, by name; bad is the first that has something else
// than dates, and why.
func (c Config) calendars() (own []bridge.Calendar, bad map[string]error) {
	bad = map[string]error{}
	for _, name := range slices.Sorted(maps.Keys(c.Calendars)) {
		one, err := bridge.NewCalendar(name, c.Calendars[name])
		if err != nil {
			bad[name] = err
		}
		own = append(own, one)
	}
	return own, bad
}

// checkLaws notes what is wrong with laws and calendars, and refuses deadlines that
// cannot be met: the law of this installation, and those of its own.
func (d *decoder) checkLaws(c *Config) {
	calendars := slices.Collect(maps.Keys(bridge.Calendars()))
	_, bad := c.calendars()
	for _, name := range slices.Sorted(maps.Keys(c.Calendars)) {
		path := join("calendars", name)
		d.checkName(name, path)
		if err := bad[name]; err != nil {
			d.add(path, "%s", err)
		}
		if slices.Contains(calendars, name) {
			d.add(path, "is built in; give yours another name")
		}
		calendars = append(calendars, name)
	}
	var laws []string
	for _, l := range bridge.Laws() {
		laws = append(laws, l.Name)
	}
	epoch := cmp.Or(c.Keys.Epoch, store.DefaultEpoch)
	fits := func(l bridge.Law, path string) {
		if why := l.Fits(epoch, c.Keys.Linger()); why != "" {
			d.add(path, "cannot be kept: %s; make keys.epoch, keys.keeper_wait or keys.copies_kept shorter", why)
		}
	}
	built := laws
	for _, l := range c.laws() {
		path, from := join("laws", l.Name), c.Laws[l.Name]
		d.checkName(l.Name, path)
		if slices.Contains(built, l.Name) {
			d.add(path, "is built in; give yours another name, and say like: %s", l.Name)
		}
		d.oneOf(from.Like, built, join(path, "like"))
		within(d, from.Version, 1, 1_000_000, join(path, "version"))
		if l.Respond.N == 0 {
			if !d.failed(join(path, "respond")) {
				d.add(path, "needs respond, such as 1 calendar_month; or like, a built-in law")
			}
			continue
		}
		d.oneOf(l.Holidays, calendars, join(path, "holidays"))
		if _, err := time.LoadLocation(l.Zone); err != nil || l.Zone == "Local" {
			d.add(join(path, "zone"), "there is no such time zone; write it as Europe/Vienna")
		}
		if slices.Contains([]bridge.Unit{l.Respond.Unit, l.Extend.Unit, l.Confirm.Unit, l.Notice.Unit}, bridge.BusinessDays) && l.Holidays == "" {
			d.add(join(path, "holidays"), "business days need a calendar: weekends, or one with holidays")
		}
		fits(l, path)
		laws = append(laws, l.Name)
	}
	named, path := cmp.Or(c.Erasure.Law, DefaultLaw), "erasure.law"
	d.oneOf(named, laws, path)
	if c.Erasure.Law == "" {
		path = "keys" // who wrote nothing about erasures wrote of these
	}
	for _, l := range bridge.Laws() {
		if l.Name == named {
			fits(l, path)
		}
	}
}
