package sandbox

import (
	"net/http"
)

// control is how another process tells an app to fail, and sees what it did.
// The administrator's bearer token is asked for.
//
//	GET    /_faults   the faults that are set
//	POST   /_faults   sets one (a Fault as JSON)
//	DELETE /_faults   clears them all
//	GET    /_record   {"changes": [Change], "asked": [Asked]}
func (a *App) control(w http.ResponseWriter, r *http.Request) {
	if !same(bearer(r), a.admin) {
		http.Error(w, "not the administrator", http.StatusUnauthorized)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /_faults":
		writeJSON(w, http.StatusOK, "application/json", a.Faults.List())
	case "POST /_faults":
		var f Fault
		if err := readJSON(r, &f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := f.Validate(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a.Faults.Set(f)
		w.WriteHeader(http.StatusNoContent)
	case "DELETE /_faults":
		a.Faults.Clear()
		w.WriteHeader(http.StatusNoContent)
	case "GET /_record":
		writeJSON(w, http.StatusOK, "application/json", Record{a.Changes(""), a.Asked()})
	default:
		http.NotFound(w, r)
	}
}

// Record is what GET /_record answers.
type Record struct {
	Changes []Change `json:"changes"`
	Asked   []Asked  `json:"asked"`
}
