package scim

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/elimity-com/scim/schema"
	"github.com/google/go-cmp/cmp"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/storetest"
)

// RFC 7644, section 3.4.2.2, its examples (figure 1) and what follows from its
// table 3, on bjensen.
func TestFilterRFC7644_3_4_2_2(t *testing.T) {
	for filter, want := range map[string]bool{
		`userName eq "bjensen@example.com"`:                                  true,
		`userName Eq "BJensen@Example.com"`:                                  true,
		`USERNAME eq "bjensen@example.com"`:                                  true,
		`name.familyName co "jens"`:                                          true,
		`name.familyName co "O'Malley"`:                                      false,
		`userName sw "BJ"`:                                                   true,
		`urn:ietf:params:scim:schemas:core:2.0:User:userName sw "bj"`:        true,
		`userName ew "example.com"`:                                          true,
		`title pr`:                                                           true,
		`nickName pr`:                                                        false,
		`meta.lastModified gt "2011-05-13T04:42:34Z"`:                        true,
		`meta.lastModified ge "2011-05-13T04:42:34Z"`:                        true,
		`meta.lastModified lt "2011-05-13T04:42:34Z"`:                        false,
		`meta.created le "2026-11-01T09:00:01.123456+01:00"`:                 true,
		`meta.created eq "2026-11-01T08:00:01.123456Z"`:                      true,
		`title pr and userType eq "Employee"`:                                false,
		`title pr or userType eq "Intern"`:                                   true,
		`schemas eq "urn:ietf:params:scim:schemas:core:2.0:User"`:            true,
		`schemas eq "urn:ietf:params:scim:schemas:core:2.0:Group"`:           false,
		`title sw "Tour" and (emails co "example.com" or emails co "x.org")`: true,
		`title sw "Tour" and (emails co "example.net" or emails co "x.org")`: false,
		`title ne "Tour Guide" and not (emails co "example.com")`:            false,
		`not (title eq "x" or title eq "y")`:                                 true,
		`userName pr and (emails[type eq "work"])`:                           true,
		`emails[type eq "work" and value co "@example.com"]`:                 true,
		`emails[type eq "home" and value co "@example.com"]`:                 false,
		`emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]`: true,
		`emails[type eq "home" and (value co "x" or value co "jensen") and not (primary eq true)]`:          true,
		`emails[type eq "work"].value eq "bjensen@example.com"`:                                             true,
		`emails[type eq "home"].value eq "bjensen@example.com"`:                                             false,
		`emails.value eq "BABS@jensen.org"`:                                                                 true,
		`emails eq "babs@jensen.org"`:                                                                       true,
		`emails.type eq "other"`:                                                                            false,
		`emails.primary eq true`:                                                                            true,
		`active eq true`:                                                                                    true,
		`active eq "True"`:                                                                                  true,
		`active ne true`:                                                                                    false,
		`externalId eq "701984"`:                                                                            true,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "tours"`:                  true,
		`URN:ietf:params:scim:schemas:extension:enterprise:2.0:user:manager.value eq "26118915"`:            true,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq "26118915"`:                  true,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User pr`:                                     true,
		`userName eq "x" or urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department pr`:       true,
		`nickName eq null`:                                                                                  true,
		`nickName ne "x"`:                                                                                   true,
		`title eq null`:                                                                                     false,
		`title ne null`:                                                                                     true,
		`name pr`:                                                                                           true,
		`displayName gt "aaa"`:                                                                              true,
		`displayName lt "aaa"`:                                                                              false,
		`  title   pr  `:                                                                                    true,
		`title eq "\u0054our Guide"`:                                                                        true,
		`title eq "Tour\tGuide"`:                                                                            false,
		// and binds closer than or
		`title eq "x" and title eq "y" or userName pr`:   true,
		`userName pr or title eq "x" and title eq "y"`:   true,
		`(userName pr or title eq "x") and title eq "y"`: false,
	} {
		d := newDoor(t, Generic)
		d.bjensen()
		total := 0.0
		if want {
			total = 1
		}
		a := d.send("GET", "/Users?filter="+url.QueryEscape(filter), "").want(200, "")
		if a.body["totalResults"] != total {
			t.Errorf("%s: %v, want %v", filter, a.body["totalResults"], want)
		}
	}
}

func TestFilterRefused(t *testing.T) {
	d := newDoor(t, Generic)
	d.bjensen()
	for _, filter := range []string{
		`userName`, `userName eq`, `eq "x"`, `userName is "x"`, `userName eq x`, `userName eq "x`, `userName eq "\q"`,
		`userName eq "x" and`, `userName eq "x" title pr`, `(userName pr`, `userName pr)`, `not userName pr`, `emails[type eq "x"`,
		`emails[type eq "x"].nothing eq "x"`, `emails[].value pr`, `nothing eq "x"`, `emails.nothing pr`, `name eq "x"`,
		`active gt true`, `active co "t"`, `active eq "maybe"`, `active eq 1`, `userName eq 5`, `userName gt null`,
		`meta.created gt "yesterday"`, `x509Certificates.value gt "x"`, `password eq "x"`, `password pr`, `userName[type eq "x"]`,
		`urn:nowhere:userName eq "x"`, `groups.size eq "x"`,
		strings.Repeat("(", 33) + "title pr" + strings.Repeat(")", 33),
		strings.Repeat("title pr and ", 100) + "title pr",
		`title eq "` + strings.Repeat("x", 8<<10) + `"`,
		strings.Repeat("not (", 5000),
	} {
		if a := d.send("GET", "/Users?filter="+url.QueryEscape(filter), ""); a.status != 400 || a.body["scimType"] != "invalidFilter" {
			t.Errorf("%.60s: %d %s", filter, a.status, a.raw)
		}
	}
	strict := newDoor(t, Strict)
	strict.send("GET", "/Users?filter="+url.QueryEscape(`active eq "True"`), "").fault(400, "invalidFilter")
}

// What the store can decide by an index, it decides, and alone if it can.
func TestPlan(t *testing.T) {
	users, groups := userType(), groupType()
	is := func(a bridge.Attribute, v any) bridge.Cond { return bridge.Cond{Op: bridge.Equal, By: a, Value: v} }
	than := func(op bridge.Op, a bridge.Attribute, v any) bridge.Cond {
		return bridge.Cond{Op: op, By: a, Value: v}
	}
	for filter, want := range map[string]struct {
		where bridge.Cond
		rest  bool
	}{
		`userName eq "A@b"`:                                  {is(bridge.ByUserName, "a@b"), false},
		`externalId eq "A"`:                                  {is(bridge.ByExternalID, "A"), false},
		`id eq "A"`:                                          {is(bridge.ByID, "A"), false},
		`displayName eq "A"`:                                 {is(bridge.ByDisplayName, "a"), false},
		`emails eq "A"`:                                      {is(bridge.ByEmail, "a"), false},
		`emails.value eq "A"`:                                {is(bridge.ByEmail, "a"), false},
		`emails[value eq "A"]`:                               {is(bridge.ByEmail, "a"), false},
		`emails[value eq "A" or value sw "b"]`:               {bridge.Cond{}, true},
		`emails[value eq "A" and value eq "b"]`:              {bridge.All(is(bridge.ByEmail, "a"), is(bridge.ByEmail, "b")), true},
		`emails[type eq "work"].value eq "A"`:                {is(bridge.ByEmail, "a"), true},
		`emails[type eq "work" and value eq "A"]`:            {is(bridge.ByEmail, "a"), true},
		`userName eq "a" and (id eq "b" and active eq true)`: {bridge.All(is(bridge.ByUserName, "a"), is(bridge.ByID, "b")), true},
		`userName eq "a" and id eq "b"`:                      {bridge.All(is(bridge.ByUserName, "a"), is(bridge.ByID, "b")), false},
		`userName eq "a" or id eq "b"`:                       {bridge.Any(is(bridge.ByUserName, "a"), is(bridge.ByID, "b")), false},
		`userName eq "a" or title eq "b"`:                    {bridge.Cond{}, true},
		`userName eq "a" or userName ew "b"`:                 {bridge.Cond{}, true},
		`userName sw "A" and active eq false`:                {is(bridge.ByActive, false), true},
		`active ne true`:                                     {is(bridge.ByActive, false), false},
		`meta.created gt "2026-01-01T00:00:00Z"`:             {than(bridge.Greater, bridge.ByCreated, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), false},
		`groups.value eq "a"`:                                {is(bridge.ByGroup, "a"), false},
		`groups[value eq "a"]`:                               {is(bridge.ByGroup, "a"), false},
		`groups.display eq "a"`:                              {bridge.Cond{}, true},
		`meta.resourceType eq "User"`:                        {bridge.Cond{}, false},
		`meta.resourceType eq "Group"`:                       {bridge.Any(), false},
		`members.value eq "a"`:                               {bridge.Any(), false}, // only groups have members
		`members ne "a" and userName eq "b"`:                 {is(bridge.ByUserName, "b"), false},
		`not (userName eq "a")`:                              {bridge.Cond{}, true},
		`userName ne "a"`:                                    {bridge.Cond{}, true},
		`userName eq ""`:                                     {bridge.Cond{}, true},
		`phoneNumbers.value eq "a"`:                          {bridge.Cond{}, true},
		`Group: displayName sw "A"`:                          {than(bridge.StartsWith, bridge.ByDisplayName, "a"), false},
		`Group: displayName ew "A"`:                          {than(bridge.Contains, bridge.ByDisplayName, "a"), true},
	} {
		of, other := users, groups
		if name, isGroup := strings.CutPrefix(filter, "Group: "); isGroup {
			of, other, filter = groups, users, name
		}
		f, err := parseFilter(filter, Limits{}.orDefault())
		if err == nil {
			err = of.bindFilter(f, newMending(Generic, mends()), other)
		}
		if err != nil {
			t.Fatal(filter, err)
		}
		where, rest := of.plan(f)
		if diff := cmp.Diff(want.where, where); diff != "" || (rest != nil) != want.rest {
			t.Errorf("%s: %s, rest %v", filter, diff, rest)
		}
	}
}

var someFilters = []string{
	`userName eq "bjensen@example.com"`, `emails[type eq "work"].value eq "bjensen@example.com"`,
	`emails[value eq "a" and type eq "work"] or id eq "x" and not (externalId pr)`, `displayName eq "Babs Jensen"`,
	`userName eq "" or emails eq "\u212a"`, `emails[value eq "K@x"]`, `name.familyName sw "J" and meta.created gt "2011-05-13T04:42:34Z"`,
	`active eq true and title ne null`, `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq "26118915"`,
	`emails[not (value eq "a")]`, `(((title pr)))`, `a[b eq 1e5].c le -0.5`, `x509Certificates.value eq "TUlJ"`,
}

func FuzzFilter(f *testing.F) {
	for _, s := range someFilters {
		f.Add(s)
	}
	users, lenient := userType(), newMending(Generic, mends())
	f.Fuzz(func(t *testing.T, s string) {
		tree, err := parseFilter(s, Limits{}.orDefault())
		if err != nil {
			return
		}
		if err := users.bindFilter(tree, lenient); err != nil {
			if answer, shown := asAnswer(err); !shown || answer.Status != 400 {
				t.Fatal(err)
			}
			return
		}
		tree.matches(map[string]any{})
	})
}

// FuzzPlan: whatever an index decides, evaluating the whole filter decides the
// same.
func FuzzPlan(f *testing.F) {
	for _, s := range someFilters {
		f.Add(s, bjensen)
		f.Add(s, `{"userName":"K@x","emails":[{"value":"K@x"},{"value":"K@X","type":"work"},{"value":"ſ"}],"displayName":"","externalId":"X"}`)
	}
	users, lenient := userType(), newMending(Generic, mends())
	l := Limits{}.orDefault()
	f.Fuzz(func(t *testing.T, s, body string) {
		tree, err := parseFilter(s, l)
		if err != nil || users.bindFilter(tree, lenient) != nil || tree.mentions(users.top["meta"]) {
			return
		}
		sent, err := decodeObject([]byte(body), l)
		if err != nil {
			return
		}
		res, err := cleaner{mending: lenient}.resource(users, sent)
		p := bridge.Person{ID: "x"}
		if err != nil || describe(&p, users, res, "") != nil {
			return
		}
		whole := clone(res).(map[string]any)
		whole["id"] = p.ID
		where, rest := users.plan(tree)
		known := storetest.Known{ID: p.ID, Keys: p.Keys(), Active: p.Active}
		byIndex := known.Holds(where) && (rest == nil || rest.matches(whole))
		if full := tree.matches(whole); full != byIndex {
			t.Fatalf("%s on %s: index %v, evaluation %v", s, p.Resource, byIndex, full)
		}
	})
}

// Numbers, which no standard attribute of a user is, and every operator on a
// kind.
func TestComparisons(t *testing.T) {
	integer := newAttribute(schema.SimpleCoreAttribute(schema.SimpleNumberParams(schema.NumberParams{Name: "i", Type: schema.AttributeTypeInteger()})))
	decimal := newAttribute(schema.SimpleCoreAttribute(schema.SimpleNumberParams(schema.NumberParams{Name: "d", Type: schema.AttributeTypeDecimal()})))
	binary := newAttribute(schema.SimpleCoreAttribute(schema.SimpleBinaryParams(schema.BinaryParams{Name: "b"})))
	b := binder{lookup: func(name string) []*attribute {
		return map[string][]*attribute{"i": {integer}, "d": {decimal}, "b": {binary}}[name]
	}}
	for filter, want := range map[string]string{
		`i eq 9007199254740993`: "true", `i eq 9007199254740992`: "false", `i gt 9007199254740992`: "true", `i ge 9007199254740994`: "false",
		`i lt 9007199254740994`: "true", `i le 9007199254740993`: "true", `i ne 1`: "true", `i ne null`: "true", `i pr`: "true",
		`i eq 1.5`: "refused", `i co 9`: "refused", `i eq "9"`: "refused", `i sw 9`: "refused", `i eq true`: "refused", `i gt null`: "refused",
		`d eq 15e-1`: "true", `d gt 1`: "true", `d lt 1`: "false", `d ew 5`: "refused", `d ne 1.5`: "false",
		`b eq "TUlJ"`: "true", `b eq "tulj"`: "false", `b ne "tulj"`: "true", `b co "T"`: "refused", `b le "T"`: "refused",
	} {
		f, err := parseFilter(filter, Limits{}.orDefault())
		if err != nil {
			t.Fatal(err)
		}
		got := "refused"
		if err := b.bind(f); err == nil {
			res, _ := decodeObject([]byte(`{"i":9007199254740993,"d":1.5,"b":"TUlJ"}`), Limits{}.orDefault())
			got = fmt.Sprint(f.matches(res))
		}
		if got != want {
			t.Errorf("%s: %s, want %s", filter, got, want)
		}
	}
}
