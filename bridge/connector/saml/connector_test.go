package saml

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/connectortest"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
	"github.com/exeunt/exeunt/bridge/connector/internal/probe"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
)

// fresh are keys whose certificates are valid now, as PEM files: ours, and
// somebody else's. A real service provider looks at that.
var fresh = sync.OnceValue(func() (texts [2][]byte) {
	for i := range texts {
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		texts[i] = pemOf(signedFor(private, time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)))
	}
	return texts
})

// theirs is the key of all sandbox apps.
var theirs = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

const hub = "https://us.example/saml/metadata"

// stage is an authority with its files, and one app.
type stage struct {
	*sandbox.Provider
	authority *Authority
	dir       string
	config    Config
}

func write0600(t testing.TB, path string, text []byte) string {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newAuthority signs with our fresh key.
func newAuthority(t testing.TB) (*Authority, string) {
	t.Helper()
	dir := t.TempDir()
	a := NewAuthority(Options{BaseURL: "https://us.example/", Dir: filepath.Join(dir, "copies"), Now: time.Now,
		Keys: []string{write0600(t, filepath.Join(dir, "key.pem"), fresh()[0])}})
	if err := a.Load(false); err != nil {
		t.Fatal(err)
	}
	return a, dir
}

func newStage(t testing.TB, f sandbox.Federation) *stage {
	t.Helper()
	s := &stage{}
	s.authority, s.dir = newAuthority(t)
	f.Issuer, f.Key = hub, theirs()
	f.Certificates = []*x509.Certificate{s.authority.Pairs()[0].Certificate}
	var err error
	if s.Provider, err = sandbox.StartProvider(sandbox.Options{}, f); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.config = Config{Role: "hub", Complete: true, Probe: &probe.Config{URL: s.PageURL(), Present: "cookie:session"},
		Origin: Origin{Metadata: write0600(t, filepath.Join(s.dir, "app.xml"), s.Metadata()),
			Egress: call.Egress{AllowNetworks: []string{"127.0.0.0/8"}}}}
	return s
}

// open opens the app's connector, with an authority of its own.
func (s *stage) open(t testing.TB, c Config) bridge.Connector {
	t.Helper()
	c.Speak(NewAuthority(s.authority.options), "wiki")
	d, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.authority.Load(false); err != nil {
		t.Fatal(err)
	}
	return d
}

var ada = sandbox.Guest{Value: "5f0c-ada", Format: longFormat("persistent"), NameQualifier: hub, SPNameQualifier: "wiki"}

// signIn gives somebody n sessions, and returns who they are as a source knows them,
// with their sessions as a feed told of them.
func (s *stage) signIn(n int, g sandbox.Guest) bridge.Identifiers {
	who := bridge.Identifiers{Person: "person-0001", UserName: "ada.lovelace", ExternalID: "ext-1842",
		DisplayName: "Ada Lovelace", Emails: []string{"ada.lovelace@corp.example"}}
	for i := range n {
		cookie, index := s.SignIn(g)
		who.Sessions = append(who.Sessions, bridge.Session{ID: fmt.Sprint(i), Credential: bridge.Secret(cookie), Index: index,
			Name: bridge.NameID{Value: g.Value, Format: g.Format, NameQualifier: g.NameQualifier, SPNameQualifier: g.SPNameQualifier}})
	}
	return who
}

func TestConnector(t *testing.T) {
	for name, f := range map[string]sandbox.Federation{"all at once": {}, "one by one": {OneByOne: true}} {
		t.Run(name, func(t *testing.T) {
			connectortest.Run(t, func(t *testing.T) connectortest.Target {
				s := newStage(t, f)
				known := s.signIn(3, ada)
				other := s.config
				other.Key = write0600(t, filepath.Join(s.dir, "other.pem"), fresh()[1])
				target := connectortest.Target{Connector: s.open(t, s.config), Refused: s.open(t, other), App: s.App,
					Known: known, Tries: true,
					Done:    func(bridge.Effect) bool { return s.SignedIn(ada) == 0 },
					Remove:  func() { s.SignOut(ada) },
					Secrets: []string{ada.Value},
				}
				for _, session := range known.Sessions {
					target.Secrets = append(target.Secrets, string(session.Credential))
				}
				return target
			})
		})
	}
}

// pemOf is a pair as the text of a file.
func pemOf(p Pair) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(p.Private)
	if err != nil {
		panic(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate.Raw})...)
}

func weakPair(t testing.TB) Pair {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return certified(private)
}
