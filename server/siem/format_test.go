package siem

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

var (
	noon    = time.Date(2026, 11, 22, 12, 0, 0, 1000, time.UTC)
	testLog = Log{Origin: "exeunt.example/log", Version: "1.0"}
)

// everyRow is a row for each type of event that there is, with a person and without.
func everyRow() (rows []Row) {
	for t := range bridge.EventType(128) {
		if t.String() == "unknown" && t != 0 {
			continue
		}
		for _, effect := range bridge.Effects {
			for _, state := range []bridge.ActionState{"", bridge.ActionVerified, bridge.ActionUnverified, bridge.ActionStuck, bridge.ActionDropped} {
				e := bridge.Event{ID: [16]byte{1}, At: noon, Type: t, Facts: bridge.Facts{Effect: string(effect), State: string(state)}}
				rows = append(rows, Row{Index: 7, Event: e})
				e.Facts.Case, e.Facts.Group, e.Facts.App = "c1", "g1", "crm"
				e.Parties = []bridge.Party{{Role: bridge.Subject, Handle: bridge.Handle{2}}, {Role: bridge.Actor, Handle: bridge.Handle{3}}}
				rows = append(rows, Row{Index: 8, Event: e})
			}
		}
	}
	return rows
}

func settled(e bridge.Effect, s bridge.ActionState) Row {
	return Row{Event: bridge.Event{At: noon, Type: bridge.ActionSettled, Facts: bridge.Facts{Effect: string(e), State: string(s)},
		Parties: []bridge.Party{{Role: bridge.Subject, Handle: bridge.Handle{2}}}}}
}

// schema is what testdata/ocsf.json holds of the real schema (Apache-2.0).
type schema struct {
	Classes map[string]struct {
		Attributes, Required []string
		Activities           map[string]string
	}
	Objects map[string]struct {
		Attributes, Required []string
		Constraints          map[string][]string
		TypeID               map[string]string `json:"type_id"`
	}
	Enums map[string]map[string]string
}

func readSchemas(t *testing.T) map[string]schema {
	t.Helper()
	raw, err := os.ReadFile("testdata/ocsf.json")
	if err != nil {
		t.Fatal(err)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		t.Fatal(err)
	}
	schemas := map[string]schema{}
	for _, version := range []string{"1.8.0", "1.9.0"} {
		var s schema
		if err := json.Unmarshal(parts[version], &s); err != nil {
			t.Fatal(err)
		}
		schemas[version[:3]] = s
	}
	return schemas
}

func number(v any) string {
	f, _ := v.(float64)
	return strconv.Itoa(int(f))
}

// object holds an object against the schema.
func (s schema) object(t *testing.T, name string, v any) {
	t.Helper()
	want, m := s.Objects[name], v.(map[string]any)
	for _, k := range want.Required {
		if m[k] == nil {
			t.Errorf("%s lacks %s", name, k)
		}
	}
	for k := range m {
		if !slices.Contains(want.Attributes, k) {
			t.Errorf("%s has no attribute %s", name, k)
		}
	}
	if any := want.Constraints["at_least_one"]; any != nil && !slices.ContainsFunc(any, func(k string) bool { return m[k] != nil && m[k] != "" }) {
		t.Errorf("%s has none of %v", name, any)
	}
	if id, ok := m["type_id"]; ok && number(id) != "99" && want.TypeID[number(id)] == "" {
		t.Errorf("%s has no type %v", name, id)
	}
}

func TestOCSFAgainstTheSchema(t *testing.T) {
	schemas := readSchemas(t)
	for _, version := range []string{"1.8", "1.9"} {
		s := schemas[version]
		for _, r := range everyRow() {
			var m map[string]any
			if err := json.Unmarshal(testLog.ocsf(r, version), &m); err != nil {
				t.Fatal(err)
			}
			class, known := s.Classes[number(m["class_uid"])]
			if !known {
				t.Fatalf("%s: OCSF %s has no class %v", r.Type, version, m["class_uid"])
			}
			for _, k := range class.Required {
				if m[k] == nil {
					t.Errorf("%s %s: lacks %s", version, r.Type, k)
				}
			}
			for k := range m {
				if !slices.Contains(class.Attributes, k) {
					t.Errorf("%s %s: class %v has no attribute %s", version, r.Type, m["class_uid"], k)
				}
			}
			if class.Activities[number(m["activity_id"])] == "" || number(m["activity_id"]) == "99" && m["activity_name"] == nil {
				t.Errorf("%s %s: activity %v %v", version, r.Type, m["activity_id"], m["activity_name"])
			}
			if m["type_uid"].(float64) != m["class_uid"].(float64)*100+m["activity_id"].(float64) {
				t.Errorf("%s: type %v", r.Type, m["type_uid"])
			}
			if s.Enums["severity_id"][number(m["severity_id"])] == "" {
				t.Errorf("%s: severity %v", r.Type, m["severity_id"])
			}
			if id, ok := m["status_id"]; ok && s.Enums["status_id"][number(id)] == "" || number(id) == "99" && m["status"] == nil {
				t.Errorf("%s: status %v %v", r.Type, id, m["status"])
			}
			meta := m["metadata"].(map[string]any)
			s.object(t, "metadata", meta)
			s.object(t, "product", meta["product"])
			s.object(t, "actor", m["actor"])
			if u := m["user"]; u != nil {
				s.object(t, "user", u)
			}
			if e := m["entity"]; e != nil {
				s.object(t, "managed_entity", e)
			}
			if t.Failed() {
				t.FailNow()
			}
		}
	}
}

// TestOCSFActivities holds the numbers against the schema's own names.
func TestOCSFActivities(t *testing.T) {
	schemas := readSchemas(t)
	erased := settled("", "")
	erased.Type = bridge.ErasureDone
	said := settled(bridge.Lock, "")
	said.Type = bridge.ActionDone
	for _, c := range []struct {
		row                     Row
		version, class, caption string
		status                  string
	}{
		{settled(bridge.Lock, bridge.ActionVerified), "1.8", "3001", "Disable", "Success"},
		{settled(bridge.Lock, bridge.ActionVerified), "1.9", "3007", "Disable", "Success"},
		{settled(bridge.Delete, bridge.ActionAbsent), "1.8", "3001", "Delete", "Success"},
		{settled(bridge.Delete, bridge.ActionStuck), "1.9", "3007", "Delete", "Failure"},
		{settled(bridge.Restore, bridge.ActionUnverified), "1.8", "3001", "Enable", "Other"},
		{settled(bridge.Restore, bridge.ActionDropped), "1.9", "3007", "Enable", "Other"},
		{settled(bridge.Remove, bridge.ActionVerified), "1.9", "3007", "Remove Roles", "Success"},
		{settled(bridge.Revoke, bridge.ActionImpossible), "1.9", "3007", "Remove Programmatic Credentials", "Failure"},
		{settled(bridge.Revoke, bridge.ActionVerified), "1.8", "3001", "Other", "Success"},
		{said, "1.9", "3007", "Disable", "Other"},
		{erased, "1.8", "3004", "Delete", "Success"},
		{erased, "1.9", "3004", "Delete", "Success"},
	} {
		var m map[string]any
		if err := json.Unmarshal(testLog.ocsf(c.row, c.version), &m); err != nil {
			t.Fatal(err)
		}
		s := schemas[c.version]
		class, name := number(m["class_uid"]), s.Classes[number(m["class_uid"])].Activities[number(m["activity_id"])]
		if status := s.Enums["status_id"][number(m["status_id"])]; class != c.class || name != c.caption || status != c.status {
			t.Errorf("%s %s %s in %s: class %s, %q, %q", c.row.Type, c.row.Facts.Effect, c.row.Facts.State, c.version, class, name, status)
		}
	}
}

// TestEveryFormatSaysWhere: a row of any format can be held against the log.
func TestEveryFormatSaysWhere(t *testing.T) {
	r := settled(bridge.Lock, bridge.ActionVerified)
	r.Index, r.Hash[0] = 41, 9
	hash := base64.StdEncoding.EncodeToString(r.Hash[:])
	for _, format := range []string{"json", "ocsf", "cef", "cloudevents"} {
		text := strings.ReplaceAll(string((Config{Format: format}).encoder(testLog)(r)), `\=`, "=")
		for _, want := range []string{testLog.Origin, "41", hash, bridge.Handle{2}.String()} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %s: %s", format, want, text)
			}
		}
		if strings.Contains(text, "\n") {
			t.Errorf("%s is more than a line", format)
		}
	}
}

// TestCloudEvent holds the form against CloudEvents 1.0, sections 2.5 and 3.1.
func TestCloudEvent(t *testing.T) {
	r := settled(bridge.Lock, bridge.ActionVerified)
	var m map[string]any
	if err := json.Unmarshal(testLog.cloud(r), &m); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"specversion", "id", "source", "type"} {
		if s, _ := m[k].(string); s == "" {
			t.Errorf("%s is missing", k)
		}
	}
	if m["specversion"] != "1.0" || m["source"] != "/exeunt.example/log" || m["type"] != "exeunt.action.settled" || m["subject"] != r.Parties[0].Handle.String() {
		t.Errorf("%v", m)
	}
	if at, err := time.Parse(time.RFC3339Nano, m["time"].(string)); err != nil || !at.Equal(noon) {
		t.Errorf("time %v, %v", m["time"], err)
	}
	for k := range m {
		if strings.Trim(k, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			t.Errorf("%s is no name of an attribute", k)
		}
	}
}

// parseCEF reads CEF as its guide says: header fields end at a | that is not
// escaped, and a value at the last space before the next key, which ends at a =
// that is not escaped.
func parseCEF(s string) (header []string, extension map[string]string, ok bool) {
	unescape := strings.NewReplacer(`\\`, `\`, `\|`, `|`, `\=`, `=`, `\n`, "\n", `\r`, "\r")
	cut := func(s string, end byte) (string, string, bool) {
		for i := 0; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case end:
				return s[:i], s[i+1:], true
			}
		}
		return s, "", false
	}
	for range 7 {
		var field string
		if field, s, ok = cut(s, '|'); !ok {
			return nil, nil, false
		}
		header = append(header, unescape.Replace(field))
	}
	extension = map[string]string{}
	key, rest, ok := cut(s, '=')
	for ok {
		var value string
		var more bool
		value, rest, more = cut(rest, '=')
		next := ""
		if more {
			at := strings.LastIndexByte(value, ' ')
			if at < 0 {
				return nil, nil, false
			}
			value, next = value[:at], value[at+1:]
		}
		extension[key] = unescape.Replace(value)
		key, ok = next, more
	}
	return header, extension, true
}

func FuzzCEF(f *testing.F) {
	for _, s := range []string{"crm", "a=b", `a\=b c=d`, "x|y", "line\nbreak\r", ` cs2=forged`, `\`, `\n`, "ä", " ", "|", "a b =c"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, app, origin string) {
		r := settled(bridge.Lock, bridge.ActionVerified)
		r.Facts.App = app
		l := Log{Origin: origin, Version: app}
		header, ext, ok := parseCEF(string(l.cef(r)))
		inHeader := strings.NewReplacer("\n", " ", "\r", " ").Replace(app)
		if !ok || header[3] != inHeader || header[6] != "2" || ext["destinationServiceName"] != app || ext["cs1"] != origin ||
			ext["cs2"] != r.Hash.String() || ext["outcome"] != "success" {
			t.Errorf("%q, %q: %q %q", app, origin, header, ext)
		}
	})
}

// Whoever watches for forged logouts reads in each format that it failed, why, and by
// whom, if that is known.
func TestLogoutRefused(t *testing.T) {
	refused := Row{Event: bridge.Event{At: noon, Type: bridge.LogoutRefused,
		Facts: bridge.Facts{Operator: "partner", Token: "okta", Outcome: "replayed", Count: 50, Protocol: "saml post"}}}
	if text := string(testLog.cef(refused)); !strings.HasPrefix(text, "CEF:0|exeunt|exeunt|1.0|logout.refused|logout refused|4|") ||
		!strings.Contains(text, " outcome=failure reason=replayed cnt=50 sourceServiceName=okta ") {
		t.Error(text)
	}
	for _, version := range []string{"1.8", "1.9"} {
		var e ocsfEvent
		if err := json.Unmarshal(testLog.ocsf(refused, version), &e); err != nil {
			t.Fatal(err)
		}
		if e.Status != 2 || e.Severity != low || e.Detail != "replayed" || e.Entity == nil || *e.Entity != (ocsfThing{"okta", "partner", other}) {
			t.Errorf("%s: %+v %+v", version, e, e.Entity)
		}
	}
}
