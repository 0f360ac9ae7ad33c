package scim

import (
	"slices"
	"strings"
)

// mends is every departure from the RFCs that is understood. The order is that
// in which they are applied.
func mends() []mend {
	return []mend{
		{
			name:     "old-schemas",
			why:      "Google and OneLogin name SCIM 1.x schemas, Entra one of its own on groups, and hand-made clients none.",
			recorded: "google/001-create.txt",
			leave:    anySchemas,
		}, {
			name:     "old-enterprise",
			why:      "OneLogin puts enterprise attributes under the URN of SCIM 1.x, or one of its own.",
			recorded: "onelogin/001-create.txt",
			body:     oldEnterprise,
		}, {
			name:     "old-enterprise-path",
			why:      "Entra's jobs from before 2019 name enterprise attributes with such URNs and a dot.",
			recorded: "entra/014-old-job.txt",
			meaning:  oldEnterprisePath,
		}, {
			name:     "bare-extension",
			why:      "Entra asks for the manager, and sets it, without the URN of the extension.",
			recorded: "entra/012-bare-manager.txt",
			meaning:  bareExtension,
		}, {
			name:     "unknown-extension",
			why:      "Entra and Okta send custom attributes of extensions that are unknown here; a deactivation beside them must not be lost.",
			recorded: "entra/013-custom-extension.txt",
			leave:    unknownExtension,
		}, {
			name:     "op-case",
			why:      "Entra writes Add, Replace and Remove.",
			recorded: "entra/001-deactivate-string.txt",
			op:       strings.ToLower,
		}, {
			name:     "no-operations",
			why:      "Entra's validator sends a PATCH without operations, and expects nothing to happen.",
			recorded: "entra/011-no-operations.txt",
			leave:    noOperations,
		}, {
			name:     "inner-paths",
			why:      "Entra with aadOptscim062020 writes name.givenName, or an attribute with its URN, as a name in a value without a path.",
			recorded: "entra/003-deactivate-pathless.txt",
			leave:    pathsInside,
		}, {
			name:     "inner-read-only",
			why:      "Okta repeats the id in the value when it renames a group.",
			recorded: "okta/005-group-rename.txt",
			leave:    readOnlyInside,
		}, {
			name:     "one-in-list",
			why:      "Some Entra and Okta jobs put the value of a single-valued attribute into a list.",
			recorded: "entra/004-deactivate-list.txt",
			value:    oneInList,
		}, {
			name:     "wrapped-value",
			why:      "Entra's jobs from before 2019 write every value as a list of one reference, with $ref and value.",
			recorded: "entra/021-old-values.txt",
			value:    wrappedValue,
		}, {
			name:     "string-boolean",
			why:      "Entra sends active and primary as \"True\" and \"False\" by default.",
			recorded: "entra/001-deactivate-string.txt",
			value:    stringBoolean,
		}, {
			name:     "string-boolean-filter",
			why:      "Entra selects by primary eq \"True\", in filters and in paths.",
			recorded: "entra/015-primary-role.txt",
			leave:    stringBooleans,
		}, {
			name:     "part-of-selected",
			why:      "Entra looks for users by emails[type eq \"work\"].value eq, which is not in the grammar.",
			recorded: "entra/010-matching.txt",
			leave:    partOfSelected,
		}, {
			name:     "empty-string",
			why:      "Okta and Entra push \"\" where an attribute is to be emptied.",
			recorded: "okta/007-push-empty.txt",
			value:    emptyString,
		}, {
			name:     "bare-value",
			why:      "Entra sends the manager as a bare string; OneLogin as an object with managerId.",
			recorded: "entra/008-manager-string.txt",
			element:  bareValue,
		}, {
			name:     "one-for-list",
			why:      "OneLogin's default template sends emails as one object.",
			recorded: "onelogin/001-create.txt",
			value:    oneForList,
		}, {
			name:     "add-selected",
			why:      "Entra adds addresses[type eq \"work\"].locality where there is no such address yet, and so builds it.",
			recorded: "entra/023-add-selected.txt",
			leave:    addMissing,
		}, {
			name:     "create-selected",
			why:      "Entra replaces emails[type eq \"work\"].value whether there is such a value or not.",
			recorded: "entra/007-create-missing.txt",
			only:     []Dialect{Entra},
			leave:    createMissing,
		}, {
			name:     "plain-json",
			why:      "OneLogin accepts answers of type application/json only.",
			recorded: "onelogin/002-deactivate.txt",
			only:     []Dialect{OneLogin},
			leave:    answerPlainJSON,
		}, {
			name:     "bulk-ids",
			why:      "Entra's API-driven provisioning repeats a bulkId in the example that its users copy.",
			recorded: "entra/020-bulk.txt",
			leave:    looseBulkIDs,
		},
	}
}

// oldEnterprise moves what stands under another URN of the enterprise
// extension under that of SCIM 2.0, unless that is there too.
func oldEnterprise(t *resourceType, body map[string]any) {
	if t.top[strings.ToLower(urnEnterprise)] == nil {
		return
	}
	old := ""
	for name := range body {
		if strings.EqualFold(name, urnEnterprise) {
			return
		}
		if rest, ok := afterOldURN(name); ok && rest == "" && (old == "" || name < old) {
			old = name // the first of several, so that it is always the same
		}
	}
	if old != "" {
		body[urnEnterprise] = body[old]
		delete(body, old)
	}
}

// oldEnterprisePath reads an old URN of the enterprise extension as the new one.
func oldEnterprisePath(t *resourceType, name string) []*attribute {
	rest, ok := afterOldURN(name)
	switch {
	case !ok:
		return nil
	case rest == "":
		return t.resolve(urnEnterprise)
	case rest[0] == '.' || rest[0] == ':':
		return t.resolve(urnEnterprise + ":" + rest[1:])
	}
	return nil
}

// afterOldURN returns what follows a URN by which others call the enterprise
// extension.
func afterOldURN(name string) (rest string, ok bool) {
	name = strings.ToLower(name)
	for _, urn := range [...]string{"urn:scim:schemas:extension:enterprise:1.0", "urn:scim:schemas:extension:enterprise:2.0"} {
		if rest, ok = strings.CutPrefix(name, urn); ok {
			return strings.TrimPrefix(rest, ":user"), true
		}
	}
	return "", false
}

// bareExtension finds an attribute of an extension by its name alone, if no
// other extension has one of that name.
func bareExtension(t *resourceType, name string) (path []*attribute) {
	for _, s := range t.extensions {
		if p := t.resolve(s.ID + ":" + name); p != nil {
			if path != nil {
				return nil
			}
			path = p
		}
	}
	return path
}

// oneInList takes a single value out of a list of one.
func oneInList(a *attribute, v any) any {
	if list, ok := v.([]any); ok && !a.multi && len(list) == 1 {
		return list[0]
	}
	return v
}

// wrappedValue reads a reference where a simple value belongs as its value.
func wrappedValue(a *attribute, v any) any {
	wrap, _ := v.(map[string]any)
	inner, ok := wrap["value"]
	if _, ref := wrap["$ref"]; ok && ref && len(wrap) == 2 && !a.multi && !a.complex() {
		return inner
	}
	return v
}

// stringBoolean reads "True" and "False", in any case, where a boolean belongs.
func stringBoolean(a *attribute, v any) any {
	if s, ok := v.(string); ok && a.kind == "boolean" {
		switch strings.ToLower(s) {
		case "true":
			return true
		case "false":
			return false
		}
	}
	return v
}

// emptyString reads "" as unassigned, but where a boolean belongs: there it is
// not understood.
func emptyString(a *attribute, v any) any {
	if v == "" && a.kind != "boolean" {
		return nil
	}
	return v
}

// bareValue reads a string where an object with a value belongs as that
// value, and managerId as the value of a manager.
func bareValue(a *attribute, v any) any {
	if a.value() == nil {
		return v
	}
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil
		}
		return map[string]any{"value": v}
	case map[string]any:
		id, ok := v["managerId"]
		if _, both := v["value"]; ok && !both && a.name == "manager" {
			return map[string]any{"value": id}
		}
	}
	return v
}

// oneForList makes a list of one value.
func oneForList(a *attribute, v any) any {
	if _, ok := v.([]any); !ok && v != nil && a.multi {
		return []any{v}
	}
	return v
}

// foreign reports whether a path is in an extension that is unknown here, and
// may be passed over with its value: nothing that could be a misspelt name of
// ours, and nothing that sounds like active.
func foreign(t *resourceType, path string, value any) bool {
	path, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(path)), "[")
	if !strings.HasPrefix(path, "urn:") || soundsActive(path) || speaksOfActive(value) {
		return false
	}
	ours := []string{"urn:ietf:params:scim:schemas:core:", "urn:scim:schemas:core:",
		"urn:scim:schemas:extension:enterprise:", "urn:ietf:params:scim:schemas:extension:enterprise:"}
	for _, s := range t.extensions {
		ours = append(ours, strings.ToLower(s.ID))
	}
	return !slices.ContainsFunc(ours, func(urn string) bool { return strings.HasPrefix(path, urn) })
}

func soundsActive(name string) bool { return strings.HasSuffix(strings.ToLower(name), "active") }

// speaksOfActive reports whether anything in a value has a name that sounds so.
func speaksOfActive(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, speaksOfActive)
	case map[string]any:
		for name, e := range v {
			if soundsActive(name) || speaksOfActive(e) {
				return true
			}
		}
	}
	return false
}

// namesForeign reports whether an operation of a PATCH names anything foreign.
func namesForeign(t *resourceType, operation any) bool {
	object, _ := operation.(map[string]any)
	if path, ok := member(object, "path").(string); ok {
		return foreign(t, path, member(object, "value"))
	}
	whole, _ := member(object, "value").(map[string]any)
	for name, v := range whole {
		if foreign(t, name, v) {
			return true
		}
	}
	return false
}
