package syslog

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var noon = time.Date(2026, 11, 22, 13, 0, 0, 1000, time.FixedZone("", 3600))

func TestMessage(t *testing.T) {
	for _, c := range []struct {
		name string
		m    Message
		want string
	}{
		{"everything", Message{Facility: FacilityAudit, Severity: SeverityNotice, Time: noon, Host: "h", App: "exeunt", Proc: "7", ID: "checkpoint",
			Data: []Element{{"x@1", []Param{{"a", `q"b]c\d`}, {"b", ""}}}, {"y@1", nil}}, Text: "ä"},
			`<109>1 2026-11-22T12:00:00.000001Z h exeunt 7 checkpoint [x@1 a="q\"b\]c\\d" b=""][y@1] ` + "\xef\xbb\xbfä"},
		{"nothing", Message{}, "<0>1 - - - - - -"},
		{"what does not belong in a header", Message{Host: "a b\nc", App: strings.Repeat("x", 60), Data: []Element{{`a="]`, nil}}},
			"<0>1 - a_b_c " + strings.Repeat("x", 48) + " - - [a___]"},
		{"not UTF-8", Message{Data: []Element{{"x", []Param{{"a", "\xff"}}}}, Text: "\xff"}, "<0>1 - - - - - [x a=\"\ufffd\"] \xef\xbb\xbf\ufffd"},
	} {
		if got := string(c.m.Append(nil)); got != c.want {
			t.Errorf("%s:\n%q, want\n%q", c.name, got, c.want)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for in, want := range map[string]string{
		"tls://siem.example:7000": "tls siem.example:7000", "tls://siem.example": "tls siem.example:6514", "tcp://10.0.0.1": "tcp 10.0.0.1:601",
		"udp://[::1]": "udp [::1]:514", "siem.example:6514": "", "https://siem.example": "", "tls://": "", "tls://h:99999": "", "tls://h/x": "",
		"tls://u@h": "", "tcp://h:0": "",
	} {
		got, err := ParseTarget(in)
		if s := got.Network + " " + got.Address; err == nil && s != want || err != nil && want != "" {
			t.Errorf("%s: %q, %v", in, s, err)
		}
	}
}

// receive takes one connection, hands over its messages, and closes after it has read n of them; -1: when the other side does.
func receive(t *testing.T, l net.Listener, n int) <-chan string {
	t.Helper()
	got := make(chan string, 100)
	go func() {
		defer close(got)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		r := bufio.NewReader(c)
		for range uint(n) {
			length, err := r.ReadString(' ')
			if err != nil {
				return
			}
			size, err := strconv.Atoi(strings.TrimSuffix(length, " "))
			if err != nil {
				t.Errorf("no octet count: %q", length)
				return
			}
			b := make([]byte, size)
			if _, err := io.ReadFull(r, b); err != nil {
				t.Error(err)
				return
			}
			got <- string(b)
		}
	}()
	return got
}

func TestOverTLS(t *testing.T) {
	server := httptest.NewTLSServer(nil) // for its certificate
	defer server.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server.TLS.Clone())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := receive(t, l, -1)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	to := Target{"tls", l.Addr().String()}
	c, err := Dial(t.Context(), to, &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two\nlines"} {
		if err := c.Send(Message{Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one", "two\nlines"} {
		if m := <-got; !strings.HasSuffix(m, bom+want) {
			t.Errorf("%q", m)
		}
	}
	unknown := receive(t, l, -1)
	if _, err := Dial(t.Context(), to, nil); err == nil {
		t.Error("a receiver of an unknown authority is trusted")
	}
	if m, ok := <-unknown; ok {
		t.Errorf("it was told %q", m)
	}
}

// A receiver that goes away is noticed at the next message, not after it was lost.
func TestReceiverGoesAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := receive(t, l, 1)
	c, err := Dial(t.Context(), Target{"tcp", l.Addr().String()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Send(Message{Text: "one"}); err != nil {
		t.Fatal(err)
	}
	<-got
	<-got // closed: the connection is as well
	deadline := time.Now().Add(5 * time.Second)
	for c.Send(Message{Text: "two"}) == nil {
		if time.Now().After(deadline) {
			t.Fatal("messages go nowhere, without an error")
		}
	}
}

func TestOverUDP(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := Dial(t.Context(), Target{"udp", l.LocalAddr().String()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Send(Message{Text: strings.Repeat("x", 3000)}); err == nil {
		t.Error("what does not fit was sent")
	}
	if err := c.Send(Message{Text: "one"}); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n, _, err := l.ReadFrom(b)
	if err != nil || string(b[:n]) != string(Message{Text: "one"}.Append(nil)) {
		t.Errorf("%q, %v", b[:n], err)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add("host", "id@1", "name", `v"]\`, "text")
	f.Add("h h", "=", "]", "\xff\n", "\x00")
	f.Fuzz(func(t *testing.T, host, id, param, val, text string) {
		b := string(Message{Host: host, Data: []Element{{id, []Param{{param, val}}}}, Text: text}.Append(nil))
		if !utf8.ValidString(b) {
			t.Fatalf("not UTF-8: %q", b)
		}
		header, _, _ := strings.Cut(b, " - - - [")
		if strings.Count(header, " ") != 2 || strings.ContainsAny(header, "\n\x00") {
			t.Fatalf("header reaches out: %q", b)
		}
		data, _, _ := strings.Cut(b[len(header):], `="`)
		head := header + data
		if strings.Count(data, " ") != 5 || strings.ContainsAny(data[len(" - - - ["):], "\n\x00\"]") {
			t.Fatalf("names reach out: %q", b)
		}
		// The value ends at the first quote that is not escaped, and says what it was.
		rest, out := b[len(head)+2:], []rune{}
		escaped := false
		for i, r := range rest {
			if !escaped && r == '"' {
				rest = rest[i+1:]
				break
			}
			if escaped = !escaped && r == '\\'; !escaped {
				out = append(out, r)
			}
		}
		if want := strings.ToValidUTF8(val, "\ufffd"); string(out) != want || !strings.HasPrefix(rest, "]") {
			t.Fatalf("value %q became %q, then %q", want, string(out), rest)
		}
	})
}
