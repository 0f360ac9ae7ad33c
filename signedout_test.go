package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge/connector/sandbox"
	"github.com/exeunt/exeunt/testdata/peers"
)

// Somebody who is signed in to three apps leaves: each session and token that is
// known of ends, what was tried is proven, and what only the app says is shown as that.
func TestSignedOut(t *testing.T) {
	const issuer = "https://exeunt.example.com"
	var home atomic.Value // where exeunt is, once it is there: apps fetch its keys
	keys := func() ([]byte, error) {
		status, body, err := call(http.MethodGet, home.Load().(string)+"/oidc/jwks", "", "")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("the keys are answered with %d", status)
		}
		return body, err
	}
	party := func(client string) *sandbox.Party {
		app, err := sandbox.StartParty(sandbox.Options{}, sandbox.Trust{Issuer: issuer, ClientID: client, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { app.Close() })
		return app
	}
	wiki, desk := party("wiki"), party("desk")
	mail, err := sandbox.StartIssuer(sandbox.Options{}, sandbox.Tokens{Client: "mail"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mail.Close() })
	limits := "\n    limits: {rate: 200, retry_min: 20ms, retry_max: 100ms, breaker_wait: 100ms, deadline: 1m}\n"
	p := newProduct(t, `public_url: `+issuer+`
sources: {hr: {token: file:hr-token}}
feeds: {idp: {token: file:feed-token, source: hr, apps: [wiki, desk, mail]}}
apps:
  wiki:
    connector: oidc
    with: {backchannel_logout_uri: "`+wiki.LogoutURL()+`", client_id: wiki, role: hub, complete: true, allow_networks: [127.0.0.1/32],
      probe: {url: "`+wiki.PageURL()+`", present: "cookie:session", refused: [302]}}`+limits+`
  desk:
    connector: oidc
    with: {backchannel_logout_uri: "`+desk.LogoutURL()+`", client_id: desk, role: hub, subject: userName, allow_networks: [127.0.0.1/32]}`+limits+`
  mail:
    connector: oauth
    with: {revocation_endpoint: "`+mail.RevokeURL()+`", introspection_endpoint: "`+mail.IntrospectURL()+`", client_id: mail,
      client_secret: file:mail-secret, allow_networks: [127.0.0.1/32]}`+limits, map[string]string{
		"feed-token": feedToken, "mail-secret": mail.Admin()})
	p.start()
	home.Store(p.url)
	if info, err := os.Stat(filepath.Join(p.dir, "data", "oidc.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key that was made: %v, %v", info, err)
	}
	if checked := p.run("app", "check"); strings.Count(checked, "revoke") != 3 {
		t.Errorf("apps are not in order:\n%s", checked)
	}

	// signIn begins a session in the wiki, and tells of it.
	signIn := func(name string) {
		t.Helper()
		cookie, sid := wiki.SignIn(name)
		p.tell(name, "wiki", map[string]any{"oidc": map[string]string{"sub": name, "sid": sid}, "credential": cookie})
	}
	leave := func(name string) {
		t.Helper()
		id := p.hire(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"` + name + `","active":true}`)
		for range 3 {
			signIn(name)
		}
		desk.SignIn(name)
		access, refresh := mail.Grant(name)
		p.tell(name, "mail", map[string]any{"oauth": map[string]string{"accessToken": access, "refreshToken": refresh}})
		p.deactivate(id)
	}
	check := func(name string) {
		t.Helper()
		for _, c := range p.settled(30 * time.Second) {
			got := map[string]string{}
			for _, a := range c.Actions {
				got[a.App] = string(a.State)
			}
			if want := map[string]string{"wiki": "verified", "mail": "verified", "desk": "unverified"}; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
		if wiki.SignedIn(name) != 0 || mail.Active(name) != 0 {
			t.Errorf("%s: %d sessions and %d tokens live on", name, wiki.SignedIn(name), mail.Active(name))
		}
		if desk.SignedIn(name) != 1 {
			t.Errorf("%s: the app that keeps sessions by sid ended one that nobody named", name)
		}
	}
	leave("ada@example.com")
	check("ada@example.com")

	// She was signed in once more, which is heard of late: that this session was let in is
	// seen before it is ended, and that the others were, is not forgotten.
	signIn("ada@example.com")
	check("ada@example.com")

	// It happened, but the answer was lost; and it failed.
	for _, kind := range []sandbox.Kind{sandbox.Lost, sandbox.Drop} {
		for _, app := range []*sandbox.App{wiki.App, mail.App} {
			app.Faults.Set(sandbox.Fault{Kind: kind, Method: sandbox.Writes, Path: "/[lr]*", Times: 2})
		}
		name := string(kind) + "@example.com"
		leave(name)
		check(name)
	}

	// Another key signs, while both are published: what is told while it changes is heard.
	before := p.keys().Keys[0]
	p.write("next.pem", peers.NewKey(t, "next").File())
	text, err := os.ReadFile(filepath.Join(p.dir, "exeunt.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.write("exeunt.yaml", string(text)+"oidc: {keys: [next.pem, data/oidc.pem]}\n")
	p.reload()
	if after := p.keys().Keys; len(after) != 2 || after[0].KeyID == before.KeyID || after[1].KeyID != before.KeyID {
		t.Fatalf("the keys are %+v", after)
	}
	leave("hedy@example.com")
	check("hedy@example.com")

	// Another name of ours, under which no app knows us, is not taken on while exeunt runs.
	text, err = os.ReadFile(filepath.Join(p.dir, "exeunt.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.write("exeunt.yaml", strings.Replace(string(text), "public_url: "+issuer, "public_url: https://other.example.com", 1))
	p.cmd.Process.Signal(syscall.SIGHUP)
	within(t, 10*time.Second, func() error {
		if !strings.Contains(p.said(), "know exeunt by public_url") {
			return errors.New("nothing is said of the other name")
		}
		return nil
	})
	leave("iris@example.com")
	check("iris@example.com")

	// Of whom no feed has told, there is no proof: silence has shown nothing.
	id := p.hire(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"nobody@example.com","active":true}`)
	if status, body, err := call(http.MethodDelete, p.url+"/scim/v2/Users/"+id, hrToken, ""); err != nil || status/100 != 2 {
		t.Fatalf("%d %s %v", status, body, err)
	}
	for _, c := range p.settled(30 * time.Second) {
		if c.Who.UserName != "nobody@example.com" {
			continue
		}
		if status, body, err := call(http.MethodPost, p.url+"/v1/log/checkpoint", adminToken, ""); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s %v", status, body, err)
		}
		p.run("case", "certificate", c.ID, "-o", "nobody.zip")
		if said := p.run("verify", "nobody.zip", "--key", "data/log.key.pub"); !strings.Contains(said, "closed, 2 of 3 applications not known to be open, 0 of them proven shut") {
			t.Errorf("a certificate of silence:\n%s", said)
		}
	}

	// What the log and its lines say of it names nobody, and holds no secret.
	said := p.said() + p.run("log", "tail", "-n", "1000")
	for _, secret := range []string{"@example.com", mail.Admin(), feedToken, "eyJ"} {
		if strings.Contains(said, secret) {
			t.Errorf("%q is said", secret)
		}
	}
}
