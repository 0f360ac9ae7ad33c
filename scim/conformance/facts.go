package conformance

import (
	"encoding/json"
	"slices"
	"strings"
)

const (
	userURN       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupURN      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	messagesURN   = "urn:ietf:params:scim:api:messages:2.0:"
	errorURN      = messagesURN + "Error"
	listURN       = messagesURN + "ListResponse"
	patchURN      = messagesURN + "PatchOp"
	searchURN     = messagesURN + "SearchRequest"
	bulkURN       = messagesURN + "BulkRequest"
	bulkAnswerURN = messagesURN + "BulkResponse"
)

// facts is what the server says of itself. Documents that are missing or
// unreadable are nil: the checks about them say so, the others take what RFC
// 7643 describes to be there.
type facts struct {
	provider   object
	schemas    map[string]object // by URN, in lower case
	users      string            // endpoint of users: "/Users"
	groups     string            // endpoint of groups; "" if there is none
	extensions []string          // URNs of the extensions of users
}

// readFacts makes sense of the three discovery documents.
func readFacts(provider object, types, schemas []object) facts {
	f := facts{provider: provider, users: "/Users"}
	if types == nil {
		f.groups, f.extensions = "/Groups", nil
	}
	for _, t := range types {
		endpoint, _ := t.at("endpoint").(string)
		if !strings.HasPrefix(endpoint, "/") || strings.HasPrefix(endpoint, "//") {
			endpoint = "/" + strings.TrimPrefix(endpoint, "/")
		}
		switch urn, _ := t.at("schema").(string); {
		case strings.EqualFold(urn, userURN):
			f.users = endpoint
			for _, e := range objects(t.at("schemaExtensions")) {
				if urn, ok := e.at("schema").(string); ok {
					f.extensions = append(f.extensions, urn)
				}
			}
		case strings.EqualFold(urn, groupURN):
			f.groups = endpoint
		}
	}
	if schemas != nil {
		f.schemas = map[string]object{}
	}
	for _, s := range schemas {
		if id, ok := s.at("id").(string); ok {
			f.schemas[strings.ToLower(id)] = s
		}
	}
	return f
}

// supports reports whether a feature is supported, and whether that was said.
func (f facts) supports(feature string) (supported, said bool) {
	supported, said = f.provider.at(feature, "supported").(bool)
	return supported, said
}

// number returns an integer of the ServiceProviderConfig.
func (f facts) number(keys ...string) (int, bool) {
	n, ok := f.provider.at(keys...).(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return int(i), err == nil
}

func (f facts) extension(urn string) bool {
	return slices.ContainsFunc(f.extensions, func(e string) bool { return strings.EqualFold(e, urn) })
}

// describes returns how a schema describes an attribute, such as "userName" or
// "name.givenName"; nil if it does not.
func (f facts) describes(urn, name string) object {
	within := f.schemas[strings.ToLower(urn)].at("attributes")
	var found object
	for part := range strings.SplitSeq(name, ".") {
		found = nil
		for _, a := range objects(within) {
			if n, _ := a.at("name").(string); strings.EqualFold(n, part) {
				found = a
			}
		}
		within = found.at("subAttributes")
	}
	return found
}

// has reports whether users have an attribute. Without a User schema, they have
// those of RFC 7643.
func (f facts) has(name string) bool {
	return f.schemas[strings.ToLower(userURN)] == nil || f.describes(userURN, name) != nil
}

// writable finds a single simple attribute of users of a type that clients may
// set: extension is "" for one of the core schema.
func (f facts) writable(kind string) (extension, name string, ok bool) {
	for _, urn := range append([]string{userURN}, f.extensions...) {
		for _, a := range objects(f.schemas[strings.ToLower(urn)].at("attributes")) {
			name, _ := a.at("name").(string)
			if a.at("type") != kind || a.at("multiValued") == true || a.at("mutability") != "readWrite" ||
				a.at("returned") == "request" || a.at("returned") == "never" || name == "active" {
				continue
			}
			if urn == userURN {
				urn = ""
			}
			return urn, name, true
		}
	}
	return "", "", false
}
