package peers

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// Verify has npm's jose judge a token: its signature by one of the keys, its type
// (the header's typ), issuer, audience, and that it has an ID and is of these
// minutes. It returns the claims, or what is wrong.
func Verify(t testing.TB, token string, keys jose.JSONWebKeySet, issuer, audience, kind string) (claims map[string]any, wrong string) {
	t.Helper()
	asked, err := json.Marshal(map[string]any{
		"token": token, "jwks": keys, "issuer": issuer, "audience": audience, "type": kind,
	})
	if err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	c := exec.Command("node", "verify.js")
	c.Dir = Need(t, "EXEUNT_TEST_OIDC")
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(asked), &out, &said
	if err := c.Run(); err != nil {
		return nil, said.String()
	}
	if err := json.Unmarshal(out.Bytes(), &claims); err != nil {
		t.Fatal(err)
	}
	return claims, ""
}
