package conformance

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of checks in docs/scim.md")

const document = "../../docs/scim.md"

// docs/scim.md has the table of all checks, and of no others. With -update it is
// written.
func TestDocs(t *testing.T) {
	const begin, end = "<!-- checks: written by go test ./scim/conformance -run TestDocs -update -->\n", "<!-- /checks -->"
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	old, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no place for the table", document)
	}
	table := Markdown()
	if *update {
		if err := os.WriteFile(document, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != table {
		t.Error("the table of checks in docs/scim.md is stale: go test ./scim/conformance -run TestDocs -update")
	}
}

// Every row of the list of gaps has a check, every ID is one that can be said on
// a command line, and every check says what it is for.
func TestChecks(t *testing.T) {
	const gaps = 27
	form := regexp.MustCompile(`^(7643|7644|9865|9110)-[1-9][0-9]*(\.[1-9][0-9]*)*(-[a-z0-9]+)+$`)
	seen, rows := map[string]bool{}, map[int]bool{}
	for _, c := range Checks() {
		if !form.MatchString(c.ID) || seen[c.ID] {
			t.Errorf("%s is no ID, or one that stands twice", c.ID)
		}
		seen[c.ID] = true
		if c.Title == "" || !strings.HasSuffix(c.Harm, ".") || !slices.Contains([]Level{Must, Feature, Should, Dialect}, c.Level) {
			t.Errorf("%s: title %q, level %q, harm %q", c.ID, c.Title, c.Level, c.Harm)
		}
		for _, n := range c.Gap {
			rows[n] = true
		}
	}
	for n := range gaps {
		if !rows[n+1] {
			t.Errorf("gap %d has no check", n+1)
		}
	}
}

func TestChosen(t *testing.T) {
	for _, tt := range []struct {
		only string
		has  string
		not  string
	}{
		{"7644-3.5", "7644-3.5.2-atomic", "7644-3.6-delete"},
		{"7644-3.1", "7644-3.1-media-type", "7644-3.11-me"},
		{"7644-3.14-if-match", "7644-3.14-if-match", "7644-3.14-if-match-put"},
		{"9865", "9865-2-cursor", "7644-3.4.2-total"},
	} {
		var ids []string
		for _, c := range Chosen([]string{tt.only}) {
			ids = append(ids, c.ID)
		}
		if !slices.Contains(ids, tt.has) || slices.Contains(ids, tt.not) {
			t.Errorf("%s chooses %v", tt.only, ids)
		}
	}
}
