package bridge

import "strings"

// Attribute names one indexed attribute of people or groups.
type Attribute string

// The indexed attributes. Their values are compared after [Normalise].
const (
	ByID          Attribute = "id"
	ByUserName    Attribute = "userName"
	ByExternalID  Attribute = "externalId"
	ByEmail       Attribute = "emails.value"
	ByDisplayName Attribute = "displayName"
)

// Key is one indexed value of a person or group, normalised.
type Key struct {
	Attribute Attribute
	Value     string
}

// Normalise brings a value into the form in which attribute a is compared:
// user names, e-mail addresses and display names regardless of case (RFC 7643,
// section 4.1.1: caseExact false), ids and external ids exactly.
func Normalise(a Attribute, value string) Key {
	switch a {
	case ByUserName, ByEmail, ByDisplayName:
		value = strings.ToLower(value)
	}
	return Key{a, value}
}

// Keys returns what p can be looked up by, without the id, which is a column
// of its own, and without duplicates.
func (p Person) Keys() []Key {
	keys := addKey(nil, ByUserName, p.UserName)
	keys = addKey(keys, ByExternalID, p.ExternalID)
	keys = addKey(keys, ByDisplayName, p.DisplayName)
	for _, e := range p.Emails {
		keys = addKey(keys, ByEmail, e)
	}
	return keys
}

// Keys returns what g can be looked up by, without the id.
func (g Group) Keys() []Key {
	return addKey(addKey(nil, ByExternalID, g.ExternalID), ByDisplayName, g.DisplayName)
}

// recognised returns by what i is recognised as a person who was deleted: the
// user name, the external id and the primary address. Other addresses and the
// display name may be shared.
func (i Identifiers) recognised() []Key {
	keys := addKey(nil, ByUserName, i.UserName)
	keys = addKey(keys, ByExternalID, i.ExternalID)
	return addKey(keys, ByEmail, i.Email())
}

func addKey(keys []Key, a Attribute, value string) []Key {
	if value == "" {
		return keys
	}
	k := Normalise(a, value)
	for _, have := range keys {
		if have == k {
			return keys
		}
	}
	return append(keys, k)
}

// Query asks for people or groups (T) of one source, oldest first.
type Query[T any] struct {
	Source string
	Where  []Key        // all must hold; values normalised. Served by an index
	Keep   func(T) bool // decides about what Where leaves; nil keeps all
	Offset int          // how many matches to leave out first
	Limit  int          // how many to return at most; 0 returns none and only counts
}
