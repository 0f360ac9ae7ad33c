// Package naming says what an app calls a person of whom nobody has told what it does.
package naming

import (
	"regexp"
	"strings"

	"github.com/exeunt/exeunt/bridge"
)

// Rule makes a name out of what is known of a person: "userName", "email",
// "externalId" or "id" (the person's id in exeunt), or text with these in braces,
// "acme|{externalId}". The zero value makes none.
type Rule string

var (
	word = regexp.MustCompile(`^[A-Za-z]+$`)
	slot = regexp.MustCompile(`\{[^{}]*\}`)
)

// Validate says what is wrong with a rule; nil if nothing is.
func (r Rule) Validate(field string) *bridge.Error {
	if r == "" {
		return nil
	}
	slots := r.slots()
	for _, s := range slots {
		if _, known := part(strings.Trim(s, "{}"), bridge.Identifiers{}); !known {
			return bridge.Invalid(field, "may name userName, email, externalId and id, and nothing else")
		}
	}
	if rest := slot.ReplaceAllString(string(r.text()), ""); len(slots) == 0 || strings.ContainsAny(rest, "{}") {
		return bridge.Invalid(field, "must be userName, email, externalId or id, or text with at least one of them in braces, such as acme|{externalId}")
	}
	return nil
}

// Of is what the app calls a person; "" if that cannot be told.
func (r Rule) Of(who bridge.Identifiers) string {
	if r == "" {
		return ""
	}
	complete := true
	name := slot.ReplaceAllStringFunc(string(r.text()), func(s string) string {
		value, _ := part(strings.Trim(s, "{}"), who)
		complete = complete && value != ""
		return value
	})
	if !complete {
		return ""
	}
	return name
}

// text is the rule with its parts in braces, also where it is but one word.
func (r Rule) text() Rule {
	if word.MatchString(string(r)) {
		return "{" + r + "}"
	}
	return r
}

func (r Rule) slots() []string { return slot.FindAllString(string(r.text()), -1) }

func part(name string, who bridge.Identifiers) (value string, known bool) {
	switch name {
	case "userName":
		return who.UserName, true
	case "email":
		return who.Email(), true
	case "externalId":
		return who.ExternalID, true
	case "id":
		return who.Person, true
	}
	return "", false
}
