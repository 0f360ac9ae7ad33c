package bridge

import (
	"strings"
	"testing"
	"time"
)

const aDay = 24 * time.Hour

func TestLawbook(t *testing.T) {
	holiday, err := NewCalendar("belgium", []string{"2026-07-21"})
	if err != nil {
		t.Fatal(err)
	}
	own := Law{Name: "gdpr-be", Version: 3, Title: "GDPR in Belgium", Respond: Span{1, Months}, Roll: true, Holidays: "belgium", Zone: "Europe/Brussels"}
	b := NewLawbook([]Law{own}, []Calendar{holiday}, 7*aDay, 0)
	rule, x, err := b.Deadlines("gdpr-be", time.Date(2026, 6, 21, 9, 0, 0, 0, time.UTC))
	if want := time.Date(2026, 7, 22, 21, 59, 59, 0, time.UTC); err != nil || rule != "gdpr-be/3" || !x.Due.Equal(want) {
		t.Errorf("%s, due %s, want %s, %v", rule, x.Due, want, err)
	}
	if rule, _, err := b.Deadlines("gdpr", x.Due); err != nil || rule != "gdpr/1" {
		t.Error("a built-in law", rule, err)
	}
	if _, _, err := b.Deadlines("hammurabi", x.Due); !IsKind(err, KindInvalid) || !strings.Contains(err.Error(), "gdpr-be, lgpd") {
		t.Error("a law that does not exist", err)
	}
	slow := NewLawbook(nil, nil, 14*aDay, 7*aDay)
	if _, _, err := slow.Deadlines("lgpd", x.Due); !IsKind(err, KindInvalid) || !strings.Contains(err.Error(), "28.5 days in all") {
		t.Error("a law that cannot be kept", err)
	}
	if _, err := slow.Law("ccpa"); err != nil {
		t.Error("45 days are enough", err)
	}
}

func TestExtended(t *testing.T) {
	received := time.Date(2026, 3, 10, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		law  string
		told time.Time
		due  string // "": it cannot be put off
	}{
		{"gdpr", received, "2026-06-10"},
		{"gdpr", received.Add(-time.Hour), "2026-06-10"},                        // the clock was set back
		{"gdpr", time.Date(2026, 4, 10, 21, 59, 59, 0, time.UTC), "2026-06-10"}, // the last second, summer time by now
		{"gdpr", time.Date(2026, 4, 10, 22, 0, 0, 0, time.UTC), ""},
		{"ccpa", received.AddDate(0, 0, 44), "2026-06-08"},
		{"ccpa", received.AddDate(0, 0, 46), ""},
		{"lgpd", received, ""},
	} {
		l, holidays := lawNamed(t, c.law)
		x, err := l.Deadlines(received, holidays)
		if err != nil {
			t.Fatal(err)
		}
		zone, _ := time.LoadLocation(l.Zone)
		longer, err := x.Extended(c.told)
		if c.due == "" {
			if !IsKind(err, KindConflict) || longer != x {
				t.Errorf("%s, told %s: put off to %s, %v", c.law, c.told, longer.Due, err)
			}
			continue
		}
		if got := longer.Due.In(zone).Format(time.DateOnly); err != nil || got != c.due || longer.Target != x.Target {
			t.Errorf("%s, told %s: %s, want %s, %v", c.law, c.told, got, c.due, err)
		}
		if _, err := longer.Extended(c.told); !IsKind(err, KindConflict) {
			t.Errorf("%s: put off twice", c.law)
		}
	}
}

func TestSpanText(t *testing.T) {
	for text, want := range map[string]Span{"1 calendar_month": {1, Months}, "45 calendar_days": {45, Days}, "10 business_days": {10, BusinessDays}} {
		var s Span
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "1", "month", "0 calendar_day", "-1 calendar_day", "1001 calendar_day", "1 week", "1  calendar_day", "1 calendar_day "} {
		if err := new(Span).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a span", text)
		}
	}
}

func FuzzSpanText(f *testing.F) {
	for _, text := range []string{"1 calendar_month", "45 calendar_days", "10 business_days", "+3 calendar_day", "1 week", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, again Span
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s || s.N < 1 {
			t.Errorf("%q is %s, and that %s: %v", text, s, again, err)
		}
	})
}
