package peers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Browser is Chromium with an empty profile, driven by chromedriver (W3C WebDriver).
type Browser struct {
	session string // its URL at the driver
	t       testing.TB
}

// NewBrowser starts one.
func NewBrowser(t testing.TB) *Browser {
	t.Helper()
	Need(t, "EXEUNT_TEST_SAML")
	dir := folder(t)
	for range 5 {
		driver := fmt.Sprintf("http://127.0.0.1:%d", freePort(t))
		p := start(t, dir, "/usr/bin/chromedriver", "--port="+driver[strings.LastIndexByte(driver, ':')+1:])
		if !p.ready(t, func() bool { return strings.Contains(fetch(driver+"/status"), `"ready":true`) }) {
			continue
		}
		b := &Browser{session: driver, t: t}
		var made struct{ SessionID string }
		b.call(http.MethodPost, "/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
			"browserName": "chrome",
			"goog:chromeOptions": map[string]any{"binary": "/usr/bin/chromium", "args": []string{"--headless", "--no-sandbox", "--disable-gpu",
				"--disable-quic", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update",
				"--disable-sync", "--no-proxy-server", "--user-data-dir=" + dir + "/profile"}},
		}}}, &made)
		b.session += "/session/" + made.SessionID
		t.Cleanup(func() { b.call(http.MethodDelete, "", nil, nil) }) // it ends before the driver
		return b
	}
	t.Fatal("chromedriver does not start")
	panic("unreachable")
}

// Open goes to a URL, follows wherever it is led, by redirects and by forms that
// submit themselves, and returns once it has arrived at a URL that begins with end.
func (b *Browser) Open(url, end string) {
	b.t.Helper()
	b.call(http.MethodPost, "/url", map[string]string{"url": url}, nil)
	var at string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) { // between two looks
		b.call(http.MethodGet, "/url", nil, &at)
		if strings.HasPrefix(at, end) {
			return
		}
	}
	var source string
	b.call(http.MethodGet, "/source", nil, &source)
	b.t.Fatalf("the browser is at %s, not at %s:\n%s", at, end, last([]byte(source)))
}

// Title is the title of the page that it shows.
func (b *Browser) Title() (title string) {
	b.t.Helper()
	b.call(http.MethodGet, "/title", nil, &title)
	return title
}

// Cookies are those of the page that it shows.
func (b *Browser) Cookies() (cookies []*http.Cookie) {
	b.t.Helper()
	var list []struct{ Name, Value string }
	b.call(http.MethodGet, "/cookie", nil, &list)
	for _, c := range list {
		cookies = append(cookies, &http.Cookie{Name: c.Name, Value: c.Value})
	}
	return cookies
}

func (b *Browser) call(method, path string, body, answer any) {
	b.t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			b.t.Fatal(err)
		}
	}
	r, err := http.NewRequest(method, b.session+path, bytes.NewReader(text))
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := (&http.Client{Timeout: patience}).Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct{ Value json.RawMessage }
	err = json.NewDecoder(resp.Body).Decode(&got)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s", resp.Status, got.Value)
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(got.Value, answer)
	}
	if err != nil {
		b.t.Fatalf("chromedriver: %s %s: %v", method, path, err)
	}
}
