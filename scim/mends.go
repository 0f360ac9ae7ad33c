package scim

import "strings"

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
			why:      "OneLogin's default template puts enterprise attributes under the SCIM 1.x URN.",
			recorded: "onelogin/001-create.txt",
			body:     oldEnterprise,
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
			name:     "inner-read-only",
			why:      "Okta repeats the id in the value when it renames a group.",
			recorded: "okta/005-group-rename.txt",
			leave:    readOnlyInside,
		}, {
			name:     "one-in-list",
			why:      "Some Entra jobs put the value of a single-valued attribute into a list.",
			recorded: "entra/004-deactivate-list.txt",
			value:    oneInList,
		}, {
			name:     "string-boolean",
			why:      "Entra sends active and primary as \"True\" and \"False\" by default, also in filters.",
			recorded: "entra/001-deactivate-string.txt",
			value:    stringBoolean,
			leave:    stringBooleans,
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

// oldEnterprise moves what stands under the enterprise URN of SCIM 1.x under
// that of 2.0, unless that is there too.
func oldEnterprise(t *resourceType, body map[string]any) {
	if t.top[strings.ToLower(urnEnterprise)] == nil {
		return
	}
	old := ""
	for name := range body {
		switch strings.ToLower(name) {
		case "urn:scim:schemas:extension:enterprise:1.0":
			old = name
		case strings.ToLower(urnEnterprise):
			return
		}
	}
	if old != "" {
		body[urnEnterprise] = body[old]
		delete(body, old)
	}
}

// oneInList takes a single value out of a list of one.
func oneInList(a *attribute, v any) any {
	if list, ok := v.([]any); ok && !a.multi && len(list) == 1 {
		return list[0]
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
