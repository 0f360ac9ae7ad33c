package store

import (
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// planned is a session that asks for the plan of each query instead of running it.
type planned struct {
	session
	t    *testing.T
	plan *strings.Builder
}

func (p planned) rows(query string, args ...any) (rows, error) {
	rs, err := p.session.rows("EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		p.t.Fatal(err)
	}
	defer rs.Close()
	for rs.Next() {
		var (
			id, parent, unused int
			detail             string
		)
		if err := rs.Scan(&id, &parent, &unused, &detail); err != nil {
			p.t.Fatal(err)
		}
		p.plan.WriteString(detail + "\n")
	}
	return p.session.rows("SELECT 1 WHERE 1 = 0")
}

// The hot look-ups are flat: they go through a narrow index, and walk through
// nothing that grows with the number of people or cases.
func TestPlans(t *testing.T) {
	s := openTest(t, t.TempDir())
	key := bridge.Normalise
	for _, c := range []struct {
		name string
		run  func(*tx) error
		want string
		not  []string
	}{
		{"userName eq", func(x *tx) error {
			_, _, err := peopleListing.page(x, bridge.Query{Source: "hr", Limit: 10, After: &bridge.Place{Key: "1", ID: "x"},
				Where: bridge.All(bridge.Is(key(bridge.ByUserName, "ada")), bridge.Is(key(bridge.ByEmail, "a@example.org")))})
			return err
		}, "people_user_name", []string{"people_in_order", "SCAN"}},
		{"a page", func(x *tx) error {
			_, _, err := peopleListing.page(x, bridge.Query{Source: "hr", Limit: 10, After: &bridge.Place{Key: "1", ID: "x"}})
			return err
		}, "SEARCH people USING COVERING INDEX people_in_order", []string{"SCAN"}},
		{"a page of groups by name", func(x *tx) error {
			_, _, err := groupsListing.page(x, bridge.Query{Source: "hr", Limit: 10, Sort: bridge.Sort{By: bridge.ByDisplayName}, After: &bridge.Place{Key: "a", ID: "x"}})
			return err
		}, "PRIMARY KEY (source=? AND attribute=? AND (value,id)>(?,?))", []string{"SCAN groups", "TEMP B-TREE"}},
		{"sessions of a lane", func(x *tx) error {
			_, err := x.Sessions(bridge.Lane{App: "crm", Person: "p"}, time.Now())
			return err
		}, "sessions_of", []string{"SCAN"}},
		{"sessions by name", func(x *tx) error {
			_, err := x.SessionsNamed("crm", bridge.NameID{Value: "n"}, time.Now())
			return err
		}, "sessions_named", []string{"SCAN"}},
		{"the inactive", func(x *tx) error {
			_, _, err := peopleListing.page(x, bridge.Query{Source: "hr", Limit: 10, Where: bridge.Cond{Op: bridge.Equal, By: bridge.ByActive, Value: false}})
			return err
		}, "people_inactive", []string{"SCAN", "people_in_order"}},
		{"names of groups that start so", func(x *tx) error {
			_, _, err := groupsListing.page(x, bridge.Query{Source: "hr", Limit: 10, Where: bridge.Cond{Op: bridge.StartsWith, By: bridge.ByDisplayName, Value: "ad"}})
			return err
		}, "PRIMARY KEY (source=? AND attribute=? AND value>? AND value<?)", []string{"SCAN", "groups_in_order"}},
		{"the cases of somebody", func(x *tx) error {
			_, err := x.CasesOf("hr", "p", []bridge.Key{key(bridge.ByUserName, "ada"), key(bridge.ByEmail, "a@example.org")})
			return err
		}, "cases_of", []string{"cases_in_order", "SCAN cases"}},
		{"a lane's actions", func(x *tx) error {
			_, err := x.LaneActions(bridge.Lane{App: "a", Person: "p"})
			return err
		}, "actions_of_lane", []string{"SCAN"}},
		{"the events of a case", func(x *tx) error {
			_, err := x.leavesOf("0199c1d2-0000-7000-8000-000000000001", 1, nil)
			if bridge.IsKind(err, bridge.KindNotFound) {
				return nil
			}
			return err
		}, "log_event_request", []string{"SCAN", "TEMP B-TREE"}},
		{"open cases", func(x *tx) error {
			_, err := x.OpenCases(10)
			return err
		}, "cases_by_state", []string{"SCAN", "TEMP B-TREE"}},
	} {
		var plan strings.Builder
		if err := s.engine.view(t.Context(), s, func(x *tx) error {
			x.session = planned{x.session, t, &plan}
			return c.run(x)
		}); err != nil {
			t.Fatal(c.name, err)
		}
		if !strings.Contains(plan.String(), c.want) {
			t.Errorf("%s does not use %s:\n%s", c.name, c.want, plan.String())
		}
		for _, not := range c.not {
			if strings.Contains(plan.String(), not) {
				t.Errorf("%s uses %s:\n%s", c.name, not, plan.String())
			}
		}
	}
}
