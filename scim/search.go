package scim

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/exeunt/exeunt/bridge"
)

// spot is where a resource stands in the order of a query, and the resource.
type spot struct {
	part int // of the query
	key  string
	stored
}

// shelf is where resources of one type are found.
type shelf struct {
	one  func(v bridge.Sight, id string) (stored, error)
	page func(v bridge.Sight, x bridge.Query) ([]stored, int, error)
	scan func(v bridge.Sight, where bridge.Cond, each func([]stored) error) error
	// belong adds what is kept apart from resources: the groups of users, the
	// members of groups; at most limit, and says how many more it would bear.
	belong func(q *request, v bridge.Sight, some []stored, limit int) (left int, err error)
	// ordered is the attribute by which the store can bring them into order,
	// beside id and meta.created; nil if there is none.
	ordered *attribute
	// blind: the store finds texts only by what they are, not by parts of them.
	blind bool
}

// shelfOf is the shelf of what bridge knows as T; form is how that is stored.
func shelfOf[T any](form func(T) stored, one func(bridge.Sight, string) (T, error),
	page func(bridge.Sight, bridge.Query) ([]T, int, error), scan func(bridge.Sight, bridge.Cond, func([]T) error) error,
	belong func(*request, bridge.Sight, []stored, int) (int, error)) shelf {
	forms := func(list []T) []stored {
		out := make([]stored, len(list))
		for i, x := range list {
			out[i] = form(x)
		}
		return out
	}
	return shelf{
		one: func(v bridge.Sight, id string) (stored, error) {
			x, err := one(v, id)
			return form(x), err
		},
		page: func(v bridge.Sight, q bridge.Query) ([]stored, int, error) {
			list, total, err := page(v, q)
			return forms(list), total, err
		},
		scan: func(v bridge.Sight, where bridge.Cond, each func([]stored) error) error {
			return scan(v, where, func(some []T) error { return each(forms(some)) })
		},
		belong: belong,
	}
}

// find returns the page that is asked for, how many match in all, and whether
// anything comes after it.
func (x query) find(q *request, v bridge.Sight) (page []spot, total int, more bool, err error) {
	for _, p := range x.parts {
		if _, ordered := p.stored(x.order); p.rest != nil || !ordered || x.order.by != "" && len(x.parts) > 1 {
			return x.evaluate(q, v)
		}
	}
	want, skip := x.count, x.start-1
	if x.cursor != nil {
		want, skip = x.count+1, 0 // one more tells that there is more
	}
	for i, p := range x.parts {
		ask := bridge.Query{Where: p.where, Offset: skip, Limit: want - len(page)}
		ask.Sort, _ = p.stored(x.order)
		if x.cursor != nil && i < x.cursor.part || x.count == 0 {
			ask.Limit = 0
		} else if x.cursor != nil && i == x.cursor.part {
			ask.After = &x.cursor.place
		}
		some, n, err := p.t.page(v, ask)
		if err != nil {
			return nil, 0, false, x.misplaced(err)
		}
		total += n
		skip = max(skip-n, 0)
		for _, s := range some {
			res := map[string]any{}
			if p.t.ordered != nil && ask.Sort.By == p.t.ordered.index && x.cursor != nil { // the only key that is not in s
				if res, err = decodeStored(s.resource); err != nil {
					return nil, 0, false, err
				}
			}
			page = append(page, spot{i, x.key(i, s, res), s})
		}
	}
	if x.cursor != nil && len(page) > x.count {
		page, more = page[:x.count], true
	}
	return page, total, more && x.count > 0, nil
}

const (
	// fewScanned is how many resources a query may look at one by one whoever
	// else does: what identity providers look people up by leaves one or two.
	fewScanned = 1000
	// maxScans is how many queries that look at more may wait for their turn.
	// One has it at a time: they would keep all others from reading.
	maxScans = 8
)

// errTurn says that a query needs a turn, and is to be asked again with it.
var errTurn = errors.New("a query that looks at many resources has no turn")

// turn waits until a query may look at resources one by one; done ends its turn.
func (h *handler) turn(ctx context.Context) (done func(), err error) {
	select {
	case h.waiting <- struct{}{}:
		defer func() { <-h.waiting }()
	default:
		return nil, refusal(http.StatusTooManyRequests, "Too many queries that no index serves are waiting; try again, or compare something else too.")
	}
	select {
	case h.scanning <- struct{}{}:
		return func() { <-h.scanning }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// misplaced is what the store says of a place that a client made up.
func (x query) misplaced(err error) error {
	if x.cursor != nil && bridge.IsKind(err, bridge.KindInvalid) {
		return fault(scimTypeInvalidCursor, "this is no cursor of this query; begin again with an empty one")
	}
	return err
}

// evaluate looks at each resource that the store's conditions leave; errTurn if
// that is too much work to be done beside others'.
func (x query) evaluate(q *request, v bridge.Sight) (page []spot, total int, more bool, err error) {
	members := false // are looked at too, and may be very many
	for _, p := range x.parts {
		_, n, err := p.t.page(v, bridge.Query{Where: p.where})
		if err != nil {
			return nil, 0, false, err
		}
		if total += n; total > q.Limits.Scan {
			return nil, 0, false, fault(scimerrors.ScimTypeTooMany, "more than %d resources would have to be looked at; "+
				"say what id, userName, externalId, emails or displayName is equal to, or compare active or meta.created too", q.Limits.Scan)
		}
		members = members || n > 0 && p.t == q.group && p.looksInto(p.t.belongs)
	}
	if !x.turn && (members || total > q.few) {
		return nil, 0, false, errTurn
	}
	var all []spot // without their resources
	for i, p := range x.parts {
		if err := p.t.scan(v, p.where, func(some []stored) error { return q.sift(v, x, i, some, &all) }); err != nil {
			return nil, 0, false, err
		}
	}
	compare := func(a, b spot) int {
		n := 0
		if x.order.by == "" || len(x.parts) == 1 {
			n = a.part - b.part
		}
		if n == 0 {
			n = strings.Compare(a.key, b.key)
		}
		if n == 0 {
			n = strings.Compare(a.id, b.id)
		}
		if x.order.down {
			return -n
		}
		return n
	}
	slices.SortFunc(all, compare)
	begin := min(x.start-1, len(all))
	if c := x.cursor; c != nil && c.part >= 0 {
		at, found := slices.BinarySearchFunc(all, spot{part: c.part, key: c.place.Key, stored: stored{id: c.place.ID}}, compare)
		if begin = at; found {
			begin++
		}
	}
	page = slices.Clone(all[begin:min(begin+x.count, len(all))])
	for i, s := range page {
		if page[i].stored, err = x.parts[s.part].t.one(v, s.id); err != nil {
			return nil, 0, false, err
		}
	}
	return page, len(all), x.count > 0 && begin+len(page) < len(all), nil
}

// looksInto reports whether an attribute decides about what is found, or its order.
func (p part) looksInto(a *attribute) bool {
	return p.rest.mentions(a) || len(p.by) > 0 && p.by[0] == a
}

// sift adds the spots of those of some that match.
func (q *request) sift(v bridge.Sight, x query, i int, some []stored, all *[]spot) error {
	if err := q.Context().Err(); err != nil { // the client is gone
		return err
	}
	p := x.parts[i]
	together := len(some)
	belongs := p.looksInto(p.t.belongs)
	if belongs && p.t == q.group {
		together = 1 // members may be very many
	}
	for part := range slices.Chunk(some, max(together, 1)) {
		if belongs {
			if _, err := p.t.belong(q, v, part, q.Limits.Members); err != nil {
				return err
			}
		}
		for _, s := range part {
			res, err := q.whole(p.t, s)
			if err != nil {
				return err
			}
			if p.rest == nil || p.rest.matches(res) {
				*all = append(*all, spot{part: i, key: x.key(i, s, res), stored: stored{id: s.id}})
			}
		}
	}
	return nil
}

// fill adds to a page what is kept apart from resources, as far as it will be
// seen.
func (q *request) fill(v bridge.Sight, x query, page []spot) error {
	left := q.Limits.Members
	for i, p := range x.parts {
		if !p.shows.shows(p.t.belongs) && !p.shows.asks(p.t.caseState) {
			continue
		}
		var some []stored
		for _, s := range page {
			if s.part == i {
				some = append(some, s.stored)
			}
		}
		var err error
		if left, err = q.beside(v, p.t, p.shows, some, left); err != nil {
			return err
		}
		for j := range page {
			if page[j].part == i {
				page[j].stored, some = some[0], some[1:]
			}
		}
	}
	return nil
}
