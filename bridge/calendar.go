package bridge

import "time"

// Calendar says which days nobody works, beside weekends.
type Calendar struct {
	Name  string
	Days  map[string]bool      // listed: "2026-12-24"
	ruled func(year int) []day // computed
	none  bool                 // every day is a working day
}

// Calendars are those that are built in: every day a working day (""), weekends
// only, and the holidays of US federal offices and of England and Wales. One-off
// holidays, such as a coronation, are not in them.
func Calendars() map[string]Calendar {
	return map[string]Calendar{
		"":              {none: true},
		"weekends":      {Name: "weekends"},
		"us-federal":    {Name: "us-federal", ruled: usFederal},
		"england-wales": {Name: "england-wales", ruled: englandWales},
	}
}

// NewCalendar is a calendar of listed days, each like 2026-12-24. The error is
// about the first that is none.
func NewCalendar(name string, list []string) (Calendar, error) {
	c := Calendar{Name: name, Days: make(map[string]bool, len(list))}
	for _, text := range list {
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return c, Errorf(KindInvalid, "%q is no date, such as 2026-12-24", text)
		}
		c.Days[text] = true
	}
	return c, nil
}

func (c Calendar) working(d day) bool {
	if c.none {
		return true
	}
	if w := d.weekday(); w == time.Saturday || w == time.Sunday || c.Days[d.String()] {
		return false
	}
	if c.ruled != nil {
		for _, year := range []int{d.year, d.year + 1} { // New Year's Day may be observed the day before
			for _, h := range c.ruled(year) {
				if h == d {
					return false
				}
			}
		}
	}
	return true
}

// day is a date, wherever.
type day struct {
	year  int
	month time.Month
	day   int
}

func dayOf(t time.Time) day {
	y, m, d := t.Date()
	return day{y, m, d}
}

func (d day) at() time.Time         { return time.Date(d.year, d.month, d.day, 12, 0, 0, 0, time.UTC) }
func (d day) plus(n int) day        { return dayOf(d.at().AddDate(0, 0, n)) }
func (d day) weekday() time.Weekday { return d.at().Weekday() }
func (d day) String() string        { return d.at().Format(time.DateOnly) }

// after is the last day of a span that begins with d, which is not counted.
func (d day) after(s Span, c Calendar) day {
	switch s.Unit {
	case Months:
		first := time.Date(d.year, d.month+time.Month(s.N), 1, 12, 0, 0, 0, time.UTC)
		last := first.AddDate(0, 1, -1).Day()
		return day{first.Year(), first.Month(), min(d.day, last)}
	case BusinessDays:
		for n := s.N; n > 0; {
			if d = d.plus(1); c.working(d) {
				n--
			}
		}
		return d
	}
	return d.plus(s.N)
}

// nth is the n-th of a weekday in a month, or counted from its end if n < 0.
func nth(year int, m time.Month, w time.Weekday, n int) day {
	if n < 0 {
		last := day{year, m + 1, 0}.plus(0)
		return last.plus(-int(last.weekday()-w+7)%7 + (n+1)*7)
	}
	first := day{year, m, 1}
	return first.plus(int(w-first.weekday()+7)%7 + (n-1)*7)
}

// usFederal is 5 U.S.C. 6103; what falls on a weekend is observed on the nearest
// weekday.
func usFederal(y int) []day {
	observed := func(m time.Month, n int) day {
		d := day{y, m, n}
		switch d.weekday() {
		case time.Saturday:
			return d.plus(-1)
		case time.Sunday:
			return d.plus(1)
		}
		return d
	}
	return []day{
		observed(time.January, 1), nth(y, time.January, time.Monday, 3), nth(y, time.February, time.Monday, 3),
		nth(y, time.May, time.Monday, -1), observed(time.June, 19), observed(time.July, 4),
		nth(y, time.September, time.Monday, 1), nth(y, time.October, time.Monday, 2), observed(time.November, 11),
		nth(y, time.November, time.Thursday, 4), observed(time.December, 25),
	}
}

// englandWales is the Banking and Financial Dealings Act 1971 and what is usual
// since; what falls on a weekend moves to the next day that is free of both.
func englandWales(y int) []day {
	moved := func(d day, taken ...day) day {
		for d.weekday() == time.Saturday || d.weekday() == time.Sunday || len(taken) > 0 && d == taken[0] {
			d = d.plus(1)
		}
		return d
	}
	easter := easterSunday(y)
	christmas := moved(day{y, time.December, 25})
	return []day{
		moved(day{y, time.January, 1}), easter.plus(-2), easter.plus(1), nth(y, time.May, time.Monday, 1),
		nth(y, time.May, time.Monday, -1), nth(y, time.August, time.Monday, -1), christmas,
		moved(day{y, time.December, 26}, christmas),
	}
}

// easterSunday is by the anonymous Gregorian computation.
func easterSunday(y int) day {
	a, b, c := y%19, y/100, y%100
	d, e := b/4, b%4
	g := (8*b + 13) / 25
	h := (19*a + b - d - g + 15) % 30
	i, k := c/4, c%4
	l := (32 + 2*e + 2*i - h - k) % 7
	m := (a + 11*h + 19*l) / 433
	month := (h + l - 7*m + 90) / 25
	return day{y, time.Month(month), (h + l - 7*m + 33*month + 19) % 32}
}
