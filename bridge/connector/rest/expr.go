package rest

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
)

// What an expression may cost. A predicate over a list of a thousand items
// costs a few ten thousand.
const (
	maxSource = 4 << 10   // characters
	maxCost   = 1_000_000 // CEL cost units
)

// scope is the set of variables known at one place of a recipe.
type scope []string

var (
	inParams  = scope{"params"}
	inPerson  = scope{"params", "now", "subject"}
	inAccount = scope{"params", "now", "subject", "user"}
)

func (s scope) with(names ...string) scope { return append(slices.Clone(s), names...) }

// answer adds what an answer gives.
func (s scope) answer() scope { return s.with("status", "headers", "body") }

// vars are the values of variables.
type vars map[string]any

func (v vars) with(name string, value any) vars {
	out := maps.Clone(v)
	out[name] = value
	return out
}

// newEnv declares every variable there is; scopes say where each is known.
func newEnv() (*cel.Env, error) {
	return cel.NewEnv(
		cel.OptionalTypes(),
		ext.Strings(),
		ext.Encoders(),
		ext.NativeTypes(reflect.TypeFor[Subject](), reflect.TypeFor[User](), ext.ParseStructTags(true)),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(maxSource),
		cel.Variable("params", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("now", cel.TimestampType),
		cel.Variable("subject", cel.ObjectType("rest.Subject")),
		cel.Variable("user", cel.ObjectType("rest.User")),
		cel.Variable("item", cel.DynType),
		cel.Variable("status", cel.IntType),
		cel.Variable("headers", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("body", cel.DynType),
		cel.Function("scimString", cel.Overload("scimString_string", []*cel.Type{cel.StringType}, cel.StringType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return types.String(scimString(string(v.(types.String)))) }))),
	)
}

// scimString quotes s as a string of a filter (RFC 7644, section 3.4.2.2, which
// takes it from JSON), as Okta's search and others have it too.
func scimString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// program is a compiled expression.
type program struct {
	run   cel.Program
	names []string // variables, and what is selected of subject: "subject.email"
}

// uses reports whether an expression uses a variable, or an attribute of subject.
func (p *program) uses(name string) bool { return slices.Contains(p.names, name) }

// compiler compiles the expressions of one recipe and notes what they use.
type compiler struct {
	env      *cel.Env
	problems Problems
	params   map[string]Param
	used     map[string]bool // params that are used
}

// compile checks e in its scope. want is the type it must have; nil is any that
// can stand in text.
func (c *compiler) compile(path string, e *Expr, s scope, want *cel.Type) {
	if e == nil || e.Source == "" {
		return
	}
	checked, issues := c.env.Compile(e.Source)
	if issues.Err() != nil {
		for _, one := range issues.Errors() {
			c.problems.add(e.place(one.Location.Line(), one.Location.Column()), path, "%s%s", one.Message, c.hint(one.Message, s))
		}
		return
	}
	c.identifiers(path, e, checked.NativeRep(), s)
	if got := checked.OutputType(); want != nil && !fits(got, want) {
		hint := ""
		if want == cel.BoolType {
			hint = "; compare it with something, such as … == true"
		}
		c.problems.add(e.Pos, path, "this is %s, but must be %s%s", got, want, hint)
	}
	run, err := c.env.Program(checked, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(100),
		cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		c.problems.add(e.Pos, path, "this expression cannot be prepared")
		return
	}
	e.run = run
}

// fits reports whether an expression of type got can stand where want must.
// Predicates must be known to be bool; lists and text may turn out so.
func fits(got, want *cel.Type) bool {
	if want == cel.BoolType {
		return got.IsExactType(cel.BoolType)
	}
	return got.Kind() == want.Kind() || got.Kind() == types.DynKind
}

func (e *Expr) place(line, column int) Pos {
	if line <= 1 {
		return Pos{e.Line, e.Column + column}
	}
	return Pos{e.Line + line - 1, column + 1}
}

func (c *compiler) hint(message string, s scope) string {
	if strings.Contains(message, "undeclared reference to 'snapshot'") {
		return "; the account as it was before is not kept, so only " + strings.Join(s, ", ") + " can be used"
	}
	if strings.Contains(message, "undeclared reference") && !strings.Contains(message, "mean") {
		return "; known here are " + strings.Join(s, ", ")
	}
	return ""
}

// identifiers finds the variables and params that an expression uses.
func (c *compiler) identifiers(path string, e *Expr, checked *celast.AST, s scope) {
	declared := []string{"params", "now", "subject", "user", "item", "status", "headers", "body"}
	info := checked.SourceInfo()
	celast.PostOrderVisit(checked.Expr(), celast.NewExprVisitor(func(x celast.Expr) {
		at := info.GetStartLocation(x.ID())
		switch x.Kind() {
		case celast.IdentKind:
			name := x.AsIdent()
			if r, ok := checked.ReferenceMap()[x.ID()]; !ok || r.Name != name || !slices.Contains(declared, name) {
				return
			}
			if !slices.Contains(s, name) {
				c.problems.add(e.place(at.Line(), at.Column()), path, "%s is not known here; known are %s", name, strings.Join(s, ", "))
			}
			e.names = append(e.names, name)
		case celast.SelectKind:
			of := x.AsSelect()
			if of.Operand().Kind() != celast.IdentKind {
				return
			}
			e.names = append(e.names, of.Operand().AsIdent()+"."+of.FieldName())
			if of.Operand().AsIdent() != "params" {
				return
			}
			c.used[of.FieldName()] = true
			if _, ok := c.params[of.FieldName()]; !ok {
				known := slices.Sorted(maps.Keys(c.params))
				c.problems.add(e.place(at.Line(), at.Column()), path, "there is no param %q%s", of.FieldName(), meant(of.FieldName(), known))
			}
		}
	}))
}

// text compiles the expressions of a text.
func (c *compiler) text(path string, t *Text, s scope) {
	if t == nil {
		return
	}
	for _, p := range t.parts {
		c.compile(path, p.expr, s, nil)
	}
}

func (c *compiler) texts(path string, m map[string]Text, s scope) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		t := m[name]
		c.text(join(path, name), &t, s)
	}
}

func (c *compiler) body(path string, b *Body, s scope) {
	if b == nil {
		return
	}
	switch v := b.value.(type) {
	case *Text:
		c.text(path, v, s)
	case map[string]*Body:
		for name, inner := range v {
			c.body(join(path, name), inner, s)
		}
	case []*Body:
		for i, inner := range v {
			c.body(indexed(path, i), inner, s)
		}
	}
}

// errEval says that an expression has no value here. It holds the recipe's
// words only: CEL's own message may hold the answer's.
type errEval struct {
	e    *Expr
	what string
}

func (e *errEval) Error() string {
	return fmt.Sprintf("line %d of the recipe: %q %s", e.e.Line, e.e.Source, e.what)
}

// eval returns the value of an expression.
func (e *Expr) eval(ctx context.Context, v vars) (any, error) {
	out, _, err := e.run.ContextEval(ctx, map[string]any(v))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &errEval{e, "has no value for this answer"}
	}
	return native(out), nil
}

// holds evaluates a predicate; nil holds always.
func (e *Expr) holds(ctx context.Context, v vars) (bool, error) {
	if e == nil {
		return true, nil
	}
	out, err := e.eval(ctx, v)
	if err != nil {
		return false, err
	}
	return out == true, nil
}

// list evaluates to a list. null is an empty one: vendors leave out what is empty.
func (e *Expr) list(ctx context.Context, v vars) ([]any, error) {
	out, err := e.eval(ctx, v)
	if err != nil {
		return nil, err
	}
	switch items := out.(type) {
	case []any:
		return items, nil
	case nil:
		return nil, nil
	}
	return nil, &errEval{e, "is no list in this answer"}
}

// word evaluates to text, a number or a bool, as text; null is "".
func (e *Expr) word(ctx context.Context, v vars) (string, error) {
	out, err := e.eval(ctx, v)
	if err != nil {
		return "", err
	}
	s, ok := written(out)
	if !ok {
		return "", &errEval{e, "is no text or number in this answer"}
	}
	return s, nil
}

// native turns a CEL value into what encoding/json writes.
func native(v ref.Val) any {
	switch v := v.(type) {
	case types.Null:
		return nil
	case types.Bool:
		return bool(v)
	case types.Int:
		return int64(v)
	case types.Uint:
		return uint64(v)
	case types.Double:
		return float64(v)
	case types.String:
		return string(v)
	case types.Timestamp:
		return v.Time.UTC().Format(time.RFC3339Nano)
	case *types.Optional:
		if !v.HasValue() {
			return nil
		}
		return native(v.GetValue())
	case traits.Mapper:
		out := map[string]any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			key := it.Next()
			name, ok := written(native(key))
			if !ok {
				continue
			}
			out[name] = native(v.Get(key))
		}
		return out
	case traits.Lister:
		n, _ := v.Size().(types.Int)
		out := make([]any, 0, n)
		for i := range n {
			out = append(out, native(v.Get(i)))
		}
		return out
	}
	return fmt.Sprint(v.Value())
}
