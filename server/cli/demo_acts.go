package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/server"
)

func (d *demo) introduce(context.Context) error {
	d.title("Six applications run on this machine, five people use them")
	d.say("wiki    SCIM 2.0                              %s", d.wiki.URL())
	d.say("crm     REST: password, sessions, API keys    %s", d.crm.URL())
	d.say("badge   signed webhooks                       %s", d.badge.URL())
	d.say("travel  single sign-on by SAML                %s", d.travel.URL())
	d.say("chat    single sign-on by OpenID Connect      %s", d.chat.URL())
	d.say("forum   the same, and proves nothing          %s", d.forum.URL())
	d.say("exeunt listens on %s", d.running.URL)
	return nil
}

func (d *demo) provision(ctx context.Context) error {
	d.title("Entra ID creates the five people in exeunt")
	for _, u := range cast {
		first, last, _ := strings.Cut(u.DisplayName, " ")
		body := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],`+
			`"externalId":%q,"userName":%q,"active":true,"displayName":%q,"name":{"givenName":%q,"familyName":%q},`+
			`"emails":[{"primary":true,"type":"work","value":%q}],"meta":{"resourceType":"User"}}`,
			first+last, u.UserName, u.DisplayName, first, last, u.UserName)
		status, person, took, err := d.scim(ctx, http.MethodPost, "/Users", body)
		if err != nil {
			return err
		}
		id, _ := person["id"].(string)
		if status != http.StatusCreated || id == "" {
			return fmt.Errorf("POST /Users answered %d", status)
		}
		d.ids[u.UserName] = id
		d.say("POST /scim/v2/Users  %-20s  %d  %s", u.UserName, status, millis(took))
	}
	return nil
}

func (d *demo) signIn(ctx context.Context) error {
	d.title("%s signs in, and makes an API key", leaver.DisplayName)
	wiki, err := login(ctx, d.wiki.URL(), "userName")
	if err != nil {
		return err
	}
	crm, err := login(ctx, d.crm.URL(), "email")
	if err != nil {
		return err
	}
	key, err := newKey(ctx, d.crm.URL(), crm)
	if err != nil {
		return err
	}
	wiki.what, crm.what, key.what = "wiki session", "crm session", "crm API key"
	guest, err := d.enter(ctx)
	if err != nil {
		return err
	}
	d.doors = append([]*oldDoor{wiki, crm, key}, guest...)
	for _, o := range d.doors {
		status, err := o.open(ctx)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("%s: GET %s answered %d before anybody left", o.what, path.Base(o.url), status)
		}
		d.say("%-15s GET /%-4s → %d", o.what, path.Base(o.url), status)
	}
	d.say("Whoever signs people in tells exeunt of her sessions in travel and chat: POST /v1/sessions")
	return nil
}

func (d *demo) leave(ctx context.Context) error {
	d.title("She leaves. Entra ID sends, as it does by default,")
	const body = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"False"}]}`
	d.say("PATCH /scim/v2/Users/%s", d.ids[leaver.UserName])
	d.say("%s", d.paint.dim(body))
	status, person, took, err := d.scim(ctx, http.MethodPatch, "/Users/"+d.ids[leaver.UserName], body)
	if err != nil {
		return err
	}
	if status != http.StatusOK || person["active"] != false {
		return fmt.Errorf("PATCH answered %d", status)
	}
	d.say("→ %d, active=false, %s: person, case and event are committed together", status, millis(took))
	return nil
}

// silent is the app that takes what it is told, and proves nothing.
const silent = "forum"

// patience is how long the demo waits for the doors. Nothing is slow here, so
// reaching it means that something is wrong.
const patience = 30 * time.Second

func (d *demo) watch(ctx context.Context) error {
	d.title("exeunt shuts her doors, and checks each")
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var list struct{ Cases []server.Case }
	if err := d.admin.call(ctx, http.MethodGet, "/v1/cases?limit=1", nil, &list); err != nil {
		return err
	}
	if len(list.Cases) == 0 || list.Cases[0].Who.UserName != leaver.UserName {
		return errors.New("there is no case")
	}
	d.caseID = list.Cases[0].ID
	seen := map[string]bool{}
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		var c server.Case
		if err := d.admin.call(ctx, http.MethodGet, "/v1/cases/"+d.caseID, nil, &c); err != nil {
			return err
		}
		for _, a := range c.Actions {
			d.timeline(c, a, seen)
		}
		if c.State == bridge.CaseClosed || c.State == bridge.CaseStuck || c.State == bridge.CaseCancelled {
			tick.Stop()
			return d.closing(c)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return fmt.Errorf("the case is still %s", c.State)
		}
	}
}

// timeline shows what is new about an action.
func (d *demo) timeline(c server.Case, a server.Action, seen map[string]bool) {
	line := func(key string, at time.Time, word, text string) {
		if !seen[a.ID+key] {
			seen[a.ID+key] = true
			d.say("%9s  %-6s %-6s %s %s", "+"+millis(at.Sub(c.Opened)), a.App, a.Effect, word, d.paint.dim(brief(text)))
		}
	}
	if a.Done != nil {
		line("done", a.Done.At, "done      ", a.Done.Summary)
	}
	if a.Problem != "" && a.Settled == nil {
		line(a.Problem, time.Now(), d.paint.bad("again     "), a.Problem)
	}
	if a.Settled == nil {
		return
	}
	word := d.paint.good(fmt.Sprintf("%-10s", a.State))
	text := a.Problem
	if a.State != bridge.ActionVerified {
		word = d.paint.bad(fmt.Sprintf("%-10s", a.State))
	} else if a.Checked != nil {
		text = a.Checked.Summary
	}
	line("end", *a.Settled, word, text)
}

// brief is what of an answer fits on a line; the case has all of it.
func brief(text string) string {
	const most = 80
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

func (d *demo) closing(c server.Case) error {
	proven := 0
	for _, a := range c.Actions {
		switch {
		case a.State == bridge.ActionVerified:
			proven++
		case a.App != silent || a.State != bridge.ActionUnverified:
			d.doubt("%s of %s is %s", a.Effect, a.App, a.State)
		}
	}
	if proven == len(c.Actions) {
		d.doubt("there is nothing of which exeunt says that it is not proven")
	}
	if c.State != bridge.CaseClosed || c.Closed == nil {
		d.doubt("the case is %s", c.State)
		return nil
	}
	d.say("%9s  case closed: %d of %d actions proven", "+"+millis(c.Closed.Sub(c.Opened)), proven, len(c.Actions))
	return nil
}

func (d *demo) tryAgain(ctx context.Context) error {
	d.title("Her old sessions and key, tried again")
	for _, o := range d.doors {
		status, err := o.open(ctx)
		if err != nil {
			return err
		}
		word := d.paint.good("refused")
		if status != http.StatusUnauthorized && status != http.StatusForbidden && status != http.StatusFound {
			word = d.paint.bad("STILL OPEN")
			d.doubt("%s still opens the door", o.what)
		}
		d.say("%-15s GET /%-4s → %d  %s", o.what, path.Base(o.url), status, word)
	}
	for _, u := range cast {
		if u.UserName != leaver.UserName && (!d.wiki.Active(u.UserName) || d.crm.Standing(u.UserName).Status != "active" || !d.stayed(u)) {
			d.doubt("%s was shut out as well", u.DisplayName)
		}
	}
	d.say("exeunt had nothing by which to try the %s's, so it says unverified. The other four people are untouched.", silent)
	return nil
}

func (d *demo) verify(ctx context.Context) error {
	d.title("The log is sealed, signed and recomputed from its leaves")
	report, err := d.stage.verifyLog(ctx)
	if err != nil {
		d.doubt("the log: %v", err)
		d.say("%s", d.paint.bad(err.Error()))
		return nil
	}
	d.say("%s", report)
	return nil
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
