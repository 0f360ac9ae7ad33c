package conformance

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Markdown is the table of all checks that docs/scim.md has: sections, and what
// is checked about them.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| section | check | level | what must be true | gap |\n| --- | --- | --- | --- | --- |\n")
	for _, c := range bySection(Checks()) {
		rows := make([]string, len(c.Gap))
		for i, n := range c.Gap {
			rows[i] = fmt.Sprint(n)
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", c.Section(), c.ID, c.Level, strings.ReplaceAll(c.Title, "|", `\|`), strings.Join(rows, ", "))
	}
	return b.String()
}

// bySection sorts checks as the sections stand in the RFCs; within one, they
// stay as they were.
func bySection(checks []Check) []Check {
	slices.SortStableFunc(checks, func(a, b Check) int {
		return slices.Compare(numbers(a.ID), numbers(b.ID))
	})
	return checks
}

// numbers are those of RFC and section: 7644-3.5.2-atomic is 7644, 3, 5, 2.
func numbers(id string) (out []int) {
	rfc, rest, _ := strings.Cut(id, "-")
	section, _, _ := strings.Cut(rest, "-")
	for _, s := range append([]string{rfc}, strings.Split(section, ".")...) {
		n, _ := strconv.Atoi(s)
		out = append(out, n)
	}
	return out
}
