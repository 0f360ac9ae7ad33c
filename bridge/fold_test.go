package bridge

import "testing"

// RFC 7644, section 5: what is one name, and what is not.
func TestFold(t *testing.T) {
	for _, same := range [][2]string{
		{"Ada", "ADA"}, {"Zoë", "zoe\u0308"}, {"ÅSA", "a\u030asa"}, {"Å", "\u212b"}, {"ａｄａ", "ada"}, {"ＡＤＡ＠ｅｘａｍｐｌｅ．ｃｏｍ", "ada@example.com"}, {"ｶﾞ", "ガ"},
		{"ΣΟΦΙΑ", "σοφια"}, {"Ада", "аДА"},
	} {
		if a, b := Fold(same[0]), Fold(same[1]); a != b {
			t.Errorf("%q and %q: %q, %q", same[0], same[1], a, b)
		}
	}
	for _, other := range [][2]string{{"ada", "аda"}, {"zoë", "zoe"}, {"strasse", "straße"}, {"a b", "ab"}, {"", " "}, {"ﬁ", "fi"}} {
		if Fold(other[0]) == Fold(other[1]) {
			t.Errorf("%q and %q are one", other[0], other[1])
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"Ada", "ZOE\u0308", "ｶﾞ", "\u0130\u1e9e", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if once, twice := Fold(s), Fold(Fold(s)); once != twice {
			t.Fatalf("%q: %q, then %q", s, once, twice)
		}
	})
}
