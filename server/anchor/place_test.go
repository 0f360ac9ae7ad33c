package anchor

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
)

func opened(t *testing.T, c Config) Place {
	t.Helper()
	if problems := c.Validate(); len(problems) > 0 {
		t.Fatal(problems[0])
	}
	p, err := c.Open(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A file holds the newest; what contradicts the log stays in it.
func TestFile(t *testing.T) {
	d := newDesk(t)
	path := filepath.Join(t.TempDir(), "checkpoint")
	places := map[string]Place{"f": opened(t, Config{File: path})}
	none := d.copy()
	d.keep(places)
	d.mustSign(3)
	d.after(lookEvery)
	old := d.copy()
	d.keep(places)
	note := d.mustSign(3)
	d.after(lookEvery)
	d.putBack(none)
	d.keep(places)
	d.refused("of 6 events")
	d.putBack(old)
	d.keep(nil)
	if read(t, path) != string(note) {
		t.Error("the file does not hold the newest")
	}
	d.putBack(old)
	d.keep(places)
	d.refused("of 6 events")
	d.putBack(old)
	d.keep(nil) // life goes on differently
	d.mustSign(30)
	d.keep(places)
	d.refused("6 events that are not the beginning")
	if read(t, path) != string(note) {
		t.Error("the evidence was overwritten")
	}

	d.putBack(old)
	stranger, err := ledger.NewSigner(newSecret(t, "exeunt/test"))
	if err != nil {
		t.Fatal(err)
	}
	forged, err := stranger.Sign(0, ledger.Empty("exeunt/test").Root)
	if err != nil {
		t.Fatal(err)
	}
	for content, why := range map[string]string{"notes of mine\n": "", string(forged): "our key did not sign"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		d.keep(places)
		if why != "" {
			d.refused(why)
		}
		if read(t, path) != content {
			t.Error("something else was overwritten")
		}
	}
}

// A folder has a file for each checkpoint, and none is changed; one that a crash
// broke off is gone round.
func TestFolder(t *testing.T) {
	d := newDesk(t)
	dir := t.TempDir()
	places := map[string]Place{"f": opened(t, Config{Folder: dir})}
	d.keep(places)
	var notes []string
	for range 3 {
		notes = append(notes, string(d.mustSign(2)))
		d.after(lookEvery)
	}
	if err := os.WriteFile(filepath.Join(dir, "000000000008.checkpoint"), []byte(notes[0][:20]), 0o444); err != nil {
		t.Fatal(err)
	}
	old := d.copy()
	d.keep(places)
	notes = append(notes, string(d.mustSign(2)))
	d.after(lookEvery)
	d.asked(t) // again: nothing more
	want := map[string]string{"000000000002.checkpoint": notes[0], "000000000004.checkpoint": notes[1], "000000000006.checkpoint": notes[2],
		"000000000008.checkpoint": notes[0][:20], "000000000008-1.checkpoint": notes[3]}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(want) {
		t.Errorf("%v, %v", entries, err)
	}
	for name, content := range want {
		if read(t, filepath.Join(dir, name)) != content {
			t.Errorf("%s is %q", name, read(t, filepath.Join(dir, name)))
		}
	}
	d.putBack(old)
	d.keep(places)
	d.refused("of 8 events")
	d.putBack(old)
	d.keep(nil)
	d.mustSign(2)
	d.keep(places)
	d.refused("8 events")
}

// asked has every place asked again, as after a restart.
func (d *desk) asked(t *testing.T) {
	t.Helper()
	d.keep(d.Places)
}

func TestWebhook(t *testing.T) {
	const secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	var (
		mu         sync.Mutex
		ids, notes []string
	)
	answers := []int{500, 0, 204, 204}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := verifier.Verify(body, r.Header); err != nil {
			t.Error(err)
		}
		var m struct {
			Type string
			Data struct{ Checkpoint string }
		}
		if err := json.Unmarshal(body, &m); err != nil || m.Type != "exeunt.checkpoint" {
			t.Errorf("%s: %v", body, err)
		}
		mu.Lock()
		defer mu.Unlock()
		status := answers[len(ids)]
		ids, notes = append(ids, r.Header.Get("Webhook-Id")), append(notes, m.Data.Checkpoint)
		if status == 0 {
			panic(http.ErrAbortHandler) // it has it, and the answer is lost
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	d := newDesk(t).keep(map[string]Place{"h": opened(t, Config{Webhook: server.URL, Secrets: []bridge.Secret{secret}, Egress: local})})
	first := string(d.mustSign(2))
	for range 4 {
		d.after(time.Hour)
	}
	second := string(d.mustSign(2))
	d.after(time.Hour)
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(notes, []string{first, first, first, second}) {
		t.Errorf("it was sent %q", notes)
	}
	if ids[0] != ids[1] || ids[1] != ids[2] || ids[2] == ids[3] {
		t.Errorf("ids %q", ids)
	}
}

func TestSyslog(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		r := bufio.NewReader(c)
		length, _ := r.ReadString(' ')
		n, _ := strconv.Atoi(strings.TrimSpace(length))
		b := make([]byte, n)
		io.ReadFull(r, b)
		r.ReadByte() // its end
		got <- string(b)
	}()
	d := newDesk(t).keep(map[string]Place{"s": opened(t, Config{Syslog: "tcp://" + l.Addr().String()})})
	note := d.mustSign(2)
	d.after(lookEvery)
	m := <-got
	if !strings.HasPrefix(m, "<109>1 ") || !strings.Contains(m, ` checkpoint [checkpoint@32473 origin="exeunt/test" size="2" root="`) ||
		!strings.Contains(m, `note="`+base64.StdEncoding.EncodeToString(note)+`"]`) {
		t.Errorf("it was told %q", m)
	}
	if d.outcomes["s kept"] != 1 {
		t.Errorf("%v", d.outcomes)
	}
	l.Close()
	d.mustSign(1)
	d.after(lookEvery)
	if d.outcomes["s failed"] != 1 {
		t.Errorf("nobody listens, and it is %v", d.outcomes)
	}
}

// One place that does not answer holds up no other.
func TestOneHoldsUpNoOther(t *testing.T) {
	d := newDesk(t)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	path := filepath.Join(t.TempDir(), "checkpoint")
	d.keep(map[string]Place{"f": opened(t, Config{File: path}), "h": opened(t, Config{Webhook: server.URL,
		Secrets: []bridge.Secret{"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}, Egress: local})})
	note := d.mustSign(1)
	done := make(chan struct{})
	go func() { defer close(done); d.Ask(t.Context()) }()
	deadline := time.Now().Add(4 * time.Second)
	for {
		if held, err := os.ReadFile(path); err == nil && bytes.Equal(held, note) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the file waits for the webhook")
		}
		time.Sleep(time.Millisecond)
	}
	select {
	case <-done:
		t.Error("the webhook did not hold up anything")
	default:
	}
	<-done // five seconds
}

func TestConfigValidate(t *testing.T) {
	for name, c := range map[string]struct {
		Config
		field string
	}{
		"nothing":          {Config{}, ""},
		"two":              {Config{File: "a", Folder: "b"}, ""},
		"no secrets":       {Config{Webhook: "https://x.example"}, "secrets"},
		"secrets for none": {Config{File: "a", Secrets: []bridge.Secret{"x"}}, "secrets"},
		"http":             {Config{Webhook: "http://x.example", Secrets: []bridge.Secret{"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}}, "webhook"},
		"syslog":           {Config{Syslog: "siem.example"}, "syslog"},
	} {
		if p := c.Validate(); len(p) != 1 || p[0].Field != c.field {
			t.Errorf("%s: %v", name, p)
		}
	}
}
