package scim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/exeunt/exeunt/bridge"
)

const recordings = "../testdata/idp"

// replay holds a recorded conversation with a door and says where it went
// otherwise; testdata/idp/README.md has the form.
func replay(file string, d *door) error {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		return err
	}
	if !provenance.Match(archive.Comment) {
		return fmt.Errorf("nothing says where this is known from")
	}
	ids := strings.NewReplacer()
	var known []string
	var last *httptest.ResponseRecorder
	for _, f := range archive.Files {
		headers, content := parts(ids.Replace(string(f.Data)))
		name := strings.Fields(ids.Replace(f.Name))
		switch {
		case name[0] == "left":
			if want := strings.Fields(content); !slices.Equal(want, d.left) {
				return fmt.Errorf("left: %q, want %q", d.left, want)
			}
		case len(name) == 2 && strings.HasPrefix(name[1], "/"):
			r := httptest.NewRequest(name[0], name[1], strings.NewReader(content))
			if content != "" {
				r.Header.Set("Content-Type", mediaSCIM)
			}
			for _, h := range headers {
				r.Header.Set(h[0], h[1])
			}
			last = httptest.NewRecorder()
			d.handler.ServeHTTP(last, r.WithContext(bridge.WithCaller(r.Context(), bridge.Caller{Source: "idp"})))
		default:
			if status, err := strconv.Atoi(name[0]); err != nil || status != last.Code {
				return fmt.Errorf("%d, want %s: %s", last.Code, name[0], last.Body)
			}
			for _, h := range headers {
				if got := last.Header().Get(h[0]); got != h[1] {
					return fmt.Errorf("%s: %q, want %q", h[0], got, h[1])
				}
			}
			var want, got any
			if content != "" {
				if err := json.Unmarshal([]byte(content), &want); err != nil {
					return fmt.Errorf("%w in %s", err, content)
				}
			}
			if last.Body.Len() > 0 {
				if err := json.Unmarshal(last.Body.Bytes(), &got); err != nil {
					return err
				}
			}
			if at := differs("", want, got); want != nil && at != "" {
				return fmt.Errorf("%s in %s, want %s", at, last.Body, content)
			}
			if len(name) == 2 {
				known = append(known, "{"+name[1]+"}", got.(map[string]any)["id"].(string))
				ids = strings.NewReplacer(known...)
			}
		}
	}
	return nil
}

var provenance = regexp.MustCompile(`(?m)^(documented|captured|reported|inferred): .`)

// parts splits a section into headers and content.
func parts(data string) (headers [][2]string, content string) {
	for {
		line, rest, _ := strings.Cut(data, "\n")
		name, value, ok := strings.Cut(line, ": ")
		if !ok || !regexp.MustCompile(`^[A-Z][A-Za-z-]+$`).MatchString(name) {
			return headers, strings.TrimSpace(data)
		}
		headers = append(headers, [2]string{name, value})
		data = rest
	}
}

// listening is a door in a dialect that notes in which dialects it read.
func listening(t testing.TB, d Dialect) (x *door, heard *[]Dialect) {
	x, heard = newDoor(t, d), new([]Dialect)
	x.handler.(*handler).Heard = func(_ *http.Request, d Dialect) { *heard = append(*heard, d) }
	return x, heard
}

// recorded calls f for each recording with its client.
func recorded(t *testing.T, f func(t *testing.T, client Dialect, file string)) {
	t.Helper()
	files, _ := filepath.Glob(recordings + "/*/*.txt")
	if len(files) < 45 {
		t.Fatalf("%d recordings", len(files))
	}
	for _, file := range files {
		client := Dialect(filepath.Base(filepath.Dir(file)))
		t.Run(string(client)+"/"+filepath.Base(file), func(t *testing.T) { f(t, client, file) })
	}
}

// TestRecordings holds every recorded conversation in its client's dialect, and
// in none: then whoever is recognised is the client, and it goes as well.
func TestRecordings(t *testing.T) {
	recorded(t, func(t *testing.T, client Dialect, file string) {
		if !slices.Contains(Dialects(), client) {
			t.Fatalf("no dialect %s", client)
		}
		named, heard := listening(t, client)
		if err := replay(file, named); err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(*heard, func(d Dialect) bool { return d != client }) {
			t.Fatalf("it has a name, and was read as %s", *heard)
		}
		unnamed, heard := listening(t, Auto)
		if err := replay(file, unnamed); err != nil {
			t.Fatalf("recognised as %s: %v", *heard, err)
		}
		if slices.ContainsFunc(*heard, func(d Dialect) bool { return d != client && d != Generic }) {
			t.Fatalf("recognised as %s", *heard)
		}
	})
}

// Strict is without mends, and Generic has all that are not one client's own.
func TestDialects(t *testing.T) {
	if m := newMending(Strict, mends()); !reflect.DeepEqual(m, &mending{}) {
		t.Fatalf("%+v", m)
	}
	generic, entra, onelogin := newMending(Generic, mends()), newMending(Entra, mends()), newMending(OneLogin, mends())
	if generic.may(createMissing) || generic.may(answerPlainJSON) || !generic.may(anySchemas) {
		t.Fatalf("%b", generic.leave)
	}
	if entra.leave != generic.leave|createMissing || onelogin.leave != generic.leave|answerPlainJSON {
		t.Fatalf("%b %b", entra.leave, onelogin.leave)
	}
}

// TestMends shows that each mend is needed: without it, the recording that it
// names goes otherwise, and so it does under Strict.
func TestMends(t *testing.T) {
	names := map[string]bool{}
	for i, m := range mends() {
		t.Run(m.name, func(t *testing.T) {
			file := filepath.Join(recordings, m.recorded)
			if _, err := os.Stat(file); err != nil || m.why == "" || names[m.name] {
				t.Fatal("a mend without a recording, a reason or a name of its own:", err)
			}
			names[m.name] = true
			client := Dialect(filepath.Dir(m.recorded))
			d := newDoor(t, client)
			without := slices.Delete(mends(), i, i+1)
			d.handler.(*handler).mendings[client] = newMending(client, without)
			if err := replay(file, d); err == nil {
				t.Fatal("it goes as well without")
			}
			if err := replay(file, newDoor(t, Strict)); err == nil {
				t.Fatal("it goes as well to the letter")
			}
			if m.only == nil {
				return
			}
			if err := replay(file, newDoor(t, Generic)); err == nil {
				t.Fatal("it goes as well in any dialect")
			}
		})
	}
}
