package rest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// CaseResult is how one case of a recipe went.
type CaseResult struct {
	Name string
	Line int   // of the case in the recipe; 0 for a case that is missing
	Err  error // nil if the conversation was as the case says
}

// Test replays the cases of a recipe without a network. What has no case at
// all is in the results too, as failed: each lookup, and for each effect that
// the recipe offers the doing and, if it can be proven, the check.
func Test(r *Recipe) []CaseResult {
	var results []CaseResult
	for i := range r.Cases {
		k := &r.Cases[i]
		results = append(results, CaseResult{or(k.Name, k.title()), k.Line, r.replay(k)})
	}
	return append(results, r.missing()...)
}

func (k *Case) title() string {
	return strings.TrimSpace(k.kind()+" "+k.Do+k.Check) + " gives " + k.Gives
}

func (r *Recipe) missing() (results []CaseResult) {
	miss := func(what, gives string) {
		shown := slices.ContainsFunc(r.Cases, func(k Case) bool {
			return strings.TrimSpace(k.kind()+" "+k.Do+k.Check) == what && k.Gives == gives
		})
		if !shown {
			results = append(results, CaseResult{Name: what, Err: fmt.Errorf("no case shows that %s gives %s", what, gives)})
		}
	}
	miss("probe", "ok")
	miss("find", "account")
	miss("find", "no_account")
	for _, e := range bridge.Effects {
		actions := r.of(string(e))
		if len(actions) == 0 {
			continue
		}
		miss("do "+string(e), "done")
		if slices.ContainsFunc(actions, func(a *Action) bool { return a.Verify.Unverifiable }) {
			miss("check "+string(e), "cannot_check")
			continue
		}
		miss("check "+string(e), "proven")
		miss("check "+string(e), "still_open")
	}
	return results
}

// replay holds one conversation. It returns the first difference.
func (r *Recipe) replay(k *Case) error {
	params := map[string]string{}
	for name, p := range r.Params {
		if v := or(p.Default, p.Example); v != "" && !p.Optional {
			params[name] = v
		}
	}
	maps.Copy(params, k.Params)
	secrets := map[string]bridge.Secret{}
	for _, name := range r.Auth.secrets() {
		secrets[name] = bridge.Secret("secret-" + name)
	}
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	s := &script{lines: k.HTTP, now: now}
	c, err := assemble(r, params, secrets, s, func() time.Time { return now })
	if err != nil {
		return err
	}
	s.base = c.base
	if g, ok := c.auth.(*granted); ok {
		g.token, g.expires = "token", now.Add(time.Hour)
	}
	gave, err := k.run(c, now)
	switch {
	case s.problem != nil:
		return s.problem
	case len(s.lines) > 0:
		method, path := s.lines[0].method()
		return fmt.Errorf("line %d: %s %s was not requested (%s)", s.lines[0].Line, method, path, gaveWhat(gave, err))
	case gave != k.Gives:
		return fmt.Errorf("gave %s, not %s", gaveWhat(gave, err), k.Gives)
	}
	return nil
}

func gaveWhat(gave string, err error) string {
	if err != nil {
		return gave + ": " + err.Error()
	}
	return gave
}

// run does what the case is about and names the outcome.
func (k *Case) run(c *connector, now time.Time) (string, error) {
	ctx := context.Background()
	switch k.kind() {
	case "probe":
		return outcome("ok", c.Probe(ctx))
	case "find":
		account, err := c.Find(ctx, k.Find.identifiers())
		if err != nil {
			return outcome("", err)
		}
		if k.User != nil && (account.ID != k.User.ID || account.Login != k.User.Login) {
			return fmt.Sprintf("the account {id: %q, login: %q}", account.ID, account.Login), nil
		}
		return "account", nil
	}
	o := bridge.Order{Key: "replayed", Effect: bridge.Effect(k.Do + k.Check), Since: now.Add(-time.Duration(k.After)),
		Account: bridge.Account{ID: k.User.ID, Login: k.User.Login}}
	if k.Subject != nil {
		o.Who = k.Subject.identifiers()
	}
	if k.Do != "" {
		_, err := c.Do(ctx, o)
		return outcome("done", err)
	}
	_, err := c.Check(ctx, o)
	return outcome("proven", err)
}

// outcome names an outcome as cases do; success is its name for nil.
func outcome(success string, err error) (string, error) {
	switch {
	case err == nil:
		return success, nil
	case errors.Is(err, bridge.ErrNoAccount):
		return "no_account", err
	case errors.Is(err, errNotYet):
		return "not_yet", err
	case errors.Is(err, bridge.ErrStillOpen):
		return "still_open", err
	case errors.Is(err, bridge.ErrCannotCheck):
		return "cannot_check", err
	case bridge.IsPermanent(err):
		return "permanent", err
	}
	return "retry", err
}

func (s *Subject) identifiers() bridge.Identifiers {
	emails := s.Emails
	if s.Email != "" && !slices.Contains(emails, s.Email) {
		emails = append([]string{s.Email}, emails...)
	}
	return bridge.Identifiers{Person: s.ID, UserName: s.UserName, ExternalID: s.ExternalID,
		DisplayName: s.DisplayName, Emails: emails}
}
