package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/saml"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
)

// guests are the apps that people are signed in to from elsewhere: to travel by SAML,
// to chat and forum by OpenID Connect. The forum takes logouts, and has no page on
// which an old session could be tried: nothing of it can be proven.
type guests struct {
	travel      *sandbox.Provider
	chat, forum *sandbox.Party
	feed        string // the token of whoever signs people in, to tell of their sessions
}

// Who exeunt is to those apps, and in whose name it speaks to them.
const (
	demoURL = "https://exeunt.example.com"
	demoIdP = "https://idp.example.com"
)

// openGuests starts those apps, and makes the key that they know exeunt by in SAML.
// exeunt's other keys are fetched from it, when it runs.
func (s *stage) openGuests() error {
	ours := saml.NewAuthority(saml.Options{KeyFile: filepath.Join(s.dirName, "saml.pem"), Now: time.Now})
	if err := ours.Load(true); err != nil {
		return err
	}
	party := func(client string, bySubject bool) (*sandbox.Party, error) {
		keys := func() (set []byte, err error) {
			err = s.admin.call(context.Background(), http.MethodGet, "/oidc/jwks", nil, &set)
			return set, err
		}
		return sandbox.StartParty(sandbox.Options{}, sandbox.Trust{Issuer: demoIdP, ClientID: client, Keys: keys, BySubject: bySubject})
	}
	var err [3]error
	s.travel, err[0] = sandbox.StartProvider(sandbox.Options{}, sandbox.Federation{Issuer: demoIdP,
		Certificates: []*x509.Certificate{ours.Pairs()[0].Certificate}})
	s.chat, err[1] = party("chat", false)
	s.forum, err[2] = party("forum", true)
	return errors.Join(err[:]...)
}

// guestApps is what the configuration says of them.
func (s *stage) guestApps() string {
	return fmt.Sprintf(`  travel:
    title: Travel, signed in to by SAML
    connector: saml
    with:
      metadata: %[1]s/travel.xml
      role: delegate
      issuer: %[2]s
      probe: {url: %[3]s, present: "cookie:session"}
      allow_networks: [127.0.0.1/32]
    policy: {erase: []}     # nothing is kept there but sessions
  chat:
    title: Chat, signed in to by OpenID Connect
    connector: oidc
    with:
      backchannel_logout_uri: %[4]s
      client_id: chat
      role: delegate
      issuer: %[2]s
      probe: {url: %[5]s, present: "cookie:session"}
      allow_networks: [127.0.0.1/32]
    policy: {erase: []}     # nothing is kept there but sessions
  forum:
    title: Forum, which proves nothing
    connector: oidc
    with:
      backchannel_logout_uri: %[6]s
      client_id: forum
      role: delegate
      issuer: %[2]s
      subject: userName
      allow_networks: [127.0.0.1/32]
    policy: {erase: []}     # nothing is kept there but sessions
`, s.dirName, demoIdP, s.travel.PageURL(), s.chat.LogoutURL(), s.chat.PageURL(), s.forum.LogoutURL())
}

// enter signs everybody in to those apps, tells exeunt of the leaver's sessions where
// it has to be told, and returns them.
func (d *demo) enter(ctx context.Context) ([]*oldDoor, error) {
	var told []map[string]any
	var doors []*oldDoor
	for _, u := range cast {
		name := guest(u)
		travel, index := d.travel.SignIn(name)
		chat, sid := d.chat.SignIn(u.UserName)
		forum, _ := d.forum.SignIn(u.UserName)
		if u.UserName != leaver.UserName {
			continue
		}
		person := map[string]string{"userName": u.UserName}
		told = []map[string]any{
			{"app": "travel", "person": person, "credential": travel,
				"saml": map[string]string{"nameId": name.Value, "format": name.Format, "sessionIndex": index}},
			{"app": "chat", "person": person, "credential": chat, "oidc": map[string]string{"sub": u.UserName, "sid": sid}},
		}
		doors = []*oldDoor{page("travel", d.travel.PageURL(), travel), page("chat", d.chat.PageURL(), chat), page("forum", d.forum.PageURL(), forum)}
	}
	feed := *d.admin
	feed.token = bridge.Secret(d.feed)
	return doors, feed.call(ctx, http.MethodPost, "/v1/sessions", map[string]any{"sessions": told}, nil)
}

// guest is what travel calls somebody.
func guest(u sandbox.User) sandbox.Guest {
	return sandbox.Guest{Value: u.UserName, Format: "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"}
}

// page is a session of an app, and what shows whether it lives.
func page(app, url, session string) *oldDoor {
	return &oldDoor{what: app + " session", url: url, cookie: &http.Cookie{Name: "session", Value: session}}
}

// stayed reports whether somebody is still signed in to those apps.
func (s *stage) stayed(u sandbox.User) bool {
	return s.travel.SignedIn(guest(u)) == 1 && s.chat.SignedIn(u.UserName) == 1 && s.forum.SignedIn(u.UserName) == 1
}
