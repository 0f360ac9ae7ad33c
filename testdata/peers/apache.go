package peers

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// site is where one Apache is; templates of its configuration see it.
type site struct {
	Dir     string
	Port    int
	URL     string // without a slash at the end
	Modules string // folder with Apache's modules
}

// apache starts an Apache whose module.conf configure writes, and which serves the
// page /secure/page. It configures again with another port if one was taken.
func apache(t testing.TB, dir string, configure func(site)) site {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "pages", "secure"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "pages", "secure", "page"), []byte("<title>secret</title>"))
	write(t, filepath.Join(dir, "pages", "here"), []byte(dir))
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(filepath.Join(dir, "apache.log"))
			t.Logf("Apache said last:\n%s", last(text))
		}
	})
	for range 5 {
		port := freePort(t)
		s := site{Dir: dir, Port: port, URL: fmt.Sprintf("http://127.0.0.1:%d", port), Modules: "/usr/lib/apache2/modules"}
		fill(t, "apache/apache.conf", filepath.Join(dir, "apache.conf"), s)
		configure(s)
		p := start(t, dir, "/usr/sbin/apache2", "-f", filepath.Join(dir, "apache.conf"), "-DFOREGROUND")
		if p.ready(t, func() bool { return fetch(s.URL+"/here") == dir }) {
			return s
		}
	}
	t.Fatal("Apache does not start")
	panic("unreachable")
}

// fetch is what a URL answers; "" if nobody does, or says no.
func fetch(url string) string {
	resp, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}
