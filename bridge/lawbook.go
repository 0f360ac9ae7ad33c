package bridge

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a deadline must not depend on what the machine knows of time zones
)

// Lawbook is the laws by which erasures may be asked for: those that are built in,
// and those of the installation. The zero value has none.
type Lawbook struct {
	laws      map[string]Law
	calendars map[string]Calendar
	epoch     time.Duration
	linger    time.Duration
}

// NewLawbook is the built-in laws and calendars, and own ones, for an installation
// whose key epochs, and whose destroyed keys, last that long; see [Law.Fits].
func NewLawbook(laws []Law, calendars []Calendar, epoch, linger time.Duration) Lawbook {
	b := Lawbook{map[string]Law{}, Calendars(), epoch, linger}
	for _, c := range calendars {
		b.calendars[c.Name] = c
	}
	for _, l := range append(Laws(), laws...) {
		b.laws[l.Name] = l
	}
	return b
}

// Names are the names of all laws, sorted.
func (b Lawbook) Names() []string { return slices.Sorted(maps.Keys(b.laws)) }

// Law returns a law. KindInvalid if there is none of that name, or if it cannot be
// kept here.
func (b Lawbook) Law(name string) (Law, error) {
	l, ok := b.laws[name]
	if !ok {
		return Law{}, &Error{Kind: KindInvalid, Field: "law", Message: "is one of " + strings.Join(b.Names(), ", ")}
	}
	if why := l.Fits(b.epoch, b.linger); why != "" {
		return Law{}, &Error{Kind: KindInvalid, Field: "law", Message: "cannot be kept with this configuration: " + why}
	}
	return l, nil
}

// Deadlines are those of a law for what was received at a moment, and the rule they
// were computed by. The error is as that of [Lawbook.Law].
func (b Lawbook) Deadlines(law string, received time.Time) (rule string, x Deadlines, err error) {
	l, err := b.Law(law)
	if err != nil {
		return "", Deadlines{}, err
	}
	x, err = l.Deadlines(received, b.calendars[l.Holidays])
	return l.Rule(), x, err
}

// Extended are the deadlines when the person is told, at that moment, that it will
// take longer: once, and only while the law lets them be told. Else KindConflict.
func (x Deadlines) Extended(told time.Time) (Deadlines, error) {
	if x.Notice.IsZero() {
		return x, Errorf(KindConflict, "the law does not let this be put off, or it was put off already")
	}
	if told.After(x.Notice) {
		return x, Errorf(KindConflict, "the person had to be told by %s that it takes longer", x.Notice.Format(time.RFC3339))
	}
	x.Due, x.Notice = x.Last, time.Time{}
	return x, nil
}

// UnmarshalText reads a span such as "1 calendar_month" or "10 business_days".
func (s *Span) UnmarshalText(text []byte) error {
	n, unit, _ := strings.Cut(string(text), " ")
	count, err := strconv.Atoi(n)
	u := Unit(strings.TrimSuffix(unit, "s"))
	if err != nil || count < 1 || count > 1000 || !slices.Contains(Units, u) {
		return fmt.Errorf("needs a number from 1 to 1000 and a unit, such as 1 calendar_month, 45 calendar_days or 10 business_days")
	}
	*s = Span{count, u}
	return nil
}
