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

// query is what a client asks of collections (RFC 7644, section 3.4.2), with
// GET or with POST to /.search.
type query struct {
	parts []part // one for each type of resource, in the order in which they are listed
	start int    // of the first wanted match, from 1
	count int
	order ordering
	// cursor is there if pages are asked for by cursor (RFC 9865) and not by
	// index; without a place it means the first page.
	cursor *cursor
	turn   bool // it may look at many resources one by one; see evaluate
}

// part is what is asked of one type of resource.
type part struct {
	t     *resourceType
	where bridge.Cond
	rest  *filter // nil: where decides alone
	by    []*attribute
	shows projection
}

// list serves collections of the given types: a page of what is asked for.
func (q *request) list(types ...*resourceType) error {
	x, err := q.parameters(types)
	if err != nil {
		return err
	}
	var (
		page  []spot
		total int
		more  bool
	)
	look := func(v bridge.Sight) error {
		if page, total, more, err = x.find(q, v); err != nil {
			return err
		}
		return q.fill(v, x, page)
	}
	err = q.Reader.See(q.Context(), look)
	if err == errTurn { // it is waited for without keeping a snapshot
		done, err := q.turn(q.Context())
		if err != nil {
			return err
		}
		defer done()
		x.turn = true
		if err := q.Reader.See(q.Context(), look); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	b := make([]byte, 0, 256+len(page)*1024)
	b = append(b, `{"Resources":[`...)
	for i, s := range page {
		if i > 0 {
			b = append(b, ',')
		}
		p := x.parts[s.part]
		if b, err = q.appendResource(b, p.t, s.stored, p.shows); err != nil {
			return err
		}
	}
	b = strconv.AppendInt(append(b, `],"itemsPerPage":`...), int64(len(page)), 10)
	if x.cursor != nil && more && len(page) > 0 {
		b = appendString(append(b, `,"nextCursor":`...), x.cursor.next(page[len(page)-1]))
	}
	b = append(b, `,"schemas":["`+urnList+`"]`...)
	if x.cursor == nil {
		b = strconv.AppendInt(append(b, `,"startIndex":`...), int64(x.start), 10)
	}
	b = strconv.AppendInt(append(b, `,"totalResults":`...), int64(total), 10)
	writeJSON(q.w, q.media, http.StatusOK, append(b, '}'))
	return nil
}

// parameters reads the query from wherever the client put it.
func (q *request) parameters(types []*resourceType) (query, error) {
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
	return q.parse(types, from)
}

// query reads the URL's query. One that is not understood is refused: a filter
// that got lost on the way would show everybody.
func (q *request) query() (url.Values, error) {
	v, err := url.ParseQuery(literalPlus(q.URL.RawQuery))
	if err != nil || len(v["filter"]) > 1 {
		return nil, fault(scimerrors.ScimTypeInvalidValue, "the query of the URL is not understood")
	}
	return v, nil
}

// literalPlus keeps a + in a query, such as in an address, where the first space
// is written as %20 (RFC 3986). Else a + is a space, as in HTML forms.
func literalPlus(raw string) string {
	if space, plus := strings.Index(raw, "%20"), strings.IndexByte(raw, '+'); space >= 0 && space < plus {
		return strings.ReplaceAll(raw, "+", "%2B")
	}
	return raw
}

// asParameters gives a search request's body the form of a URL's query.
func asParameters(body map[string]any) (url.Values, error) {
	v := url.Values{}
	for _, name := range []string{"attributes", "excludedAttributes", "filter", "startIndex", "count", "sortBy", "sortOrder", "cursor"} {
		switch x := member(body, name).(type) {
		case nil:
		case string:
			v.Add(name, x)
		case json.Number:
			v.Add(name, x.String())
		case []any:
			if name != "attributes" && name != "excludedAttributes" {
				return nil, fault(scimerrors.ScimTypeInvalidValue, "there can be one %s", name)
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

func (q *request) parse(types []*resourceType, from url.Values) (x query, err error) {
	if x.start, err = integer(from, "startIndex", 1); err != nil {
		return x, err
	}
	if x.count, err = integer(from, "count", q.Limits.Page); err != nil {
		if from.Has("cursor") {
			err = fault(scimTypeInvalidCount, "count must be an integer")
		}
		return x, err
	}
	x.start, x.count = max(x.start, 1), min(max(x.count, 0), q.Limits.Results)
	if x.order, err = readOrder(from); err != nil {
		return x, err
	}
	for i, t := range types {
		p := part{t: t}
		if p.shows, err = q.projection(t, words(from["attributes"]), words(from["excludedAttributes"])); err != nil {
			return x, err
		}
		others := append(types[:i:i], types[i+1:]...)
		if p.by, err = x.order.bind(t, others); err != nil {
			return x, err
		}
		if s := from.Get("filter"); s != "" {
			f, err := parseFilter(s, q.Limits)
			if err != nil {
				return x, err
			}
			if err := t.bindFilter(f, q.mending, others...); err != nil {
				return x, err
			}
			p.where, p.rest = t.plan(f)
		}
		x.parts = append(x.parts, p)
	}
	if from.Has("cursor") {
		if from.Has("startIndex") {
			return x, fault(scimerrors.ScimTypeInvalidValue, "startIndex and cursor exclude each other")
		}
		x.cursor, err = readCursor(from, types)
	}
	return x, err
}

// shown is the projection that a request for one resource asks for.
func (q *request) shown(t *resourceType) (projection, error) {
	if q.part { // an answer to a Bulk has no resources in it
		return projection{t: t, only: tree{}}, nil
	}
	if q.URL.RawQuery == "" && len(t.reserved) == 0 {
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
