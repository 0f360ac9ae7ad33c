package rest

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// written returns a scalar as it stands in text; null is "".
func written(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case uint64:
		return strconv.FormatUint(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// fill returns the text with its values.
func (t *Text) fill(ctx context.Context, v vars) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.expr == nil {
			b.WriteString(p.literal)
			continue
		}
		s, err := p.expr.word(ctx, v)
		if err != nil {
			return "", err
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// value is fill, but a text that is one expression keeps the value's type.
func (t *Text) value(ctx context.Context, v vars) (any, error) {
	if len(t.parts) == 1 && t.parts[0].expr != nil {
		return t.parts[0].expr.eval(ctx, v)
	}
	return t.fill(ctx, v)
}

// shown is the text as receipts and errors have it: what stands in ${…} is
// named, not filled in.
func (t *Text) shown() string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.expr == nil {
			b.WriteString(p.literal)
		} else {
			b.WriteString("{" + p.expr.Source + "}")
		}
	}
	return b.String()
}

func (b *Body) fill(ctx context.Context, v vars) (any, error) {
	switch value := b.value.(type) {
	case *Text:
		return value.value(ctx, v)
	case map[string]*Body:
		out := make(map[string]any, len(value))
		for name, inner := range value {
			var err error
			if out[name], err = inner.fill(ctx, v); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []*Body:
		out := make([]any, len(value))
		for i, inner := range value {
			var err error
			if out[i], err = inner.fill(ctx, v); err != nil {
				return nil, err
			}
		}
		return out, nil
	default:
		return value, nil
	}
}

// path is the text as the path of a URL. Each value becomes a part of one
// segment, whatever is in it: it is escaped, and what could lead elsewhere is
// refused, not mended.
func (t *Text) path(ctx context.Context, v vars) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.expr == nil {
			b.WriteString(p.literal)
			continue
		}
		s, err := p.expr.word(ctx, v)
		if err != nil {
			return "", err
		}
		if err := inSegment(s); err != nil {
			return "", &errEval{p.expr, err.Error()}
		}
		b.WriteString(url.PathEscape(s))
	}
	filled := b.String()
	for segment := range strings.SplitSeq(filled, "/") {
		if plain, err := url.PathUnescape(segment); err != nil || plain == "." || plain == ".." {
			return "", fmt.Errorf("line %d of the recipe: the path leads elsewhere", t.Line)
		}
	}
	return filled, nil
}

// inSegment says why s may not be put into a path.
func inSegment(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("is empty, and stands in a path")
	case s == "." || s == "..":
		return fmt.Errorf("is . or .., and stands in a path")
	case strings.ContainsAny(s, `/\`):
		return fmt.Errorf("holds a slash, and stands in a path")
	case strings.ContainsFunc(s, unicode.IsControl), !strings.ContainsFunc(s, func(r rune) bool { return r != '.' }):
		return fmt.Errorf("is no name, and stands in a path")
	}
	return nil
}
