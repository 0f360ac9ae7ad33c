package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

// Class is what an answer that is not ok means. The set is closed.
type Class string

const (
	Retry       Class = "retry"        // passes by itself
	RateLimited Class = "rate_limited" // passes when the app says
	Reauth      Class = "reauth"       // the token is refused; another may not be
	NotFound    Class = "not_found"    // the account is not there
	AlreadyDone Class = "already_done" // it is so already
	Blocked     Class = "blocked"      // something else has to come first
	Denied      Class = "denied"       // our credentials may not do this
	Protected   Class = "protected"    // the last owner, an inherited right: nobody may
	Invalid     Class = "invalid"      // the app does not understand
	Fatal       Class = "fatal"        // anything else that repeating cannot help
)

// usual is the class of an answer that no rule knows; fine for 200 to 299.
const (
	fine  Class = ""      // success
	usual Class = "usual" // left to the status, see [call.Response.Outcome]
)

// answer is an app's answer as expressions see it.
type answer struct {
	*call.Response
	v      vars
	resets []call.Reset
}

// newAnswer reads an answer. A body that is no JSON, or nests too deeply, is its
// text, on which expressions made for JSON have no value; no body is null.
func newAnswer(r *call.Response, v vars, resets []call.Reset) answer {
	var body any
	if len(r.Body) > 0 {
		var value exact
		if call.Unmarshal(r.Body, &value) == nil {
			body = value.value
		} else {
			body = string(r.Body)
		}
	}
	headers := make(map[string]string, len(r.Header))
	for name, values := range r.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	v = v.with("status", int64(r.Status)).with("headers", headers).with("body", body)
	return answer{r, v, resets}
}

// exact is any JSON value whose whole numbers are int64 or uint64, so that long
// ids stay what they are.
type exact struct{ value any }

func (e *exact) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&e.value); err != nil {
		return err
	}
	e.value = numbers(e.value)
	return nil
}

// numbers replaces every json.Number in v.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		var i int64
		if json.Unmarshal([]byte(v), &i) == nil {
			return i
		}
		var u uint64
		if json.Unmarshal([]byte(v), &u) == nil {
			return u
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	}
	return v
}

// accept says when an answer is success.
type accept struct {
	ok      []int // 200 to 299 if nil
	success *Expr
	already []int // success too: it is so already, or there is nothing
}

// class decides what an answer means, and which effect has to come first if it
// is Blocked.
func (a answer) class(ctx context.Context, want accept, rules []ErrorRule) (Class, string, error) {
	if slices.Contains(want.already, a.Status) {
		return AlreadyDone, "", nil
	}
	ok := slices.Contains(want.ok, a.Status) || want.ok == nil && a.Status/100 == 2
	puzzling := false // success has no value: mostly the page of a proxy
	if ok {
		holds, err := want.success.holds(ctx, a.v)
		puzzling = err != nil
		if ctx.Err() != nil {
			return usual, "", err
		}
		if holds {
			return fine, "", nil
		}
	}
	for _, rule := range rules {
		holds, err := rule.When.holds(ctx, a.v)
		if ctx.Err() != nil {
			return usual, "", err
		}
		if holds {
			return rule.Class, rule.Needs, nil
		}
	}
	switch {
	case puzzling:
		return Retry, "", nil
	case ok:
		return Fatal, "", nil // success by its status only
	case a.Status == 401:
		return Reauth, "", nil
	case a.Status == 429, a.Status == 503, a.Status == 403 && a.exhausted():
		return RateLimited, "", nil
	}
	return usual, "", nil
}

// exhausted reports whether the app says in its own header that a limit is
// reached.
func (a answer) exhausted() bool {
	return slices.ContainsFunc(a.resets, func(r call.Reset) bool {
		return r.Remaining != "" && strings.TrimSpace(a.Header.Get(r.Remaining)) == "0"
	})
}

// outcome is what a class means to the engine; nil for success.
func (a answer) outcome(c Class, needs string) error {
	say := func(what string) error { return fmt.Errorf("%s answered %d: %s", a.Name, a.Status, what) }
	switch c {
	case fine, AlreadyDone, NotFound:
		return nil
	case Retry, RateLimited:
		err := say("to be tried again")
		if c == RateLimited {
			err = say("asked to wait")
		}
		if d, ok := call.Wait(a.Header, a.At.Add(a.Took), a.resets); ok {
			return bridge.RetryAfter(d, err)
		}
		return err
	case Reauth:
		return bridge.Permanent(say("the app refused our credentials"))
	case Blocked:
		if needs != "" {
			return bridge.Permanent(say("refused until " + needs + " is done"))
		}
		return bridge.Permanent(say("refused until something else is done"))
	case Denied:
		return bridge.Permanent(say("our credentials may not do this"))
	case Protected:
		return bridge.Permanent(say("the account is protected there"))
	case Invalid:
		return bridge.Permanent(say("the app does not understand the request"))
	case Fatal:
		return bridge.Permanent(say("the app refused"))
	}
	if err := a.Outcome(); err != nil {
		return err
	}
	return bridge.Permanent(say("not an answer that was expected"))
}
