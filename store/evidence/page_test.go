package evidence

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

func page(t *testing.T, c Certificate, r Reader) string {
	t.Helper()
	var b bytes.Buffer
	if err := Page(&b, c, r); err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("EXEUNT_TEST_PAGES"); dir != "" { // to look at them
		if err := os.WriteFile(dir+"/"+strings.ReplaceAll(t.Name(), "/", "-")+".html", b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestPage(t *testing.T) {
	j := departure(t)
	j.act(grace, 2*time.Hour, bridge.ActionSettled, "badge", bridge.Revoke, bridge.ActionStuck, "refused", 3, 0)
	j.note(grace, 2*time.Hour, bridge.CaseSettled, bridge.CaseStuck, 6)
	p := page(t, j.certify(grace), Reader{Name: "Grace Hopper", SLA: 24 * time.Hour})
	for _, want := range []string{"a person must look", "Grace Hopper", "badge: to end sessions, tokens and keys is stuck", "said to be done, cannot be checked",
		"first the contrary, 1×", "within 24 h", "no account", "exeunt verify", ">interim<", "payroll", handle.String()} {
		if !strings.Contains(p, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if anonymous := page(t, j.certify(grace), Reader{}); strings.Contains(anonymous, "Grace") {
		t.Error("the page names whom it should not")
	}
}

// The page does not say of an app that it shut a door, if it did not say so itself.
func TestPageOfWhatIsOnlyHoped(t *testing.T) {
	for want, settles := range map[string]func(*journal){
		"the app took the message, and does not say that it is done": func(j *journal) {
			j.act(grace, time.Second, bridge.ActionDone, "wiki", bridge.Revoke, bridge.ActionPending, bridge.Unconfirmed, 1, 200)
			j.act(grace, time.Second, bridge.ActionSettled, "wiki", bridge.Revoke, bridge.ActionUnverified, "cannot_check", 1, 0)
		},
		"the app says that there was nothing to end": func(j *journal) {
			j.act(grace, time.Second, bridge.ActionDone, "wiki", bridge.Revoke, bridge.ActionPending, bridge.NoSession, 1, 200)
			j.act(grace, time.Second, bridge.ActionSettled, "wiki", bridge.Revoke, bridge.ActionUnverified, "cannot_check", 1, 0)
		},
		"the app was not asked: nothing is known there": func(j *journal) {
			j.act(grace, time.Second, bridge.ActionSettled, "wiki", bridge.Revoke, bridge.ActionUnverified, "none_known", 1, 0)
		},
	} {
		j := &journal{t: t}
		j.open(grace, 0, bridge.Deactivated)
		j.note(grace, time.Second, bridge.CasePlanned, bridge.CaseRunning, 1)
		settles(j)
		j.note(grace, time.Second, bridge.CaseSettled, bridge.CaseClosed, 1)
		p := page(t, j.certify(grace), Reader{})
		if !strings.Contains(p, want) {
			t.Errorf("it does not say %q", want)
		}
		for _, lie := range []string{"Every door was shut", "said to be done", "as the app says", "shut, unproven"} {
			if strings.Contains(p, lie) {
				t.Errorf("%s: it says %q", want, lie)
			}
		}
	}
}

// What is certified of somebody who signed out does not say that they left.
func TestPageOfALogout(t *testing.T) {
	j := &journal{t: t}
	j.open(grace, 0, bridge.LoggedOut)
	j.note(grace, time.Second, bridge.CasePlanned, bridge.CaseRunning, 1)
	j.act(grace, time.Second, bridge.ActionSettled, "wiki", bridge.Revoke, bridge.ActionVerified, "done", 1, 200)
	c := j.certify(grace)
	if p := page(t, c, Reader{}); strings.Contains(p, "departure") || !strings.Contains(p, "Certificate of logout") {
		t.Error("the page calls it a departure")
	}
	if got := c.String(); !strings.HasPrefix(got, "The logout ") {
		t.Error(got)
	}
}

// What an app or a source is called reaches the page as text, whatever it is.
func TestPageEscapes(t *testing.T) {
	j := &journal{t: t}
	evil := `</text></svg><script>alert(1)</script>"onload="x' {{.}}`
	j.add(grace, 0, bridge.CaseOpened, bridge.Facts{Source: evil, Token: evil, Case: grace, Trigger: evil, State: "open"})
	j.act(grace, time.Second, bridge.ActionSettled, evil, bridge.Effect(evil), bridge.ActionState(evil), evil, 1, 0)
	p := page(t, j.certify(grace), Reader{Name: evil})
	for _, bad := range []string{"<script", `"onload`, "</svg><", `onload="x`} {
		if strings.Contains(p, bad) {
			t.Errorf("the page has %q in it", bad)
		}
	}
	if strings.Count(p, "</svg>") != 1 || !strings.Contains(p, "alert(1)") {
		t.Error("the names are gone, or ended the drawing")
	}
}

func TestTook(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0 ms": 0, "999 ms": 999 * time.Millisecond, "1.4 s": 1400 * time.Millisecond, "42 s": 42 * time.Second, "1 min": time.Minute,
		"2 min 5 s": 125 * time.Second, "3 h 12 min": 192*time.Minute + 3*time.Second, "24 h": 24 * time.Hour, "2 d 4 h": 52 * time.Hour, "–5 s": -5 * time.Second,
	} {
		if got := took(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
