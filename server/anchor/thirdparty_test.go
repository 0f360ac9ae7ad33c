package anchor

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	cosign "github.com/transparency-dev/formats/note"

	"github.com/exeunt/exeunt/store/ledger"
	"github.com/exeunt/exeunt/testdata/peers"
)

// Somebody else's witness, transparency-dev's omniwitness, as a peer: it cosigns
// what is right, is not taken in by an answer that was lost, and tells of an old
// copy and of another history. EXEUNT_TEST_OMNIWITNESS is its binary; see ./test.
func TestOmniwitness(t *testing.T) {
	binary := peers.Need(t, "EXEUNT_TEST_OMNIWITNESS")
	for kind, key := range map[string]func() (string, string, error){
		"Ed25519": func() (secret, verifier string, err error) {
			if secret, _, err = ledger.NewKey("witness.example"); err == nil {
				var c *ledger.Cosigner
				if c, err = ledger.NewCosigner(secret); err == nil {
					verifier = c.VerifierKey()
				}
			}
			return secret, verifier, err
		},
		"ML-DSA-44": func() (string, string, error) { return cosign.GenerateMLDSAKey("witness.example") },
	} {
		t.Run(kind, func(t *testing.T) {
			secret, verifier, err := key()
			if err != nil {
				t.Fatal(err)
			}
			askOmniwitness(t, binary, secret, verifier)
		})
	}
}

func askOmniwitness(t *testing.T, binary, secret, verifier string) {
	d := newDesk(t)
	dir := t.TempDir()
	logs := fmt.Sprintf("Logs:\n  - Origin: exeunt/test\n    URL: http://127.0.0.1:1\n    PublicKey: %s\n    Feeder: none\n", d.store.LogKey().VerifierKey())
	for name, text := range map[string]string{"key": secret, "logs.yaml": logs} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var addresses []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, l.Addr().String())
		l.Close()
	}
	var said bytes.Buffer
	c := exec.Command(binary, "--listen", addresses[0], "--metrics_listen", addresses[1], "--private_key_path", filepath.Join(dir, "key"),
		"--db_file", filepath.Join(dir, "witness.db"), "--additional_logs", filepath.Join(dir, "logs.yaml"))
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	for end := time.Now().Add(30 * time.Second); ; {
		conn, err := net.Dial("tcp", addresses[0])
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal("omniwitness does not start")
		}
		time.Sleep(10 * time.Millisecond)
	}

	lose := false
	to := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addresses[0]})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if lose {
			to.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		to.ServeHTTP(w, r)
	}))
	defer server.Close()
	g := &guard{key: verifier, url: server.URL}
	var err error
	if g.policy, err = ledger.ParsePolicy([]byte("witness w " + g.key + " " + g.url + "\nquorum w\n")); err != nil {
		t.Fatal(err)
	}

	d.keep(g.places(d))
	d.mustSign(5)
	old := d.copy()
	d.keep(g.places(d))
	note := d.mustSign(3)
	d.Ask(t.Context())
	d.wantCosigned(g, note)
	lose = true
	d.mustSign(2)
	d.Ask(t.Context())
	lose = false
	note = d.mustSign(2)
	d.after(time.Hour)
	d.wantCosigned(g, note)
	if d.outcomes["w failed"] != 1 || d.outcomes["w contradicted"] != 0 {
		t.Errorf("%v", d.outcomes)
	}

	d.putBack(old)
	d.keep(g.places(d))
	d.refused("it has cosigned 12 events, and they are not here")
	d.keep(nil)
	d.mustSign(20)
	d.keep(g.places(d))
	d.refused("it has cosigned 12 events that are not the beginning of the log")
}
