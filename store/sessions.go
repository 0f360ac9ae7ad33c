package store

import (
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/exeunt/exeunt/bridge"
)

// sealedSession is what is sealed of a session.
type sealedSession struct {
	Name       bridge.NameID `json:"name,omitzero"`
	Index      string        `json:"index,omitempty"`
	Subject    string        `json:"sub,omitempty"`
	SID        string        `json:"sid,omitempty"`
	Access     string        `json:"access,omitempty"`
	Refresh    string        `json:"refresh,omitempty"`
	Credential string        `json:"credential,omitempty"`
	Feed       string        `json:"feed,omitempty"`
}

// PutSession keeps a session; see [bridge.SessionsTx]. It is sealed in the place of
// its mark, because two who tell of it at once do not know each other's id.
func (t *tx) PutSession(s bridge.Session) error {
	mark, err := t.blind(s.App, sessionKey("mark", s.Mark()))
	if err != nil {
		return err
	}
	named, err := t.blind(s.App, sessionKey("name", s.Name.String()))
	if err != nil {
		return err
	}
	subject, err := t.subject(s.Handle)
	if err == errErased { // nothing is remembered of them
		return nil
	} else if err != nil {
		return err
	}
	sealed, err := sealJSON(subject, place("sessions", string(mark)), sealedSession{s.Name, s.Index, s.Subject, s.SID,
		string(s.Access), string(s.Refresh), string(s.Credential), s.Feed})
	if err != nil {
		return err
	}
	_, err = t.do(`INSERT INTO sessions (id, app, person, handle, mark, named, learned, expires, sealed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (app, mark) DO UPDATE SET learned = excluded.learned, expires = excluded.expires, sealed = excluded.sealed`,
		uuid.NewString(), s.App, s.Person, s.Handle[:], mark, named, micros(s.Learned), micros(s.Expires), sealed)
	if err != nil {
		return err
	}
	// The newest are kept: nobody fills the store with one person's sessions.
	_, err = t.do(`DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE person = $1 AND app = $2
		ORDER BY learned DESC, id DESC LIMIT 1000 OFFSET $3)`, s.Person, s.App, bridge.MostSessions)
	return err
}

// sessionKey is a value that sessions are found by.
func sessionKey(what, value string) bridge.Key {
	return bridge.Key{Attribute: bridge.Attribute("session." + what), Value: value}
}

// Sessions returns what is known of a lane.
func (t *tx) Sessions(l bridge.Lane, now time.Time) ([]bridge.Session, error) {
	return t.listSessions(`person = $1 AND app = $2 AND expires > $3`, bridge.MostSessions, l.Person, l.App, micros(now))
}

// SessionsOf returns what is known of a person; the newest, if it is very much.
func (t *tx) SessionsOf(person string, now time.Time) ([]bridge.Session, error) {
	return t.listSessions(`person = $1 AND expires > $2`, 10*bridge.MostSessions, person, micros(now))
}

// SessionsNamed returns what is known of whoever an app calls that.
func (t *tx) SessionsNamed(app string, name bridge.NameID, now time.Time) ([]bridge.Session, error) {
	if name.Value == "" { // so are all that have no name
		return nil, nil
	}
	named, err := t.blind(app, sessionKey("name", name.String()))
	if err != nil {
		return nil, err
	}
	return t.listSessions(`named = $1 AND app = $2 AND expires > $3`, bridge.MostSessions, named, app, micros(now))
}

func (t *tx) listSessions(where string, limit int, args ...any) (list []bridge.Session, err error) {
	type row struct {
		bridge.Session
		mark, sealed, wrapped []byte
	}
	var rows []row
	err = t.each(`SELECT id, app, person, learned, expires, mark, sealed, `+wrappedOf("sessions")+` FROM sessions WHERE `+where+
		` ORDER BY learned DESC, id DESC LIMIT `+strconv.Itoa(limit), args, func(s scanner) error {
		var (
			r                row
			learned, expires int64
			handle           []byte
		)
		err := s.Scan(&r.ID, &r.App, &r.Person, &learned, &expires, &r.mark, &r.sealed, &handle, &r.wrapped)
		copy(r.Handle[:], handle)
		r.Learned, r.Expires = fromMicros(learned), fromMicros(expires)
		rows = append(rows, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		subject, err := t.unwrap(r.Handle, r.wrapped)
		if err == errErased {
			continue
		} else if err != nil {
			return nil, err
		}
		var in sealedSession
		if err := openJSON(subject, place("sessions", string(r.mark)), r.sealed, &in); err != nil {
			return nil, err
		}
		s := r.Session
		s.Name, s.Index, s.Subject, s.SID, s.Feed = in.Name, in.Index, in.Subject, in.SID, in.Feed
		s.Access, s.Refresh, s.Credential = bridge.Secret(in.Access), bridge.Secret(in.Refresh), bridge.Secret(in.Credential)
		list = append(list, s)
	}
	return list, nil
}

func (t *tx) DropSession(app, mark string) error {
	b, err := t.blind(app, sessionKey("mark", mark))
	if err != nil {
		return err
	}
	_, err = t.do(`DELETE FROM sessions WHERE app = $1 AND mark = $2`, app, b)
	return err
}

// EndSessions forgets what has expired, of sessions and of notes.
func (t *tx) EndSessions(now time.Time, n int) (int, error) {
	gone, err := t.do(`DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires <= $1 ORDER BY expires LIMIT $2)`, micros(now), n)
	if err != nil {
		return 0, err
	}
	more, err := t.do(`DELETE FROM notes WHERE key IN (SELECT key FROM notes WHERE expires <= $1 ORDER BY expires LIMIT $2)`, micros(now), n)
	return int(max(gone, more)), err
}

// PutNote keeps a note; see [bridge.NotesTx].
func (t *tx) PutNote(key [32]byte, note []byte, now, expires time.Time) error {
	subject, err := t.subject(everybody)
	if err != nil {
		return err
	}
	n, err := t.do(`INSERT INTO notes (key, expires, sealed) VALUES ($1, $2, $3)
		ON CONFLICT (key) DO UPDATE SET expires = excluded.expires, sealed = excluded.sealed WHERE notes.expires <= $4`,
		key[:], micros(expires), subject.Seal(place("notes", string(key[:])), note), micros(now))
	if err == nil && n == 0 {
		err = bridge.Errorf(bridge.KindConflict, "there is such a note")
	}
	return err
}

func (t *tx) TakeNote(key [32]byte, now time.Time) ([]byte, error) {
	if err := t.mayWrite(); err != nil {
		return nil, err
	}
	var sealed []byte
	if err := t.get("note", `DELETE FROM notes WHERE key = $1 AND expires > $2 RETURNING sealed`, []any{key[:], micros(now)}, &sealed); err != nil {
		return nil, err
	}
	subject, err := t.subject(everybody)
	if err != nil {
		return nil, err
	}
	return subject.Open(place("notes", string(key[:])), sealed)
}
