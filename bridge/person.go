package bridge

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"
)

// Handle is the random name under which a person (or operator) appears in the
// log. It says nothing about who they are, and is never reused.
type Handle [16]byte

// NewHandle returns a fresh random handle.
func NewHandle() (h Handle) {
	rand.Read(h[:]) // never fails (crypto/rand)
	return h
}

func (h Handle) String() string { return hex.EncodeToString(h[:]) }

// Person is who a source told us about: the SCIM User. People belong to the
// source that created them; no source sees another's.
type Person struct {
	ID     string // random UUID, the SCIM id
	Source string
	Handle Handle

	UserName    string // required, unique in its source regardless of case
	ExternalID  string
	DisplayName string
	Emails      []string // primary first
	Active      bool
	Hold        bool // the source says that they are under legal hold

	// Resource is the SCIM resource as JSON: every attribute but id, meta and
	// groups, which are computed. The fields above are read out of it by
	// whoever writes it.
	Resource []byte

	Version           int64     // 1 when created, one more with each change
	Created, Modified time.Time // UTC, to the microsecond
}

// Identifiers is by what an app may know a person. A case keeps its own copy,
// because the person may be deleted before the doors are shut.
type Identifiers struct {
	Person      string   `json:"person"` // our id
	UserName    string   `json:"userName"`
	ExternalID  string   `json:"externalId,omitempty"`
	DisplayName string   `json:"displayName,omitempty"`
	Emails      []string `json:"emails,omitempty"` // primary first

	// Sessions are what is known of the person's sessions in the app that is
	// asked about, newest first. The engine reads them anew for each call.
	Sessions []Session `json:"-"`
}

// Email is the primary e-mail address; if there is none, the user name when
// it looks like an address, else "".
func (i Identifiers) Email() string {
	if len(i.Emails) > 0 {
		return i.Emails[0]
	}
	if strings.Contains(i.UserName, "@") {
		return i.UserName
	}
	return ""
}

// Identifiers is what apps may know p by.
func (p Person) Identifiers() Identifiers {
	return Identifiers{Person: p.ID, UserName: p.UserName, ExternalID: p.ExternalID,
		DisplayName: p.DisplayName, Emails: p.Emails}
}

// Group is a SCIM Group. Its members are kept apart from it, because there may
// be very many: see [Members].
type Group struct {
	ID          string // random UUID
	Source      string
	DisplayName string
	ExternalID  string
	Resource    []byte // the SCIM resource as JSON, without id, meta and members

	Version           int64
	Created, Modified time.Time
}

// Member is one entry of a group.
type Member struct {
	ID      string // of the person or group
	IsGroup bool
	Display string // user name or display name of the member now; "" if it is gone
}

// Membership is one group that a person or group is in.
type Membership struct {
	Group       string
	DisplayName string
	Indirect    bool // only because another group is in it
}

// left reports whether the change from before to after is a departure.
func left(before, after Person) bool { return before.Active && !after.Active }

// returned reports whether the change from before to after is a return.
func returned(before, after Person) bool { return !before.Active && after.Active }
