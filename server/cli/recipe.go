package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/bridge/connector/rest"
	"github.com/exeunt/exeunt/bridge/recipes"
)

// maxRecipe is the longest recipe that is read.
const maxRecipe = 1 << 20

func recipeCommand() *cobra.Command {
	test := &cobra.Command{
		Use:   "test [PATH…]",
		Short: "Check recipes, and replay their own cases without a network",
		Long: `Reports every mistake in each recipe with its line, then replays the conversations that it
holds. PATH is a recipe, a folder with a recipe.yaml, or the name of a recipe that is built
in; without one, all that are built in. Exit code 2 if a recipe has mistakes, 1 if a case
goes otherwise than it says.`,
		Example: `  exeunt recipe test
  exeunt recipe test bridge/recipes/acme
  exeunt recipe test my-recipe.yaml gitlab`,
		ValidArgs: recipes.Names(),
		RunE: func(c *cobra.Command, paths []string) error {
			if len(paths) == 0 {
				paths = recipes.Names()
			}
			wrong, mistaken := 0, 0
			for _, path := range paths {
				text, name, err := readRecipe(path)
				if err != nil {
					return err
				}
				bad, cases := testRecipe(c.OutOrStdout(), name, text)
				wrong += cases
				mistaken += bad
			}
			switch {
			case mistaken > 0:
				return misusef("%s in recipes; see above", count(mistaken, "mistake"))
			case wrong > 0:
				return failf("%s went otherwise than the recipe says; see FAIL above", count(wrong, "case"))
			}
			return nil
		},
	}
	schema := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of recipes, for editors",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(rest.Schema())
			return err
		},
	}
	return group("recipe", "Check vendors' APIs that are described as data", test, schema)
}

// readRecipe reads a file, the recipe.yaml of a folder, or a built-in recipe.
func readRecipe(path string) (text []byte, name string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		if text, ok := recipes.Get(path); ok {
			return text, path, nil
		}
		return nil, "", misusef("there is no recipe at %s, and none of that name is built in", plain(path))
	}
	if info.IsDir() {
		path = filepath.Join(path, "recipe.yaml")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, "", misusef("the recipe cannot be read: %w", err)
	}
	defer f.Close()
	if text, err = io.ReadAll(io.LimitReader(f, maxRecipe+1)); err != nil {
		return nil, "", misusef("the recipe cannot be read: %w", err)
	}
	if len(text) > maxRecipe {
		return nil, "", misusef("%s is longer than 1 MiB; is it a recipe?", path)
	}
	return text, path, nil
}

// testRecipe prints how a recipe does, and returns the numbers of mistakes and
// of cases that went wrong.
func testRecipe(w io.Writer, name string, text []byte) (mistakes, wrong int) {
	if problems := rest.Lint(text); len(problems) > 0 {
		for _, p := range problems {
			fmt.Fprintf(w, "%s:%s\n", name, p)
		}
		return len(problems), 0
	}
	recipe, err := rest.Load(text)
	if err != nil { // Lint would have said so
		fmt.Fprintf(w, "%s: %s\n", name, err)
		return 1, 0
	}
	results := rest.Test(recipe)
	for _, r := range results {
		if r.Err != nil {
			wrong++
			fmt.Fprintf(w, "FAIL  %s:%d  %s: %s\n", name, r.Line, r.Name, r.Err)
		}
	}
	if wrong == 0 {
		fmt.Fprintf(w, "ok    %s  %s\n", name, count(len(results), "case"))
	}
	return 0, wrong
}
