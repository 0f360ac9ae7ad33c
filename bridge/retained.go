package bridge

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Retention is that somebody may be recognised again although they were forgotten,
// for one purpose and for a time: nothing is kept but a keyed hash of what they
// were known by. It must be lawful, and documented; so it never happens by itself.
type Retention struct {
	Purpose  string    // its name in the configuration
	Basis    string    // why that is lawful
	Document string    // where that is written down
	Approver string    // who approved it
	By       string    // id of the credential by which it was asked for
	Expires  time.Time // when the hash is destroyed
}

// Retained is one keyed hash. It does not say whose it is, nor in which erasure it
// was made: whoever asks has to know the identifier already.
type Retained struct {
	ID   string // random
	Made time.Time
	Retention
}

// RetentionsTx keeps what was asked for, until the person is forgotten.
type RetentionsTx interface {
	// PutRetention inserts, or replaces what was asked for that purpose.
	PutRetention(h Handle, r Retention) error
	Retentions(h Handle) ([]Retention, error)
	DropRetentions(h Handle) error
}

// RetainedTx keeps the keyed hashes. Their key is another one for each purpose and
// key epoch, and is destroyed with the last hash that it made.
type RetainedTx interface {
	// PutRetained keeps the hash of an identifier, which is not kept itself.
	PutRetained(r Retained, identifier string) error
	// Retained returns those that expire up to a moment (zero: all), soonest first.
	Retained(until time.Time) ([]Retained, error)
	DropRetained(id string) error // KindNotFound if there is none
	// Known reports whether an identifier is retained for a purpose.
	Known(purpose, identifier string, now time.Time) (bool, error)
	// SpentPeppers marks keys of which no hash is left, so that they make no more,
	// and returns them by their handles: they are to be destroyed with [Forgetting].
	SpentPeppers() ([]Handle, error)
}

const maxReason = 200 // longest text about a retention, in bytes

// Check says what is wrong with a retention that is asked for now, if it may last
// for longest at most. KindInvalid.
func (r Retention) Check(now time.Time, longest time.Duration) error {
	switch {
	case strings.TrimSpace(r.Approver) == "" || len(r.Approver) > maxReason:
		return &Error{Kind: KindInvalid, Field: "approver", Message: "is who approved it, in at most 200 bytes"}
	case !r.Expires.After(now) || r.Expires.After(now.Add(longest)):
		return &Error{Kind: KindInvalid, Field: "expires", Message: "is a time in the future, until " + now.Add(longest).UTC().Format(time.RFC3339) + " at the latest"}
	}
	return nil
}

// AskRetained has it noted that a person, by id or by a case, is to be recognised
// again after they were forgotten. Only an operator may. KindNotFound if there is
// no such person, or they were forgotten already.
func (b *Bridge) AskRetained(ctx context.Context, person, caseID string, r Retention) error {
	by, err := operator(ctx)
	if err != nil {
		return err
	}
	r.By = by.Token
	return b.store.Update(ctx, func(tx Tx) error {
		h, err := handleOf(tx, person, caseID)
		if err != nil {
			return err
		}
		return tx.PutRetention(h, r)
	})
}

// handleOf finds somebody by their id, or by a case of theirs.
func handleOf(tx Tx, person, caseID string) (Handle, error) {
	if caseID != "" {
		c, err := tx.Case(caseID)
		return c.Handle, err
	}
	p, err := tx.Person(person)
	return p.Handle, err
}

// retain makes the hashes that were asked for: of the user name and of each e-mail
// address. It belongs into the transaction in which an erasure is intended, after
// which nothing of the person can be read. It returns the hashes' ids.
func retain(tx Tx, now time.Time, erasure string, h Handle, who Identifiers) (ids []string, err error) {
	asked, err := tx.Retentions(h)
	if err != nil || len(asked) == 0 {
		return nil, err
	}
	var known []string
	for _, text := range append([]string{who.UserName}, who.Emails...) {
		if text = Fold(strings.TrimSpace(text)); text != "" && !slices.Contains(known, text) {
			known = append(known, text)
		}
	}
	for _, r := range asked {
		if !r.Expires.After(now) {
			continue // it was too long until the person was forgotten
		}
		for _, text := range known {
			one := Retained{ID: newID(), Made: now, Retention: r}
			if err := tx.PutRetained(one, text); err != nil {
				return nil, err
			}
			facts := Facts{Operator: "engine", Token: r.By, Erasure: erasure, Retain: one.ID, Due: r.Expires.Format(time.RFC3339)}
			kept := newEvent(now, RetainedKept, facts)
			kept.Request, _ = uuid.Parse(erasure) // so that the erasure's certificate tells of it
			if err := tx.Append(kept); err != nil {
				return nil, err
			}
			ids = append(ids, one.ID)
		}
	}
	return ids, tx.DropRetentions(h)
}

// Recognise reports whether somebody who was forgotten is retained under an
// identifier, for one purpose. Only an operator may ask.
func (b *Bridge) Recognise(ctx context.Context, purpose, identifier string) (known bool, err error) {
	if _, err := operator(ctx); err != nil {
		return false, err
	}
	err = b.store.View(ctx, func(tx Tx) error {
		known, err = tx.Known(purpose, Fold(strings.TrimSpace(identifier)), b.time())
		return err
	})
	return known, err
}

// DestroyRetained destroys a keyed hash before its time. Only an operator may.
func (b *Bridge) DestroyRetained(ctx context.Context, id string) error {
	by, err := operator(ctx)
	if err != nil {
		return err
	}
	err = b.store.Update(ctx, func(tx Tx) error {
		if err := tx.DropRetained(id); err != nil {
			return err
		}
		f := said(by)
		f.Retain, f.State = id, "revoked"
		return tx.Append(newEvent(b.time(), RetainedDestroyed, f))
	})
	if err != nil {
		return err
	}
	return b.destroyPeppers(ctx)
}

// EndRetained destroys what has expired, and the keys that nothing needs any more.
// It may be repeated, and is: what was cut short is done the next time.
func (b *Bridge) EndRetained(ctx context.Context) error {
	now := b.time()
	var over []Retained
	err := b.store.View(ctx, func(tx Tx) (err error) { // most times there is nothing to write
		over, err = tx.Retained(now)
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range over {
		err := b.store.Update(ctx, func(tx Tx) error {
			if err := tx.DropRetained(r.ID); err != nil {
				return err
			}
			return tx.Append(newEvent(now, RetainedDestroyed, Facts{Operator: "engine", Retain: r.ID, State: "expired"}))
		})
		if err != nil && !IsKind(err, KindNotFound) { // another node was first
			return err
		}
	}
	return b.destroyPeppers(ctx)
}

func (b *Bridge) destroyPeppers(ctx context.Context) error {
	var spent []Handle
	err := b.store.Update(ctx, func(tx Tx) (err error) {
		spent, err = tx.SpentPeppers()
		return err
	})
	for _, h := range spent {
		if err == nil {
			_, err = b.store.Shred(ctx, h)
		}
	}
	return err
}
