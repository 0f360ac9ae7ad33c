package siem

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
)

// Log is the log that rows are of, and who writes them.
type Log struct {
	Origin  string
	Version string // of exeunt
}

// Row is one event as it goes out.
type Row struct {
	Index int64
	Hash  tlog.Hash // of the leaf (RFC 6962)
	bridge.Event
}

// rowOf reads a leaf. One that cannot be read goes out as an event of unknown
// type: place and hash still say which it is, and no export ends with it.
func rowOf(s store.Sealed) Row {
	r := Row{Index: s.Seq, Hash: tlog.RecordHash(s.Leaf)}
	l, err := ledger.ParseLeaf(s.Leaf)
	if err != nil {
		return r
	}
	r.Event = bridge.Event{ID: l.ID, At: l.At.UTC(), Type: l.Type, Request: l.Request, Facts: l.Facts}
	for _, p := range l.Parties {
		r.Parties = append(r.Parties, bridge.Party{Role: p.Role, Handle: p.Handle})
	}
	return r
}

// id is the same each time the event is sent.
func (r Row) id() string { return hex.EncodeToString(r.ID[:]) }

// handle is that of the first party with a role; "" if there is none.
func (r Row) handle(role bridge.Role) string {
	for _, p := range r.Parties {
		if p.Role == role {
			return p.Handle.String()
		}
	}
	return ""
}

// place is where a row stands in the log.
type place struct {
	Origin string `json:"origin"`
	Index  int64  `json:"index"`
	Hash   string `json:"leaf_hash"` // base64, as in proofs
}

// party is a person in a row.
type party struct {
	Role   string `json:"role"`
	Handle string `json:"handle"`
}

// plain is a row in plain JSON, and the data of a CloudEvent.
type plain struct {
	Log     place        `json:"log"`
	ID      string       `json:"id"`
	At      time.Time    `json:"at"`
	Type    string       `json:"type"`
	Facts   bridge.Facts `json:"facts"`
	Parties []party      `json:"parties,omitempty"`
}

var roles = map[bridge.Role]string{bridge.Subject: "subject", bridge.Actor: "actor", bridge.Approver: "approver"}

func (l Log) place(r Row) place { return place{l.Origin, r.Index, r.Hash.String()} }

func (l Log) plain(r Row) plain {
	p := plain{Log: l.place(r), ID: r.id(), At: r.At, Type: r.Type.String(), Facts: r.Facts}
	for _, one := range r.Parties {
		p.Parties = append(p.Parties, party{roles[one.Role], one.Handle.String()})
	}
	return p
}

func (l Log) json(r Row) []byte { return marshal(l.plain(r)) }

// marshal is for structs that always have a JSON form.
func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a struct of ours with a field that JSON does not know
	}
	return b
}
