package rest

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

const (
	maxBytes = 256 << 10 // of a recipe
	maxDepth = 40        // of its structure
)

// decoder reads a document into a Go value as strictly as can be, and goes on
// after a mistake so that all of them are told at once. The struct tags are its
// only rules, and those of the JSON Schema: yaml for names, required and enum=
// in jsonschema.
type decoder struct{ problems Problems }

// leaf is a type that reads itself.
type leaf interface {
	fromYAML(d *decoder, path string, n ast.Node)
}

// decode reads src into v, a pointer to a struct.
func decode(src []byte, v any) Problems {
	d := &decoder{}
	root := d.parse(src)
	if root == nil {
		return d.problems
	}
	d.value("", root, reflect.ValueOf(v).Elem())
	return d.problems.sorted()
}

// parse returns the only document of src, or nil if it has mistakes of its own.
func (d *decoder) parse(src []byte) ast.Node {
	if len(src) > maxBytes {
		d.problems.add(Pos{1, 1}, "", "the recipe is larger than %d KiB", maxBytes>>10)
		return nil
	}
	if line := tooDeep(src); line > 0 {
		d.problems.add(Pos{line, 1}, "", "nested more than %d deep", maxDepth)
		return nil
	}
	file, err := parser.ParseBytes(src, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, message := Pos{1, 1}, "this is not YAML"
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) {
			message = syntax.Message
			if syntax.Token != nil && syntax.Token.Position != nil {
				at = Pos{syntax.Token.Position.Line, syntax.Token.Position.Column}
			}
		}
		d.problems.add(at, "", "%s", message)
		return nil
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		d.problems.add(Pos{1, 1}, "", "a recipe is exactly one document")
		return nil
	}
	root := file.Docs[0].Body
	ast.Walk(indirections{d}, root)
	if len(d.problems) > 0 {
		return nil
	}
	return root
}

// tooDeep returns the line at which brackets, or sequences in one line, nest
// deeper than maxDepth; 0 if they do not. Indentation is bounded by the size.
// The parser descends once for each level, so this is asked before it.
func tooDeep(src []byte) int {
	brackets, line, dashes, leading := 0, 1, 0, true
	for _, c := range src {
		switch c {
		case '\n':
			line, dashes, leading = line+1, 0, true
			continue
		case '[', '{':
			brackets++
		case ']', '}':
			brackets = max(brackets-1, 0)
		case '-', '?', ':':
			if leading {
				dashes++
			}
		case ' ', '\t', '\r':
		default:
			leading = false
		}
		if brackets > maxDepth || dashes > maxDepth {
			return line
		}
	}
	return 0
}

// indirections finds what makes a document say something other than it shows.
type indirections struct{ d *decoder }

func (i indirections) Visit(n ast.Node) ast.Visitor {
	what := ""
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		what = "anchors and aliases are not allowed; write it out"
	case *ast.TagNode, *ast.DirectiveNode:
		what = "tags and directives are not allowed"
	default:
		return i
	}
	i.d.problems.add(posOf(n), "", "%s", what)
	return i
}

func posOf(n ast.Node) Pos {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return Pos{t.Position.Line, t.Position.Column}
	}
	return Pos{1, 1}
}

func (d *decoder) value(path string, n ast.Node, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if l, ok := v.Addr().Interface().(leaf); ok {
		l.fromYAML(d, path, n)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.object(path, n, v)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for key, kv := range d.entries(path, n) {
			item := reflect.New(v.Type().Elem()).Elem()
			d.value(join(path, key), kv.Value, item)
			v.SetMapIndex(reflect.ValueOf(key), item)
		}
	case reflect.Slice:
		s, ok := n.(*ast.SequenceNode)
		if !ok {
			d.problems.add(posOf(n), path, "must be a list")
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values)))
		for i, node := range s.Values {
			d.value(indexed(path, i), node, v.Index(i))
		}
	default:
		d.scalar(path, n, v)
	}
}

func (d *decoder) scalar(path string, n ast.Node, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if s, _, ok := text(n); ok {
			v.SetString(s)
			return
		}
		d.problems.add(posOf(n), path, "must be text")
	case reflect.Bool:
		if b, ok := n.(*ast.BoolNode); ok {
			v.SetBool(b.Value)
			return
		}
		d.problems.add(posOf(n), path, "must be true or false")
	case reflect.Int:
		if i, ok := n.(*ast.IntegerNode); ok {
			if u, ok := i.Value.(uint64); ok && u <= 1<<31 {
				v.SetInt(int64(u))
				return
			}
		}
		d.problems.add(posOf(n), path, "must be a whole number, not below 0")
	case reflect.Float64:
		switch f := n.(type) {
		case *ast.FloatNode:
			v.SetFloat(f.Value)
			return
		case *ast.IntegerNode:
			if u, ok := f.Value.(uint64); ok {
				v.SetFloat(float64(u))
				return
			}
		}
		d.problems.add(posOf(n), path, "must be a number, not below 0")
	default:
		panic("rest: no reading of " + v.Type().String())
	}
}

// field is one key that a struct knows.
type field struct {
	index    []int
	required bool
	enum     []string
}

func fieldsOf(t reflect.Type) map[string]field {
	fields := map[string]field{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			for k, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				fields[k] = inner
			}
		case name == "" || name == "-":
		default:
			out := field{index: []int{i}}
			for rule := range strings.SplitSeq(f.Tag.Get("jsonschema"), ",") {
				if word, ok := strings.CutPrefix(rule, "enum="); ok {
					out.enum = append(out.enum, word)
				} else if rule == "required" {
					out.required = true
				}
			}
			fields[name] = out
		}
	}
	return fields
}

func (d *decoder) object(path string, n ast.Node, v reflect.Value) {
	if pos := v.FieldByName("Pos"); pos.IsValid() {
		pos.Set(reflect.ValueOf(posOf(n)))
	}
	fields := fieldsOf(v.Type())
	known := make([]string, 0, len(fields))
	for name := range fields {
		known = append(known, name)
	}
	slices.Sort(known)
	entries := d.entries(path, n)
	if entries == nil {
		return
	}
	for key, kv := range entries {
		f, ok := fields[key]
		if !ok {
			d.problems.add(posOf(kv.Key), join(path, key), "unknown key%s", meant(key, known))
			continue
		}
		node := kv.Value
		target := v.FieldByIndex(f.index)
		d.value(join(path, key), node, target)
		if word := target; f.enum != nil && word.Kind() == reflect.String && !slices.Contains(f.enum, word.String()) {
			d.problems.add(posOf(node), join(path, key), "%q is not known%s", word.String(), meant(word.String(), f.enum))
		}
	}
	for _, name := range known {
		if _, given := entries[name]; fields[name].required && !given {
			d.problems.add(posOf(n), path, "%s is missing%s", name, advice(name))
		}
	}
}

// advice says what to do about a missing key where that is not obvious.
func advice(name string) string {
	switch name {
	case "match":
		return "; search is fuzzy nearly everywhere, so say when an item is exactly this person"
	case "verify":
		return "; give a request that proves it, or say verify: unverifiable"
	case "max":
		return "; say how many items are still plausible for one person"
	case "probe":
		return "; give a request that succeeds if address and credentials are in order"
	}
	return ""
}

// entries returns the entries of a mapping by key; nil if it is none.
func (d *decoder) entries(path string, n ast.Node) map[string]*ast.MappingValueNode {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		d.problems.add(posOf(n), path, "must be a mapping of keys to values")
		return nil
	}
	entries := make(map[string]*ast.MappingValueNode, len(values))
	for _, kv := range values {
		key, _, ok := text(kv.Key)
		if !ok {
			d.problems.add(posOf(kv.Key), path, "keys must be text")
			continue
		}
		if _, twice := entries[key]; twice {
			d.problems.add(posOf(kv.Key), join(path, key), "stands here twice; remove one")
			continue
		}
		entries[key] = kv
	}
	return entries
}

// text returns a scalar as it is written, and where its first letter stands.
// Numbers count as text; true, false and null do not.
func text(n ast.Node) (string, Pos, bool) {
	at := posOf(n)
	switch s := n.(type) {
	case *ast.StringNode:
		if t := s.GetToken(); t != nil && (strings.HasPrefix(strings.TrimLeft(t.Origin, " \n"), `"`) ||
			strings.HasPrefix(strings.TrimLeft(t.Origin, " \n"), "'")) {
			at.Column++
		}
		return s.Value, at, true
	case *ast.LiteralNode:
		return s.Value.Value, Pos{at.Line + 1, at.Column}, true
	case *ast.IntegerNode:
		return s.GetToken().Value, at, true
	case *ast.FloatNode:
		return s.GetToken().Value, at, true
	}
	return "", at, false
}

func (d *decoder) into(path string, n ast.Node, v any) { d.value(path, n, reflect.ValueOf(v).Elem()) }

func indexed(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
