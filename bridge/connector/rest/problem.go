package rest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/exeunt/exeunt/bridge"
)

// Pos is a place in a recipe; lines and columns count from 1.
type Pos struct {
	Line   int
	Column int
}

// Problem is one mistake in a recipe.
type Problem struct {
	Pos
	Path    string // "actions.suspend.verify"; "" is the whole document
	Message string // what is wrong, and what to do
}

func (p Problem) String() string {
	if p.Path == "" {
		return fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Message)
	}
	return fmt.Sprintf("%d:%d: %s: %s", p.Line, p.Column, p.Path, p.Message)
}

// Problems are all mistakes in a recipe, in the order of the document.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

func (p *Problems) add(at Pos, path, format string, args ...any) {
	*p = append(*p, Problem{at, path, fmt.Sprintf(format, args...)})
}

func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return slices.Compact(p)
}

// join extends a path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// meant returns `; did you mean "x"?` for the known word nearest to word, or
// what the known words are.
func meant(word string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := bridge.Edits(strings.ToLower(word), strings.ToLower(k)); d < distance && d < len(k) {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	if len(known) == 0 {
		return "; none is known here"
	}
	return "; known are " + strings.Join(known, ", ")
}
