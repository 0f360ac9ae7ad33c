package store

import (
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// PutLink keeps a link; see [bridge.LinksTx].
func (t *tx) PutLink(l bridge.Link) error {
	if _, err := t.do(`DELETE FROM links WHERE expires <= $1`, micros(l.Made)); err != nil {
		return err
	}
	_, err := t.do(`INSERT INTO links (hash, handle, law, made_by, made, expires, used) VALUES ($1, $2, $3, $4, $5, $6, 0)`,
		l.Hash[:], l.Handle[:], l.Law, l.By, micros(l.Made), micros(l.Expires))
	return err
}

// UseLink marks a link as used; of several who try at once, one succeeds.
func (t *tx) UseLink(hash [32]byte, now time.Time) (bridge.Link, error) {
	n, err := t.do(`UPDATE links SET used = $2 WHERE hash = $1 AND used = 0 AND expires > $2`, hash[:], micros(now))
	if err == nil && n == 0 {
		err = bridge.Errorf(bridge.KindNotFound, "there is no such link")
	}
	if err != nil {
		return bridge.Link{}, err
	}
	var (
		l             = bridge.Link{Hash: hash, Used: now}
		handle        []byte
		made, expires int64
	)
	err = t.get("link", `SELECT handle, law, made_by, made, expires FROM links WHERE hash = $1`, []any{hash[:]}, &handle, &l.Law, &l.By, &made, &expires)
	copy(l.Handle[:], handle)
	l.Made, l.Expires = fromMicros(made), fromMicros(expires)
	return l, err
}

func (t *tx) GoodLink(hash [32]byte, now time.Time) error {
	var one int
	return t.get("link", `SELECT 1 FROM links WHERE hash = $1 AND used = 0 AND expires > $2`, []any{hash[:], micros(now)}, &one)
}
