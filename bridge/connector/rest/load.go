package rest

import (
	"cmp"
	"maps"
	"slices"

	"github.com/exeunt/exeunt/bridge/recipes"
)

// Load reads a recipe and compiles its expressions. If it has mistakes, the
// error is [Problems], all of them.
func Load(src []byte) (*Recipe, error) {
	r := new(Recipe)
	problems := decode(src, r)
	for name, a := range r.Actions {
		if a != nil {
			a.name = name
		}
	}
	more, err := r.check()
	if err != nil {
		return nil, err
	}
	if problems = append(problems, more...).sorted(); len(problems) > 0 {
		return nil, problems
	}
	return r, nil
}

// Lint returns all mistakes in a recipe, in the order of the document.
func Lint(src []byte) Problems {
	_, err := Load(src)
	problems, ok := err.(Problems)
	if err != nil && !ok {
		problems.add(Pos{1, 1}, "", "%s", err)
	}
	return problems
}

// Schema returns the JSON Schema of recipes, for editors.
func Schema() []byte { return recipes.Schema() }

// ordered returns the actions so that each comes after those that it names in
// after, else in the order of the recipe. A circle, which check refuses, is cut
// somewhere.
func (r *Recipe) ordered() []*Action {
	names := slices.SortedFunc(maps.Keys(r.Actions), func(a, b string) int {
		x, y := r.Actions[a], r.Actions[b]
		return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column), cmp.Compare(a, b))
	})
	var (
		out  []*Action
		seen = map[string]bool{}
		take func(name string)
	)
	take = func(name string) {
		a := r.Actions[name]
		if a == nil || seen[name] {
			return
		}
		seen[name] = true
		for _, earlier := range a.After {
			take(earlier)
		}
		out = append(out, a)
	}
	for _, name := range names {
		take(name)
	}
	return out
}
