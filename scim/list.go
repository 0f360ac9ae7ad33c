package scim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/exeunt/exeunt/bridge"
)

// query is what a client asks of a collection (RFC 7644, section 3.4.2), with
// GET or with POST to /.search.
type query struct {
	where []bridge.Key
	rest  *filter // nil: where decides alone
	start int     // of the first wanted match, from 1
	count int
	shows projection
}

// parameters reads the query from wherever the client put it.
func (q *request) parameters(t *resourceType) (query, error) {
	from, err := q.query()
	if err != nil {
		return query{}, err
	}
	if q.Method == http.MethodPost {
		body, err := q.body()
		if err != nil {
			return query{}, err
		}
		if !q.mending.may(anySchemas) && !names(body, urnSearch) {
			return query{}, fault(scimerrors.ScimTypeInvalidSyntax, "schemas must name %s", urnSearch)
		}
		if from, err = asParameters(body); err != nil {
			return query{}, err
		}
	}
	return q.parse(t, from)
}

// query reads the URL's query. One that is not understood is refused: a filter
// that got lost on the way would show everybody.
func (q *request) query() (url.Values, error) {
	v, err := url.ParseQuery(q.URL.RawQuery)
	if err != nil || len(v["filter"]) > 1 {
		return nil, fault(scimerrors.ScimTypeInvalidValue, "the query of the URL is not understood")
	}
	return v, nil
}

// asParameters gives a search request's body the form of a URL's query.
func asParameters(body map[string]any) (url.Values, error) {
	v := url.Values{}
	for _, name := range []string{"attributes", "excludedAttributes", "filter", "startIndex", "count"} {
		switch x := member(body, name).(type) {
		case nil:
		case string:
			v.Add(name, x)
		case json.Number:
			v.Add(name, x.String())
		case []any:
			if name == "filter" && len(x) > 1 {
				return nil, fault(scimerrors.ScimTypeInvalidFilter, "there can be one filter")
			}
			for _, e := range x {
				s, ok := e.(string)
				if !ok {
					return nil, fault(scimerrors.ScimTypeInvalidValue, "%s must be strings", name)
				}
				v.Add(name, s)
			}
		default:
			return nil, fault(scimerrors.ScimTypeInvalidValue, "%s cannot be that", name)
		}
	}
	return v, nil
}

func (q *request) parse(t *resourceType, from url.Values) (x query, err error) {
	if x.start, err = integer(from, "startIndex", 1); err != nil {
		return x, err
	}
	if x.count, err = integer(from, "count", q.Limits.Page); err != nil {
		return x, err
	}
	x.start, x.count = max(x.start, 1), min(max(x.count, 0), q.Limits.Results)
	if x.shows, err = q.projection(t, words(from["attributes"]), words(from["excludedAttributes"])); err != nil {
		return x, err
	}
	if s := from.Get("filter"); s != "" {
		f, err := parseFilter(s, q.Limits)
		if err != nil {
			return x, err
		}
		if err := t.bindFilter(f, q.mending); err != nil {
			return x, err
		}
		x.where, x.rest = plan(f)
		if err := x.rest.ask(q.Context(), t, q.Memberships); err != nil {
			return x, err
		}
	}
	return x, nil
}

// shown is the projection that a request for one resource asks for.
func (q *request) shown(t *resourceType) (projection, error) {
	if q.part { // an answer to a Bulk has no resources in it
		return projection{t: t, only: tree{}}, nil
	}
	if q.URL.RawQuery == "" {
		return projection{t: t}, nil
	}
	from, err := q.query()
	if err != nil {
		return projection{}, err
	}
	return q.projection(t, words(from["attributes"]), words(from["excludedAttributes"]))
}

// words splits lists of names that are separated by commas.
func words(lists []string) (out []string) {
	for _, l := range lists {
		for _, w := range strings.Split(l, ",") {
			if w = strings.TrimSpace(w); w != "" {
				out = append(out, w)
			}
		}
	}
	return out
}

func integer(from url.Values, name string, otherwise int) (int, error) {
	s := from.Get(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, fault(scimerrors.ScimTypeInvalidValue, "%s must be an integer", name)
	}
	return int(n), nil
}

// keep decides the rest of a filter on stored resources. Why it gave up, if it
// did, ends up in failed: the client is gone, or a resource cannot be read,
// which would be our own fault.
func keep[T any](q *request, t *resourceType, f *filter, form func(T) stored, failed *error) func(T) bool {
	if f == nil {
		return nil
	}
	return func(x T) bool {
		if *failed != nil {
			return false
		}
		res, err := q.whole(t, form(x))
		if err == nil {
			err = q.Context().Err()
		}
		if err != nil {
			*failed = err
			return false
		}
		return f.matches(res)
	}
}

// list sends a page of resources.
func (q *request) list(t *resourceType, x query, page []stored, total int) error {
	b := make([]byte, 0, 256+len(page)*1024)
	b = append(b, `{"Resources":[`...)
	var err error
	for i, s := range page {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = q.appendResource(b, t, s, x.shows); err != nil {
			return err
		}
	}
	b = strconv.AppendInt(append(b, `],"itemsPerPage":`...), int64(len(page)), 10)
	b = append(b, `,"schemas":["`+urnList+`"],"startIndex":`...)
	b = strconv.AppendInt(b, int64(x.start), 10)
	b = strconv.AppendInt(append(b, `,"totalResults":`...), int64(total), 10)
	writeJSON(q.w, q.media, http.StatusOK, append(b, '}'))
	return nil
}
