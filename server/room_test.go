package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/scim"
)

func TestRoom(t *testing.T) {
	const mib = 1 << 20
	r := newRoom(16 * mib) // 256 MiB, of which 64 are kept for small requests
	big, more := hold{room: r}, hold{room: r}
	if !big.grow(16*mib) || !big.grow(100*mib) {
		t.Fatal("a big one found no room in an empty house")
	}
	if !more.grow(60 * mib) {
		t.Fatal("176 of 192 MiB are too much")
	}
	if more.grow(20 * mib) {
		t.Fatal("196 MiB were given to big ones")
	}
	for (&hold{room: r}).grow(smallHold) {
	}
	if used := r.used.Load(); used <= 192*mib || used > 256*mib {
		t.Fatal("with small ones beside, are held", used)
	}
	r.used.Store(176 * mib)
	big.release()
	more.release()
	if left := r.used.Load(); left != 0 {
		t.Fatal("not all was given back:", left)
	}
	alone := hold{room: newRoom(1)}
	if !alone.grow(1 << 40) {
		t.Fatal("one alone must find room")
	}
	alone.release()
	if alone.used.Load() != 0 {
		t.Fatal("kept", alone.used.Load())
	}
}

func TestReadTakesWhatArrives(t *testing.T) {
	for _, tt := range []struct {
		length, announced, limit int64
		err                      error
	}{{0, -1, 10, nil}, {10, 10, 10, nil}, {10, -1, 10, nil}, {11, -1, 10, errTooMuch}, {5, 10, 10, nil},
		{100_000, 100_000, 1 << 20, nil}, {100_000, -1, 1 << 20, nil}, {1<<20 + 1, -1, 1 << 20, errTooMuch}} {
		h := hold{room: newRoom(1 << 20)}
		text := strings.Repeat("x", int(tt.length))
		body, err := h.read(iotest.HalfReader(strings.NewReader(text)), tt.announced, tt.limit)
		if err != tt.err || err == nil && string(body) != text {
			t.Errorf("%+v: %v, %d bytes", tt, err, len(body))
		}
		if int64(cap(body)) > h.n || h.n > 2*tt.length+8<<10 {
			t.Errorf("%+v: %d held for %d", tt, h.n, cap(body))
		}
	}
	h := hold{room: newRoom(1)}
	if _, err := h.read(iotest.ErrReader(io.ErrUnexpectedEOF), 1<<40, 1<<40); err != io.ErrUnexpectedEOF || h.n > 64<<10 {
		t.Errorf("%d held for what was only announced, %v", h.n, err)
	}
	full := newRoom(1)
	full.used.Store(full.size)
	h = hold{room: full}
	if _, err := h.read(strings.NewReader("x"), 1, 10); err != errNoRoom {
		t.Error(err)
	}
}

// What is counted for decoding is not less than what it takes.
func TestDecoded(t *testing.T) {
	for _, one := range []string{`{"value":"6b86b273-ff34-4fce-9d19-6b804eff5a3f","display":"Barbara Jensen","$ref":"https://x/Users/6b86b273"}`,
		`{"a":1}`, `{}`, `[]`, `[1]`, `"a"`, `"` + strings.Repeat("x", 500) + `"`, `1`, `{"a":"b","c":{"d":"e"}}`, `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9}`} {
		body := []byte("[" + strings.Repeat(one+",", 20_000) + one + "]")
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var v any
		if err := json.Unmarshal(body, &v); err != nil { // as dear as our own decoder, at least
			t.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		took := int64(after.HeapAlloc) - int64(before.HeapAlloc)
		runtime.KeepAlive(v)
		if counted := decoded(body); counted < took {
			t.Errorf("%s: %d counted, %d taken", one, counted, took)
		} else {
			t.Logf("%s: %d counted, %d taken", one, counted, took)
		}
	}
}

// When bodies take all the room there is, big ones are told to come later, and
// small ones get through.
func TestBigBodiesDoNotFillTheMemory(t *testing.T) {
	t.Run("long", func(t *testing.T) { crowd(t, `{"a":"`+strings.Repeat("x", 15<<20)+`"}`) })
	t.Run("dear to decode", func(t *testing.T) { crowd(t, `{"a":[`+strings.Repeat(`{"b":1},`, 100_000)+`{}]}`) })
}

// crowd sends a body twenty times at once, which is more than there is room for.
func crowd(t *testing.T, big string) {
	s := defaults()
	inside, leave := make(chan bool, 100), make(chan bool)
	f := start(t, s, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			inside <- true
			<-leave
		}
	}, nil)
	var answers sync.WaitGroup
	statuses := make(chan int, 20)
	for range 20 {
		answers.Go(func() {
			r, _ := http.NewRequest("POST", f.url+"/scim/v2/Groups", strings.NewReader(big))
			r.Header.Set("Authorization", "Bearer "+hrText)
			res, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				statuses <- 0
				return
			}
			res.Body.Close()
			if res.StatusCode == 429 && res.Header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
			statuses <- res.StatusCode
		})
	}
	for refused := 0; refused < 4; refused++ { // before any of the others has ended
		select {
		case status := <-statuses:
			if status != 429 {
				t.Fatalf("status %d", status)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%d refused, %d inside", refused, len(inside))
		}
	}
	if res, said := f.ask(t, "PATCH", "/scim/v2/Users/1", `{"small":true}`, "Authorization", "Bearer "+hrText); res.StatusCode != 200 {
		t.Errorf("a small one: %d %s", res.StatusCode, said)
	}
	close(leave)
	answers.Wait()
	if used := f.now.Load().room.used.Load(); used != 0 {
		t.Errorf("%d bytes are still held", used)
	}
}

// A Bulk costs as much as its operations would: what goes beyond the burst is owed.
func TestBulkCostsItsOperations(t *testing.T) {
	s := defaults()
	s.Limit.Rate, s.Limit.Burst = 2, 5
	var f *front
	var waits []time.Duration
	f = start(t, s, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			waits = append(waits, f.Charge(r.Context(), 99))
		}
	}, nil)
	okta := f.issue(t, "okta")
	ask := func(method, token string) (int, string) {
		res, _ := f.ask(t, method, "/scim/v2/Bulk", "{}", "Authorization", "Bearer "+token)
		return res.StatusCode, res.Header.Get("Retry-After")
	}
	if status, _ := ask("POST", hrText); status != 200 || waits[0] != 0 {
		t.Fatal("a Bulk longer than the burst is refused", status, waits)
	}
	// 100 were taken, 5 were there: 96 more must come, at 2 in a second.
	if status, wait := ask("GET", hrText); status != 429 || wait < "46" || wait > "49" {
		t.Error("after it:", status, wait)
	}
	if status, _ := ask("POST", okta); status != 200 || waits[1] != 0 {
		t.Error("another source waits too:", status, waits)
	}
	if wait := f.Charge(bridge.WithCaller(t.Context(), bridge.Caller{Source: "hr"}), 1); wait < 40*time.Second {
		t.Error("nothing is owed:", wait)
	}
}

// The limit is named, in the form of the door.
func TestTooLongIsNamed(t *testing.T) {
	f := start(t, defaults(), nil, nil)
	f.mustNameTheLimit(t, strings.Repeat("(", 16<<20+1))
	f.mustNameTheLimit(t, strings.Repeat("(", 20<<20))
}

// A client that writes all before it reads anything gets an answer too.
func (f *front) mustNameTheLimit(t *testing.T, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "POST %s/Bulk HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
		scim.Mount, hrText, len(body), body); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 413 || !strings.Contains(string(said), fmt.Sprint(16<<20)) || !strings.Contains(string(said), "api:messages:2.0:Error") {
		t.Errorf("%d %s %v", res.StatusCode, said, err)
	}
}

// What takes too long is given up while it can still be said.
func TestGivesUpInTime(t *testing.T) {
	waits := func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		scim.WriteError(w, 503, "", "given up")
	}
	f := start(t, defaults(), waits, func(o *Options) { o.GiveUp = 20 * time.Millisecond })
	if res, said := f.ask(t, "POST", "/scim/v2/Bulk", "{}", "Authorization", "Bearer "+hrText); res.StatusCode != 503 {
		t.Error(res.StatusCode, said)
	}
	if usual := New(Options{Tokens: f.store, Erasing: f.Erasing}, defaults()); usual.GiveUp >= usual.HTTP().WriteTimeout {
		t.Error("it is given up when the answer cannot be sent any more:", usual.GiveUp)
	}
}

// Whoever shows nothing takes nothing of the room that sources need.
func TestNobodyTakesNoRoom(t *testing.T) {
	var f *front
	var held int64
	f = start(t, defaults(), func(w http.ResponseWriter, r *http.Request) { held = f.now.Load().room.used.Load() }, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "GET %s/ServiceProviderConfig HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nthe beginning", scim.Mount, 1<<20)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal("the rest of a body that nobody wants was waited for:", err)
	}
	if res.Body.Close(); res.StatusCode != 200 || held != 0 {
		t.Errorf("%d, and %d bytes were held", res.StatusCode, held)
	}
}

// The request that brings a Bulk is paid for, and so is enough to begin it,
// however small the burst is; many at once are not let in by that.
func TestBulkBeginsWithTheSmallestBurst(t *testing.T) {
	s := defaults()
	s.Limit.Rate, s.Limit.Burst = 0.001, 1
	var f *front
	var wait time.Duration
	f = start(t, s, func(w http.ResponseWriter, r *http.Request) { wait = f.Charge(r.Context(), 9) }, nil)
	if res, _ := f.ask(t, "POST", "/scim/v2/Bulk", "{}", "Authorization", "Bearer "+hrText); res.StatusCode != 200 || wait != 0 {
		t.Error("it never begins:", res.StatusCode, wait)
	}
	if res, _ := f.ask(t, "POST", "/scim/v2/Bulk", "{}", "Authorization", "Bearer "+hrText); res.StatusCode != 429 {
		t.Error("nothing is owed:", res.StatusCode)
	}
	if wait := f.Charge(bridge.WithCaller(t.Context(), bridge.Caller{Source: "hr"}), 9); wait < time.Hour {
		t.Error("what came in at the same time begins too:", wait)
	}
}
