package store

import (
	"context"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// Token is a credential of a source. The credential itself is kept nowhere.
type Token struct {
	ID      string
	Source  string
	Hash    [32]byte // SHA-256 of the credential
	Created time.Time
	Used    time.Time // the day it was last used, UTC; zero if never
	Revoked time.Time // zero while it is good
}

const (
	tokenColumns = `id, source, hash, created, used_day, revoked`
	day          = 24 * time.Hour
)

func scanToken(s scanner) (t Token, err error) {
	var (
		hash                   []byte
		created, used, revoked int64
	)
	err = s.Scan(&t.ID, &t.Source, &hash, &created, &used, &revoked)
	copy(t.Hash[:], hash)
	t.Created, t.Revoked = fromMicros(created), fromMicros(revoked)
	if used != 0 {
		t.Used = time.Unix(0, 0).UTC().Add(time.Duration(used) * day)
	}
	return t, err
}

// PutToken stores a new token, and appends the events that tell of it in the
// same transaction. KindConflict if there is one with this id.
func (s *Store) PutToken(ctx context.Context, token Token, events ...bridge.Event) error {
	return s.update(ctx, func(t *tx) error {
		_, err := t.do(`INSERT INTO tokens (`+tokenColumns+`) VALUES ($1, $2, $3, $4, 0, 0)`,
			token.ID, token.Source, token.Hash[:], micros(token.Created))
		if t.unique(err) {
			return bridge.Errorf(bridge.KindConflict, "there is already a token with this id")
		}
		if err != nil {
			return err
		}
		return t.appendAll(events)
	})
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
			_, err := scanToken(single{t, "token", `SELECT ` + tokenColumns + ` FROM tokens WHERE id = $1`, id})
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
		token, err = scanToken(single{t, "token", `SELECT ` + tokenColumns + ` FROM tokens WHERE id = $1`, id})
		return err
	})
	return token, err
}

// Tokens returns a source's tokens, oldest first; all sources' if source is "".
func (s *Store) Tokens(ctx context.Context, source string) (tokens []Token, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		return t.each(`SELECT `+tokenColumns+` FROM tokens WHERE source = $1 OR $1 = '' ORDER BY source, created, id`,
			[]any{source}, func(r scanner) error {
				token, err := scanToken(r)
				tokens = append(tokens, token)
				return err
			})
	})
	return tokens, err
}

// TouchToken notes that a token was used today. It writes at most once a day
// and token, so it may be called for every request.
func (s *Store) TouchToken(ctx context.Context, id string) error {
	today := s.now().Unix() / int64(day/time.Second)
	if noted, ok := s.touched.Load(id); ok && noted == today {
		return nil
	}
	err := s.update(ctx, func(t *tx) error {
		_, err := t.do(`UPDATE tokens SET used_day = $2 WHERE id = $1 AND used_day < $2`, id, today)
		return err
	})
	if err == nil {
		s.touched.Store(id, today)
	}
	return err
}
