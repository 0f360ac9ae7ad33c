package call

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestOutcome(t *testing.T) {
	const (
		ok        = "ok"
		permanent = "permanent"
		retry     = "retry"
	)
	vendor := []Reset{{Header: "X-Reset", Unit: Epoch, Remaining: "X-Remaining"}}
	tests := []struct {
		status  int
		headers string // "Name: value; Name: value"
		want    string // or a duration
	}{
		{200, "", ok}, {204, "", ok}, {202, "", ok},
		{301, "", permanent}, {400, "", permanent}, {401, "", permanent}, {403, "", permanent},
		{404, "", permanent}, {410, "", permanent}, {422, "", permanent},
		{408, "", retry}, {409, "", retry}, {412, "", retry}, {423, "", retry},
		{500, "", retry}, {501, "", retry}, {502, "", retry}, {504, "", retry},
		{500, "Retry-After: 7", retry},
		{429, "", retry}, {503, "", retry},
		{429, "Retry-After: 7", "7s"}, {503, "Retry-After: 7", "7s"},
		{429, "Retry-After: 0", "1s"}, {429, "Retry-After: 999999", "1h0m0s"},
		{429, "Retry-After: -5", retry}, {429, "Retry-After: soon", retry},
		{429, "Retry-After: Sun, 22 Nov 2026 12:00:30 GMT", "30s"},
		{429, "Retry-After: Sun, 22 Nov 2026 11:00:00 GMT", "1s"},
		{429, "Retry-After: Sun, 22 Nov 2037 12:00:00 GMT", "1h0m0s"},
		{429, "Date: Sun, 22 Nov 2026 13:00:00 GMT; Retry-After: Sun, 22 Nov 2026 13:00:10 GMT", "10s"},
		{429, "X-Reset: 1795349100", "5m0s"},
		{429, "X-Reset: NaN", retry}, {429, "X-Reset: +Inf", "1h0m0s"},
		{429, "Retry-After: 3; X-Reset: 1795349100", "3s"},
		{403, "X-Remaining: 0; X-Reset: 1795349100", "5m0s"},
		{403, "X-Remaining: 1; X-Reset: 1795349100", permanent},
	}
	for _, test := range tests {
		h := http.Header{}
		for _, line := range strings.Split(test.headers, "; ") {
			if name, value, found := strings.Cut(line, ": "); found {
				h.Set(name, value)
			}
		}
		err := outcome("GET /x", test.status, h, noon, vendor)
		got := retry
		if d, waits := bridge.WaitOf(err); waits {
			got = d.String()
		} else if err == nil {
			got = ok
		} else if bridge.IsPermanent(err) {
			got = permanent
		}
		if got != test.want {
			t.Errorf("%d %q: %s (%v), want %s", test.status, test.headers, got, err, test.want)
		}
	}
}

func TestWaitUnits(t *testing.T) {
	for _, test := range []struct {
		unit  Unit
		value string
		want  time.Duration
	}{
		{Delta, "60", time.Minute}, {Delta, "1.5", 2 * time.Second}, {Delta, "-3", time.Second},
		{Epoch, "1795348860", time.Minute}, {EpochMillis, "1795348860000", time.Minute},
	} {
		got, ok := Wait(http.Header{"X-R": {test.value}}, noon, []Reset{{Header: "X-R", Unit: test.unit}})
		if !ok || got != test.want {
			t.Errorf("%s %s: %v %v, want %v", test.unit, test.value, got, ok, test.want)
		}
	}
}

func TestGuard(t *testing.T) {
	private := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	everything := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	tests := []struct {
		to      string
		secure  bool // without a list, over TLS
		private bool // with 10.0.0.0/8, without TLS
		all     bool // with everything listed
	}{
		{"93.184.215.14:443", true, false, true},
		{"93.184.215.14:80", false, false, true},
		{"93.184.215.14:8443", false, false, true},
		{"[2606:4700::6810:84e5]:443", true, false, true},
		{"127.0.0.1:443", false, false, true},
		{"10.1.2.3:443", false, true, true},
		{"10.1.2.3:8080", false, true, true},
		{"[::ffff:10.1.2.3]:8080", false, true, true},
		{"[::ffff:127.0.0.1]:443", false, false, true},
		{"[::1]:443", false, false, true},
		{"192.168.0.1:443", false, false, true},
		{"172.16.0.1:443", false, false, true},
		{"100.64.0.1:443", false, false, true},
		{"0.0.0.0:443", false, false, true},
		{"224.0.0.1:443", false, false, true},
		{"[fe80::1%eth0]:443", false, false, false},
		{"[fc00::1]:443", false, false, true},
		{"[64:ff9b::7f00:1]:443", false, false, true},
		{"[2002:7f00:1::]:443", false, false, true},
		{"169.254.169.254:443", false, false, false},
		{"169.254.169.254:80", false, false, false},
		{"[::ffff:169.254.169.254]:80", false, false, false},
		{"168.63.129.16:443", false, false, false},
		{"[fd00:ec2::254]:80", false, false, false},
	}
	for _, test := range tests {
		network := "tcp4"
		if strings.Contains(test.to, "[") {
			network = "tcp6"
		}
		for _, c := range []struct {
			what string
			g    *guard
			want bool
		}{
			{"secure", newGuard(nil, false), test.secure},
			{"private", newGuard(private, true), test.private},
			{"all", newGuard(everything, false), test.all},
		} {
			if got := c.g.control(network, test.to, nil) == nil; got != c.want {
				t.Errorf("%s %s: allowed %v, want %v", c.what, test.to, got, c.want)
			}
		}
	}
	for _, network := range []string{"udp4", "unix", "tcp"} {
		if newGuard(nil, false).control(network, "93.184.215.14:443", nil) == nil {
			t.Errorf("%s is allowed", network)
		}
	}
}

func TestCheckURL(t *testing.T) {
	tests := []struct {
		url     string
		allowed string
		want    string // part of the message; "" if good
	}{
		{"https://app.example.com/scim/v2", "", ""},
		{"https://app.example.com:8443/", "", ""}, // a name: decided when dialled
		{"", "", "required"},
		{"app.example.com", "", "https://"},
		{"ftp://app.example.com", "", "https://"},
		{"https://u:p@app.example.com", "", "user name"},
		{"https://app.example.com/#x", "", "fragment"},
		{"http://app.example.com", "", "allow_networks"},
		{"http://app.example.com", "10.0.0.0/8", ""},
		{"https://10.0.0.1", "", "allow_networks"},
		{"https://10.0.0.1", "10.0.0.0/8", ""},
		{"http://127.0.0.1:8080", "10.0.0.0/8", "allow_networks"},
		{"https://93.184.215.14:99999", "", "port"},
	}
	for _, test := range tests {
		e := Egress{}
		if test.allowed != "" {
			e.AllowNetworks = []string{test.allowed}
		}
		got := ""
		if err := e.CheckURL("base_url", test.url); err != nil {
			got = err.Error()
		}
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s (%s): %q, want %q", test.url, test.allowed, got, test.want)
		}
	}
	if p := (Egress{AllowNetworks: []string{"10.0.0.0/8", "home"}}).Validate(); len(p) != 1 || p[0].Field != "allow_networks[1]" {
		t.Errorf("%v", p)
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, seed := range []string{`{"a":[1,"\"[{"]}`, strings.Repeat("[", 40), `"\`, ``, `{"a":`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		if Unmarshal(data, &v) == nil && nesting(v) > MaxDepth {
			t.Errorf("too deep: %q", data)
		}
	})
}

func nesting(v any) (deepest int) {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			deepest = max(deepest, nesting(e))
		}
	case []any:
		for _, e := range v {
			deepest = max(deepest, nesting(e))
		}
	default:
		return 0
	}
	return deepest + 1
}

func TestUnmarshalDepth(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	var v any
	if err := Unmarshal([]byte(deep), &v); err != nil {
		t.Error(err)
	}
	if err := Unmarshal([]byte("["+deep+"]"), &v); err != errTooDeep {
		t.Error(err)
	}
	if err := Unmarshal([]byte(`{"a":"`+strings.Repeat("[", 100)+`"}`), &v); err != nil {
		t.Error(err)
	}
	r := Response{Name: "GET /x", Status: 200, Body: []byte("[" + deep + "]")}
	if err := r.Decode(&v); !bridge.IsPermanent(err) {
		t.Error(err)
	}
	r.Body = []byte("<html>bob@example.com")
	if err := r.Decode(&v); err == nil || bridge.IsPermanent(err) || strings.Contains(err.Error(), "bob") {
		t.Error(err)
	}
}

func TestOutcomeSaysWhy(t *testing.T) {
	for status, want := range map[int]string{
		401: "GET /x answered 401: the app refused our credentials",
		403: "GET /x answered 403: our credentials may not do this",
		302: "GET /x answered 302: a redirect, which is not followed",
		500: "GET /x answered 500",
	} {
		if got := outcome("GET /x", status, http.Header{"Location": {"https://bob@example.com"}}, noon, nil).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestReceiptRef(t *testing.T) {
	for ref, want := range map[string]string{
		"7f3a-90:b_c.d=": "7f3a-90:b_c.d=", "bob@example.com": "", "no such user": "", strings.Repeat("a", 81): "",
	} {
		r := Response{Name: "GET /x", Status: 200, Header: http.Header{"X-Request-Id": {ref}}}
		if got := r.Receipt("").Ref; got != want {
			t.Errorf("%q: %q, want %q", ref, got, want)
		}
	}
}

func TestWorse(t *testing.T) {
	retry, later, longer := errors.New("retry"), bridge.RetryAfter(time.Second, errors.New("later")), bridge.RetryAfter(time.Minute, errors.New("longer"))
	stuck, impossible := bridge.Permanent(errors.New("stuck")), bridge.Impossible(errors.New("impossible"))
	order := []error{nil, impossible, stuck, retry, later, longer} // from the best to the worst
	for i, a := range order {
		for j, b := range order {
			if got, want := Worse(a, b), order[max(i, j)]; got != want {
				t.Errorf("Worse(%v, %v) = %v, want %v", a, b, got, want)
			}
		}
	}
}
