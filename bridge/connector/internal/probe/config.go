package probe

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

// Config is the part of an app's configuration that says where old credentials
// can be tried:
//
//	probe:
//	  url: https://app.example.com/account
//	  present: cookie:session
//	  refused: [302, 401]
type Config struct {
	// URL is a page that only a session is let into. It is asked with GET.
	URL string `yaml:"url" json:"url"`
	// Present says how a session's credential is presented: "cookie:NAME",
	// "bearer" or "header:NAME".
	Present string `yaml:"present" json:"present"`
	// Refused are the statuses by which the page says that a session is dead;
	// default 302, 303, 401 and 403. A redirect is not followed.
	Refused []int `yaml:"refused,omitempty" json:"refused,omitempty"`
}

const (
	asCookie = "cookie"
	asBearer = "bearer"
	asHeader = "header"
)

// token is what names of cookies and headers are made of (RFC 9110, section 5.6.2).
const token = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"

// Validate returns every mistake in c, with "probe." before the field; e says
// where the app may be. No probe at all (nil) is no mistake.
func (c *Config) Validate(e call.Egress) (problems []*bridge.Error) {
	if c == nil {
		return nil
	}
	add := func(field, format string, args ...any) {
		problems = append(problems, bridge.Invalid(field, format, args...))
	}
	if p := e.CheckURL("probe.url", c.URL); p != nil {
		problems = append(problems, p)
	}
	how, name, named := strings.Cut(c.Present, ":")
	switch {
	case how == asBearer && !named:
	case how != asCookie && how != asHeader || !named:
		add("probe.present", "must be cookie:NAME, bearer or header:NAME")
	case name == "" || strings.Trim(name, token) != "":
		add("probe.present", "what stands behind the colon is not a name that a %s can have", how)
	case how == asHeader && taken(name):
		add("probe.present", "is a header that a credential cannot be presented in")
	}
	for i, s := range c.Refused {
		if field := fmt.Sprintf("probe.refused[%d]", i); s < 300 || s > 499 || passing(s) {
			add(field, "must be a status from 300 to 499 that speaks of the session, such as 302 or 401")
		}
	}
	return problems
}

// passing reports whether a status speaks of us and not of a session.
func passing(status int) bool {
	switch status {
	case http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return false
}

// taken reports whether a header is not for a credential to set.
func taken(header string) bool {
	switch http.CanonicalHeaderKey(header) {
	case "Accept", "Connection", "Content-Length", "Host", "Transfer-Encoding", "User-Agent":
		return true
	}
	return false
}

// Open returns the probe; nil if none is configured. It asks nobody.
func (c *Config) Open(e call.Egress) (*Probe, error) {
	if c == nil {
		return nil, nil
	}
	if problems := c.Validate(e); len(problems) > 0 {
		return nil, problems[0]
	}
	client, err := call.New(call.Config{Egress: e, Timeout: patience})
	if err != nil {
		return nil, err
	}
	p := &page{client: client, url: c.URL, refused: c.Refused}
	p.how, p.name, _ = strings.Cut(c.Present, ":")
	if len(p.refused) == 0 {
		p.refused = []int{http.StatusFound, http.StatusSeeOther, http.StatusUnauthorized, http.StatusForbidden}
	}
	return &Probe{holds: shown, try: p.try, sound: p.sound}, nil
}
