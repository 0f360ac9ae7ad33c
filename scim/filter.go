package scim

import (
	"encoding/json"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
)

// filter is one node of a filter's tree (RFC 7644, section 3.4.2.2).
type filter struct {
	op    string  // "and", "or", "not", "has" (a value path), "pr", or a comparison: "eq", "ne" …
	left  *filter // of and, or; the only one of not and has
	right *filter

	name  string // as written: of has, pr and comparisons
	value any    // of comparisons: string, bool, json.Number or nil
	part  bool   // of has: written as name[…].sub op value, see has

	// Set by bind, which brings value into the form in which it is compared.
	path []*attribute // what name means
	said any          // value as it was written
	// foreign: only resources of another type have what name means.
	foreign bool
}

// parser reads a filter, once, from left to right.
type parser struct {
	s     string
	at    int
	depth int // how many levels more are allowed
	terms int // how many comparisons more are allowed
}

// parseFilter reads a filter. Names are not looked up yet; see bind.
func parseFilter(s string, l Limits) (*filter, error) {
	if len(s) > l.Filter {
		return nil, fault(scimerrors.ScimTypeInvalidFilter, "the filter is longer than %d bytes", l.Filter)
	}
	p := parser{s: s, depth: l.Depth, terms: l.Terms}
	f, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.peek() != 0 {
		return nil, p.fail("something follows the filter")
	}
	return f, nil
}

func (p *parser) fail(what string) error {
	return fault(scimerrors.ScimTypeInvalidFilter, "%s, at byte %d of the filter", what, p.at)
}

// peek skips spaces and returns the byte that comes then, or 0 at the end.
func (p *parser) peek() byte {
	for p.at < len(p.s) && (p.s[p.at] == ' ' || p.s[p.at] == '\t') {
		p.at++
	}
	if p.at == len(p.s) {
		return 0
	}
	return p.s[p.at]
}

func (p *parser) take(c byte) bool {
	if p.peek() != c || c == 0 {
		return false
	}
	p.at++
	return true
}

// word returns what comes up to the next space, quote or bracket. In a URN,
// pairs of parentheses are part of it (RFC 8141, section 2).
func (p *parser) word() string {
	p.peek()
	from, open := p.at, 0
	for ; p.at < len(p.s); p.at++ {
		switch p.s[p.at] {
		case ' ', '\t', '"', '[', ']':
			return p.s[from:p.at]
		case '(':
			if p.at-from < len("urn:") || !strings.EqualFold(p.s[from:from+len("urn:")], "urn:") {
				return p.s[from:p.at]
			}
			open++
		case ')':
			if open--; open < 0 {
				return p.s[from:p.at]
			}
		}
	}
	return p.s[from:p.at]
}

// keyword takes the given word if it comes next, in whatever case.
func (p *parser) keyword(w string) bool {
	at := p.at
	if strings.EqualFold(p.word(), w) {
		return true
	}
	p.at = at
	return false
}

func (p *parser) or() (*filter, error) { return p.chain("or", (*parser).and) }

func (p *parser) and() (*filter, error) { return p.chain("and", (*parser).unary) }

// chain reads operands joined by one logical operator.
func (p *parser) chain(op string, operand func(*parser) (*filter, error)) (*filter, error) {
	f, err := operand(p)
	for err == nil && p.keyword(op) {
		var right *filter
		right, err = operand(p)
		f = &filter{op: op, left: f, right: right}
	}
	return f, err
}

// unary reads a group, a negation, a value path or a comparison.
func (p *parser) unary() (*filter, error) {
	at := p.at
	if p.keyword("not") && p.peek() == '(' {
		p.take('(')
		f, err := p.inside(')')
		return &filter{op: "not", left: f}, err
	}
	p.at = at
	if p.take('(') {
		return p.inside(')')
	}
	name := p.word()
	if name == "" {
		return nil, p.fail("expected an attribute")
	}
	if p.at < len(p.s) && p.s[p.at] == '[' {
		return p.has(name)
	}
	return p.comparison(name)
}

// inside reads what stands in brackets, with the closing one.
func (p *parser) inside(end byte) (*filter, error) {
	if p.depth--; p.depth < 0 {
		return nil, p.fail("too many brackets in brackets")
	}
	f, err := p.or()
	if err != nil {
		return nil, err
	}
	if !p.take(end) {
		return nil, p.fail("a bracket does not end")
	}
	p.depth++
	return f, nil
}

// has reads name[…]. The form name[…].sub op value is not in the grammar, but
// Entra sends it; it asks for a value that is selected and compares so.
func (p *parser) has(name string) (*filter, error) {
	p.take('[')
	inner, err := p.inside(']')
	if err != nil {
		return nil, err
	}
	f := &filter{op: "has", left: inner, name: name}
	if p.at < len(p.s) && p.s[p.at] == '.' {
		p.at++
		sub, err := p.comparison(p.word())
		if err != nil {
			return nil, err
		}
		f.left, f.part = &filter{op: "and", left: inner, right: sub}, true
	}
	return f, nil
}

func (p *parser) comparison(name string) (*filter, error) {
	if p.terms--; p.terms < 0 {
		return nil, p.fail("too many comparisons")
	}
	op := strings.ToLower(p.word())
	switch op {
	case "pr":
		return &filter{op: op, name: name}, nil
	case "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le":
	default:
		return nil, p.fail("expected an operator")
	}
	v, err := p.literal()
	return &filter{op: op, name: name, value: v}, err
}

// literal reads a JSON string, number, true, false or null.
func (p *parser) literal() (any, error) {
	if p.peek() == '"' {
		d := decoder{data: []byte(p.s[p.at:])}
		s, err := d.str()
		if err != nil {
			return nil, p.fail("a wrong string")
		}
		p.at += d.at
		return s, nil
	}
	w := p.word()
	switch strings.ToLower(w) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "null":
		return nil, nil
	}
	d := decoder{data: []byte(w)}
	if v, err := d.number(); err == nil && d.at == len(w) {
		return v.(json.Number), nil
	}
	return nil, p.fail("expected a value")
}

// mentions reports whether a bound filter asks for anything in a.
func (f *filter) mentions(a *attribute) bool {
	if f == nil {
		return false
	}
	return len(f.path) > 0 && f.path[0] == a || f.left.mentions(a) || f.right.mentions(a)
}
