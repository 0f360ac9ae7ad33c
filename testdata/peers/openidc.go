package peers

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"testing"
)

// RelyingParty is an app at which people sign in by OpenID Connect: a real one, that
// keeps its own sessions.
type RelyingParty struct {
	ClientID    string
	PageURL     string // its protected page
	BackChannel string // where it takes logout tokens
	Cookie      string // the name of its session's cookie

	op *OP
}

// ModAuthOpenIDC starts Apache with mod_auth_openidc. It keeps its sessions on the
// server, by sid if the ID token had one: then it answers a logout token with sub
// alone with 200, and ends nothing.
func ModAuthOpenIDC(t testing.TB, op *OP) *RelyingParty {
	t.Helper()
	Need(t, "EXEUNT_TEST_OIDC")
	const client = "mod_auth_openidc"
	dir := folder(t)
	s := apache(t, dir, func(s site) {
		fill(t, "openidc/module.conf", filepath.Join(dir, "module.conf"), struct {
			site
			Issuer, CA, ClientID, ClientSecret string
		}{s, op.URL, op.CA, client, ClientSecret})
	})
	return &RelyingParty{
		ClientID: client, PageURL: s.URL + "/secure/page", BackChannel: s.URL + "/secure/redirect_uri?logout=backchannel",
		Cookie: "mod_auth_openidc_session", op: op,
	}
}

// SignIn walks through the OP with a new browser, until the protected page shows, and
// returns the value of the session's cookie. Without a sid the ID token has none.
func (rp *RelyingParty) SignIn(t testing.TB, sub, sid string) (cookie string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	authorize, _ := url.Parse(rp.op.URL + "/authorize")
	jar.SetCookies(authorize, []*http.Cookie{{Name: signedInAs, Value: sub + "/" + sid, Path: "/authorize"}})
	browser := &http.Client{Jar: jar, Transport: rp.op.client.Transport}
	if status := look(t, browser, rp.PageURL, ""); status != http.StatusOK {
		t.Fatalf("%s: signing in ends with %d", rp.ClientID, status)
	}
	page, _ := url.Parse(rp.PageURL)
	for _, c := range jar.Cookies(page) {
		if c.Name == rp.Cookie {
			return c.Value
		}
	}
	t.Fatalf("%s: signed in, and no cookie %s", rp.ClientID, rp.Cookie)
	return ""
}

// Page is the status of the protected page for whoever shows this cookie: 200 for a
// session that lives, and otherwise the way to the OP, 302.
func (rp *RelyingParty) Page(t testing.TB, cookie string) (status int) {
	t.Helper()
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return look(t, stay, rp.PageURL, rp.Cookie+"="+cookie)
}

// LogOut brings a logout token to the relying party, as an OP would.
func (rp *RelyingParty) LogOut(t testing.TB, token string) (status int) {
	t.Helper()
	resp, err := http.PostForm(rp.BackChannel, url.Values{"logout_token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// look opens a page as a browser does: mod_auth_openidc sends nobody else to the OP.
func look(t testing.TB, browser *http.Client, page, cookie string) (status int) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, page, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	resp, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
