package store

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/evidence"
	"github.com/exeunt/exeunt/store/ledger"
)

// Signed is a signed checkpoint, and what it says.
type Signed struct {
	ledger.Checkpoint
	Note   []byte
	Policy []byte // which witnesses the log has, as text; nil for none
}

// VerifierKey is the log's public key; "" for a store that signs nothing.
func (s *Store) VerifierKey() string {
	if s.opts.LogKey == nil {
		return ""
	}
	return s.opts.LogKey.VerifierKey()
}

// OpenSigned reads a signed checkpoint of the log, by its public key.
func OpenSigned(note []byte, verifierKey string) (Signed, error) {
	c, err := ledger.Open(note, verifierKey)
	return Signed{Checkpoint: c, Note: note}, err
}

// Certify returns the certificate of a case or an erasure, as the log stood at
// a checkpoint. KindBusy while an event of it is not under that checkpoint yet,
// and KindNotFound if the log has nothing of it.
func (s *Store) Certify(ctx context.Context, id string, at Signed) (evidence.Certificate, error) {
	cert, _, err := s.certify(ctx, id, at)
	return cert, err
}

// WriteCertificate writes the bundle of the certificate that [Store.Certify] returns.
func (s *Store) WriteCertificate(ctx context.Context, w io.Writer, id string, at Signed) (evidence.Certificate, error) {
	cert, leaves, err := s.certify(ctx, id, at)
	if err != nil {
		return cert, err
	}
	return cert, s.engine.view(ctx, s, func(t *tx) error { return evidence.WriteBundle(w, cert, leaves, at.Note, at.Policy, nodes{t}) })
}

// certify also returns the leaves that the certificate was read out of, by position.
func (s *Store) certify(ctx context.Context, id string, at Signed) (evidence.Certificate, [][]byte, error) {
	var (
		leaves [][]byte
		parsed []ledger.ParsedLeaf
	)
	err := s.engine.view(ctx, s, func(t *tx) error {
		leaves, parsed = nil, nil
		take := func(leaf []byte, l ledger.ParsedLeaf) { leaves, parsed = append(leaves, leaf), append(parsed, l) }
		also, err := t.leavesOf(id, at.Size, take)
		if err == nil && also != "" {
			_, err = t.leavesOf(also, at.Size, take)
		}
		return err
	})
	if err != nil {
		return evidence.Certificate{}, nil, err
	}
	// Those of an erasure and of its case stand among each other in the log.
	slices.SortFunc(leaves, bytes.Compare) // they begin alike, and then with their position
	slices.SortFunc(parsed, func(a, b ledger.ParsedLeaf) int { return cmp.Compare(a.Seq, b.Seq) })
	cert, err := evidence.Certify(at.Checkpoint, parsed)
	return cert, leaves, err
}

// leavesOf hands out the leaves of one case or erasure, and returns the case
// that an erasure names beside itself.
func (t *tx) leavesOf(id string, size int64, each func([]byte, ledger.ParsedLeaf)) (also string, err error) {
	request, err := uuid.Parse(id)
	if err != nil {
		return "", bridge.Errorf(bridge.KindNotFound, "the log has no such case or erasure")
	}
	n := 0
	err = t.each(`SELECT coalesce(l.seq, -1), e.body FROM log_event e LEFT JOIN log_leaf l ON l.event = e.id
		WHERE substr(e.body, 27, 16) = $1 ORDER BY e.id`, []any{request[:]}, func(r scanner) error {
		var (
			seq  int64
			body []byte
		)
		if err := r.Scan(&seq, &body); err != nil {
			return err
		}
		if seq < 0 || seq >= size {
			return bridge.Errorf(bridge.KindBusy, "its newest events are not signed yet; try again in some seconds")
		}
		leaf := ledger.Leaf(uint64(seq), body)
		l, err := ledger.ParseLeaf(leaf)
		if err != nil {
			return err
		}
		if l.Facts.Erasure == id && l.Facts.Case != "" {
			also = l.Facts.Case
		}
		n++
		each(leaf, l)
		return nil
	})
	if err == nil && n == 0 {
		err = bridge.Errorf(bridge.KindNotFound, "the log has no such case or erasure")
	}
	return also, err
}

// WritePopulation writes the population archive of a period, as the log stood
// at a checkpoint. It holds no snapshot while w is slow: what is signed does not
// change.
func (s *Store) WritePopulation(ctx context.Context, w io.Writer, p evidence.Period, at Signed) (evidence.Survey, error) {
	first, err := s.positionAt(ctx, p.From.Add(-evidence.Margin), at.Size)
	if err != nil {
		return evidence.Survey{}, err
	}
	return evidence.WriteArchive(w, p, evidence.Stretch{
		Checkpoint: at.Checkpoint, Note: at.Note, First: max(first-1, 0),
		Leaves: func(from int64) (leaves [][]byte, err error) {
			err = s.engine.view(ctx, s, func(t *tx) error {
				leaves, err = t.leavesFrom(from, maxTail) // else, that nobody is missing could not be shown
				return err
			})
			return leaves, err
		},
		Hashes: tlog.HashReaderFunc(func(indexes []int64) (hashes []tlog.Hash, err error) {
			err = s.engine.view(ctx, s, func(t *tx) error {
				hashes, err = nodes{t}.ReadHashes(indexes)
				return err
			})
			return hashes, err
		}),
	})
}

// positionAt returns the position of the first of size events at or after a
// time; size if there is none. Events stand in the log about in the order of
// their times: those of requests that came together, or from before the clock
// was set back, may stand the other way round.
func (s *Store) positionAt(ctx context.Context, at time.Time, size int64) (from int64, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		from = 0
		for to := size; from < to; {
			middle := from + (to-from)/2
			leaves, err := logSource{t}.Leaves(middle, 1)
			if err != nil {
				return err
			}
			if len(leaves) == 0 {
				return bridge.Errorf(bridge.KindNotFound, "the log does not hold the events of that time any more")
			}
			if leaves[0] == nil { // pruned: before everything that is left
				from = middle + 1
				continue
			}
			l, err := ledger.ParseLeaf(leaves[0])
			if err != nil {
				return err
			}
			if l.At.Before(at) {
				from = middle + 1
			} else {
				to = middle
			}
		}
		return nil
	})
	return from, err
}
