package scim

import (
	"encoding/json"
	"testing"
	"time"
)

// RFC 7643, section 2.3: what is kept of a simple value, or that it is refused.
func TestSimpleRFC7643_2_3(t *testing.T) {
	zone, date := &form{isZone, "a zone"}, &form{isDate, "a date"}
	for _, c := range []struct {
		kind string
		form *form
		v    any
		want any // nil: refused
	}{
		{"string", nil, "", ""}, {"string", nil, "Zoë 🚪 \u202e", "Zoë 🚪 \u202e"}, {"string", nil, true, nil}, {"string", nil, json.Number("1"), nil},
		{"string", nil, map[string]any{}, nil}, {"string", nil, []any{"x"}, nil}, {"reference", nil, "../Users/1", "../Users/1"}, {"reference", nil, false, nil},
		{"boolean", nil, true, true}, {"boolean", nil, "true", nil}, {"boolean", nil, json.Number("1"), nil},
		{"integer", nil, json.Number("9007199254740993"), json.Number("9007199254740993")}, {"integer", nil, json.Number("-0"), json.Number("0")},
		{"integer", nil, json.Number("9223372036854775807"), json.Number("9223372036854775807")}, {"integer", nil, json.Number("9223372036854775808"), nil},
		{"integer", nil, json.Number("1.0"), nil}, {"integer", nil, json.Number("1e3"), nil}, {"integer", nil, "1", nil},
		{"decimal", nil, json.Number("0.10000000000000000001"), json.Number("0.10000000000000000001")}, {"decimal", nil, json.Number("1e999"), nil}, {"decimal", nil, "1.0", nil},
		{"binary", nil, "TUlJ", "TUlJ"}, {"binary", nil, "+/+/", "+/+/"}, {"binary", nil, "-_-_", "+/+/"}, {"binary", nil, "-/-_", nil},
		{"binary", nil, "TQ==", "TQ=="}, {"binary", nil, "TQ", "TQ=="}, {"binary", nil, "TWE", "TWE="}, {"binary", nil, "TWE=", "TWE="}, {"binary", nil, "TR==", "TQ=="},
		{"binary", nil, "TUlJ\r\nTUlJ\n TU lJ", "TUlJTUlJTUlJ"}, {"binary", nil, "", ""}, {"binary", nil, "TQ=", nil}, {"binary", nil, "T", nil}, {"binary", nil, "TUlJ====", nil},
		{"binary", nil, "TUlJ=", nil}, {"binary", nil, "TQ==TQ==", nil}, {"binary", nil, "TU!J", nil}, {"binary", nil, "=", nil}, {"binary", nil, json.Number("1"), nil},
		{"dateTime", nil, "2026-12-31T17:30:00Z", "2026-12-31T17:30:00Z"}, {"dateTime", nil, "2026-12-31", nil}, {"dateTime", nil, json.Number("1"), nil},
		{"string", zone, "Europe/Berlin", "Europe/Berlin"}, {"string", zone, "UTC", "UTC"}, {"string", zone, "Etc/GMT+5", "Etc/GMT+5"},
		{"string", zone, "America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"},
		{"string", zone, "Berlin", nil}, {"string", zone, "Local", nil}, {"string", zone, "", nil}, {"string", zone, "../../etc/passwd", nil},
		{"string", zone, "Europe", nil}, {"string", zone, "posixrules", nil}, {"string", zone, "W. Europe Standard Time", nil}, {"string", zone, true, nil},
		{"string", date, "2026-12-31", "2026-12-31"}, {"string", date, "2028-02-29", "2028-02-29"}, {"string", date, "2026-02-29", nil}, {"string", date, "31.12.2026", nil},
		{"string", date, "2026-12-31T00:00:00Z", nil}, {"string", date, "2026-1-1", nil}, {"string", date, " 2026-12-31", nil},
	} {
		got, err := simple(&attribute{name: "x", kind: c.kind, form: c.form}, c.v)
		if got != c.want || (err == nil) != (c.want != nil) {
			t.Errorf("%s %v: %v, %v", c.kind, c.v, got, err)
		}
		if err == nil {
			if again, err := simple(&attribute{name: "x", kind: c.kind, form: c.form}, got); again != got || err != nil {
				t.Errorf("%s %v: %v and then %v, %v", c.kind, c.v, got, again, err)
			}
		}
	}
}

// RFC 7643, section 2.3.5: xsd:dateTime.
func TestMoment(t *testing.T) {
	for s, want := range map[string]string{
		"2026-12-31T17:30:00Z":           "2026-12-31T17:30:00Z",
		"2026-12-31T17:30:00":            "2026-12-31T17:30:00Z",
		"2026-12-31T17:30:00.5":          "2026-12-31T17:30:00.5Z",
		"2026-12-31T17:30:00.123456789Z": "2026-12-31T17:30:00.123456789Z",
		"2026-12-31T17:30:00+01:00":      "2026-12-31T16:30:00Z",
		"2026-12-31T17:30:00.25-05:30":   "2026-12-31T23:00:00.25Z",
		"2026-12-31T24:00:00Z":           "2027-01-01T00:00:00Z",
		"2026-12-31T24:00:00.00+01:00":   "2026-12-31T23:00:00Z",
		"2026-12-31T24:00:00":            "2027-01-01T00:00:00Z",
		"0001-01-01T00:00:00Z":           "0001-01-01T00:00:00Z",
	} {
		if at, ok := moment(s); !ok || at.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%s: %v, want %s", s, at.UTC(), want)
		}
	}
	for _, s := range []string{"", "2026-12-31", "2026-12-31T", "2026-12-31 17:30:00", "2026-12-31t17:30:00z", "2026-12-31T7:30:00Z", "2026-12-31T17:30Z",
		"2026-12-31T17:30:00,5Z", "2026-12-31T17:30:00.Z", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-12-31T17:60:00Z", "2026-12-31T17:30:60Z",
		"2026-12-31T24:00:01Z", "2026-12-31T24:00:00.1Z", "2026-12-31T25:00:00Z", "2026-12-31T17:30:00+1:00", "2026-12-31T17:30:00+15:00", "2026-12-31T17:30:00+0100",
		"2026-12-31T17:30:00Z ", "-026-12-31T17:30:00Z", "12026-12-31T17:30:00Z", "2026-12-31T17:30:00 Europe/Berlin"} {
		if at, ok := moment(s); ok {
			t.Errorf("%q is %v", s, at)
		}
	}
}

func FuzzMoment(f *testing.F) {
	for _, s := range []string{"2026-12-31T17:30:00.5+01:00", "2026-12-31T24:00:00", "2026-12-31T17:30:00,5Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, ok := moment(s)
		if !ok {
			return
		}
		if again, ok := moment(at.Format(time.RFC3339Nano)); at.Year() < 10000 && (!ok || !again.Equal(at)) {
			t.Fatalf("%q is %v and then %v", s, at, again)
		}
	})
}
