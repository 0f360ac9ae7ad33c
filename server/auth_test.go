package server

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestClientAddress(t *testing.T) {
	networks := func(list ...string) (n []Network) {
		for _, text := range list {
			var one Network
			if err := one.UnmarshalText([]byte(text)); err != nil {
				t.Fatal(err)
			}
			n = append(n, one)
		}
		return n
	}
	s := &state{Settings: Settings{Proxies: networks("10.0.0.0/8", "fd00::1")}}
	for i, tt := range []struct {
		peer string
		said []string
		want string
	}{
		{"203.0.113.7:4711", nil, "203.0.113.7"},
		{"203.0.113.7:4711", []string{"198.51.100.1"}, "203.0.113.7"}, // a stranger may say what it likes
		{"10.0.0.1:4711", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:4711", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"}, // only what our proxy has seen counts
		{"10.0.0.1:4711", []string{"1.1.1.1, 198.51.100.1, 10.9.9.9"}, "198.51.100.1"},
		{"10.0.0.1:4711", []string{"1.1.1.1", "198.51.100.1", "10.9.9.9"}, "198.51.100.1"},
		{"10.0.0.1:4711", []string{"10.2.2.2, 10.9.9.9"}, "10.2.2.2"},
		{"10.0.0.1:4711", nil, "10.0.0.1"},
		{"10.0.0.1:4711", []string{"198.51.100.1, unknown"}, "10.0.0.1"},
		{"10.0.0.1:4711", []string{"198.51.100.1, , 10.9.9.9"}, "10.9.9.9"},
		{"10.0.0.1:4711", []string{"198.51.100.1:99"}, "198.51.100.1"},
		{"[fd00::1]:4711", []string{"[2001:db8::5]:99"}, "2001:db8::5"},
		{"[fd00::1]:4711", []string{"[2001:db8::5]"}, "2001:db8::5"},
		{"[fd00::1%eth0]:4711", []string{"2001:db8::5"}, "2001:db8::5"},
		{"[::ffff:10.0.0.1]:4711", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"[fd00::2]:4711", []string{"2001:db8::5"}, "fd00::2"},
		{"nowhere", []string{"198.51.100.1"}, "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{"X-Forwarded-For": tt.said}}
		if got := s.client(r).String(); got != tt.want {
			t.Errorf("%d: %s %q: %s, want %s", i, tt.peer, tt.said, got, tt.want)
		}
	}
}

func TestOffenders(t *testing.T) {
	var o offenders
	now, from := time.Unix(1e9, 0), netip.MustParseAddr("203.0.113.7")
	for i := range freeGuesses {
		if wait := o.wrong(from, now); wait != 0 {
			t.Fatalf("guess %d waits %v", i, wait)
		}
	}
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		wait := o.wrong(from, now)
		if wait != want*time.Second {
			t.Fatalf("waits %v, want %vs", wait, int(want))
		}
		for range 100 { // a flood makes it no longer
			o.wrong(from, now)
		}
		if now = now.Add(wait); o.wrong(from, now) != 0 {
			t.Fatal("who has waited may try once")
		}
	}
	if wait := o.wrong(netip.MustParseAddr("203.0.113.8"), now); wait != 0 {
		t.Errorf("a neighbour waits %v", wait)
	}
	near, far := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff:1")
	for range freeGuesses {
		o.wrong(near, now)
	}
	if o.wrong(far, now) == 0 {
		t.Error("one who changes addresses within its /64 waits not")
	}
	if now = now.Add(2 * forgetAfter); o.wrong(near, now) != 0 || o.young[neighbourhood(near, 32, 64)].guesses != 1 {
		t.Error("nothing is forgotten")
	}
	for i := range 5 * maxAddresses {
		o.wrong(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	if n := len(o.young) + len(o.old); n > 2*maxAddresses {
		t.Errorf("%d are remembered", n)
	}
}

// Whoever goes on with wrong credentials is told to wait; the right ones come in
// from the same address, at once and however much is going on.
func TestWrongCredentialsAreSlowed(t *testing.T) {
	clock := newWatch()
	f := start(t, defaults(), nil, clock.put)
	okta := f.issue(t, "okta")
	for range freeGuesses {
		if res, _ := f.knocks(t, "wrong-and-long-enough-to-be-one"); res.StatusCode != 401 {
			t.Fatal(res.StatusCode)
		}
	}
	res, body := f.knocks(t, "wrong-and-long-enough-to-be-one")
	if res.StatusCode != 429 || res.Header.Get("Retry-After") != "1" || !strings.Contains(body, "scim:api:messages:2.0:Error") {
		t.Errorf("%d %v %s", res.StatusCode, res.Header, body)
	}
	if res, _ := f.ask(t, "GET", "/v1/cases", "", "Authorization", "Bearer "+hrText); res.StatusCode != 429 {
		t.Errorf("at another door: %d", res.StatusCode)
	}
	for _, right := range []string{hrText, okta} {
		if res, body := f.knocks(t, right); res.StatusCode != 200 {
			t.Errorf("the right one: %d %s", res.StatusCode, body)
		}
	}
	if res, _ := f.ask(t, "GET", "/scim/v2/Users", ""); res.StatusCode != 401 {
		t.Errorf("without credentials: %d", res.StatusCode)
	}
	_, figures := f.ask(t, "GET", "/metrics", "")
	for _, want := range []string{`exeunt_credentials_slowed_total{door="scim"} 1`, `exeunt_credentials_slowed_total{door="admin"} 1`,
		`exeunt_credentials_refused_total{door="scim",reason="wrong"} ` + strconv.Itoa(freeGuesses+1)} {
		if !strings.Contains(figures, want) {
			t.Errorf("no %s in %s", want, grepped(figures, "credentials"))
		}
	}
	if log := f.log.String(); !strings.Contains(log, `"from":"127.0.0.0/24"`) || strings.Contains(log, "127.0.0.1") || strings.Contains(log, "long-enough") {
		t.Error("the log holds an address or a token, or not the network")
	}
	clock.passes(time.Second)
	if res, _ := f.knocks(t, "wrong-and-long-enough-to-be-one"); res.StatusCode != 401 {
		t.Errorf("after the wait: %d", res.StatusCode)
	}
}

func TestAllowedAddresses(t *testing.T) {
	s := defaults()
	proxy, office := Network{netip.MustParsePrefix("127.0.0.1/32")}, Network{netip.MustParsePrefix("198.51.100.0/24")}
	s.Sources = map[string]SourceConfig{"hr": {Allow: []Network{office}}}
	f := start(t, s, nil, nil)
	okta := f.issue(t, "okta")
	from := func(address string) (int, string) {
		res, body := f.knocks(t, hrText, "X-Forwarded-For", address)
		return res.StatusCode, body
	}
	if status, body := from("198.51.100.9"); status != 403 || !strings.Contains(body, `"status":"403"`) || strings.Contains(body, "198.51") {
		t.Errorf("what a stranger says of itself: %d %s", status, body)
	}
	if res, _ := f.knocks(t, okta); res.StatusCode != 200 {
		t.Errorf("a source that may call from everywhere: %d", res.StatusCode)
	}
	if res, _ := f.knocks(t, hrText+"x"); res.StatusCode != 401 {
		t.Errorf("a wrong token from there is told as much: %d", res.StatusCode)
	}
	if !strings.Contains(f.log.String(), `"source":"hr","address":"127.0.0.1"`) {
		t.Errorf("the log does not tell from where: %s", f.log)
	}
	if f.refused(t, "scim", wrongAddress) != 1 {
		t.Error("not counted")
	}
	s.Proxies = []Network{proxy}
	f.Apply(s)
	if status, body := from("198.51.100.9"); status != 200 {
		t.Errorf("what a trusted proxy says: %d %s", status, body)
	}
	if status, _ := from("198.51.100.9, 203.0.113.7"); status != 403 {
		t.Errorf("what a client has told a trusted proxy: %d", status)
	}
}

func grepped(text, word string) (found string) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) && !strings.HasPrefix(line, "#") {
			found += line
		}
	}
	return found
}
