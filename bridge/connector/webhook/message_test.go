package webhook

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func lockOrder(key string) bridge.Order {
	return bridge.Order{Key: key, Effect: bridge.Lock, Account: bridge.Account{ID: amina.UserName}, Who: amina,
		Trigger: bridge.Deactivated, Since: time.Date(2026, 11, 22, 12, 0, 0, 0, time.FixedZone("", 3600))}
}

// receiver answers every message with the next of answers, the last for ever.
func receiver(t *testing.T, answers ...string) (c Config, got *[]*http.Request, bodies *[]string) {
	t.Helper()
	got, bodies = new([]*http.Request), new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		status, body, _ := strings.Cut(answers[min(len(*got), len(answers)-1)], " ")
		*got, *bodies = append(*got, r), append(*bodies, string(b))
		w.WriteHeader(map[string]int{"200": 200, "204": 204, "410": 410, "500": 500}[status])
		io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return Config{URL: server.URL, Secrets: []bridge.Secret{secret, other}, Check: true,
		Egress: call.Egress{AllowNetworks: []string{"127.0.0.0/8"}}}, got, bodies
}

func TestMessage(t *testing.T) {
	c, got, bodies := receiver(t, "500", "204")
	h := open(t, c)
	o := lockOrder("0b0f0c1e-0000-4000-8000-000000000001")
	if _, err := h.Do(t.Context(), o); err == nil {
		t.Fatal("500 is success")
	}
	if _, err := h.Do(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"exeunt.lock","timestamp":"2026-11-22T11:00:00Z","data":{"account":{"id":"amina.yusuf"},` +
		`"effect":"lock","trigger":"deactivate","person":{"id":"person-0001","userName":"amina.yusuf",` +
		`"externalId":"ext-4711","email":"amina.yusuf@corp.example"}}}`
	for i, r := range *got {
		if (*bodies)[i] != want {
			t.Errorf("attempt %d: %s", i, (*bodies)[i])
		}
		if r.Header.Get("Webhook-Id") != o.Key || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("attempt %d: %v", i, r.Header)
		}
		// Who knows either secret can verify: that is how one is replaced.
		for _, s := range []string{secret, other} {
			v, err := standardwebhooks.NewWebhook(s)
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Verify([]byte((*bodies)[i]), r.Header); err != nil {
				t.Error(err)
			}
		}
	}
	if len(*got) != 2 {
		t.Errorf("%d messages", len(*got))
	}
}

func TestGoneStaysGone(t *testing.T) {
	c, got, _ := receiver(t, "410", "204")
	h := open(t, c)
	for range 3 {
		if _, err := h.Do(t.Context(), lockOrder("a")); !bridge.IsPermanent(err) || !errors.Is(err, errGone) {
			t.Error(err)
		}
	}
	if _, err := h.Check(t.Context(), lockOrder("a")); !errors.Is(err, errGone) {
		t.Error(err)
	}
	if err := h.Probe(t.Context()); !errors.Is(err, errGone) {
		t.Error(err)
	}
	if len(*got) != 1 {
		t.Errorf("asked %d times after 410", len(*got)-1)
	}
	if _, err := open(t, c).Do(t.Context(), lockOrder("a")); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func TestCheckStates(t *testing.T) {
	for answer, want := range map[string]string{
		`200 {"state":"shut"}`: "proof", `200 {"state":"open"}`: "open", `200 {"state":"pending"}`: "30s",
		`200 {"state":"SHUT"}`: "retry", `200 {}`: "retry", `200 shut`: "retry", `204`: "retry", `500`: "retry",
	} {
		c, got, bodies := receiver(t, answer)
		h := open(t, c)
		for range 2 {
			_, err := h.Check(t.Context(), lockOrder("a"))
			said := "retry"
			if wait, told := bridge.WaitOf(err); told {
				said = wait.String()
			} else if err == nil {
				said = "proof"
			} else if errors.Is(err, bridge.ErrStillOpen) {
				said = "open"
			}
			if said != want || bridge.IsPermanent(err) {
				t.Errorf("%s: %s (%v), want %s", answer, said, err, want)
			}
		}
		var m struct {
			Type string
			Data struct{ Effect string }
		}
		if json.Unmarshal([]byte((*bodies)[0]), &m) != nil || m.Type != "exeunt.check" || m.Data.Effect != "lock" {
			t.Errorf("asked %s", (*bodies)[0])
		}
		if (*got)[0].Header.Get("Webhook-Id") == (*got)[1].Header.Get("Webhook-Id") {
			t.Error("two questions have one id")
		}
	}
	c, _, _ := receiver(t, `200 {"state":"open"}`)
	o := lockOrder("a")
	o.Effect = bridge.Restore
	if _, err := open(t, c).Check(t.Context(), o); err != nil {
		t.Errorf("restored and open: %v", err)
	}
}

func TestFindAsksNobody(t *testing.T) {
	app := startApp(t)
	for identify, want := range map[string]string{"": amina.UserName, byEmail: amina.Emails[0],
		byExternalID: amina.ExternalID, byID: amina.Person} {
		c := config(app)
		c.Identify = identify
		if a, err := open(t, c).Find(t.Context(), amina); err != nil || a.ID != want {
			t.Errorf("%s: %v, %v", identify, a, err)
		}
		if identify == byExternalID {
			if _, err := open(t, c).Find(t.Context(), bridge.Identifiers{UserName: "x"}); !bridge.IsPermanent(err) {
				t.Errorf("no external id: %v", err)
			}
		}
	}
	if n := len(app.Asked()); n > 0 {
		t.Errorf("asked %d times", n)
	}
}

func TestKeyCannotReachIntoWhatIsSigned(t *testing.T) {
	app := startApp(t)
	for _, key := range []string{"", "a.1700000000.{}", "a b", "a\r\nX: y", "ä"} {
		if _, err := open(t, config(app)).Do(t.Context(), lockOrder(key)); !bridge.IsPermanent(err) {
			t.Errorf("%q: %v", key, err)
		}
	}
	if n := len(app.Asked()); n > 0 {
		t.Errorf("asked %d times", n)
	}
}

func TestValidate(t *testing.T) {
	c := Config{URL: "http://x.example", Secrets: []bridge.Secret{"whsec_!", "whsec_c2hvcnQ=", secret}, Identify: "name",
		Effects: []bridge.Effect{"disable", "lock", "lock"}}
	var fields []string
	for _, p := range c.Validate() {
		fields = append(fields, p.Field)
		if strings.Contains(p.Message, "!") || strings.Contains(p.Message, "c2hv") {
			t.Errorf("shows a secret: %s", p.Message)
		}
	}
	want := []string{"url", "secrets[0]", "secrets[1]", "identify", "effects[0]", "effects[2]"}
	if !slices.Equal(fields, want) {
		t.Errorf("%v, want %v", fields, want)
	}
}

// The sandbox receiver itself refuses what is not genuine.
func TestReceiverIsStrict(t *testing.T) {
	app := startApp(t)
	c := config(app)
	c.Secrets = []bridge.Secret{other}
	if _, err := open(t, c).Do(t.Context(), lockOrder("a")); !bridge.IsPermanent(err) {
		t.Error(err)
	}
	if len(app.Messages()) > 0 {
		t.Error("a forged message was taken")
	}
	for range 2 {
		if _, err := open(t, config(app)).Do(t.Context(), lockOrder("a")); err != nil {
			t.Fatal(err)
		}
	}
	if m := app.Messages(); len(m) != 1 || m[0].ID != "a" || m[0].Type != "exeunt.lock" || len(app.Changes(amina.UserName)) != 1 {
		t.Errorf("%+v, %v", m, app.Changes(""))
	}
}
