package ledger

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// A leaf is, big-endian:
//
//	"exeunt.leaf/v1" 0x00
//	u64 seq | i64 time in microseconds since 1970 UTC | u16 type
//	16 bytes event id | 16 bytes request id
//	u32 length | facts as JSON
//	u8 n | n × ( u8 role | 16 bytes handle | 32 bytes commitment )
//
// The stored bytes are the authority: they are hashed as they are, and never
// encoded again.
const leafVersion = "exeunt.leaf/v1\x00"

// MaxLeaf is the size in bytes that no leaf exceeds. It is the limit of
// C2SP tlog-tiles for one entry.
const MaxLeaf = 64<<10 - 1

// maxSize bounds the number of events in a log. It keeps index arithmetic on
// hostile sizes far from overflow.
const maxSize = 1 << 48

const (
	leafHead  = len(leafVersion) + 8 // before the body
	bodyHead  = 8 + 2 + 16 + 16      // before the length of the facts
	partySize = 1 + 16 + 32          // role, handle, commitment
	maxParty  = math.MaxUint8        // per event
	maxFacts  = MaxLeaf - leafHead - bodyHead - 4 - 1
)

// Body encodes everything of e's leaf that follows the position, which is
// known only when the event is linked into the tree; [Leaf] completes it.
// Openings, one for each party and in their order, are what it takes to show
// later what the commitments commit to; they are secret, and their payloads
// are those of e. The error is about e: too large, or a role nobody knows.
func Body(e bridge.Event) (body []byte, openings []Opening, err error) {
	return encode(e, rand.Reader)
}

func encode(e bridge.Event, random io.Reader) ([]byte, []Opening, error) {
	facts, err := encodeFacts(e.Facts)
	if err != nil {
		return nil, nil, err
	}
	if len(e.Parties) > maxParty || len(facts) > maxFacts-len(e.Parties)*partySize {
		return nil, nil, errors.New("ledger: the event is too large for one leaf")
	}
	b := make([]byte, 0, bodyHead+4+len(facts)+1+len(e.Parties)*partySize)
	b = binary.BigEndian.AppendUint64(b, uint64(e.At.UnixMicro()))
	b = binary.BigEndian.AppendUint16(b, uint16(e.Type))
	b = append(b, e.ID[:]...)
	b = append(b, e.Request[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(facts)))
	b = append(b, facts...)
	b = append(b, byte(len(e.Parties)))
	var openings []Opening
	for _, p := range e.Parties {
		if !knownRole(p.Role) {
			return nil, nil, fmt.Errorf("ledger: unknown role %d", p.Role)
		}
		var c [32]byte // all zero: the event holds nothing personal of this party
		if p.Payload != nil {
			o := Opening{Role: p.Role, Handle: p.Handle, Payload: p.Payload}
			if _, err := io.ReadFull(random, o.R[:]); err != nil {
				return nil, nil, err
			}
			c = Commitment(e.ID, o)
			openings = append(openings, o)
		}
		b = append(b, byte(p.Role))
		b = append(b, p.Handle[:]...)
		b = append(b, c[:]...)
	}
	return b, openings, nil
}

// Leaf is the leaf at position seq, counted from 0, with the given body.
func Leaf(seq uint64, body []byte) []byte {
	b := make([]byte, 0, leafHead+len(body))
	b = append(b, leafVersion...)
	b = binary.BigEndian.AppendUint64(b, seq)
	return append(b, body...)
}

// ParsedLeaf is what a leaf says.
type ParsedLeaf struct {
	Seq     uint64    // position in the log, from 0
	At      time.Time // UTC, to the microsecond
	Type    bridge.EventType
	ID      [16]byte // of the event
	Request [16]byte
	Facts   bridge.Facts
	Parties []LeafParty
}

// LeafParty is a person in a leaf: who they are is not in it.
type LeafParty struct {
	Role       bridge.Role
	Handle     bridge.Handle
	Commitment [32]byte // zero if the event holds nothing personal of them
}

// ParseLeaf reads a leaf. It refuses whatever [Body] and [Leaf] would not have
// written: another version, a wrong length, bytes left over, an unknown role,
// facts with unknown keys or in another spelling. No two leaves say the same.
func ParseLeaf(leaf []byte) (ParsedLeaf, error) {
	if len(leaf) > MaxLeaf {
		return ParsedLeaf{}, fmt.Errorf("ledger: leaf has %d bytes, more than %d", len(leaf), MaxLeaf)
	}
	b, ok := bytes.CutPrefix(leaf, []byte(leafVersion))
	if !ok {
		return ParsedLeaf{}, errors.New("ledger: not a leaf of version exeunt.leaf/v1")
	}
	r := reader{b: b}
	l := ParsedLeaf{
		Seq:  binary.BigEndian.Uint64(r.take(8)),
		At:   time.UnixMicro(int64(binary.BigEndian.Uint64(r.take(8)))).UTC(),
		Type: bridge.EventType(binary.BigEndian.Uint16(r.take(2))),
	}
	copy(l.ID[:], r.take(16))
	copy(l.Request[:], r.take(16))
	facts := r.take(int(binary.BigEndian.Uint32(r.take(4))))
	l.Parties = make([]LeafParty, r.take(1)[0])
	for i := range l.Parties {
		p := &l.Parties[i]
		p.Role = bridge.Role(r.take(1)[0])
		copy(p.Handle[:], r.take(16))
		copy(p.Commitment[:], r.take(32))
		if !r.short && !knownRole(p.Role) {
			return ParsedLeaf{}, fmt.Errorf("ledger: unknown role %d in leaf", p.Role)
		}
	}
	switch {
	case r.short:
		return ParsedLeaf{}, errors.New("ledger: leaf ends too early")
	case len(r.b) > 0:
		return ParsedLeaf{}, errors.New("ledger: leaf has bytes after its end")
	case l.Seq >= maxSize:
		return ParsedLeaf{}, errors.New("ledger: position in leaf is out of range")
	}
	var err error
	l.Facts, err = decodeFacts(facts)
	return l, err
}

// reader takes fields off the front of b. When there is too little left it
// yields zeros and remembers it, so that the caller needs to look only once.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) { // below 0: a length that is no int on 32 bits
		r.short, r.b = true, nil
		return make([]byte, 32) // as long as the longest fixed field
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// encodeFacts is the one spelling of f: keys in the order of [bridge.Facts],
// zero values left out, no white space.
func encodeFacts(f bridge.Facts) ([]byte, error) {
	b, err := json.Marshal(f)
	if err != nil || !bytes.Contains(b, []byte(`\ufffd`)) {
		return b, err
	}
	// Invalid UTF-8 became an escaped U+FFFD, which would be spelled plainly
	// when read and written again.
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, err
	}
	return json.Marshal(f)
}

func decodeFacts(b []byte) (bridge.Facts, error) {
	var f bridge.Facts
	if err := json.Unmarshal(b, &f); err != nil {
		return bridge.Facts{}, errors.New("ledger: facts in leaf are not what they should be")
	}
	// Unknown keys, keys given twice or in another case, and every other
	// second spelling differ from the one that is written.
	if again, err := encodeFacts(f); err != nil || !bytes.Equal(again, b) {
		return bridge.Facts{}, errors.New("ledger: facts in leaf have unknown keys or another spelling")
	}
	return f, nil
}

func knownRole(r bridge.Role) bool { return r >= bridge.Subject && r <= bridge.Approver }
