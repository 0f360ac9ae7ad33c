package store

import (
	"context"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// Token is a credential of a source. The credential itself is kept nowhere.
type Token struct {
	ID      string
	Source  string
	Hash    [32]byte // SHA-256 of the credential
	Created time.Time
	Used    time.Time // when it was last used, to within [useGrain]; zero if never
	Revoked time.Time // zero while it is good
}

// Use is when a source last used a credential, to within [useGrain]: a token
// by its id, or what the configuration names.
type Use struct {
	Source, Credential string
	Used               time.Time
}

// LiveTokens is how many good tokens a source may have: one, and the one that
// replaces it.
const LiveTokens = 2

// useGrain is how long the use of a credential that was noted is not noted
// again, so that authentication costs no write per request.
const useGrain = 5 * time.Minute

const (
	tokenColumns = `id, tokens.source, hash, created, COALESCE(used, 0), revoked`
	tokenTable   = `tokens LEFT JOIN uses ON uses.source = tokens.source AND uses.credential = tokens.id`
	oneToken     = `SELECT ` + tokenColumns + ` FROM ` + tokenTable + ` WHERE id = $1`
)

func scanToken(s scanner) (t Token, err error) {
	var (
		hash                   []byte
		created, used, revoked int64
	)
	err = s.Scan(&t.ID, &t.Source, &hash, &created, &used, &revoked)
	copy(t.Hash[:], hash)
	t.Created, t.Used, t.Revoked = fromMicros(created), fromMicros(used), fromMicros(revoked)
	return t, err
}

// PutToken stores a new token, and appends the events that tell of it in the
// same transaction. room is how many good tokens the source may have with it,
// at most [LiveTokens]. KindConflict if they are there already, or one has this id.
func (s *Store) PutToken(ctx context.Context, token Token, room int, events ...bridge.Event) error {
	return s.update(ctx, func(t *tx) error {
		var ids []string
		slot := 1
		err := t.each(`SELECT id, slot FROM tokens WHERE source = $1 AND revoked = 0 ORDER BY created, id`, []any{token.Source},
			func(r scanner) error {
				var (
					id    string
					taken int
				)
				err := r.Scan(&id, &taken)
				if ids = append(ids, id); taken == slot {
					slot = LiveTokens + 1 - taken
				}
				return err
			})
		if err != nil {
			return err
		}
		if len(ids) >= min(room, LiveTokens) {
			return tooManyTokens(token.Source, ids)
		}
		_, err = t.do(`INSERT INTO tokens (id, source, hash, slot, created, revoked) VALUES ($1, $2, $3, $4, $5, 0)`,
			token.ID, token.Source, token.Hash[:], slot, micros(token.Created))
		if t.unique(err) { // the id; or, on PostgreSQL, another node has just taken the slot
			return bridge.Errorf(bridge.KindConflict, "another token was issued at the same time; look at the list, and try again")
		}
		if err != nil {
			return err
		}
		return t.appendAll(events)
	})
}

func tooManyTokens(source string, ids []string) error {
	if len(ids) == 0 {
		return bridge.Errorf(bridge.KindConflict, "the configuration names %d tokens of %s already, and more are not good at once; "+
			"take one of them out first", LiveTokens, source)
	}
	return bridge.Errorf(bridge.KindConflict, "%s has %d good tokens already, with those of the configuration; revoke one first: exeunt token revoke %s",
		source, LiveTokens, strings.Join(ids, ", or "))
}

// RevokeToken makes a token worthless from now on. KindNotFound if there is
// none; to revoke it again changes nothing and appends nothing.
func (s *Store) RevokeToken(ctx context.Context, id string, events ...bridge.Event) error {
	return s.update(ctx, func(t *tx) error {
		n, err := t.do(`UPDATE tokens SET revoked = $2 WHERE id = $1 AND revoked = 0`, id, micros(s.now()))
		if err != nil {
			return err
		}
		if n == 0 {
			_, err := scanToken(single{t, "token", oneToken, id})
			return err
		}
		return t.appendAll(events)
	})
}

func (t *tx) appendAll(events []bridge.Event) error {
	for _, e := range events {
		if err := t.Append(e); err != nil {
			return err
		}
	}
	return nil
}

// Token returns a token, revoked or not; KindNotFound if there is none.
func (s *Store) Token(ctx context.Context, id string) (token Token, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		token, err = scanToken(single{t, "token", oneToken, id})
		return err
	})
	return token, err
}

// Tokens returns a source's tokens, oldest first; all sources' if source is "".
func (s *Store) Tokens(ctx context.Context, source string) (tokens []Token, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		return t.each(`SELECT `+tokenColumns+` FROM `+tokenTable+` WHERE tokens.source = $1 OR $1 = '' ORDER BY tokens.source, created, id`,
			[]any{source}, func(r scanner) error {
				token, err := scanToken(r)
				tokens = append(tokens, token)
				return err
			})
	})
	return tokens, err
}

// NoteUse notes that a source used a credential now. It writes at most once in
// [useGrain] and credential, so it may be called for every request.
func (s *Store) NoteUse(ctx context.Context, source, credential string) error {
	type key struct{ source, credential string }
	k, now := key{source, credential}, s.now()
	last, known := s.used.LoadOrStore(k, now)
	if known && (now.Sub(last.(time.Time)) < useGrain || !s.used.CompareAndSwap(k, last, now)) {
		return nil // noted, or being noted
	}
	err := s.update(ctx, func(t *tx) error {
		_, err := t.do(`INSERT INTO uses (source, credential, used) VALUES ($1, $2, $3)
			ON CONFLICT (source, credential) DO UPDATE SET used = excluded.used WHERE uses.used < excluded.used`,
			source, credential, micros(now))
		return err
	})
	if err != nil {
		s.used.CompareAndDelete(k, now)
	}
	return err
}

// Uses returns when credentials were last used; never used ones are not in it.
func (s *Store) Uses(ctx context.Context) (uses []Use, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		return t.each(`SELECT source, credential, used FROM uses ORDER BY source, credential`, nil, func(r scanner) error {
			var (
				u    Use
				used int64
			)
			err := r.Scan(&u.Source, &u.Credential, &used)
			u.Used = fromMicros(used)
			uses = append(uses, u)
			return err
		})
	})
	return uses, err
}
