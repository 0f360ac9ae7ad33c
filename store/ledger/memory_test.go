package ledger

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"golang.org/x/mod/sumdb/tlog"
)

// memory is a log in memory: the source for the tests, and the victim of the
// attacks.
type memory struct {
	leaves [][]byte
	hashes []tlog.Hash
	notes  []signed
}

type signed struct {
	size int64
	note []byte
}

func (m *memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(m.hashes)) {
			return nil, fmt.Errorf("no hash %d", x)
		}
		out[i] = m.hashes[x]
	}
	return out, nil
}

func (m *memory) Size() (int64, error) { return int64(len(m.leaves)), nil }

func (m *memory) Leaves(from int64, limit int) ([][]byte, error) {
	return slice(m.leaves, from, limit), nil
}

func (m *memory) Hashes(from int64, limit int) ([]tlog.Hash, error) {
	return slice(m.hashes, from, limit), nil
}

func (m *memory) Checkpoints(after int64, limit int) ([][]byte, error) {
	var out [][]byte
	for _, s := range m.notes {
		if s.size > after && len(out) < limit {
			out = append(out, s.note)
		}
	}
	return out, nil
}

func slice[T any](s []T, from int64, limit int) []T {
	from = min(from, int64(len(s)))
	return s[from:min(from+int64(limit), int64(len(s)))]
}

// clone is a deep copy, so that an attack touches only its own log.
func (m *memory) clone() *memory {
	c := &memory{hashes: append([]tlog.Hash(nil), m.hashes...), notes: append([]signed(nil), m.notes...)}
	for _, l := range m.leaves {
		c.leaves = append(c.leaves, append([]byte(nil), l...))
	}
	return c
}

// rebuild recomputes all hashes from the leaves.
func (m *memory) rebuild() {
	var f Frontier
	m.hashes = nil
	for _, l := range m.leaves {
		m.hashes = f.Append(m.hashes, l)
	}
}

func (m *memory) root(t testing.TB, size int64) tlog.Hash {
	t.Helper()
	h, err := tlog.TreeHash(size, m)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// sign appends a checkpoint of size.
func (m *memory) sign(t testing.TB, s *Signer, size int64) []byte {
	t.Helper()
	note, err := s.Sign(size, m.root(t, size))
	if err != nil {
		t.Fatal(err)
	}
	m.notes = append(m.notes, signed{size, note})
	return note
}

// newMemory is a log of n events, without checkpoints.
func newMemory(t testing.TB, n int) *memory {
	t.Helper()
	m := &memory{}
	for i := range n {
		m.leaves = append(m.leaves, Leaf(uint64(i), testBody(t, uint64(i))))
	}
	m.rebuild()
	return m
}

func testEvent(n uint64) bridge.Event {
	e := bridge.Event{
		At:    time.UnixMicro(1_790_000_000_000_000 + int64(n)).UTC(),
		Type:  bridge.ActionSettled,
		Facts: bridge.Facts{Case: "c1", App: "chat", Effect: "lock", State: "verified", Attempt: int(n%5) + 1},
		Parties: []bridge.Party{
			{Role: bridge.Subject, Handle: bridge.Handle{7}, Payload: []byte(`{"userName":"ada"}`)},
		},
	}
	binary.BigEndian.PutUint64(e.ID[8:], n+1)
	return e
}

func testBody(t testing.TB, n uint64) []byte {
	t.Helper()
	body, _, err := Body(testEvent(n))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func testSigner(t testing.TB) *Signer {
	t.Helper()
	secret, _, err := NewKey("exeunt/test")
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
