package server

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
)

// came returns how many requests to be forgotten there are.
func (f *front) came(t *testing.T) (n int) {
	t.Helper()
	if err := f.store.View(t.Context(), func(tx bridge.Tx) error {
		list, err := tx.Erasures(nil, time.Time{}, 100)
		n = len(list)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func withLinks(t *testing.T) (*front, *bridge.Bridge, func(person string) string) {
	settings := defaults()
	settings.Laws, settings.Law = DefaultConfig().Lawbook(), DefaultLaw
	var links *bridge.Bridge
	f := start(t, settings, nil, func(o *Options) {
		links = o.Operations.(*bridge.Bridge)
		links.SetErasing(bridge.Erasing{Laws: settings.Laws, Law: settings.Law})
		o.Linking, o.PublicURL = links, "https://exeunt.example.com/"
	})
	return f, links, func(person string) string {
		t.Helper()
		caseID := f.departure(t, person)
		res, body := f.ask(t, "POST", "/v1/erasures/links", `{"case":"`+caseID+`"}`, "Authorization", "Bearer "+adminText)
		var l Link
		if err := json.Unmarshal([]byte(body), &l); err != nil || res.StatusCode != http.StatusCreated {
			t.Fatal(res.StatusCode, body, err)
		}
		path, ok := strings.CutPrefix(l.URL, "https://exeunt.example.com/erase/")
		if !ok || len(path) != secretLen || time.Until(l.Expires).Round(time.Hour) != linkGood {
			t.Fatalf("%+v", l)
		}
		return "/erase/" + path
	}
}

// A person's own request: looking at the page does nothing, confirming it does it
// once, and every link that is not good is answered alike.
func TestErasePage(t *testing.T) {
	f, links, newLink := withLinks(t)
	path := newLink("grace@example.com")
	wrong := "/erase/" + strings.Repeat("A", secretLen)
	_, page := f.ask(t, "GET", path, "")
	for range 3 { // programs that look at mail
		f.ask(t, "GET", path, "")
		f.ask(t, "HEAD", path, "")
	}
	if _, other := f.ask(t, "GET", wrong, ""); other != page {
		t.Error("the page tells whether a link is good")
	}
	if !strings.Contains(page, `<form method="post">`) || !strings.Contains(page, "viewport") || strings.Contains(page, "grace") ||
		regexp.MustCompile(`(?i)<script|<img|<link|https?:|\son[a-z]+=`).MatchString(page) {
		t.Error(page)
	}
	if f.came(t) != 0 {
		t.Fatal("looking at the page asked for it")
	}
	res, _ := f.ask(t, "POST", path, "", "Sec-Fetch-Site", "cross-site")
	if res.StatusCode != http.StatusNotFound || f.came(t) != 0 {
		t.Fatal("another site sent it", res.StatusCode)
	}

	if res, _ := f.ask(t, "POST", path, "", "Origin", "null"); res.StatusCode != http.StatusNotFound || f.came(t) != 0 {
		t.Fatal("nobody's site sent it", res.StatusCode)
	}

	links.SetErasing(bridge.Erasing{}) // it cannot be received
	if res, body := f.ask(t, "POST", path, ""); res.StatusCode != http.StatusServiceUnavailable || strings.Contains(body, "law") || !strings.Contains(body, "still good") {
		t.Error(res.StatusCode, body)
	}
	links.SetErasing(bridge.Erasing{Laws: DefaultConfig().Lawbook(), Law: DefaultLaw})
	res, body := f.ask(t, "POST", path, "")
	if res.StatusCode != http.StatusOK || f.came(t) != 1 || !strings.Contains(body, "was received") {
		t.Fatal(res.StatusCode, body)
	}
	used, usedBody := f.ask(t, "POST", path, "")
	unknown, unknownBody := f.ask(t, "POST", wrong, "")
	malformed, malformedBody := f.ask(t, "POST", "/erase/x", "")
	if used.StatusCode != http.StatusNotFound || unknown.StatusCode != used.StatusCode || malformed.StatusCode != used.StatusCode ||
		usedBody != unknownBody || usedBody != malformedBody || f.came(t) != 1 {
		t.Error("links that are not good can be told apart", used.StatusCode, unknown.StatusCode, malformed.StatusCode)
	}
	secret := strings.TrimPrefix(path, "/erase/")
	if strings.Contains(f.log.String(), secret) {
		t.Error("a log line has the secret")
	}
	again := newLink("ada@example.com")
	for range freeGuesses {
		res, body = f.ask(t, "POST", wrong, "")
	}
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" || !strings.Contains(body, "Please wait") {
		t.Error("guesses are not slowed", res.StatusCode)
	}
	if res, _ := f.ask(t, "POST", again, ""); res.StatusCode != http.StatusOK || f.came(t) != 2 {
		t.Error("a good link is slowed by others' guesses", res.StatusCode)
	}
}

// Guesses are for readers to answer: sources that wait to write lose no turn to them.
func TestGuessedLinksDoNotWrite(t *testing.T) {
	f, _, _ := withLinks(t)
	writing, over, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		ended <- f.store.Update(t.Context(), func(bridge.Tx) error {
			close(writing)
			<-over
			return nil
		})
	}()
	<-writing
	answered := make(chan int)
	go func() {
		res, _ := f.ask(t, "POST", "/erase/"+strings.Repeat("A", secretLen), "")
		answered <- res.StatusCode
	}()
	select {
	case status := <-answered:
		if status != http.StatusNotFound {
			t.Error(status)
		}
	case <-time.After(5 * time.Second):
		t.Error("a guess waits to write")
		defer func() { <-answered }()
	}
	close(over)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// The address of the page is a secret: no other site, cache or script gets at it.
func TestErasePageIsGuarded(t *testing.T) {
	f, _, newLink := withLinks(t)
	path := newLink("grace@example.com")
	for _, method := range []string{"GET", "POST"} {
		res, body := f.ask(t, method, path, "")
		for name, want := range map[string]string{"Referrer-Policy": "same-origin", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
			"X-Robots-Tag": "noindex, nofollow", "X-Content-Type-Options": "nosniff", "Content-Type": "text/html; charset=utf-8"} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s %s: %q", method, name, got)
			}
		}
		if len(res.Cookies()) != 0 {
			t.Error("a cookie")
		}
		style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(body)
		sum := sha256.Sum256([]byte(style[1]))
		if want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"; res.Header.Get("Content-Security-Policy") != want {
			t.Errorf("the page's style is not allowed, or more is: %s", res.Header.Get("Content-Security-Policy"))
		}
	}
	if res, _ := f.ask(t, "PUT", path, ""); res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusMethodNotAllowed {
		t.Error(res.StatusCode)
	}
}

func TestLinksAPI(t *testing.T) {
	f, links, _ := withLinks(t)
	admin := []string{"Authorization", "Bearer " + adminText}
	for body, want := range map[string]string{
		`{}`: "the body must be", `{"case":"x","person":"y"}`: "the body must be", `{"case":"x","law":"hammurabi"}`: "law: is one of",
		`{"case":"x","good_for":"1000h"}`: "good_for", `{"case":"x","good_for":"-1h"}`: "good_for",
	} {
		if res, answer := f.ask(t, "POST", "/v1/erasures/links", body, admin...); res.StatusCode != http.StatusBadRequest || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s", body, res.StatusCode, answer)
		}
	}
	if res, _ := f.ask(t, "POST", "/v1/erasures/links", `{"case":"x"}`, admin...); res.StatusCode != http.StatusNotFound {
		t.Error("a link for nobody", res.StatusCode)
	}
	if res, _ := f.ask(t, "POST", "/v1/erasures/links", `{"case":"x"}`, "Authorization", "Bearer "+hrText); res.StatusCode != http.StatusUnauthorized {
		t.Error("a source makes links", res.StatusCode)
	}
	unreachable := start(t, defaults(), nil, func(o *Options) { o.Linking = links })
	if res, body := unreachable.ask(t, "POST", "/v1/erasures/links", `{"case":"x"}`, admin...); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "public_url") {
		t.Error(res.StatusCode, body)
	}
}

// What is retained is asked for, looked up and destroyed by the administrator only;
// the answer to a look-up is one of two, and not everybody can be tried.
func TestRetainedAPI(t *testing.T) {
	settings := defaults()
	settings.Retained = map[string]RetainedConfig{"fraud": {Basis: "b", Document: "d", Longest: 48 * time.Hour}}
	f := start(t, settings, nil, func(o *Options) {
		o.Retaining = bridge.New(bridge.Options{Store: o.Store.(bridge.Store), Logger: zerolog.Nop()})
	})
	admin := []string{"Authorization", "Bearer " + adminText}
	kept := bridge.Retained{ID: "0199c1d2-0000-7000-8000-000000000000", Made: time.Now(), Retention: bridge.Retention{Purpose: "fraud",
		Basis: "b", Document: "d", Approver: "Cleo", Expires: time.Now().Add(time.Hour)}}
	if err := f.store.Update(t.Context(), func(tx bridge.Tx) error { return tx.PutRetained(kept, "ada@example.org") }); err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		`{"purpose":"fraud","identifier":"Ada@Example.org"}`: `{"known":true}`,
		`{"purpose":"fraud","identifier":"bob"}`:             `{"known":false}`,
	} {
		if res, got := f.ask(t, "POST", "/v1/retained/lookup", body, admin...); res.StatusCode != http.StatusOK || strings.TrimSpace(got) != want {
			t.Errorf("%s: %d %s", body, res.StatusCode, got)
		}
	}
	for _, body := range []string{`{"purpose":"debts","identifier":"a"}`, `{"purpose":"fraud"}`, `{"purpose":"fraud","identifier":"a","more":1}`} {
		if res, _ := f.ask(t, "POST", "/v1/retained/lookup", body, admin...); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", body, res.StatusCode)
		}
	}
	if res, body := f.ask(t, "GET", "/v1/retained", "", admin...); res.StatusCode != http.StatusOK || !strings.Contains(body, kept.ID) || strings.Contains(body, "ada") {
		t.Error(res.StatusCode, body)
	}
	for _, path := range []string{"/v1/retained", "/v1/retained/lookup"} {
		if res, _ := f.ask(t, "POST", path, `{"purpose":"fraud","identifier":"a"}`, "Authorization", "Bearer "+hrText); res.StatusCode != http.StatusUnauthorized {
			t.Error("a source at", path, res.StatusCode)
		}
	}
	if res, _ := f.ask(t, "DELETE", "/v1/retained/"+kept.ID, "", admin...); res.StatusCode != http.StatusNoContent {
		t.Error(res.StatusCode)
	}
	if res, body := f.ask(t, "POST", "/v1/retained/lookup", `{"purpose":"fraud","identifier":"ada@example.org"}`, admin...); strings.TrimSpace(body) != `{"known":false}` {
		t.Error("known although destroyed", res.StatusCode, body)
	}
	slowed := false
	for range 200 {
		res, _ := f.ask(t, "POST", "/v1/retained/lookup", `{"purpose":"fraud","identifier":"a"}`, admin...)
		slowed = slowed || res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Retry-After") != ""
	}
	if !slowed {
		t.Error("everybody can be tried")
	}
}
