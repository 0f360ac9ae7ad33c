package store

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// reason is the text about a retention; it may name people.
type reason struct {
	Basis    string `json:"basis"`
	Document string `json:"document"`
	Approver string `json:"approver"`
	By       string `json:"by"`
}

func reasonOf(r bridge.Retention) reason { return reason{r.Basis, r.Document, r.Approver, r.By} }

func (why reason) retention(purpose string, expires int64) bridge.Retention {
	return bridge.Retention{Purpose: purpose, Basis: why.Basis, Document: why.Document, Approver: why.Approver, By: why.By, Expires: fromMicros(expires)}
}

// PutRetention keeps what is asked for; see [bridge.RetentionsTx].
func (t *tx) PutRetention(h bridge.Handle, r bridge.Retention) error {
	s, err := t.subject(h)
	if err != nil {
		return err
	}
	sealed, err := sealJSON(s, place("retentions", r.Purpose), reasonOf(r))
	if err != nil {
		return err
	}
	_, err = t.do(`INSERT INTO retentions (handle, purpose, expires, sealed) VALUES ($1, $2, $3, $4)
		ON CONFLICT (handle, purpose) DO UPDATE SET expires = excluded.expires, sealed = excluded.sealed`,
		h[:], r.Purpose, micros(r.Expires), sealed)
	return err
}

// Retentions returns what was asked for, by purpose.
func (t *tx) Retentions(h bridge.Handle) (list []bridge.Retention, err error) {
	var sealed [][]byte
	err = t.each(`SELECT purpose, expires, sealed FROM retentions WHERE handle = $1 ORDER BY purpose`, []any{h[:]}, func(row scanner) error {
		var (
			purpose string
			expires int64
			b       []byte
		)
		err := row.Scan(&purpose, &expires, &b)
		list, sealed = append(list, reason{}.retention(purpose, expires)), append(sealed, b)
		return err
	})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	s, err := t.subject(h)
	if err != nil {
		return nil, err
	}
	for i, r := range list {
		var why reason
		if err := openJSON(s, place("retentions", r.Purpose), sealed[i], &why); err != nil {
			return nil, err
		}
		list[i] = why.retention(r.Purpose, micros(r.Expires))
	}
	return list, nil
}

func (t *tx) DropRetentions(h bridge.Handle) error {
	_, err := t.do(`DELETE FROM retentions WHERE handle = $1`, h[:])
	return err
}

// pepper is the key of retained hashes.
type pepper struct {
	handle bridge.Handle
	key    []byte
}

// hash is HMAC-SHA256 of an identifier.
func (p pepper) hash(identifier string) []byte {
	defer clear(p.key)
	h := hmac.New(sha256.New, p.key)
	h.Write([]byte(identifier))
	return h.Sum(nil)
}

func pepperPlace(h bridge.Handle) string { return place("peppers", h.String()) }

// peppers returns those keys of a purpose that can be read; epoch 0 is all.
func (t *tx) peppers(purpose string, epoch int64) (list []pepper, err error) {
	err = t.each(`SELECT handle, sealed FROM peppers WHERE purpose = $1 AND (epoch = $2 OR $2 = 0) AND ended = 0 ORDER BY handle`,
		[]any{purpose, epoch}, func(row scanner) error {
			var h, sealed []byte
			err := row.Scan(&h, &sealed)
			list = append(list, pepper{bridge.Handle(h), sealed})
			return err
		})
	if err != nil {
		return nil, err
	}
	readable := list[:0]
	for _, p := range list {
		s, err := t.subject(p.handle)
		if bridge.IsKind(err, bridge.KindNotFound) { // it was destroyed; this is what is left of an older copy
			continue
		}
		if err == nil {
			p.key, err = s.Open(pepperPlace(p.handle), p.key)
		}
		if err != nil {
			return nil, t.failed(err)
		}
		readable = append(readable, p)
	}
	return readable, nil
}

// newestPepper returns the key for new hashes of a purpose.
func (t *tx) newestPepper(purpose string) (pepper, error) {
	epoch, _ := t.store.keys.Epoch()
	list, err := t.peppers(purpose, epoch)
	if err != nil {
		return pepper{}, err
	}
	for _, p := range list { // whoever ends it meanwhile has to wait, and then sees the hash
		n, err := t.do(`UPDATE peppers SET ended = 0 WHERE handle = $1 AND ended = 0`, p.handle[:])
		if n > 0 || err != nil {
			return p, err
		}
	}
	p := pepper{bridge.NewHandle(), make([]byte, sha256.Size)}
	rand.Read(p.key) // never fails
	s, err := t.newSubject(p.handle, "")
	if err != nil {
		return pepper{}, err
	}
	_, err = t.do(`INSERT INTO peppers (handle, purpose, epoch, ended, sealed) VALUES ($1, $2, $3, 0, $4)`,
		p.handle[:], purpose, epoch, s.Seal(pepperPlace(p.handle), p.key))
	return p, err
}

// PutRetained keeps the hash of an identifier; see [bridge.RetainedTx].
func (t *tx) PutRetained(r bridge.Retained, identifier string) error {
	s, err := t.subject(everybody)
	if err != nil {
		return err
	}
	sealed, err := sealJSON(s, place("retained", r.ID), reasonOf(r.Retention))
	if err != nil {
		return err
	}
	p, err := t.newestPepper(r.Purpose)
	if err != nil {
		return err
	}
	_, err = t.do(`INSERT INTO retained (id, pepper, hash, made, expires, sealed) VALUES ($1, $2, $3, $4, $5, $6)`,
		r.ID, p.handle[:], p.hash(identifier), micros(r.Made), micros(r.Expires), sealed)
	return err
}

// Retained lists hashes without what they are of; see [bridge.RetainedTx].
func (t *tx) Retained(until time.Time) (list []bridge.Retained, err error) {
	var sealed [][]byte
	err = t.each(`SELECT id, purpose, made, expires, retained.sealed FROM retained JOIN peppers ON handle = pepper
		WHERE expires <= $1 OR $1 = 0 ORDER BY expires, id`, []any{micros(until)}, func(row scanner) error {
		var (
			r             bridge.Retained
			made, expires int64
			b             []byte
		)
		err := row.Scan(&r.ID, &r.Purpose, &made, &expires, &b)
		r.Made, r.Expires = fromMicros(made), fromMicros(expires)
		list, sealed = append(list, r), append(sealed, b)
		return err
	})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	s, err := t.subject(everybody)
	if err != nil {
		return nil, err
	}
	for i := range list {
		r := &list[i]
		var why reason
		if err := openJSON(s, place("retained", r.ID), sealed[i], &why); err != nil {
			return nil, err
		}
		r.Retention = why.retention(r.Purpose, micros(r.Expires))
	}
	return list, nil
}

func (t *tx) DropRetained(id string) error {
	n, err := t.do(`DELETE FROM retained WHERE id = $1`, id)
	if err == nil && n == 0 {
		return bridge.Errorf(bridge.KindNotFound, "there is no such retained token")
	}
	return err
}

// Known looks with every key of the purpose, whether or not one of them knows it:
// how long that takes says nothing.
func (t *tx) Known(purpose, identifier string, now time.Time) (known bool, err error) {
	list, err := t.peppers(purpose, 0)
	if err != nil {
		return false, err
	}
	for _, p := range list {
		var n int
		err := t.get("hash", `SELECT count(*) FROM retained WHERE pepper = $1 AND hash = $2 AND expires > $3`,
			[]any{p.handle[:], p.hash(identifier), micros(now)}, &n)
		if err != nil {
			return false, err
		}
		known = known || n > 0
	}
	return known, nil
}

// SpentPeppers ends keys without hashes; see [bridge.RetainedTx].
func (t *tx) SpentPeppers() (spent []bridge.Handle, err error) {
	var all []bridge.Handle
	err = t.each(`SELECT handle FROM peppers ORDER BY handle`+t.forUpdate(), nil, func(row scanner) error {
		var h []byte
		err := row.Scan(&h)
		all = append(all, bridge.Handle(h))
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, h := range all { // asked anew, behind the lock
		n, err := t.do(`UPDATE peppers SET ended = 1 WHERE handle = $1 AND NOT EXISTS (SELECT 1 FROM retained WHERE pepper = $1)`, h[:])
		if err != nil {
			return nil, err
		}
		if n > 0 {
			spent = append(spent, h)
		}
	}
	return spent, nil
}
