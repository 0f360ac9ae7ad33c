package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	strict "github.com/go-jose/go-jose/v4/json" // refuses a key that is there twice, and knows upper from lower case
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

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
		if at := join(path, "source"); f.Source == "" && !d.failed(at) {
			d.add(at, "is missing: say of whose people it may tell; %s", suggest("", slices.Collect(maps.Keys(c.Sources))))
		} else if f.Source != "" {
			d.oneOf(f.Source, slices.Collect(maps.Keys(c.Sources)), at)
		}
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

// Feeding is what a feed may tell; *bridge.Bridge has it.
type Feeding interface {
	TellSessions(ctx context.Context, told []bridge.Told) (why []string, err error)
}

// Bounds of what is told at once, and of one session.
const (
	badText       = "is too long or has a character that no name has"
	maxTold       = 500
	maxText       = 1024     // characters of a name or an id
	maxCredential = 16 << 10 // of a token or a cookie
	usualExpiry   = 30 * 24 * time.Hour
	latestExpiry  = 400 * 24 * time.Hour
)

// toldSession is one session as a feed tells of it.
type toldSession struct {
	App    string `json:"app"`
	Person struct {
		ID         string `json:"id"`
		UserName   string `json:"userName"`
		ExternalID string `json:"externalId"`
		Email      string `json:"email"`
	} `json:"person"`
	SAML struct {
		NameID          string `json:"nameId"`
		Format          string `json:"format"`
		NameQualifier   string `json:"nameQualifier"`
		SPNameQualifier string `json:"spNameQualifier"`
		SessionIndex    string `json:"sessionIndex"`
	} `json:"saml"`
	OIDC struct {
		Sub string `json:"sub"`
		SID string `json:"sid"`
	} `json:"oidc"`
	OAuth struct {
		Access  string `json:"accessToken"`
		Refresh string `json:"refreshToken"`
	} `json:"oauth"`
	Credential string    `json:"credential"`
	Expires    time.Time `json:"expires"`
	Ended      bool      `json:"ended"`
}

// read checks what is told, and brings it into the form of the bridge.
func (t toldSession) read(now time.Time) (told bridge.Told, err *bridge.Error) {
	wrong := func(field, message string) (bridge.Told, *bridge.Error) {
		return bridge.Told{}, &bridge.Error{Kind: bridge.KindInvalid, Field: field, Message: message}
	}
	named := 0
	for a, value := range map[bridge.Attribute]string{bridge.ByID: t.Person.ID, bridge.ByUserName: t.Person.UserName,
		bridge.ByExternalID: t.Person.ExternalID, bridge.ByEmail: t.Person.Email} {
		if !saneText(value) {
			return wrong("person", badText)
		}
		if value != "" {
			told.Whose = bridge.Normalise(a, value)
			named++
		}
	}
	if named != 1 {
		return wrong("person", "needs exactly one of id, userName, externalId and email")
	}
	for _, one := range [...]struct{ field, text string }{{"saml.nameId", t.SAML.NameID}, {"saml.format", t.SAML.Format},
		{"saml.nameQualifier", t.SAML.NameQualifier}, {"saml.spNameQualifier", t.SAML.SPNameQualifier},
		{"saml.sessionIndex", t.SAML.SessionIndex}, {"oidc.sub", t.OIDC.Sub}, {"oidc.sid", t.OIDC.SID}} {
		if !saneText(one.text) {
			return wrong(one.field, badText)
		}
	}
	for _, one := range [...]struct{ field, text string }{{"oauth.accessToken", t.OAuth.Access}, {"oauth.refreshToken", t.OAuth.Refresh},
		{"credential", t.Credential}} {
		if !saneCredential(one.text) {
			return wrong(one.field, "is too long or has a character that is not visible ASCII")
		}
	}
	told.Ended = t.Ended
	told.Session = bridge.Session{App: t.App, Index: t.SAML.SessionIndex, Subject: t.OIDC.Sub, SID: t.OIDC.SID,
		Name:   bridge.NameID{Value: t.SAML.NameID, Format: t.SAML.Format, NameQualifier: t.SAML.NameQualifier, SPNameQualifier: t.SAML.SPNameQualifier},
		Access: bridge.Secret(t.OAuth.Access), Refresh: bridge.Secret(t.OAuth.Refresh), Credential: bridge.Secret(t.Credential),
		Expires: cmp.Or(t.Expires.UTC().Truncate(time.Microsecond), now.Add(usualExpiry))}
	switch {
	case t.SAML.NameID == "" && (told.Session.Name != bridge.NameID{} || t.SAML.SessionIndex != ""):
		return wrong("saml.nameId", "is missing: the app knows the session by it")
	case t.SAML.NameID+t.OIDC.Sub+t.OIDC.SID+t.OAuth.Access+t.OAuth.Refresh == "":
		return wrong("", "needs saml.nameId, oidc.sub, oidc.sid, or a token in oauth")
	case !t.Ended && !told.Session.Expires.After(now):
		return wrong("expires", "has passed; leave it out if it is not known")
	case told.Session.Expires.After(now.Add(latestExpiry)):
		return wrong("expires", "is more than 400 days ahead")
	}
	return told, nil
}

// saneText reports whether s may be a name or an id: no control or formatting
// characters, and none that XML cannot hold.
func saneText(s string) bool {
	return len(s) <= maxText && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError || r == 0xfffe || r == 0xffff || unicode.Is(unicode.Bidi_Control, r)
	})
}

// saneCredential reports whether s may stand in a header.
func saneCredential(s string) bool {
	return len(s) <= maxCredential && !strings.ContainsFunc(s, func(r rune) bool { return r < '!' || r > '~' })
}

// refusedSession says which entry of what was told is not kept, and why.
type refusedSession struct {
	Entry  int    `json:"entry"`  // from 0
	Reason string `json:"reason"` // "invalid", "app", "no_such_person" or "several_people"
	Detail string `json:"detail,omitempty"`
}

// tellSessions answers POST /v1/sessions with what of it is kept: 200 for all of
// it, 207 for some, 422 for nothing. What is not JSON of the form is 400 as a whole.
// To tell again is harmless.
func (s *Server) tellSessions(c echo.Context) error {
	list, err := readTold(c.Request().Body)
	if err != nil {
		return err
	}
	if wait := s.Charge(c.Request().Context(), len(list)-1); wait > 0 {
		return s.answerTooMuch(c, wait)
	}
	name := strings.TrimPrefix(callerIn(c).Token, feedPrefix)
	apps, now := s.now.Load().Feeds[name].Apps, s.Now()
	refused := []refusedSession{}
	var told []bridge.Told
	var entries []int // of which entry each is
	for i, one := range list {
		if !slices.Contains(apps, one.App) {
			refused = append(refused, refusedSession{i, "app", "this feed may not tell of sessions in that app; its apps stand in the configuration"})
			continue
		}
		t, wrong := one.read(now)
		if wrong != nil {
			refused = append(refused, refusedSession{i, "invalid", wrong.Error()})
			continue
		}
		told, entries = append(told, t), append(entries, i)
	}
	why, err := s.Feeding.TellSessions(c.Request().Context(), told)
	if err != nil {
		return err
	}
	kept := 0
	for i, reason := range why {
		outcome := reason
		if reason != "" {
			refused = append(refused, refusedSession{entries[i], reason, ""})
		} else if kept++; told[i].Ended {
			outcome = "ended"
		}
		s.Metrics.fed.WithLabelValues(name, cmp.Or(outcome, "kept")).Inc()
	}
	for _, r := range refused[:len(list)-len(told)] {
		s.Metrics.fed.WithLabelValues(name, r.Reason).Inc()
	}
	slices.SortFunc(refused, func(a, b refusedSession) int { return a.Entry - b.Entry })
	status := http.StatusOK
	switch {
	case len(refused) > 0 && kept == 0:
		status = http.StatusUnprocessableEntity
	case len(refused) > 0:
		status = http.StatusMultiStatus
	}
	return c.JSON(status, struct {
		Kept    int              `json:"kept"`
		Refused []refusedSession `json:"refused"`
	}{kept, refused})
}

func readTold(body io.Reader) ([]toldSession, error) {
	text, err := io.ReadAll(body) // in memory already, and bounded
	if err != nil {
		return nil, err
	}
	type document struct {
		Sessions []toldSession `json:"sessions"`
	}
	// One reader refuses what is not named there, and what is too deep; the other a
	// key that stands twice. They must have read the same.
	var loose, told document
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if !utf8.Valid(text) || decoder.Decode(&loose) != nil || strict.Unmarshal(text, &told) != nil ||
		!reflect.DeepEqual(loose, told) || len(told.Sessions) == 0 {
		return nil, bridge.Errorf(bridge.KindInvalid, `the body must be {"sessions": [{"app": "name", "person": {"userName": "…"}, "saml": {"nameId": "…"}}]}, with what else docs/operations.md names, each key once`)
	}
	if len(told.Sessions) > maxTold {
		return nil, bridge.Errorf(bridge.KindInvalid, "at most %d sessions can be told of at once", maxTold)
	}
	return told.Sessions, nil
}

// Session is what is known of a session, as the API and the command line show it:
// that it is known, and nothing by which it could be taken over.
type Session struct {
	ID      string    `json:"id"`
	Person  string    `json:"person"`
	App     string    `json:"app"`
	Known   []string  `json:"known"` // "saml", "oidc", "oauth", "credential"
	By      string    `json:"by"`    // who told
	Learned time.Time `json:"learned"`
	Expires time.Time `json:"expires"`
}

// ShowSessions lists what is known of a person's sessions: by id, or by user name
// in each of the sources. KindNotFound if there is nobody called that.
func ShowSessions(tx bridge.Tx, sources []string, person string, now time.Time) ([]Session, error) {
	var people []string
	if id, err := uuid.Parse(person); err == nil && len(person) == 36 {
		people = append(people, id.String()) // also of whoever was deleted
	}
	for _, source := range sources {
		found, _, err := tx.People(bridge.Query{Source: source, Where: bridge.Is(bridge.Normalise(bridge.ByUserName, person)), Limit: 1})
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			people = append(people, p.ID)
		}
	}
	if len(people) == 0 {
		return nil, bridge.Errorf(bridge.KindNotFound, "there is nobody with that user name or id")
	}
	shown := []Session{}
	for _, id := range people {
		sessions, err := tx.SessionsOf(id, now)
		if err != nil {
			return nil, err
		}
		for _, s := range sessions {
			shown = append(shown, showSession(s))
		}
	}
	return shown, nil
}

func showSession(s bridge.Session) Session {
	shown := Session{ID: s.ID, Person: s.Person, App: s.App, By: s.Feed, Learned: s.Learned, Expires: s.Expires, Known: []string{}}
	for _, one := range []struct {
		what string
		is   bool
	}{{"saml", s.Name.Value != ""}, {"oidc", s.Subject+s.SID != ""}, {"oauth", s.Access+s.Refresh != ""}, {"credential", s.Credential != ""}} {
		if one.is {
			shown.Known = append(shown.Known, one.what)
		}
	}
	return shown
}

// listSessions answers GET /v1/sessions?person=NAME: a user name, or an id.
func (s *Server) listSessions(c echo.Context) error {
	person := c.QueryParam("person")
	if person == "" || len(c.QueryParams()) != 1 {
		return bridge.Errorf(bridge.KindInvalid, "say whose sessions: ?person= and a user name or id")
	}
	var shown []Session
	err := s.Store.View(c.Request().Context(), func(tx bridge.Tx) (err error) {
		shown, err = ShowSessions(tx, s.now.Load().Knows, person, s.Now())
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"sessions": shown})
}
