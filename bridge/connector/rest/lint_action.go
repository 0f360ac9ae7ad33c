package rest

import (
	"maps"
	"slices"

	"cel.dev/cel-go/cel"

	"github.com/exeunt/exeunt/bridge"
)

func (c *compiler) checkAction(r *Recipe, name string) {
	a, path := r.Actions[name], join("actions", name)
	if a == nil {
		return
	}
	if !isName(name) {
		c.problems.add(a.Pos, path, "an action's name is letters, digits and '_'")
	}
	c.compile(join(path, "when"), a.When, inParams, cel.BoolType)
	c.checkUndo(r, path, a)
	c.checkAfter(r, path, a)
	if a.Steps != nil && len(a.Steps) == 0 {
		c.problems.add(a.Pos, path, "steps is empty; say what is sent")
	}
	for i := range a.Steps {
		c.checkStep(indexed(join(path, "steps"), i), &a.Steps[i])
	}
	v := a.Verify
	if v == nil {
		return
	}
	if v.Unverifiable && a.CheckFirst {
		c.problems.add(a.Pos, path, "check_first needs a verify that can be made")
	}
	for i := range v.Proofs {
		p, at := &v.Proofs[i], join(path, "verify")
		if len(v.Proofs) > 1 {
			at = indexed(at, i)
		}
		c.request(at, &p.Request, inAccount, reading)
		c.compile(join(at, "expect"), &p.Expect, inAccount.answer(), cel.BoolType)
		if p.Expect.run != nil && !p.Expect.uses("status") && !p.Expect.uses("body") && !p.Expect.uses("headers") {
			c.problems.add(p.Expect.Pos, join(at, "expect"), "does not look at the answer; use status, headers or body")
		}
		if p.Every > 0 && p.Within == 0 {
			c.problems.add(p.Pos, at, "every needs within")
		}
	}
}

func (c *compiler) checkUndo(r *Recipe, path string, a *Action) {
	effect := bridge.Effect(a.Effect)
	switch {
	case effect.Destructive() && a.Reversible != "no":
		c.problems.add(a.Pos, path, "%s cannot be undone; say reversible: no", a.Effect)
		return
	case effect == bridge.Restore && (a.Undo != "" || a.Reversible == "yes"):
		c.problems.add(a.Pos, path, "restore is itself the undo of something; remove undo and reversible")
		return
	case a.Reversible == "yes" && a.Undo == "":
		c.problems.add(a.Pos, path, "reversible: yes needs undo: the name of the action with effect restore that undoes it")
	case a.Reversible != "yes" && a.Undo != "":
		c.problems.add(a.Pos, path, "has undo, so say reversible: yes")
	}
	if a.Undo == "" {
		return
	}
	known := slices.Sorted(maps.Keys(r.Actions))
	if undo, ok := r.Actions[a.Undo]; !ok {
		c.problems.add(a.Pos, join(path, "undo"), "there is no action %q%s", a.Undo, meant(a.Undo, known))
	} else if undo.Effect != string(bridge.Restore) {
		c.problems.add(a.Pos, join(path, "undo"), "%s must be an action with effect restore, but has effect %s", a.Undo, undo.Effect)
	}
}

// checkAfter finds what can never come before a.
func (c *compiler) checkAfter(r *Recipe, path string, a *Action) {
	known := slices.Sorted(maps.Keys(r.Actions))
	for _, earlier := range a.After {
		b, ok := r.Actions[earlier]
		switch {
		case !ok:
			c.problems.add(a.Pos, join(path, "after"), "there is no action %q%s", earlier, meant(earlier, known))
		case b == nil:
		case rank(b.Effect) > rank(a.Effect):
			c.problems.add(a.Pos, join(path, "after"), "%s has effect %s, which always comes later than %s", earlier, b.Effect, a.Effect)
		case r.reaches(earlier, a.name, map[string]bool{}):
			c.problems.add(a.Pos, join(path, "after"), "%s comes itself after %s; neither could ever begin", earlier, a.name)
		}
	}
}

// reaches reports whether to comes somewhere before from.
func (r *Recipe) reaches(from, to string, seen map[string]bool) bool {
	if from == to {
		return true
	}
	a := r.Actions[from]
	if a == nil || seen[from] {
		return false
	}
	seen[from] = true
	return slices.ContainsFunc(a.After, func(earlier string) bool { return r.reaches(earlier, to, seen) })
}

func (c *compiler) checkStep(path string, s *Step) {
	known := inAccount
	if f := s.Foreach; f != nil {
		at := join(path, "foreach")
		c.request(at, &f.Request, inAccount, reading)
		c.statuses(join(at, "already"), f.Pos, f.Already)
		c.compile(join(at, "items"), &f.Items, inAccount.answer(), cel.ListType(cel.DynType))
		known = inAccount.with("item")
		c.compile(join(at, "where"), f.Where, known, cel.BoolType)
		c.paginate(join(at, "paginate"), f.Paginate, inAccount.answer())
		if f.Max < 1 || f.Max > maxItems {
			c.problems.add(f.Pos, at, "max is between 1 and %d", maxItems)
		}
	}
	c.request(path, &s.Request, known, writing)
	c.statuses(join(path, "ok"), s.Pos, s.OK)
	c.statuses(join(path, "already"), s.Pos, s.Already)
	c.compile(join(path, "success"), s.Success, known.answer(), cel.BoolType)
	if s.IdempotencyKey != "" && !isHeader(s.IdempotencyKey) {
		c.problems.add(s.Pos, join(path, "idempotency_key"), "%q is no name of a header", s.IdempotencyKey)
	}
	if p := s.Poll; p != nil {
		at := join(path, "poll")
		c.request(at, &p.Request, known.with("body", "headers"), reading)
		c.compile(join(at, "until"), &p.Until, known.answer(), cel.BoolType)
		c.compile(join(at, "failed"), p.Failed, known.answer(), cel.BoolType)
	}
}

// outcomes are what each kind of case can give.
var outcomes = map[string][]string{
	"probe": {"ok", "retry", "permanent"},
	"find":  {"account", "no_account", "retry", "permanent"},
	"do":    {"done", "retry", "permanent"},
	"check": {"proven", "still_open", "not_yet", "cannot_check", "retry", "permanent"},
}

// kind is what a case does; "" if it is not exactly one thing.
func (k *Case) kind() string {
	kind, n := "", 0
	for name, given := range map[string]bool{"probe": k.Probe, "find": k.Find != nil, "do": k.Do != "", "check": k.Check != ""} {
		if given {
			kind, n = name, n+1
		}
	}
	if n != 1 {
		return ""
	}
	return kind
}

func (c *compiler) checkCase(r *Recipe, path string, k *Case) {
	kind := k.kind()
	if kind == "" {
		c.problems.add(k.Pos, path, "exactly one of probe, find, do and check must be given")
		return
	}
	if k.Gives != "" && !slices.Contains(outcomes[kind], k.Gives) {
		c.problems.add(k.Pos, join(path, "gives"), "%s cannot give %s%s", kind, k.Gives, meant(k.Gives, outcomes[kind]))
	}
	acts := kind == "do" || kind == "check"
	if effect := k.Do + k.Check; acts && len(r.of(effect)) == 0 && rank(effect) >= 0 {
		c.problems.add(k.Pos, path, "no action has effect %s", effect)
	}
	if needs := acts || k.Gives == "account"; needs != (k.User != nil) {
		c.problems.add(k.Pos, path, "user belongs to do, to check, and to find that gives account")
	}
	if k.Subject != nil && !acts {
		c.problems.add(k.Pos, path, "subject belongs to do and check; find has its own")
	}
	for name := range k.Params {
		if _, ok := r.Params[name]; !ok {
			c.problems.add(k.Pos, join(path, "params"), "there is no param %q%s", name, meant(name, slices.Sorted(maps.Keys(r.Params))))
		}
	}
	for i := range k.HTTP {
		e, at := &k.HTTP[i], indexed(join(path, "http"), i)
		if method, _ := e.method(); method == "" {
			c.problems.add(e.Pos, at, "exactly one of get, post, put, patch and delete must be given")
		}
		if e.JSON != nil && e.Form != nil || e.Answer.JSON != nil && e.Answer.Text != "" {
			c.problems.add(e.Pos, at, "there is only one body")
		}
		c.statuses(join(at, "answer.status"), e.Pos, []int{e.Answer.Status})
	}
}

func (r *Recipe) of(effect string) (out []*Action) {
	for _, a := range r.ordered() {
		if a.Effect == effect {
			out = append(out, a)
		}
	}
	return out
}

// method returns the exchange's method and path; "" if it does not have exactly
// one.
func (e *Exchange) method() (method, path string) {
	for _, m := range []struct{ name, path string }{{"GET", e.Get}, {"POST", e.Post}, {"PUT", e.Put},
		{"PATCH", e.Patch}, {"DELETE", e.Delete}} {
		if m.path == "" {
			continue
		}
		if method != "" {
			return "", ""
		}
		method, path = m.name, m.path
	}
	return method, path
}
