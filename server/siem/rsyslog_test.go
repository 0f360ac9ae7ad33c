package siem

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge/connector"
	"github.com/exeunt/exeunt/testdata/peers"
)

// rsyslog is a real rsyslogd that takes messages over TLS and writes them to a file.
type rsyslog struct {
	t       *testing.T
	program string
	dir     string
	port    string
	process *exec.Cmd
}

// newRsyslog needs EXEUNT_TEST_RSYSLOG, the path of rsyslogd, with its module for TLS (gtls).
func newRsyslog(t *testing.T) *rsyslog {
	t.Helper()
	r := &rsyslog{t: t, program: peers.Need(t, "EXEUNT_TEST_RSYSLOG"), dir: t.TempDir(), port: "0"}
	s := httptest.NewTLSServer(nil) // for its certificate
	s.Close()
	key, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	r.write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	r.write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	t.Cleanup(r.stop)
	return r
}

func (r *rsyslog) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rsyslog) write(name string, text []byte) {
	r.t.Helper()
	if err := os.WriteFile(r.path(name), text, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// start begins to receive, at the port that it had before.
func (r *rsyslog) start() {
	r.t.Helper()
	r.write("conf", fmt.Appendf(nil, `global(workDirectory="%[1]s" maxMessageSize="64k" defaultNetstreamDriver="gtls"
	defaultNetstreamDriverCAFile="%[1]s/cert.pem" defaultNetstreamDriverCertFile="%[1]s/cert.pem" defaultNetstreamDriverKeyFile="%[1]s/key.pem")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="row" type="string" string="%%app-name%%\t%%msgid%%\t%%structured-data%%\t%%msg%%\n")
input(type="imtcp" address="127.0.0.1" port="%[2]s" listenPortFileName="%[1]s/port")
action(type="omfile" file="%[1]s/all")
if $app-name == "exeunt" then action(type="omfile" file="%[1]s/out" template="row")
`, r.dir, r.port))
	r.process = exec.Command(r.program, "-n", "-f", r.path("conf"), "-i", r.path("pid"))
	if err := r.process.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.port = r.wait("port", func(text string) bool { return text != "" }) // of the first start
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", "127.0.0.1:"+r.port)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal(err)
		}
	}
}

func (r *rsyslog) stop() {
	if r.process != nil {
		r.process.Process.Signal(syscall.SIGTERM)
		r.process.Wait()
		r.process = nil
	}
}

// wait returns what a file holds as soon as it is enough.
func (r *rsyslog) wait(name string, enough func(string) bool) string {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		text, _ := os.ReadFile(r.path(name)) // not there yet
		if enough(string(text)) {
			return string(text)
		}
		if time.Now().After(deadline) {
			all, _ := os.ReadFile(r.path("all"))
			r.t.Fatalf("%s holds %q; rsyslogd says: %s", name, text, all)
		}
	}
}

// TestRsyslog: the real rsyslog gets every row over TLS, as it was written; also
// what happened while it was down.
func TestRsyslog(t *testing.T) {
	for _, format := range []string{"json", "ocsf", "cef", "cloudevents"} {
		t.Run(format, func(t *testing.T) {
			r := newRsyslog(t)
			r.start()
			config := Config{To: "syslog+tls://127.0.0.1:" + strings.TrimSpace(r.port), Format: format,
				Egress: connector.Egress{AllowNetworks: []string{"127.0.0.0/8"}, CAFile: r.path("cert.pem")}}
			d := newDesk(t, config)
			d.happen(0, 3)
			if err := d.run(); err != nil {
				t.Fatal(err)
			}
			r.wait("out", func(s string) bool { return strings.Count(s, "\n") == 3 })
			r.stop()
			d.happen(3, 120)
			if d.run() == nil {
				t.Fatal("rsyslog is down, and took events")
			}
			r.start()
			if err := d.run(); err != nil {
				t.Fatal(err)
			}
			text := r.wait("out", func(s string) bool { return strings.Count(s, "\n") >= 123 })
			sealed, err := d.store.Sealed(t.Context(), 0, 123)
			if err != nil {
				t.Fatal(err)
			}
			for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
				fields := strings.SplitN(line, "\t", 4)
				want := string(config.encoder(d.Log)(rowOf(sealed[i])))
				got := strings.TrimPrefix(strings.TrimSpace(fields[3]), "\ufeff")
				if fields[1] != "case.opened" || !strings.HasPrefix(fields[2], fmt.Sprintf(`[log@32473 origin="exeunt/test" index="%d" leafHash="`, i)) || got != want {
					t.Fatalf("line %d is %q, want %q", i, line, want)
				}
				if format != "cef" && !json.Valid([]byte(got)) {
					t.Errorf("no JSON: %s", got)
				}
			}
		})
	}
}

// TestRsyslogUnknown: nothing goes to whoever cannot show a certificate that is trusted.
func TestRsyslogUnknown(t *testing.T) {
	r := newRsyslog(t)
	r.start()
	d := newDesk(t, Config{To: "syslog+tls://127.0.0.1:" + strings.TrimSpace(r.port), Egress: local})
	d.happen(0, 1)
	if err := d.run(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v", err)
	}
}
