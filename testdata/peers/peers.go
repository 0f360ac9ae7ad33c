// Package peers starts software that others wrote, and that people really sign in
// at, as child processes of a test: what exeunt says is held against it. Only tests
// import it. ./test installs what it needs; without that, tests skip themselves.
//
//	peers.go       folders, ports, child processes
//	key.go         a key with its certificate
//	apache.go      Apache, with one module
//	sp.go          SP: what is the same of every SAML service provider
//	shibboleth.go  Shibboleth SP, the strict one
//	mellon.go      mod_auth_mellon, which ends one session for each request
//	idp.go         IdP: the organisation's identity provider, which signs people in
//	lasso.go       Lasso: the same identity provider when it logs people out
//	xmlsec.go      Xmlsec: a second opinion on signatures
//	browser.go     Browser: Chromium
//
//	node.go          scripts that run software from npm
//	op.go            OP: the organisation's OpenID provider, the same as IdP
//	openidc.go       RelyingParty: an app that trusts one OP; mod_auth_openidc
//	express.go       express-openid-connect, another relying party
//	oidcprovider.go  AuthorizationServer: oidc-provider, which takes tokens back
//	jose.go          Verify: a second opinion on tokens
//
// Their configuration is in testdata/thirdparty.
package peers

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"text/template"
	"time"
)

// patience is how long a peer may take to start, or to end.
const patience = 60 * time.Second

// Need is the value of a variable that ./test sets when it has installed peers.
// Without it a test skips itself, but with CI=true it fails.
func Need(t testing.TB, variable string) (value string) {
	t.Helper()
	value = os.Getenv(variable)
	switch {
	case value != "":
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is not set", variable)
	default:
		t.Skipf("%s is not set: no software of others is asked; ./test installs it", variable)
	}
	return value
}

// folder makes a folder that a server can reach that has given up being root.
// Its name is short, as names of Unix sockets must be.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "peer-")
	if err == nil {
		err = errors.Join(os.Chmod(dir, 0o755), os.Mkdir(filepath.Join(dir, "run"), 0o700), os.Mkdir(filepath.Join(dir, "pages"), 0o755))
	}
	if err == nil && os.Getuid() == 0 {
		err = give(filepath.Join(dir, "run"), "www-data")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func give(name, to string) error {
	u, err := user.Lookup(to)
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return os.Chown(name, uid, gid)
}

// fill writes a template of testdata/thirdparty with its values.
func fill(t testing.TB, from, to string, values any) {
	t.Helper()
	text, err := template.ParseFiles(thirdparty(from))
	var out bytes.Buffer
	if err == nil {
		err = text.Option("missingkey=error").Execute(&out, values)
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, out.Bytes())
}

func write(t testing.TB, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// thirdparty is a file in testdata/thirdparty, whichever package asks.
func thirdparty(name string) string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "..", "thirdparty", filepath.FromSlash(name))
}

// freePort is a port that nobody has now. Somebody else may be quicker to take
// it: whoever starts a server on it tries again.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// child is a process that ends with the test.
type child struct {
	said  bytes.Buffer // complete once it has ended
	ended chan struct{}
}

// endsWithUs is a shell that runs a program until somebody closes its standard
// input, which the system does if the test dies.
const endsWithUs = `exec 3<&0; "$@" </dev/null 3<&- & program=$!; { cat <&3; kill $program; } >/dev/null 2>&1 & wait $program`

// start starts a program, and ends it with the test. What it said last is told
// if the test fails.
func start(t testing.TB, dir string, name string, args ...string) *child {
	t.Helper()
	p := &child{ended: make(chan struct{})}
	c := exec.Command("/bin/sh", append([]string{"-c", endsWithUs, "sh", name}, args...)...)
	c.Dir, c.Stdout, c.Stderr = dir, &p.said, &p.said
	alive, err := c.StdinPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		c.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		alive.Close()
		select {
		case <-p.ended:
		case <-time.After(patience):
			t.Fatalf("%s does not end", name)
		}
		if t.Failed() {
			t.Logf("%s said last:\n%s", name, last(p.said.Bytes()))
		}
	})
	return p
}

// ready looks again and again whether the program does its work; false if it
// has ended before, as one does whose port was taken.
func (p *child) ready(t testing.TB, looks func() bool) bool {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		select {
		case <-p.ended:
			return false
		case <-time.After(20 * time.Millisecond): // between two looks
		}
		if looks() {
			return true
		}
		if time.Now().After(end) {
			t.Fatal("a peer does not answer")
		}
	}
}

func last(text []byte) []byte { return text[max(0, len(text)-4000):] }
