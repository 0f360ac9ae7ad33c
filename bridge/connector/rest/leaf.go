package rest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Expr is a CEL expression.
type Expr struct {
	Pos
	Source string
	program
}

func (e *Expr) fromYAML(d *decoder, path string, n ast.Node) {
	s, at, ok := text(n)
	if !ok {
		if b, isBool := n.(*ast.BoolNode); isBool {
			s, ok = b.GetToken().Value, true
		}
	}
	e.Source, e.Pos = strings.TrimSpace(s), at
	if !ok || e.Source == "" {
		d.problems.add(posOf(n), path, "must be a CEL expression")
	}
}

// Text is text in which ${…} stands for the value of a CEL expression. $${ is
// the text ${.
type Text struct {
	Pos
	Source string
	parts  []part
}

// part is literal text, or an expression.
type part struct {
	literal string
	expr    *Expr
}

func (t *Text) fromYAML(d *decoder, path string, n ast.Node) {
	s, at, ok := text(n)
	if !ok {
		if b, isBool := n.(*ast.BoolNode); isBool {
			s, ok = b.GetToken().Value, true
		}
	}
	if !ok {
		d.problems.add(posOf(n), path, "must be text")
		return
	}
	t.read(d, path, s, at)
}

func (t *Text) read(d *decoder, path, s string, at Pos) {
	t.Source, t.Pos = s, at
	parts, err := split(s)
	if err != nil {
		d.problems.add(at, path, "%s", err)
		return
	}
	for i := range parts {
		if e := parts[i].expr; e != nil {
			offset := e.Pos.Column
			e.Pos = at
			if !strings.Contains(s, "\n") {
				e.Pos.Column += offset
			}
		}
	}
	t.parts = parts
}

// split takes a text apart. The Pos of its expressions holds the offset.
func split(s string) ([]part, error) {
	var (
		parts   []part
		literal strings.Builder
	)
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "$${"):
			literal.WriteString("${")
			i += 3
		case strings.HasPrefix(s[i:], "${"):
			n := closing(s[i+2:])
			if n < 0 {
				return nil, fmt.Errorf("${ without its }")
			}
			source := s[i+2 : i+2+n]
			if strings.TrimSpace(source) == "" {
				return nil, fmt.Errorf("${} holds no expression")
			}
			if literal.Len() > 0 {
				parts = append(parts, part{literal: literal.String()})
				literal.Reset()
			}
			parts = append(parts, part{expr: &Expr{Pos: Pos{Column: i + 2}, Source: source}})
			i += 2 + n + 1
		default:
			literal.WriteByte(s[i])
			i++
		}
	}
	if literal.Len() > 0 {
		parts = append(parts, part{literal: literal.String()})
	}
	return parts, nil
}

// closing returns the offset of the brace that ends an expression, past braces
// and quotes inside it; -1 if there is none.
func closing(s string) int {
	depth := 0
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '{':
			depth++
		case c == '}':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}

// Body is the structure of a JSON body: a mapping of Body, a list of Body, a
// Text, or another scalar.
type Body struct {
	Pos
	value any // map[string]*Body, []*Body, *Text, or a scalar
}

func (b *Body) fromYAML(d *decoder, path string, n ast.Node) {
	b.Pos = posOf(n)
	switch node := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		fields := map[string]*Body{}
		for key, kv := range d.entries(path, node) {
			fields[key] = new(Body)
			fields[key].fromYAML(d, join(path, key), kv.Value)
		}
		b.value = fields
	case *ast.SequenceNode:
		items := make([]*Body, len(node.Values))
		for i, inner := range node.Values {
			items[i] = new(Body)
			items[i].fromYAML(d, indexed(path, i), inner)
		}
		b.value = items
	case *ast.StringNode, *ast.LiteralNode:
		t := new(Text)
		t.fromYAML(d, path, n)
		b.value = t
	default:
		b.value = d.plain(path, n)
	}
}

// Plain is any JSON value, in which nothing is replaced.
type Plain struct{ Value any }

func (p *Plain) fromYAML(d *decoder, path string, n ast.Node) { p.Value = d.plain(path, n) }

func (d *decoder) plain(path string, n ast.Node) any {
	switch node := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		fields := map[string]any{}
		for key, kv := range d.entries(path, node) {
			fields[key] = d.plain(join(path, key), kv.Value)
		}
		return fields
	case *ast.SequenceNode:
		items := make([]any, len(node.Values))
		for i, inner := range node.Values {
			items[i] = d.plain(indexed(path, i), inner)
		}
		return items
	case *ast.StringNode:
		return node.Value
	case *ast.LiteralNode:
		return node.Value.Value
	case *ast.BoolNode:
		return node.Value
	case *ast.IntegerNode:
		return node.Value
	case *ast.FloatNode:
		return node.Value
	case *ast.NullNode:
		return nil
	}
	d.problems.add(posOf(n), path, "has no meaning in JSON")
	return nil
}

// Span is a length of time: "90s", "5m", "1h30m", "30d".
type Span time.Duration

func (s *Span) fromYAML(d *decoder, path string, n ast.Node) {
	raw, _, _ := text(n)
	if days, ok := strings.CutSuffix(raw, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 10); err == nil {
			*s = Span(n) * Span(24*time.Hour)
			return
		}
	}
	span, err := time.ParseDuration(raw)
	if err != nil || span < 0 {
		d.problems.add(posOf(n), path, "must be a length of time, such as 90s, 5m, 2h or 30d")
		return
	}
	*s = Span(span)
}

func (s Span) or(other time.Duration) time.Duration {
	if s == 0 {
		return other
	}
	return time.Duration(s)
}

func (v *Verify) fromYAML(d *decoder, path string, n ast.Node) {
	v.Pos = posOf(n)
	switch node := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		v.Proofs = make([]Proof, 1)
		d.into(path, n, &v.Proofs[0])
	case *ast.SequenceNode:
		v.Proofs = make([]Proof, len(node.Values))
		for i, inner := range node.Values {
			d.into(indexed(path, i), inner, &v.Proofs[i])
		}
		if len(v.Proofs) == 0 {
			d.problems.add(v.Pos, path, "is empty; give a request that proves it, or say verify: unverifiable")
		}
	default:
		word, _, _ := text(n)
		if word != "unverifiable" {
			d.problems.add(v.Pos, path, "must be a request that proves it, a list of such, or the word unverifiable")
			return
		}
		v.Unverifiable = true
	}
}
