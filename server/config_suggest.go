package server

import (
	"slices"
	"strings"

	"github.com/exeunt/exeunt/bridge"
)

// suggest says which of the known words was probably meant, or lists them.
func suggest(word string, known []string) string {
	slices.Sort(known)
	best, bestAt := "", 1+min(len(word), 64)/4
	for _, k := range known {
		if len(word) > 64 {
			break // nobody meant that
		}
		if n := bridge.Edits(strings.ToLower(word), strings.ToLower(k)); n < bestAt || n == bestAt && best == "" {
			best, bestAt = k, n
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "known are " + strings.Join(known, ", ")
}
