package witness

import (
	"net/http"
	"testing"
)

// BenchmarkAdd is what one cosignature costs: two signatures checked or made, and
// a file made durable.
func BenchmarkAdd(b *testing.B) {
	l := newLog(&testing.T{}, "exeunt/aa").grow(1, "a")
	w, err := Open(Options{Dir: b.TempDir(), Key: newKey(b), Logs: []string{l.key.VerifierKey()}})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	old := int64(0)
	for b.Loop() {
		if r := post(w, l.body(old, l.size)); r.Code != http.StatusOK {
			b.Fatal(r.Code, r.Body)
		}
		old = l.size
		l.grow(l.size+1, "a")
	}
}
