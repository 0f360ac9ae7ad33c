package conformance

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// Target is the server that is checked.
type Target struct {
	URL          string        // base URL: what comes before /Users
	Token        bridge.Secret // bearer token
	InsecureHTTP bool          // send the token over plain http, also to other machines
}

// Options say how a run goes. The zero value is fine.
type Options struct {
	Only    []string      // beginnings of IDs, "7644-3.5"; empty for all
	Timeout time.Duration // of one request; 0 means 30 s
	Told    func(Result)  // is told of each result as it comes; may be nil
}

// Result is how one check ended.
type Result struct {
	Check   Check
	Outcome Outcome
	Why     string   // of skip and error
	Finding *Finding // of fail
	Took    time.Duration
}

// Finding is what was wrong.
type Finding struct {
	Asked    string `json:"asked"`    // the request, shortened
	Expected string `json:"expected"` // in words
	Came     string `json:"came"`     // the answer, shortened
}

// Report is one run.
type Report struct {
	URL     string
	Began   time.Time
	Took    time.Duration
	Results []Result
	Left    []string // paths of what was created and could not be removed
}

// Count returns how many results have an outcome, at any of the levels; without
// levels, at all of them.
func (r Report) Count(o Outcome, levels ...Level) (n int) {
	for _, x := range r.Results {
		if x.Outcome == o && (len(levels) == 0 || slices.Contains(levels, x.Check.Level)) {
			n++
		}
	}
	return n
}

// Conforms reports whether everything that counts was asked and passed.
func (r Report) Conforms() bool {
	return r.Count(Fail, Must, Feature)+r.Count(Error, Must, Feature) == 0
}

// Chosen are the checks that only names, each by its ID or by a beginning of it
// that ends where a number or word ends: "7644-3.5" has 7644-3.5.2 below it, and
// not 7644-3.51. Without only, it is all.
func Chosen(only []string) []Check {
	all := Checks()
	if len(only) == 0 {
		return all
	}
	whole := map[string]bool{}
	for _, c := range all {
		whole[c.ID] = true
	}
	return slices.DeleteFunc(all, func(c Check) bool {
		return !slices.ContainsFunc(only, func(id string) bool {
			rest, ok := strings.CutPrefix(c.ID, id)
			return rest == "" && ok || ok && !whole[id] && (rest[0] == '.' || rest[0] == '-')
		})
	})
}

// Run asks the checks, one after the other, and removes what they created. The
// error says why nothing could be asked, or that ctx ended: then the report has
// what was found until then.
func Run(ctx context.Context, t Target, o Options) (Report, error) {
	report := Report{URL: t.URL, Began: time.Now()}
	checks := Chosen(o.Only)
	if len(checks) == 0 {
		return report, errors.New("no check has an ID that begins so; --list shows all")
	}
	w, err := newWire(t, cmp.Or(o.Timeout, 30*time.Second))
	if err != nil {
		return report, err
	}
	defer w.client.CloseIdleConnections()
	name := make([]byte, 5)
	rand.Read(name)
	s := &suite{wire: w, prefix: "xc-" + hex.EncodeToString(name)}
	if err := s.look(ctx); err != nil {
		return report, err
	}
	for _, c := range checks {
		if ctx.Err() != nil {
			break
		}
		r := s.ask(ctx, c)
		if ctx.Err() != nil {
			break // its outcome is about us, not about the server
		}
		report.Results = append(report.Results, r)
		if o.Told != nil {
			o.Told(r)
		}
	}
	report.Left = s.clean(context.WithoutCancel(ctx))
	report.Took = time.Since(report.Began)
	return report, ctx.Err()
}

// suite is one run.
type suite struct {
	*wire
	facts  facts
	prefix string // of everything that is created
	names  int    // how many names were given
	troupe *troupe
}

// look reads the discovery documents, and makes sure that there is a SCIM
// server and that it accepts the token.
func (s *suite) look(ctx context.Context) error {
	provider, err := s.send(ctx, request{method: http.MethodGet, path: "/ServiceProviderConfig"})
	if err != nil {
		return fmt.Errorf("%s cannot be asked: %w; is the URL right, and the server up?", s.base.Redacted(), err)
	}
	types, schemas := s.documents(ctx, "/ResourceTypes"), s.documents(ctx, "/Schemas")
	if provider.status != http.StatusOK {
		provider.json = nil
	}
	s.facts = readFacts(provider.json, types, schemas)
	users, err := s.send(ctx, request{method: http.MethodGet, path: s.facts.users + "?count=1"})
	switch {
	case err != nil:
		return fmt.Errorf("%s cannot be asked: %w", s.base.Redacted(), err)
	case users.status == http.StatusUnauthorized || users.status == http.StatusForbidden:
		return fmt.Errorf("the server answers %d to the token; give one that may read and change users", users.status)
	case users.status/100 == 3:
		return errors.New("the server redirects to another place, which is not followed with the token; give that URL instead")
	case !users.ok() && provider.json == nil:
		return fmt.Errorf("there is no SCIM at that URL: /ServiceProviderConfig answers %d and %s %d; the base URL often ends in /scim/v2",
			provider.status, s.facts.users, users.status)
	}
	return nil
}

func (s *suite) documents(ctx context.Context, path string) []object {
	a, err := s.send(ctx, request{method: http.MethodGet, path: path})
	if err != nil || a.status != http.StatusOK {
		return nil
	}
	return a.resources()
}

// ask runs one check.
func (s *suite) ask(ctx context.Context, c Check) (r Result) {
	r.Check = c
	began := time.Now()
	defer func() { r.Took = time.Since(began) }()
	for _, need := range c.needs {
		if why := need(s.facts); why != "" {
			r.Outcome, r.Why = Skip, why
			return r
		}
	}
	defer func() {
		switch p := recover().(type) {
		case nil:
			r.Outcome = Pass
		case verdict: // how a check stops before its end; see T
			r.Outcome, r.Why, r.Finding = p.outcome, s.redact(p.why), p.finding
			if f := r.Finding; f != nil {
				f.Asked, f.Expected, f.Came = s.redact(f.Asked), s.redact(f.Expected), s.redact(f.Came)
			}
		default:
			panic(p)
		}
	}()
	c.run(&T{suite: s, ctx: ctx})
	return r
}

// cleaning is how long cleaning up may take.
const cleaning = 2 * time.Minute

// clean removes what was created, groups first, and returns what stays.
func (s *suite) clean(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, cleaning)
	defer cancel()
	s.find(ctx, s.facts.users, "userName")
	if s.facts.groups != "" {
		s.find(ctx, s.facts.groups, "displayName")
	}
	paths := s.left()
	slices.SortFunc(paths, func(a, b string) int {
		users := func(p string) int {
			if strings.HasPrefix(p, s.facts.users+"/") {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(users(a), users(b)), cmp.Compare(a, b))
	})
	for _, path := range paths {
		s.send(ctx, request{method: http.MethodDelete, path: path}) // what stays is reported
	}
	left := s.left()
	slices.Sort(left)
	return left
}

// find takes into account what is there under our names though no answer said
// so: a request may have worked although its answer was lost or wrong.
func (s *suite) find(ctx context.Context, endpoint, attribute string) {
	a, err := s.send(ctx, request{method: http.MethodGet, path: endpoint + "?" + url.Values{
		"filter": {attribute + ` sw "` + s.prefix + `"`}, "count": {"1000"}}.Encode()})
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range a.resources() {
		// A server that ignores filters must not make us remove others.
		if strings.HasPrefix(strings.ToLower(r.text(attribute)), s.prefix) && r.id() != "" {
			s.made[endpoint+"/"+url.PathEscape(r.id())] = true
		}
	}
}
