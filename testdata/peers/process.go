package peers

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience is how long a peer may take to start.
const patience = 30 * time.Second

// need is the value of an environment variable that ./test sets when it could
// install a peer. Without it the test skips itself, or fails with CI=true.
func need(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" && os.Getenv("CI") == "true" {
		t.Fatalf("%s is not set", name)
	}
	if value == "" {
		t.Skipf("%s is not set: ./test installs what it stands for", name)
	}
	return value
}

// folder is a temporary folder that a peer may read which gave up root's rights.
func folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, dir := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// freePort is a port on 127.0.0.1 that nobody uses now.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// startNode starts one of our scripts in a folder with installed packages. It says
// READY and its port when it listens, and ends when its standard input does, so
// that it never outlives a test that died.
func startNode(t testing.TB, dir, script string, env ...string) (url string) {
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
			t.Logf("%s said last:\n%s", script, said.Bytes()[max(0, said.Len()-4000):])
		}
	})
	line, _ := bufio.NewReader(out).ReadString('\n')
	port, ok := strings.CutPrefix(strings.TrimSpace(line), "READY ")
	if !ok {
		t.Fatalf("%s did not start: %q", script, line)
	}
	return "http://127.0.0.1:" + port
}
