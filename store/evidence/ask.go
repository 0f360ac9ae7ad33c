package evidence

import (
	"errors"
	"time"
)

// ParseSLA reads by when every app is to be shut: a duration such as 4h, or the
// name of a rule that sets one.
//
//	fedramp-high   4 hours: NIST SP 800-53 PS-4 as FedRAMP High sets it
func ParseSLA(s string) (time.Duration, error) {
	if s == "fedramp-high" {
		return 4 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errors.New("is a duration such as 24h, or fedramp-high, which is 4h")
	}
	return d, nil
}

// ParseDay reads a day, which is its beginning in UTC, or a time.
func ParseDay(s string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.UTC().Year() > 9999 { // JSON has no later one
		return time.Time{}, errors.New("is a day such as 2026-07-01, or a time such as 2026-07-01T00:00:00Z")
	}
	return t.UTC(), nil
}
