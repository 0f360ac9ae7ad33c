package bridge

import (
	"context"
	"crypto/sha256"
	"time"
)

// Link is how somebody asks to be forgotten: an operator has sent them a secret
// address, and whoever comes by it is believed to be that person. It is good once,
// and for a time. Only its hash is kept.
type Link struct {
	Hash    [32]byte // SHA-256 of the secret
	Handle  Handle   // of the person
	Law     string   // name of the law under which they ask
	By      string   // id of the credential by which it was made, whose owner could use it too
	Made    time.Time
	Expires time.Time
	Used    time.Time // zero while it is good
}

// LinksTx keeps links.
type LinksTx interface {
	// PutLink keeps a new link, and forgets those that have expired.
	PutLink(l Link) error
	// UseLink marks a link as used, and returns it. KindNotFound if there is none
	// of that hash, or if it was used before, or has expired.
	UseLink(hash [32]byte, now time.Time) (Link, error)
	// GoodLink is KindNotFound if UseLink would be.
	GoodLink(hash [32]byte, now time.Time) error
}

// MakeLink makes a link out of a secret for a person, by id or by a case. Only an
// operator may. KindNotFound if there is no such person.
func (b *Bridge) MakeLink(ctx context.Context, person, caseID, law, secret string, good time.Duration) (Link, error) {
	by, err := operator(ctx)
	if err != nil {
		return Link{}, err
	}
	now := b.time()
	l := Link{Hash: sha256.Sum256([]byte(secret)), Law: law, By: by.Token, Made: now, Expires: now.Add(good)}
	err = b.store.Update(ctx, func(tx Tx) (err error) {
		if l.Handle, err = handleOf(tx, person, caseID); err != nil {
			return err
		}
		return tx.PutLink(l)
	})
	return l, err
}

// EraseByLink uses a link up, and receives the erasure that its person asks for:
// having the link proves who they are. Whoever is being forgotten already has
// nothing more to ask for. KindNotFound if the link is not good, whatever the reason.
func (b *Bridge) EraseByLink(ctx context.Context, secret string) error {
	c, now, hash := *b.erasing.Load(), b.time(), sha256.Sum256([]byte(secret))
	// Anybody may come here: whoever guesses must not keep writers waiting.
	if err := b.store.View(ctx, func(tx Tx) error { return tx.GoodLink(hash, now) }); err != nil {
		return err
	}
	err := b.store.Update(ctx, func(tx Tx) error {
		l, err := tx.UseLink(hash, now)
		if err != nil {
			return err
		}
		e, err := c.received(now, now, l.Law, Caller{Operator: "link", Token: l.By}, ByLink)
		if err != nil {
			return err
		}
		e.Handle, e.Stage = l.Handle, StageReceived
		if err := whose(tx, &e); err != nil {
			return err
		}
		if err := receive(tx, e); IsKind(err, KindConflict) {
			return nil
		} else if err != nil {
			return err
		}
		e.Stage = StageVerified
		return putErasure(tx, e, now, ErasureVerified, said(e.By))
	})
	if err == nil {
		b.wakeErasures()
	}
	return err
}
