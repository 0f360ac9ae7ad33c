package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
)

const (
	userSchema  = "urn:ietf:params:scim:schemas:core:2.0:User"
	patchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// resource is a user as SCIM shows it.
func (d *directory) resource(m member) map[string]any {
	u := map[string]any{"schemas": []string{userSchema}, "id": m.id, "userName": m.UserName, "active": m.active,
		"meta": map[string]string{"resourceType": "User", "location": "/scim/v2/Users/" + m.id}}
	if m.ExternalID != "" {
		u["externalId"] = m.ExternalID
	}
	if m.DisplayName != "" {
		u["displayName"] = m.DisplayName
	}
	if m.Email != "" {
		u["emails"] = []map[string]any{{"value": m.Email, "type": "work", "primary": true}}
	}
	return u
}

func (d *directory) user(w http.ResponseWriter, r *http.Request, id string) {
	m := d.byID(id)
	if m == nil {
		if d.quirks.Forbidden {
			refuse(w, http.StatusForbidden, "", "no")
		} else {
			refuse(w, http.StatusNotFound, "", "there is no such user")
		}
		return
	}
	switch r.Method {
	case http.MethodGet:
		writeJSON(w, http.StatusOK, scimType, d.resource(*m))
	case http.MethodDelete:
		d.remove(id)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPut:
		d.put(w, r, m)
	case http.MethodPatch:
		if d.quirks.NoPatch {
			refuse(w, http.StatusNotImplemented, "", "PATCH is not offered")
			return
		}
		d.patch(w, r, m)
	default:
		refuse(w, http.StatusMethodNotAllowed, "", "not that way")
	}
}

// apply makes change and answers with how the user is now.
func (d *directory) apply(w http.ResponseWriter, m *member, changed member) {
	active := changed.active
	changed.active = m.active
	*m = changed
	if d.quirks.LockDeletes && !active {
		d.remove(m.id)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	d.setActive(m, active)
	if d.quirks.Empty {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	writeJSON(w, http.StatusOK, scimType, d.resource(*m))
}

func (d *directory) create(w http.ResponseWriter, r *http.Request) {
	var all map[string]any
	m := member{id: random()[:12], active: true}
	if readJSON(r, &all) != nil || !hasSchema(all, userSchema) {
		refuse(w, http.StatusBadRequest, "invalidSyntax", "not a User")
		return
	}
	if problem := m.set(all); problem != "" || m.UserName == "" {
		refuse(w, http.StatusBadRequest, "invalidValue", problem)
		return
	}
	if d.find(func(o member) bool { return strings.EqualFold(o.UserName, m.UserName) }) != nil {
		refuse(w, http.StatusConflict, "uniqueness", "that userName is taken")
		return
	}
	d.members = append(d.members, m)
	d.changed(m.id, "create")
	writeJSON(w, http.StatusCreated, scimType, d.resource(m))
}

func (d *directory) put(w http.ResponseWriter, r *http.Request, m *member) {
	var all map[string]any
	if readJSON(r, &all) != nil || !hasSchema(all, userSchema) {
		refuse(w, http.StatusBadRequest, "invalidSyntax", "not a User")
		return
	}
	// What a PUT leaves out is cleared (RFC 7644, section 3.5.1).
	changed := member{id: m.id, active: true, User: User{Password: m.Password}}
	if problem := changed.set(all); problem != "" || changed.UserName == "" {
		refuse(w, http.StatusBadRequest, "invalidValue", problem)
		return
	}
	d.apply(w, m, changed)
}

func (d *directory) patch(w http.ResponseWriter, r *http.Request, m *member) {
	var all map[string]any
	var body struct {
		Operations []struct {
			Op    string          `json:"op"`
			Path  string          `json:"path"`
			Value json.RawMessage `json:"value"`
		}
	}
	raw := json.RawMessage{}
	if readJSON(r, &raw) != nil || json.Unmarshal(raw, &all) != nil || json.Unmarshal(raw, &body) != nil ||
		!hasSchema(all, patchSchema) || len(body.Operations) == 0 {
		refuse(w, http.StatusBadRequest, "invalidSyntax", "not a PatchOp")
		return
	}
	changed := *m
	for _, op := range body.Operations {
		if op.Op != "replace" && op.Op != "add" {
			refuse(w, http.StatusBadRequest, "invalidSyntax", "op must be add or replace")
			return
		}
		if (op.Path != "" && d.quirks.NoPath) || (op.Path == "" && d.quirks.PathOnly) {
			refuse(w, http.StatusBadRequest, "invalidPath", "not with, or not without, a path")
			return
		}
		var value any
		if json.Unmarshal(op.Value, &value) != nil {
			refuse(w, http.StatusBadRequest, "invalidValue", "a value is needed")
			return
		}
		values, isObject := value.(map[string]any)
		if op.Path != "" {
			values, isObject = map[string]any{op.Path: value}, true
		}
		if !isObject {
			refuse(w, http.StatusBadRequest, "invalidValue", "without a path the value must be an object")
			return
		}
		if problem := changed.set(values); problem != "" {
			refuse(w, http.StatusBadRequest, "invalidValue", problem)
			return
		}
	}
	d.apply(w, m, changed)
}

// set takes the attributes that this app knows from a SCIM object, and says
// what is wrong with them.
func (m *member) set(values map[string]any) (problem string) {
	text := map[string]*string{"username": &m.UserName, "externalid": &m.ExternalID,
		"displayname": &m.DisplayName, "password": &m.Password}
	for name, value := range values {
		switch name = strings.ToLower(name); name {
		case "active":
			active, ok := value.(bool)
			if !ok {
				return "active must be a boolean"
			}
			m.active = active
		case "emails":
			list, _ := value.([]any)
			if len(list) == 0 {
				m.Email = ""
				continue
			}
			first, _ := list[0].(map[string]any)
			email, ok := first["value"].(string)
			if !ok {
				return "emails must be objects with a value"
			}
			m.Email = email
		default:
			target, known := text[name]
			if !known {
				continue
			}
			s, ok := value.(string)
			if !ok {
				return name + " must be a string"
			}
			*target = s
		}
	}
	return ""
}

func hasSchema(all map[string]any, schema string) bool {
	list, _ := all["schemas"].([]any)
	for _, s := range list {
		if s == schema {
			return true
		}
	}
	return false
}
