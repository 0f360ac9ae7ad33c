package bridge

import (
	"cmp"
	"slices"
	"time"
)

// plan decides what a departure needs: for each app, in the order of
// [Effects], what the app's policy wants for the case's trigger. What the app
// does not offer is planned as impossible, so that the case says so; and what
// would destroy what should have been handed over waits for a person's word.
func plan(c Case, apps []App, now time.Time) []Action {
	var actions []Action
	for _, app := range apps {
		if c.Trigger == LoggedOut && app.Name == c.By.Token { // it said so
			continue
		}
		wanted := slices.Clone(app.Policy[c.Trigger])
		slices.SortFunc(wanted, func(a, b Effect) int { return cmp.Compare(a.rank(), b.rank()) })
		kept := false // what the person owns was to be handed over, and cannot be
		for _, e := range slices.Compact(wanted) {
			a := Action{ID: newID(), Case: c.ID, Lane: Lane{App: app.Name, Person: c.Person}, Effect: e,
				State: ActionWaiting, Ordered: now, Due: now, Deadline: now.Add(app.Limits.Deadline)}
			if _, ok := app.Connector.Capabilities().Of(e); !ok {
				a.State, a.Settled, a.Problem = ActionImpossible, now, "the app does not offer this"
				kept = kept || e == Transfer
			} else if kept && e.Destructive() {
				a.State, a.Settled, a.Problem = ActionStuck, now, "the app cannot hand over first what would be lost; a retry does without"
			}
			actions = append(actions, a)
		}
	}
	return actions
}

// wants reports whether the app's policy still asks for an action of a case.
func (a App) wants(t Trigger, e Effect) bool { return slices.Contains(a.Policy[t], e) }
