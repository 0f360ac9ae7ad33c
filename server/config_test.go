package server

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/recipes"
)

var update = flag.Bool("update", false, "write what is found as what is expected")

// environment is what env: refers to in testdata/config.
func environment(name string) string {
	return map[string]string{
		"DATABASE_URL": "postgres://exeunt@db.example.com/exeunt", "ADMIN_TOKEN": adminText,
		"ENTRA_TOKEN": "a-token-that-was-made-for-entra", "OKTA_TOKEN": "a-token-that-was-made-for-okta-",
		"FEED_TOKEN": feedText, "HR_TOKEN": hrText, "HR_TOKEN_NEXT": hrText + "-2", "WIKI_TOKEN": "wiki", "SHORT": "too-short",
		"HOOK_SECRET":  "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
		"MISTYPED":     "exe_scim_0123456789_" + strings.Repeat("a", secretLen) + "_000000",
		"ISSUED_ADMIN": "exe_admin_0123456789_" + strings.Repeat("a", secretLen) + "_" + checksum("exe_admin_0123456789_"+strings.Repeat("a", secretLen)),
	}[name]
}

func parse(t *testing.T, file string) (Config, []bridge.App, Mistakes, Mistakes) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	config, apps, warnings, err := ParseConfig(file, data, environment)
	mistakes, _ := err.(Mistakes)
	if err != nil && mistakes == nil {
		t.Fatal(err)
	}
	return config, apps, warnings, mistakes
}

func TestGoodConfigurations(t *testing.T) {
	files, _ := filepath.Glob("../testdata/config/good/*.yaml")
	if len(files) < 3 {
		t.Fatal("the files are gone")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			config, _, warnings, mistakes := parse(t, file)
			if len(mistakes) > 0 || len(warnings) > 0 {
				t.Errorf("complaints:\n%s%s", mistakes, warnings)
			}
			if config.Listen == "" || config.Limits.Body == 0 || config.Limits.Burst == 0 {
				t.Errorf("without defaults: %+v", config)
			}
		})
	}
}

func TestFullConfiguration(t *testing.T) {
	config, apps, _, _ := parse(t, "../testdata/config/good/full.yaml")
	if len(config.Sources) != 2 || len(config.Sources["hr-system_2"].Token) != 2 ||
		string(config.Sources["entra"].Token[0]) != environment("ENTRA_TOKEN") || config.Sources["entra"].Dialect != "entra" {
		t.Errorf("sources: %+v", config.Sources)
	}
	if f := config.Feeds["entra"]; len(config.Feeds) != 1 || f.Source != "entra" || string(f.Token) != feedText || len(f.Apps) != 1 {
		t.Errorf("feeds: %+v", config.Feeds)
	}
	if string(config.Database) != environment("DATABASE_URL") || string(config.AdminToken) != adminText {
		t.Error("secrets were not resolved")
	}
	if want := (LimitsConfig{Body: 262144, Rate: 50, Burst: 100, Queue: 64}); config.Limits != want {
		t.Errorf("limits: %+v", config.Limits)
	}
	if a := config.Log.Anchors; len(a) != 3 || a["worm"].Folder != filepath.Join("../testdata/config/good", "worm") || a["siem"].CAFile != filepath.Join("../testdata/config/good", "siem.pem") {
		t.Errorf("anchors: %+v", a)
	}
	if p, err := config.Log.ReadPolicy(); err != nil || len(p.Witnesses) != 1 || !p.Needed() {
		t.Errorf("policy: %+v, %v", p, err)
	}
	if len(apps) != 2 || apps[0].Name != "hooks" || apps[1].Name != "wiki" {
		t.Fatalf("apps: %+v", apps)
	}
	if e := config.Erasing(); !e.OnDelete || e.After != 720*time.Hour || e.Approval != bridge.FourEyes || e.Law != "gdpr-belgium" {
		t.Errorf("erasing: %+v", e)
	}
	wiki := apps[1]
	if wiki.Title != "The wiki" || wiki.Protocol != "scim" || wiki.Connector == nil {
		t.Errorf("wiki: %+v", wiki)
	}
	if want := (bridge.Limits{Concurrency: 4, Rate: 2.5, Burst: 5, Timeout: 20 * time.Second, Deadline: 48 * time.Hour,
		RetryMin: 500 * time.Millisecond, RetryMax: time.Hour, BreakerAfter: 10, BreakerWait: time.Minute}); wiki.Limits != want {
		t.Errorf("limits: %+v", wiki.Limits)
	}
	if want := (bridge.Policy{bridge.Deactivated: {bridge.Lock}, bridge.Removed: {bridge.Lock, bridge.Delete},
		bridge.Erased: {bridge.Delete}}); !reflect.DeepEqual(wiki.Policy, want) {
		t.Errorf("policy: %v", wiki.Policy)
	}
	// a default orders nothing that the app does not offer
	for trigger, effects := range apps[0].Policy {
		for _, e := range effects {
			if _, ok := apps[0].Connector.Capabilities().Of(e); !ok || (trigger == bridge.Erased) != e.Destructive() {
				t.Errorf("by default %s orders %s", trigger, e)
			}
		}
		if len(effects) == 0 {
			t.Errorf("by default %s orders nothing", trigger)
		}
	}
}

func TestBadConfigurations(t *testing.T) {
	files, _ := filepath.Glob("../testdata/config/bad/*.yaml")
	if len(files) < 6 {
		t.Fatal("the files are gone")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, apps, warnings, mistakes := parse(t, file)
			if len(mistakes) == 0 || apps != nil {
				t.Fatal("it was accepted")
			}
			got := strings.ReplaceAll(mistakes.Error()+"\n", file+":", "")
			for _, w := range warnings {
				got += "warning: " + strings.ReplaceAll(w.String(), file+":", "") + "\n"
			}
			got = strings.ReplaceAll(got, "\n ", "\n")
			expected := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(expected, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(expected)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
			for _, secret := range []string{"hunter2", "literal-secret", "correcthorse", hrText, "too-short"} {
				if strings.Contains(got, secret) {
					t.Errorf("a complaint repeats the secret %s", secret)
				}
			}
		})
	}
}

func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
	}
	write("token", "\n"+adminText+" \n\n", 0o600)
	write("open", hrText, 0o644)
	write("empty", " \n", 0o600)
	write("long", strings.Repeat("x", maxSecret+1), 0o600)
	load := func(text string) (Config, Mistakes, error) {
		c, _, warnings, err := ParseConfig(filepath.Join(dir, "exeunt.yaml"), []byte(text), environment)
		return c, warnings, err
	}
	c, warnings, err := load("admin_token: file:token")
	if err != nil || len(warnings) > 0 || string(c.AdminToken) != adminText {
		t.Errorf("%v %v: the content was not trimmed, or not found beside the configuration", err, warnings)
	}
	for _, text := range []string{"sources: {hr: {token: [file:token]}}", "sources:\n  hr:\n    token:\n      - file: token\n"} {
		if c, _, err = load(text); err != nil || string(c.Sources["hr"].Token[0]) != adminText {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, _, err = load("admin_token: {file: token, env: ADMIN_TOKEN}"); err == nil {
		t.Error("two references at once")
	}
	if c, _, err = load("admin_token: file:" + filepath.Join(dir, "token")); err != nil || string(c.AdminToken) != adminText {
		t.Errorf("by whole path: %v", err)
	}
	if _, warnings, err = load("sources: {hr: {token: file:open}}"); err != nil || len(warnings) != 1 ||
		!strings.Contains(warnings[0].String(), "chmod 600") {
		t.Errorf("readable by everybody: %v, %v", err, warnings)
	}
	for _, tt := range []struct{ name, want string }{{"empty", "is empty"}, {"long", "longer than"}, {".", "directory"}, {"gone", "no such file"}} {
		if _, _, err := load("admin_token: file:" + tt.name); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestConfigSchema(t *testing.T) {
	raw, err := json.Marshal(ConfigSchema())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := validator.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := validator.NewCompiler()
	if err := compiler.AddResource("exeunt.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("exeunt.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	check := func(text string) error {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if v == nil {
			v = map[string]any{}
		}
		return schema.Validate(v)
	}
	files, _ := filepath.Glob("../testdata/config/good/*.yaml")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		if err := check(string(text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for _, text := range []string{
		"listne: x", "sources: {Okta: {}}", "sources: {okta: {token: literal}}", "sources: {okta: {dialect: okda}}",
		"apps: {a: {}}", "apps: {a: {connector: nope}}", "apps: {a: {connector: scim, with: {base_ur: x}}}",
		"apps: {a: {connector: webhook, with: {base_url: x}}}", "apps: {a: {connector: scim, with: {token: literal}}}",
		"apps: {a: {connector: scim, policy: {delete: [restore]}}}", "apps: {a: {connector: scim, limits: {timeout: 10}}}",
		"limits: {body: 12}", "sources: {okta: {jwt: {issuer: https://x.example}}}", "sources: {okta: {mtls: {sha256: [x]}}}",
		"sources: {okta: {jwt: {issuer: https://x.example, audience: a, algorithms: [HS256]}}}", "trusted_proxies: 10.0.0.1",
	} {
		if check(text) == nil {
			t.Errorf("the schema accepts %s", text)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"deadline", "delete", "deactivate", "lock"}
	for word, want := range map[string]string{
		"lokc": "did you mean lock?", "Delete": "did you mean delete?", "deactivat": "did you mean deactivate?",
		"quux": "known are deactivate, deadline, delete, lock", "": "known are deactivate, deadline, delete, lock",
		strings.Repeat("lock", 1000): "known are deactivate, deadline, delete, lock",
	} {
		if got := suggest(word, known); got != want {
			t.Errorf("suggest(%.20q) = %s, want %s", word, got, want)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	files, _ := filepath.Glob("../testdata/config/*/*.yaml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, _, _, err := ParseConfig("exeunt.yaml", text, environment)
		if err == nil && (c.Listen == "" || c.Limits.Queue < 1) {
			t.Errorf("accepted without defaults: %+v", c)
		}
		if err != nil && err.Error() == "" {
			t.Error("refused without a word")
		}
	})
}

// A recipe of one's own is found from where the configuration stands, and the
// vendor's limits hold unless the configuration has its own.
func TestRecipeBesideTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	recipe, ok := recipes.Get("box")
	if !ok {
		t.Fatal("there is no recipe for box")
	}
	config := `
apps:
  files:
    connector: rest
    with:
      recipe: ./own.yaml
      params: {enterprise: "1"}
      secrets: {client_id: file:id, client_secret: file:id}
    limits: {rate: 3}
`
	for name, text := range map[string]string{"own.yaml": string(recipe), "exeunt.yaml": config, "id": "secret"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, apps, _, err := LoadConfig(filepath.Join(dir, "exeunt.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if l := apps[0].Limits; l.Rate != 3 || l.Burst != 8 || l.Concurrency != 4 {
		t.Errorf("limits are %+v", l)
	}
}
