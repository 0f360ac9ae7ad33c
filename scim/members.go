package scim

import (
	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/exeunt/exeunt/bridge"
)

// membersPage is how many members are read at a time where all must be looked
// at.
const membersPage = 1000

// formMembers is how members appear in a group.
func (q *request) formMembers(members []bridge.Member) []any {
	out := make([]any, len(members))
	for i, m := range members {
		t := q.user
		if m.IsGroup {
			t = q.group
		}
		e := map[string]any{"value": m.ID, "type": t.name, "$ref": q.location(t, m.ID)}
		if m.Display != "" {
			e["display"] = m.Display
		}
		out[i] = e
	}
	return out
}

// memberIDs reads the ids out of clean values of members.
func memberIDs(v any) ([]string, error) {
	list, _ := v.([]any)
	ids := make([]string, 0, len(list))
	for _, e := range list {
		m, _ := e.(map[string]any)
		id, _ := m["value"].(string)
		if id == "" {
			return nil, fault(scimerrors.ScimTypeInvalidValue, "a member needs a value, the id of a user or group")
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// setMembers makes exactly ids the members, and touches nobody who is one
// already.
func setMembers(members bridge.Members, ids []string) error {
	have, err := members.List("", 0)
	if err != nil {
		return err
	}
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	var gone []string
	for _, m := range have {
		if !wanted[m.ID] {
			gone = append(gone, m.ID)
		}
		delete(wanted, m.ID)
	}
	var added []string
	for _, id := range ids {
		if wanted[id] {
			added = append(added, id)
			delete(wanted, id)
		}
	}
	if len(gone) > 0 {
		if _, err := members.Remove(gone...); err != nil {
			return err
		}
	}
	if len(added) > 0 {
		_, err = members.Add(added...)
	}
	return err
}

// applyMembers carries out an operation on the members of a group, without
// reading them if it says itself who is meant.
func (q *request) applyMembers(o operation, members bridge.Members) error {
	ids, err := memberIDs(o.value)
	switch {
	case o.sub != nil || o.pick != nil && o.op != "remove":
		return fault(scimerrors.ScimTypeMutability, "a member cannot be changed, only added or removed")
	case o.pick != nil:
		if ids, err = q.picked(o.pick, members); err == nil && len(ids) > 0 {
			_, err = members.Remove(ids...)
		}
		return err
	case err != nil:
		return err
	case o.some:
		if len(ids) > 0 {
			_, err = members.Remove(ids...)
		}
		return err
	case o.op == "remove":
		return members.Clear()
	case o.op == "replace":
		return setMembers(members, ids)
	case len(ids) > 0:
		_, err = members.Add(ids...)
	}
	return err
}

// picked returns the members that a selection means.
func (q *request) picked(pick *filter, members bridge.Members) (ids []string, err error) {
	if ids, ok := pick.ids(nil); ok {
		return ids, nil
	}
	for after := ""; ; {
		page, err := members.List(after, membersPage)
		if err != nil {
			return nil, err
		}
		for i, e := range q.formMembers(page) {
			if pick.matches(e.(map[string]any)) {
				ids = append(ids, page[i].ID)
			}
		}
		if len(page) < membersPage {
			return ids, nil
		}
		after = page[len(page)-1].ID
	}
}

// ids returns whom a selection names, if it does nothing but name: equalities
// of value joined by or.
func (f *filter) ids(named []string) ([]string, bool) {
	switch f.op {
	case "or":
		named, ok := f.left.ids(named)
		if !ok {
			return nil, false
		}
		return f.right.ids(named)
	case "eq":
		if id, ok := f.said.(string); ok && f.path[0].name == "value" {
			return append(named, id), true
		}
	}
	return nil, false
}
