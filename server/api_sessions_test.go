package server

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/exeunt/exeunt/bridge"
)

const (
	feedText  = "token-that-a-feed-of-hr-shall-use"
	otherFeed = "token-that-another-feed-shall-use"
)

// fed is a server with two feeds, and three people of whom they may tell; one has
// a namesake by address.
func fed(t *testing.T, change func(*Settings)) *front {
	t.Helper()
	s := defaults()
	s.Feeds = map[string]FeedConfig{"idp": {Source: "hr", Apps: []string{"crm", "wiki"}}, "okta": {Source: "okta", Apps: []string{"crm"}}}
	s.Keys = append(s.Keys, FeedKey("idp", "hr", feedText), FeedKey("okta", "okta", otherFeed))
	if change != nil {
		change(&s)
	}
	f := start(t, s, nil, func(o *Options) { o.Feeding = o.Operations.(Feeding) })
	hr := bridge.WithCaller(t.Context(), bridge.Caller{Source: "hr", Token: "hr.1"})
	for _, p := range []bridge.Person{{UserName: "ada@example.com", ExternalID: "7", Emails: []string{"ada@example.com"}},
		{UserName: "bob", Emails: []string{"team@example.com"}}, {UserName: "eve", Emails: []string{"team@example.com"}}} {
		p.Active, p.Resource = true, []byte(`{}`)
		if _, err := f.Operations.(*bridge.Bridge).AddPerson(hr, p); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// tell sends what a feed tells, and returns the status and the answer.
func (f *front) tell(t *testing.T, token, body string) (int, string) {
	t.Helper()
	res, answer := f.ask(t, "POST", "/v1/sessions", body, "Authorization", "Bearer "+token, "Content-Type", "application/json")
	return res.StatusCode, strings.TrimSpace(answer)
}

// known is what the operator sees of a person's sessions.
func (f *front) knownOf(t *testing.T, person string, want int) (list []Session, body string) {
	t.Helper()
	res, body := f.ask(t, "GET", "/v1/sessions?person="+person, "", "Authorization", "Bearer "+adminText)
	var answer struct{ Sessions []Session }
	if res.StatusCode != want || json.Unmarshal([]byte(body), &answer) != nil {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	return answer.Sessions, body
}

const adas = `"person":{"userName":"ADA@example.com"}`

// What a feed tells is kept or refused, entry by entry, and neither an operator nor
// a log, a metric or an answer shows what was told.
func TestFeed(t *testing.T) {
	f := fed(t, nil)
	status, answer := f.tell(t, feedText, `{"sessions":[
		{"app":"crm",`+adas+`,"saml":{"nameId":"zyqq-name","format":"zyqq-format","sessionIndex":"zyqq-index"},"credential":"zyqq-cookie","expires":"2126-01-01T00:00:00Z"},
		{"app":"crm",`+adas+`,"saml":{"nameId":"zyqq-name","sessionIndex":"zyqq-index"},"credential":"zyqq-cookie"},
		{"app":"payroll",`+adas+`,"saml":{"nameId":"zyqq-name"}},
		{"app":"wiki","person":{"email":"team@example.com"},"oidc":{"sub":"zyqq-sub"}},
		{"app":"wiki","person":{"userName":"zyqq-nobody"},"oidc":{"sub":"zyqq-sub"}},
		{"app":"wiki","person":{"externalId":"7"},"oidc":{"sub":"zyqq-sub","sid":"zyqq-sid"},"oauth":{"accessToken":"zyqq-access","refreshToken":"zyqq-refresh"}}]}`)
	want := `{"kept":2,"refused":[{"entry":0,"reason":"invalid","detail":"expires: is more than 400 days ahead"},` +
		`{"entry":2,"reason":"app","detail":"this feed may not tell of sessions in that app; its apps stand in the configuration"},` +
		`{"entry":3,"reason":"several_people"},{"entry":4,"reason":"no_such_person"}]}`
	if status != 207 || answer != want {
		t.Errorf("%d %s", status, cmp.Diff(want, answer))
	}
	list, shown := f.knownOf(t, "ada@example.com", 200)
	if len(list) != 2 {
		t.Fatalf("%+v", list)
	}
	slices.SortFunc(list, func(a, b Session) int { return strings.Compare(a.App, b.App) })
	for i, one := range []struct {
		app   string
		known []string
	}{{"crm", []string{"saml", "credential"}}, {"wiki", []string{"oidc", "oauth"}}} {
		s := list[i]
		if s.App != one.app || !slices.Equal(s.Known, one.known) || s.By != "feed:idp" || s.Expires.Sub(s.Learned).Round(time.Hour) != usualExpiry {
			t.Errorf("%+v", s)
		}
	}
	if again, _ := f.knownOf(t, list[0].Person, 200); len(again) != 2 {
		t.Errorf("by id: %+v", again)
	}
	if status, answer := f.tell(t, feedText, `{"sessions":[{"ended":true,"app":"crm",`+adas+`,"saml":{"nameId":"zyqq-name","sessionIndex":"zyqq-index"}}]}`); status != 200 || answer != `{"kept":1,"refused":[]}` {
		t.Errorf("ended: %d %s", status, answer)
	}
	if list, _ := f.knownOf(t, "ada@example.com", 200); len(list) != 1 || list[0].App != "wiki" {
		t.Errorf("when one has ended: %+v", list)
	}
	if status, answer := f.tell(t, otherFeed, `{"sessions":[{"app":"crm",`+adas+`,"saml":{"nameId":"n"}}]}`); status != 422 || !strings.Contains(answer, "no_such_person") {
		t.Errorf("another source's person: %d %s", status, answer)
	}
	_, metrics := f.ask(t, "GET", "/metrics", "")
	for _, line := range []string{`exeunt_feed_sessions_total{feed="idp",outcome="kept"} 2`, `exeunt_feed_sessions_total{feed="idp",outcome="ended"} 1`,
		`exeunt_feed_sessions_total{feed="idp",outcome="app"} 1`, `exeunt_feed_sessions_total{feed="idp",outcome="invalid"} 1`,
		`exeunt_feed_sessions_total{feed="okta",outcome="no_such_person"} 1`} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics have no %s", line)
		}
	}
	if all := shown + answer + metrics + f.log.String(); strings.Contains(strings.ToLower(all), "zyqq") || strings.Contains(f.log.String(), "ada@") {
		t.Errorf("what was told shows:\n%s", all)
	}
	if !strings.Contains(f.log.String(), `"route":"/v1/sessions","status":207`) || !strings.Contains(f.log.String(), `"token":"feed:idp"`) {
		t.Errorf("the log has no line of it:\n%s", f.log)
	}
}

// Only a feed may tell, and it opens no other door.
func TestWhoMayTell(t *testing.T) {
	f := fed(t, nil)
	one := `{"sessions":[{"app":"crm",` + adas + `,"saml":{"nameId":"n"}}]}`
	for _, token := range []string{hrText, adminText, "wrong-and-long-enough-to-be-one", ""} {
		if status, _ := f.tell(t, token, one); status != 401 {
			t.Errorf("%q: %d", token, status)
		}
	}
	res, _ := f.ask(t, "POST", "/v1/sessions", one)
	if got := res.Header.Get("WWW-Authenticate"); res.StatusCode != 401 || !strings.HasPrefix(got, "Bearer ") {
		t.Errorf("%d %s", res.StatusCode, got)
	}
	for _, path := range []string{"/scim/v2/Users", "/v1/cases", "/v1/sessions?person=ada@example.com", "/v1/log/checkpoint"} {
		if res, body := f.ask(t, "GET", path, "", "Authorization", "Bearer "+feedText); res.StatusCode != 401 {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
	for _, query := range []string{"", "?person=", "?person=nobody", "?person=ada&app=crm"} {
		want := 400
		if query == "?person=nobody" {
			want = 404
		}
		if res, body := f.ask(t, "GET", "/v1/sessions"+query, "", "Authorization", "Bearer "+adminText); res.StatusCode != want {
			t.Errorf("%s: %d %s", query, res.StatusCode, body)
		}
	}
	for range freeGuesses {
		f.tell(t, "wrong-and-long-enough-to-be-one", one)
	}
	if status, _ := f.tell(t, "wrong-and-long-enough-to-be-one", one); status != 429 {
		t.Errorf("again and again: %d", status)
	}
	if status, _ := f.tell(t, feedText, one); status != 200 {
		t.Errorf("the right one: %d", status)
	}
	// A feed that was taken out of the configuration is not heard any more.
	f.Apply(defaults())
	if status, _ := f.tell(t, feedText, one); status != 401 && status != 429 {
		t.Errorf("taken out: %d", status)
	}
}

// What is not of the form is refused as a whole, and nothing of it is kept.
func TestToldRefused(t *testing.T) {
	f := fed(t, nil)
	one := `{"app":"crm",` + adas + `,"saml":{"nameId":"n"}}`
	for what, body := range map[string]string{
		"nothing": ``, "no object": `[]`, "no sessions": `{}`, "none": `{"sessions":[]}`, "cut off": `{"sessions":[` + one,
		"an unknown key":           `{"sessions":[` + one + `],"more":1}`,
		"an unknown key in one":    `{"sessions":[{"app":"crm",` + adas + `,"saml":{"nameId":"n"},"nameID":"m"}]}`,
		"a key twice":              `{"sessions":[{"app":"crm","app":"wiki",` + adas + `,"saml":{"nameId":"n"}}]}`,
		"a key twice, further in":  `{"sessions":[{"app":"crm",` + adas + `,"saml":{"nameId":"n","nameId":"m"}}]}`,
		"a key twice, by its case": `{"sessions":[` + one + `],"Sessions":[]}`,
		"something behind":         `{"sessions":[` + one + `]} {}`,
		"no text":                  `{"sessions":[{"app":"crm",` + adas + `,"saml":{"nameId":7}}]}`,
		"no time":                  `{"sessions":[{"app":"crm",` + adas + `,"saml":{"nameId":"n"},"expires":"soon"}]}`,
		"broken UTF-8":             "{\"sessions\":[{\"app\":\"crm\"," + adas + ",\"saml\":{\"nameId\":\"\xff\"}}]}",
		"too deep":                 `{"sessions":` + strings.Repeat("[", 1<<20),
		"too many":                 `{"sessions":[` + strings.Repeat(one+",", maxTold) + one + `]}`,
	} {
		if status, answer := f.tell(t, feedText, body); status != 400 || !strings.Contains(answer, `"status":400`) {
			t.Errorf("%s: %d %s", what, status, answer)
		}
	}
	if status, _ := f.tell(t, feedText, `{"sessions":[`+strings.Repeat(one+",", maxTold-1)+one+`]}`); status != 200 {
		t.Errorf("as many as may be: %d", status)
	}
	if list, _ := f.knownOf(t, "ada@example.com", 200); len(list) != 1 {
		t.Errorf("%+v", list)
	}
}

// Each entry is checked by itself, and the mistake is named, not repeated.
func TestReadToldSession(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	read := func(text string) (bridge.Told, *bridge.Error) {
		var told toldSession
		if err := json.Unmarshal([]byte(text), &told); err != nil {
			t.Fatal(err)
		}
		return told.read(now)
	}
	const who, saml = `"app":"crm","person":{"userName":"Ada"}`, `"saml":{"nameId":"n"}`
	for text, want := range map[string]string{
		`{"app":"crm",` + saml + `}`:                                   "person: needs exactly one of id, userName, externalId and email",
		`{"app":"crm","person":{"id":"1","email":"a@b"},` + saml + `}`: "person: needs exactly one of id, userName, externalId and email",
		`{"app":"crm","person":{"userName":"a\u0000"},` + saml + `}`:   "person: " + badText,
		`{` + who + `}`:                  "needs saml.nameId, oidc.sub, oidc.sid, or a token in oauth",
		`{` + who + `,"credential":"c"}`: "needs saml.nameId, oidc.sub, oidc.sid, or a token in oauth",
		`{` + who + `,"saml":{"sessionIndex":"i"},"oidc":{"sub":"s"}}`:                      "saml.nameId: is missing: the app knows the session by it",
		`{` + who + `,"saml":{"format":"f"},"oidc":{"sub":"s"}}`:                            "saml.nameId: is missing: the app knows the session by it",
		`{` + who + `,"saml":{"nameId":"a\u001bb"}}`:                                        "saml.nameId: " + badText,
		`{` + who + `,"saml":{"nameId":"a\ufffeb"}}`:                                        "saml.nameId: " + badText,
		`{` + who + `,"saml":{"nameId":"a\u202eb"}}`:                                        "saml.nameId: " + badText,
		`{` + who + `,"saml":{"nameId":"` + strings.Repeat("x", maxText+1) + `"}}`:          "saml.nameId: " + badText,
		`{` + who + `,` + saml + `,"oidc":{"sid":"a\nb"}}`:                                  "oidc.sid: " + badText,
		`{` + who + `,` + saml + `,"credential":"a\r\nCookie: b"}`:                          "credential: is too long or has a character that is not visible ASCII",
		`{` + who + `,"oauth":{"accessToken":"ä"}}`:                                         "oauth.accessToken: is too long or has a character that is not visible ASCII",
		`{` + who + `,"oauth":{"refreshToken":"` + strings.Repeat("x", 16<<10+1) + `"}}`:    "oauth.refreshToken: is too long or has a character that is not visible ASCII",
		`{` + who + `,` + saml + `,"expires":"2026-03-01T09:00:00Z"}`:                       "expires: has passed; leave it out if it is not known",
		`{` + who + `,` + saml + `,"expires":"2027-04-06T00:00:00Z"}`:                       "expires: is more than 400 days ahead",
		`{` + who + `,"saml":{"nameId":"` + strings.Repeat("x", maxText) + `"}}`:            "",
		`{` + who + `,"oauth":{"refreshToken":"` + strings.Repeat("x", 16<<10) + `"}}`:      "",
		`{` + who + `,` + saml + `,"expires":"2026-03-01T09:00:00Z","ended":true}`:          "",
		`{` + who + `,"oidc":{"sid":"s"},"expires":"2027-04-04T00:00:00+02:00"}`:            "",
		`{"app":"crm","person":{"externalId":"Grüße"},"saml":{"nameId":"Ада","format":""}}`: "",
	} {
		_, err := read(text)
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%.80s: %v, want %q", text, err, want)
		}
	}
	got, err := read(`{"app":"crm","person":{"userName":"Ada"},"saml":{"nameId":"n","format":"f","nameQualifier":"q","spNameQualifier":"s","sessionIndex":"i"},
		"oidc":{"sub":"a","sid":"b"},"oauth":{"accessToken":"c","refreshToken":"d"},"credential":"e","expires":"2026-03-02T10:00:00+01:00"}`)
	want := bridge.Told{Whose: bridge.Key{Attribute: bridge.ByUserName, Value: "ada"}, Session: bridge.Session{App: "crm",
		Name: bridge.NameID{Value: "n", Format: "f", NameQualifier: "q", SPNameQualifier: "s"}, Index: "i", Subject: "a", SID: "b",
		Access: "c", Refresh: "d", Credential: "e", Expires: now.Add(24 * time.Hour)}}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if again, _ := read(`{"app":"crm","person":{"email":"A@B"},"oidc":{"sub":"a"}}`); again.Session.Expires != now.Add(usualExpiry) || again.Whose.Value != "a@b" {
		t.Errorf("%+v", again)
	}
}

// A feed that floods is slowed, and its source is not.
func TestFeedRate(t *testing.T) {
	f := fed(t, func(s *Settings) { s.Limit.Rate, s.Limit.Burst = 1, 100 })
	var list []string
	for i := range 300 {
		list = append(list, fmt.Sprintf(`{"app":"crm",%s,"saml":{"nameId":"n","sessionIndex":"%d"}}`, adas, i))
	}
	body := `{"sessions":[` + strings.Join(list, ",") + `]}`
	if status, answer := f.tell(t, feedText, body); status != 200 { // more than the burst, and owed
		t.Fatalf("%d %s", status, answer)
	}
	res, _ := f.ask(t, "POST", "/v1/sessions", body, "Authorization", "Bearer "+feedText)
	if res.StatusCode != 429 || res.Header.Get("Retry-After") == "" {
		t.Errorf("again: %d %v", res.StatusCode, res.Header)
	}
	if res, _ := f.knocks(t, hrText); res.StatusCode != 200 {
		t.Errorf("its source: %d", res.StatusCode)
	}
	if status, _ := f.tell(t, otherFeed, `{"sessions":[{"app":"crm",`+adas+`,"saml":{"nameId":"n"}}]}`); status != 422 {
		t.Errorf("another feed: %d", status)
	}
	long := start(t, defaults(), nil, nil)
	s := defaults()
	s.Limit.Body, s.Feeds = 1024, map[string]FeedConfig{"idp": {Source: "hr"}}
	s.Keys = append(s.Keys, FeedKey("idp", "hr", feedText))
	long.Apply(s)
	if status, _ := long.tell(t, feedText, body); status != 413 {
		t.Errorf("too long: %d", status)
	}
}

// Whatever is sent is refused, or is entries that are sane or are named wrong.
func FuzzTold(f *testing.F) {
	f.Add(`{"sessions":[{"app":"crm","person":{"userName":"ada"},"saml":{"nameId":"n","sessionIndex":"i"},"credential":"c","expires":"2026-03-02T10:00:00+01:00"}]}`)
	f.Add(`{"sessions":[{"app":"crm","person":{"id":"1"},"oidc":{"sub":"s"},"oauth":{"accessToken":"a"},"ended":true},{}]}`)
	f.Add(`{"sessions":[{"App":"crm","app":"x"}]}`)
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body string) {
		list, err := readTold(strings.NewReader(body))
		if (err == nil) != (len(list) > 0 && len(list) <= maxTold) {
			t.Fatalf("%d entries, %v", len(list), err)
		}
		for _, one := range list {
			told, err := one.read(now)
			if err != nil {
				continue
			}
			s := told.Session
			if told.Whose.Value == "" || s.Name.Value+s.Subject+s.SID+string(s.Access)+string(s.Refresh) == "" ||
				s.Name.Value == "" && s.Index != "" || strings.ContainsAny(string(s.Credential)+string(s.Access)+s.Name.String()[:len(s.Name.Value)]+s.SID, "\r\n\x00\x1b") ||
				!told.Ended && !s.Expires.After(now) || s.Expires.After(now.Add(latestExpiry)) {
				t.Fatalf("%+v", told)
			}
		}
	})
}
