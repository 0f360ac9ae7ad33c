package server

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"math/big"
	"slices"
	"strings"
)

// TokenKind says which door a token opens.
type TokenKind string

const (
	SCIMToken  TokenKind = "scim"  // a source's, for /scim/v2
	AdminToken TokenKind = "admin" // an operator's, for everything else
	AuditToken TokenKind = "audit" // an auditor's, for reading the log and what is certified
	FeedToken  TokenKind = "feed"  // a feed's, for telling of sessions
)

// Token is what may be kept of a token: everything but the token itself.
type Token struct {
	Kind TokenKind
	ID   string   // 10 characters, base62; names the token in listings and events
	Sum  [32]byte // SHA-256 of the whole text
}

// Lengths of the parts of a token's text. The secret is 32 random bytes, so
// that a fast hash is enough to keep it; the checksum is there for scanners
// and typing mistakes, and proves nothing.
const (
	idLen     = 10
	secretLen = 43
	crcLen    = 6
)

// NewToken makes a token and its text, which is shown once:
//
//	exe_scim_<id>_<32 random bytes, base62>_<CRC-32 of all before, base62>
func NewToken(kind TokenKind) (text string, t Token) {
	body := "exe_" + string(kind) + "_" + randomBase62(8, idLen) + "_" + randomBase62(32, secretLen)
	text = body + "_" + checksum(body)
	t, _ = ParseToken(text)
	return text, t
}

// ParseToken reads a token's text. It is false for anything that NewToken
// cannot have made: no look-up is spent on that.
func ParseToken(text string) (Token, bool) {
	rest, ok := strings.CutPrefix(text, "exe_")
	kind, rest, ok2 := strings.Cut(rest, "_")
	if !ok || !ok2 || len(rest) != idLen+1+secretLen+1+crcLen {
		return Token{}, false
	}
	if !slices.Contains([]TokenKind{SCIMToken, AdminToken, AuditToken, FeedToken}, TokenKind(kind)) {
		return Token{}, false
	}
	id, secret, crc := rest[:idLen], rest[idLen+1:idLen+1+secretLen], rest[len(rest)-crcLen:]
	if rest[idLen] != '_' || rest[idLen+1+secretLen] != '_' || !isBase62(id) || !isBase62(secret) {
		return Token{}, false
	}
	if crc != checksum(text[:len(text)-crcLen-1]) {
		return Token{}, false
	}
	return Token{Kind: TokenKind(kind), ID: id, Sum: sha256.Sum256([]byte(text))}, true
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func isBase62(s string) bool {
	return strings.Trim(s, base62) == ""
}

// randomBase62 returns n random bytes as exactly width base62 digits, from the
// right: width digits must hold n bytes, or lose their highest ones.
func randomBase62(n, width int) string {
	raw := make([]byte, n)
	rand.Read(raw) // never fails
	return toBase62(new(big.Int).SetBytes(raw), width)
}

func checksum(s string) string {
	return toBase62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(s)))), crcLen)
}

func toBase62(n *big.Int, width int) string {
	digits, base, digit := make([]byte, width), big.NewInt(62), new(big.Int)
	for i := width - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		digits[i] = base62[digit.Int64()]
	}
	return string(digits)
}
