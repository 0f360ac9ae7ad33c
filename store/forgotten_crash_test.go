package store_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

// come stores somebody new, with an event that has their name.
func come(ctx context.Context, s *store.Store, name string) (bridge.Person, error) {
	p := bridge.Person{ID: uuid.NewString(), Source: "hr", Handle: bridge.NewHandle(), UserName: name,
		Resource: []byte(`{"userName":"` + name + `"}`), Version: 1, Created: time.Now(), Modified: time.Now()}
	return p, s.Update(ctx, func(tx bridge.Tx) error {
		if err := tx.PutPerson(p); err != nil {
			return err
		}
		return tx.Append(bridge.NewEvent(time.Now(), bridge.PersonCreated, bridge.Facts{},
			bridge.Party{Role: bridge.Subject, Handle: p.Handle, Payload: []byte(name)}))
	})
}

// forgetfulChild takes people in and forgets some of them, several at once, while
// key epochs end, until it is killed. It says who is there (HERE), whom it is about
// to forget (BEGUN), and whom it has (GONE).
func forgetfulChild() {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Dir: os.Getenv(childDir), Logger: zerolog.Nop()})
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(os.Stdout, format+"\n", args...)
	}
	say("READY")
	for range 3 {
		go func() {
			for {
				p, err := come(ctx, s, marker+bridge.NewHandle().String())
				if err != nil {
					panic(err)
				}
				say("HERE %s %s %s", p.Handle, p.ID, p.UserName)
				if rand.IntN(2) == 0 {
					continue
				}
				say("BEGUN %s", p.Handle)
				if _, err := s.Shred(ctx, p.Handle); bridge.IsKind(err, bridge.KindBusy) {
					continue
				} else if err != nil {
					panic(err)
				}
				say("GONE %s", p.Handle)
			}
		}()
	}
	for {
		if _, err := s.EndEpoch(ctx); err != nil {
			panic(err)
		}
	}
}

// Kill -9, many times, between any two steps of forgetting and of ending an epoch:
// whoever was said to be gone is gone, nobody else is touched, what was begun can
// be brought to its end, and no name is in any file.
func TestKilledWhileForgetting(t *testing.T) {
	kills := 20
	if testing.Short() {
		kills = 4
	}
	root := t.TempDir()
	dir := filepath.Join(root, "data")
	type known struct{ id, name string }
	here, begun, gone := map[string]known{}, map[string]bool{}, map[string]bool{}
	hear := func(line string) {
		switch f := strings.Fields(line); {
		case len(f) == 4 && f[0] == "HERE":
			here[f[1]] = known{f[2], f[3]}
		case len(f) == 2 && f[0] == "BEGUN":
			begun[f[1]] = true
		case len(f) == 2 && f[0] == "GONE":
			gone[f[1]] = true
		}
	}
	for range kills {
		kill := start(t, []string{childDir + "=" + dir, childRole + "=forget"}, hear)
		time.Sleep(time.Duration(20+rand.IntN(250)) * time.Millisecond) // the moment of the kill is the test
		kill()
	}
	key := newKey(t)
	s := open(t, store.Options{Dir: dir, LogKey: key, Logger: zerolog.Nop()})
	look := func(id string) (p bridge.Person, err error) {
		err = s.View(t.Context(), func(tx bridge.Tx) error { p, err = tx.Person(id); return err })
		return p, err
	}
	for handle, who := range here {
		p, err := look(who.id)
		switch {
		case gone[handle]:
			if !bridge.IsKind(err, bridge.KindNotFound) {
				t.Errorf("said to be gone, and is there: %v", err)
			}
		case !begun[handle]:
			if err != nil || p.UserName != who.name {
				t.Errorf("nobody forgot %s: %q, %v", handle, p.UserName, err)
			}
		}
	}
	for handle := range begun {
		var h bridge.Handle
		if _, err := hex.Decode(h[:], []byte(handle)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Shred(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		if _, err := look(here[handle].id); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Errorf("brought to its end, and still there: %v", err)
		}
	}
	if _, err := s.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if report, err := s.VerifyLog(t.Context(), store.VerifyOptions{}); err != nil || report.Payloads < int64(len(here)-len(begun)) {
		t.Errorf("%+v, %v", report, err)
	}
	if files, read := stands(t, root, []byte(marker)); len(files) > 0 || read == 0 {
		t.Errorf("a name is in %q", files)
	}
	keys, err := s.Keys()
	if err != nil {
		t.Fatal(err)
	}
	number, _ := keys.Epoch()
	t.Logf("%d kills: %d came, %d were to be forgotten, %d were said to be; epoch %d", kills, len(here), len(begun), len(gone), number)
	if len(gone) == 0 || number < 3 {
		t.Error("too little happened to mean anything")
	}
}

// fullDiskChild meets a disk without room, and then one with room again.
func fullDiskChild() {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Dir: os.Getenv(childDir), Logger: zerolog.Nop()})
	if err != nil {
		panic(err)
	}
	var had syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &had); err != nil {
		panic(err)
	}
	room := func(bytes uint64) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: had.Max}); err != nil {
			panic(err)
		}
	}
	ada, err := come(ctx, s, marker)
	if err != nil {
		panic(err)
	}
	fmt.Println("READY")
	room(0)
	_, err = come(ctx, s, marker+"2")
	fmt.Println("COME", err != nil)
	_, err = s.Shred(ctx, ada.Handle)
	fmt.Println("SHRED", err != nil)
	_, err = s.EndEpoch(ctx)
	fmt.Println("EPOCH", err != nil)
	room(had.Cur)
	bob, err := come(ctx, s, marker+"3")
	fmt.Println("COME", err != nil)
	_, err = s.Shred(ctx, ada.Handle)
	fmt.Println("SHRED", err != nil)
	_, err = s.EndEpoch(ctx)
	fmt.Println("EPOCH", err != nil)
	fmt.Println("WHO", ada.ID, bob.ID)
	select {}
}

// A full disk: what cannot be stored is an error, nothing is said to be done that
// is not, and with room again all goes on.
func TestFullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var said []string
	done := make(chan struct{})
	kill := start(t, []string{childDir + "=" + dir, childRole + "=full"}, func(line string) {
		said = append(said, line)
		if strings.HasPrefix(line, "WHO") {
			close(done)
		}
	})
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Error("it does not go on")
	}
	kill()
	if len(said) != 7 {
		t.Fatal(said)
	}
	if got := strings.Join(said[:6], ", "); got != "COME true, SHRED true, EPOCH true, COME false, SHRED false, EPOCH false" {
		t.Error(got)
	}
	ids := strings.Fields(said[6])[1:]
	s := open(t, store.Options{Dir: dir, Logger: zerolog.Nop()})
	if err := s.View(t.Context(), func(tx bridge.Tx) error {
		if _, err := tx.Person(ids[0]); !bridge.IsKind(err, bridge.KindNotFound) {
			t.Errorf("forgotten, and there: %v", err)
		}
		p, err := tx.Person(ids[1])
		if p.UserName != marker+"3" {
			t.Errorf("%q", p.UserName)
		}
		_, n, err2 := tx.People(bridge.Query{Source: "hr"})
		if n != 1 || err2 != nil {
			t.Errorf("%d people, %v", n, err2)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
