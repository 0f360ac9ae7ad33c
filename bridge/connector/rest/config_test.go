package rest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

func TestConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "own.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(small, "title", "titel", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	box := map[string]bridge.Secret{"client_id": "i", "client_secret": "s"}
	for name, test := range map[string]struct {
		c    Config
		want string // "" is no mistake
	}{
		"fine":             {Config{Recipe: "box", Params: map[string]string{"enterprise": "1", "heir": "2"}, Secrets: box}, ""},
		"empty":            {Config{}, "recipe: is required"},
		"misspelt":         {Config{Recipe: "okat"}, `recipe: there is no such built-in recipe; did you mean "okta"?`},
		"no such file":     {Config{Recipe: "./none.yaml"}, "recipe: the file cannot be read"},
		"mistakes in file": {Config{Recipe: file}, `titel: unknown key; did you mean "title"?`},
		"param missing":    {Config{Recipe: "box", Secrets: box}, "params.enterprise: is required: the id of the enterprise"},
		"param empty":      {Config{Recipe: "box", Params: map[string]string{"enterprise": "1", "heir": ""}, Secrets: box}, "params.heir: is required"},
		"param unknown":    {Config{Recipe: "box", Params: map[string]string{"enterprise": "1", "hier": "2"}, Secrets: box}, `params.hier: the recipe has no such param; did you mean "heir"?`},
		"param malformed":  {Config{Recipe: "box", Params: map[string]string{"enterprise": "1/../2"}, Secrets: box}, "params.enterprise: does not match the pattern [0-9]+"},
		"secret missing":   {Config{Recipe: "box", Params: map[string]string{"enterprise": "1"}, Secrets: map[string]bridge.Secret{"client_id": "i"}}, "secrets.client_secret: is required by the recipe"},
		"secret unknown":   {Config{Recipe: "box", Params: map[string]string{"enterprise": "1"}, Secrets: map[string]bridge.Secret{"client_id": "i", "client_secret": "s", "x": "y"}}, "secrets.x: the recipe has no such secret"},
		"secret with line": {Config{Recipe: "gitlab", Params: map[string]string{"base": "https://g.example.com"}, Secrets: map[string]bridge.Secret{"token": "s3cret\n"}}, "secrets.token: must be printable ASCII"},
		"url in clear":     {Config{Recipe: "gitlab", Params: map[string]string{"base": "http://g.example.com"}, Secrets: map[string]bridge.Secret{"token": "t"}}, "params.base: must begin with https://"},
		"url inside":       {Config{Recipe: "gitlab", Params: map[string]string{"base": "https://169.254.169.254"}, Secrets: map[string]bridge.Secret{"token": "t"}}, "params.base: is not a public address"},
		"url with query":   {Config{Recipe: "gitlab", Params: map[string]string{"base": "https://g.example.com?x"}, Secrets: map[string]bridge.Secret{"token": "t"}}, "params.base: must be a URL without user name, query"},
		"networks":         {Config{Recipe: "box", Params: map[string]string{"enterprise": "1"}, Secrets: box, Egress: call.Egress{AllowNetworks: []string{"x"}}}, "allow_networks[0]:"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.c.Open()
			if got := fmt.Sprint(err); test.want != "" && !strings.Contains(got, test.want) || test.want == "" && err != nil {
				t.Errorf("%s\nwant %s", got, test.want)
			}
			if err != nil && (strings.Contains(err.Error(), "s3cret") || !bridge.IsKind(err, bridge.KindInvalid)) {
				t.Errorf("%v", err)
			}
		})
	}
	all := Config{Recipe: "okta", Params: map[string]string{"bse": "x"}, Egress: call.Egress{AllowNetworks: []string{"x"}}}
	if problems := all.Validate(); len(problems) != 4 {
		t.Error("not all at once:", problems)
	}
}

func TestLimits(t *testing.T) {
	c, err := (&Config{Recipe: "box", Params: map[string]string{"enterprise": "1"},
		Secrets: map[string]bridge.Secret{"client_id": "i", "client_secret": "s"}}).Open()
	if err != nil {
		t.Fatal(err)
	}
	if got := c.(interface{ Limits() bridge.Limits }).Limits(); got != (bridge.Limits{Rate: 8, Burst: 8, Concurrency: 4}) {
		t.Errorf("%+v", got)
	}
	for _, one := range c.Capabilities() {
		if one.Undo != (one.Effect == bridge.Lock) || one.Checked == (one.Effect == bridge.Revoke) {
			t.Errorf("%+v", one)
		}
	}
}
