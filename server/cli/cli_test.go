package cli

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/exeunt/exeunt/server"
)

func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestExitCodes(t *testing.T) {
	dir := folder(t, map[string]string{
		"good.yaml":  "data: here\nsources: {okta: {}}\n",
		"bad.yaml":   "listne: x\nsources: {okta: {dialect: okda}}\n",
		"token":      "a-token\n",
		"bad-recipe": "api: recipe/v1\nappp: x\n",
	})
	file := func(name string) string { return filepath.Join(dir, name) }
	tests := []struct {
		args []string
		code int
		out  string // is on stdout
		err  string // is on stderr
	}{
		{[]string{}, good, "Available Commands", ""},
		{[]string{"--help"}, good, "exeunt serve", ""},
		{[]string{"serve", "--help"}, good, "SIGHUP", ""},
		{[]string{"version"}, good, "exeunt ", ""},
		{[]string{"completion", "bash"}, good, "complete", ""},
		{[]string{"config", "schema"}, good, `"$schema"`, ""},
		{[]string{"recipe", "schema"}, good, `"$schema"`, ""},
		{[]string{"recipe", "test"}, good, "ok    sandbox", ""},
		{[]string{"config", "check", "-c", file("good.yaml")}, good, "is good: 1 source, 0 apps", ""},
		{[]string{"config", "check", "-c", file("bad.yaml")}, misuse, "", "2:27: sources.okta.dialect: there is no \"okda\" here; did you mean okta?"},
		{[]string{"config", "check", "-c", file("bad.yaml")}, misuse, "", "has 2 mistakes"},
		{[]string{"config", "check", "-c", file("gone.yaml")}, misuse, "", "no such file"},
		{[]string{"serve", "-c", file("bad.yaml")}, misuse, "", "1:1: listne: there is no such key; did you mean listen?"},
		{[]string{"serve", "--nope"}, misuse, "", "unknown flag"},
		{[]string{"srve"}, misuse, "", "did you mean exeunt serve?"},
		{[]string{"case", "lst"}, misuse, "", "did you mean exeunt case list?"},
		{[]string{"case", "show"}, misuse, "", "accepts 1 arg"},
		{[]string{"case", "list", "--state", "shut"}, misuse, "", "there is no state \"shut\""},
		{[]string{"case", "list", "-c", file("good.yaml")}, failed, "", "there is no database"},
		{[]string{"app", "check", "-c", file("good.yaml")}, misuse, "", "no apps are registered"},
		{[]string{"recipe", "test", file("bad-recipe")}, misuse, "appp", "mistake"},
		{[]string{"recipe", "test", "nowhere"}, misuse, "", "there is no recipe at nowhere"},
		{[]string{"token", "new", "-c", file("good.yaml")}, misuse, "", "source"},
		{[]string{"token", "new", "--source", "hr", "-c", file("good.yaml")}, misuse, "", "there is no source \"hr\""},
		{[]string{"scim", "check", "--list"}, good, "7644-3.5.2.1-add-multi-valued", ""},
		{[]string{"scim", "check", "--help"}, good, "RFC 7643", ""},
		{[]string{"scim", "check", "--list", "https://app.example"}, misuse, "", "unknown command"},
		{[]string{"scim", "chck"}, misuse, "", "did you mean exeunt scim check?"},
		{[]string{"scim", "check"}, misuse, "", "which server?"},
		{[]string{"scim", "check", "https://app.example"}, misuse, "", "which token?"},
		{[]string{"scim", "check", "https://app.example", "--token-file", file("gone")}, misuse, "", "the token cannot be read"},
		{[]string{"scim", "check", "https://app.example", "--token-file", file("good.yaml")}, misuse, "", "is no token"},
		{[]string{"scim", "check", "http://127.0.0.1:1", "--token-file", file("token")}, misuse, "", "is the URL right, and the server up?"},
		{[]string{"scim", "check", "http://app.example", "--token-file", file("token")}, misuse, "", "plain http"},
		{[]string{"health", "--url", "http://127.0.0.1:1/healthz"}, failed, "", "does not answer"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			code, out, err := command(t, tt.args...)
			if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(err, tt.err) {
				t.Errorf("exit code %d, want %d\nstdout %s\nstderr %s", code, tt.code, out, err)
			}
			lines := strings.Split(strings.TrimSpace(err), "\n")
			if last := lines[len(lines)-1]; code != good && !strings.HasPrefix(last, "exeunt: ") {
				t.Errorf("the last line on stderr is %q", last)
			}
		})
	}
}

func TestTokenCommands(t *testing.T) {
	dir := folder(t, map[string]string{"exeunt.yaml": "listen: 127.0.0.1:0\ndata: data\nsources: {okta: {}}\n"})
	file := filepath.Join(dir, "exeunt.yaml")
	issue := func(more ...string) string {
		t.Helper()
		code, out, errs := command(t, append([]string{"token", "new", "--source", "okta", "-c", file}, more...)...)
		if _, ok := server.ParseToken(strings.TrimSpace(out)); code != good || !ok {
			t.Fatalf("%d %s %s", code, out, errs)
		}
		return strings.TrimSpace(out)
	}
	alone := issue() // nobody serves: straight into the database
	e := serveHere(t, serveOptions{File: file})
	beside := issue("--url", e.url)
	for _, token := range []string{alone, beside} {
		if status, body := ask(t, "GET", e.url+"/scim/v2/Users", token, ""); status != 200 {
			t.Errorf("%d %s", status, body)
		}
	}
	code, out, errs := command(t, "token", "list", "--json", "-c", file)
	var list []server.ShownToken
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != good || len(list) != 2 || list[0].Used == nil {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	if strings.Contains(out, alone) || strings.Contains(out, beside) {
		t.Error("the list shows a token")
	}
	if code, out, errs = command(t, "token", "revoke", list[0].ID, "--url", e.url, "-c", file); code != good {
		t.Errorf("%d %s %s", code, out, errs)
	}
	if status, _ := ask(t, "GET", e.url+"/scim/v2/Users", alone, ""); status != 401 {
		t.Errorf("revoked, and let in: %d", status)
	}
	if code, out, _ = command(t, "token", "list", "-c", file); code != good || !strings.Contains(out, list[1].ID) {
		t.Errorf("%d %s", code, out)
	}
	if code, _, errs = command(t, "token", "revoke", "nobodys", "--url", e.url, "-c", file); code != failed || !strings.Contains(errs, "404") {
		t.Errorf("%d %s", code, errs)
	}
	eventually(t, "the log tells of the tokens", func() bool {
		_, out, _ := command(t, "log", "tail", "-c", file)
		return strings.Count(out, "token.issued") == 2 && strings.Contains(out, "token.revoked")
	}, e.logs)
}

func TestLogVerifyCommand(t *testing.T) {
	dir := folder(t, map[string]string{"exeunt.yaml": "listen: 127.0.0.1:0\ndata: data\nsources: {hr: {token: file:hr}}\nlog: {checkpoint: elsewhere}\n", "hr": oldToken})
	file := filepath.Join(dir, "exeunt.yaml")
	e := serveHere(t, serveOptions{File: file})
	if status, body := ask(t, "POST", e.url+"/scim/v2/Users", oldToken, newcomer); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	if err := e.stop(t, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	held := filepath.Join(dir, "elsewhere")
	code, out, errs := command(t, "log", "verify", "-c", file, "--checkpoint", held)
	if code != good || !strings.Contains(out, "those of the checkpoint kept elsewhere") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	other := folder(t, map[string]string{"exeunt.yaml": "listen: 127.0.0.1:0\ndata: data\n"})
	serveHere(t, serveOptions{File: filepath.Join(other, "exeunt.yaml")})
	if code, out, errs = command(t, "log", "verify", "-c", filepath.Join(other, "exeunt.yaml"), "--checkpoint", held); code == good {
		t.Errorf("another log's checkpoint: %d %s %s", code, out, errs)
	}
	if code, _, errs = command(t, "log", "verify", "-c", file, "--checkpoint", filepath.Join(dir, "gone")); code != misuse {
		t.Errorf("no checkpoint: %d %s", code, errs)
	}
}
