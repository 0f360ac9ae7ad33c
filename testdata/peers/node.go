package peers

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// StartNode starts a script in a folder where it is installed with what it needs.
// It says READY and its port when it listens, and ends when its standard input does,
// so that it never outlives a test that died.
func StartNode(t testing.TB, dir, script string, env ...string) (url string) {
	t.Helper()
	c := exec.Command("node", script)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	said := &bytes.Buffer{}
	c.Stderr = said
	alive, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		alive.Close()
		c.Wait()
		if t.Failed() {
			t.Logf("%s said last:\n%s", script, last(said.Bytes()))
		}
	})
	line, _ := bufio.NewReader(out).ReadString('\n')
	port, ok := strings.CutPrefix(strings.TrimSpace(line), "READY ")
	if !ok {
		t.Fatalf("%s did not start: %q", script, line)
	}
	return "http://127.0.0.1:" + port
}
