package scim

import (
	"net/http"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/exeunt/exeunt/bridge"
)

// patchedMembers is up to how many members a PATCH is answered with the group.
// More are not read for the sake of an answer: it is 204 then.
const patchedMembers = 100

// formGroup is a group as it is stored, without members.
func formGroup(g bridge.Group) stored {
	return stored{id: g.ID, resource: g.Resource, version: g.Version, created: g.Created, modified: g.Modified}
}

// groups is where groups are found.
func groups() shelf {
	return shelfOf(formGroup, bridge.Sight.Group, bridge.Sight.Groups, bridge.Sight.ScanGroups, (*request).addMembers)
}

// errTooMany says that groups have more members, or users are in more groups, than
// an answer bears.
var errTooMany = fault(scimerrors.ScimTypeTooMany, "too many members or groups for one answer; ask for fewer resources, or with excludedAttributes=members,groups")

// addMembers adds their members to groups, at most limit, and says how many more
// it would bear; more than limit is errTooMany.
func (q *request) addMembers(v bridge.Sight, some []stored, limit int) (int, error) {
	for i, s := range some {
		members, err := v.Members(s.id, "", limit+1)
		if err != nil {
			return 0, err
		}
		if limit -= len(members); limit < 0 {
			return 0, errTooMany
		}
		some[i].belongs = q.formMembers(members)
	}
	return limit, nil
}

func (q *request) createGroup() error {
	shows, err := q.shown(q.group)
	if err != nil {
		return err
	}
	res, _, err := q.sent(q.group)
	if err != nil {
		return err
	}
	ids, err := memberIDs(res["members"])
	if err != nil {
		return err
	}
	var g bridge.Group
	if err := describeGroup(&g, q.group, res, scimerrors.ScimTypeInvalidValue); err != nil {
		return err
	}
	if g, err = q.Groups.AddGroup(q.Context(), g, ids); err != nil {
		return err
	}
	return q.answerNow(http.StatusCreated, q.group, formGroup(g), shows, q.Limits.Members)
}

// replaceGroup replaces a group. Members that are not mentioned at all stay;
// an empty list or null removes them.
func (q *request) replaceGroup() error {
	shows, err := q.shown(q.group)
	if err != nil {
		return err
	}
	res, body, err := q.sent(q.group)
	if err != nil {
		return err
	}
	ids, err := memberIDs(res["members"])
	if err != nil {
		return err
	}
	_, mentioned := find(body, "members")
	g, err := q.Groups.ChangeGroup(q.Context(), q.id, func(g *bridge.Group, members bridge.Members) error {
		if err := q.expected(g.Version); err != nil {
			return err
		}
		if mentioned {
			if err := setMembers(members, ids); err != nil {
				return err
			}
		}
		return describeGroup(g, q.group, clone(res).(map[string]any), scimerrors.ScimTypeInvalidValue)
	})
	if err != nil {
		return err
	}
	return q.answerNow(http.StatusOK, q.group, formGroup(g), shows, q.Limits.Members)
}

func (q *request) patchGroup() error {
	shows, err := q.shown(q.group)
	if err != nil {
		return err
	}
	body, err := q.body()
	if err != nil {
		return err
	}
	ops, err := q.group.operations(body, q.mending, q.Limits)
	if err != nil {
		return err
	}
	g, err := q.Groups.ChangeGroup(q.Context(), q.id, func(g *bridge.Group, members bridge.Members) error {
		if err := q.expected(g.Version); err != nil {
			return err
		}
		res, err := decodeStored(g.Resource)
		if err != nil {
			return err
		}
		for _, o := range ops {
			if o.path[0] == q.group.belongs {
				err = q.applyMembers(o, members)
			} else {
				err = o.apply(res, q.mending)
			}
			if err != nil {
				return err
			}
		}
		return describeGroup(g, q.group, res, scimerrors.ScimTypeMutability)
	})
	if err != nil {
		return err
	}
	limit := patchedMembers
	if shows.only != nil {
		limit = q.Limits.Members
	}
	return q.answerNow(http.StatusOK, q.group, formGroup(g), shows, limit)
}

func (q *request) deleteGroup() error {
	err := q.Groups.RemoveGroup(q.Context(), q.id, func(g bridge.Group) error { return q.expected(g.Version) })
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}
