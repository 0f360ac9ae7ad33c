package bridge

import (
	"bytes"
	"context"
)

// AddGroup stores a new group of the calling source with its first members.
func (b *Bridge) AddGroup(ctx context.Context, g Group, members []string) (Group, error) {
	c, err := source(ctx)
	if err != nil {
		return Group{}, err
	}
	now := b.time()
	g.ID, g.Source, g.Version, g.Created, g.Modified = newID(), c.Source, 1, now, now
	err = b.store.Update(ctx, func(tx Tx) error {
		if err := tx.PutGroup(g); err != nil {
			return err
		}
		n, err := tx.Members(g.ID).Add(members...)
		if err != nil {
			return err
		}
		f := said(c)
		f.Group, f.Count = g.ID, n
		return tx.Append(newEvent(now, GroupCreated, f))
	})
	if err != nil {
		return Group{}, err
	}
	return g, nil
}

// ChangeGroup applies change to a group and its members in one transaction, as
// [Bridge.ChangePerson].
func (b *Bridge) ChangeGroup(ctx context.Context, id string, change func(*Group, Members) error) (Group, error) {
	c, err := source(ctx)
	if err != nil {
		return Group{}, err
	}
	now := b.time()
	var g Group
	err = b.store.Update(ctx, func(tx Tx) error {
		before, err := groupOf(tx, c.Source, id)
		if err != nil {
			return err
		}
		g = before
		members := &counted{Members: tx.Members(id)}
		if err := change(&g, members); err != nil {
			return err
		}
		if members.changed == 0 && g.DisplayName == before.DisplayName && g.ExternalID == before.ExternalID &&
			bytes.Equal(g.Resource, before.Resource) {
			g = before
			return nil
		}
		g.ID, g.Source, g.Created = before.ID, before.Source, before.Created
		g.Version, g.Modified = before.Version+1, later(before.Modified, now)
		if err := tx.PutGroup(g); err != nil {
			return err
		}
		f := said(c)
		f.Group, f.Count = g.ID, members.changed
		return tx.Append(newEvent(now, GroupChanged, f))
	})
	if err != nil {
		return Group{}, err
	}
	return g, nil
}

// RemoveGroup deletes a group, unless allow (may be nil) refuses; its members
// stay.
func (b *Bridge) RemoveGroup(ctx context.Context, id string, allow func(Group) error) error {
	c, err := source(ctx)
	if err != nil {
		return err
	}
	now := b.time()
	return b.store.Update(ctx, func(tx Tx) error {
		g, err := groupOf(tx, c.Source, id)
		if err != nil {
			return err
		}
		if allow != nil {
			if err := allow(g); err != nil {
				return err
			}
		}
		if err := tx.DeleteGroup(id); err != nil {
			return err
		}
		f := said(c)
		f.Group = id
		return tx.Append(newEvent(now, GroupRemoved, f))
	})
}

func groupOf(tx Tx, source, id string) (Group, error) {
	g, err := tx.Group(id)
	if err == nil && g.Source != source {
		err = Errorf(KindNotFound, "there is no such group")
	}
	return g, err
}

// counted counts how many memberships a change touched, so that a change that
// changes nothing is recognised without reading all members.
type counted struct {
	Members
	changed int
}

func (c *counted) Add(ids ...string) (int, error) {
	n, err := c.Members.Add(ids...)
	c.changed += n
	return n, err
}

func (c *counted) Remove(ids ...string) (int, error) {
	n, err := c.Members.Remove(ids...)
	c.changed += n
	return n, err
}

func (c *counted) Clear() error {
	some, err := c.Members.List("", 1)
	if err != nil {
		return err
	}
	c.changed += len(some)
	return c.Members.Clear()
}
