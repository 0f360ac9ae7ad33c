package bridge

import (
	"fmt"
	"strconv"
	"time"
)

// Law is one rule about how soon whoever asks to be forgotten must be answered.
// The zero value of each span means that the rule has none such. It is data, and
// no legal advice.
type Law struct {
	Name    string // lower-case: "gdpr"
	Version int    // rises when the rule is changed; what was received stays under its own
	Title   string // for people
	Confirm Span   // until receipt must be confirmed
	Respond Span   // until it must be done
	Extend  Span   // by how much that can be put off, once, if the person is told in time
	// Notice is until when the person must be told of it; before Respond is over
	// if there is none.
	Notice Span
	// Roll: what ends on a weekend or holiday ends on the next working day.
	Roll     bool
	Holidays string // name of a calendar
	Zone     string // in which days begin and end; IANA name, "" is UTC
	Note     string // what is not certain about it
}

// Span is a time as laws have it.
type Span struct {
	N    int
	Unit Unit
}

// Unit is what a span counts.
type Unit string

const (
	Months       Unit = "calendar_month" // to the corresponding date, or the last day of a shorter month
	Days         Unit = "calendar_day"
	BusinessDays Unit = "business_day"
)

// Units is the closed set.
var Units = []Unit{Months, Days, BusinessDays}

func (s Span) String() string { return fmt.Sprintf("%d %ss", s.N, s.Unit) }

// Laws are those that are built in.
//
// Sources: Regulation (EU) 2016/679 and UK GDPR, article 12(3), with Regulation
// (EEC, Euratom) 1182/71, article 3, for the counting; California 11 CCR 7021;
// Code of Virginia 59.1-577; Brazil Lei 13.709/2018; PIPEDA, schedule 1, 4.9.4.
func Laws() []Law {
	return []Law{
		{Name: "gdpr", Version: 1, Title: "GDPR, article 12(3)", Respond: Span{1, Months}, Extend: Span{2, Months}, Notice: Span{1, Months},
			Roll: true, Holidays: "weekends", Zone: "Europe/Brussels",
			Note: "holidays differ by member state; name a calendar to count them"},
		{Name: "uk-gdpr", Version: 1, Title: "UK GDPR, article 12(3)", Respond: Span{1, Months}, Extend: Span{2, Months}, Notice: Span{1, Months},
			Roll: true, Holidays: "england-wales", Zone: "Europe/London",
			Note: "changes of 2025 have not been looked at"},
		{Name: "ccpa", Version: 1, Title: "CCPA, 11 CCR 7021", Confirm: Span{10, BusinessDays}, Respond: Span{45, Days}, Extend: Span{45, Days},
			Holidays: "us-federal", Zone: "America/Los_Angeles"},
		{Name: "virginia", Version: 1, Title: "Virginia CDPA", Respond: Span{45, Days}, Extend: Span{45, Days}, Zone: "America/New_York"},
		{Name: "lgpd", Version: 1, Title: "LGPD", Respond: Span{15, Days}, Zone: "America/Sao_Paulo",
			Note: "the law ties 15 days to access; whether they hold for erasure is not established"},
		{Name: "pipeda", Version: 1, Title: "PIPEDA", Respond: Span{30, Days}, Extend: Span{30, Days}, Zone: "America/Toronto"},
	}
}

// Rule is the law's name and version, as the log has it: "gdpr/1".
func (l Law) Rule() string { return l.Name + "/" + strconv.Itoa(l.Version) }

// Deadlines is when what was received must be done.
type Deadlines struct {
	Confirm time.Time // zero if receipt need not be confirmed
	Target  time.Time // half the time: what we aim at
	Due     time.Time // the last second of the last day
	Notice  time.Time // until when an extension must be told; zero if there is none
	Last    time.Time // the due time if it is extended; Due if it cannot be
}

// Deadlines are those of what was received at a moment. They never move by a
// clock: whoever stores them keeps them.
func (l Law) Deadlines(received time.Time, holidays Calendar) (Deadlines, error) {
	zone, err := time.LoadLocation(l.Zone)
	if err != nil {
		return Deadlines{}, fmt.Errorf("law %s: there is no time zone %q", l.Name, l.Zone)
	}
	first := dayOf(received.In(zone))
	end := func(d day) time.Time {
		if l.Roll {
			for !holidays.working(d) {
				d = d.plus(1)
			}
		}
		return time.Date(d.year, d.month, d.day, 23, 59, 59, 0, zone).UTC()
	}
	x := Deadlines{Due: end(first.after(l.Respond, holidays))}
	x.Last = x.Due
	x.Target = received.Add(x.Due.Sub(received) / 2).UTC().Truncate(time.Second)
	if l.Confirm.N > 0 {
		x.Confirm = end(first.after(l.Confirm, holidays))
	}
	if l.Extend.N > 0 {
		if l.Extend.Unit == l.Respond.Unit { // one and two months are three, whichever days they have
			x.Last = end(first.after(Span{l.Respond.N + l.Extend.N, l.Respond.Unit}, holidays))
		} else {
			x.Last = end(first.after(l.Respond, holidays).after(l.Extend, holidays))
		}
		x.Notice = x.Due
		if l.Notice.N > 0 {
			x.Notice = end(first.after(l.Notice, holidays))
		}
	}
	return x, nil
}

// Shortest is the least time that the law ever gives.
func (l Law) Shortest() time.Duration {
	n := l.Respond.N
	if l.Respond.Unit == Months {
		n = 28 * n // February; every other way to count is longer
	}
	return time.Duration(n) * 24 * time.Hour
}

// Fits says why erasures cannot be done within the law, "" if they can: half of
// the time is for doing it, and by the end of the rest the last copy must be
// unreadable, which takes a key epoch, and as long as its key can still be had.
func (l Law) Fits(epoch, linger time.Duration) string {
	have, need := l.Shortest(), l.Shortest()/2+epoch+linger
	if need <= have {
		return ""
	}
	return fmt.Sprintf("%s gives %s at least; doing it may take %s, then backups stay readable for a key epoch of %s and another %s "+
		"in which its key can still be had: %s in all", l.Title, days(have), days(have/2), days(epoch), days(linger), days(need))
}

func days(d time.Duration) string {
	return strconv.FormatFloat(d.Hours()/24, 'f', -1, 64) + " days"
}

// Urgency is how late something is.
type Urgency int

const (
	InTime   Urgency = iota
	Behind           // half of the time is over
	Pressing         // nine tenths are
	Overdue
)

// String is the word for it in the log.
func (u Urgency) String() string { return [...]string{"in_time", "behind", "pressing", "overdue"}[u] }

// UrgencyOf is how late it is at a moment for what was received and is due.
func UrgencyOf(received, due, now time.Time) Urgency {
	whole := due.Sub(received)
	switch left := due.Sub(now); {
	case left < 0:
		return Overdue
	case left <= whole/10:
		return Pressing
	case left <= whole/2:
		return Behind
	}
	return InTime
}
