package scim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/exeunt/exeunt/bridge"
)

// What RFC 9865, section 2.1, adds to the keywords of RFC 7644, table 9. Cursors
// here do not expire.
const (
	scimTypeInvalidCursor scimerrors.ScimType = "invalidCursor"
	scimTypeInvalidCount  scimerrors.ScimType = "invalidCount"
)

// cursor is the place after which the next page begins (RFC 9865). It is a
// place and not a number: whatever is created or removed meanwhile, nothing else
// is missed or seen twice.
type cursor struct {
	about [8]byte // hash of the query, without count: a cursor is good for that alone
	part  int     // where the place is; -1 before the first
	place bridge.Place
}

// token is a cursor as clients see it, before encoding: nothing in it is
// secret, and what they make of it can lead nowhere but into their own people.
type token struct {
	About []byte `json:"q"`
	Part  int    `json:"p"`
	Key   string `json:"k"`
	ID    string `json:"i"`
	Sum   []byte `json:"s,omitempty"` // of the others, against mistakes
}

func (t token) encode() []byte {
	b, _ := json.Marshal(t) // always encodes
	return b
}

func (t token) sum() []byte {
	t.Sum = nil
	sum := sha256.Sum256(t.encode())
	return sum[:6]
}

// readCursor reads the cursor of a query about the given types; an empty one
// asks for the first page.
func readCursor(from url.Values, types []*resourceType) (*cursor, error) {
	c := &cursor{about: about(from, types), part: -1}
	text := from.Get("cursor")
	if text == "" {
		return c, nil
	}
	wrong := fault(scimTypeInvalidCursor, "this is no cursor of this query; begin again with an empty one")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	var t token
	if err != nil || json.Unmarshal(raw, &t) != nil || !bytes.Equal(t.sum(), t.Sum) ||
		!bytes.Equal(t.About, c.about[:]) || t.Part < 0 || t.Part >= len(types) || !legible(t.ID) || strings.Contains(t.Key, "\x00") {
		return nil, wrong
	}
	c.part, c.place = t.Part, bridge.Place{Key: t.Key, ID: t.ID}
	return c, nil
}

// next is the cursor that leads on from s.
func (c *cursor) next(s spot) string {
	t := token{About: c.about[:], Part: s.part, Key: s.key, ID: s.id}
	t.Sum = t.sum()
	return base64.RawURLEncoding.EncodeToString(t.encode())
}

// about tells queries apart.
func about(from url.Values, types []*resourceType) (sum [8]byte) {
	text := from.Get("filter") + "\x00" + strings.ToLower(from.Get("sortBy")) + "\x00" + strings.ToLower(from.Get("sortOrder"))
	for _, t := range types {
		text += "\x00" + t.name
	}
	whole := sha256.Sum256([]byte(text))
	copy(sum[:], whole[:])
	return sum
}
