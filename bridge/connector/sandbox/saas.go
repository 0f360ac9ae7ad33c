package sandbox

import (
	"net/http"
	"strings"
)

// SaaS is an app as they are sold: a REST interface for its administrator, and
// for its users password login, sessions and API keys. Suspending somebody
// keeps them from logging in; what they already have goes on working until it
// is revoked. That is how most real apps are.
//
// For the administrator, with the bearer token:
//
//	GET    /admin/users?email=…               {"users":[{"id","email","name","status"}]}; without email: all
//	GET    /admin/users/{id}                  the user; status is "active" or "suspended"
//	DELETE /admin/users/{id}                  204
//	POST   /admin/users/{id}/suspend          the user; 409 "already_suspended"
//	POST   /admin/users/{id}/unsuspend        the user; 409 "not_suspended"
//	GET    /admin/users/{id}/sessions         {"sessions":[{"id"}]}
//	DELETE /admin/users/{id}/sessions         204: all of them
//	DELETE /admin/users/{id}/sessions/{id}    204; 404
//	GET    /admin/users/{id}/keys, DELETE …   as sessions: {"keys":[{"id"}]}
//	GET    /admin/ping                        204
//
// A user that does not exist is 404 "no_such_user". Errors are {"error": word}.
//
// For users, with the session cookie or an API key as bearer token:
//
//	POST /login     {"email","password"} → session cookie; 401, or 403 if suspended
//	POST /me/keys   {"id","key"}: a new API key
//	GET  /me        {"email"}, else 401
type SaaS struct{ *App }

// StartSaaS starts one.
func StartSaaS(o Options) (*SaaS, error) {
	if o.Admin == "" {
		o.Admin = random()
	}
	app, err := start(o, &tenant{newHouse(o)})
	if err != nil {
		return nil, err
	}
	return &SaaS{app}, nil
}

// Standing is how one account of a SaaS stands.
type Standing struct {
	ID       string
	Status   string // "active", "suspended"; "" if there is no such account
	Sessions int
	Keys     int
}

// Standing returns how an account stands.
func (s *SaaS) Standing(email string) (st Standing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.live.(*tenant)
	if m := t.byEmail(email); m != nil {
		st = Standing{m.id, status(m), len(of(t.sessions, m.id)), len(of(t.keys, m.id))}
	}
	return st
}

// Issue gives an account a session and an API key without a login, and returns
// both; they are "" if there is no such account.
func (s *SaaS) Issue(email string) (session, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.live.(*tenant)
	if m := t.byEmail(email); m != nil {
		session, key = random(), random()
		t.sessions[session] = door{random()[:12], m.id}
		t.keys[key] = door{random()[:12], m.id}
	}
	return session, key
}

// Remove deletes an account behind everybody's back; the record does not show it.
func (s *SaaS) Remove(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.live.(*tenant)
	if m := t.byEmail(email); m != nil {
		t.vanish(m.id)
	}
}

type tenant struct{ *house }

func (t *tenant) copy() world { return &tenant{t.house.copy()} }

func (t *tenant) byEmail(email string) *member {
	return t.find(func(m member) bool { return strings.EqualFold(m.Email, email) })
}

func status(m *member) string {
	if m.active {
		return "active"
	}
	return "suspended"
}

func (t *tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, isAdmin := strings.CutPrefix(r.URL.Path, "/admin/")
	if !isAdmin {
		t.serveUser(w, r)
		return
	}
	if !same(bearer(r), t.admin) {
		sorry(w, http.StatusUnauthorized, "unauthorized")
		return
	}
	parts := strings.Split(path, "/")
	switch {
	case path == "ping" && r.Method == http.MethodGet:
		w.WriteHeader(http.StatusNoContent)
	case path == "users" && r.Method == http.MethodGet:
		users := []map[string]string{}
		email := r.URL.Query().Get("email")
		for i := range t.members {
			if m := &t.members[i]; email == "" || strings.EqualFold(m.Email, email) {
				users = append(users, shown(m))
			}
		}
		writeJSON(w, http.StatusOK, "application/json", map[string]any{"users": users})
	case parts[0] == "users" && len(parts) >= 2 && len(parts) <= 4:
		m := t.byID(parts[1])
		if m == nil {
			sorry(w, http.StatusNotFound, "no_such_user")
			return
		}
		t.serveAccount(w, r, m, parts[2:])
	default:
		sorry(w, http.StatusNotFound, "no_such_thing")
	}
}

func (t *tenant) serveAccount(w http.ResponseWriter, r *http.Request, m *member, rest []string) {
	what, id := "", ""
	if len(rest) > 0 {
		what = rest[0]
	}
	if len(rest) > 1 {
		id = rest[1]
	}
	doors, change := t.sessions, "session ended"
	if what == "keys" {
		doors, change = t.keys, "key revoked"
	}
	switch {
	case r.Method == http.MethodGet && what == "":
		writeJSON(w, http.StatusOK, "application/json", shown(m))
	case r.Method == http.MethodDelete && what == "":
		t.remove(m.id)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPost && id == "" && (what == "suspend" || what == "unsuspend"):
		if !t.setActive(m, what == "unsuspend") {
			sorry(w, http.StatusConflict, map[string]string{"suspend": "already_suspended", "unsuspend": "not_suspended"}[what])
			return
		}
		writeJSON(w, http.StatusOK, "application/json", shown(m))
	case r.Method == http.MethodGet && id == "" && (what == "sessions" || what == "keys"):
		list := []map[string]string{}
		for _, id := range of(doors, m.id) {
			list = append(list, map[string]string{"id": id})
		}
		writeJSON(w, http.StatusOK, "application/json", map[string]any{what: list})
	case r.Method == http.MethodDelete && (what == "sessions" || what == "keys"):
		if n := t.shut(doors, m.id, id, change); n == 0 && id != "" {
			sorry(w, http.StatusNotFound, "no_such_thing")
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		sorry(w, http.StatusNotFound, "no_such_thing")
	}
}

func (t *tenant) serveUser(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "POST /login":
		var who struct{ Email, Password string }
		if err := readJSON(r, &who); err != nil {
			sorry(w, http.StatusBadRequest, "bad_request")
			return
		}
		m := t.byEmail(who.Email)
		if m == nil || !same(m.Password, who.Password) {
			sorry(w, http.StatusUnauthorized, "wrong_password")
			return
		}
		if !m.active {
			sorry(w, http.StatusForbidden, "suspended")
			return
		}
		t.login(w, m)
	case "GET /me":
		if m := t.visitor(r); m != nil {
			writeJSON(w, http.StatusOK, "application/json", map[string]string{"email": m.Email})
			return
		}
		sorry(w, http.StatusUnauthorized, "unauthorized")
	case "POST /me/keys":
		m := t.visitor(r)
		if m == nil {
			sorry(w, http.StatusUnauthorized, "unauthorized")
			return
		}
		id, key := random()[:12], random()
		t.keys[key] = door{id, m.id}
		writeJSON(w, http.StatusCreated, "application/json", map[string]string{"id": id, "key": key})
	default:
		sorry(w, http.StatusNotFound, "no_such_thing")
	}
}

func shown(m *member) map[string]string {
	return map[string]string{"id": m.id, "email": m.Email, "name": m.DisplayName, "status": status(m)}
}

func sorry(w http.ResponseWriter, status int, word string) {
	writeJSON(w, status, "application/json", map[string]string{"error": word})
}
