package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

// script answers as a case says, and notes the first request that differs.
type script struct {
	base    string
	now     time.Time
	lines   []Exchange // what is still to come
	problem error
}

var errScript = bridge.Permanent(errors.New("not as the case says"))

// Send implements sender.
func (s *script) Send(ctx context.Context, r call.Request) (*call.Response, error) {
	if s.problem != nil {
		return nil, errScript
	}
	if len(s.lines) == 0 {
		s.problem = fmt.Errorf("%s %s was requested, which no line of the case expects", r.Method, r.URL)
		return nil, errScript
	}
	line := s.lines[0]
	s.lines = s.lines[1:]
	if diff := line.differs(s.base, r); diff != "" {
		s.problem = fmt.Errorf("line %d: %s", line.Line, diff)
		return nil, errScript
	}
	header := http.Header{}
	for name, v := range line.Answer.Headers {
		header.Set(name, v)
	}
	body := []byte(line.Answer.Text)
	if line.Answer.JSON != nil {
		header.Set("Content-Type", "application/json")
		var err error
		if body, err = json.Marshal(line.Answer.JSON.Value); err != nil {
			s.problem = fmt.Errorf("line %d: the answer cannot be written as JSON", line.Line)
			return nil, errScript
		}
	}
	return &call.Response{Name: r.Name, Status: line.Answer.Status, Header: header, Body: body, At: s.now}, nil
}

// differs says how a request differs from the line that expects it; "" if it
// does not.
func (e *Exchange) differs(base string, r call.Request) string {
	method, path := e.method()
	want := path
	if strings.HasPrefix(path, "/") {
		want = base + path
	}
	at, query, _ := strings.Cut(r.URL, "?")
	if method != r.Method || want != at {
		return difference("request", method+" "+want, r.Method+" "+at)
	}
	sent, err := url.ParseQuery(query)
	if err != nil || !sameValues(e.Query, sent) {
		return difference("query", fmt.Sprint(e.Query), fmt.Sprint(single(sent)))
	}
	for name, v := range e.Headers {
		if got := r.Header.Get(name); got != v {
			return difference("header "+name, v, got)
		}
	}
	switch {
	case e.Form != nil:
		form, err := url.ParseQuery(string(r.Body))
		if err != nil || !sameValues(e.Form, form) {
			return difference("form", fmt.Sprint(e.Form), fmt.Sprint(single(form)))
		}
	case e.JSON != nil || r.JSON != nil:
		var expected any
		if e.JSON != nil {
			expected = e.JSON.Value
		}
		if a, b := canonical(expected), canonical(r.JSON); a != b {
			return difference("body", a, b)
		}
	case len(r.Body) > 0:
		return difference("body", "none", string(r.Body))
	}
	return ""
}

func difference(what, expected, got string) string {
	return fmt.Sprintf("the %s differs\n  expected %s\n  got      %s", what, expected, got)
}

func single(values url.Values) map[string]string {
	out := map[string]string{}
	for name := range values {
		out[name] = strings.Join(values[name], ", ")
	}
	return out
}

func sameValues(want map[string]string, got url.Values) bool {
	return maps.Equal(single(got), want)
}

// canonical is a value as JSON with sorted keys.
func canonical(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return "what is no JSON"
	}
	var plain exact
	if plain.UnmarshalJSON(raw) != nil {
		return "what is no JSON"
	}
	raw, _ = json.Marshal(plain.value) // it was JSON before
	return string(raw)
}
