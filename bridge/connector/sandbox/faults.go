package sandbox

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Kind is how something goes wrong.
type Kind string

const (
	Slow   Kind = "slow"   // late, but right; see Delay
	Fail   Kind = "fail"   // it failed: Status is answered, nothing is changed
	Drop   Kind = "drop"   // it failed: the connection is dropped, nothing is changed
	Lost   Kind = "lost"   // it happened, but the answer was lost
	Lie    Kind = "lie"    // the answer is as always, but nothing is changed
	Ignore Kind = "ignore" // success is answered with the old value, nothing is changed
	Stale  Kind = "stale"  // it happened, but for a while (For) reads show what was before
)

var kinds = []Kind{Slow, Fail, Drop, Lost, Lie, Ignore, Stale}

// Writes as the method of a fault is every method but GET and HEAD.
const Writes = "write"

// Fault is one thing that goes wrong.
type Fault struct {
	Kind   Kind   `json:"kind"`
	Method string `json:"method,omitempty"` // "" is any; or Writes
	Path   string `json:"path,omitempty"`   // as for path.Match, "/scim/v2/Users/*"; "" is any

	Times int      `json:"times,omitempty"` // how many requests it meets; 0 is all
	For   Duration `json:"for,omitempty"`   // how long it lasts; 0 is until cleared. Stale: of the reads
	Delay Duration `json:"delay,omitempty"` // before anything else happens

	Status int               `json:"status,omitempty"` // of Fail; 0 is 503
	Header map[string]string `json:"header,omitempty"` // of Fail
	Body   string            `json:"body,omitempty"`   // of Fail
	Wait   int               `json:"wait,omitempty"`   // of Fail: Retry-After in seconds …
	AsDate bool              `json:"asDate,omitempty"` // … told as a date
}

// Validate says what is wrong with f, or nil.
func (f Fault) Validate() error {
	if !slices.Contains(kinds, f.Kind) {
		return fmt.Errorf("kind must be one of %v", kinds)
	}
	if _, err := path.Match(f.Path, ""); err != nil {
		return errors.New("path is not a pattern")
	}
	if f.Times < 0 || f.For < 0 || f.Delay < 0 || f.Wait < 0 || (f.Status != 0 && (f.Status < 200 || f.Status > 599)) {
		return errors.New("a number is out of range")
	}
	return nil
}

func (f Fault) meets(method, p string) bool {
	if f.Method == Writes && (method == http.MethodGet || method == http.MethodHead) ||
		f.Method != Writes && f.Method != "" && f.Method != method {
		return false
	}
	if f.Path == "" {
		return true
	}
	ok, _ := path.Match(f.Path, p)
	return ok
}

func (f Fault) fail(w http.ResponseWriter) {
	for name, value := range f.Header {
		w.Header().Set(name, value)
	}
	if f.Wait > 0 && f.AsDate {
		// A date has whole seconds: rounded up, so that nobody comes early.
		at := time.Now().Add(time.Duration(f.Wait)*time.Second + time.Second - 1).UTC()
		w.Header().Set("Retry-After", at.Format(http.TimeFormat))
	} else if f.Wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.Wait))
	}
	status := f.Status
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	w.WriteHeader(status)
	io.WriteString(w, f.Body)
}

// Faults is what goes wrong in an app at present. It is safe for concurrent use.
type Faults struct {
	mu   sync.Mutex
	list []fault
}

type fault struct {
	Fault
	until time.Time
}

// Set adds f; the fault that was set first meets a request first. It panics if
// f is not valid.
func (fs *Faults) Set(f Fault) {
	if err := f.Validate(); err != nil {
		panic("sandbox: " + err.Error())
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	one := fault{Fault: f}
	if f.For > 0 && f.Kind != Stale {
		one.until = time.Now().Add(time.Duration(f.For))
	}
	fs.list = append(fs.list, one)
}

// Clear makes everything right again. It takes back no stale read.
func (fs *Faults) Clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = nil
}

// List is what is set and not used up.
func (fs *Faults) List() []Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	list := []Fault{}
	for _, f := range fs.list {
		list = append(list, f.Fault)
	}
	return list
}

// next takes the fault that meets a request.
func (fs *Faults) next(method, p string, now time.Time) (Fault, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = slices.DeleteFunc(fs.list, func(f fault) bool { return !f.until.IsZero() && now.After(f.until) })
	for i, f := range fs.list {
		if !f.meets(method, p) {
			continue
		}
		if f.Times == 1 {
			fs.list = slices.Delete(fs.list, i, i+1)
		} else if f.Times > 1 {
			fs.list[i].Times--
		}
		return f.Fault, true
	}
	return Fault{}, false
}

// Duration is a time.Duration that JSON writes as "1.5s".
type Duration time.Duration

// MarshalText writes "1.5s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads "1.5s".
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}
