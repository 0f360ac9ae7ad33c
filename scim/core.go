package scim

import (
	"github.com/elimity-com/scim/optional"
	"github.com/elimity-com/scim/schema"
)

// coreSchemas are those of what discovery itself answers with (RFC 7643, section
// 8.7.2). No resource type names them: they are there for whoever reads
// everything by its schema.
func coreSchemas() []schema.Schema {
	types := schema.ResourceTypeSchema()
	types.Name = optional.NewString("ResourceType") // as the last part of its URN, like the others
	return []schema.Schema{providerSchema(), types, schema.Definition()}
}

// providerSchema is that of the ServiceProviderConfig, with the pagination of
// RFC 9865, section 4. All of it is readOnly.
func providerSchema() schema.Schema {
	about := optional.NewString
	is := func(name, text string, required bool) schema.SimpleParams {
		return schema.SimpleBooleanParams(schema.BooleanParams{Name: name, Description: about(text), Required: required,
			Mutability: schema.AttributeMutabilityReadOnly()})
	}
	number := func(name, text string, required bool) schema.SimpleParams {
		return schema.SimpleNumberParams(schema.NumberParams{Name: name, Description: about(text), Required: required,
			Type: schema.AttributeTypeInteger(), Mutability: schema.AttributeMutabilityReadOnly()})
	}
	text := func(name, text string, required bool, canonical ...string) schema.SimpleParams {
		return schema.SimpleStringParams(schema.StringParams{Name: name, Description: about(text), Required: required,
			CanonicalValues: canonical, Mutability: schema.AttributeMutabilityReadOnly()})
	}
	link := func(name, text string) schema.SimpleParams {
		return schema.SimpleReferenceParams(schema.ReferenceParams{Name: name, Description: about(text),
			ReferenceTypes: []schema.AttributeReferenceType{schema.AttributeReferenceTypeExternal}, Mutability: schema.AttributeMutabilityReadOnly()})
	}
	group := func(name, text string, many, required bool, subs ...schema.SimpleParams) schema.CoreAttribute {
		return schema.ComplexCoreAttribute(schema.ComplexParams{Name: name, Description: about(text), MultiValued: many, Required: required,
			Mutability: schema.AttributeMutabilityReadOnly(), SubAttributes: subs})
	}
	supported := is("supported", "Whether the operation is supported.", true)
	return schema.Schema{
		ID:          urnProvider,
		Name:        about("ServiceProviderConfig"),
		Description: about("What this server supports."),
		Attributes: []schema.CoreAttribute{
			schema.SimpleCoreAttribute(link("documentationUri", "Where the server's documentation for people is.")),
			group("patch", "PATCH.", false, true, supported),
			group("bulk", "Bulk.", false, true, supported,
				number("maxOperations", "How many operations one request may have.", true),
				number("maxPayloadSize", "How many bytes one request may have.", true)),
			group("filter", "Filters.", false, true, supported,
				number("maxResults", "How many resources one answer has at most.", true)),
			group("changePassword", "Changing passwords.", false, true, supported),
			group("sort", "Sorting.", false, true, supported),
			group("etag", "Versions.", false, true, supported),
			group("pagination", "Paging.", false, false,
				is("cursor", "Whether pages are served by cursor.", true),
				is("index", "Whether pages are served by index.", true),
				text("defaultPaginationMethod", "How pages are served if the request does not say.", false, "cursor", "index"),
				number("defaultPageSize", "How many resources a page has if the request does not say.", false),
				number("maxPageSize", "How many resources a page has at most.", false),
				number("cursorTimeout", "How many seconds a cursor is good for; absent: for as long as one likes.", false)),
			group("authenticationSchemes", "How clients say who they are.", true, true,
				text("type", "The scheme.", true, "oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest"),
				text("name", "The scheme's name.", true),
				text("description", "What it is.", true),
				link("specUri", "Where it is specified."),
				link("documentationUri", "Where its use is documented."),
				is("primary", "Whether it is the preferred one.", false)),
		},
	}
}
