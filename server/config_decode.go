package server

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector"
)

// Mistake is one thing that is wrong in the configuration, and what to do.
type Mistake struct {
	File         string
	Line, Column int // from 1; 0 if it is about the file as a whole
	Path         string
	Message      string
}

func (m Mistake) String() string {
	s := m.File
	if m.Line > 0 {
		s += fmt.Sprintf(":%d:%d", m.Line, m.Column)
	}
	if m.Path != "" {
		s += ": " + m.Path
	}
	return s + ": " + m.Message
}

// Mistakes is every mistake in one file, in the order of their lines.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

func (m Mistakes) sort() {
	slices.SortStableFunc(m, func(a, b Mistake) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
}

// decoder reads YAML into structs by their yaml tags, and goes on after a
// mistake, which is why it is ours: the library's own stops at the first.
// Anchors, aliases, tags and merge keys are refused: what a configuration says
// is to be seen where it stands.
type decoder struct {
	file     string
	mistakes Mistakes
	warnings Mistakes
	at       map[string]*token.Position // where each path stands
	raw      map[string]ast.Node        // values of fields of type any, to be decoded later
	getenv   func(string) string
	self     connector.Self // who we are towards apps
}

func newDecoder(file string, getenv func(string) string) *decoder {
	return &decoder{file: file, getenv: getenv, at: map[string]*token.Position{}, raw: map[string]ast.Node{}}
}

// document parses data and decodes it into the struct that v points to.
func (d *decoder) document(data []byte, v any) {
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		message, pos := err.Error(), (*token.Position)(nil)
		var known yaml.Error
		if errors.As(err, &known) {
			message = known.GetMessage()
			if t := known.GetToken(); t != nil {
				pos = t.Position
			}
		}
		d.addAt(pos, "", "this is not YAML: %s", strings.TrimSpace(message))
		return
	}
	if len(file.Docs) > 1 && file.Docs[1].Body != nil {
		d.addAt(file.Docs[1].Body.GetToken().Position, "", "a second document begins here; keep everything in one")
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return // an empty file: all defaults
	}
	d.value(file.Docs[0].Body, reflect.ValueOf(v).Elem(), "")
}

// add notes a mistake at a path, or at the nearest path above it that is in the file.
func (d *decoder) add(path, format string, args ...any) {
	d.addAt(d.position(path), path, format, args...)
}

func (d *decoder) warn(path, format string, args ...any) {
	d.warnings = append(d.warnings, d.mistake(d.position(path), path, format, args...))
}

func (d *decoder) addAt(pos *token.Position, path, format string, args ...any) {
	d.mistakes = append(d.mistakes, d.mistake(pos, path, format, args...))
}

func (d *decoder) mistake(pos *token.Position, path, format string, args ...any) Mistake {
	m := Mistake{File: d.file, Path: path, Message: fmt.Sprintf(format, args...)}
	if pos != nil {
		m.Line, m.Column = pos.Line, pos.Column
	}
	return m
}

func (d *decoder) position(path string) *token.Position {
	for {
		if pos := d.at[path]; pos != nil {
			return pos
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return nil
		}
		path = path[:i]
	}
}

// value decodes one node into v.
func (d *decoder) value(n ast.Node, v reflect.Value, path string) {
	if t := n.GetToken(); t != nil {
		if _, keys := n.(ast.MapNode); !keys || d.at[path] == nil {
			d.at[path] = t.Position // the value itself; of keys and values, the key above them
		}
	}
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		d.addAt(n.GetToken().Position, path, "anchors, aliases and tags are not read; write the value out here")
		return
	case *ast.NullNode:
		return // as if the key were absent
	}
	if v.Kind() == reflect.Interface {
		d.raw[path] = n
		return
	}
	if v.Type() == reflect.TypeFor[bridge.Secret]() {
		d.secret(n, v, path)
		return
	}
	if _, list := n.(*ast.SequenceNode); v.Type() == reflect.TypeFor[Secrets]() && !list {
		v.Set(reflect.ValueOf(make(Secrets, 1)))
		d.secret(n, v.Index(0), path)
		return
	}
	if _, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(n, v, path)
		return
	}
	if isSelfDecoding(v) {
		if err := yaml.NodeToValue(n, v.Addr().Interface(), yaml.Strict()); err != nil {
			d.library(n, path, err)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	default:
		d.scalar(n, v, path)
	}
}

func isSelfDecoding(v reflect.Value) bool {
	switch v.Addr().Interface().(type) {
	case yaml.BytesUnmarshaler, yaml.InterfaceUnmarshaler, yaml.NodeUnmarshaler:
		return true
	}
	return false
}

func (d *decoder) library(n ast.Node, path string, err error) {
	message, pos := err.Error(), n.GetToken().Position
	var known yaml.Error
	if errors.As(err, &known) {
		message = known.GetMessage()
		if t := known.GetToken(); t != nil && t.Position != nil && t.Position.Line > 1 {
			pos = t.Position
		}
	}
	d.addAt(pos, path, "%s", strings.TrimSpace(message))
}

// entries returns the entries of a mapping, each key once.
func (d *decoder) entries(n ast.Node, path string) (entries []*ast.MappingValueNode) {
	m, ok := n.(ast.MapNode)
	if !ok {
		d.addAt(n.GetToken().Position, path, "needs keys and values below it, not %s", describe(n))
		return nil
	}
	seen := map[string]int{}
	for it := m.MapRange(); it.Next(); {
		e := it.KeyValue()
		pos := e.Key.GetToken().Position
		if e.Key.IsMergeKey() {
			d.addAt(pos, path, "anchors, aliases and tags are not read; write the value out here")
			continue
		}
		key := keyOf(e)
		if first, twice := seen[key]; twice {
			d.addAt(pos, join(path, key), "is already set in line %d; remove one of the two", first)
			continue
		}
		seen[key] = pos.Line
		d.at[join(path, key)] = pos
		entries = append(entries, e)
	}
	return entries
}

func keyOf(e *ast.MappingValueNode) string {
	if s, ok := e.Key.(*ast.StringNode); ok {
		return s.Value
	}
	return e.Key.GetToken().Value
}

func (d *decoder) structure(n ast.Node, v reflect.Value, path string) {
	fields := fieldsOf(v)
	for _, e := range d.entries(n, path) {
		key := keyOf(e)
		field, ok := fields[key]
		if !ok {
			known := make([]string, 0, len(fields))
			for name := range fields {
				known = append(known, name)
			}
			d.addAt(e.Key.GetToken().Position, join(path, key), "there is no such key; %s", suggest(key, known))
			continue
		}
		d.value(e.Value, field, join(path, key))
	}
}

// fieldsOf returns the settable fields of a struct by the names that its yaml
// tags give them; embedded structs count as written out.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case (f.Anonymous || strings.Contains(opts, "inline")) && f.Type.Kind() == reflect.Struct:
			for name, field := range fieldsOf(v.Field(i)) {
				fields[name] = field
			}
		case !f.IsExported() || tag == "-":
		case tag != "":
			fields[tag] = v.Field(i)
		default:
			fields[strings.ToLower(f.Name)] = v.Field(i)
		}
	}
	return fields
}

func (d *decoder) mapping(n ast.Node, v reflect.Value, path string) {
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range d.entries(n, path) {
		key, item := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		key.SetString(keyOf(e))
		d.value(e.Value, item, join(path, keyOf(e)))
		v.SetMapIndex(key, item)
	}
}

func (d *decoder) list(n ast.Node, v reflect.Value, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.addAt(n.GetToken().Position, path, "needs a list, not %s; write [a, b], or one \"- a\" a line", describe(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values)))
	for i, item := range seq.Values {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

func (d *decoder) text(n ast.Node, v reflect.Value, path string) {
	s, ok := textOf(n)
	if !ok {
		d.addAt(n.GetToken().Position, path, "needs text (put it in quotes), not %s", describe(n))
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
		d.addAt(n.GetToken().Position, path, "%s", err)
	}
}

func textOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	}
	return "", false
}

func (d *decoder) scalar(n ast.Node, v reflect.Value, path string) {
	pos, raw := n.GetToken().Position, n.GetToken().Value
	wrong := func(want string) { d.addAt(pos, path, "needs %s, not %s", want, describe(n)) }
	if v.Type() == reflect.TypeFor[time.Duration]() {
		s, _ := textOf(n)
		length, err := time.ParseDuration(s)
		if err != nil || length < 0 {
			wrong("a length of time such as 500ms, 10s, 5m or 24h")
			return
		}
		v.SetInt(int64(length))
		return
	}
	switch v.Kind() {
	case reflect.String:
		s, ok := textOf(n)
		if !ok {
			wrong("text (put it in quotes)")
			return
		}
		v.SetString(s)
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			wrong("true or false")
			return
		}
		v.SetBool(b.Value)
	case reflect.Int, reflect.Int64, reflect.Int32:
		i, err := strconv.ParseInt(strings.ReplaceAll(raw, "_", ""), 10, v.Type().Bits())
		if _, ok := n.(*ast.IntegerNode); !ok || err != nil {
			wrong("a whole number")
			return
		}
		v.SetInt(i)
	case reflect.Float64:
		f, err := strconv.ParseFloat(strings.ReplaceAll(raw, "_", ""), 64)
		if _, ok := textOf(n); ok || err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			wrong("a number")
			return
		}
		v.SetFloat(f)
	default: // a Go type that nobody taught us: a fault of ours, not of the file
		d.addAt(pos, path, "cannot be set from a file (%s)", v.Type())
	}
}

func describe(n ast.Node) string {
	switch n := n.(type) {
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "keys and values"
	case *ast.BoolNode:
		return strconv.FormatBool(n.Value)
	case *ast.IntegerNode, *ast.FloatNode:
		return "the number " + n.GetToken().Value
	case *ast.StringNode, *ast.LiteralNode:
		return "text" // which is not repeated: it may be a secret in the wrong place
	}
	return "this"
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
