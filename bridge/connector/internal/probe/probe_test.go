package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

var loopback = call.Egress{AllowNetworks: []string{"127.0.0.0/8"}}

// website answers as the credential says: its status, or a fault.
type website struct {
	sync.Mutex
	read   func(*http.Request) string
	answer map[string]string // credential -> status or fault; "" is nobody's
	asked  int
	url    string
}

func serve(t *testing.T, read func(*http.Request) string, answer map[string]string) *website {
	t.Helper()
	p := &website{read: read, answer: answer}
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.Lock()
		p.asked++
		what := p.answer[p.read(r)]
		p.Unlock()
		switch what {
		case "hangs":
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "drops":
			panic(http.ErrAbortHandler)
		case "endless":
			for range 64 << 10 {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		case "leads on":
			http.Redirect(w, r, "/welcome", http.StatusFound)
		default:
			status := http.StatusUnauthorized
			fmt.Sscan(what, &status)
			w.WriteHeader(status)
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(release) })
	p.url = s.URL
	return p
}

func (p *website) set(credential, what string) {
	p.Lock()
	defer p.Unlock()
	p.answer[credential] = what
}

func (p *website) count() int {
	p.Lock()
	defer p.Unlock()
	return p.asked
}

func open(t *testing.T, c Config) *Probe {
	t.Helper()
	p, err := c.Open(loopback)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func cookie(r *http.Request) string {
	c, err := r.Cookie("session")
	if err != nil {
		return ""
	}
	return c.Value
}

func bearer(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

func TestAlive(t *testing.T) {
	const credential = "c00kie-opensesame"
	for _, test := range []struct {
		answer string
		want   string
	}{
		{"200", "alive"}, {"204", "alive"}, {"206", "alive"}, {"endless", "alive"},
		{"302", "dead"}, {"303", "dead"}, {"401", "dead"}, {"403", "dead"}, {"leads on", "dead"},
		{"500", "error"}, {"503", "error"}, {"404", "error"}, {"301", "error"}, {"429", "error"}, {"drops", "error"},
	} {
		site := serve(t, cookie, map[string]string{credential: test.answer, "": "200"})
		alive, _, err := open(t, Config{URL: site.url, Present: "cookie:session"}).try(t.Context(), credential)
		got := map[bool]string{true: "alive", false: "dead"}[alive]
		if err != nil {
			got = "error"
		}
		if got != test.want || bridge.IsPermanent(err) {
			t.Errorf("%s: %s (%v), want %s", test.answer, got, err, test.want)
		}
		if err != nil && strings.Contains(fmt.Sprintf("%+v", err), credential) {
			t.Errorf("the credential is said: %v", err)
		}
		if site.count() != 1 {
			t.Errorf("%s: asked %d times", test.answer, site.count())
		}
	}
}

func TestPresent(t *testing.T) {
	for present, read := range map[string]func(*http.Request) string{
		"cookie:session": cookie, "bearer": bearer,
		"header:x-session": func(r *http.Request) string { return r.Header.Get("X-Session") },
	} {
		site := serve(t, read, map[string]string{"good": "200"})
		p := open(t, Config{URL: site.url, Present: present, Refused: []int{401}})
		if alive, _, err := p.try(t.Context(), "good"); !alive || err != nil {
			t.Errorf("%s: %v, %v", present, alive, err)
		}
		if alive, _, err := p.try(t.Context(), "other"); alive || err != nil {
			t.Errorf("%s, of a dead one: %v, %v", present, alive, err)
		}
		before := site.count()
		for _, bad := range []bridge.Secret{"", "a\r\nHost: evil", "a\x00", "a\tb", "a\x7f", "ä"} {
			if alive, _, err := p.try(t.Context(), bad); alive || !bridge.IsPermanent(err) {
				t.Errorf("%s: %q was presented: %v", present, string(bad), err)
			}
		}
		if site.count() != before {
			t.Errorf("%s: a credential that reaches beyond its place was sent", present)
		}
	}
	site := serve(t, cookie, map[string]string{"a": "200"})
	for present, bad := range map[string]bridge.Secret{"cookie:session": "a; admin=1", "bearer": "a b"} {
		if _, _, err := open(t, Config{URL: site.url, Present: present}).try(t.Context(), bad); !bridge.IsPermanent(err) {
			t.Errorf("%s: %v", present, err)
		}
	}
}

func TestAddressesAreGuarded(t *testing.T) {
	for _, url := range []string{"http://127.0.0.1:1/", "https://10.0.0.1/", "https://169.254.169.254/"} {
		if problems := (&Config{URL: url, Present: "bearer"}).Validate(call.Egress{}); len(problems) != 1 || problems[0].Field != "probe.url" {
			t.Errorf("%s: %v", url, problems)
		}
	}
	// A name that leads inside is refused when it is dialled.
	p, err := (&Config{URL: "https://localhost/", Present: "bearer"}).Open(call.Egress{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.try(t.Context(), "x"); !bridge.IsPermanent(err) {
		t.Errorf("localhost was asked: %v", err)
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		config Config
		field  string // "" if good
	}{
		{Config{URL: "https://a.example/", Present: "bearer"}, ""},
		{Config{URL: "https://a.example/", Present: "cookie:_shibsession_64656661", Refused: []int{302, 404}}, ""},
		{Config{URL: "https://a.example/", Present: "header:X-Session"}, ""},
		{Config{Present: "bearer"}, "probe.url"},
		{Config{URL: "https://a.example/"}, "probe.present"},
		{Config{URL: "https://a.example/", Present: "cookie"}, "probe.present"},
		{Config{URL: "https://a.example/", Present: "cookie:"}, "probe.present"},
		{Config{URL: "https://a.example/", Present: "cookie:a=b"}, "probe.present"},
		{Config{URL: "https://a.example/", Present: "header:a b"}, "probe.present"},
		{Config{URL: "https://a.example/", Present: "header:host"}, "probe.present"},
		{Config{URL: "https://a.example/", Present: "bearer:x"}, "probe.present"},
		{Config{URL: "https://a.example/", Present: "bearer", Refused: []int{401, 200}}, "probe.refused[1]"},
		{Config{URL: "https://a.example/", Present: "bearer", Refused: []int{429}}, "probe.refused[0]"},
		{Config{URL: "https://a.example/", Present: "bearer", Refused: []int{500}}, "probe.refused[0]"},
	} {
		problems := test.config.Validate(call.Egress{})
		got := ""
		if len(problems) > 0 {
			got = problems[0].Field
		}
		if got != test.field || len(problems) > 1 {
			t.Errorf("%+v: %v, want %q", test.config, problems, test.field)
		}
	}
}

// sessions are as the registry has them: each credential with a session, "" with none.
func sessions(credentials ...bridge.Secret) (list []bridge.Session) {
	for _, c := range credentials {
		list = append(list, bridge.Session{Credential: c})
	}
	return list
}

func TestProof(t *testing.T) {
	for _, test := range []struct {
		name   string
		known  []bridge.Session
		before map[string]string // how the page answers at first
		after  map[string]string // and once the sessions were ended
		live   int
		want   string
		says   string
		told   []bridge.Session // of since
	}{
		{"all die", sessions("a", "b", "a"), map[string]string{"a": "200", "b": "200"}, map[string]string{"a": "302", "b": "401"}, 2,
			"proof", "all old credentials (2) are refused; let in before: 2", nil},
		{"one could not be tried", sessions("a", ""), map[string]string{"a": "200"}, map[string]string{"a": "302"}, 1,
			"cannot", "sessions without one to try: 1", nil},
		{"one was dead before", sessions("a", "b"), map[string]string{"a": "200", "b": "401"}, map[string]string{"a": "302", "b": "401"}, 1,
			"cannot", "sessions that were not let in before either: 1 of 2", nil},
		{"one lives on", sessions("a", "b"), map[string]string{"a": "200", "b": "200"}, map[string]string{"a": "401", "b": "200"}, 2,
			"open", "still let in", nil},
		{"one lives on and one cannot be told", sessions("a", "b"), map[string]string{"a": "200", "b": "200"}, map[string]string{"a": "500", "b": "200"}, 2,
			"open", "still let in", nil},
		{"one cannot be told", sessions("a", "b"), map[string]string{"a": "200", "b": "200"}, map[string]string{"a": "401", "b": "500"}, 2,
			"retry", "", nil},
		{"none was alive", sessions("a"), map[string]string{"a": "401"}, map[string]string{"a": "401"}, 0,
			"cannot", "none was let in before", nil},
		{"the page was away before", sessions("a", "b"), map[string]string{"a": "500", "b": "500"}, map[string]string{"a": "401", "b": "401"}, 0,
			"cannot", "none was let in before", nil},
		{"one cannot be presented", sessions("a", "x;y"), map[string]string{"a": "200"}, map[string]string{"a": "401"}, 1,
			"cannot", "1 of 2 credentials cannot be presented", nil},
		{"nothing to present", sessions("", ""), nil, nil, 0, "cannot", "no session is known with a credential", nil},
		{"nothing known", nil, nil, nil, 0, "cannot", "no session is known with a credential", nil},
		{"another was told of since", sessions("a"), map[string]string{"a": "200", "b": "200"}, map[string]string{"a": "302", "b": "302"}, 1,
			"cannot", "sessions that were not let in before either: 1 of 2", sessions("b")},
		{"another with the same cookie was told of since", sessions("a"), map[string]string{"a": "200"}, map[string]string{"a": "302"}, 1,
			"proof", "all old credentials (1) are refused; let in before: 1", sessions("a")},
		{"as many as are kept", slices.Repeat(sessions("a"), bridge.MostSessions), map[string]string{"a": "200"}, map[string]string{"a": "302"}, 1,
			"cannot", "older ones may not be known", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			site := serve(t, cookie, map[string]string{})
			for c, answer := range test.before {
				site.set(c, answer)
			}
			p := open(t, Config{URL: site.url, Present: "cookie:session"})
			live := p.Look(t.Context(), test.known)
			if len(live) != test.live {
				t.Errorf("%d alive, want %d", len(live), test.live)
			}
			for c, answer := range test.after {
				site.set(c, answer)
			}
			receipt, err := p.Proof(t.Context(), slices.Concat(test.known, test.told), live)
			if got := outcome(err); got != test.want || !strings.Contains(receipt.Summary, test.says) {
				t.Errorf("%s (%v), %q; want %s", got, err, receipt.Summary, test.want)
			}
			if test.want != "retry" && receipt.At.IsZero() {
				t.Error("the receipt has no time")
			}
		})
	}
	var none *Probe
	receipt, err := none.Proof(t.Context(), sessions("a"), nil)
	if outcome(err) != "cannot" || !strings.Contains(receipt.Summary, "no probe") || none.Look(t.Context(), sessions("a")) != nil || none.Sound(t.Context()) != nil {
		t.Errorf("without a probe: %v, %v", receipt, err)
	}
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "proof"
	case errors.Is(err, bridge.ErrStillOpen):
		return "open"
	case errors.Is(err, bridge.ErrCannotCheck):
		return "cannot"
	case bridge.IsPermanent(err):
		return "permanent"
	}
	return "retry"
}

// A page that hangs must not hold up the end of sessions.
func TestLookGivesUp(t *testing.T) {
	answer := map[string]string{}
	var known []bridge.Session
	for i := range 40 {
		c := fmt.Sprintf("c%d", i)
		answer[c] = "hangs"
		known = append(known, sessions(bridge.Secret(c))...)
	}
	site := serve(t, cookie, answer)
	begun := time.Now()
	p := open(t, Config{URL: site.url, Present: "cookie:session"})
	if live := p.Look(t.Context(), known); len(live) != 0 {
		t.Errorf("%d alive", len(live))
	}
	if took := time.Since(begun); took > 2*glance || site.count() > 2*parallel {
		t.Errorf("looked for %v, asked %d times", took, site.count())
	}
	// Nor does everybody who leaves with them wait for it.
	begun, asked := time.Now(), site.count()
	for range 10 {
		p.Look(t.Context(), sessions("another"))
		if _, err := p.Proof(t.Context(), sessions("another"), nil); outcome(err) != "retry" {
			t.Errorf("proof: %v", err)
		} else if wait, told := bridge.WaitOf(err); !told || wait > rest {
			t.Errorf("again in %v", wait)
		}
	}
	if took := time.Since(begun); took > time.Second || site.count() > asked {
		t.Errorf("then it took %v, and was asked %d times more", took, site.count()-asked)
	}
}

// However little time there is, what comes after the look has some of it.
func TestLookLeavesTime(t *testing.T) {
	site := serve(t, cookie, map[string]string{"a": "hangs"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if live := open(t, Config{URL: site.url, Present: "cookie:session"}).Look(ctx, sessions("a")); len(live) > 0 || ctx.Err() != nil {
		t.Errorf("%d alive; %v", len(live), ctx.Err())
	}
}

func TestSound(t *testing.T) {
	for answer, want := range map[string]string{"401": "proof", "302": "proof", "200": "permanent", "500": "retry"} {
		site := serve(t, cookie, map[string]string{"": answer})
		if got := outcome(open(t, Config{URL: site.url, Present: "cookie:session"}).Sound(t.Context())); got != want {
			t.Errorf("%s: %s, want %s", answer, got, want)
		}
	}
}
