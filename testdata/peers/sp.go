package peers

import (
	"net/http"
	"testing"
)

// SP is a running service provider that trusts one [IdP].
type SP struct {
	EntityID string
	URL      string // without a slash at the end
	Metadata []byte
	Cookie   string // the name of its session's cookie
	t        testing.TB
}

// PageURL is a page that only those see who are signed in.
func (sp *SP) PageURL() string { return sp.URL + "/secure/page" }

// Page is the status of the protected page with the cookie of a session: 200
// while the session lives, a redirect to the identity provider once it is dead.
func (sp *SP) Page(session *http.Cookie) int {
	r, err := http.NewRequest(http.MethodGet, sp.PageURL(), nil)
	if err != nil {
		sp.t.Error(err)
		return 0
	}
	r.Header.Set("Accept", "text/html")
	if session != nil {
		r.AddCookie(session)
	}
	resp, err := http.DefaultTransport.RoundTrip(r) // follows no redirect
	if err != nil {
		sp.t.Error(err)
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}
