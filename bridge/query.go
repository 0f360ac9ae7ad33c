package bridge

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

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

// What else a [Cond] may ask for. None of it is a [Key].
const (
	ByActive   Attribute = "active"
	ByCreated  Attribute = "meta.created"
	ByModified Attribute = "meta.lastModified"
	ByGroup    Attribute = "groups.value"  // people: the id of a group that they are in, directly or not
	ByMember   Attribute = "members.value" // groups: the id of a member
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
		value = Fold(value)
	}
	return Key{a, value}
}

// Fold brings text into the form in which it is compared regardless of case, of
// width, and of how accents are encoded (RFC 7644, section 5, by the mappings of
// RFC 8265, section 3.3): one name, whichever keyboard it came from. What that
// profile forbids, such as spaces, is left alone: HR systems send it.
func Fold(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return norm.NFC.String(strings.ToLower(width.Fold.String(s)))
		}
	}
	return strings.ToLower(s)
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

// Query asks for people or groups of one source.
type Query struct {
	Source string
	Where  Cond
	Sort   Sort
	After  *Place // only what comes after this place in the order; nil: all
	Offset int    // how many matches to leave out first
	Limit  int    // how many to return at most; 0 returns none and only counts
}

// Sort is in what order resources are listed. The zero value is the order in
// which they were created; ties are broken by the id.
type Sort struct {
	// By is ByID, or a text that everything listed has: ByUserName of people,
	// ByDisplayName of groups. "" is by creation.
	By         Attribute
	Descending bool
}

// Place is where something stands in an order: Key is the value that orders it
// (normalised; of the order of creation microseconds since 1970, in decimal; of
// ByID nothing).
type Place struct{ Key, ID string }

// Op is a comparison, or how conditions are joined.
type Op string

const (
	And          Op = "and"
	Or           Op = "or"
	Equal        Op = "eq"
	StartsWith   Op = "sw"
	Contains     Op = "co"
	Greater      Op = "gt"
	GreaterEqual Op = "ge"
	Less         Op = "lt"
	LessEqual    Op = "le"
)

// Cond is a condition that the store decides by what it keeps beside the
// resources. The zero value holds of everything; an Or of nothing of nothing.
type Cond struct {
	Op Op
	Of []Cond // of And and Or

	// Of comparisons: an attribute, and the value that it is compared with,
	// normalised. It holds if any of the attribute's values compares so.
	//
	//	ByUserName, ByExternalID, ByEmail, ByDisplayName   string; every Op
	//	ByID, ByGroup, ByMember                            string; Equal
	//	ByActive                                           bool; Equal
	//	ByCreated, ByModified                              time.Time; all but StartsWith and Contains
	By    Attribute
	Value any
}

// Is is the condition that an attribute has a value.
func Is(k Key) Cond { return Cond{Op: Equal, By: k.Attribute, Value: k.Value} }

// All is the condition that all of conds hold.
func All(conds ...Cond) Cond { return Cond{Op: And, Of: conds} }

// Any is the condition that any of conds holds.
func Any(conds ...Cond) Cond { return Cond{Op: Or, Of: conds} }

// Always reports whether c is the condition that holds of everything.
func (c Cond) Always() bool { return c.Op == "" }
