package rest

import (
	"testing"

	"github.com/exeunt/exeunt/bridge/recipes"
)

// BenchmarkLoad is what each app with a recipe adds to the start.
func BenchmarkLoad(b *testing.B) {
	for _, name := range recipes.Names() {
		src, _ := recipes.Get(name)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Load(src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
