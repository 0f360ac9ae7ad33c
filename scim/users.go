package scim

import (
	"net/http"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/exeunt/exeunt/bridge"
)

// formPerson is a person as it is stored, without groups.
func formPerson(p bridge.Person) stored {
	return stored{id: p.ID, resource: p.Resource, version: p.Version, created: p.Created, modified: p.Modified}
}

// people is where users are found.
func people() shelf {
	return shelfOf(formPerson, bridge.Sight.Person, bridge.Sight.People, bridge.Sight.ScanPeople, (*request).addGroups)
}

// addCaseStates adds to each user where their departure stands.
func (q *request) addCaseStates(v bridge.Sight, users []stored) error {
	ids := make([]string, len(users))
	for i, s := range users {
		ids[i] = s.id
	}
	states, err := v.CaseStates(ids...)
	for i, s := range users {
		users[i].caseState = string(states[s.id])
	}
	return err
}

// addGroups adds to each user the groups that they are in, directly or through
// other groups (RFC 7643, section 4.1.2); at most limit, and says how
// many more it would bear; more than limit is errTooMany.
func (q *request) addGroups(v bridge.Sight, users []stored, limit int) (int, error) {
	ids := make([]string, len(users))
	for i, s := range users {
		ids[i] = s.id
	}
	in, err := v.Memberships(limit+1, ids...)
	if err != nil {
		return 0, err
	}
	for _, list := range in {
		limit -= len(list)
	}
	if limit < 0 {
		return 0, errTooMany
	}
	for i, s := range users {
		for _, m := range in[s.id] {
			how := "direct"
			if m.Indirect {
				how = "indirect"
			}
			users[i].belongs = append(users[i].belongs, map[string]any{"value": m.Group, "display": m.DisplayName,
				"type": how, "$ref": q.location(q.group, m.Group)})
		}
	}
	return limit, nil
}

// sent reads a whole resource from the body: clean, and as it came, which says
// what the clean one does not: whether something was mentioned at all.
func (q *request) sent(t *resourceType) (res map[string]any, body map[string]any, err error) {
	if body, err = q.body(); err != nil {
		return nil, nil, err
	}
	if !q.mending.may(anySchemas) && !names(body, t.urn) {
		return nil, nil, fault(scimerrors.ScimTypeInvalidSyntax, "schemas must name %s", t.urn)
	}
	for _, mend := range q.mending.bodies {
		mend(t, body)
	}
	res, err = cleaner{mending: q.mending}.resource(t, body)
	return res, body, err
}

func (q *request) createUser() error {
	shows, err := q.shown(q.user)
	if err != nil {
		return err
	}
	res, _, err := q.sent(q.user)
	if err != nil {
		return err
	}
	p := bridge.Person{Active: true}
	if err := describe(&p, q.user, res, scimerrors.ScimTypeInvalidValue); err != nil {
		return err
	}
	if p, err = q.People.AddPerson(q.Context(), p); err != nil {
		return err
	}
	return q.answer(http.StatusCreated, q.user, formPerson(p), shows)
}

func (q *request) replaceUser() error {
	shows, err := q.shown(q.user)
	if err != nil {
		return err
	}
	res, _, err := q.sent(q.user)
	if err != nil {
		return err
	}
	p, err := q.People.ChangePerson(q.Context(), q.id, func(p *bridge.Person) error {
		if err := q.expected(p.Version); err != nil {
			return err
		}
		return describe(p, q.user, clone(res).(map[string]any), scimerrors.ScimTypeInvalidValue)
	})
	if err != nil {
		return err
	}
	return q.answerNow(http.StatusOK, q.user, formPerson(p), shows, q.Limits.Members)
}

func (q *request) patchUser() error {
	shows, err := q.shown(q.user)
	if err != nil {
		return err
	}
	body, err := q.body()
	if err != nil {
		return err
	}
	ops, err := q.user.operations(body, q.mending, q.Limits)
	if err != nil {
		return err
	}
	p, err := q.People.ChangePerson(q.Context(), q.id, func(p *bridge.Person) error {
		if err := q.expected(p.Version); err != nil {
			return err
		}
		res, err := decodeStored(p.Resource)
		if err != nil {
			return err
		}
		for _, o := range ops {
			if err := o.apply(res, q.mending); err != nil {
				return err
			}
		}
		p.Hold = false // the whole resource is here: what is not in it, the operations have removed
		return describe(p, q.user, res, scimerrors.ScimTypeMutability)
	})
	if err != nil {
		return err
	}
	return q.answerNow(http.StatusOK, q.user, formPerson(p), shows, q.Limits.Members)
}

func (q *request) deleteUser() error {
	err := q.People.RemovePerson(q.Context(), q.id, func(p bridge.Person) error { return q.expected(p.Version) })
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}
