package call

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// MaxWait is the longest wait that an app can impose on us.
const MaxWait = time.Hour

// Unit is how a rate-limit header counts.
type Unit string

const (
	Delta       Unit = "delta"    // seconds from now
	Epoch       Unit = "epoch"    // seconds since 1970
	EpochMillis Unit = "epoch_ms" // milliseconds since 1970
)

// Reset is a vendor's own way to say when it can be asked again.
type Reset struct {
	Header    string // when
	Unit      Unit
	Remaining string // header that is "0" when the limit is reached; then 403 is a limit too
}

// Outcome says what the answer means to the engine: nil for 2xx, else an error
// that is safe to show. Connectors look at the statuses that mean something of
// their own (404 for a deleted account, say) before they ask.
func (r *Response) Outcome() error {
	return outcome(r.Name, r.Status, r.Header, r.At.Add(r.Took), r.resets)
}

func outcome(name string, status int, h http.Header, now time.Time, resets []Reset) error {
	say := func(what string) error {
		if what != "" {
			what = ": " + what
		}
		return fmt.Errorf("%s answered %d%s", name, status, what)
	}
	switch {
	case status/100 == 2:
		return nil
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable,
		status == http.StatusForbidden && exhausted(h, resets):
		if d, ok := Wait(h, now, resets); ok {
			return bridge.RetryAfter(d, say("asked to wait"))
		}
		return say("")
	case status/100 == 3:
		return bridge.Permanent(say("a redirect, which is not followed"))
	case status == http.StatusUnauthorized:
		return bridge.Permanent(say("the app refused our credentials"))
	case status == http.StatusForbidden:
		return bridge.Permanent(say("our credentials may not do this"))
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusPreconditionFailed,
		status == http.StatusLocked, status == http.StatusTooEarly, status >= 500:
		return say("")
	default:
		return bridge.Permanent(say("the app refused"))
	}
}

// Worse is which of two outcomes stands for both, where several calls carry out
// one order: as long as one of them may still succeed, all are made again; then
// what somebody must look at counts, and then what the app does not offer.
func Worse(a, b error) error {
	rank := func(err error) int {
		switch {
		case err == nil:
			return 0
		case bridge.IsImpossible(err):
			return 1
		case bridge.IsPermanent(err):
			return 2
		}
		return 3
	}
	first, _ := bridge.WaitOf(a)
	second, _ := bridge.WaitOf(b)
	if rank(b) > rank(a) || rank(a) == rank(b) && second > first {
		return b
	}
	return a
}

// exhausted reports whether an app says in its own header that a limit is reached.
func exhausted(h http.Header, resets []Reset) bool {
	for _, r := range resets {
		if r.Remaining != "" && strings.TrimSpace(h.Get(r.Remaining)) == "0" {
			return true
		}
	}
	return false
}

// Wait reads how long an app asks us to wait, between one second and [MaxWait]:
// Retry-After in seconds or as a date (RFC 9110, section 10.2.3), else the
// vendor's own header. Dates are compared with the app's Date, if it sent one,
// so that a difference between the clocks does no harm.
func Wait(h http.Header, now time.Time, resets []Reset) (time.Duration, bool) {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	if v := strings.TrimSpace(h.Get("Retry-After")); v != "" {
		if n, err := strconv.ParseUint(v, 10, 64); err == nil {
			return seconds(float64(n)), true
		}
		if at, err := http.ParseTime(v); err == nil {
			return seconds(at.Sub(now).Seconds()), true
		}
	}
	for _, r := range resets {
		n, err := strconv.ParseFloat(strings.TrimSpace(h.Get(r.Header)), 64)
		if err != nil || math.IsNaN(n) {
			continue
		}
		switch r.Unit {
		case Epoch:
			n -= float64(now.Unix())
		case EpochMillis:
			n = n/1000 - float64(now.Unix())
		}
		return seconds(n), true
	}
	return 0, false
}

func seconds(n float64) time.Duration {
	n = math.Ceil(min(max(n, 1), MaxWait.Seconds()))
	return time.Duration(n) * time.Second
}

// Receipt keeps the answer as evidence; note says what it showed, without
// personal data: "active=false".
func (r *Response) Receipt(note string) bridge.Receipt {
	summary := fmt.Sprintf("%s → %d", r.Name, r.Status)
	if note != "" {
		summary += ", " + note
	}
	return bridge.Receipt{Summary: summary, Status: r.Status, Ref: r.ref(), At: r.At.UTC(), Took: r.Took}
}

// Together is one receipt for several answers to one order, of which there is at
// least one: the time of all of them, and status and reference of the last.
func Together(answers []*Response, note string) bridge.Receipt {
	last := slices.MaxFunc(answers, func(a, b *Response) int { return a.At.Add(a.Took).Compare(b.At.Add(b.Took)) })
	r := last.Receipt(note)
	for _, a := range answers {
		if begun := a.At.UTC(); begun.Before(r.At) {
			r.At = begun
		}
	}
	r.Took = last.At.Add(last.Took).Sub(r.At)
	return r
}

// ref is the app's own name for the exchange, if it gave one that cannot hold
// a sentence or an address.
func (r *Response) ref() string {
	for _, name := range []string{"X-Request-Id", "Request-Id", "X-Correlation-Id"} {
		if v := r.Header.Get(name); v != "" && len(v) <= 80 && strings.Trim(v, refChars) == "" {
			return v
		}
	}
	return ""
}

const refChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:.="
