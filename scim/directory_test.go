package scim

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/storetest"
)

// directory keeps people and groups in memory, as naively as possible: it is
// the model of what the bridge promises, and it is strict with its callers. A
// change is run twice, as the bridge may do, and must come to the same.
type directory struct {
	mu      sync.Mutex
	clock   time.Time
	ids     int
	people  []bridge.Person
	groups  []bridge.Group
	members map[string][]string // of a group, sorted

	left   []string // user names, in the order in which they left
	writes int
	listed int // how many members were handed out
	asked  int // how often case states were asked for
}

func newDirectory() *directory {
	return &directory{clock: time.Date(2026, 11, 1, 8, 0, 0, 123456000, time.UTC), members: map[string][]string{}}
}

func (d *directory) tick() time.Time { d.clock = d.clock.Add(time.Second); return d.clock }

func (d *directory) newID() string {
	d.ids++
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", d.ids)
}

func source(ctx context.Context) string {
	c, err := bridge.CallerFrom(ctx)
	if err != nil {
		panic(err)
	}
	return c.Source
}

func (d *directory) person(ctx context.Context, id string) (int, error) {
	for i, p := range d.people {
		if p.ID == id && p.Source == source(ctx) {
			return i, nil
		}
	}
	return 0, bridge.Errorf(bridge.KindNotFound, "there is no such user")
}

func (d *directory) free(p bridge.Person) error {
	for _, o := range d.people {
		if o.ID != p.ID && o.Source == p.Source && strings.EqualFold(o.UserName, p.UserName) {
			return &bridge.Error{Kind: bridge.KindConflict, Field: "userName", Message: "somebody has it"}
		}
	}
	return nil
}

// See shows a snapshot: the directory is locked meanwhile.
func (d *directory) See(ctx context.Context, fn func(bridge.Sight) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fn(bridge.SightOf(snapshot{d: d, ctx: ctx}, source(ctx)))
}

// snapshot is the part of a transaction that reads people and groups.
type snapshot struct {
	bridge.Tx // nothing else of it is there
	d         *directory
	ctx       context.Context
}

func (s snapshot) Person(id string) (bridge.Person, error) {
	i, err := s.d.person(s.ctx, id)
	if err != nil {
		return bridge.Person{}, err
	}
	return s.d.people[i], nil
}

func (s snapshot) People(q bridge.Query) ([]bridge.Person, int, error) {
	return page(s.d.people, q, func(p bridge.Person) (storetest.Known, string) {
		k := storetest.Known{ID: p.ID, Keys: p.Keys(), Active: p.Active, Created: p.Created, Modified: p.Modified}
		if p.Source != source(s.ctx) {
			return storetest.Known{}, ""
		}
		in, _ := s.Memberships(math.MaxInt, p.ID)
		for _, m := range in[p.ID] {
			k.In = append(k.In, m.Group)
		}
		return k, bridge.Normalise(bridge.ByUserName, p.UserName).Value
	})
}

func (s snapshot) ScanPeople(_ string, where bridge.Cond, each func([]bridge.Person) error) error {
	all, _, err := s.People(bridge.Query{Where: where, Limit: len(s.d.people)})
	if err != nil {
		return err
	}
	return each(all)
}

// page is a page of all, which is in the order of creation; known says what is
// known of one, and its name.
func page[T any](all []T, q bridge.Query, known func(T) (storetest.Known, string)) (out []T, total int, err error) {
	type one struct {
		x   T
		key string
		id  string
	}
	var found []one
	for _, x := range all {
		k, name := known(x)
		if k.ID == "" || !k.Holds(q.Where) {
			continue
		}
		key := map[bridge.Attribute]string{"": fmt.Sprintf("%020d", k.Created.UnixMicro()), bridge.ByID: "",
			bridge.ByUserName: name, bridge.ByDisplayName: name}[q.Sort.By]
		found = append(found, one{x, key, k.ID})
	}
	compare := func(a, b one) int {
		n := cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.id, b.id))
		if q.Sort.Descending {
			return -n
		}
		return n
	}
	slices.SortFunc(found, compare)
	total = len(found)
	if q.After != nil {
		if q.Sort.By == "" && len(q.After.Key) != 20 {
			return nil, 0, bridge.Errorf(bridge.KindInvalid, "there is no such place")
		}
		found = slices.DeleteFunc(found, func(x one) bool { return compare(x, one{key: q.After.Key, id: q.After.ID}) <= 0 })
	}
	found = found[min(q.Offset, len(found)):]
	for _, x := range found[:min(q.Limit, len(found))] {
		out = append(out, x.x)
	}
	return out, total, nil
}

func (d *directory) AddPerson(ctx context.Context, p bridge.Person) (bridge.Person, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p.ID, p.Source, p.Handle, p.Version = d.newID(), source(ctx), bridge.NewHandle(), 1
	p.Created = d.tick()
	p.Modified = p.Created
	if err := d.free(p); err != nil {
		return p, err
	}
	d.writes++
	d.people = append(d.people, p)
	return p, nil
}

func (d *directory) ChangePerson(ctx context.Context, id string, change func(*bridge.Person) error) (bridge.Person, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, err := d.person(ctx, id)
	if err != nil {
		return bridge.Person{}, err
	}
	before := d.people[i]
	resource := bytes.Clone(before.Resource)
	p, again := before, before
	if err := change(&p); err != nil {
		return bridge.Person{}, err
	}
	if err := change(&again); err != nil {
		panic("the second run of a change failed: " + err.Error())
	}
	if !reflect.DeepEqual(p, again) || !bytes.Equal(resource, before.Resource) {
		panic("a change does not come to the same twice")
	}
	if reflect.DeepEqual(before, p) {
		return before, nil
	}
	if err := d.free(p); err != nil {
		return p, err
	}
	d.writes++
	p.Version, p.Modified = before.Version+1, d.tick()
	d.people[i] = p
	if before.Active && !p.Active {
		d.left = append(d.left, p.UserName)
	}
	return p, nil
}

func (d *directory) RemovePerson(ctx context.Context, id string, allow func(bridge.Person) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, err := d.person(ctx, id)
	if err != nil {
		return err
	}
	if err := allow(d.people[i]); err != nil {
		return err
	}
	d.writes++
	d.left = append(d.left, d.people[i].UserName)
	d.people = slices.Delete(d.people, i, i+1)
	for g := range d.members {
		d.members[g] = slices.DeleteFunc(d.members[g], func(m string) bool { return m == id })
	}
	return nil
}

func (d *directory) group(ctx context.Context, id string) (int, error) {
	for i, g := range d.groups {
		if g.ID == id && g.Source == source(ctx) {
			return i, nil
		}
	}
	return 0, bridge.Errorf(bridge.KindNotFound, "there is no such group")
}

func (s snapshot) Group(id string) (bridge.Group, error) {
	i, err := s.d.group(s.ctx, id)
	if err != nil {
		return bridge.Group{}, err
	}
	return s.d.groups[i], nil
}

func (s snapshot) Groups(q bridge.Query) ([]bridge.Group, int, error) {
	return page(s.d.groups, q, func(g bridge.Group) (storetest.Known, string) {
		if g.Source != source(s.ctx) {
			return storetest.Known{}, ""
		}
		return storetest.Known{ID: g.ID, Keys: g.Keys(), Created: g.Created, Modified: g.Modified, In: s.d.members[g.ID]},
			bridge.Normalise(bridge.ByDisplayName, g.DisplayName).Value
	})
}

func (s snapshot) ScanGroups(_ string, where bridge.Cond, each func([]bridge.Group) error) error {
	all, _, err := s.Groups(bridge.Query{Where: where, Limit: len(s.d.groups)})
	if err != nil {
		return err
	}
	return each(all)
}

func (s snapshot) Members(group string) bridge.Members { return &within{s.d, s.ctx, group} }

// Memberships goes up from each id until nothing is new.
func (s snapshot) Memberships(limit int, ids ...string) (map[string][]bridge.Membership, error) {
	out := map[string][]bridge.Membership{}
	for _, id := range ids {
		in := map[string]bool{} // group: only indirectly
		for rising := []string{id}; len(rising) > 0; rising = rising[1:] {
			for _, g := range s.d.groups {
				if _, seen := in[g.ID]; slices.Contains(s.d.members[g.ID], rising[0]) && (!seen || rising[0] == id) {
					in[g.ID] = rising[0] != id && (!seen || in[g.ID])
					if !seen {
						rising = append(rising, g.ID)
					}
				}
			}
		}
		for _, g := range s.d.groups {
			if indirect, ok := in[g.ID]; ok && g.Source == source(s.ctx) && limit > 0 {
				limit--
				out[id] = append(out[id], bridge.Membership{Group: g.ID, DisplayName: g.DisplayName, Indirect: indirect})
			}
		}
	}
	return out, nil
}

func (d *directory) AddGroup(ctx context.Context, g bridge.Group, members []string) (bridge.Group, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g.ID, g.Source, g.Version, g.Created = d.newID(), source(ctx), 1, d.tick()
	g.Modified = g.Created
	if _, err := (&within{d, ctx, g.ID}).Add(members...); err != nil {
		return g, err
	}
	d.writes++
	d.groups = append(d.groups, g)
	return g, nil
}

func (d *directory) ChangeGroup(ctx context.Context, id string, change func(*bridge.Group, bridge.Members) error) (bridge.Group, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, err := d.group(ctx, id)
	if err != nil {
		return bridge.Group{}, err
	}
	before, were := d.groups[i], slices.Clone(d.members[id])
	g := before
	if err := change(&g, &within{d, ctx, id}); err != nil {
		d.members[id] = were
		return g, err
	}
	first, are := g, d.members[id]
	g, d.members[id] = before, slices.Clone(were)
	if err := change(&g, &within{d, ctx, id}); err != nil {
		panic("the second run of a change failed: " + err.Error())
	}
	if !reflect.DeepEqual(first, g) || !slices.Equal(are, d.members[id]) {
		panic("a change does not come to the same twice")
	}
	if reflect.DeepEqual(before, g) && slices.Equal(were, d.members[id]) {
		return before, nil
	}
	d.writes++
	g.Version, g.Modified = before.Version+1, d.tick()
	d.groups[i] = g
	return g, nil
}

func (d *directory) RemoveGroup(ctx context.Context, id string, allow func(bridge.Group) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, err := d.group(ctx, id)
	if err != nil {
		return err
	}
	if err := allow(d.groups[i]); err != nil {
		return err
	}
	d.writes++
	d.groups = slices.Delete(d.groups, i, i+1)
	delete(d.members, id)
	return nil
}

// within is who is in one group of a locked directory.
type within struct {
	d     *directory
	ctx   context.Context
	group string
}

func (w *within) List(after string, limit int) (out []bridge.Member, err error) {
	for _, id := range w.d.members[w.group] {
		if id <= after || limit > 0 && len(out) == limit {
			continue
		}
		m := bridge.Member{ID: id}
		if i, err := w.d.person(w.ctx, id); err == nil {
			m.Display = w.d.people[i].UserName
		}
		if i, err := w.d.group(w.ctx, id); err == nil {
			m.Display, m.IsGroup = w.d.groups[i].DisplayName, true
		}
		out = append(out, m)
	}
	w.d.listed += len(out)
	return out, nil
}

func (w *within) Add(ids ...string) (added int, err error) {
	have := w.d.members[w.group]
	for _, id := range ids {
		_, noPerson := w.d.person(w.ctx, id)
		_, noGroup := w.d.group(w.ctx, id)
		if noPerson != nil && noGroup != nil {
			return 0, &bridge.Error{Kind: bridge.KindInvalid, Field: "members", Message: "no such user or group"}
		}
		if i, ok := slices.BinarySearch(have, id); !ok {
			have = slices.Insert(slices.Clone(have), i, id)
			added++
		}
	}
	w.d.members[w.group] = have
	return added, nil
}

func (w *within) Remove(ids ...string) (removed int, err error) {
	have := slices.Clone(w.d.members[w.group])
	for _, id := range ids {
		if i, ok := slices.BinarySearch(have, id); ok {
			have = slices.Delete(have, i, i+1)
			removed++
		}
	}
	w.d.members[w.group] = have
	return removed, nil
}

func (w *within) Clear() error {
	delete(w.d.members, w.group)
	return nil
}

// The bridge is what the door needs, and so is the model of it.
var (
	_ People = (*bridge.Bridge)(nil)
	_ Groups = (*bridge.Bridge)(nil)
	_ Reader = (*bridge.Bridge)(nil)

	_ People = (*directory)(nil)
	_ Groups = (*directory)(nil)
	_ Reader = (*directory)(nil)
)

func (s snapshot) CaseStates(_ string, ids ...string) (map[string]bridge.CaseState, error) {
	s.d.asked++
	states := map[string]bridge.CaseState{}
	for _, p := range s.d.people {
		if slices.Contains(ids, p.ID) && !p.Active && slices.Contains(s.d.left, p.UserName) {
			states[p.ID] = bridge.CaseRunning
		}
	}
	return states, nil
}
