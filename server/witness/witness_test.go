package witness

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/store/ledger"
)

// log is a log that somebody has the key of.
type log struct {
	t      *testing.T
	key    *ledger.Signer
	hashes []tlog.Hash
	size   int64
}

func newLog(t *testing.T, origin string) *log {
	t.Helper()
	secret, _, err := ledger.NewKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return &log{t: t, key: key}
}

func (l *log) ReadHashes(indexes []int64) (out []tlog.Hash, err error) {
	for _, i := range indexes {
		out = append(out, l.hashes[i])
	}
	return out, nil
}

// grow appends leaves that say what, up to size.
func (l *log) grow(size int64, what string) *log {
	for ; l.size < size; l.size++ {
		h, err := tlog.StoredHashes(l.size, fmt.Appendf(nil, "%s %d", what, l.size), l)
		if err != nil {
			l.t.Fatal(err)
		}
		l.hashes = append(l.hashes, h...)
	}
	return l
}

// fork is another history of the same log from size on, signed with the same key.
func (l *log) fork(size int64) *log {
	return &log{l.t, l.key, l.hashes[:tlog.StoredHashCount(size):tlog.StoredHashCount(size)], size}
}

func (l *log) checkpoint(size int64) string {
	root, err := tlog.TreeHash(size, l)
	if err != nil {
		l.t.Fatal(err)
	}
	if size == 0 {
		root = ledger.Empty("").Root
	}
	signed, err := l.key.Sign(size, root)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(signed)
}

// body is an honest request.
func (l *log) body(old, size int64) string {
	proof, err := ledger.Consistency(size, old, l)
	if err != nil {
		l.t.Fatal(err)
	}
	text := fmt.Sprintf("old %d\n", old)
	for _, h := range proof {
		text += base64.StdEncoding.EncodeToString(h[:]) + "\n"
	}
	return text + "\n" + l.checkpoint(size)
}

func newWitness(t *testing.T, dir string, key *ledger.Cosigner, logs ...*log) *Witness {
	t.Helper()
	o := Options{Dir: dir, Key: key, Logger: zerolog.Nop()}
	for _, l := range logs {
		o.Logs = append(o.Logs, l.key.VerifierKey())
	}
	w, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func newKey(t testing.TB) *ledger.Cosigner {
	secret, _, err := ledger.NewKey("witness.example/w1")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.NewCosigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func post(w http.Handler, body string) *httptest.ResponseRecorder {
	r := httptest.NewRecorder()
	w.ServeHTTP(r, httptest.NewRequest(http.MethodPost, "/add-checkpoint", strings.NewReader(body)))
	return r
}

// A log's life, and what each adversary is told.
func TestWitness(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	l := newLog(t, "exeunt/aa").grow(20, "a")
	other := newLog(t, "exeunt/bb").grow(3, "b")
	thief := &log{t, newLog(t, "exeunt/aa").key, l.hashes, l.size} // right name, wrong key
	w := newWitness(t, dir, key, l)
	forged := l.fork(7).grow(20, "forged")
	badProof := strings.Replace(l.body(10, 20), "old 10\n", "old 10\n"+base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n", 1)
	for _, step := range []struct {
		name   string
		body   string
		status int
		answer string // "": a cosignature if 200
	}{
		{"unknown log", other.body(0, 3), 404, "not witnessed"},
		{"somebody without the key", thief.body(0, 10), 403, "signed"},
		{"no proof from nothing", strings.Replace(l.body(0, 5), "old 0\n", "old 0\n"+base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n", 1), 422, ""},
		{"size ahead of what it saw", l.body(3, 10), 409, "0\n"},
		{"first", l.body(0, 10), 200, ""},
		{"the same again: the answer was lost", l.body(0, 10), 409, "10\n"},
		{"and asked for properly", l.body(10, 10), 200, ""},
		{"old larger than new", strings.Replace(l.body(0, 5), "old 0", "old 6", 1), 400, ""},
		{"rollback", l.body(0, 5), 409, "10\n"},
		{"fork of the same size", forged.body(10, 10), 409, "10\n"},
		{"fork that goes on", forged.body(10, 20), 422, ""},
		{"honest size, no proof", "old 10\n\n" + l.checkpoint(20), 422, ""},
		{"one hash too many", badProof, 422, ""},
		{"next", l.body(10, 20), 200, ""},
		{"replay of what was cosigned", l.body(10, 20), 409, "20\n"},
		{"garbage", "old 20", 400, ""},
		{"empty", "", 400, ""},
		{"other numbers", strings.Replace(l.body(20, 20), "old 20", "old 020", 1), 400, ""},
		{"a signed note that is no checkpoint", strings.Replace(l.body(20, 20), "\n20\n", "\n 20\n", 1), 403, ""},
		{"too many hashes", strings.Replace(l.body(20, 20), "old 20\n", "old 20\n"+strings.Repeat(base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n", 64), 1), 400, ""},
		{"too long", l.body(20, 20) + strings.Repeat("x", maxBody), 400, ""},
	} {
		r := post(w, step.body)
		if r.Code != step.status || !strings.Contains(r.Body.String(), step.answer) {
			t.Errorf("%s: %d %q, want %d %q", step.name, r.Code, r.Body, step.status, step.answer)
		}
		if r.Code == http.StatusConflict && (r.Header().Get("Content-Type") != "text/x.tlog.size" || r.Body.String() != step.answer) {
			t.Errorf("%s: %q, %q", step.name, r.Header(), r.Body)
		}
		_, signed, _ := strings.Cut(step.body, "\n\n")
		if _, _, err := ledger.Cosignature([]byte(signed), r.Body.Bytes(), key.VerifierKey()); (err == nil) != (step.status == 200) {
			t.Errorf("%s: cosignature: %v", step.name, err)
		}
	}
	if r := httptest.NewRecorder(); true {
		w.ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/add-checkpoint", nil))
		if r.Code != http.StatusMethodNotAllowed {
			t.Errorf("GET: %d", r.Code)
		}
	}

	// What was cosigned is remembered by the next process, and only one has it.
	if _, err := Open(w.Options); err == nil {
		t.Error("two witnesses have one directory")
	}
	w.Close()
	w = newWitness(t, dir, key, l, other)
	if r := post(w, forged.body(0, 20)); r.Code != 409 || r.Body.String() != "20\n" {
		t.Errorf("after a restart: %d %q", r.Code, r.Body)
	}
	if r := post(w, other.body(0, 3)); r.Code != 200 {
		t.Errorf("another log: %d", r.Code)
	}
	w.Close()
	if err := os.WriteFile(filepath.Join(dir, fileOf("exeunt/aa")), []byte(thief.checkpoint(20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if w, err := Open(w.Options); err == nil {
		w.Close()
		t.Error("a memory that the log never signed was accepted")
	}
}

// Of two that come at once with different histories, one is cosigned.
func TestTwoAtOnce(t *testing.T) {
	l := newLog(t, "exeunt/aa").grow(8, "a")
	w := newWitness(t, t.TempDir(), newKey(t), l)
	if r := post(w, l.body(0, 8)); r.Code != 200 {
		t.Fatal(r.Code)
	}
	var bodies []string
	for i := range 8 {
		bodies = append(bodies, l.fork(8).grow(9+int64(i), fmt.Sprint(i)).body(8, 9+int64(i)))
	}
	codes := make([]int, len(bodies))
	var wg sync.WaitGroup
	for i, b := range bodies {
		wg.Go(func() { codes[i] = post(w, b).Code })
	}
	wg.Wait()
	good := 0
	for _, c := range codes {
		if c == 200 {
			good++
		} else if c != 409 {
			t.Errorf("answered %d", c)
		}
	}
	if good != 1 {
		t.Errorf("%d histories were cosigned: %v", good, codes)
	}
}

// What cannot be kept is not cosigned.
func TestNothingIsCosignedThatIsNotKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "w")
	l := newLog(t, "exeunt/aa").grow(8, "a")
	key := newKey(t)
	w := newWitness(t, dir, key, l)
	if err := os.Rename(dir, dir+".gone"); err != nil {
		t.Fatal(err)
	}
	r := post(w, l.body(0, 8))
	if r.Code != 500 || bytes.Contains(r.Body.Bytes(), []byte("—")) {
		t.Errorf("%d %q", r.Code, r.Body)
	}
	if n := w.Sizes()["exeunt/aa"]; n != 0 {
		t.Errorf("it remembers %d", n)
	}
	if err := os.Rename(dir+".gone", dir); err != nil {
		t.Fatal(err)
	}
	if r := post(w, l.body(0, 8)); r.Code != 200 {
		t.Errorf("%d %q", r.Code, r.Body)
	}
}

func FuzzAdd(f *testing.F) {
	l := newLog(&testing.T{}, "exeunt/aa").grow(8, "a")
	f.Add([]byte(l.body(0, 8)))
	f.Add([]byte(l.body(4, 8)))
	f.Add([]byte("old 0\n\nexeunt/aa\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := parse(body)
		if err != nil {
			return
		}
		again := fmt.Sprintf("old %d\n", q.old)
		for _, h := range q.proof {
			again += base64.StdEncoding.EncodeToString(h[:]) + "\n"
		}
		if again += "\n" + string(q.checkpoint); again != string(body) {
			t.Errorf("%q was read as %q", body, again)
		}
	})
}
