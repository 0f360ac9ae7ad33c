package peers

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// Lasso is an [IdP] as it logs people out: lasso makes its requests, and verifies
// what it is answered. Debian's Python has it.
type Lasso struct {
	idp      *IdP
	metadata string // its own
	to       string // entityID of whoever it speaks to
	theirs   string // their metadata
	t        testing.TB
}

// NameID is a name under which somebody was signed in.
type NameID struct {
	Value           string
	Format          string `json:",omitempty"`
	NameQualifier   string `json:",omitempty"`
	SPNameQualifier string `json:",omitempty"`
}

// Asked is one LogoutRequest that lasso has made.
type Asked struct {
	Binding string `json:"binding"` // "redirect", "soap" or "post"
	URL     string `json:"url"`     // where it goes; with "redirect" it has the request in it
	Body    string `json:"body"`    // an envelope, or base64 of the request
	State   string `json:"state"`   // what lasso remembers of it

	RelayState string `json:"-"`
}

// Lasso has the identity provider speak to a service provider, whose metadata is
// given. It wants its answers at slo.
func (idp *IdP) Lasso(slo, to string, metadata []byte) *Lasso {
	idp.t.Helper()
	Need(idp.t, "EXEUNT_TEST_SAML")
	return &Lasso{idp: idp, metadata: string(idp.Own(slo)), to: to, theirs: string(metadata), t: idp.t}
}

// Ask makes a signed LogoutRequest. relayState may be empty.
func (l *Lasso) Ask(binding string, name NameID, sessionIndex, relayState string) Asked {
	l.t.Helper()
	asked := Asked{Binding: binding, RelayState: relayState}
	l.run(&asked, map[string]any{"do": "ask", "binding": binding, "name_id": name, "session_index": sessionIndex, "relay_state": relayState})
	return asked
}

var (
	formResponse   = regexp.MustCompile(`name="SAMLResponse" value="([^"]+)"`)
	formRelayState = regexp.MustCompile(`name="RelayState" value="([^"]+)"`)
)

// Deliver brings a request to whom it is for, by SOAP as the identity provider itself,
// else as a browser that has a session there, if one is given. It returns what is
// answered to lasso, and with which RelayState; nothing is followed.
func (a Asked) Deliver(t testing.TB, session *http.Cookie) (answer, relayState string) {
	t.Helper()
	method, contentType, body := http.MethodPost, "text/xml", a.Body
	switch a.Binding {
	case "redirect":
		method = http.MethodGet
	case "post":
		form := url.Values{"SAMLRequest": {a.Body}}
		if a.RelayState != "" {
			form.Set("RelayState", a.RelayState)
		}
		contentType, body = "application/x-www-form-urlencoded", form.Encode()
	}
	r, err := http.NewRequest(method, a.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	if session != nil && a.Binding != "soap" {
		r.AddCookie(session)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if to, err := resp.Location(); err == nil {
		return to.RawQuery, to.Query().Get("RelayState")
	}
	if m := formResponse.FindSubmatch(page); m != nil {
		answer = html.UnescapeString(string(m[1]))
		if m = formRelayState.FindSubmatch(page); m != nil {
			relayState = html.UnescapeString(string(m[1]))
		}
		return answer, relayState
	}
	return string(page), ""
}

// Judge has lasso verify an answer, and returns what it makes of it: "success", also
// with a second code behind it, or what is wrong. The answer is a raw query, an envelope, or base64 of a response.
func (l *Lasso) Judge(asked Asked, answer string) string {
	l.t.Helper()
	var verdict struct{ Said string }
	l.run(&verdict, map[string]any{"do": "judge", "state": asked.State, "answer": answer})
	return verdict.Said
}

func (l *Lasso) run(to any, given map[string]any) {
	l.t.Helper()
	key, _ := l.idp.Key.PEM()
	given["idp"], given["key"], given["entity"], given["to"] = l.metadata, string(key), l.to, l.theirs
	input, err := json.Marshal(given)
	if err != nil {
		l.t.Fatal(err)
	}
	c := exec.Command("/usr/bin/python3", thirdparty("lasso/idp.py"))
	var said bytes.Buffer
	c.Stdin, c.Stderr = bytes.NewReader(input), &said
	out, err := c.Output()
	if err == nil {
		err = json.Unmarshal(out, to)
	}
	if err != nil {
		l.t.Fatalf("lasso: %v\n%s", err, &said)
	}
}
