package bridge

import (
	"context"
	"strings"
	"time"
)

// Session is what is known of one way in that a person has into one app: a session
// in a browser, or tokens. It was told by a feed, or by an app or identity provider
// that had somebody signed out. Fields that do not belong to its kind are empty.
type Session struct {
	ID     string // random UUID
	App    string // or the name of an identity provider
	Person string // the person's id
	Handle Handle

	Name  NameID // SAML: the person, exactly as it was asserted to the app
	Index string // SAML: SessionIndex

	Subject string // OpenID Connect: sub
	SID     string // OpenID Connect: sid

	Access, Refresh Secret // OAuth: tokens

	// Credential is what the app's probe presents to see whether the session
	// lives: a cookie's value, or a token.
	Credential Secret

	Feed    string // who told us
	Learned time.Time
	Expires time.Time
}

// NameID is how an app and whoever signs people in there call a person (SAML core,
// section 2.2.3). An app knows it only if every part is as it was asserted.
type NameID struct {
	Value           string `json:"value"`
	Format          string `json:"format,omitempty"`
	NameQualifier   string `json:"nameQualifier,omitempty"`
	SPNameQualifier string `json:"spNameQualifier,omitempty"`
}

// String is the whole name, for comparing.
func (n NameID) String() string {
	return strings.Join([]string{n.Value, n.Format, n.NameQualifier, n.SPNameQualifier}, "\x00")
}

// Mark tells one session of an app from another: what is told twice is one session.
// A credential may be changed while its session lives on; only where nothing else
// tells two of a person's sessions apart, it does.
func (s Session) Mark() string {
	parts := []string{s.Person, s.Name.String(), s.Index, s.Subject, s.SID, string(s.Access), string(s.Refresh)}
	if s.Index+s.SID+string(s.Access)+string(s.Refresh) == "" {
		parts = append(parts, string(s.Credential))
	}
	return strings.Join(parts, "\x00")
}

// plain reports whether nothing tells s from another session of its person in its app.
func (s Session) plain() bool {
	return s.Index+s.SID+string(s.Access)+string(s.Refresh)+string(s.Credential) == ""
}

// MostSessions is how many sessions of one person in one app are kept, and handed
// to a connector: the newest.
const MostSessions = 200

// SessionsTx keeps what is known of sessions, sealed under the key of the person
// whose they are, until it expires.
type SessionsTx interface {
	// PutSession keeps a session; one of the same app with the same [Session.Mark]
	// is replaced, but keeps its id.
	PutSession(s Session) error
	// Sessions are those of a lane that have not expired, newest first.
	Sessions(l Lane, now time.Time) ([]Session, error)
	// SessionsOf are those of a person in all apps that have not expired, newest first.
	SessionsOf(person string, now time.Time) ([]Session, error)
	// SessionsNamed are those of an app whose person has that NameID there.
	SessionsNamed(app string, name NameID, now time.Time) ([]Session, error)
	// DropSession forgets the session of an app with that [Session.Mark].
	DropSession(app, mark string) error
	// EndSessions forgets up to n that have expired, and returns how many.
	EndSessions(now time.Time, n int) (int, error)
}

// NotesTx keeps, for a while, what a protocol must remember between two messages.
type NotesTx interface {
	// PutNote keeps a note, sealed. KindConflict if there is one with that key
	// that has not expired: so a message is taken once only.
	PutNote(key [32]byte, note []byte, now, expires time.Time) error
	// TakeNote removes a note and returns it; KindNotFound if there is none, or
	// it has expired.
	TakeNote(key [32]byte, now time.Time) ([]byte, error)
}

// endSessions forgets sessions that have expired.
func (b *Bridge) endSessions(ctx context.Context) error {
	const batch = 1000
	for n := batch; n == batch; {
		if err := b.store.Update(ctx, func(tx Tx) (err error) {
			n, err = tx.EndSessions(b.time(), batch)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}
