package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	providerURN     = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	resourceTypeURN = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	schemaURN       = "urn:ietf:params:scim:schemas:core:2.0:Schema"
)

func discoveryChecks() []Check {
	return []Check{
		{ID: "7644-4-service-provider-config", Level: Must, Gap: []int{18},
			Title: "The ServiceProviderConfig says of each feature whether it is supported",
			Harm:  "It cannot find out what it may use, and has to guess.",
			run: func(t *T) {
				a := t.read("/ServiceProviderConfig")
				t.must(slices.Contains(texts(a.json.at("schemas")), providerURN), a, "schemas to have %s", providerURN)
				for _, feature := range []string{"patch", "bulk", "filter", "changePassword", "sort", "etag"} {
					_, ok := a.json.at(feature, "supported").(bool)
					t.must(ok, a, "%s.supported to be true or false", feature)
				}
				f := facts{provider: a.json}
				for _, limit := range [][]string{{"bulk", "maxOperations"}, {"bulk", "maxPayloadSize"}, {"filter", "maxResults"}} {
					_, ok := f.number(limit...)
					t.must(ok, a, "%s to be an integer", strings.Join(limit, "."))
				}
			}},
		{ID: "7643-5-authentication-schemes", Level: Must, Gap: []int{18},
			Title: "The ServiceProviderConfig names how clients authenticate",
			Harm:  "Whoever sets it up has to ask which credentials are wanted.",
			run: func(t *T) {
				a := t.read("/ServiceProviderConfig")
				schemes := objects(a.json.at("authenticationSchemes"))
				t.must(len(schemes) > 0, a, "authenticationSchemes")
				for _, s := range schemes {
					for _, name := range []string{"type", "name", "description"} {
						t.must(s.text(name) != "", a, "each of authenticationSchemes to have a %s", name)
					}
				}
			}},
		{ID: "7644-4-resource-types", Level: Must, Gap: []int{18},
			Title: "ResourceTypes lists the types, each with an endpoint and a schema that can be looked up",
			Harm:  "It does not find the users and groups of a server whose paths differ from the usual ones.",
			run: func(t *T) {
				a := t.read("/ResourceTypes")
				t.list(a)
				t.must(len(a.resources()) > 0, a, "at least one resource type")
				for _, r := range a.resources() {
					t.must(slices.Contains(texts(r.at("schemas")), resourceTypeURN), a, "schemas to have %s", resourceTypeURN)
					for _, name := range []string{"name", "endpoint", "schema"} {
						t.must(r.text(name) != "", a, "each resource type to have a %s", name)
					}
					t.want(t.get("/Schemas/"+url.PathEscape(r.text("schema"))), http.StatusOK)
				}
			}},
		{ID: "7644-4-schemas", Level: Must, Gap: []int{18},
			Title: "Schemas lists every schema with its attributes",
			Harm:  "It cannot map its attributes onto those of the server.",
			run: func(t *T) {
				a := t.read("/Schemas")
				t.list(a)
				found := map[string]bool{}
				for _, s := range a.resources() {
					found[strings.ToLower(s.id())] = true
					t.must(slices.Contains(texts(s.at("schemas")), schemaURN), a, "schemas of %s to have %s", s.id(), schemaURN)
					t.must(s.id() != "" && len(objects(s.at("attributes"))) > 0, a, "each schema to have an id and attributes")
				}
				for _, r := range t.read("/ResourceTypes").resources() {
					t.must(found[strings.ToLower(r.text("schema"))], a, "the schema %s of a resource type", r.text("schema"))
				}
			}},
		{ID: "7643-7-attribute-characteristics", Level: Must, Gap: []int{18},
			Title: "Each attribute in Schemas is described with the words that RFC 7643 has for it",
			Harm:  "It misjudges what it may write and what it will be shown.",
			run: func(t *T) {
				a := t.read("/Schemas")
				t.must(len(a.resources()) > 0, a, "schemas")
				for _, s := range a.resources() {
					t.described(a, s.id(), objects(s.at("attributes")))
				}
			}},
		{ID: "7643-3.1-discovery-meta", Level: Should, Gap: []int{18},
			Title: "Discovery documents have meta with their resourceType and location",
			Harm:  "It cannot tell where a document in a list can be read alone.",
			run: func(t *T) {
				a := t.read("/ServiceProviderConfig")
				t.must(a.json.text("meta", "resourceType") == "ServiceProviderConfig", a, "meta.resourceType ServiceProviderConfig")
				for path, kind := range map[string]string{"/ResourceTypes": "ResourceType", "/Schemas": "Schema"} {
					a := t.read(path)
					for _, r := range a.resources() {
						t.must(r.text("meta", "resourceType") == kind, a, "meta.resourceType %s", kind)
						t.located(a, r.text("meta", "location"), r.id())
					}
				}
			}},
		{ID: "7644-4-lookup-by-id", Level: Must, Gap: []int{18},
			Title: "One schema and one resource type can be read by id; an unknown one is 404",
			Harm:  "It fails on start if it reads schemas one by one.",
			run: func(t *T) {
				for _, path := range []string{"/Schemas", "/ResourceTypes"} {
					for _, r := range t.read(path).resources() {
						id := r.id()
						if id == "" {
							id = r.text("name")
						}
						a := t.read(path + "/" + url.PathEscape(id))
						t.must(strings.EqualFold(a.json.id(), id) || a.json.text("name") == id, a, "the document of %s", id)
					}
					t.fault(t.get(path+"/"+t.name("none")), http.StatusNotFound)
				}
			}},
		{ID: "7644-4-filter-refused", Level: Should, Gap: []int{18},
			Title: "A filter on a discovery document is refused with 403",
			Harm:  "It believes that its filter was obeyed and takes the first schema for the one it asked for.",
			run: func(t *T) {
				for _, path := range []string{"/ServiceProviderConfig", "/ResourceTypes", "/Schemas"} {
					t.fault(t.get(query(path, "filter", `id eq "x"`)), http.StatusForbidden)
				}
			}},
		{ID: "7644-4-paging-ignored", Level: Must, Gap: []int{18},
			Title: "Sorting and paging of discovery documents are ignored",
			Harm:  "It misses schemas and believes that attributes do not exist.",
			run: func(t *T) {
				for _, path := range []string{"/ResourceTypes", "/Schemas"} {
					all := t.read(path)
					a := t.read(query(path, "startIndex", "2", "count", "1", "sortBy", "id", "sortOrder", "descending"))
					t.must(len(a.resources()) == len(all.resources()), a, "all %d, as without parameters", len(all.resources()))
				}
			}},
		{ID: "7643-2.3.7-no-empty-reference", Level: Must, Gap: []int{18},
			Title: "No URI in the discovery documents is an empty string or not a URI",
			Harm:  "A strict client refuses the whole document.",
			run: func(t *T) {
				for _, path := range []string{"/ServiceProviderConfig", "/ResourceTypes", "/Schemas"} {
					a := t.read(path)
					uris(map[string]any(a.json), func(name, v string) {
						u, err := url.Parse(v)
						t.must(v != "" && err == nil && (u.IsAbs() || strings.HasPrefix(v, "/")), a, "%s to be a URI, not %q", name, v)
					})
				}
			}},
	}
}

// list fails unless the answer is a ListResponse.
func (t *T) list(a answer) {
	t.must(slices.Contains(texts(a.json.at("schemas")), listURN), a, "schemas [%q]", listURN)
	t.must(a.integer("totalResults") >= 0, a, "totalResults")
	_, ok := a.json.at("Resources").([]any)
	t.must(ok || a.integer("totalResults") == 0, a, "a list Resources")
}

// located fails unless a location is that of the resource with an id.
func (t *T) located(a answer, location, id string) {
	u, err := url.Parse(location)
	if err == nil && location != "" {
		u = t.base.ResolveReference(u)
	}
	t.must(err == nil && location != "" && (id == "" || strings.HasSuffix(u.Path, "/"+id)), a,
		"meta.location to be the URL of the resource, not %q", location)
}

// described fails unless attributes are described as RFC 7643, section 7, says.
func (t *T) described(a answer, within string, attributes []object) {
	for _, x := range attributes {
		name := within + ":" + x.text("name")
		t.must(x.text("name") != "", a, "each attribute of %s to have a name", within)
		for member, allowed := range map[string][]string{
			"type":       {"string", "boolean", "decimal", "integer", "dateTime", "reference", "binary", "complex"},
			"mutability": {"readOnly", "readWrite", "immutable", "writeOnly"},
			"returned":   {"always", "never", "default", "request"},
			"uniqueness": {"none", "server", "global"},
		} {
			word := x.at(member)
			if word == nil && member != "type" {
				continue // there are defaults (RFC 7643, section 2.2)
			}
			t.must(slices.Contains(allowed, fmt.Sprint(word)), a, "%s of %s to be one of %s", member, name, strings.Join(allowed, ", "))
		}
		if x.at("type") == "complex" {
			subs := objects(x.at("subAttributes"))
			t.must(len(subs) > 0, a, "the complex attribute %s to have subAttributes", name)
			t.described(a, name, subs)
		}
	}
}

// uris visits every member that holds a URI in the documents of RFC 7643.
func uris(v any, visit func(name, v string)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			uris(e, visit)
		}
	case map[string]any:
		for name, e := range v {
			s, ok := e.(string)
			if ok && slices.Contains([]string{"location", "documentationUri", "specUri", "$ref"}, name) {
				visit(name, s)
			}
			uris(e, visit)
		}
	}
}
