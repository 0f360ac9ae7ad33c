package scim

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/exeunt/exeunt/bridge"
)

const (
	byID     = "id"
	pageSize = 100
	maxPages = 100
)

// errNoSearch says that a server refuses to search in this way.
var errNoSearch = errors.New("the app refuses to search like this")

// Find searches by each configured attribute in turn until one finds exactly
// one user. What the app answers is compared with what was asked: a filter that
// was ignored finds nobody by accident.
func (d *door) Find(ctx context.Context, who bridge.Identifiers) (bridge.Account, error) {
	asked, refused := 0, 0
	for _, attribute := range d.match {
		value := map[string]string{byUserName: who.UserName, byExternalID: who.ExternalID, byEmail: who.Email()}[attribute]
		if value == "" {
			continue
		}
		asked++
		found, err := d.search(ctx, attribute, value)
		switch {
		case errors.Is(err, errNoSearch):
			refused++
		case err != nil:
			return bridge.Account{}, err
		case len(found) > 1:
			return bridge.Account{}, bridge.Permanent(
				fmt.Errorf("%s by %s found %d accounts; it must be exactly one", nameSearch, attribute, len(found)))
		case len(found) == 1:
			return bridge.Account{ID: found[0].ID, Login: found[0].UserName, Match: attribute}, nil
		}
	}
	if asked == 0 {
		return bridge.Account{}, bridge.Permanent(fmt.Errorf("the person has no %s to be found by", strings.Join(d.match, " or ")))
	}
	if refused > 0 {
		// Somebody who could not be searched for is not somebody who is not there.
		return bridge.Account{}, bridge.Permanent(fmt.Errorf("%s: %w, in %d of %d ways", nameSearch, errNoSearch, refused, asked))
	}
	return bridge.Account{}, bridge.ErrNoAccount
}

// search returns the users whose attribute is exactly value.
func (d *door) search(ctx context.Context, attribute, value string) ([]user, error) {
	paths := []string{attribute}
	if attribute == byEmail {
		// RFC 7644 knows both; servers mostly know one.
		paths = []string{"emails.value", "emails"}
	}
	for _, path := range paths {
		found, err := d.filter(ctx, path+" eq "+quoted(value), func(u user) bool { return u.is(attribute, value) })
		if !errors.Is(err, errNoSearch) {
			return found, err
		}
	}
	return nil, errNoSearch
}

// filter returns the users of a search that keep is true of. It reads on
// through all pages, because a server that ignores filters answers with everybody.
func (d *door) filter(ctx context.Context, filter string, keep func(user) bool) (found []user, err error) {
	seen := map[string]bool{}
	from := 1
	for range maxPages {
		answer, err := d.page(ctx, filter, from, pageSize)
		if err != nil {
			return nil, err
		}
		switch {
		case gone(answer.Status):
			return nil, d.listing(ctx) // nobody, if there is a list at all
		case unable(answer.Status):
			return nil, errNoSearch
		case answer.Status/100 != 2:
			return nil, answer.Outcome()
		}
		var list struct {
			TotalResults int
			Resources    []user
		}
		if err := answer.Decode(&list); err != nil {
			return nil, err
		}
		for _, u := range list.Resources {
			if u.ID == "" {
				return nil, fmt.Errorf("%s answered %d with a user that has no id", nameSearch, answer.Status)
			}
			if keep(u) && !seen[u.ID] {
				seen[u.ID] = true
				found = append(found, u)
			}
		}
		from += len(list.Resources)
		if from > list.TotalResults {
			return found, nil
		}
		if len(list.Resources) == 0 {
			return nil, fmt.Errorf("%s answered %d with fewer users than it counted", nameSearch, answer.Status)
		}
	}
	return nil, bridge.Permanent(fmt.Errorf("%s found more than %d users for one; the app seems to ignore filters",
		nameSearch, maxPages*pageSize))
}

// listing returns nil if the app lists users at all: then, a 404 is about
// somebody and not about the address of the app.
func (d *door) listing(ctx context.Context) error {
	answer, err := d.page(ctx, "", 1, 1)
	if err != nil {
		return err
	}
	if answer.Status/100 != 2 {
		return answer.Outcome()
	}
	var list map[string]any
	if err := answer.Decode(&list); err != nil {
		return err
	}
	for name := range list {
		if strings.EqualFold(name, "Resources") || strings.EqualFold(name, "totalResults") {
			return nil
		}
	}
	return bridge.Permanent(fmt.Errorf("%s answered with something that is not a list of users", nameSearch))
}

func encode(q url.Values) string { return strings.ReplaceAll(q.Encode(), "+", "%20") }
