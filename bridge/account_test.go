package bridge_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/exeunt/exeunt/bridge"
)

// enrol makes an account of its own in the app, as its administrator would.
func (w *world) enrol(i int) {
	w.Helper()
	r, _ := http.NewRequest(http.MethodPost, w.app.BaseURL()+"/Users", strings.NewReader(
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+name(i)+`","active":true,"emails":[{"value":"`+name(i)+`"}]}`))
	r.Header.Set("Authorization", "Bearer "+w.app.Admin())
	r.Header.Set("Content-Type", "application/scim+json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		w.Fatalf("the app answered %d", answer.StatusCode)
	}
}

// Between two departures the app may have deleted the account and made another:
// the door that counts is the one that is open now.
func TestAnAccountMadeAnewIsFound(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		w.active(w.ids[0], false)
		w.until("locked", func() bool { return w.state(w.ids[0], 0) == bridge.CaseClosed })
		w.active(w.ids[0], true)
		w.app.Remove(name(0))
		w.enrol(0)
		w.active(w.ids[0], false)
		w.until("the case is closed", func() bool {
			cases, _ := w.cases(w.ids[0])
			return len(cases) == 2 && cases[0].State == bridge.CaseClosed
		})
		if w.app.Active(name(0)) {
			_, a := w.cases(w.ids[0])
			t.Errorf("the account is open, and the case says %+v", a[0])
		}
	})
}

// An app whose searches hide who is locked still knows them by the id that was
// stored.
func TestAnAccountThatIsHiddenIsStillDeleted(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		w.active(w.ids[0], false)
		w.until("locked", func() bool { return w.state(w.ids[0], 0) == bridge.CaseClosed })
		w.active(w.ids[0], true) // nobody restores the account
		w.conn = hiding{w.conn}
		w.policy(bridge.Policy{bridge.Removed: {bridge.Delete}})
		if err := w.bridge.RemovePerson(hr(), w.ids[0], nil); err != nil {
			t.Fatal(err)
		}
		w.until("the account is deleted and the case closed", func() bool {
			return w.app.ID(name(0)) == "" && w.state(w.ids[0], 0) == bridge.CaseClosed
		})
	})
}
