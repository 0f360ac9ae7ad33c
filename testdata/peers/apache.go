package peers

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// apacheModules is where Debian keeps the modules that configurations load.
const apacheModules = "/usr/lib/apache2/modules"

// startApache starts Apache with the rest of a configuration, on a port that is
// free, and with a folder of its own, in which it finds www/index.html.
func startApache(t testing.TB, program, dir, port, rest string) {
	t.Helper()
	config := `ServerRoot ` + dir + `
PidFile pid
Mutex file:` + dir + ` default
ErrorLog error.log
LogLevel info
Listen 127.0.0.1:` + port + `
ServerName http://127.0.0.1:` + port + `
UseCanonicalName On
ServerLimit 1
ThreadsPerChild 16
MaxRequestWorkers 16
User www-data
Group www-data
LoadModule mpm_event_module ` + apacheModules + `/mod_mpm_event.so
LoadModule authn_core_module ` + apacheModules + `/mod_authn_core.so
LoadModule authz_core_module ` + apacheModules + `/mod_authz_core.so
LoadModule authz_user_module ` + apacheModules + `/mod_authz_user.so
LoadModule dir_module ` + apacheModules + `/mod_dir.so
LoadModule mime_module ` + apacheModules + `/mod_mime.so
TypesConfig /dev/null
AddType text/html .html
DirectoryIndex index.html
DocumentRoot www
` + rest
	if err := os.WriteFile(filepath.Join(dir, "apache.conf"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	// The shell ends Apache when its standard input ends, which is with us.
	c := exec.Command("sh", "-c", `"$@" </dev/null & cat; kill $!; wait`, "sh",
		program, "-D", "FOREGROUND", "-f", filepath.Join(dir, "apache.conf"))
	said, err := os.Create(filepath.Join(dir, "said"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	c.Stdout, c.Stderr = said, said
	alive, err := c.StdinPipe()
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
			said, _ := os.ReadFile(filepath.Join(dir, "said"))
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("Apache said last:\n%s%s", said, log[max(0, len(log)-4000):])
		}
	})
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // between two looks
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("Apache did not start: %v", err)
		}
	}
}
