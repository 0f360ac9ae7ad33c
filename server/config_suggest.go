package server

import (
	"slices"
	"strings"
)

// suggest says which of the known words was probably meant, or lists them.
func suggest(word string, known []string) string {
	slices.Sort(known)
	best, bestAt := "", 1+min(len(word), 64)/4
	for _, k := range known {
		if len(word) > 64 {
			break // nobody meant that
		}
		if n := distance(strings.ToLower(word), k); n < bestAt || n == bestAt && best == "" {
			best, bestAt = k, n
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "known are " + strings.Join(known, ", ")
}

// distance is the number of letters to add, drop, change or swap with their
// neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
