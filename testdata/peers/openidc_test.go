package peers

import (
	"net/http"
	"testing"
)

// TestModAuthOpenIDC: what it makes of logout tokens. It keeps its sessions by sid
// if the ID token had one: a token with sub alone it then answers with 200, and
// the session lives.
func TestModAuthOpenIDC(t *testing.T) {
	op := NewOP(t)
	rp := ModAuthOpenIDC(t, op)
	wrong := NewOP(t)
	for _, c := range []struct {
		name     string
		sid      string // in the ID token
		token    func(sub, sid string) string
		status   int
		survives bool
	}{
		{"sub and sid", "one", func(sub, sid string) string { return op.LogoutToken(t, rp.ClientID, sub, sid) }, http.StatusOK, false},
		{"sid", "two", func(_, sid string) string { return op.LogoutToken(t, rp.ClientID, "", sid) }, http.StatusOK, false},
		{"sub", "three", func(sub, _ string) string { return op.LogoutToken(t, rp.ClientID, sub, "") }, http.StatusOK, true},
		{"sub, and none had a sid", "", func(sub, _ string) string { return op.LogoutToken(t, rp.ClientID, sub, "") }, http.StatusOK, false},
		{"another's sid", "four", func(sub, _ string) string { return op.LogoutToken(t, rp.ClientID, sub, "five") }, http.StatusOK, true},
		{"for another client", "six", func(sub, sid string) string { return op.LogoutToken(t, "other", sub, sid) }, http.StatusBadRequest, true},
		{"of another provider", "seven", func(sub, sid string) string { return wrong.LogoutToken(t, rp.ClientID, sub, sid) }, http.StatusBadRequest, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			sub := "ada-" + c.sid
			cookie := rp.SignIn(t, sub, c.sid)
			if status := rp.Page(t, cookie); status != http.StatusOK {
				t.Fatalf("before: %d", status)
			}
			if status := rp.LogOut(t, c.token(sub, c.sid)); status != c.status {
				t.Errorf("the token is answered with %d, want %d", status, c.status)
			}
			want := http.StatusFound
			if c.survives {
				want = http.StatusOK
			}
			if status := rp.Page(t, cookie); status != want {
				t.Errorf("after: %d, want %d", status, want)
			}
		})
	}
}
