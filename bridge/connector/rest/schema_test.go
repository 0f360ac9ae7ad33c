package rest

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write recipe.schema.json")

const schemaFile = "../../recipes/recipe.schema.json"

// generated is the JSON Schema as the types and their comments have it now.
func generated(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, ExpandedStruct: true, Anonymous: true, Mapper: leaves}
	if err := r.AddGoComments("github.com/exeunt/exeunt/bridge/connector/rest", "./", jsonschema.WithFullComment()); err != nil {
		t.Fatal(err)
	}
	s := r.Reflect(&Recipe{})
	s.Title = "exeunt recipe"
	// Verify is a leaf, so what it refers to is not met on the way.
	proof := r.Reflect(&Proof{})
	proof.Version, proof.Definitions = "", nil
	s.Definitions["Proof"] = proof
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

// leaves are the schemas of the types that read themselves.
func leaves(t reflect.Type) *jsonschema.Schema {
	scalar := []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}
	switch t {
	case reflect.TypeFor[Expr]():
		return &jsonschema.Schema{AnyOf: scalar, Description: "A CEL expression."}
	case reflect.TypeFor[Text]():
		return &jsonschema.Schema{AnyOf: scalar, Description: "Text; ${…} stands for the value of a CEL expression."}
	case reflect.TypeFor[Span]():
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+d|([0-9.]+(h|m|s|ms))+)$`, Description: "A length of time: 90s, 5m, 2h, 30d."}
	case reflect.TypeFor[Body](), reflect.TypeFor[Plain]():
		return &jsonschema.Schema{Description: "A JSON value."}
	case reflect.TypeFor[Verify]():
		proof := &jsonschema.Schema{Ref: "#/$defs/Proof"}
		one := uint64(1)
		return &jsonschema.Schema{Description: "The word unverifiable, one proof, or a list of proofs that must all hold.",
			AnyOf: []*jsonschema.Schema{{Const: "unverifiable"}, proof, {Type: "array", Items: proof, MinItems: &one}}}
	}
	return nil
}

func TestSchemaIsFresh(t *testing.T) {
	want := generated(t)
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Fatal("recipe.schema.json is stale; run go test ./bridge/connector/rest -run Schema -update")
	}
}

// schemaOf compiles the schema as it is in the repository.
func schemaOf(t *testing.T) *validator.Schema {
	t.Helper()
	raw, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := validator.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	if err := c.AddResource("recipe.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("recipe.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// generic is a YAML document as JSON would have it.
func generic(t *testing.T, src []byte) any {
	t.Helper()
	raw, err := yaml.YAMLToJSON(src)
	if err != nil {
		t.Fatal(err)
	}
	v, err := validator.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSchemaRefuses: an editor tells the mistakes in the structure too.
func TestSchemaRefuses(t *testing.T) {
	schema := schemaOf(t)
	if err := schema.Validate(generic(t, []byte(small))); err != nil {
		t.Fatal(err)
	}
	for old, changed := range map[string]string{
		"title: Small\n": "",
		"app: small\n":   "app: small\ncolour: red\n",
		"effect: lock":   "effect: lokc",
		"reversible: no": "reversible: perhaps",
		"    match: item.mail == subject.email\n":                     "",
		"      expect: body.active == false\n":                        "",
		"      expect: body.active == false":                          "      expect: body.active == false\n      within: soon",
		"expect: status == 404}":                                      "expect: status == 404, until: x}",
		"{kind: bearer, token: {secret: token}}":                      "{kind: hmac}",
		"verify: {get: \"/users/${user.id}\", expect: status == 404}": "verify: sometimes",
	} {
		text := strings.Replace(small, old, changed, 1)
		if text == small {
			t.Fatal("nothing was changed:", old)
		}
		if schema.Validate(generic(t, []byte(text))) == nil {
			t.Errorf("%q instead of %q is not refused by the schema", changed, old)
		}
		if Lint([]byte(text)) == nil {
			t.Errorf("%q instead of %q is not refused", changed, old)
		}
	}
}
