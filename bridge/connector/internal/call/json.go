package call

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/exeunt/exeunt/bridge"
)

// MaxDepth is how deep the objects and arrays of an answer may be nested.
const MaxDepth = 32

var errTooDeep = errors.New("nested too deeply")

// Decode reads the body as one JSON value into v, which is as for
// [json.Unmarshal]. A body that is no JSON is retried: it is mostly the page of
// a proxy whose app is away.
func (r *Response) Decode(v any) error {
	switch err := Unmarshal(r.Body, v); {
	case errors.Is(err, errTooDeep):
		return bridge.Permanent(fmt.Errorf("%s: the answer is nested too deeply", r.Name))
	case err != nil:
		return fmt.Errorf("%s answered %d with a body that is not the JSON it should be", r.Name, r.Status)
	}
	return nil
}

// Unmarshal is [json.Unmarshal] for data nested at most [MaxDepth] deep. Its
// errors may quote the data; they are not for showing.
func Unmarshal(data []byte, v any) error {
	if deeper(data, MaxDepth) {
		return errTooDeep
	}
	return json.Unmarshal(data, v)
}

// deeper reports whether data nests deeper than limit. It counts brackets
// outside strings; whether they match is json's to find.
func deeper(data []byte, limit int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
