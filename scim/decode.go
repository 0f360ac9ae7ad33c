package scim

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	scimerrors "github.com/elimity-com/scim/errors"
)

// decode reads one JSON document: objects become map[string]any, numbers
// json.Number. It is stricter than encoding/json where leniency would let two
// readers of one message see different things: no object may have a key twice,
// in whatever case (attribute names are case-insensitive, RFC 7643, section
// 2.1), strings must be UTF-8 without U+0000, and nothing may follow.
func decode(data []byte, l Limits) (any, error) {
	d := decoder{data: data, depth: l.Depth, values: l.Values}
	v, err := d.value()
	if d.values < 0 {
		err = refusal(http.StatusRequestEntityTooLarge, "The body has more than "+strconv.Itoa(l.Values)+" values.")
	}
	if err != nil {
		return nil, err
	}
	if d.space(); d.at < len(d.data) {
		return nil, d.fail("something follows the document")
	}
	return v, nil
}

// decodeObject is decode for documents that must be objects.
func decodeObject(data []byte, l Limits) (map[string]any, error) {
	v, err := decode(data, l)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fault(scimerrors.ScimTypeInvalidSyntax, "the body must be a JSON object")
	}
	return m, nil
}

type decoder struct {
	data   []byte
	at     int
	depth  int // how many levels more are allowed
	values int // how many values more are allowed
}

func (d *decoder) fail(what string) error {
	return fault(scimerrors.ScimTypeInvalidSyntax, "the body is not acceptable JSON: %s, at byte %d", what, d.at)
}

func (d *decoder) space() {
	for d.at < len(d.data) {
		switch d.data[d.at] {
		case ' ', '\t', '\r', '\n':
			d.at++
		default:
			return
		}
	}
}

// next skips space and returns the byte that comes then, or 0 at the end.
func (d *decoder) next() byte {
	d.space()
	if d.at == len(d.data) {
		return 0
	}
	return d.data[d.at]
}

func (d *decoder) value() (any, error) {
	if d.values--; d.values < 0 {
		return nil, d.fail("too many values")
	}
	switch c := d.next(); {
	case c == '{':
		return d.object()
	case c == '[':
		return d.array()
	case c == '"':
		return d.str()
	case c == '-' || c >= '0' && c <= '9':
		return d.number()
	default:
		return d.literal()
	}
}

func (d *decoder) enter() error {
	d.at++
	if d.depth--; d.depth < 0 {
		return d.fail("too deep")
	}
	return nil
}

func (d *decoder) object() (any, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	m := make(map[string]any)
	var seen keys
	for first := true; ; first = false {
		c := d.next()
		if c == '}' && first {
			break
		}
		if c != '"' {
			return nil, d.fail("expected a key")
		}
		key, err := d.str()
		if err != nil {
			return nil, err
		}
		if !seen.add(key) {
			return nil, d.fail("a key stands twice in one object")
		}
		if d.next() != ':' {
			return nil, d.fail("expected a colon")
		}
		d.at++
		if m[key], err = d.value(); err != nil {
			return nil, err
		}
		if c = d.next(); c == '}' {
			break
		}
		if c != ',' {
			return nil, d.fail("expected a comma or the end of an object")
		}
		d.at++
	}
	d.at++
	d.depth++
	return m, nil
}

// keys are the keys of one object, to find those that differ in case only.
type keys struct {
	few  []string
	many map[string]bool // lower case; from the 17th key on
}

func (k *keys) add(key string) bool {
	if k.many == nil && len(k.few) < 16 {
		for _, have := range k.few {
			if strings.EqualFold(have, key) {
				return false
			}
		}
		k.few = append(k.few, key)
		return true
	}
	if k.many == nil {
		k.many = make(map[string]bool)
		for _, have := range k.few {
			k.many[fold(have)] = true
		}
	}
	key = fold(key)
	if k.many[key] {
		return false
	}
	k.many[key] = true
	return true
}

// fold brings strings that are equal regardless of case (as by
// strings.EqualFold) into one form.
func fold(s string) string { return strings.ToLower(strings.ToUpper(s)) }

func (d *decoder) array() (any, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	list := []any{}
	for first := true; ; first = false {
		if d.next() == ']' && first {
			break
		}
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		c := d.next()
		if c == ']' {
			break
		}
		if c != ',' {
			return nil, d.fail("expected a comma or the end of a list")
		}
		d.at++
	}
	d.at++
	d.depth++
	return list, nil
}

func (d *decoder) str() (string, error) {
	start := d.at
	escaped, ascii := false, true
	for d.at++; d.at < len(d.data); d.at++ {
		switch c := d.data[d.at]; {
		case c == '"':
			d.at++
			return d.text(d.data[start:d.at], escaped, ascii)
		case c == '\\':
			escaped = true
			d.at++
		case c < 0x20:
			return "", d.fail("a control character in a string")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	d.at = len(d.data)
	return "", d.fail("a string does not end")
}

// text decodes one quoted string.
func (d *decoder) text(quoted []byte, escaped, ascii bool) (string, error) {
	if !ascii && !utf8.Valid(quoted) {
		return "", d.fail("a string is not UTF-8")
	}
	if !escaped {
		return string(quoted[1 : len(quoted)-1]), nil
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return "", d.fail("a wrong escape in a string")
	}
	if strings.IndexByte(s, 0) >= 0 {
		return "", d.fail("U+0000 in a string")
	}
	return s, nil
}

func (d *decoder) number() (any, error) {
	start := d.at
	digits := func() bool {
		from := d.at
		for d.at < len(d.data) && d.data[d.at] >= '0' && d.data[d.at] <= '9' {
			d.at++
		}
		return d.at > from
	}
	is := func(set string) bool {
		if d.at < len(d.data) && strings.IndexByte(set, d.data[d.at]) >= 0 {
			d.at++
			return true
		}
		return false
	}
	is("-")
	ok := is("0") || digits()
	if ok && is(".") {
		ok = digits()
	}
	if ok && is("eE") {
		is("+-")
		ok = digits()
	}
	if !ok {
		return nil, d.fail("a wrong number")
	}
	return json.Number(d.data[start:d.at]), nil
}

func (d *decoder) literal() (any, error) {
	rest := d.data[d.at:]
	for _, l := range literals {
		if len(rest) >= len(l.word) && string(rest[:len(l.word)]) == l.word {
			d.at += len(l.word)
			return l.value, nil
		}
	}
	return nil, d.fail("expected a value")
}

var literals = [...]struct {
	word  string
	value any
}{{"true", true}, {"false", false}, {"null", nil}}
