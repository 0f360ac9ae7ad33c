package store

import (
	"os"
	"path/filepath"
	"testing"
)

// What is searched for is found wherever it stands: at the beginning, at the end,
// and across every border at which reading is cut.
func TestSearch(t *testing.T) {
	dir := t.TempDir()
	what := []byte("a key's trace")
	size := int64(searchPart + 3*searchBuffer)
	path := filepath.Join(dir, "below", "file")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, border := range []int64{0, searchBuffer, 2 * searchBuffer, searchPart, searchPart + searchBuffer, size} {
		for _, at := range []int64{border - int64(len(what)), border - 5, border} {
			if at < 0 || at+int64(len(what)) > size {
				continue
			}
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			f.Truncate(size)
			f.WriteAt(what, at)
			f.Close()
			if found, n, err := search(dir, what, (&kept{of: filepath.Join(dir, "none")}).open); !found || n != size || err != nil {
				t.Errorf("at %d: found %v in %d bytes, %v", at, found, n, err)
			}
			if found, _, err := search(dir, append([]byte("not "), what...), (&kept{of: filepath.Join(dir, "none")}).open); found || err != nil {
				t.Errorf("at %d: something else is found, %v", at, err)
			}
		}
	}
}
