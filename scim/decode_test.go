package scim

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestDecodeRefused(t *testing.T) {
	l := Limits{}.orDefault()
	for _, body := range []string{
		``, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `[1,]`, `[1 2]`, `{"a":1 "b":2}`, `nul`, `tru`, `01`, `-`, `1.`, `1e`, `.5`, `+1`,
		`"a`, `"\x"`, "\"\x01\"", "\"\xff\"", `"\u0000"`, `{} {}`, `{}x`, `{"a":1,"a":2}`, `{"active":true,"Active":false}`,
		`{"a":{"b":1,"B":2}}`, strings.Repeat("[", 33) + strings.Repeat("]", 33), strings.Repeat(`{"a":`, 100_000),
		"[" + strings.Repeat("1,", 500_000) + "1]", `{a:1}`, `{'a':1}`, "\ufeff{}",
	} {
		if v, err := decode([]byte(body), l); err == nil {
			t.Errorf("%.40s: %v", body, v)
		}
	}
	var many strings.Builder
	for i := range 20 {
		many.WriteString(`"k` + strings.Repeat("x", i) + `":1,`)
	}
	if _, err := decode([]byte(`{`+many.String()+`"Kxx":2}`), l); err == nil {
		t.Error("a key twice among many")
	}
	if _, err := decode([]byte(`{`+many.String()+`"other":2}`), l); err != nil {
		t.Error(err)
	}
}

// FuzzDecode: what is accepted, encoding/json reads the same, and it survives
// being written and read again.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{bjensen, `[]`, `"\ud83d\ude00\n\""`, `-1.5e+10`, `{"a":[true,false,null,{}]}`, `{"a":1,"A":2}`, "\"\u2028é\"", `{"K":1,"k":2}`} {
		f.Add([]byte(s))
	}
	l := Limits{}.orDefault()
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decode(data, l)
		if err != nil {
			return
		}
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %#v, encoding/json: %#v, %v", data, got, want, err)
		}
		again, err := decode(appendJSON(nil, got), l)
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Fatalf("%q: %#v, again: %#v, %v", data, got, again, err)
		}
	})
}
