package main

import (
	"bytes"
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
//	restart, reload           kills exeunt (-9) and starts it again; sends it SIGHUP
//	grab VAR PATTERN          sets VAR to the pattern's group in the last output
//	replace FILE OLD NEW      edits a file
//	fault URL ADMIN JSON      has a sandbox app fail
//	clear URL ADMIN           ends that
//	waited URL ADMIN METHOD D the app was left alone for D after it answered 429
func storyCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"stage": setStage, "restart": restart, "reload": reload, "grab": grab, "replace": replace,
		"fault": fault, "clear": clearFaults, "waited": waited,
	}
}

// process is one of the programs of a stage.
type process struct {
	*exec.Cmd
	out lines
}

type stageKey struct{}

// setStage copies testdata/stage into the story's folder, gives every program a
// port, and starts them.
func setStage(ts *testscript.TestScript, neg bool, args []string) {
	names := []string{"EXEUNT", "WIKI", "CRM", "BADGE"}
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer l.Close() // all of them at the end, so that no port is given twice
		ts.Setenv(name, fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
		ts.Setenv(name+"_URL", "http://"+l.Addr().String())
		l.Close()
	}
	here, err := filepath.Abs("testdata/stage")
	ts.Check(err)
	entries, err := os.ReadDir(here)
	ts.Check(err)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(here, e.Name()))
		ts.Check(err)
		text = []byte(os.Expand(string(text), ts.Getenv))
		ts.Check(os.WriteFile(ts.MkAbs(e.Name()), text, 0o600))
	}
	for name, file := range map[string]string{"HR": "hr-token", "ADMIN": "admin-token", "WIKI_ADMIN": "wiki-token",
		"CRM_ADMIN": "crm-key", "BADGE_ADMIN": "badge-secret"} {
		ts.Setenv(name, strings.TrimSpace(ts.ReadFile(file)))
	}
	ts.Setenv("API", ts.Getenv("EXEUNT_URL"))
	ts.Setenv("SCIM", ts.Getenv("EXEUNT_URL")+"/scim/v2")
	for kind, name := range map[string]string{"scim": "WIKI", "saas": "CRM", "hook": "BADGE"} {
		startProcess(ts, "sandbox", kind, "-addr", "127.0.0.1:"+ts.Getenv(name), "-admin", ts.Getenv(name+"_ADMIN"), "-users", "users.json")
		await(ts, ts.Getenv(name+"_URL")+"/")
	}
	startExeunt(ts)
}

func startExeunt(ts *testscript.TestScript) {
	p := startProcess(ts, "exeunt", "serve", "--config", "exeunt.yaml")
	running[ts] = p
	await(ts, ts.Getenv("EXEUNT_URL")+"/readyz")
}
