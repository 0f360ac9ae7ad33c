package oauth

import (
	"cmp"
	"context"
	random "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
	"github.com/exeunt/exeunt/bridge/connector/internal/probe"
)

// server is one authorization server.
type server struct {
	client        *call.Client
	revocation    endpoint
	introspection *endpoint // nil if there is none
	probe         *probe.Probe
	complete      bool
	slots         *semaphore.Weighted // exchanges under way, of all people together
}

// parallel is how many exchanges one server has with us at once.
const parallel = 4

var (
	errUnknown = errors.New("no token of the person is known: no feed has told of one; name this app in a feed, and have it tell of tokens")
	errActive  = errors.New("the introspection endpoint calls a token active that nobody has issued")
)

// Capabilities says that tokens can be revoked, and whether that can be checked.
func (s *server) Capabilities() bridge.Capabilities {
	return bridge.Capabilities{{Effect: bridge.Revoke, Covers: []string{"tokens"}, Checked: s.probe != nil}}
}

// Find says whether tokens of the person are known, and how many are alive.
func (s *server) Find(ctx context.Context, who bridge.Identifiers) (bridge.Account, error) {
	if len(tokens(who.Sessions, refresh))+len(tokens(who.Sessions, access)) == 0 {
		return bridge.Account{}, s.unknown(who)
	}
	return bridge.Account{ID: who.Person, Match: "id", Live: s.probe.Look(ctx, s.tries(who.Sessions))}, nil
}

// unknown is the outcome if no token of a person is known. A session of which the
// tokens were not told has some all the same.
func (s *server) unknown(who bridge.Identifiers) error {
	if s.complete && len(who.Sessions) == 0 {
		return bridge.ErrNoneKnown
	}
	return bridge.Impossible(errUnknown)
}

// tokens are those of a kind, each once.
func tokens(sessions []bridge.Session, kind string) (list []token) {
	for _, s := range sessions {
		t := token{s.Access, kind}
		if kind == refresh {
			t.value = s.Refresh
		}
		if t.value != "" && !slices.Contains(list, t) {
			list = append(list, t)
		}
	}
	return list
}

// held are the tokens of a session that introspection is asked about. Those of one
// session go together: a server that knows one as ours and active, speaks of the other
// one as well.
func held(s bridge.Session) []bridge.Secret { return []bridge.Secret{s.Refresh, s.Access} }

// tries is what to try: at a page, the access token of a session where nothing else
// is said to be presented.
func (s *server) tries(sessions []bridge.Session) []bridge.Session {
	list := slices.Clone(sessions)
	for i := range list {
		list[i].Credential = cmp.Or(list[i].Credential, list[i].Access)
	}
	return list
}

// Do revokes every token that is known: refresh tokens first, and access tokens
// whatever became of those.
func (s *server) Do(ctx context.Context, o bridge.Order) (bridge.Receipt, error) {
	if o.Effect != bridge.Revoke {
		return bridge.Receipt{}, bridge.Permanent(fmt.Errorf("the app does not offer %s", o.Effect))
	}
	all := s.revoke(ctx, tokens(o.Who.Sessions, refresh))
	all = append(all, s.revoke(ctx, tokens(o.Who.Sessions, access))...)
	if len(all) == 0 {
		return bridge.Receipt{}, s.unknown(o.Who)
	}
	mute := 0
	for _, one := range o.Who.Sessions {
		if one.Refresh+one.Access == "" {
			mute++
		}
	}
	return judge(all, mute)
}

// revoked is what came of one token.
type revoked struct {
	kind   string
	answer *call.Response // nil if there was none
	err    error
}

func (s *server) revoke(ctx context.Context, list []token) []revoked {
	// What one attempt has no time for is not always the same.
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	all := make([]revoked, len(list))
	var work sync.WaitGroup
	for i, t := range list {
		work.Go(func() {
			answer, err := s.ask(ctx, s.revocation, t)
			all[i] = revoked{t.kind, answer, err}
		})
	}
	work.Wait()
	return all
}

// judge says what all revocations together are worth. That a server does not revoke
// one kind of token is no failure if it did the other; but it is said, and
// leaves it unconfirmed. So do sessions of which no token is known (mute).
func judge(all []revoked, mute int) (r bridge.Receipt, err error) {
	var done []*call.Response
	count, kept := map[string]int{}, 0
	for _, one := range all {
		switch {
		case one.err == nil:
			done = append(done, one.answer)
			count[one.kind]++
		case errors.Is(one.err, errKind):
			kept++
		default:
			err = call.Worse(err, one.err)
		}
	}
	switch {
	case err != nil:
		return bridge.Receipt{}, err
	case len(done) == 0:
		return bridge.Receipt{}, all[0].err
	}
	note, word := fmt.Sprintf("refresh tokens: %d, access tokens: %d", count[refresh], count[access]), bridge.Confirmed
	if kept > 0 {
		note += fmt.Sprintf("; of a kind that the server does not revoke, and which lives until it expires: %d", kept)
		word = bridge.Unconfirmed
	}
	if mute > 0 {
		note += fmt.Sprintf("; sessions of which no token is known: %d", mute)
		word = bridge.Unconfirmed
	}
	r = call.Together(done, note)
	r.Word = word
	return r, nil
}

// Check asks about every token again, or tries it, if there is a way to.
func (s *server) Check(ctx context.Context, o bridge.Order) (bridge.Receipt, error) {
	if o.Effect != bridge.Revoke {
		return bridge.Receipt{}, bridge.ErrCannotCheck
	}
	return s.probe.Proof(ctx, s.tries(o.Who.Sessions), o.Account.Live)
}

// Probe revokes a token that does not exist, which must be taken as if it did, and
// asks about one, which must not be active.
func (s *server) Probe(ctx context.Context) error {
	nobody := token{bridge.Secret("exeunt-probe-" + random.Text()), refresh}
	if _, err := s.ask(ctx, s.revocation, nobody); err != nil && !errors.Is(err, errKind) {
		return err
	}
	if s.introspection == nil {
		return s.probe.Sound(ctx)
	}
	switch active, _, err := s.active(ctx, nobody.value); {
	case err != nil:
		return err
	case active:
		return bridge.Permanent(errActive)
	}
	return nil
}
