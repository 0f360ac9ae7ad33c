package main

// Versions below which a hole is known, kept by a test: a requirement of something
// else must not bring them back (crewjam/saml asks for goxmldsig v1.4.0).

import (
	"os"
	"runtime/debug"
	"testing"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

var least = map[string]string{
	"github.com/russellhaering/goxmldsig": "v1.6.1", // GO-2026-4753: digests of another reference; limits
	"github.com/beevik/etree":             "v1.8.0", // trees without end
}

// old says which modules are older than they may be, or missing.
func old(versions map[string]string) (found []string) {
	for module, version := range least {
		if semver.Compare(versions[module], version) < 0 {
			found = append(found, module+" is "+versions[module]+", and must be at least "+version)
		}
	}
	return found
}

// TestPins looks at what is asked for, in go.mod itself, and at what was built.
func TestPins(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	file, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	required := map[string]string{}
	for _, r := range file.Require {
		if !r.Indirect {
			required[r.Mod.Path] = r.Mod.Version
		}
	}
	for _, r := range file.Replace {
		delete(required, r.Old.Path)
	}
	for _, o := range old(required) {
		t.Errorf("go.mod: %s", o)
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("no build info")
	}
	built := map[string]string{}
	for _, m := range info.Deps {
		if m.Replace == nil {
			built[m.Path] = m.Version
		}
	}
	for _, o := range old(built) {
		t.Errorf("built: %s", o)
	}
}

func TestOld(t *testing.T) {
	if len(old(map[string]string{"github.com/russellhaering/goxmldsig": "v1.6.1", "github.com/beevik/etree": "v1.8.1"})) != 0 {
		t.Error("what is new enough is refused")
	}
	for _, versions := range []map[string]string{
		{"github.com/russellhaering/goxmldsig": "v1.6.0", "github.com/beevik/etree": "v1.8.1"},
		{"github.com/russellhaering/goxmldsig": "v1.6.1", "github.com/beevik/etree": "v1.5.0"},
		{"github.com/beevik/etree": "v1.8.1"},
	} {
		if len(old(versions)) != 1 {
			t.Errorf("%v passes", versions)
		}
	}
}
