package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/exeunt/exeunt/bridge/connector/sandbox"
	"github.com/exeunt/exeunt/server/cli"
)

// The stories under testdata/script run these as processes of their own:
//
//	exeunt …                               the product
//	sandbox KIND -addr A -admin T -users F a sandbox app (scim, saas, hook)
//	call [flags] METHOD URL                one HTTP request; prints status and body
//	until PATTERN COMMAND ARG…             repeats a command until its output matches
//	issuer FILE                            an OAuth server for access tokens; its address is put into FILE
//	certs NAME…                            makes ca.pem, and for each name NAME.pem and NAME.key; prints fingerprints
//	sql FILE STATEMENTS                    does with a database what exeunt itself never would
func TestMain(m *testing.M) {
	os.Setenv("GORACE", gorace)
	testscript.Main(m, map[string]func(){
		"exeunt":  func() { os.Exit(cli.Main()) },
		"sandbox": func() { os.Exit(report(runSandbox(os.Args[1:]))) },
		"call":    func() { os.Exit(report(runCall(os.Args[1:]))) },
		"until":   func() { os.Exit(report(runUntil(os.Args[1:]))) },
		"issuer":  func() { os.Exit(report(runIssuer(os.Args[1:]))) },
		"certs":   func() { os.Exit(report(runCerts(os.Args[1:]))) },
		"sql":     func() { os.Exit(report(runSQL(os.Args[1:]))) },
	})
}

func TestStories(t *testing.T) {
	recipes, err := filepath.Abs("bridge/recipes")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("RECIPES", recipes)
			e.Setenv("GORACE", gorace)
			newStage(e)
			return nil
		},
		Cmds: storyCommands(),
	})
}

// gorace keeps programs from sleeping for a second before they exit, which is what
// the race detector has each of them do otherwise.
const gorace = "atexit_sleep_ms=0"

func report(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runSandbox(args []string) error {
	f := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	var o sandbox.Options
	f.StringVar(&o.Addr, "addr", "", "")
	f.StringVar(&o.Admin, "admin", "", "")
	users := f.String("users", "", "file with users as JSON")
	if len(args) == 0 {
		return fmt.Errorf("sandbox: which kind?")
	}
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	if *users != "" {
		raw, err := os.ReadFile(*users)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &o.Users); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return sandbox.Serve(ctx, args[0], o, os.Stdout)
}

func runCall(args []string) error {
	f := flag.NewFlagSet("call", flag.ContinueOnError)
	token := f.String("token", "", "bearer token")
	cookie := f.String("cookie", "", "name=value")
	body := f.String("d", "", "body, or @file")
	want := f.Int("status", 0, "status that is expected; 0: any 2xx")
	head := f.Bool("i", false, "print the answer's header too")
	into := f.String("o", "", "file for the answer's body")
	mime := f.String("type", "application/scim+json", "")
	cert := f.String("cert", "", "name of a client certificate: NAME.pem and NAME.key")
	forwarded := f.String("from", "", "X-Forwarded-For")
	if err := f.Parse(args); err != nil {
		return err
	}
	text := []byte(*body)
	if name, ok := strings.CutPrefix(*body, "@"); ok {
		var err error
		if text, err = os.ReadFile(name); err != nil {
			return err
		}
	}
	r, err := http.NewRequest(f.Arg(0), f.Arg(1), bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", *mime)
	if *token != "" {
		r.Header.Set("Authorization", "Bearer "+*token)
	}
	if *forwarded != "" {
		r.Header.Set("X-Forwarded-For", *forwarded)
	}
	if *cookie != "" {
		r.Header.Set("Cookie", *cookie)
	}
	transport, err := withPapers(*cert)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Timeout: 30 * time.Second, Transport: transport}).Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode)
	if *head {
		resp.Header.Write(os.Stdout)
	}
	for _, c := range resp.Cookies() {
		fmt.Println("cookie " + c.Name + "=" + c.Value)
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if *into != "" {
		if err := os.WriteFile(*into, answer, 0o600); err != nil {
			return err
		}
	} else {
		fmt.Printf("%s\n", answer)
	}
	if *want == 0 && resp.StatusCode/100 != 2 || *want != 0 && resp.StatusCode != *want {
		return fmt.Errorf("%s %s answered %d", f.Arg(0), f.Arg(1), resp.StatusCode)
	}
	return nil
}

func runUntil(args []string) error {
	pattern, err := regexp.Compile(args[0])
	if err != nil {
		return err
	}
	var out []byte
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); {
		out, _ = exec.Command(args[1], args[2:]...).CombinedOutput()
		if pattern.Match(out) {
			_, err := os.Stdout.Write(out)
			return err
		}
		time.Sleep(30 * time.Millisecond) // between two looks at a condition
	}
	return fmt.Errorf("%q did not come in a minute; last output:\n%s", args[0], out)
}

func runSQL(args []string) error {
	db, err := sql.Open("sqlite3", args[0])
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(args[1])
	return err
}
