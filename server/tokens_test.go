package server

import (
	"crypto/sha256"
	"strings"
	"testing"
)

func TestTokenRoundTrip(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range []TokenKind{SCIMToken, AdminToken} {
		for range 200 {
			text, made := NewToken(kind)
			if !strings.HasPrefix(text, "exe_"+string(kind)+"_") {
				t.Fatalf("%q lacks its prefix", text)
			}
			read, ok := ParseToken(text)
			if !ok || read != made || read.Kind != kind || len(read.ID) != idLen {
				t.Fatalf("ParseToken(%q) = %+v, %v; made %+v", text, read, ok, made)
			}
			if read.Sum != sha256.Sum256([]byte(text)) {
				t.Fatal("the sum is not that of the whole text")
			}
			if seen[text] || seen[made.ID] {
				t.Fatal("made twice")
			}
			seen[text], seen[made.ID] = true, true
		}
	}
}

func TestTokenRefusesEveryChange(t *testing.T) {
	text, _ := NewToken(SCIMToken)
	for i := range text {
		for _, c := range []byte("x0_ \x00") {
			if text[i] == c {
				continue
			}
			changed := text[:i] + string(c) + text[i+1:]
			if _, ok := ParseToken(changed); ok {
				t.Fatalf("accepted with byte %d changed to %q", i, c)
			}
		}
	}
	admin := strings.Replace(text, "exe_scim_", "exe_admin_", 1)
	for _, bad := range []string{"", "exe_", "exe_scim_", text + "0", text[1:], text[:len(text)-1], " " + text, admin} {
		if _, ok := ParseToken(bad); ok {
			t.Errorf("accepted %q", bad)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	for _, kind := range []TokenKind{SCIMToken, AdminToken} {
		text, _ := NewToken(kind)
		f.Add(text)
		f.Add(text[:len(text)-1])
	}
	f.Add("exe_scim_" + strings.Repeat("_", 61))
	f.Add("exe_root_0000000000_" + strings.Repeat("0", 43) + "_000000")
	f.Fuzz(func(t *testing.T, text string) {
		tok, ok := ParseToken(text)
		if !ok {
			if tok != (Token{}) {
				t.Fatal("refused, but something came back")
			}
			return
		}
		if tok.Kind != SCIMToken && tok.Kind != AdminToken {
			t.Fatalf("kind %q", tok.Kind)
		}
		want := "exe_" + string(tok.Kind) + "_" + tok.ID + "_"
		if !strings.HasPrefix(text, want) || checksum(text[:len(text)-crcLen-1]) != text[len(text)-crcLen:] {
			t.Fatalf("%q does not hold what was read from it", text)
		}
	})
}
