package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge/connector/sandbox"
	"github.com/exeunt/exeunt/server"
)

// TestKilledWhileForgetting has a dozen people deleted and forgotten while exeunt is
// killed again and again: each is forgotten in the end, each step is told once and
// in its order, and no byte of a name is left.
func TestKilledWhileForgetting(t *testing.T) {
	t.Parallel()
	const people, kills, marker = 12, 14, "zyqqvrlynth"
	var users []sandbox.User
	var gone []*leaver
	for i := range people {
		name := fmt.Sprintf("%s%02d@example.com", marker, i)
		users = append(users, sandbox.User{UserName: name, Email: name})
		gone = append(gone, &leaver{name: name, deleted: true})
	}
	town := newTown(t, users)
	p := newProduct(t, "erasure: {on_delete: true}\n"+town.config, town.files)
	p.start()
	for _, u := range users {
		status, body, err := call(http.MethodPost, p.url+"/scim/v2/Users", hrToken, fmt.Sprintf(
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"active":true,"emails":[{"value":%[1]q,"primary":true}]}`, u.UserName))
		var made struct{ ID string }
		if err != nil || status != http.StatusCreated || json.Unmarshal(body, &made) != nil {
			t.Fatal(status, string(body), err)
		}
		if status, body, err := call(http.MethodDelete, p.url+"/scim/v2/Users/"+made.ID, hrToken, ""); err != nil || status != http.StatusNoContent {
			t.Fatal(status, string(body), err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range kills {
		time.Sleep(time.Duration(random.IntN(250)) * time.Millisecond) // a kill comes when it comes
		p.kill()
		p.start()
	}
	within(t, time.Minute, func() error {
		var list struct{ Erasures []server.Erasure }
		p.get("/v1/erasures", &list)
		if len(list.Erasures) != people {
			t.Fatalf("%d erasures", len(list.Erasures))
		}
		for _, e := range list.Erasures {
			if e.Stage != "done" {
				return fmt.Errorf("%s is %s, waits for %q", e.ID, e.Stage, e.Waits)
			}
		}
		return nil
	})
	if town.open(gone) {
		t.Error("a door is open")
	}
	p.stop()
	told := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(p.run("log", "tail", "--json", "--last", "100000")), "\n") {
		var e struct {
			Type  string
			Facts struct{ Erasure string }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if e.Facts.Erasure != "" {
			told[e.Facts.Erasure] = append(told[e.Facts.Erasure], e.Type)
		}
	}
	const steps = "erase.received erase.verified hold.checked erase.ordered hold.checked erase.intent erase.done"
	if len(told) != people {
		t.Errorf("the log tells of %d erasures", len(told))
	}
	for id, types := range told {
		if got := strings.Join(types, " "); got != steps {
			t.Errorf("%s: %s", id, got)
		}
	}
	p.run("log", "verify")
	p.checkIntegrity()
	if err := filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(bytes.ToLower(b), []byte(marker)) {
			t.Errorf("a name is left in %s", path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
