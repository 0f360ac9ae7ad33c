package store

import (
	"encoding/json"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

func (t *tx) scanErasure(s scanner) (e bridge.Erasure, err error) {
	var body []byte
	if err := s.Scan(&body); err != nil {
		return e, err
	}
	return e, json.Unmarshal(body, &e)
}

func (t *tx) listErasures(query string, args ...any) (list []bridge.Erasure, err error) {
	err = t.each(query, args, func(s scanner) error {
		e, err := t.scanErasure(s)
		list = append(list, e)
		return err
	})
	return list, err
}

func (t *tx) Erasure(id string) (bridge.Erasure, error) {
	return t.scanErasure(single{t, "erasure", `SELECT body FROM erasures WHERE id = $1` + t.forUpdate(), id})
}

func (t *tx) Erasures(stages []bridge.Stage, before time.Time, limit int) ([]bridge.Erasure, error) {
	if before.IsZero() {
		before = t.store.now().Add(time.Microsecond) // what was received just now belongs to it
	}
	if len(stages) == 0 {
		stages = bridge.Stages
	}
	words := make([]string, len(stages))
	for i, s := range stages {
		words[i] = string(s)
	}
	return t.listErasures(`SELECT body FROM erasures WHERE stage `+t.in("$1")+` AND received < $2
		ORDER BY received DESC, id DESC LIMIT $3`, t.list(words), micros(before), limit)
}

func (t *tx) ErasuresOf(h bridge.Handle) ([]bridge.Erasure, error) {
	return t.listErasures(`SELECT body FROM erasures WHERE handle = $1 ORDER BY received DESC, id DESC`+t.forUpdate(), h[:])
}

func (t *tx) OpenErasures(epoch int64, now time.Time, after string, n int) ([]bridge.Erasure, error) {
	return t.listErasures(`SELECT body FROM erasures
		WHERE (stage IN ('received', 'verified', 'approved', 'ordered', 'intended') AND not_before <= $4 OR stage = 'done' AND epoch < $1)
		AND id > $2 ORDER BY id LIMIT $3`, epoch, after, n, micros(now))
}

func (t *tx) PutErasure(e bridge.Erasure) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = t.do(`INSERT INTO erasures (id, handle, stage, urgency, epoch, received, not_before, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (id) DO UPDATE SET stage = excluded.stage, urgency = excluded.urgency, epoch = excluded.epoch, not_before = excluded.not_before, body = excluded.body`,
		e.ID, e.Handle[:], string(e.Stage), int(e.Urgency), e.Shredded.Epoch, micros(e.Received), micros(e.NotBefore), string(body))
	return err
}

func (t *tx) CasesWith(h bridge.Handle) ([]bridge.Case, error) {
	return t.listCases(`SELECT `+caseRow+` FROM cases WHERE handle = $1 ORDER BY opened DESC, id DESC`+t.forUpdate(), h[:])
}

func (t *tx) Whose(h bridge.Handle) (person string, err error) {
	err = t.get("key", `SELECT person FROM subject_keys WHERE handle = $1`, []any{h[:]}, &person)
	if bridge.IsKind(err, bridge.KindNotFound) {
		err = nil
	}
	return person, err
}
