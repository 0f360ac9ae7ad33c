package server

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/evidence"
	"github.com/exeunt/exeunt/store/ledger"
)

const auditText = "auditor-token-0123456789abcdef"

// audited is a front with a log of 600 events, the case of one of them, and an
// auditor who may look at it.
func audited(t *testing.T) (f *front, s *store.Store, theCase string) {
	t.Helper()
	secret, _, err := ledger.NewKey("exeunt/audited")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = store.Open(t.Context(), store.Options{Dir: filepath.Join(t.TempDir(), "data"), LogKey: key}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	theCase = uuid.NewString()
	if err := s.Update(t.Context(), func(tx bridge.Tx) error {
		e := bridge.NewEvent(time.Now(), bridge.CaseOpened, bridge.Facts{Source: "hr", Case: theCase, Trigger: "deactivate", State: "open"},
			bridge.Party{Role: bridge.Subject, Handle: bridge.Handle{1}})
		e.Request = uuid.MustParse(theCase)
		return tx.Append(e)
	}); err != nil {
		t.Fatal(err)
	}
	more(t, s, 599)
	settings := defaults()
	settings.Keys = append(settings.Keys, AuditorKey("pwc", auditText))
	f = start(t, settings, nil, func(o *Options) {
		o.Log, o.Evidence, o.LogKey, o.Checkpoint, o.Sign = s, s, s.VerifierKey(), s.LastCheckpoint, s.Checkpoint
	})
	return f, s, theCase
}

// more appends so many events, and seals and signs them.
func more(t *testing.T, s *store.Store, n int) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx bridge.Tx) error {
		for range n {
			if err := tx.Append(bridge.NewEvent(time.Now(), bridge.ConfigLoaded, bridge.Facts{})); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAuditorsMayReadAndNothingElse(t *testing.T) {
	f, _, theCase := audited(t)
	for path, want := range map[string]int{
		"/v1/log/checkpoint": 200, "/v1/log/proof/inclusion?seq=0": 200, "/v1/log/proof/consistency?from=1&to=2": 200, "/v1/log/tile/0/000": 200,
		"/v1/log/events": 200, "/v1/cases/" + theCase + "/certificate": 200, "/v1/evidence/population?from=2020-01-01&to=2030-01-01": 200,
		"/v1/cases": 401, "/v1/cases/" + theCase: 401, "/v1/tokens": 401, "/v1/nothing": 401,
	} {
		for token, want := range map[string]int{auditText: want, hrText: 401, "": 401} {
			if response, body := f.ask(t, "GET", path, "", "Authorization", "Bearer "+token); response.StatusCode != want {
				t.Errorf("%s with %q: %d, want %d: %s", path, token, response.StatusCode, want, body)
			}
		}
	}
	if response, _ := f.ask(t, "GET", "/v1/log/tile/0/000", "", "Authorization", "Bearer "+adminText); response.StatusCode != 200 {
		t.Errorf("the operator may not: %d", response.StatusCode)
	}
	if response, _ := f.ask(t, "POST", "/v1/log/checkpoint", "", "Authorization", "Bearer "+auditText); response.StatusCode != 401 {
		t.Errorf("an auditor signs: %d", response.StatusCode)
	}
}

func (f *front) audit(t *testing.T, path string, want int) string {
	t.Helper()
	response, body := f.ask(t, "GET", path, "", "Authorization", "Bearer "+auditText)
	if response.StatusCode != want {
		t.Fatalf("%s: %d, want %d: %s", path, response.StatusCode, want, body)
	}
	if want >= 400 && !strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json") {
		t.Errorf("%s: %s", path, response.Header.Get("Content-Type"))
	}
	return body
}

// What the API proves is checked as whoever asks would.
func TestLogProofs(t *testing.T) {
	f, s, _ := audited(t)
	key := s.VerifierKey()
	var page struct {
		Size   int64
		Leaves []string
	}
	if err := json.Unmarshal([]byte(f.audit(t, "/v1/log/events?from=590&limit=1000", 200)), &page); err != nil || page.Size != 600 || len(page.Leaves) != 10 {
		t.Fatalf("%+v, %v", page, err)
	}
	leaf, err := base64.StdEncoding.DecodeString(page.Leaves[3])
	if err != nil {
		t.Fatal(err)
	}
	var p proof.TLogProof
	if err := p.Unmarshal([]byte(f.audit(t, "/v1/log/proof/inclusion?seq=593", 200))); err != nil {
		t.Fatal(err)
	}
	c, err := ledger.Open(p.Checkpoint, key)
	if err != nil {
		t.Fatal(err)
	}
	var path tlog.RecordProof
	for _, h := range p.Hashes {
		path = append(path, tlog.Hash(h))
	}
	if err := ledger.CheckInclusion(c, leaf, path); err != nil || p.Index != 593 {
		t.Errorf("%d: %v", p.Index, err)
	}
	held := []byte(f.audit(t, "/v1/log/checkpoint", 200))
	more(t, s, 50)
	now, err := ledger.Open([]byte(f.audit(t, "/v1/log/checkpoint", 200)), key)
	if err != nil {
		t.Fatal(err)
	}
	earlier, _ := ledger.Open(held, key)
	consistency, err := evidence.ParseConsistency([]byte(f.audit(t, "/v1/log/proof/consistency?from=600&to=650", 200)))
	if err != nil || ledger.CheckConsistency(now, earlier, consistency) != nil {
		t.Errorf("%v, %v", err, ledger.CheckConsistency(now, earlier, consistency))
	}
	// The tiles are those of tlog-tiles: from them alone the root is computed.
	reader := tlog.TileHashReader(tlog.Tree{N: now.Size, Hash: now.Root}, tiles{t, f})
	if h, err := tlog.TreeHash(600, reader); err != nil || h != earlier.Root {
		t.Errorf("from tiles: %v, %v", h == earlier.Root, err)
	}
	// And so are the entries: from them alone too.
	var tree ledger.Frontier
	for _, path := range []string{"000", "001", "002.p/138"} {
		for rest := f.audit(t, "/v1/log/tile/entries/"+path, 200); rest != ""; {
			n := 2 + int(binary.BigEndian.Uint16([]byte(rest)))
			tree.Append(nil, []byte(rest[2:n]))
			rest = rest[n:]
		}
	}
	if tree.Size() != now.Size || tree.Root() != now.Root {
		t.Errorf("from entries: %d of %d events", tree.Size(), now.Size)
	}
	for _, path := range []string{"/v1/log/tile/entries/003", "/v1/log/tile/entries/002", "/v1/log/tile/entries/002.p/139", "/v1/log/tile/entries/0", "/v1/log/tile/entries/data/000",
		"/v1/log/tile/-1/000", "/v1/log/tile/0/003", "/v1/log/tile/0/002.p/200", "/v1/log/tile/1/000", "/v1/log/tile/9/000", "/v1/log/tile/0/x000",
		"/v1/log/tile/data/000", "/v1/log/tile/0/../0/000", "/v1/log/proof/inclusion?seq=650"} {
		f.audit(t, path, 404)
	}
	for _, path := range []string{"/v1/log/proof/inclusion", "/v1/log/proof/inclusion?seq=-1", "/v1/log/proof/inclusion?seq=9999999999999999999",
		"/v1/log/proof/consistency?from=5&to=4", "/v1/log/proof/consistency?from=5&to=651", "/v1/log/events?from=x"} {
		f.audit(t, path, 400)
	}
	if f.audit(t, "/v1/log/events?from=650", 200); page.Size == 0 {
		t.Error("nothing after the end")
	}
}

// tiles reads tiles as any client of C2SP's would.
type tiles struct {
	t *testing.T
	f *front
}

func (tiles) Height() int { return 8 }
func (r tiles) ReadTiles(list []tlog.Tile) (data [][]byte, err error) {
	for _, tile := range list {
		path := strings.TrimPrefix(tile.Path(), "tile/8/")
		response, body := r.f.ask(r.t, "GET", "/v1/log/tile/"+path, "", "Authorization", "Bearer "+auditText)
		if response.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s: %d", path, response.StatusCode)
		}
		if whole := tile.W == 256; whole != strings.Contains(response.Header.Get("Cache-Control"), "immutable") {
			r.t.Errorf("%s: %s", path, response.Header.Get("Cache-Control"))
		}
		data = append(data, []byte(body))
	}
	return data, nil
}
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// A certificate is held against a checkpoint that an auditor kept: of another size
// with a proof, and never by silence.
func TestCertificateAgainstAKeptCheckpoint(t *testing.T) {
	f, s, theCase := audited(t)
	dir := t.TempDir()
	held := []byte(f.audit(t, "/v1/log/checkpoint", 200))
	more(t, s, 50)
	bundle := filepath.Join(dir, "bundle.zip")
	if err := os.WriteFile(bundle, []byte(f.audit(t, "/v1/cases/"+theCase+"/certificate", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	more(t, s, 7)
	newer := []byte(f.audit(t, "/v1/log/checkpoint", 200))
	other, _, _ := audited(t)
	foreign := []byte(other.audit(t, "/v1/log/checkpoint", 200))
	prove := func(from, to int) []byte {
		return []byte(f.audit(t, fmt.Sprintf("/v1/log/proof/consistency?from=%d&to=%d", from, to), 200))
	}
	for name, c := range map[string]struct {
		b    evidence.Brought
		says string
		bad  bool
	}{
		"nothing kept":      {evidence.Brought{}, "No checkpoint kept elsewhere was given", false},
		"without a proof":   {evidence.Brought{Held: held}, "from=600&to=650 has it", true},
		"a proof alone":     {evidence.Brought{Consistency: prove(600, 650)}, "without the checkpoint", true},
		"older":             {evidence.Brought{Held: held, Consistency: prove(600, 650)}, "are one history", false},
		"newer":             {evidence.Brought{Held: newer, Consistency: prove(650, 657)}, "are one history", false},
		"another proof":     {evidence.Brought{Held: held, Consistency: prove(599, 650)}, "not shown that the first 600", true},
		"another log's":     {evidence.Brought{Held: foreign}, "not signed by", true},
		"no proof at all":   {evidence.Brought{Held: held, Consistency: []byte("x\n")}, "no hash", true},
		"a half-read proof": {evidence.Brought{Held: held, Consistency: bytes.TrimSuffix(prove(600, 650), []byte("\n"))}, "spelling", true},
	} {
		c.b.VerifierKey = s.VerifierKey()
		text, err := evidence.Check(bundle, c.b)
		if err != nil {
			text = err.Error()
		}
		if (err != nil) != c.bad || !strings.Contains(text, c.says) {
			t.Errorf("%s: %q", name, text)
		}
	}
}
