package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode"
)

// object is a JSON object. Numbers in it are json.Number: some do not fit into
// anything else.
type object map[string]any

// at follows keys inwards, whatever their case (RFC 7643, section 2.1); nil if
// there is nothing.
func (o object) at(keys ...string) any {
	var v any = map[string]any(o)
	for _, key := range keys {
		inner, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		if v, ok = inner[key]; ok {
			continue
		}
		for name, e := range inner {
			if strings.EqualFold(name, key) {
				v = e
			}
		}
	}
	return v
}

func (o object) text(keys ...string) string {
	s, _ := o.at(keys...).(string)
	return s
}

func (o object) id() string { return o.text("id") }

// objects are the objects in a list.
func objects(list any) (out []object) {
	all, _ := list.([]any)
	for _, e := range all {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// each is one sub-attribute of all values of a multi-valued attribute, sorted.
func each(list any, sub string) []string {
	out := []string{}
	for _, e := range objects(list) {
		if s, ok := e.at(sub).(string); ok {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}

// texts are the strings in a list.
func texts(list any) (out []string) {
	all, _ := list.([]any)
	for _, e := range all {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// having returns the value of a multi-valued attribute whose sub-attribute is
// want; nil if there is none.
func having(list any, sub, want string) object {
	for _, e := range objects(list) {
		if strings.EqualFold(e.text(sub), want) {
			return e
		}
	}
	return nil
}

// unassigned reports whether a value is none: absent, null or empty (RFC 7643,
// section 2.5).
func unassigned(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		for _, e := range v {
			if !unassigned(e) {
				return false
			}
		}
		return true
	}
	return false
}

// answer is what the server said to one request.
type answer struct {
	method, path string
	sent         string // the request's body
	status       int
	header       http.Header
	body         []byte
	json         object // nil if the body is no JSON object
}

// ok reports whether the request succeeded.
func (a answer) ok() bool { return a.status/100 == 2 }

func decode(body []byte) object {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var o map[string]any
	if d.Decode(&o) != nil {
		return nil
	}
	if _, err := d.Token(); err != io.EOF {
		return nil
	}
	return o
}

// resources are those of a list.
func (a answer) resources() []object { return objects(a.json.at("Resources")) }

// integer is a member of the answer; -1 if it is no integer.
func (a answer) integer(name string) int {
	n, ok := a.json.at(name).(json.Number)
	if !ok {
		return -1
	}
	i, err := n.Int64()
	if err != nil {
		return -1
	}
	return int(i)
}

func (a answer) scimType() string { return a.json.text("scimType") }

const excerptLength = 300

// came describes the answer in one line. Of lists it shows only how long they
// are: other people may be in them.
func (a answer) came() string {
	status := fmt.Sprintf("%d", a.status)
	if location := a.header.Get("Location"); a.status/100 == 3 && location != "" {
		status += " to " + location
	}
	if a.json.at("Resources") != nil {
		return fmt.Sprintf("%s, a list: totalResults %v, itemsPerPage %v, startIndex %v, Resources: %d",
			status, a.json.at("totalResults"), a.json.at("itemsPerPage"), a.json.at("startIndex"), len(a.resources()))
	}
	if len(a.body) == 0 {
		return status + " without a body"
	}
	return status + " " + excerpt(string(a.body))
}

func (a answer) asked() string {
	line := a.method + " " + a.path
	if a.sent != "" {
		line += " " + excerpt(a.sent)
	}
	return line
}

// excerpt is the beginning of a text in one line, without what a terminal
// would obey.
func excerpt(s string) string {
	cut := len(s) > excerptLength
	if cut {
		s = strings.ToValidUTF8(s[:excerptLength], "")
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, s)
	if cut {
		s += "…"
	}
	return s
}
