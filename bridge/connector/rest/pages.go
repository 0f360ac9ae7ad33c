package rest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

const (
	defaultPages = 20
	maxItems     = 10_000 // of a list, all pages together
)

// list reads a list, page by page, and returns its items, each with the answer
// that it stood in, and the last answer. What a limit would cut off is an error:
// half a list would pass for the whole. errNothing if there is no list.
func (c *connector) list(ctx context.Context, r call.Request, items *Expr, p *Paginate, want accept, v vars) ([]listed, answer, error) {
	pages := 1
	if p != nil {
		pages = defaultPages
		if p.MaxPages > 0 {
			pages = p.MaxPages
		}
		r.URL = p.first(r.URL)
	}
	var out []listed
	for page := 1; ; page++ {
		a, err := c.succeed(ctx, r, want, v)
		if errors.Is(err, errNothing) && page > 1 {
			err = fmt.Errorf("%s: the list ended before its last page", r.Name)
		}
		if err != nil {
			return nil, a, err
		}
		found := []any{a.v["body"]}
		if items != nil {
			if found, err = items.list(ctx, a.v); err != nil {
				return nil, a, fmt.Errorf("%s: %w", r.Name, err)
			}
		}
		for _, item := range found {
			out = append(out, listed{item, a})
		}
		if len(out) > maxItems {
			return nil, a, bridge.Permanent(fmt.Errorf("%s: the list has more than %d items", r.Name, maxItems))
		}
		if p == nil {
			return out, a, nil
		}
		next, err := p.next(ctx, r.URL, a, len(found))
		if err != nil {
			return nil, a, fmt.Errorf("%s: %w", r.Name, err)
		}
		if next == "" {
			return out, a, nil
		}
		if page == pages {
			return nil, a, bridge.Permanent(fmt.Errorf("%s: the list has more than %d pages", r.Name, pages))
		}
		r.URL = next
	}
}

// listed is one item of a list.
type listed struct {
	item any
	in   answer
}

// first is the address of the first page.
func (p *Paginate) first(address string) string {
	switch {
	case p.Page != "":
		return withQuery(address, p.Page, strconv.Itoa(p.begin()))
	case p.Offset != "":
		return withQuery(address, p.Offset, strconv.Itoa(p.begin()))
	}
	return address
}

func (p *Paginate) begin() int {
	switch {
	case p.First != nil:
		return *p.First
	case p.Page != "":
		return 1
	}
	return 0
}

// next is the address of the page after the one at address, which held n
// items; "" if that was the last.
func (p *Paginate) next(ctx context.Context, address string, a answer, n int) (string, error) {
	switch {
	case p.LinkHeader:
		return sameOrigin(address, nextLink(a.Header.Values("Link")))
	case p.NextURL != nil:
		next, err := p.NextURL.word(ctx, a.v)
		if err != nil {
			return "", err
		}
		return sameOrigin(address, next)
	case p.Cursor != nil:
		cursor, err := p.Cursor.word(ctx, a.v)
		if err != nil || cursor == "" {
			return "", err
		}
		return differs(address, withQuery(address, p.Param, cursor))
	case n < max(p.Size, 1):
		return "", nil
	case p.Page != "":
		return counted(address, p.Page, 1), nil
	default:
		return counted(address, p.Offset, n), nil
	}
}

func counted(address, name string, more int) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	at, _ := strconv.Atoi(u.Query().Get(name))
	return withQuery(address, name, strconv.Itoa(at+more))
}

func withQuery(address, name, value string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// sameOrigin resolves the address of the next page. Another origin is refused:
// our credentials would go there.
func sameOrigin(address, next string) (string, error) {
	if next == "" {
		return "", nil
	}
	here, err := url.Parse(address)
	if err != nil {
		return "", errElsewhere
	}
	there, err := here.Parse(next)
	if err != nil || there.Scheme != here.Scheme || !strings.EqualFold(there.Host, here.Host) || there.User != nil {
		return "", errElsewhere
	}
	there.Fragment, there.RawFragment = "", ""
	return differs(address, there.String())
}

func differs(address, next string) (string, error) {
	if next == address {
		return "", errSamePage
	}
	return next, nil
}

var (
	errElsewhere = bridge.Permanent(errors.New("the next page is at another place than this one"))
	errSamePage  = bridge.Permanent(errors.New("the next page is the same page"))
)

// nextLink returns the target of the first link with rel="next" (RFC 8288,
// section 3); "" if there is none. What cannot be read is passed over.
func nextLink(headers []string) string {
	for _, h := range headers {
		for h != "" {
			var target, params string
			_, after, ok := strings.Cut(h, "<")
			if !ok {
				break
			}
			if target, after, ok = strings.Cut(after, ">"); !ok {
				break
			}
			params, h = until(after, ',')
			if relNext(params) {
				return strings.TrimSpace(target)
			}
		}
	}
	return ""
}

// until cuts s at the first separator outside quotes.
func until(s string, separator byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && s[i] == separator:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// relNext reports whether the parameters of a link hold rel=next, among other
// relations perhaps.
func relNext(params string) bool {
	for params != "" {
		var param string
		param, params = until(params, ';')
		name, value, ok := strings.Cut(param, "=")
		if !ok || !strings.EqualFold(strings.TrimSpace(name), "rel") {
			continue
		}
		for rel := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(value), `"`)) {
			if strings.EqualFold(rel, "next") {
				return true
			}
		}
	}
	return false
}
