package scim

import (
	"net/http"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/schema"

	"github.com/exeunt/exeunt/bridge"
)

// discovery is what the server says of itself (RFC 7644, section 4), without
// locations, which depend on the request.
type discovery struct {
	provider map[string]any
	types    []map[string]any
	about    []map[string]any // the schemas
}

func newDiscovery(l Limits, types ...*resourceType) discovery {
	no := map[string]any{"supported": false}
	yes := map[string]any{"supported": true}
	d := discovery{provider: map[string]any{
		"schemas":        []any{urnProvider},
		"patch":          yes,
		"filter":         map[string]any{"supported": true, "maxResults": l.Results},
		"changePassword": no,
		"sort":           yes,
		"etag":           yes,
		"pagination": map[string]any{"cursor": true, "index": true, "defaultPaginationMethod": "index", // RFC 9865, section 4
			"defaultPageSize": l.Page, "maxPageSize": l.Results},
	}}
	for _, t := range types {
		about := map[string]any{"schemas": []any{urnResourceType}, "id": t.name, "name": t.name,
			"description": t.about, "endpoint": t.endpoint, "schema": t.urn}
		d.about = append(d.about, describeSchema(t.schema))
		var extensions []any
		for _, s := range t.extensions {
			extensions = append(extensions, map[string]any{"schema": s.ID, "required": false})
			d.about = append(d.about, describeSchema(s))
		}
		if extensions != nil {
			about["schemaExtensions"] = extensions
		}
		d.types = append(d.types, about)
	}
	for _, s := range coreSchemas() {
		d.about = append(d.about, describeSchema(s))
	}
	return d
}

// Scheme is a way to say who one is (RFC 7643, section 5).
type Scheme struct {
	Type              string // "oauth", "oauth2", "oauthbearertoken", "httpbasic" or "httpdigest"
	Name, Description string
	Spec              string // URL of the specification
}

// BearerToken is the scheme of tokens that exeunt or its operator made.
var BearerToken = Scheme{"oauthbearertoken", "OAuth Bearer Token", "A token in the Authorization header (RFC 6750).",
	"https://www.rfc-editor.org/info/rfc6750"}

func describeSchemes(schemes []Scheme) []any {
	out := make([]any, len(schemes))
	for i, s := range schemes {
		out[i] = map[string]any{"type": s.Type, "name": s.Name, "description": s.Description, "specUri": s.Spec, "primary": i == 0}
	}
	return out
}

// describeSchema is a schema as RFC 7643, section 7, has it.
func describeSchema(s schema.Schema) map[string]any {
	m := map[string]any{"schemas": []any{urnSchema}, "id": s.ID, "name": s.Name.Value(), "attributes": describeAttributes(s.Attributes)}
	if d := s.Description.Value(); d != "" {
		m["description"] = d
	}
	return m
}

func describeAttributes(attributes schema.Attributes) []any {
	out := make([]any, len(attributes))
	for i, a := range attributes {
		m := map[string]any{"name": a.Name(), "type": a.AttributeType(), "multiValued": a.MultiValued(),
			"required": a.Required(), "mutability": a.Mutability(), "returned": a.Returned()}
		if d := a.Description(); d != "" {
			m["description"] = d
		}
		if a.AttributeType() != "complex" && a.AttributeType() != "boolean" {
			m["caseExact"], m["uniqueness"] = a.CaseExact(), a.Uniqueness()
		}
		if v := a.CanonicalValues(); len(v) > 0 {
			m["canonicalValues"] = list(v)
		}
		if v := a.ReferenceTypes(); len(v) > 0 {
			m["referenceTypes"] = list(v)
		}
		if a.HasSubAttributes() {
			m["subAttributes"] = describeAttributes(a.SubAttributes())
		}
		out[i] = m
	}
	return out
}

func list[S ~string](words []S) []any {
	out := make([]any, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return out
}

// discoverable refuses filters, which RFC 7644, section 4, forbids here. Other
// parameters are ignored, as it says.
func (q *request) discoverable() error {
	if q.URL.Query().Has("filter") {
		return refusal(http.StatusForbidden, "Filters are not served here.")
	}
	return nil
}

// located is a document with its meta.
func (q *request) located(doc map[string]any, kind, path string) map[string]any {
	out := make(map[string]any, len(doc)+1)
	for name, v := range doc {
		out[name] = v
	}
	out["meta"] = map[string]any{"resourceType": kind, "location": q.base + path}
	return out
}

func (q *request) providerConfig() error {
	if err := q.discoverable(); err != nil {
		return err
	}
	doc := q.located(q.discovery.provider, "ServiceProviderConfig", "/ServiceProviderConfig")
	doc["bulk"] = map[string]any{"supported": true, "maxOperations": q.Limits.Bulk, "maxPayloadSize": q.maxBody()}
	caller, _ := bridge.CallerFrom(q.Context()) // or nobody
	doc["authenticationSchemes"] = describeSchemes(q.Schemes(caller.Source))
	writeJSON(q.w, q.media, http.StatusOK, appendJSON(nil, doc))
	return nil
}

func (q *request) resourceTypes() error {
	return q.documents(q.discovery.types, "ResourceType", "/ResourceTypes/")
}

func (q *request) resourceType() error {
	return q.document(q.discovery.types, "ResourceType", "/ResourceTypes/")
}

func (q *request) schemas() error { return q.documents(q.discovery.about, "Schema", "/Schemas/") }

func (q *request) schema() error { return q.document(q.discovery.about, "Schema", "/Schemas/") }

// documents sends all documents of a kind.
func (q *request) documents(docs []map[string]any, kind, path string) error {
	if err := q.discoverable(); err != nil {
		return err
	}
	all := make([]any, len(docs))
	for i, doc := range docs {
		all[i] = q.located(doc, kind, path+doc["id"].(string))
	}
	writeJSON(q.w, q.media, http.StatusOK, appendJSON(nil, map[string]any{"schemas": []any{urnList},
		"totalResults": len(all), "itemsPerPage": len(all), "startIndex": 1, "Resources": all}))
	return nil
}

// document sends the one that the path names.
func (q *request) document(docs []map[string]any, kind, path string) error {
	if err := q.discoverable(); err != nil {
		return err
	}
	for _, doc := range docs {
		if id := doc["id"].(string); strings.EqualFold(id, q.id) {
			writeJSON(q.w, q.media, http.StatusOK, appendJSON(nil, q.located(doc, kind, path+id)))
			return nil
		}
	}
	return scimerrors.ScimErrorResourceNotFound(q.id)
}
