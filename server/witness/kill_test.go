package witness

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/store/ledger"
)

// TestMain is also a witness, as a process of its own that can be killed:
// its directory, secret key and log are in the environment.
func TestMain(m *testing.M) {
	dir := os.Getenv("EXEUNT_TEST_WITNESS")
	if dir == "" {
		os.Exit(m.Run())
	}
	key, err := ledger.NewCosigner(os.Getenv("EXEUNT_TEST_WITNESS_KEY"))
	if err == nil {
		var w *Witness
		if w, err = Open(Options{Dir: dir, Key: key, Logs: []string{os.Getenv("EXEUNT_TEST_WITNESS_LOG")}, Logger: zerolog.Nop()}); err == nil {
			var l net.Listener
			if l, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
				fmt.Println(l.Addr())
				err = http.Serve(l, w)
			}
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Whatever a witness has answered, it still knows after it was killed: it never
// cosigns less, or something else.
func TestKilledWitness(t *testing.T) {
	dir := t.TempDir()
	secret, _, err := ledger.NewKey("witness.example")
	if err != nil {
		t.Fatal(err)
	}
	l := newLog(t, "exeunt/aa")
	l.grow(1, "a")
	var answered int64 // the largest size that was cosigned, as the log heard
	for round := range 15 {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), "EXEUNT_TEST_WITNESS="+dir, "EXEUNT_TEST_WITNESS_KEY="+secret, "EXEUNT_TEST_WITNESS_LOG="+l.key.VerifierKey())
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		var line [64]byte
		n, err := out.Read(line[:])
		if err != nil {
			t.Fatal(err)
		}
		url := "http://" + string(bytes.TrimSpace(line[:n])) + "/add-checkpoint"
		killed := make(chan struct{})
		time.AfterFunc(time.Duration(rand.IntN(30))*time.Millisecond, func() { c.Process.Kill(); close(killed) })

		// Another history from what was answered last on, with the same key.
		old := answered
		if answered > 1 {
			status, _ := send(url, l.fork(answered-1).grow(answered+3, "forged").body(answered, answered+3))
			if status == http.StatusOK {
				t.Fatalf("round %d: another history of %d events was cosigned", round, answered)
			}
		}
		for running := true; running; {
			status, answer := send(url, l.body(old, l.size))
			switch status {
			case http.StatusOK:
				old, answered = l.size, l.size
				l.grow(l.size+1+rand.Int64N(3), "a")
			case http.StatusConflict:
				size, err := strconv.ParseInt(strings.TrimSpace(answer), 10, 64)
				if err != nil || size < answered || size > l.size {
					t.Fatalf("round %d: it remembers %q; %d were answered", round, answer, answered)
				}
				old = size
			case 0: // killed
				running = false
			default:
				t.Fatalf("round %d: %d %s", round, status, answer)
			}
		}
		<-killed
		c.Wait()
	}
	if answered < 20 {
		t.Errorf("only %d were ever cosigned", answered)
	}
}

// send posts a body; status 0: nobody answered.
func send(url, body string) (status int, answer string) {
	r, err := http.Post(url, "text/plain", strings.NewReader(body))
	if err != nil {
		return 0, ""
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, ""
	}
	return r.StatusCode, string(b)
}
