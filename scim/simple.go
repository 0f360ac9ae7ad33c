package scim

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"
)

// form is what the strings of one attribute must look like beyond their kind.
type form struct {
	fits func(string) bool
	like string // for whoever got it wrong: "a date, such as 2026-12-31"
}

// simple brings one simple value into the only spelling that we keep (RFC
// 7643, section 2.3). The library's validation is not used: it refuses binary
// values without padding, wrapped or URL-safe, and rounds decimals.
func simple(a *attribute, v any) (any, error) {
	like := "a " + a.kind
	switch a.kind {
	case "boolean":
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case "integer":
		like = "a whole number of up to 64 bits, without fraction and exponent"
		n, _ := v.(json.Number)
		if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
			return json.Number(strconv.FormatInt(i, 10)), nil
		}
	case "decimal":
		if n, ok := v.(json.Number); ok {
			if _, err := n.Float64(); err == nil {
				return n, nil
			}
		}
	case "binary":
		like = "binary data in base64"
		if s, ok := v.(string); ok {
			if b, ok := unbase64(s); ok {
				return base64.StdEncoding.EncodeToString(b), nil
			}
		}
	case "dateTime":
		like = "a date and time, such as 2026-12-31T17:30:00Z"
		if s, ok := v.(string); ok {
			if _, ok := moment(s); ok {
				return s, nil
			}
		}
	default:
		s, ok := v.(string)
		if ok && a.form == nil || ok && a.form.fits(s) {
			return s, nil
		}
		if a.form != nil {
			like = a.form.like
		}
	}
	return nil, fault(scimerrors.ScimTypeInvalidValue, "%s takes %s", a.name, like)
}

// unbase64 decodes either alphabet of RFC 4648, in lines or not, with padding
// or (RFC 7643, section 2.3.6) without.
func unbase64(s string) ([]byte, bool) {
	s = strings.NewReplacer("\r", "", "\n", "", "\t", "", " ", "").Replace(s)
	bare := strings.TrimRight(s, "=")
	if padding := len(s) - len(bare); padding > 0 && (padding > 2 || len(s)%4 != 0) {
		return nil, false
	}
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(bare, "-_") {
		encoding = base64.RawURLEncoding
	}
	b, err := encoding.DecodeString(bare)
	return b, err == nil
}

// moment reads an xsd:dateTime (RFC 7643, section 2.3.5) of the years 0 to
// 9999; without a zone it is UTC. The shape is looked at first because
// time.Parse is more lenient.
func moment(s string) (time.Time, bool) {
	const shape = "0000-00-00T00:00:00"
	if len(s) < len(shape) {
		return time.Time{}, false
	}
	for i, c := range []byte(shape) {
		if digit := s[i] >= '0' && s[i] <= '9'; digit != (c == '0') || !digit && s[i] != c {
			return time.Time{}, false
		}
	}
	midnight := s[11:19] == "24:00:00" // the end of the day, as XML Schema allows
	if midnight {
		if strings.Trim(fraction(s[19:]), ".0") != "" {
			return time.Time{}, false
		}
		s = s[:11] + "00" + s[13:]
	}
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		t, err := time.Parse(layout, s)
		if err != nil || s[19:] != "" && s[19] == ',' {
			continue
		}
		if _, offset := t.Zone(); max(offset, -offset) > 14*60*60 {
			continue
		}
		if midnight {
			t = t.AddDate(0, 0, 1)
		}
		return t, true
	}
	return time.Time{}, false
}

// fraction is what stands before the zone.
func fraction(s string) string {
	if i := strings.IndexAny(s, "Z+-"); i >= 0 {
		return s[:i]
	}
	return s
}
