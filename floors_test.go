package main

// The floors of the house (docs/design.md), kept by a test: imports go down only.
// It reads the source and not the output of the go command, so that files behind
// build constraints count too, and so that a cached result knows what it depends on.

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/exeunt/exeunt"

// floors says on which floor each package stands; a name that ends in "/*" stands
// for every package directly under it. Paths are relative to the module, and the
// exact name goes before the pattern.
var floors = map[string]int{
	".":          4, // main
	"server/cli": 4,

	"server":         3,
	"server/console": 3,
	"server/page":    3,
	"server/siem":    3,
	"server/anchor":  3,
	"server/witness": 3,

	"scim":             2,
	"scim/conformance": 2,
	"store":            2,
	"store/storetest":  2,
	"bridge/connector": 2,

	"bridge/connector/*":             1, // the protocols
	"bridge/connector/internal/*":    1,
	"bridge/connector/sandbox":       1,
	"bridge/connector/connectortest": 1,
	"store/ledger":                   1,
	"store/evidence":                 1,
	"store/vault":                    1,
	"store/evidence/exeunt-verify":   2, // a program of its own
	"store/vault/keeper":             1,
	"server/syslog":                  1,

	"bridge":         0,
	"bridge/recipes": 0,

	testPeers: 0,
}

// testPeers starts software of others; only tests import it.
const testPeers = "testdata/peers"

// level lists the imports that stay on their floor: importer, imported.
var level = [][2]string{
	{".", "server/cli"},
	{"server", "server/console"},
	{"server", "server/page"},
	{"server", "server/anchor"},
	{"server", "server/siem"},
	{"bridge/connector/*", "bridge/connector/internal/*"},
	{"bridge/connector/internal/*", "bridge/connector/internal/*"},
	// A suite may know the package that it tests, or tests against.
	{"bridge/connector/connectortest", "bridge/connector/sandbox"},
	{"store/storetest", "store"},
	{"store/evidence", "store/ledger"},
	{"scim/conformance", "scim"},
}

// highestForTests is the highest floor that the tests of any package may import:
// they work with real things (a real store under the bridge), but need no server.
const highestForTests = 2

// place returns the entry of floors for a package.
func place(pkg string) (entry string, floor int, ok bool) {
	for _, entry := range []string{pkg, path.Dir(pkg) + "/*"} {
		if floor, ok := floors[entry]; ok {
			return entry, floor, true
		}
	}
	return "", 0, false
}

// wrong says what is wrong with package from importing package to; "" if nothing is.
func wrong(from, to string, test bool) string {
	source, high, ok := place(from)
	if !ok {
		return fmt.Sprintf("package %s has no floor", from)
	}
	target, low, ok := place(to)
	if !ok {
		return fmt.Sprintf("package %s has no floor", to)
	}
	switch {
	case !test && to == testPeers:
		return fmt.Sprintf("%s imports %s: only tests do", from, to)
	case test && low <= max(high, highestForTests):
		return ""
	case from == "." && to != "server/cli":
		return fmt.Sprintf("main imports %s: it calls server/cli and nothing else", to)
	case low < high || slices.Contains(level, [2]string{source, target}):
		return ""
	}
	return fmt.Sprintf("%s (floor %d) imports %s (floor %d): imports go down only", from, high, to, low)
}

func TestFloors(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range goFiles(t) {
		if !seen[f.pkg] {
			seen[f.pkg] = true
			if _, _, ok := place(f.pkg); !ok {
				t.Errorf("package %s has no floor: give it one in floors_test.go and docs/design.md", f.pkg)
			}
		}
		for _, to := range f.imports {
			if to == f.pkg {
				continue // an external test of its own package
			}
			if w := wrong(f.pkg, to, f.test); w != "" {
				t.Errorf("%s: %s", f.name, w)
			}
		}
	}
	if !seen["bridge"] {
		t.Error("package bridge was not read: the test looks in the wrong place")
	}
}

func TestWrong(t *testing.T) {
	for _, c := range []struct {
		from, to string
		test     bool
		fine     bool
	}{
		{from: "store", to: "bridge", fine: true},
		{from: "store", to: "store/ledger", fine: true},
		{from: "server/cli", to: "bridge/connector/sandbox", fine: true},
		{from: "bridge/connector", to: "bridge/connector/rest", fine: true},
		{from: "bridge/connector/rest", to: "bridge/connector/internal/door", fine: true},
		{from: ".", to: "server/cli", fine: true},
		{from: "store/storetest", to: "store", fine: true},

		{from: "bridge", to: "store"},
		{from: "bridge", to: "bridge/recipes"},
		{from: "scim", to: "store"},
		{from: "store", to: "scim"},
		{from: "bridge/connector", to: "store"},
		{from: "store", to: "store/storetest"},
		{from: "bridge/connector/rest", to: "bridge/connector/scim"},
		{from: "bridge/connector/rest", to: "bridge/connector"},
		{from: "bridge/connector/internal/door", to: "bridge/connector/rest"},
		{from: "server", to: "server/cli"},
		{from: "server/console", to: "server"},
		{from: ".", to: "bridge"},
		{from: "store", to: "extra"},
		{from: "extra", to: "bridge"},
		{from: "bridge/connector/rest/deep", to: "bridge"},

		{from: "bridge", to: "store", test: true, fine: true},
		{from: "scim", to: "store", test: true, fine: true},
		{from: "bridge/connector/rest", to: "bridge/connector/connectortest", test: true, fine: true},
		{from: "server", to: "server/console", test: true, fine: true},
		{from: ".", to: "server", test: true, fine: true},
		{from: "scim", to: "server", test: true},
		{from: "server", to: "server/cli", test: true},

		{from: ".", to: testPeers, test: true, fine: true},
		{from: "server", to: testPeers},
	} {
		if got := wrong(c.from, c.to, c.test); (got == "") != c.fine {
			t.Errorf("%s imports %s, test %v: got %q, fine should be %v", c.from, c.to, c.test, got, c.fine)
		}
	}
}

// TestTaste keeps two more rules of docs/design.md.
func TestTaste(t *testing.T) {
	const longest = 500
	vague := []string{"util", "utils", "common", "helper", "helpers", "manager", "service", "types", "models"}
	for _, f := range goFiles(t) {
		if !f.test && f.lines > longest {
			t.Errorf("%s has %d lines, more than %d", f.name, f.lines, longest)
		}
		if slices.Contains(vague, strings.TrimSuffix(f.clause, "_test")) {
			t.Errorf("%s: a package is named by what it is in the story of a departure, not %q", f.name, f.clause)
		}
	}
}

// goFile is one file of Go in the module.
type goFile struct {
	name    string // slash-separated, relative to the module
	pkg     string // its folder: "." or "bridge/connector"
	clause  string // the name in its package clause
	test    bool
	lines   int
	imports []string // packages of this module, relative to it
}

// goFiles reads every Go file that the go command would look at.
func goFiles(t *testing.T) (files []goFile) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		base := path.Base(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		f, err := readGoFile(name)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readGoFile(name string) (goFile, error) {
	f := goFile{name: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go")}
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		return f, err
	}
	f.lines = bytes.Count(text, []byte("\n"))
	parsed, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	if err != nil {
		return f, err
	}
	f.clause = parsed.Name.Name
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return f, err
		}
		if imported == module {
			f.imports = append(f.imports, ".")
		} else if rest, ours := strings.CutPrefix(imported, module+"/"); ours {
			f.imports = append(f.imports, rest)
		}
	}
	return f, nil
}
