// Package scim is the inbound door: it speaks SCIM 2.0 (RFC 7643, RFC 7644, RFC
// 9865) with HR systems and identity providers, and hands what they say to the
// bridge. It translates and decides nothing: whether somebody left is decided
// by what it calls.
//
// The way of a request through the files:
//
//	handler.go    New: routes, methods, media types; who is asking
//	decode.go     bytes -> maps, within limits; no key twice
//	dialect.go    Dialect and its mends: what clients send -> what they mean
//	clients.go    who is speaking, where nobody said so: requests -> Dialect
//	mends.go      the mends themselves, each a small pure function
//	schema.go     the definitions, indexed; paths -> attributes
//	departure.go  our extension of User: what is known of a departure
//	clean.go      values -> the form their definition demands, or an error
//	simple.go     the same for simple values: dates, numbers, base64
//	users.go      /Users
//	groups.go     /Groups
//	members.go    who is in a group; what a PATCH does to that
//	person.go     what the bridge must know of a resource, read out of it
//	list.go       /Users?filter=…, /.search: parameters -> a query; the answer
//	search.go     a query -> a page: by the store, or looking at each resource
//	sort.go       sortBy and sortOrder; the key by which a resource is ordered
//	cursor.go     where the next page begins
//	filter.go     the filter grammar -> a tree
//	bind.go       the tree's names -> definitions; wrong comparisons refused
//	plan.go       the tree -> a condition that the store decides, and the rest
//	match.go      the rest, decided on a resource
//	path.go       PATCH bodies -> operations on definitions
//	patch.go      operations applied to a resource
//	bulk.go       /Bulk: many operations, each as a request of its own
//	bulkid.go     references from one to another; in which order
//	answer.go     resources -> answers; versions, locations
//	projection.go attributes, excludedAttributes: what is seen of a resource
//	encode.go     maps -> bytes, keys in order
//	discovery.go  /ServiceProviderConfig, /ResourceTypes, /Schemas
//	core.go       the schemas of what these answer with
//	errors.go     mistakes -> SCIM errors; the only place that knows statuses
//
// Schemas and error values are those of github.com/elimity-com/scim. Its server,
// its filter evaluation, its validation of values and its PATCH parsing are not
// used: they panic on filters of the RFC's own examples, refuse values that the
// RFC allows, and apply nothing.
//
// Deliberately absent: authentication (the caller is in the request's
// context); /Me, for whoever calls is a source and no person.
package scim
