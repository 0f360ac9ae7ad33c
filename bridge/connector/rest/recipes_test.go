package rest

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/exeunt/exeunt/bridge/recipes"
)

// TestRecipes lints and replays every recipe there is.
func TestRecipes(t *testing.T) {
	found, err := fs.Glob(os.DirFS("../../recipes"), "*/recipe.yaml")
	if err != nil || len(found) == 0 {
		t.Fatal("no recipes found", err)
	}
	for _, file := range found {
		name := filepath.Dir(file)
		t.Run(name, func(t *testing.T) {
			src, ok := recipes.Get(name)
			if !ok || !slices.Contains(recipes.Names(), name) {
				t.Fatal("not built in")
			}
			r, err := Load(src)
			if err != nil {
				t.Fatalf("\n%s", err)
			}
			if r.App != name {
				t.Errorf("app is %q, but its folder is %q", r.App, name)
			}
			for _, result := range Test(r) {
				if result.Err != nil {
					t.Errorf("line %d, %s: %v", result.Line, result.Name, result.Err)
				}
			}
			if err := schemaOf(t).Validate(generic(t, src)); err != nil {
				t.Errorf("the JSON Schema refuses it: %v", err)
			}
		})
	}
}
