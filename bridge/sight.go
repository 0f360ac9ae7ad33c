package bridge

import "context"

// Sight is what one source may see: its own people and groups, all on one
// snapshot. It is good until the function that it was given to returns.
type Sight struct {
	tx     Tx
	source string
}

// SightOf is what a source sees through tx.
func SightOf(tx Tx, source string) Sight { return Sight{tx, source} }

// See runs fn on a snapshot of what the calling source may see.
func (b *Bridge) See(ctx context.Context, fn func(Sight) error) error {
	c, err := source(ctx)
	if err != nil {
		return err
	}
	return b.store.View(ctx, func(tx Tx) error { return fn(SightOf(tx, c.Source)) })
}

// Person returns one of the source's people.
func (s Sight) Person(id string) (Person, error) { return personOf(s.tx, s.source, id) }

// People returns a page of the source's people that q asks for, and the number
// of all that its condition holds of. q.Source is the caller's, whatever it says.
func (s Sight) People(q Query) ([]Person, int, error) {
	q.Source = s.source
	return s.tx.People(q)
}

// ScanPeople hands all of the source's people of whom where holds to each, some
// at a time, in the order of creation.
func (s Sight) ScanPeople(where Cond, each func([]Person) error) error {
	return s.tx.ScanPeople(s.source, where, each)
}

// Group returns one of the source's groups.
func (s Sight) Group(id string) (Group, error) { return groupOf(s.tx, s.source, id) }

// Groups returns a page of the source's groups, as [Sight.People].
func (s Sight) Groups(q Query) ([]Group, int, error) {
	q.Source = s.source
	return s.tx.Groups(q)
}

// ScanGroups is [Sight.ScanPeople] for groups.
func (s Sight) ScanGroups(where Cond, each func([]Group) error) error {
	return s.tx.ScanGroups(s.source, where, each)
}

// Members returns up to limit members of one of the source's groups after the
// one with id after; limit 0 means all. Whose group it is, is not looked at: ids
// come from [Sight.Group], Groups or ScanGroups.
func (s Sight) Members(group, after string, limit int) ([]Member, error) {
	return s.tx.Members(group).List(after, limit)
}

// Memberships returns, by id, the groups that the source's people or groups are
// in, directly or not; at most limit in all. Ids come from the other methods.
func (s Sight) Memberships(limit int, ids ...string) (map[string][]Membership, error) {
	return s.tx.Memberships(limit, ids...)
}

// CaseStates returns, by id, where the departures stand of those of the source's
// people who have left and not come back.
func (s Sight) CaseStates(ids ...string) (map[string]CaseState, error) {
	return s.tx.CaseStates(s.source, ids...)
}
