package scim

import (
	"encoding/json"
	"strings"

	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

// user is what this client reads of a SCIM User. Attribute names are matched
// regardless of case (RFC 7643, section 2.1), as encoding/json does.
type user struct {
	ID         string `json:"id"`
	UserName   string `json:"userName"`
	ExternalID string `json:"externalId"`
	Active     any    `json:"active"`
	Emails     any    `json:"emails"`
}

// active returns the value of active, and whether it is there to be read. Some
// servers write it as a string.
func (u user) active() (value, known bool) {
	switch v := u.Active.(type) {
	case bool:
		return v, true
	case string:
		switch strings.ToLower(v) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	}
	return false, false
}

// is reports whether u is exactly who was searched for: user names and e-mail
// addresses regardless of case, external ids to the letter.
func (u user) is(attribute, value string) bool {
	switch attribute {
	case byUserName:
		return strings.EqualFold(u.UserName, value)
	case byExternalID:
		return u.ExternalID == value
	case byEmail:
		return hasEmail(u.Emails, value)
	case byID:
		return u.ID == value
	}
	return false
}

// hasEmail looks through emails in each form that servers give them: objects
// with a value, plain strings, or one of these without a list around it.
func hasEmail(emails any, value string) bool {
	switch e := emails.(type) {
	case string:
		return strings.EqualFold(e, value)
	case map[string]any:
		return hasEmail(e["value"], value)
	case []any:
		for _, one := range e {
			if _, list := one.([]any); !list && hasEmail(one, value) {
				return true
			}
		}
	}
	return false
}

// withActive returns a User resource as it is to be sent with PUT: everything
// the server showed, but for what is the server's own, and active as given.
func withActive(resource []byte, active bool) (map[string]any, error) {
	var all map[string]any
	if err := call.Unmarshal(resource, &all); err != nil {
		return nil, err
	}
	for name := range all {
		switch strings.ToLower(name) {
		case "meta", "groups", "active":
			delete(all, name)
		}
	}
	if all == nil {
		all = map[string]any{}
	}
	all["active"] = active
	return all, nil
}

// quoted writes s as the value of a filter (RFC 7644, section 3.4.2.2: a JSON
// string), so that nothing in it can become part of the filter.
func quoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(s) // a string can always be written
	return strings.TrimSuffix(b.String(), "\n")
}
