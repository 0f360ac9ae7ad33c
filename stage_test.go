package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/exeunt/exeunt/bridge/connector/sandbox"
)

// storyCommands are what stories may say beside testscript's own words:
//
//	stage                     starts three sandbox apps and exeunt, see testdata/stage
//	end, start, restart       ends exeunt gently; starts it again; kills it (-9) and starts it again
//	serve FILE [flags]        starts exeunt without a configuration; FILE gets what it prints
//	watch FILE [flags]        starts exeunt witness; FILE gets a policy that asks for it
//	reload                    sends it SIGHUP; with "!" the new configuration must be refused
//	grab VAR PATTERN          sets VAR to the pattern's group in the last output
//	replace FILE OLD NEW      edits a file; \n in NEW is a new line
//	fault URL ADMIN JSON      has a sandbox app fail
//	clear URL ADMIN           ends that
//	waited URL ADMIN METHOD D the app was left alone for D after it answered 429
func storyCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"stage": startStage, "end": end, "start": start, "restart": restart, "serve": serve, "watch": watch, "reload": reload, "grab": grab, "replace": replace,
		"fault": fault, "clear": clearFaults, "waited": waited,
	}
}

// stage is the programs of one story.
type stage struct {
	exeunt *exec.Cmd
	others []*exec.Cmd
	saidTo string // file with what exeunt said
}

type stageKey struct{}

func stageOf(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

// newStage is for testscript's Setup: whatever runs at the end is killed.
func newStage(e *testscript.Env) {
	s := &stage{saidTo: filepath.Join(e.WorkDir, "exeunt.log")}
	e.Values[stageKey{}] = s
	e.Defer(func() {
		for _, c := range append(s.others, s.exeunt) {
			if c != nil {
				c.Process.Kill()
				c.Wait()
			}
		}
	})
}

// setStage copies testdata/stage into the story's folder and gives every
// program a port.
func setStage(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range []string{"EXEUNT", "WIKI", "CRM", "BADGE"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer l.Close() // all of them at the end, so that no port is given twice
		ts.Setenv(name, fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
		ts.Setenv(name+"_URL", "http://"+l.Addr().String())
	}
	entries, err := os.ReadDir(stageDir)
	ts.Check(err)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(stageDir, e.Name()))
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(e.Name()), []byte(os.Expand(string(text), ts.Getenv)), 0o600))
	}
	for name, file := range map[string]string{"HR": "hr-token", "ADMIN": "admin-token", "WIKI_ADMIN": "wiki-token",
		"CRM_ADMIN": "crm-key", "BADGE_ADMIN": "badge-secret"} {
		ts.Setenv(name, strings.TrimSpace(ts.ReadFile(file)))
	}
	ts.Setenv("API", ts.Getenv("EXEUNT_URL"))
	ts.Setenv("SCIM", ts.Getenv("EXEUNT_URL")+"/scim/v2")
}

// stageDir is found before any story changes the working directory.
var stageDir, _ = filepath.Abs("testdata/stage")

// startStage starts everything, once setStage has given the ports back.
func startStage(ts *testscript.TestScript, neg bool, args []string) {
	setStage(ts, neg, args)
	s := stageOf(ts)
	for kind, name := range map[string]string{"scim": "WIKI", "saas": "CRM", "hook": "BADGE"} {
		s.others = append(s.others, run(ts, nil, nil, "sandbox", kind, "-addr", "127.0.0.1:"+ts.Getenv(name),
			"-admin", ts.Getenv(name+"_ADMIN"), "-users", "users.json"))
		await(ts, ts.Getenv(name+"_URL")+"/")
	}
	startExeunt(ts)
}

func startExeunt(ts *testscript.TestScript) {
	s := stageOf(ts)
	log, err := os.OpenFile(s.saidTo, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	defer log.Close()
	s.exeunt = run(ts, nil, log, "exeunt", "serve", "--config", "exeunt.yaml")
	await(ts, ts.Getenv("API")+"/readyz")
}

// serve starts exeunt without a configuration, and sets API and SCIM to where
// it says it is.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	s := stageOf(ts)
	out, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer out.Close()
	if s.exeunt != nil { // the stage's goes on
		s.others = append(s.others, s.exeunt)
	}
	s.exeunt = run(ts, out, out, "exeunt", append([]string{"serve"}, args[1:]...)...)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if m := regexp.MustCompile(`(?m)^exeunt is ready at (\S+)$`).FindStringSubmatch(ts.ReadFile(args[0])); m != nil {
			ts.Setenv("API", m[1])
			ts.Setenv("SCIM", m[1]+"/scim/v2")
			return
		}
	}
	ts.Fatalf("exeunt does not start\n%s", ts.ReadFile(args[0]))
}

// watch starts a witness of its own, and writes the policy that it prints.
func watch(ts *testscript.TestScript, neg bool, args []string) {
	s := stageOf(ts)
	out, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer out.Close()
	log, err := os.Create(ts.MkAbs(args[0] + ".log"))
	ts.Check(err)
	defer log.Close()
	s.others = append(s.others, run(ts, out, log, "exeunt", append([]string{"witness", "--listen", "127.0.0.1:0"}, args[1:]...)...))
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if m := regexp.MustCompile(`(?m)^witness (\S+) .*\n`).FindStringSubmatch(ts.ReadFile(args[0])); m != nil {
			ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(m[0]+"quorum "+m[1]+"\n"), 0o600))
			return
		}
	}
	ts.Fatalf("the witness does not start\n%s", ts.ReadFile(args[0]+".log"))
}

func run(ts *testscript.TestScript, out, log *os.File, name string, args ...string) *exec.Cmd {
	path, err := exec.LookPath(filepath.Join(ts.Getenv("PATH")[:strings.IndexByte(ts.Getenv("PATH"), os.PathListSeparator)], name))
	ts.Check(err)
	c := exec.Command(path, args...)
	c.Dir = ts.Getenv("WORK")
	if out != nil {
		c.Stdout = out
	}
	if log != nil {
		c.Stderr = log
	}
	c.Env = []string{"HOME=" + ts.Getenv("WORK"), "PATH=" + ts.Getenv("PATH"), "GORACE=" + gorace}
	ts.Check(c.Start())
	return c
}

// await returns when a server answers as if it were well.
func await(ts *testscript.TestScript, url string) {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(url)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode < 500 {
				return
			}
		}
	}
	log, _ := os.ReadFile(stageOf(ts).saidTo)
	ts.Fatalf("%s does not answer\n%s", url, log)
}

// restart kills exeunt as a power cut would, and starts it again.
func restart(ts *testscript.TestScript, neg bool, args []string) {
	s := stageOf(ts)
	ts.Check(s.exeunt.Process.Kill())
	s.exeunt.Wait()
	startExeunt(ts)
}

// start starts exeunt after an end.
func start(ts *testscript.TestScript, neg bool, args []string) { startExeunt(ts) }

// end ends exeunt with a signal and expects exit code 0.
func end(ts *testscript.TestScript, neg bool, args []string) {
	s := stageOf(ts)
	ts.Check(s.exeunt.Process.Signal(syscall.SIGTERM))
	ts.Check(s.exeunt.Wait())
	s.exeunt = nil
}

// reload sends SIGHUP and waits until exeunt has said what came of it; "!" is
// for a configuration that it must refuse.
func reload(ts *testscript.TestScript, neg bool, args []string) {
	s := stageOf(ts)
	before, err := os.ReadFile(s.saidTo)
	ts.Check(err)
	ts.Check(s.exeunt.Process.Signal(syscall.SIGHUP))
	word := map[bool]string{false: "configuration reloaded", true: "configuration not reloaded"}[neg]
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		log, err := os.ReadFile(s.saidTo)
		ts.Check(err)
		if strings.Contains(string(log[len(before):]), word) {
			return
		}
	}
	ts.Fatalf("exeunt did not say %q", word)
}

func grab(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: grab VAR PATTERN")
	}
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("the last output has no %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}

func replace(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], strings.ReplaceAll(args[2], `\n`, "\n"))), 0o600))
}

func fault(ts *testscript.TestScript, neg bool, args []string) {
	control(ts, http.MethodPost, args[0]+"/_faults", args[1], args[2], nil)
}

func clearFaults(ts *testscript.TestScript, neg bool, args []string) {
	control(ts, http.MethodDelete, args[0]+"/_faults", args[1], "", nil)
}

// waited checks that after the app's first 429 to a method nothing was asked
// for as long as it said.
func waited(ts *testscript.TestScript, neg bool, args []string) {
	atLeast, err := time.ParseDuration(args[3])
	ts.Check(err)
	var record sandbox.Record
	control(ts, http.MethodGet, args[0]+"/_record", args[1], "", &record)
	for i, a := range record.Asked {
		if a.Method != args[2] || a.Status != http.StatusTooManyRequests {
			continue
		}
		if i+1 == len(record.Asked) {
			ts.Fatalf("it was never asked again")
		}
		if d := record.Asked[i+1].At.Sub(a.At); d < atLeast {
			ts.Fatalf("it was asked again after %v", d)
		}
		return
	}
	ts.Fatalf("it never answered 429 to %s", args[2])
}

func control(ts *testscript.TestScript, method, url, admin, body string, answer any) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	ts.Check(err)
	r.Header.Set("Authorization", "Bearer "+admin)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		ts.Fatalf("%s %s answered %d", method, url, resp.StatusCode)
	}
	if answer != nil {
		ts.Check(json.NewDecoder(resp.Body).Decode(answer))
	}
}
