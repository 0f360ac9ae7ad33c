package store

import (
	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/vault"
)

// members is who is in one group.
type members struct {
	t     *tx
	group string
}

func (t *tx) Members(group string) bridge.Members { return members{t, group} }

func (m members) List(after string, limit int) ([]bridge.Member, error) {
	query := `SELECT m.member, m.is_group, coalesce(g.display_name, ''), p.sealed, p.handle, k.wrapped
		FROM members m
		LEFT JOIN people p ON p.id = m.member
		LEFT JOIN subject_keys k ON k.handle = p.handle
		LEFT JOIN groups g ON g.id = m.member
		WHERE m.group_id = $1 AND m.member > $2 ORDER BY m.member`
	args := []any{m.group, after}
	if limit > 0 {
		query, args = query+" LIMIT $3", append(args, limit)
	}
	var list []bridge.Member
	err := m.t.each(query, args, func(s scanner) error {
		var v bridge.Member
		var sealed, handle []byte
		var wrapped []byte
		err := s.Scan(&v.ID, &v.IsGroup, &v.Display, &sealed, &handle, &wrapped)
		if err == nil && sealed != nil {
			v.Display, err = m.t.nameOf(v.ID, handle, wrapped, sealed)
		}
		list = append(list, v)
		return err
	})
	return list, err
}

// nameOf opens what is sealed of a person for the user name.
func (t *tx) nameOf(id string, handle []byte, w vault.Wrapped, sealed []byte) (string, error) {
	var p bridge.Person
	copy(p.Handle[:], handle)
	subject, err := t.unwrap(p.Handle, w)
	if err != nil {
		return "", err
	}
	plain, err := subject.Open(place("people", id), sealed)
	if err != nil {
		return "", err
	}
	err = unpackPerson(plain, &p)
	return p.UserName, err
}

// chunk bounds how many ids one statement carries.
const chunk = 5000

// chunks hands ids on, at most size at a time, and sums up what do returns.
func chunks(ids []string, size int, do func([]string) (int64, error)) (total int, err error) {
	for len(ids) > 0 {
		k := min(size, len(ids))
		n, err := do(ids[:k])
		total += int(n)
		if err != nil {
			return total, err
		}
		ids = ids[k:]
	}
	return total, nil
}

func (m members) Add(ids ...string) (int, error) {
	t := m.t
	ids = distinct(ids)
	var source string
	if err := t.get("group", `SELECT source FROM groups WHERE id = $1`, []any{m.group}, &source); err != nil {
		return 0, err
	}
	return chunks(ids, chunk, func(part []string) (int64, error) {
		// A member that is deleted meanwhile leaves a row that names nobody.
		var known int
		in := t.in("$2")
		if err := t.get("member", `SELECT (SELECT count(*) FROM people WHERE source = $1 AND id `+in+`)
			+ (SELECT count(*) FROM groups WHERE source = $1 AND id `+in+`)`, []any{source, t.list(part)}, &known); err != nil {
			return 0, err
		}
		if known != len(part) {
			return 0, &bridge.Error{Kind: bridge.KindInvalid, Field: "members", Message: "there is no such member"}
		}
		return t.do(`INSERT INTO members (group_id, member, is_group)
			SELECT $1, id, 1 = 0 FROM people WHERE id `+in+`
			UNION ALL SELECT $1, id, 1 = 1 FROM groups WHERE id `+in+`
			ON CONFLICT DO NOTHING`, m.group, t.list(part))
	})
}

func (m members) Remove(ids ...string) (int, error) {
	return chunks(distinct(ids), chunk, func(part []string) (int64, error) {
		return m.t.do(`DELETE FROM members WHERE group_id = $1 AND member `+m.t.in("$2"), m.group, m.t.list(part))
	})
}

func (m members) Clear() error {
	_, err := m.t.do(`DELETE FROM members WHERE group_id = $1`, m.group)
	return err
}

func (t *tx) Memberships(limit int, ids ...string) (map[string][]bridge.Membership, error) {
	found := make(map[string][]bridge.Membership)
	if len(ids) == 0 {
		return found, nil
	}
	err := t.each(`WITH RECURSIVE up (member, group_id, direct) AS (
			SELECT member, group_id, 1 FROM members WHERE member `+t.in("$1")+`
			UNION SELECT up.member, m.group_id, 0 FROM up JOIN members m ON m.member = up.group_id)
		SELECT up.member, g.id, g.display_name, max(up.direct) FROM up JOIN groups g ON g.id = up.group_id
		GROUP BY up.member, g.id, g.display_name ORDER BY up.member, g.id`, []any{t.list(ids)}, func(s scanner) error {
		if limit--; limit < 0 {
			return errEnough
		}
		var id string
		var v bridge.Membership
		var direct int
		err := s.Scan(&id, &v.Group, &v.DisplayName, &direct)
		v.Indirect = direct == 0
		found[id] = append(found[id], v)
		return err
	})
	return found, err
}

func distinct(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	var out []string
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}
