package store

import "github.com/exeunt/exeunt/bridge"

const groupColumns = `id, source, display_name, external_id, resource, version, created, modified`

func (t *tx) scanGroup(s scanner) (g bridge.Group, err error) {
	var created, modified int64
	err = s.Scan(&g.ID, &g.Source, &g.DisplayName, &g.ExternalID, &g.Resource, &g.Version, &created, &modified)
	g.Created, g.Modified = fromMicros(created), fromMicros(modified)
	return g, err
}

var groupsListing = listing[bridge.Group]{
	table: "groups", columns: groupColumns, scan: (*tx).scanGroup,
	id: func(g bridge.Group) string { return g.ID }, ordered: bridge.ByDisplayName,
}

func (t *tx) Group(id string) (bridge.Group, error) {
	g, err := t.scanGroup(single{t, "group", "SELECT " + groupColumns + " FROM groups WHERE id = $1" + t.forUpdate(), id})
	if err != nil {
		return bridge.Group{}, err
	}
	if t.write {
		t.remember(g.ID, g.Keys())
	}
	return g, nil
}

func (t *tx) Groups(q bridge.Query) ([]bridge.Group, int, error) { return groupsListing.page(t, q) }

func (t *tx) ScanGroups(source string, where bridge.Cond, each func([]bridge.Group) error) error {
	return groupsListing.each(t, source, where, each)
}

func (t *tx) PutGroup(g bridge.Group) error {
	keys := g.Keys()
	if err := storable(keys); err != nil {
		return err
	}
	if g.Version == 1 {
		_, err := t.do(`INSERT INTO groups (`+groupColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			g.ID, g.Source, g.DisplayName, g.ExternalID, filled(g.Resource), g.Version, micros(g.Created), micros(g.Modified))
		if t.unique(err) {
			return bridge.Errorf(bridge.KindConflict, "there is already a group with this id")
		}
		if err != nil {
			return err
		}
		if err := t.tally("groups", g.ID, 1); err != nil {
			return err
		}
		return groupsListing.putKeys(t, g.Source, g.ID, nil, keys)
	}
	before, known := t.keys[g.ID]
	if !known {
		old, err := t.Group(g.ID)
		if err != nil {
			return err
		}
		before = old.Keys()
	}
	n, err := t.do(`UPDATE groups SET display_name = $2, external_id = $3, resource = $4, version = $5, modified = $6 WHERE id = $1`,
		g.ID, g.DisplayName, g.ExternalID, filled(g.Resource), g.Version, micros(g.Modified))
	if err != nil {
		return err
	}
	if n == 0 {
		return bridge.Errorf(bridge.KindNotFound, "there is no such group")
	}
	return groupsListing.putKeys(t, g.Source, g.ID, before, keys)
}

func (t *tx) DeleteGroup(id string) error {
	if _, err := t.do(`DELETE FROM members WHERE member = $1`, id); err != nil {
		return err
	}
	if err := t.tally("groups", id, -1); err != nil {
		return err
	}
	n, err := t.do(`DELETE FROM groups WHERE id = $1`, id) // and its keys and members
	if err == nil && n == 0 {
		err = bridge.Errorf(bridge.KindNotFound, "there is no such group")
	}
	delete(t.keys, id)
	return err
}
