package syslog

import (
	"strconv"
	"strings"
	"time"
)

// Numbers of RFC 5424, section 6.2.1; those that are used here.
const (
	FacilityAuth  = 10 // security and authorisation, "authpriv"
	FacilityAudit = 13

	SeverityAlert   = 1
	SeverityWarning = 4
	SeverityNotice  = 5
	SeverityInfo    = 6
)

// Message is one message. Header fields that are empty or hold what RFC 5424
// does not allow there are shortened, mended, or written as "-".
type Message struct {
	Facility, Severity int
	Time               time.Time // zero: unknown
	Host, App          string    // at most 255 and 48 characters of ASCII
	Proc, ID           string    // at most 128 and 32
	Data               []Element
	Text               string // UTF-8; may be empty
}

// Element is one element of structured data: ID is a name registered with IANA,
// or one with an enterprise number, such as "checkpoint@32473".
type Element struct {
	ID     string
	Params []Param
}

// Param is a name and a value of UTF-8.
type Param struct{ Name, Value string }

// bom says that a text is UTF-8 (RFC 5424, section 6.4).
const bom = "\xef\xbb\xbf"

// Append appends the message to dst, without framing.
func (m Message) Append(dst []byte) []byte {
	dst = append(dst, '<')
	dst = strconv.AppendInt(dst, int64(m.Facility&31*8+m.Severity&7), 10)
	dst = append(dst, ">1 "...)
	if m.Time.IsZero() {
		dst = append(dst, '-')
	} else {
		dst = m.Time.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z07:00")
	}
	for _, field := range []struct {
		value string
		most  int
	}{{m.Host, 255}, {m.App, 48}, {m.Proc, 128}, {m.ID, 32}} {
		dst = append(dst, ' ')
		dst = append(dst, visible(field.value, field.most)...)
	}
	dst = append(dst, ' ')
	if len(m.Data) == 0 {
		dst = append(dst, '-')
	}
	for _, e := range m.Data {
		dst = append(dst, '[')
		dst = append(dst, name(e.ID)...)
		for _, p := range e.Params {
			dst = append(dst, ' ')
			dst = append(dst, name(p.Name)...)
			dst = append(dst, `="`...)
			dst = append(dst, value.Replace(strings.ToValidUTF8(p.Value, "\ufffd"))...)
			dst = append(dst, '"')
		}
		dst = append(dst, ']')
	}
	if m.Text != "" {
		dst = append(dst, ' ')
		dst = append(dst, bom...)
		dst = append(dst, strings.ToValidUTF8(m.Text, "\ufffd")...)
	}
	return dst
}

// value escapes what ends a value (RFC 5424, section 6.3.3).
var value = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`)

// visible is a header field: visible ASCII, or "-".
func visible(s string, most int) string {
	return orNil(ascii(s, most, ""))
}

// name is an SD-NAME: visible ASCII but = ] and ".
func name(s string) string {
	return orNil(ascii(s, 32, `=]"`))
}

func ascii(s string, most int, not string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(not, r) {
			return '_'
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}

func orNil(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
