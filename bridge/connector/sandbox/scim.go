package sandbox

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// Quirks are ways in which real SCIM servers differ. The zero value is a
// server that does as RFC 7644 says.
type Quirks struct {
	NoPatch     bool // PATCH is answered with 501
	NoPath      bool // PATCH with a path is answered with 400
	PathOnly    bool // PATCH without a path is answered with 400
	Empty       bool // a change is answered with 204 and no body
	Forbidden   bool // a user that does not exist is answered with 403, not 404
	LockDeletes bool // active=false deletes the user
	NoFilter    bool // a search answers with everybody
	Twins       bool // a search for one user finds the same user twice, under two ids
}

// SCIM is an app with a SCIM 2.0 interface for its administrator, and password
// login for its users. A user who is not active is let in no more, not even
// with a session from before.
//
//	GET, POST        /scim/v2/Users         filter: userName, externalId, emails, id; eq only
//	GET, PUT, PATCH,
//	DELETE           /scim/v2/Users/{id}    active must be a boolean: "False" is refused
//	GET              /scim/v2/ServiceProviderConfig
//	POST /login      {"userName","password"} → session cookie
//	GET  /me         with the cookie → {"userName"}, else 401
type SCIM struct{ *App }

// StartSCIM starts one.
func StartSCIM(o Options, q Quirks) (*SCIM, error) {
	if o.Admin == "" {
		o.Admin = random()
	}
	app, err := start(o, &directory{newHouse(o), q})
	if err != nil {
		return nil, err
	}
	return &SCIM{app}, nil
}

// BaseURL is where its SCIM interface is.
func (s *SCIM) BaseURL() string { return s.url + "/scim/v2" }

// ID is the app's id of a user; "" if there is none of that name.
func (s *SCIM) ID(userName string) (id string) {
	s.look(func(d *directory) {
		if m := d.find(func(m member) bool { return strings.EqualFold(m.UserName, userName) }); m != nil {
			id = m.id
		}
	})
	return id
}

// Active reports whether a user exists and is active.
func (s *SCIM) Active(userName string) (active bool) {
	s.look(func(d *directory) {
		m := d.find(func(m member) bool { return strings.EqualFold(m.UserName, userName) })
		active = m != nil && m.active
	})
	return active
}

// Remove deletes a user behind everybody's back; the record does not show it.
func (s *SCIM) Remove(userName string) {
	id := s.ID(userName)
	s.look(func(d *directory) { d.vanish(id) })
}

func (s *SCIM) look(f func(*directory)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.live.(*directory))
}

type directory struct {
	*house
	quirks Quirks
}

func (d *directory) copy() world { return &directory{d.house.copy(), d.quirks} }

const scimType = "application/scim+json"

func (d *directory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "POST /login":
		d.enter(w, r)
		return
	case "GET /me":
		if m := d.visitor(r); m != nil && m.active {
			writeJSON(w, http.StatusOK, "application/json", map[string]string{"userName": m.UserName})
		} else {
			w.WriteHeader(http.StatusUnauthorized)
		}
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/scim/v2/")
	if !ok {
		http.NotFound(w, r)
		return
	}
	if !same(bearer(r), d.admin) {
		refuse(w, http.StatusUnauthorized, "", "who are you?")
		return
	}
	switch id, one := strings.CutPrefix(path, "Users/"); {
	case one && id != "" && !strings.Contains(id, "/"):
		d.user(w, r, id)
	case path == "Users" && r.Method == http.MethodGet:
		d.search(w, r)
	case path == "Users" && r.Method == http.MethodPost:
		d.create(w, r)
	case path == "ServiceProviderConfig" && r.Method == http.MethodGet:
		supported := func(yes bool) map[string]bool { return map[string]bool{"supported": yes} }
		writeJSON(w, http.StatusOK, scimType, map[string]any{
			"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
			"patch":   supported(!d.quirks.NoPatch), "bulk": supported(false), "filter": supported(!d.quirks.NoFilter),
			"changePassword": supported(false), "sort": supported(false), "etag": supported(false),
			"authenticationSchemes": []any{}})
	default:
		refuse(w, http.StatusNotFound, "", "there is nothing here")
	}
}

func (d *directory) enter(w http.ResponseWriter, r *http.Request) {
	var who struct{ UserName, Password string }
	if err := readJSON(r, &who); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m := d.find(func(m member) bool { return strings.EqualFold(m.UserName, who.UserName) })
	if m == nil || !m.active || !same(m.Password, who.Password) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	d.login(w, m)
}

// refuse answers with a SCIM error (RFC 7644, section 3.12).
func refuse(w http.ResponseWriter, status int, kind, detail string) {
	e := map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"},
		"status": strconv.Itoa(status), "detail": detail}
	if kind != "" {
		e["scimType"] = kind
	}
	writeJSON(w, status, scimType, e)
}

var filterForm = regexp.MustCompile(`^(?i:(userName|externalId|emails|emails\.value|id)) (?i:eq) ("(?:[^"\\]|\\.)*")$`)

func (d *directory) search(w http.ResponseWriter, r *http.Request) {
	keep := func(member) bool { return true }
	if f := r.URL.Query().Get("filter"); f != "" && !d.quirks.NoFilter {
		parts := filterForm.FindStringSubmatch(f)
		var value string
		if parts != nil {
			var err error
			if value, err = strconv.Unquote(parts[2]); err != nil {
				parts = nil
			}
		}
		if parts == nil {
			refuse(w, http.StatusBadRequest, "invalidFilter", "only attribute eq \"value\" is understood")
			return
		}
		keep = func(m member) bool {
			switch strings.ToLower(parts[1]) {
			case "username":
				return strings.EqualFold(m.UserName, value)
			case "externalid":
				return m.ExternalID == value
			case "id":
				return m.id == value
			default:
				return strings.EqualFold(m.Email, value)
			}
		}
	}
	found := []any{}
	for _, m := range d.members {
		if keep(m) {
			found = append(found, d.resource(m))
			if d.quirks.Twins {
				m.id += "-twin"
				found = append(found, d.resource(m))
			}
		}
	}
	from, err := strconv.Atoi(r.URL.Query().Get("startIndex"))
	if err != nil || from < 1 {
		from = 1
	}
	page := found[min(from-1, len(found)):]
	if n, err := strconv.Atoi(r.URL.Query().Get("count")); err == nil && n >= 0 {
		page = page[:min(n, len(page))]
	}
	writeJSON(w, http.StatusOK, scimType, map[string]any{
		"schemas":      []string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"},
		"totalResults": len(found), "startIndex": from, "itemsPerPage": len(page), "Resources": page})
}
