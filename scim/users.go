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

// formPeople is a page of people with their groups, which are asked for only
// if they will be seen.
func (q *request) formPeople(shows projection, people ...bridge.Person) ([]stored, error) {
	out := make([]stored, len(people))
	for i, p := range people {
		out[i] = formPerson(p)
	}
	states, groups := shows.asks(q.user.caseState), shows.shows(q.user.belongs)
	if len(people) == 0 || !states && !groups {
		return out, nil
	}
	ids := make([]string, len(people))
	for i, p := range people {
		ids[i] = p.ID
	}
	if states {
		of, err := q.Departures.CaseStates(q.Context(), ids...)
		if err != nil {
			return nil, err
		}
		for i, p := range people {
			out[i].caseState = string(of[p.ID])
		}
	}
	if !groups {
		return out, nil
	}
	in, err := q.Memberships.Memberships(q.Context(), ids...)
	if err != nil {
		return nil, err
	}
	for i, p := range people {
		for _, m := range in[p.ID] {
			out[i].belongs = append(out[i].belongs, map[string]any{"value": m.Group, "display": m.DisplayName,
				"type": "direct", "$ref": q.location(q.group, m.Group)})
		}
	}
	return out, nil
}

// answerPerson sends one person.
func (q *request) answerPerson(status int, p bridge.Person, shows projection) error {
	one, err := q.formPeople(shows, p)
	if err != nil {
		return err
	}
	return q.answer(status, q.user, one[0], shows)
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

func (q *request) getUser() error {
	shows, err := q.shown(q.user)
	if err != nil {
		return err
	}
	p, err := q.People.Person(q.Context(), q.id)
	if err != nil {
		return err
	}
	if q.unchanged(p.Version) {
		q.w.Header().Set("ETag", etag(p.Version))
		q.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return q.answerPerson(http.StatusOK, p, shows)
}

func (q *request) listUsers() error {
	x, err := q.parameters(q.user)
	if err != nil {
		return err
	}
	var failed error
	page, total, err := q.People.People(q.Context(), bridge.Query[bridge.Person]{Where: x.where,
		Keep: keep(q, q.user, x.rest, formPerson, &failed), Offset: x.start - 1, Limit: x.count})
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	formed, err := q.formPeople(x.shows, page...)
	if err != nil {
		return err
	}
	return q.list(q.user, x, formed, total)
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
	return q.answerPerson(http.StatusOK, p, shows)
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
		return describe(p, q.user, res, scimerrors.ScimTypeMutability)
	})
	if err != nil {
		return err
	}
	return q.answerPerson(http.StatusOK, p, shows)
}

func (q *request) deleteUser() error {
	err := q.People.RemovePerson(q.Context(), q.id, func(p bridge.Person) error { return q.expected(p.Version) })
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}
