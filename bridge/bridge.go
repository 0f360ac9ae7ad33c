package bridge

import "context"

// Bridge takes in what sources say and carries departures out.
type Bridge struct{}

// Person returns one of the calling source's people.
func (b *Bridge) Person(ctx context.Context, id string) (Person, error) { panic("later") }

// People returns a page of the calling source's people that q asks for, and the
// number of all matches. q.Source is the caller's, whatever it says.
func (b *Bridge) People(ctx context.Context, q Query[Person]) ([]Person, int, error) {
	panic("later")
}

// Memberships returns, by id, the groups that people or groups are directly in.
func (b *Bridge) Memberships(ctx context.Context, ids ...string) (map[string][]Membership, error) {
	panic("later")
}

// AddPerson stores a new person of the calling source and returns it with ID,
// Handle, Version and times set. KindConflict if the user name is taken.
func (b *Bridge) AddPerson(ctx context.Context, p Person) (Person, error) { panic("later") }

// ChangePerson applies change to a person in one transaction. change may be run
// more than once and must touch nothing but its argument; its error is returned
// as it is. If it makes the person inactive, the case is open when ChangePerson
// returns. A change that changes nothing leaves no trace.
func (b *Bridge) ChangePerson(ctx context.Context, id string, change func(*Person) error) (Person, error) {
	panic("later")
}

// RemovePerson deletes a person and opens the case in the same transaction.
func (b *Bridge) RemovePerson(ctx context.Context, id string, allow func(Person) error) error {
	panic("later")
}

// Group returns one of the calling source's groups.
func (b *Bridge) Group(ctx context.Context, id string) (Group, error) { panic("later") }

// Groups is as People.
func (b *Bridge) Groups(ctx context.Context, q Query[Group]) ([]Group, int, error) { panic("later") }

// Members returns up to limit members of a group after the one with id after.
func (b *Bridge) Members(ctx context.Context, group, after string, limit int) ([]Member, error) {
	panic("later")
}

// AddGroup stores a new group with its first members.
func (b *Bridge) AddGroup(ctx context.Context, g Group, members []string) (Group, error) {
	panic("later")
}

// ChangeGroup applies change to a group and its members in one transaction, as
// ChangePerson.
func (b *Bridge) ChangeGroup(ctx context.Context, id string, change func(*Group, Members) error) (Group, error) {
	panic("later")
}

// RemoveGroup deletes a group; its members stay.
func (b *Bridge) RemoveGroup(ctx context.Context, id string, allow func(Group) error) error {
	panic("later")
}
