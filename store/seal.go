package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/store/ledger"
)

const (
	sealEvery     = time.Second     // while something is pending
	sealBatch     = 256             // events in one transaction
	signEvery     = 5 * time.Second // while something is new
	signAfter     = 256             // events
	pendingAtMost = 10 * time.Second
)

// keepLog seals and signs until the store is closed.
func (s *Store) keepLog() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tick := time.NewTicker(sealEvery)
	defer tick.Stop()
	var signed time.Time // the first events are signed at once
	unsigned, looked := 0, time.Now()
	said := ErrUnasked.Error() // why the log was refused a signature, as was last said
	for {
		select {
		case <-s.background.stop:
			return
		case <-tick.C:
		}
		// Another node may have died with something pending: look now and then.
		if s.dirty.Load() || time.Since(looked) > pendingAtMost {
			looked = time.Now()
			n, err := s.Seal(ctx)
			if err != nil {
				s.log.Error().Err(err).Msg("events could not be sealed into the log")
			}
			unsigned += n
		}
		if signDue(unsigned, time.Since(signed)) {
			signed, unsigned = time.Now(), 0
			switch err := s.sign(ctx); {
			case err == nil:
				said = ""
			case err.Error() == said: // every few seconds
				unsigned = 1
			default:
				said, unsigned = err.Error(), 1
				s.log.Error().Err(err).Msg("the log was refused a signature")
			}
		}
	}
}

// signDue says whether so many events that are not signed, so long after the last
// signature, are to be signed now.
func signDue(unsigned int, since time.Duration) bool {
	return unsigned >= signAfter || unsigned > 0 && since >= signEvery
}

func (s *Store) sealAndSign(ctx context.Context) {
	if _, err := s.Seal(ctx); err != nil {
		s.log.Error().Err(err).Msg("events could not be sealed into the log")
		return
	}
	if err := s.sign(ctx); err != nil && !errors.Is(err, ErrUnasked) {
		s.log.Error().Err(err).Msg("the log was refused a signature")
	}
}

func (s *Store) sign(ctx context.Context) error {
	if s.opts.LogKey == nil {
		return nil
	}
	_, err := s.Checkpoint(ctx)
	return err
}

// Seal gives every pending event its place in the log's tree, and returns how
// many there were. It runs in the background about once a second; whoever
// needs it sooner calls it.
func (s *Store) Seal(ctx context.Context) (int, error) {
	s.sealing.Lock()
	defer s.sealing.Unlock()
	s.dirty.Store(false)
	for total := 0; ; {
		n, err := s.sealSome(ctx)
		total += n
		if err != nil {
			s.dirtied()
			return total, err
		}
		if n < sealBatch {
			return total, nil
		}
	}
}

func (s *Store) sealSome(ctx context.Context) (sealed int, err error) {
	err = s.update(ctx, func(t *tx) error {
		sealed = 0
		type line struct {
			event int64
			body  []byte
		}
		var lines []line
		if err := t.sealAlone(); err != nil {
			return err
		}
		if err := t.each(`SELECT p.event, e.body FROM log_pending p JOIN log_event e ON e.id = p.event
			ORDER BY p.event LIMIT $1`, []any{sealBatch}, func(r scanner) error {
			var l line
			err := r.Scan(&l.event, &l.body)
			lines = append(lines, l)
			return err
		}); err != nil || len(lines) == 0 {
			return err
		}
		size, err := t.logSize()
		if err != nil {
			return err
		}
		tree, err := ledger.ReadFrontier(size, nodes{t})
		if err != nil {
			return t.failed(err)
		}
		node := tlog.StoredHashCount(size)
		var leaves, hashes, events []any
		for _, l := range lines {
			leaves = append(leaves, tree.Size(), l.event)
			for _, h := range tree.Append(nil, ledger.Leaf(uint64(tree.Size()), l.body)) {
				hashes = append(hashes, node, h[:])
				node++
			}
			events = append(events, l.event)
		}
		if err := t.bulk("INSERT INTO log_leaf (seq, event) VALUES ", "($%d, $%d)", "", leaves); err != nil {
			return err
		}
		if err := t.bulk("INSERT INTO log_node (id, hash) VALUES ", "($%d, $%d)", "", hashes); err != nil {
			return err
		}
		sealed = len(lines)
		return t.bulk("DELETE FROM log_pending WHERE event IN (", "$%d", ")", events)
	})
	return sealed, err
}

// sealAlone keeps other nodes from changing the tree until the transaction
// ends. On SQLite there are none.
func (t *tx) sealAlone() error {
	if t.name != postgresDialect.name {
		return nil
	}
	_, err := t.do(`SELECT pg_advisory_xact_lock($1, 0)`, lockSeal)
	return err
}

// logSize is the number of sealed events.
func (t *tx) logSize() (n int64, err error) {
	err = t.get("log", `SELECT coalesce(max(seq) + 1, 0) FROM log_leaf`, nil, &n)
	return n, err
}

// nodes reads stored hashes of the tree.
type nodes struct{ t *tx }

func (n nodes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, id := range indexes {
		var h []byte
		if err := n.t.get("hash", `SELECT hash FROM log_node WHERE id = $1`, []any{id}, &h); err != nil {
			return nil, err
		}
		copy(hashes[i][:], h)
	}
	return hashes, nil
}

// bulk runs a statement that takes many rows, 32 at a time: a statement has a
// price of its own. row is the form of one row, with a verb for each value.
func (t *tx) bulk(before, row, after string, values []any) error {
	width := strings.Count(row, "%d")
	for len(values) > 0 {
		rows := 32
		for rows*width > len(values) { // few texts, so that they stay prepared
			rows /= 2
		}
		var text strings.Builder
		text.WriteString(before)
		for i := range rows {
			if i > 0 {
				text.WriteString(", ")
			}
			numbers := make([]any, width)
			for j := range numbers {
				numbers[j] = i*width + j + 1
			}
			fmt.Fprintf(&text, row, numbers...)
		}
		text.WriteString(after)
		if _, err := t.do(text.String(), values[:rows*width]...); err != nil {
			return err
		}
		values = values[rows*width:]
	}
	return nil
}
