package scim

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/scim.md")

// tables are the signs and the mends as docs/scim.md shows them.
func tables() string {
	var b strings.Builder
	recorded := func(file string) string { return fmt.Sprintf("[%s](../testdata/idp/%[1]s)", file) }
	b.WriteString("| seen | read as | known how | recorded |\n| --- | --- | --- | --- |\n")
	for _, s := range signs() {
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", s.what, s.client, s.known, recorded(s.recorded))
	}
	b.WriteString("\n| mend | who needs it | dialects | recorded |\n| --- | --- | --- | --- |\n")
	for _, m := range mends() {
		in := "all but `strict`"
		if m.only != nil {
			in = ""
			for i, d := range m.only {
				if i > 0 {
					in += ", "
				}
				in += "`" + string(d) + "`"
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, strings.ReplaceAll(m.why, "|", `\|`), in, recorded(m.recorded))
	}
	return b.String()
}

// docs/scim.md tells of every sign and every mend, and of no other. With
// -update, its tables are written.
func TestDocs(t *testing.T) {
	const file, begin, end = "../docs/scim.md", "<!-- mends -->\n", "<!-- /mends -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	was, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("no %s … %s in %s", begin, end, file)
	}
	switch want := "\n" + tables() + "\n"; {
	case was == want:
	case *update:
		if err := os.WriteFile(file, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the tables of %s are stale; go test ./scim -run TestDocs -update", file)
	}
}

// Whoever reads that something is documented or captured finds it said so in
// the recording.
func TestProvenance(t *testing.T) {
	for _, s := range signs() {
		text, err := os.ReadFile(recordings + "/" + s.recorded)
		if err != nil || !strings.Contains(string(text), "\n"+s.known+": ") {
			t.Errorf("%s: not %s in %s: %v", s.what, s.known, s.recorded, err)
		}
	}
}
