// Package recipes holds the vendors that exeunt knows, as data: one folder each,
// with the recipe in recipe.yaml. What a recipe may say is in recipe.schema.json;
// package rest reads it.
package recipes

import (
	"embed"
	"io/fs"
	"path"
)

//go:embed */recipe.yaml recipe.schema.json
var files embed.FS

// Names returns the names of all recipes, sorted.
func Names() []string {
	found, _ := fs.Glob(files, "*/recipe.yaml") // the pattern is right
	names := make([]string, len(found))
	for i, f := range found {
		names[i] = path.Dir(f)
	}
	return names
}

// Get returns the recipe of a vendor, and whether there is one.
func Get(name string) ([]byte, bool) {
	if !fs.ValidPath(name) || path.Base(name) != name {
		return nil, false
	}
	src, err := files.ReadFile(path.Join(name, "recipe.yaml"))
	return src, err == nil
}

// Schema returns the JSON Schema of recipes.
func Schema() []byte {
	schema, _ := files.ReadFile("recipe.schema.json") // embedded above
	return schema
}
