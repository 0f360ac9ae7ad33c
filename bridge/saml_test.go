package bridge_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector"
	"github.com/exeunt/exeunt/bridge/connector/saml"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
	"github.com/exeunt/exeunt/store"
)

// papers are the key file of exeunt in all tests, and the app's key: they take long
// to make.
var papers = sync.OnceValues(func() ([]byte, *rsa.PrivateKey) {
	dir, err := os.MkdirTemp("", "saml")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "key")
	if err := saml.NewAuthority(saml.Options{KeyFile: file, Now: time.Now}).Load(true); err != nil {
		panic(err)
	}
	ours, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	theirs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return ours, theirs
})

// federated adds an app to the world that people are signed in to by SAML, "crm",
// which trusts exeunt. Its page is the probe.
func (w *world) federated(f sandbox.Federation) *sandbox.Provider {
	w.Helper()
	dir := w.TempDir()
	ours, theirs := papers()
	us := saml.NewAuthority(saml.Options{BaseURL: "https://us.example", KeyFile: filepath.Join(dir, "saml.key"), Now: time.Now})
	err := os.WriteFile(filepath.Join(dir, "saml.key"), ours, 0o600)
	if err == nil {
		err = us.Load(false)
	}
	if err != nil {
		w.Fatal(err)
	}
	f.Key, f.Issuer, f.Certificates = theirs, us.EntityID(), []*x509.Certificate{us.Pairs()[0].Certificate}
	app, err := sandbox.StartProvider(sandbox.Options{}, f)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { app.Close() })
	file := filepath.Join(dir, "crm.xml")
	if err := os.WriteFile(file, app.Metadata(), 0o600); err != nil {
		w.Fatal(err)
	}
	config := connector.Config("saml")
	if err := yaml.Unmarshal([]byte("role: hub\nmetadata: "+file+"\nallow_networks: [127.0.0.1/32]\n"+
		"probe: {url: '"+app.PageURL()+"', present: 'cookie:session'}\n"), config); err != nil {
		w.Fatal(err)
	}
	conn, err := connector.Open("saml", config, "crm", connector.Self{SAML: us})
	if err == nil {
		err = us.Load(false)
	}
	if err == nil {
		err = w.store.SetQueues(w.Context(), []store.Queue{{App: "crm", Concurrency: 2}})
	}
	if err != nil {
		w.Fatal(err)
	}
	w.bridge.SetApps([]bridge.App{{Name: "crm", Protocol: "saml", Connector: conn, Limits: limits, Policy: bridge.Policy{
		bridge.Deactivated: {bridge.Revoke}, bridge.LoggedOut: {bridge.Revoke}}}})
	return app
}

// session begins a session of the first person in the app; with told, a feed says so.
func (w *world) session(app *sandbox.Provider, g sandbox.Guest, told bool) {
	w.Helper()
	cookie, index := app.SignIn(g)
	if !told {
		return
	}
	if why := w.tell(feed(), bridge.Told{Whose: bridge.Normalise(bridge.ByID, w.ids[0]), Session: bridge.Session{App: "crm", Index: index,
		Name:       bridge.NameID{Value: g.Value, Format: g.Format, NameQualifier: g.NameQualifier, SPNameQualifier: g.SPNameQualifier},
		Credential: bridge.Secret(cookie), Expires: time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)}}); why[0] != "" {
		w.Fatal(why)
	}
}

// left has the first person leave, and returns the action when it has ended.
func (w *world) left() bridge.Action {
	w.Helper()
	w.active(w.ids[0], false)
	w.until("the action has ended", func() bool {
		_, actions := w.cases(w.ids[0])
		return len(actions) == 1 && len(actions[0]) == 1 && actions[0][0].State.Settled()
	})
	_, actions := w.cases(w.ids[0])
	return actions[0][0]
}

// Whoever leaves has no session left in a SAML app, and that is proven, whether all
// goes well, the app is away at first, or its answer is lost.
func TestSAMLSessionsEnd(t *testing.T) {
	guest := sandbox.Guest{Value: "5f0c", Format: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", SPNameQualifier: "crm"}
	for name, test := range map[string]struct {
		fault sandbox.Kind
		word  string
	}{
		"all goes well": {"", bridge.Confirmed}, "it failed": {sandbox.Drop, bridge.Confirmed},
		"the answer was lost": {sandbox.Lost, bridge.Confirmed}, // of three sessions, one at a time
		"it lies":             {sandbox.Lie, bridge.Confirmed},
	} {
		t.Run(name, func(t *testing.T) {
			newWorld(t, store.Options{Dir: t.TempDir()}, 1, func(w *world) {
				app := w.federated(sandbox.Federation{OneByOne: true})
				for range 3 {
					w.session(app, guest, true)
				}
				if test.fault == sandbox.Lie { // the first two attempts, whole
					app.Faults.Set(sandbox.Fault{Kind: test.fault, Path: "/slo", For: sandbox.Duration(time.Second)})
				} else if test.fault != "" {
					app.Faults.Set(sandbox.Fault{Kind: test.fault, Path: "/slo", Times: 1})
				}
				a := w.left()
				if a.State != bridge.ActionVerified || a.Done.Word != test.word || app.SignedIn(sandbox.Guest{}) != 0 {
					w.Errorf("%s, %+v, %+v; %d signed in", a.State, a.Done, a.Checked, app.SignedIn(sandbox.Guest{}))
				}
			})
		})
	}
}

// What is not known is not said to be done.
func TestSAMLSessionsThatNobodyKnows(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		app := w.federated(sandbox.Federation{})
		w.session(app, sandbox.Guest{Value: "random"}, false)
		a := w.left()
		if a.State != bridge.ActionImpossible || !strings.Contains(a.Problem, "nothing is known") || app.SignedIn(sandbox.Guest{}) != 1 {
			w.Errorf("%s, %q", a.State, a.Problem)
		}
	})
}

// Signing out everywhere ends sessions in a SAML app too, and nobody leaves.
func TestSAMLLogOut(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		app := w.federated(sandbox.Federation{})
		w.session(app, sandbox.Guest{Value: "5f0c"}, true)
		c, actions := w.await(w.logOut(w.ids[0], "idp").ID, long)
		if c.State != bridge.CaseClosed || len(actions) != 1 || actions[0].State != bridge.ActionVerified || app.SignedIn(sandbox.Guest{}) != 0 {
			t.Errorf("%+v %+v", c, actions)
		}
		// Then they leave, signed in once more. What was proven dead is so still.
		w.session(app, sandbox.Guest{Value: "5f0c"}, true)
		w.active(w.ids[0], false)
		var left bridge.Action
		w.until("the action has ended", func() bool {
			cases, actions := w.cases(w.ids[0])
			for i, c := range cases {
				if c.Trigger == bridge.Deactivated && len(actions[i]) == 1 {
					left = actions[i][0]
				}
			}
			return left.ID != "" && left.State.Settled()
		})
		if left.State != bridge.ActionVerified || !strings.Contains(left.Checked.Summary, "all old credentials (2) are refused") {
			t.Errorf("%s, %s, %+v", left.State, left.Problem, left.Checked)
		}
	})
}
