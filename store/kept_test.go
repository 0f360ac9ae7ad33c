package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

// Searching the files must not cost SQLite its locks on them: without, another
// process that closes the database takes itself for the last, and cuts its files
// off under our feet.
func TestSearchingKeepsTheLocks(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{Dir: dir, KeyFile: filepath.Join(t.TempDir(), "keys")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p := leave(t, s)
	shared, err := filepath.Glob(filepath.Join(dir, "*-shm"))
	if err != nil || len(shared) != 1 {
		t.Fatal(shared, err)
	}
	if !locked(t, shared[0]) {
		t.Fatal("no lock even before")
	}
	var done bridge.Shredded
	for end := time.Now().Add(10 * time.Second); ; {
		if done, err = s.Shred(t.Context(), p.Handle); err == nil || time.Now().After(end) {
			break
		}
	}
	if err != nil || done.Scanned == 0 {
		t.Fatal(done, err)
	}
	if !locked(t, shared[0]) {
		t.Error("searching the files gave up the locks on them")
	}
}

// locked reports whether this process has a lock on a file.
func locked(t *testing.T, path string) bool {
	t.Helper()
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Skip("only Linux says who has which lock")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(locks), "\n") {
		f := strings.Fields(line)
		if len(f) > 5 && f[1] == "POSIX" && f[4] == fmt.Sprint(os.Getpid()) && strings.HasSuffix(f[5], fmt.Sprintf(":%d", info.Sys().(*syscall.Stat_t).Ino)) {
			return true
		}
	}
	return false
}
