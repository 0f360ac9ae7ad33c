package bridge

import (
	"strings"
	"testing"
	"time"
)

func lawNamed(t *testing.T, name string) (Law, Calendar) {
	t.Helper()
	for _, l := range Laws() {
		if l.Name == name {
			return l, Calendars()[l.Holidays]
		}
	}
	t.Fatal(name)
	return Law{}, Calendar{}
}

func TestDeadlines(t *testing.T) {
	for _, c := range []struct {
		law, received, due, last, confirm string
	}{
		// The corresponding date; the last day of a shorter month; leap days.
		{"gdpr", "2026-03-10T10:00:00Z", "2026-04-10", "2026-06-10", ""},
		{"gdpr", "2027-01-31T10:00:00Z", "2027-03-01", "2027-04-30", ""}, // 28 February is a Sunday
		{"gdpr", "2028-01-31T10:00:00Z", "2028-02-29", "2028-05-01", ""}, // 30 April is a Sunday
		{"gdpr", "2024-02-29T10:00:00Z", "2024-03-29", "2024-05-29", ""},
		{"gdpr", "2026-12-31T10:00:00Z", "2027-02-01", "2027-03-31", ""}, // 31 January is a Sunday
		{"gdpr", "2026-06-06T10:00:00Z", "2026-07-06", "2026-09-07", ""}, // received on a Saturday; 6 September is a Sunday
		// The day is the one where the law is: 23:30 UTC is the next day there.
		{"gdpr", "2026-03-09T23:30:00Z", "2026-04-10", "2026-06-10", ""},
		{"uk-gdpr", "2026-11-25T09:00:00Z", "2026-12-29", "2027-02-25", ""},        // Christmas; 26 is Saturday, observed on Monday
		{"uk-gdpr", "2027-02-26T09:00:00Z", "2027-03-30", "2027-05-26", ""},        // Good Friday and Easter Monday
		{"ccpa", "2026-11-20T20:00:00Z", "2027-01-04", "2027-02-18", "2026-12-07"}, // Thanksgiving
		{"ccpa", "2026-06-30T20:00:00Z", "2026-08-14", "2026-09-28", "2026-07-15"}, // 4 July is a Saturday, observed on the 3rd
		{"ccpa", "2027-12-20T20:00:00Z", "2028-02-03", "2028-03-19", "2028-01-05"}, // 25 December observed on the 24th, New Year on 31
		{"virginia", "2026-01-15T12:00:00Z", "2026-03-01", "2026-04-15", ""},
		{"lgpd", "2026-02-20T12:00:00Z", "2026-03-07", "2026-03-07", ""},
		{"pipeda", "2026-03-01T12:00:00Z", "2026-03-31", "2026-04-30", ""},
	} {
		l, holidays := lawNamed(t, c.law)
		received, err := time.Parse(time.RFC3339, c.received)
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.Deadlines(received, holidays)
		if err != nil {
			t.Fatal(err)
		}
		zone, _ := time.LoadLocation(l.Zone)
		date := func(at time.Time) string {
			if at.IsZero() {
				return ""
			}
			if clock := at.In(zone).Format("15:04:05"); clock != "23:59:59" {
				t.Errorf("%s from %s ends at %s", c.law, c.received, clock)
			}
			return at.In(zone).Format(time.DateOnly)
		}
		if date(got.Due) != c.due || date(got.Last) != c.last || date(got.Confirm) != c.confirm {
			t.Errorf("%s from %s: due %s, want %s; last %s, want %s; confirm %s, want %s", c.law, c.received,
				date(got.Due), c.due, date(got.Last), c.last, date(got.Confirm), c.confirm)
		}
		if half := got.Due.Sub(received) / 2; got.Target.Sub(received) > half || half-got.Target.Sub(received) > time.Second {
			t.Errorf("%s: target %s", c.law, got.Target)
		}
		if got.Due.After(got.Last) || got.Due.Sub(received) < l.Shortest()-24*time.Hour {
			t.Errorf("%s from %s: due %s, last %s, shortest %s", c.law, c.received, got.Due, got.Last, l.Shortest())
		}
	}
}

// Whatever the day: a deadline lies in the future, never on a day off, and a
// later receipt never has an earlier deadline.
func TestDeadlinesOnEveryDay(t *testing.T) {
	for _, l := range Laws() {
		holidays := Calendars()[l.Holidays]
		zone, err := time.LoadLocation(l.Zone)
		if err != nil {
			t.Fatal(err)
		}
		var before time.Time
		for at := time.Date(2023, 12, 1, 0, 30, 0, 0, zone); at.Year() < 2030; at = at.AddDate(0, 0, 1) {
			got, err := l.Deadlines(at, holidays)
			if err != nil || !got.Due.After(at) || got.Due.Before(before) {
				t.Fatalf("%s from %s: %s after %s, %v", l.Name, at, got.Due, before, err)
			}
			if l.Roll && !holidays.working(dayOf(got.Due.In(zone))) {
				t.Fatalf("%s from %s ends on %s", l.Name, at, got.Due)
			}
			if got.Due.Sub(at)+24*time.Hour < l.Shortest() {
				t.Fatalf("%s from %s gives less than %s", l.Name, at, l.Shortest())
			}
			before = got.Due
		}
	}
}

func TestCalendars(t *testing.T) {
	for _, c := range []struct{ calendar, off, on string }{
		{"us-federal", "2026-01-01 2026-01-19 2026-02-16 2026-05-25 2026-06-19 2026-07-03 2026-09-07 2026-10-12 2026-11-11 2026-11-26 2026-12-25 2021-12-31 2028-01-17",
			"2026-07-06 2026-11-27 2026-12-24"},
		{"england-wales", "2026-01-01 2026-04-03 2026-04-06 2026-05-04 2026-05-25 2026-08-31 2026-12-25 2026-12-28 2027-12-27 2027-12-28 2022-01-03 2022-12-27 2024-04-01",
			"2026-12-29 2026-12-24 2026-11-11"},
		{"weekends", "2026-05-02 2026-05-03", "2026-05-01 2026-12-25"},
	} {
		for days, want := range map[string]bool{c.off: false, c.on: true} {
			for _, text := range strings.Fields(days) {
				at, _ := time.Parse(time.DateOnly, text)
				if Calendars()[c.calendar].working(dayOf(at)) != want {
					t.Errorf("%s: %s is a working day: %v", c.calendar, text, !want)
				}
			}
		}
	}
	own, err := NewCalendar("ours", []string{"2026-12-24"})
	if err != nil || own.working(day{2026, 12, 24}) || !own.working(day{2026, 12, 23}) || own.working(day{2026, 12, 26}) {
		t.Error("a calendar of one's own", err)
	}
	if _, err := NewCalendar("ours", []string{"24.12.2026"}); err == nil {
		t.Error("a date of another form")
	}
}

func TestLawsFit(t *testing.T) {
	const d = 24 * time.Hour
	for _, c := range []struct {
		law           string
		epoch, linger time.Duration
		fits          bool
	}{
		{"gdpr", 7 * d, 0, true}, {"gdpr", 7 * d, 7 * d, true}, {"gdpr", 7 * d, 8 * d, false}, {"gdpr", 30 * d, 0, false},
		{"lgpd", 7 * d, 0, true}, {"lgpd", 7 * d, 7 * d, false}, {"ccpa", 15 * d, 7 * d, true},
	} {
		l, _ := lawNamed(t, c.law)
		if why := l.Fits(c.epoch, c.linger); (why == "") != c.fits {
			t.Errorf("%s with an epoch of %s and %s: %q", c.law, c.epoch, c.linger, why)
		}
	}
	l, _ := lawNamed(t, "gdpr")
	if why := l.Fits(30*d, 0); !strings.Contains(why, "44 days in all") {
		t.Error(why)
	}
}

func TestUrgency(t *testing.T) {
	received := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	due := received.AddDate(0, 0, 10)
	for hours, want := range map[int]Urgency{-5: InTime, 0: InTime, 119: InTime, 120: Behind, 215: Behind, 216: Pressing, 240: Pressing, 241: Overdue} {
		if got := UrgencyOf(received, due, received.Add(time.Duration(hours)*time.Hour)); got != want {
			t.Errorf("after %d hours: %s, want %s", hours, got, want)
		}
	}
}
