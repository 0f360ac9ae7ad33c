package bridge

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestSecretNeverShows(t *testing.T) {
	const value = "opensesame"
	type config struct {
		Token Secret            `json:"token" yaml:"token"`
		More  []Secret          `json:"more" yaml:"more"`
		Named map[string]Secret `json:"named" yaml:"named"`
	}
	c := config{value, []Secret{value}, map[string]Secret{"a": value}}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{string(asJSON), string(asYAML), fmt.Sprint(c), c.Token.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s", "%T|%v"} {
		shown = append(shown, fmt.Sprintf(verb, c), fmt.Sprintf(verb, c.Token), fmt.Sprintf(verb, &c))
	}
	for _, s := range shown {
		if strings.Contains(s, value) || strings.Contains(s, fmt.Sprintf("%x", value)) ||
			strings.Contains(s, fmt.Sprintf("%X", value)) || strings.Contains(s, "111 112") {
			t.Errorf("shown: %s", s)
		}
	}

	var back config
	if err := yaml.Unmarshal([]byte("token: opensesame\nmore: [opensesame]\n"), &back); err != nil {
		t.Fatal(err)
	}
	if string(back.Token) != value || string(back.More[0]) != value {
		t.Error("a secret could not be read from YAML")
	}
}
