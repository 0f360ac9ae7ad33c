package server

import (
	"path"
	"reflect"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector"
)

// ConfigSchema is the JSON Schema (draft 2020-12) of the configuration, for
// editors; what an app's "with" holds depends on its connector.
func ConfigSchema() *jsonschema.Schema {
	r := &jsonschema.Reflector{
		Anonymous:                  true,
		ExpandedStruct:             true,
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		Mapper:                     schemaOf,
		// every connector's configuration is called Config, so the package is
		// part of the name
		Namer: func(t reflect.Type) string {
			if t.Name() == "" {
				return ""
			}
			return path.Base(t.PkgPath()) + "." + t.Name()
		},
	}
	root := r.Reflect(Config{})
	root.Title = "exeunt.yaml"
	root.Description = "Configuration of exeunt"
	for _, key := range []string{"sources", "apps", "laws", "calendars", "retained"} {
		names, _ := root.Properties.Get(key)
		names.PropertyNames = &jsonschema.Schema{Pattern: namePattern.String(), MaxLength: ptr[uint64](48)}
	}

	idps, _ := root.Definitions["server.SAMLConfig"].Properties.Get("idps")
	idps.PropertyNames = &jsonschema.Schema{Pattern: namePattern.String(), MaxLength: ptr[uint64](48)}

	dialect, _ := root.Definitions["server.SourceConfig"].Properties.Get("dialect")
	for _, name := range dialects() {
		dialect.Enum = append(dialect.Enum, name)
	}

	algorithms, _ := root.Definitions["server.JWTConfig"].Properties.Get("algorithms")
	algorithms.Items = &jsonschema.Schema{Type: "string"}
	for _, name := range algorithmNames() {
		algorithms.Items.Enum = append(algorithms.Items.Enum, name)
	}

	app := root.Definitions["server.AppConfig"]
	protocol, _ := app.Properties.Get("connector")
	for _, name := range connector.Protocols() {
		protocol.Enum = append(protocol.Enum, name)
		with := r.Reflect(connector.Config(name))
		for def, schema := range with.Definitions {
			root.Definitions[def] = schema
		}
		with.Definitions, with.Version = nil, ""
		is := jsonschema.NewProperties()
		is.Set("connector", &jsonschema.Schema{Const: name})
		then := jsonschema.NewProperties()
		then.Set("with", with)
		app.AllOf = append(app.AllOf, &jsonschema.Schema{
			If:   &jsonschema.Schema{Properties: is, Required: []string{"connector"}},
			Then: &jsonschema.Schema{Properties: then},
		})
	}
	return root
}

// schemaOf describes the types that are written otherwise than their Go kind says.
func schemaOf(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[bridge.Secret]():
		return reference()
	case reflect.TypeFor[Secrets]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{reference(), {Type: "array", Items: reference()}}}
	case reflect.TypeFor[Network]():
		return &jsonschema.Schema{Type: "string", Description: "A network or an address", Examples: []any{"10.1.0.0/16", "2001:db8::/32", "192.0.2.7"}}
	case reflect.TypeFor[Fingerprint]():
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$`, Description: "SHA-256 of a certificate"}
	case reflect.TypeFor[time.Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`, Examples: []any{"500ms", "10s", "5m", "24h"}}
	case reflect.TypeFor[bridge.Span]():
		return &jsonschema.Schema{Type: "string", Pattern: `^[0-9]+ (calendar_month|calendar_day|business_day)s?$`, Examples: []any{"1 calendar_month", "45 calendar_days", "10 business_days"}}
	case reflect.TypeFor[bridge.Effect]():
		s := &jsonschema.Schema{Type: "string"}
		for _, e := range bridge.Effects {
			if e != bridge.Restore {
				s.Enum = append(s.Enum, string(e))
			}
		}
		return s
	}
	return nil
}

func reference() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: "^(file|env):.+", Description: "A secret, by reference: file:/path or env:NAME"}
}

func ptr[T any](v T) *T { return &v }
