package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/exeunt/exeunt/server"
)

// product is exeunt as a process of its own, for stories that are too long for
// a script. Its configuration is exeunt.yaml in dir.
type product struct {
	t   *testing.T
	dir string
	url string // of the process that runs now
	cmd *exec.Cmd
	env []string // beside ours
}

// Tokens that the configurations of these stories use.
const (
	hrToken    = "hr-token-0123456789abcdef0123456789"
	adminToken = "admin-token-0123456789abcdef012345"
)

// newProduct writes a configuration with the given sources and apps, and the
// files it refers to, and starts nothing.
func newProduct(t *testing.T, config string, files map[string]string) *product {
	t.Helper()
	p := &product{t: t, dir: t.TempDir()}
	p.write("admin-token", adminToken)
	p.write("hr-token", hrToken)
	for name, text := range files {
		p.write(name, text)
	}
	p.write("exeunt.yaml", "listen: 127.0.0.1:0\ndata: data\nadmin_token: file:admin-token\n"+config)
	t.Cleanup(func() {
		if p.cmd != nil {
			p.kill()
		}
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(p.dir, "exeunt.log"))
			t.Logf("exeunt said last:\n%s", log[max(0, len(log)-8000):])
		}
	})
	return p
}

func (p *product) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *product) command(args ...string) *exec.Cmd {
	c := exec.Command("exeunt", args...)
	c.Dir, c.Env = p.dir, append(os.Environ(), p.env...)
	return c
}

// start returns when exeunt has said where it is.
func (p *product) start() {
	p.t.Helper()
	log, err := os.OpenFile(filepath.Join(p.dir, "exeunt.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	p.cmd = p.command("serve", "--config", "exeunt.yaml")
	p.cmd.Stderr = log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.cmd = nil
		p.t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if _, p.url, _ = strings.Cut(strings.TrimSpace(line), "exeunt is ready at "); p.url == "" {
		p.t.Fatalf("exeunt did not start: %q", line)
	}
}

// kill ends exeunt as a power cut would.
func (p *product) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
	p.cmd = nil
}

// stop ends exeunt gently.
func (p *product) stop() {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	err := p.cmd.Wait()
	p.cmd = nil
	if err != nil {
		p.t.Fatalf("exeunt ended with %v", err)
	}
}

// run runs another command of exeunt, with the same configuration.
func (p *product) run(args ...string) string {
	p.t.Helper()
	c := p.command(append(args, "--config", "exeunt.yaml")...)
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		p.t.Fatalf("exeunt %s: %v\n%s%s", strings.Join(args, " "), err, &out, &said)
	}
	return out.String()
}

// cases are all cases with their actions, read through the API.
func (p *product) cases() []server.Case {
	p.t.Helper()
	var list struct{ Cases []server.Case }
	p.get("/v1/cases?limit=1000", &list)
	for i, c := range list.Cases {
		p.get("/v1/cases/"+c.ID, &list.Cases[i])
	}
	return list.Cases
}

func (p *product) get(path string, answer any) {
	p.t.Helper()
	status, body, err := call(http.MethodGet, p.url+path, adminToken, "")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d: %s", status, body)
	}
	if err == nil {
		err = json.Unmarshal(body, answer)
	}
	if err != nil {
		p.t.Fatalf("GET %s: %v", path, err)
	}
}

// settled waits until no case is under way, and returns all.
func (p *product) settled(patience time.Duration) []server.Case {
	p.t.Helper()
	var list struct{ Cases []server.Case }
	within(p.t, patience, func() error {
		list.Cases = nil
		p.get("/v1/cases?state=open&state=running&limit=1000", &list)
		if n := len(list.Cases); n > 0 {
			var one server.Case
			p.get("/v1/cases/"+list.Cases[0].ID, &one)
			return fmt.Errorf("%d cases are under way, such as %+v", n, one)
		}
		return nil
	})
	return p.cases()
}

// within looks again and again until a condition holds.
func within(t *testing.T, patience time.Duration, condition func() error) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %v: %v", patience, err)
		}
		time.Sleep(30 * time.Millisecond) // between two looks
	}
}

// call makes one request; an error means that nobody answered. Header lines
// are "Name: value".
func call(method, url, token, body string, headers ...string) (status int, answer []byte, err error) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/scim+json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := (&http.Client{Timeout: 30 * time.Second}).Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// hire creates somebody by SCIM and returns their id.
func (p *product) hire(resource string) string {
	p.t.Helper()
	status, body, err := call(http.MethodPost, p.url+"/scim/v2/Users", hrToken, resource)
	var created struct{ ID string }
	if err != nil || status != http.StatusCreated || json.Unmarshal(body, &created) != nil || created.ID == "" {
		p.t.Fatalf("a person could not be created: %d %s %v", status, body, err)
	}
	return created.ID
}

// deactivate has somebody leave, by one SCIM PATCH.
func (p *product) deactivate(id string) {
	p.t.Helper()
	status, body, err := call(http.MethodPatch, p.url+"/scim/v2/Users/"+id, hrToken,
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"active","value":false}]}`)
	if err != nil || status/100 != 2 {
		p.t.Fatalf("somebody cannot leave: %d %s %v", status, body, err)
	}
}
