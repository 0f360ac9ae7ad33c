package scim

import (
	"strings"

	"github.com/elimity-com/scim/optional"
	"github.com/elimity-com/scim/schema"

	"github.com/exeunt/exeunt/bridge"
)

// The names of messages and schemas, RFC 7644, section 8.2, and RFC 7643,
// section 10.
const (
	urnUser         = "urn:ietf:params:scim:schemas:core:2.0:User"
	urnGroup        = "urn:ietf:params:scim:schemas:core:2.0:Group"
	urnEnterprise   = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	urnSchema       = "urn:ietf:params:scim:schemas:core:2.0:Schema"
	urnResourceType = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	urnProvider     = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	urnList         = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	urnPatch        = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	urnSearch       = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
	urnError        = "urn:ietf:params:scim:api:messages:2.0:Error"
)

// attribute is one definition, with its sub-attributes indexed. An extension
// is an attribute too: a complex one whose name is the schema's URN.
type attribute struct {
	name  string
	kind  string // RFC 7643, section 2.3: "string", "boolean", … "complex"
	multi bool
	exact bool // strings are compared with their case

	mutability string // "readWrite", "readOnly", "immutable" or "writeOnly"
	returned   string // "default", "always", "never" or "request"
	required   bool
	form       *form                 // of strings; nil: any
	subs       map[string]*attribute // by name in lower case

	extension bool
	computed  bool             // not in the stored resource: groups, members, caseState
	index     bridge.Attribute // how the bridge looks it up; "" if it cannot
}

func (a *attribute) complex() bool { return a.kind == "complex" }

// value is the sub-attribute that stands for a complex attribute in
// comparisons (RFC 7643, section 2.4), or nil.
func (a *attribute) value() *attribute { return a.subs["value"] }

// resourceType is one kind of resource, RFC 7643, section 6, with all that is
// looked up while serving a request. It never changes.
type resourceType struct {
	name       string // "User"
	endpoint   string // "/Users"
	urn        string
	about      string
	schema     schema.Schema
	extensions []schema.Schema

	top   map[string]*attribute   // by name (extensions: URN) in lower case
	paths map[string][]*attribute // "name.familyname", "urn:…:user:manager.value" …

	active    *attribute   // of users, else nil
	belongs   *attribute   // groups of users, members of groups
	caseState []*attribute // the way to it, of users
	required  []*attribute
	fixed     [][]*attribute // the ways to what is immutable
	reserved  [][]*attribute // the ways to what is stored, and returned on request only

	shelf
}

func userType() *resourceType {
	t := newResourceType("User", "/Users", "A person.", userSchema(), schema.ExtensionEnterpriseUser(), departureSchema())
	t.active, t.belongs = t.top["active"], t.top["groups"]
	t.formDeparture()
	t.index("userName", bridge.ByUserName)
	t.index("emails", bridge.ByEmail)
	t.top["emails"].value().index = bridge.ByEmail
	t.active.index = bridge.ByActive
	t.belongs.computed, t.belongs.value().index = true, bridge.ByGroup
	t.shelf, t.blind = people(), true
	t.setApart()
	return t
}

func groupType() *resourceType {
	t := newResourceType("Group", "/Groups", "A group of people and groups.", groupSchema())
	t.belongs = t.top["members"]
	t.belongs.computed, t.belongs.value().index = true, bridge.ByMember
	t.shelf, t.ordered = groups(), t.top["displayname"]
	t.setApart()
	return t
}

// userSchema is the library's, but active is always there: somebody of whom it
// were not known could be taken for one who left, or for one who did not.
func userSchema() schema.Schema {
	s := schema.CoreUserSchema()
	for i, a := range s.Attributes {
		if a.Name() == "active" {
			s.Attributes[i] = schema.SimpleCoreAttribute(schema.SimpleBooleanParams(schema.BooleanParams{
				Name: "active", Required: true, Description: optional.NewString("Whether the person is with us. False opens a departure. " +
					"True if a new person is sent without it; it stays as it is if it is left out later.")}))
		}
	}
	return s
}

// groupSchema is the library's, with the display of members that the examples
// of RFC 7643, section 8.4, have and its schema (section 8.7.1) lacks.
func groupSchema() schema.Schema {
	s := schema.CoreGroupSchema()
	for i, a := range s.Attributes {
		if a.Name() != "members" {
			continue
		}
		s.Attributes[i] = schema.ComplexCoreAttribute(schema.ComplexParams{
			Description: optional.NewString(a.Description()),
			MultiValued: true,
			Name:        "members",
			SubAttributes: []schema.SimpleParams{
				schema.SimpleStringParams(schema.StringParams{Name: "value", CaseExact: true,
					Mutability:  schema.AttributeMutabilityImmutable(),
					Description: optional.NewString("Identifier of the member of this Group.")}),
				schema.SimpleReferenceParams(schema.ReferenceParams{Name: "$ref",
					Mutability:     schema.AttributeMutabilityImmutable(),
					ReferenceTypes: []schema.AttributeReferenceType{"User", "Group"},
					Description:    optional.NewString("The URI of the member.")}),
				schema.SimpleStringParams(schema.StringParams{Name: "type", CanonicalValues: []string{"User", "Group"},
					Mutability:  schema.AttributeMutabilityImmutable(),
					Description: optional.NewString("What the member is: 'User' or 'Group'.")}),
				schema.SimpleStringParams(schema.StringParams{Name: "display",
					Mutability: schema.AttributeMutabilityReadOnly(), Returned: schema.AttributeReturnedRequest(),
					Description: optional.NewString("The member's name, for display. Returned only if attributes names it.")}),
			},
		})
	}
	return s
}

func newResourceType(name, endpoint, about string, core schema.Schema, extensions ...schema.Schema) *resourceType {
	t := &resourceType{name: name, endpoint: endpoint, urn: core.ID, about: about, schema: core, extensions: extensions,
		top: map[string]*attribute{}, paths: map[string][]*attribute{}}
	for _, c := range append(schema.CommonAttributes(), core.Attributes...) {
		a := newAttribute(c)
		t.top[strings.ToLower(a.name)] = a
		t.addPaths("", a)
		t.addPaths(core.ID+":", a)
	}
	for _, s := range extensions {
		e := &attribute{name: s.ID, kind: "complex", mutability: "readWrite", returned: "default", extension: true, subs: map[string]*attribute{}}
		for _, c := range s.Attributes {
			a := newAttribute(c)
			e.subs[strings.ToLower(a.name)] = a
			t.addPaths(s.ID+":", e, a)
			t.addPaths(s.ID+".", e, a)
		}
		t.top[strings.ToLower(s.ID)] = e
		t.paths[strings.ToLower(s.ID)] = []*attribute{e}
	}
	schemas := t.top["schemas"]
	schemas.exact, schemas.returned, schemas.mutability = true, "always", "readOnly" // computed from what there is
	t.index("id", bridge.ByID)
	t.top["meta"].subs["created"].index = bridge.ByCreated
	t.top["meta"].subs["lastmodified"].index = bridge.ByModified
	t.index("externalId", bridge.ByExternalID)
	t.index("displayName", bridge.ByDisplayName)
	for _, a := range t.top {
		if a.required && a.mutability != "readOnly" {
			t.required = append(t.required, a)
		}
	}
	return t
}

// setApart notes the ways to what has rules of its own. What is computed, or
// among the values of a list, is not looked at as part of a resource.
func (t *resourceType) setApart() {
	t.fixed, t.reserved = nil, nil
	var look func(way []*attribute)
	look = func(way []*attribute) {
		a := way[len(way)-1]
		if a.computed && a != t.belongs {
			return
		}
		if a.returned == "request" {
			t.reserved = append(t.reserved, way)
		}
		if a.mutability == "immutable" && !a.multi {
			t.fixed = append(t.fixed, way)
		}
		for _, s := range a.subs {
			if !a.multi || s.returned == "request" {
				look(append(way[:len(way):len(way)], s))
			}
		}
	}
	for _, a := range t.top {
		look([]*attribute{a})
	}
}

func newAttribute(c schema.CoreAttribute) *attribute {
	a := &attribute{name: c.Name(), kind: c.AttributeType(), multi: c.MultiValued(), exact: c.CaseExact(),
		mutability: c.Mutability(), returned: c.Returned(), required: c.Required(), subs: map[string]*attribute{}}
	for _, s := range c.SubAttributes() {
		a.subs[strings.ToLower(s.Name())] = newAttribute(s)
	}
	return a
}

// addPaths makes an attribute and its sub-attributes known under prefix.
func (t *resourceType) addPaths(prefix string, path ...*attribute) {
	a := path[len(path)-1]
	name := prefix + a.name
	t.paths[strings.ToLower(name)] = path
	for _, s := range a.subs {
		t.paths[strings.ToLower(name+"."+s.name)] = append(path[:len(path):len(path)], s)
	}
}

func (t *resourceType) index(name string, by bridge.Attribute) {
	t.top[strings.ToLower(name)].index = by
}

// resolve returns the attributes on the way to what name means: a top-level
// attribute, a sub-attribute, an extension or something in it, each with or
// without its schema's URN, in any case (RFC 7644, section 3.10). nil if there
// is no such thing.
func (t *resourceType) resolve(name string) []*attribute { return t.paths[strings.ToLower(name)] }

// named reports whether a name is the URN of the core schema, or something in it.
func (t *resourceType) named(name string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(name), strings.ToLower(t.urn))
	return ok && (rest == "" || rest[0] == ':' || rest[0] == '.')
}
