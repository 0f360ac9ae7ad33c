package peers

import (
	"net/http"
	"testing"
)

// TestExpressRP: it keeps a list of what was logged out, by sid and by sub.
func TestExpressRP(t *testing.T) {
	op := NewOP(t)
	rp := ExpressRP(t, op)
	for _, c := range []struct {
		name     string
		client   string
		sub, sid bool // in the token
		status   int
		after    int
	}{
		{"sub and sid", rp.ClientID, true, true, http.StatusNoContent, http.StatusFound},
		{"sid", rp.ClientID, false, true, http.StatusNoContent, http.StatusFound},
		{"sub", rp.ClientID, true, false, http.StatusNoContent, http.StatusFound},
		{"for another client", "other", true, true, http.StatusBadRequest, http.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			person, session := "ada "+c.name, "session "+c.name
			cookie := rp.SignIn(t, person, session)
			if status := rp.Page(t, cookie); status != http.StatusOK {
				t.Fatalf("before: %d", status)
			}
			sub, sid := "", ""
			if c.sub {
				sub = person
			}
			if c.sid {
				sid = session
			}
			if status := rp.LogOut(t, op.LogoutToken(t, c.client, sub, sid)); status != c.status {
				t.Errorf("the token is answered with %d, want %d", status, c.status)
			}
			if status := rp.Page(t, cookie); status != c.after {
				t.Errorf("after: %d, want %d", status, c.after)
			}
		})
	}
}

// TestExpressRPForgets: its list forgets a sub when that person signs in again, and
// the old cookie lives again; a sid it does not forget.
func TestExpressRPForgets(t *testing.T) {
	op := NewOP(t)
	rp := ExpressRP(t, op)
	for _, c := range []struct {
		name, sid string
		after     int
	}{
		{"sub", "", http.StatusOK},
		{"sub and sid", "first", http.StatusFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			cookie := rp.SignIn(t, "ada", "first")
			rp.LogOut(t, op.LogoutToken(t, rp.ClientID, "ada", c.sid))
			if status := rp.Page(t, cookie); status != http.StatusFound {
				t.Fatalf("after the logout: %d", status)
			}
			rp.SignIn(t, "ada", "second")
			if status := rp.Page(t, cookie); status != c.after {
				t.Errorf("after the next sign-in: %d, want %d", status, c.after)
			}
		})
	}
}

// TestNewKey: a key that signs as soon as it is published is refused by
// express-openid-connect, which looks for new ones every half a minute at most;
// mod_auth_openidc looks at once. So keys are published before they sign.
func TestNewKey(t *testing.T) {
	op := NewOP(t)
	for _, c := range []struct {
		rp     *RelyingParty
		status int
	}{
		{ModAuthOpenIDC(t, op), http.StatusOK},
		{ExpressRP(t, op), http.StatusBadRequest},
	} {
		c.rp.LogOut(t, op.LogoutToken(t, c.rp.ClientID, "ada", "one")) // now it has fetched the keys
		successor := NewOP(t).key
		successor.KeyID = "successor of " + c.rp.ClientID
		op.Publish(successor.Public())
		former := op.key
		op.key = successor
		token := op.LogoutToken(t, c.rp.ClientID, "ada", "two")
		op.key = former
		if status := c.rp.LogOut(t, token); status != c.status {
			t.Errorf("%s answers %d, want %d", c.rp.ClientID, status, c.status)
		}
	}
}
