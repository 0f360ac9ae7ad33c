package vault

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ring(t testing.TB, keeper Keeper) (*Keyring, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	k, err := OpenOrCreate(context.Background(), path, keeper, day)
	if err != nil {
		t.Fatal(err)
	}
	return k, path
}

func again(t *testing.T, path string, keeper Keeper) *Keyring {
	t.Helper()
	k, err := Open(t.Context(), path, keeper)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestWhatIsSealedOpensInItsPlaceOnly(t *testing.T) {
	k, path := ring(t, nil)
	ada, bob := bridge.NewHandle(), bridge.NewHandle()
	s, w := k.NewSubject(ada)
	sealed := s.Seal("people\x001", []byte("Ada"))
	reopened, err := again(t, path, nil).Subject(ada, w)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := reopened.Open("people\x001", sealed); err != nil || string(plain) != "Ada" {
		t.Fatalf("%q, %v", plain, err)
	}
	if _, err := s.Open("people\x002", sealed); err == nil {
		t.Error("it opens in another place")
	}
	if _, err := k.Subject(bob, w); err == nil {
		t.Error("one person's key unwraps as another's")
	}
	other, _ := k.NewSubject(ada)
	if _, err := other.Open("people\x001", sealed); err == nil {
		t.Error("it opens with another key")
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := s.Open("people\x001", changed); err == nil {
			t.Errorf("byte %d changed, and it opens", i)
		}
	}
	for n := range sealed {
		if _, err := s.Open("people\x001", sealed[:n]); err == nil {
			t.Errorf("cut to %d bytes, and it opens", n)
		}
	}
	for i := range w {
		changed := bytes.Clone(w)
		changed[i] ^= 1
		if _, err := k.Subject(ada, changed); err == nil {
			t.Errorf("byte %d of the wrapped key changed, and it unwraps", i)
		}
	}
}

func TestEpochs(t *testing.T) {
	k, path := ring(t, nil)
	beside := again(t, path, nil) // another process
	ada := bridge.NewHandle()
	s, w := k.NewSubject(ada)
	sealed := s.Seal("", []byte("x"))
	if n, begun, err := k.BeginEpoch(day.AddDate(0, 0, 6), 7*24*time.Hour); n != 1 || begun || err != nil {
		t.Fatal("ended early", n, begun, err)
	}
	if n, begun, err := k.BeginEpoch(day.AddDate(0, 0, 7), 7*24*time.Hour); n != 2 || !begun || err != nil {
		t.Fatal(n, begun, err)
	}
	w2, err := k.Rewrap(ada, w)
	if err != nil || w.Epoch() != 1 || w2.Epoch() != 2 {
		t.Fatal(w.Epoch(), w2.Epoch(), err)
	}
	if s, err := beside.Subject(ada, w2); err != nil { // it reads the file again
		t.Error(err)
	} else if plain, err := s.Open("", sealed); err != nil || string(plain) != "x" {
		t.Error(string(plain), err)
	}
	other := again(t, path, nil) // of another node, which has seen both
	if destroyed, err := k.DestroyBefore(2, day, 0); err != nil || !destroyed {
		t.Fatal(err)
	}
	for name, k := range map[string]*Keyring{"here": k, "opened anew": again(t, path, nil)} {
		if _, err := k.Subject(ada, w); !errors.Is(err, ErrDestroyed) {
			t.Errorf("%s: an old copy of the database still opens: %v", name, err)
		}
		if _, err := k.Subject(ada, w2); err != nil || k.Oldest() != 2 {
			t.Errorf("%s: %v, oldest %d", name, err, k.Oldest())
		}
	}
	if destroyed, err := other.DestroyBefore(2, day, 0); err != nil || destroyed {
		t.Error("destroyed twice", err)
	}
	if _, err := k.DestroyBefore(3, day, 0); err == nil {
		t.Error("the current epoch was destroyed")
	}
	if _, err := k.OpenOf(9, "", sealed); err == nil || errors.Is(err, ErrDestroyed) {
		t.Errorf("an epoch that never was: %v", err)
	}
}

// TestDestroyedKeysAreOverwritten keeps a second name of the old file, as a look
// at its place on the disk.
func TestDestroyedKeysAreOverwritten(t *testing.T) {
	k, path := ring(t, nil)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	place := path + ".place"
	if err := os.Link(path, place); err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.BeginEpoch(day, 0); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(place)
	if err != nil || len(after) != len(before) || len(bytes.Trim(after, "\x00")) != 0 {
		t.Errorf("%d bytes of %d are left: %v", len(bytes.Trim(after, "\x00")), len(before), err)
	}
}

// A process that died while it changed the file leaves a copy of the keys, which
// must not outlive them.
func TestWhatACrashLeftIsOverwritten(t *testing.T) {
	k, path := ring(t, nil)
	keys, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	left, err := written(path, keys) // and then it died
	if err != nil {
		t.Fatal(err)
	}
	place := path + ".place"
	if err := os.Link(left, place); err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.BeginEpoch(day, 0); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(place)
	if err != nil || len(bytes.Trim(after, "\x00")) != 0 {
		t.Errorf("%d bytes are left: %v", len(bytes.Trim(after, "\x00")), err)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestErasedAreRememberedAsLongAsCopiesCanBeRead(t *testing.T) {
	k, path := ring(t, nil)
	ada := bridge.NewHandle()
	_, w := k.NewSubject(ada)
	for range 2 { // the second adds nothing
		if err := k.NoteErased(ada, w); err != nil {
			t.Fatal(err)
		}
	}
	k = again(t, path, nil)
	if list := k.Erased(); len(list) != 1 || !k.IsErased(ada) || k.IsErased(bridge.NewHandle()) || !bytes.Equal(list[0].Trace, w[8:20]) {
		t.Fatalf("%+v", list)
	}
	if _, _, err := k.BeginEpoch(day, 0); err != nil || !k.IsErased(ada) {
		t.Fatal("forgotten while a copy from before can be read", err)
	}
	if _, err := k.DestroyBefore(2, day, 0); err != nil || k.IsErased(ada) {
		t.Error("still noted when no copy can be read any more", err)
	}
}

func TestManyChangeTheFileAtOnce(t *testing.T) {
	_, path := ring(t, nil)
	var wg sync.WaitGroup
	for range 4 {
		k := again(t, path, nil)
		wg.Go(func() {
			for range 10 {
				if err := k.NoteErased(bridge.NewHandle(), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(again(t, path, nil).Erased()); n != 40 {
		t.Errorf("%d of 40 are noted", n)
	}
}

func TestBlind(t *testing.T) {
	k, path := ring(t, nil)
	other, _ := ring(t, nil)
	a := k.Blind("hr", "userName", "ada")
	if again(t, path, nil).Blind("hr", "userName", "ada") != a {
		t.Error("it does not stay the same")
	}
	for _, parts := range [][]string{{"hr", "userName", "adb"}, {"hr", "userNamea", "da"}, {"h", "ruserName", "ada"}, {"hr", "userName", "ada", ""}} {
		if k.Blind(parts...) == a {
			t.Errorf("%q is the same", parts)
		}
	}
	if other.Blind("hr", "userName", "ada") == a {
		t.Error("it needs no key")
	}
}

func TestKeyFile(t *testing.T) {
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "keys"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	_, path := ring(t, nil)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", info.Mode().Perm())
	}
	for name, bad := range map[string]string{
		"empty": "", "cut": string(good[:len(good)/2]), "more": string(good) + "{}", "not JSON": "exeunt",
		"another format": strings.Replace(string(good), "/v1", "/v2", 1), "an unknown key": strings.Replace(string(good), `"keys"`, `"kyes"`, 1),
		"no epochs": `{"format":"exeunt.keys/v1","keys":{"index":"` + strings.Repeat("A", 43) + `=","epochs":[]}}`,
		"nothing":   `{"format":"exeunt.keys/v1"}`,
	} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenOrCreate(t.Context(), path, nil, day); err == nil {
			t.Errorf("%s: it opens", name)
		}
	}
	os.WriteFile(path, good, 0o600)
	os.Chmod(path, 0o640)
	if _, err := Open(t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("readable for others: %v", err)
	}
}

// keeper is a real one: it seals with a key of its own.
type keeper struct {
	Subject
	down bool
}

func (k *keeper) Encrypt(_ context.Context, plain []byte) ([]byte, error) {
	return k.Seal("", plain), nil
}
func (k *keeper) Decrypt(_ context.Context, sealed []byte) ([]byte, error) {
	if k.down {
		return nil, errors.New("no answer")
	}
	return k.Open("", sealed)
}

func TestKeeper(t *testing.T) {
	own := &keeper{Subject: Subject{newAEAD(newKey())}}
	k, path := ring(t, own)
	ada := bridge.NewHandle()
	_, w := k.NewSubject(ada)
	if _, _, err := k.BeginEpoch(day, 0); err != nil {
		t.Fatal(err)
	}
	if err := k.NoteErased(ada, w); err != nil {
		t.Fatal(err)
	}
	if _, err := again(t, path, own).Subject(ada, w); err != nil || !again(t, path, own).IsErased(ada) {
		t.Error(err)
	}
	raw, _ := os.ReadFile(path)
	if bytes.Contains(raw, []byte("epochs")) {
		t.Error("the keys stand in clear")
	}
	if _, err := Open(t.Context(), path, nil); err == nil {
		t.Error("it opens without its keeper")
	}
	if _, err := Open(t.Context(), path, &keeper{Subject: Subject{newAEAD(newKey())}}); err == nil {
		t.Error("it opens with another keeper")
	}
	own.down = true
	if _, err := OpenOrCreate(t.Context(), path, own, day); err == nil {
		t.Error("it opens although the keeper does not answer")
	}
	if _, err := k.Subject(ada, w); err != nil { // what is open stays open
		t.Error(err)
	}
	_, plain := ring(t, nil)
	if _, err := Open(t.Context(), plain, own); err == nil {
		t.Error("a file in clear passes for a sealed one")
	}
}

func FuzzKeyFile(f *testing.F) {
	_, path := ring(f, nil)
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"format":"exeunt.keys/v1","sealed":"AA==","keeper":"AA=="}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		form, err := parseForm("keys", b)
		if err != nil {
			return
		}
		k := &Keyring{path: "keys"}
		if k.take(form) == nil {
			if _, w := k.NewSubject(bridge.Handle{1}); w.Epoch() == 0 {
				t.Error("the keys were taken, and do not wrap")
			}
		}
	})
}
