package ledger

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"
)

var update = flag.Bool("update", false, "write the golden vectors; a difference is a new leaf version")

// goldenEvents are fixed inputs whose bytes must never change.
func goldenEvents() map[string]bridge.Event {
	at := time.Date(2026, 11, 22, 18, 33, 1, 234567000, time.UTC)
	id := [16]byte{0: 0xe0, 15: 0x01}
	return map[string]bridge.Event{
		"bare": {ID: id, At: at, Type: 51},
		"full": {
			ID: id, At: at, Type: bridge.ActionSettled, Request: [16]byte{0: 0xca, 15: 0x5e},
			Facts: bridge.Facts{
				Source: "hr", Operator: "engine", Token: "tok_1", Rule: "chat.deactivate", Trigger: "scim_deactivate",
				Case: "c1", Action: "a1", App: "chat", Effect: "lock", State: "verified", Outcome: "retry",
				Attempt: 2, Status: 429, Millis: 1234, Count: 3, Group: "g1",
			},
			Parties: []bridge.Party{
				{Role: bridge.Subject, Handle: bridge.Handle{1, 2, 3}, Payload: []byte(`{"userName":"ada@example.org"}`)},
				{Role: bridge.Actor, Handle: bridge.Handle{4, 5, 6}, Payload: []byte(`{}`)},
				{Role: bridge.Approver, Handle: bridge.Handle{7, 8, 9}},
			},
		},
		"awkward": {
			ID: id, At: time.UnixMicro(-1), Type: math.MaxUint16,
			Facts: bridge.Facts{App: "<a&b> \"\\\u2028é\x00\x08\x0c\x7f", Rule: "\xff\ufffd", Count: -1},
		},
	}
}

// counting stands in for randomness: 00 01 02 …
type counting struct{ n byte }

func (c *counting) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = c.n
		c.n++
	}
	return len(b), nil
}

func TestGolden(t *testing.T) {
	for name, e := range goldenEvents() {
		t.Run(name, func(t *testing.T) {
			body, openings, err := encode(e, &counting{})
			if err != nil {
				t.Fatal(err)
			}
			leaf := Leaf(258, body)
			got := "leaf " + hex.EncodeToString(leaf) + "\nhash " + hash(leaf) + "\n"
			for _, o := range openings {
				c := Commitment(e.ID, o)
				got += "commitment " + hex.EncodeToString(c[:]) + "\n"
			}
			path := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the format has changed:\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func hash(leaf []byte) string {
	h := tlog.RecordHash(leaf)
	return hex.EncodeToString(h[:])
}

func TestLeafRoundTrip(t *testing.T) {
	for name, e := range goldenEvents() {
		t.Run(name, func(t *testing.T) {
			body, openings, err := Body(e)
			if err != nil {
				t.Fatal(err)
			}
			leaf := Leaf(7, body)
			got, err := ParseLeaf(leaf)
			if err != nil {
				t.Fatal(err)
			}
			want := ParsedLeaf{Seq: 7, At: e.At.UTC(), Type: e.Type, ID: e.ID, Request: e.Request,
				Facts: validUTF8(e.Facts), Parties: []LeafParty{}}
			for i, p := range e.Parties {
				if p.Payload == nil { // nothing to open
					want.Parties = append(want.Parties, LeafParty{Role: p.Role, Handle: p.Handle})
					continue
				}
				o := openings[0]
				openings = openings[1:]
				if o.Role != p.Role || o.Handle != p.Handle || !bytes.Equal(o.Payload, p.Payload) {
					t.Errorf("opening %d is of another party", i)
				}
				want.Parties = append(want.Parties, LeafParty{p.Role, p.Handle, Commitment(e.ID, o)})
				if err := CheckOpening(leaf, o); err != nil {
					t.Error(err)
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func validUTF8(f bridge.Facts) bridge.Facts {
	v := reflect.ValueOf(&f).Elem()
	for i := range v.NumField() {
		if v.Field(i).Kind() == reflect.String {
			v.Field(i).SetString(strings.ToValidUTF8(v.Field(i).String(), "\ufffd"))
		}
	}
	return f
}

// The payload is in the openings only, and each opening is random.
func TestLeafHidesPayload(t *testing.T) {
	e := testEvent(1)
	a, oa, _ := Body(e)
	b, ob, _ := Body(e)
	if bytes.Contains(a, []byte("ada")) {
		t.Error("the payload stands in the leaf")
	}
	if bytes.Equal(a, b) || oa[0].R == ob[0].R {
		t.Error("two commitments to the same payload are the same")
	}
}

func TestBodyRefuses(t *testing.T) {
	party := bridge.Party{Role: bridge.Subject}
	tests := map[string]bridge.Event{
		"facts too large":        {Facts: bridge.Facts{App: strings.Repeat("x", MaxLeaf)}},
		"escapes too large":      {Facts: bridge.Facts{App: strings.Repeat("\x00", MaxLeaf/6)}},
		"too many parties":       {Parties: make([]bridge.Party, 256)},
		"both large":             {Facts: bridge.Facts{App: strings.Repeat("x", MaxLeaf-150)}, Parties: []bridge.Party{party, party}},
		"role 0":                 {Parties: []bridge.Party{{}}},
		"role nobody knows":      {Parties: []bridge.Party{{Role: bridge.Approver + 1}}},
		"role after a known one": {Parties: []bridge.Party{party, {Role: 255}}},
	}
	for name, e := range tests {
		if body, openings, err := Body(e); err == nil || body != nil || openings != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// What Body accepts, ParseLeaf reads, up to the last byte.
func TestLargestLeaf(t *testing.T) {
	e := bridge.Event{Parties: []bridge.Party{{Role: bridge.Actor}}}
	facts := maxFacts - partySize
	e.Facts.App = strings.Repeat("x", facts-len(`{"app":""}`))
	body, _, err := Body(e)
	if err != nil {
		t.Fatal(err)
	}
	leaf := Leaf(maxSize-1, body)
	if len(leaf) != MaxLeaf {
		t.Errorf("the largest leaf has %d bytes, want %d", len(leaf), MaxLeaf)
	}
	if _, err := ParseLeaf(leaf); err != nil {
		t.Error(err)
	}
	e.Facts.App += "x"
	if _, _, err := Body(e); err == nil {
		t.Error("one byte more was accepted")
	}
}

func TestParseLeafRefuses(t *testing.T) {
	good := goldenLeaf(t, "full")
	facts := func(json string) []byte {
		b := append([]byte(nil), goldenLeaf(t, "bare")[:leafHead+bodyHead]...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(json)))
		b = append(b, json...)
		return append(b, 0)
	}
	if _, err := ParseLeaf(facts(`{"app":"chat"}`)); err != nil {
		t.Fatalf("the frame of the cases below is wrong: %v", err)
	}
	seq := append([]byte(nil), good...)
	binary.BigEndian.PutUint64(seq[len(leafVersion):], maxSize)
	role := func(r byte) []byte {
		b := append([]byte(nil), good...)
		b[len(b)-partySize] = r
		return b
	}
	tests := map[string][]byte{
		"role 0":              role(0),
		"role nobody knows":   role(4),
		"large and well made": facts(`{"app":"` + strings.Repeat("x", MaxLeaf) + `"}`),
		"nothing":             nil,
		"another version":     bytes.Replace(good, []byte("/v1"), []byte("/v2"), 1),
		"a byte left over":    append(append([]byte(nil), good...), 0),
		"too large":           append(append([]byte(nil), good...), make([]byte, MaxLeaf)...),
		"position too high":   seq,
		"huge facts length":   append(append([]byte(nil), good[:leafHead+bodyHead]...), 0xff, 0xff, 0xff, 0xff, 0),
		"facts empty":         facts(``),
		"facts null":          facts(`null`),
		"facts no object":     facts(`[]`),
		"unknown key":         facts(`{"name":"ada"}`),
		"unknown key, empty":  facts(`{"name":""}`),
		"key twice":           facts(`{"app":"a","app":"chat"}`),
		"key in another case": facts(`{"App":"chat"}`),
		"keys out of order":   facts(`{"effect":"lock","app":"chat"}`),
		"zero value":          facts(`{"app":""}`),
		"white space":         facts(`{"app": "chat"}`),
		"escaped":             facts(`{"app":"\u0063hat"}`),
		"wrong kind":          facts(`{"app":1}`),
		"float":               facts(`{"count":1.0}`),
		"two objects":         facts(`{"app":"a"}{"app":"b"}`),
		"invalid UTF-8":       facts("{\"app\":\"\xff\"}"),
	}
	for name, b := range tests {
		if _, err := ParseLeaf(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for n := range good {
		if _, err := ParseLeaf(good[:n]); err == nil {
			t.Errorf("the first %d of %d bytes: accepted", n, len(good))
		}
	}
}

// Every change of one byte changes the leaf hash, and none that ParseLeaf
// still reads leaves the meaning as it was.
func TestLeafMutation(t *testing.T) {
	good := Leaf(1, testBody(t, 1))
	want, err := ParseLeaf(good)
	if err != nil {
		t.Fatal(err)
	}
	h := tlog.RecordHash(good)
	for i := range good {
		for x := 1; x < 256; x++ {
			b := append([]byte(nil), good...)
			b[i] ^= byte(x)
			if tlog.RecordHash(b) == h {
				t.Fatalf("byte %d ^ %#x: same hash", i, x)
			}
			if got, err := ParseLeaf(b); err == nil && reflect.DeepEqual(got, want) {
				t.Fatalf("byte %d ^ %#x: same meaning", i, x)
			}
		}
	}
}

func TestCheckOpeningRefuses(t *testing.T) {
	e := goldenEvents()["full"]
	body, openings, err := Body(e)
	if err != nil {
		t.Fatal(err)
	}
	leaf := Leaf(1, body)
	other := e.ID
	other[0]++
	if Commitment(e.ID, openings[0]) == Commitment(other, openings[0]) {
		t.Error("the commitment does not bind the event")
	}
	tests := map[string]func(*Opening){
		"payload":       func(o *Opening) { o.Payload = []byte(`{"userName":"bob@example.org"}`) },
		"empty payload": func(o *Opening) { o.Payload = nil },
		"r":             func(o *Opening) { o.R[63] ^= 1 },
		"role":          func(o *Opening) { o.Role = bridge.Actor },
		"handle":        func(o *Opening) { o.Handle[0] ^= 1 },
	}
	for name, change := range tests {
		o := openings[0]
		change(&o)
		if err := CheckOpening(leaf, o); err == nil {
			t.Errorf("another %s: accepted", name)
		}
	}
	forged := append([]byte(nil), leaf...)
	forged[len(leaf)-3*partySize] = byte(bridge.Actor)
	if err := CheckOpening(forged, openings[0]); err == nil {
		t.Error("under another role: accepted")
	}
	if err := CheckOpening(leaf[:len(leaf)-1], openings[0]); err == nil {
		t.Error("in half a leaf: accepted")
	}
}

func goldenLeaf(t testing.TB, name string) []byte {
	t.Helper()
	body, _, err := encode(goldenEvents()[name], &counting{})
	if err != nil {
		t.Fatal(err)
	}
	return Leaf(258, body)
}

// Whatever ParseLeaf reads has one spelling: written again it is the same.
func FuzzParseLeaf(f *testing.F) {
	for name := range goldenEvents() {
		f.Add(goldenLeaf(f, name))
	}
	f.Add([]byte(leafVersion))
	f.Fuzz(func(t *testing.T, leaf []byte) {
		l, err := ParseLeaf(leaf)
		if err != nil {
			return
		}
		e := bridge.Event{ID: l.ID, At: l.At, Type: l.Type, Request: l.Request, Facts: l.Facts}
		for _, p := range l.Parties {
			e.Parties = append(e.Parties, bridge.Party{Role: p.Role, Handle: p.Handle})
		}
		body, _, err := Body(e)
		if err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		again := Leaf(l.Seq, body)
		for i, p := range l.Parties { // commitments are random
			end := len(again) - (len(l.Parties)-1-i)*partySize
			copy(again[end-32:end], p.Commitment[:])
		}
		if !bytes.Equal(again, leaf) {
			t.Fatalf("another spelling:\n%x\n%x", leaf, again)
		}
	})
}
