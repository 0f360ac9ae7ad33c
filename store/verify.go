package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/store/ledger"
	"github.com/exeunt/exeunt/store/vault"
)

// VerifyOptions is what whoever verifies brings along.
type VerifyOptions struct {
	VerifierKey string // of the log; that of Options.LogKey if ""
	Held        []byte // a signed checkpoint kept elsewhere; nil if there is none
}

// LogReport is what [Store.VerifyLog] proved.
type LogReport struct {
	ledger.Report
	Pending  int64 // events that are not in the tree yet
	Payloads int64 // personal data kept beside the log that agrees with it
}

// VerifyLog reads the whole log back, on one snapshot, and recomputes it. The
// error is a *ledger.EvidenceError if the log is not what was logged and
// signed.
func (s *Store) VerifyLog(ctx context.Context, opts VerifyOptions) (LogReport, error) {
	if opts.VerifierKey == "" && s.opts.LogKey != nil {
		opts.VerifierKey = s.opts.LogKey.VerifierKey()
	}
	var report LogReport
	err := s.engine.view(ctx, s, func(t *tx) (err error) {
		if report.Pending, err = t.accounted(); err != nil {
			return err
		}
		if report.Report, err = ledger.Verify(logSource{t}, ledger.Options{
			VerifierKey: opts.VerifierKey, Held: opts.Held, DistinctIDs: true}); err != nil {
			return err
		}
		report.Payloads, err = t.openings()
		return err
	})
	if err != nil {
		return LogReport{}, err
	}
	return report, nil
}

// accounted sees to it that every event is in the tree or pending, and none
// in both; it returns how many are pending.
func (t *tx) accounted() (pending int64, err error) {
	var events, leaves, both int64
	if err := t.get("log", `SELECT (SELECT count(*) FROM log_event), (SELECT count(*) FROM log_leaf),
		(SELECT count(*) FROM log_pending), (SELECT count(*) FROM log_pending p JOIN log_leaf l ON l.event = p.event)`,
		nil, &events, &leaves, &pending, &both); err != nil {
		return 0, err
	}
	if both != 0 || events != leaves+pending {
		return 0, &ledger.EvidenceError{Fault: ledger.FaultMissing, At: leaves,
			Message: fmt.Sprintf("there are %d events, but %d in the tree and %d pending", events, leaves, pending)}
	}
	return pending, nil
}

// openings compares the payloads beside the log with its commitments, as far as
// there are keys to read them.
func (t *tx) openings() (n int64, err error) {
	if t.store.keys == nil {
		return 0, nil
	}
	err = t.each(`SELECT l.seq, e.body, p.n, p.sealed, p.handle, (SELECT wrapped FROM subject_keys k WHERE k.handle = p.handle)
		FROM log_payload p JOIN log_leaf l ON l.event = p.event JOIN log_event e ON e.id = p.event ORDER BY p.event`, nil, func(r scanner) error {
		var (
			seq                  int64
			party                int
			body, sealed, handle []byte
			wrapped              []byte
		)
		if err := t.ctx.Err(); err != nil {
			return err
		}
		if err := r.Scan(&seq, &body, &party, &sealed, &handle, &wrapped); err != nil {
			return err
		}
		if err := t.checkOpening(ledger.Leaf(uint64(seq), body), party, sealed, handle, wrapped); err != nil {
			return &ledger.EvidenceError{Fault: ledger.FaultLeaf, At: seq, Message: "the payload kept beside the event is not what it commits to"}
		}
		n++
		return nil
	})
	return n, err
}

func (t *tx) checkOpening(leaf []byte, party int, sealed, handle []byte, w vault.Wrapped) error {
	l, err := ledger.ParseLeaf(leaf)
	if err != nil {
		return err
	}
	if party < 0 || party >= len(l.Parties) || !bytes.Equal(l.Parties[party].Handle[:], handle) {
		return errors.New("store: it is of nobody in the event")
	}
	p := l.Parties[party]
	subject, err := t.unwrap(p.Handle, w)
	if err != nil {
		return err
	}
	o, err := readOpening(subject, l.ID, party, sealed)
	if err != nil {
		return err
	}
	o.Role, o.Handle = p.Role, p.Handle
	return ledger.CheckOpening(leaf, o)
}

// ExportLog writes the whole log as it is on one snapshot; see [ledger.WriteExport].
func (s *Store) ExportLog(ctx context.Context, w io.Writer) error {
	return s.engine.view(ctx, s, func(t *tx) error { return ledger.WriteExport(w, logSource{t}) })
}

// logSource is the log as package ledger reads it.
type logSource struct{ t *tx }

func (l logSource) Size() (int64, error) { return l.t.logSize() }

func (l logSource) Leaves(from int64, limit int) (leaves [][]byte, err error) {
	first, err := l.t.firstLeaf()
	if err != nil {
		return nil, err
	}
	for ; from < first && limit > 0; limit-- {
		leaves, from = append(leaves, nil), from+1
	}
	if limit == 0 {
		return leaves, nil
	}
	err = l.t.each(`SELECT l.seq, e.body FROM log_leaf l JOIN log_event e ON e.id = l.event
		WHERE l.seq >= $1 ORDER BY l.seq LIMIT $2`, []any{from, limit}, func(r scanner) error {
		var (
			seq  int64
			body []byte
		)
		if err := l.t.ctx.Err(); err != nil {
			return err
		}
		err := r.Scan(&seq, &body)
		leaves = append(leaves, ledger.Leaf(uint64(seq), body))
		return err
	})
	return leaves, err
}

func (l logSource) Hashes(from int64, limit int) (hashes []tlog.Hash, err error) {
	err = l.t.each(`SELECT id, hash FROM log_node WHERE id >= $1 ORDER BY id LIMIT $2`, []any{from, limit}, func(r scanner) error {
		var (
			id int64
			b  []byte
			h  tlog.Hash
		)
		if err := r.Scan(&id, &b); err != nil {
			return err
		}
		if id != from+int64(len(hashes)) {
			return errEnough // a gap: what follows is not what was asked for
		}
		copy(h[:], b)
		hashes = append(hashes, h)
		return nil
	})
	return hashes, err
}

func (l logSource) Checkpoints(after int64, limit int) (notes [][]byte, err error) {
	var last int64
	// Each comes once for each of its cosignatures, or once without.
	err = l.t.each(`SELECT c.size, c.note, coalesce(o.line, $3) FROM (SELECT size, note FROM log_checkpoint WHERE size > $1 ORDER BY size LIMIT $2) c
		LEFT JOIN log_cosignature o ON o.size = c.size ORDER BY c.size, o.witness`, []any{after, limit, []byte{}}, func(r scanner) error {
		var (
			size       int64
			note, line []byte
		)
		if err := r.Scan(&size, &note, &line); err != nil {
			return err
		}
		if len(notes) == 0 || size != last {
			last, notes = size, append(notes, note)
		}
		end := &notes[len(notes)-1]
		*end = ledger.Cosign(*end, line)
		return nil
	})
	return notes, err
}
