package sandbox

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// member is one account of an app, with the doors that are open to it.
type member struct {
	id string
	User
	active bool
}

// house is the part of a world that both apps with people have: accounts,
// sessions and keys.
type house struct {
	admin    string
	members  []member // by time of creation
	sessions map[string]door
	keys     map[string]door
	done     []Change
}

// door is a session or an API key: a secret that lets one account in.
type door struct{ id, account string }

func newHouse(o Options) *house {
	h := &house{admin: o.Admin, sessions: map[string]door{}, keys: map[string]door{}}
	for _, u := range o.Users {
		h.members = append(h.members, member{id: random()[:12], User: u, active: true})
	}
	return h
}

func (h *house) copy() *house {
	c := *h
	c.members, c.done = slices.Clone(h.members), slices.Clone(h.done)
	c.sessions, c.keys = maps.Clone(h.sessions), maps.Clone(h.keys)
	return &c
}

func (h *house) changes() []Change { return h.done }

func (h *house) changed(account, what string) {
	h.done = append(h.done, Change{account, what, time.Now()})
}

// find returns the account that is is true of; nil if there is none.
func (h *house) find(is func(member) bool) *member {
	if i := slices.IndexFunc(h.members, is); i >= 0 {
		return &h.members[i]
	}
	return nil
}

func (h *house) byID(id string) *member {
	return h.find(func(m member) bool { return m.id == id })
}

// setActive locks or unlocks an account and reports whether that changed it.
func (h *house) setActive(m *member, active bool) bool {
	if m.active == active {
		return false
	}
	m.active = active
	h.changed(m.id, map[bool]string{true: "restore", false: "lock"}[active])
	return true
}

// remove deletes an account with its sessions and keys.
func (h *house) remove(id string) {
	h.vanish(id)
	h.changed(id, "delete")
}

// vanish is remove without a trace.
func (h *house) vanish(id string) {
	h.members = slices.DeleteFunc(h.members, func(m member) bool { return m.id == id })
	owned := func(_ string, d door) bool { return d.account == id }
	maps.DeleteFunc(h.sessions, owned)
	maps.DeleteFunc(h.keys, owned)
}

const cookie = "session"

// login opens a session and answers with its cookie.
func (h *house) login(w http.ResponseWriter, m *member) {
	secret := random()
	h.sessions[secret] = door{random()[:12], m.id}
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: secret, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	w.WriteHeader(http.StatusNoContent)
}

// visitor is whose session cookie or API key a request carries; nil if nobody's.
func (h *house) visitor(r *http.Request) *member {
	if c, err := r.Cookie(cookie); err == nil {
		if d, ok := h.sessions[c.Value]; ok {
			return h.byID(d.account)
		}
	}
	if d, ok := h.keys[bearer(r)]; ok {
		return h.byID(d.account)
	}
	return nil
}

// of lists an account's doors, by id.
func of(doors map[string]door, account string) (ids []string) {
	for _, d := range doors {
		if d.account == account {
			ids = append(ids, d.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// shut ends those doors of an account that have the id, or all if it is "".
func (h *house) shut(doors map[string]door, account, id, what string) (n int) {
	maps.DeleteFunc(doors, func(_ string, d door) bool {
		hit := d.account == account && (id == "" || d.id == id)
		if hit {
			n++
			h.changed(account, what)
		}
		return hit
	})
	return n
}
