package scim

import (
	"net/http"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/exeunt/exeunt/bridge"
)

// patchedMembers is up to how many members a PATCH is answered with the group.
// More are not read for the sake of an answer: it is 204 then, as RFC 7644,
// section 3.5.2, allows.
const patchedMembers = 100

// formGroup is a group as it is stored, without members.
func formGroup(g bridge.Group) stored {
	return stored{id: g.ID, resource: g.Resource, version: g.Version, created: g.Created, modified: g.Modified}
}

// answerGroup sends one group, with its members if they will be seen.
func (q *request) answerGroup(status int, g bridge.Group, shows projection) error {
	s, _, err := q.withMembers(g, shows, q.Limits.Members)
	if err != nil {
		return err
	}
	return q.answer(status, q.group, s, shows)
}

// withMembers adds at most limit members to a group, and says how many more it
// would still bear; more than limit is an error.
func (q *request) withMembers(g bridge.Group, shows projection, limit int) (s stored, left int, err error) {
	s = formGroup(g)
	if !shows.shows(q.group.belongs) {
		return s, limit, nil
	}
	members, err := q.Memberships.Members(q.Context(), g.ID, "", limit+1)
	if err != nil {
		return s, 0, err
	}
	if len(members) > limit {
		return s, 0, fault(scimerrors.ScimTypeTooMany, "too many members for one answer; ask with excludedAttributes=members")
	}
	s.belongs = q.formMembers(members)
	return s, limit - len(members), nil
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
	return q.answerGroup(http.StatusCreated, g, shows)
}

func (q *request) getGroup() error {
	shows, err := q.shown(q.group)
	if err != nil {
		return err
	}
	g, err := q.Groups.Group(q.Context(), q.id)
	if err != nil {
		return err
	}
	if q.unchanged(g.Version) {
		q.w.Header().Set("ETag", etag(g.Version))
		q.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return q.answerGroup(http.StatusOK, g, shows)
}

func (q *request) listGroups() error {
	x, err := q.parameters(q.group)
	if err != nil {
		return err
	}
	var failed error
	page, total, err := q.Groups.Groups(q.Context(), bridge.Query[bridge.Group]{Where: x.where,
		Keep: keep(q, q.group, x.rest, formGroup, &failed), Offset: x.start - 1, Limit: x.count})
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	formed := make([]stored, len(page))
	left := q.Limits.Members
	for i, g := range page {
		if formed[i], left, err = q.withMembers(g, x.shows, left); err != nil {
			return err
		}
	}
	return q.list(q.group, x, formed, total)
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
	return q.answerGroup(http.StatusOK, g, shows)
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
	if shows.only != nil {
		return q.answerGroup(http.StatusOK, g, shows)
	}
	s, _, err := q.withMembers(g, shows, patchedMembers)
	if answer, _ := asAnswer(err); err != nil && answer.ScimType == scimerrors.ScimTypeTooMany {
		q.w.Header().Set("ETag", etag(g.Version))
		q.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err != nil {
		return err
	}
	return q.answer(http.StatusOK, q.group, s, shows)
}

func (q *request) deleteGroup() error {
	err := q.Groups.RemoveGroup(q.Context(), q.id, func(g bridge.Group) error { return q.expected(g.Version) })
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}
