package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/store/ledger"
)

// Refill adds to a log that was set back what an export of it has more: the events
// themselves, without what was kept beside them of people. The export must begin
// with what is there. It returns how many events were added, all of them or none, and the export's
// last checkpoint.
func (s *Store) Refill(ctx context.Context, export io.Reader, verifierKey string) (added int, last ledger.Checkpoint, err error) {
	err = s.update(ctx, func(t *tx) error {
		added = 0
		if err := t.sealAlone(); err != nil {
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
		ours := tree.Root()
		pending, err := t.pendingBodies()
		if err != nil {
			return err
		}
		var theirs ledger.Frontier
		same := size == 0
		_, note, err := ledger.ReadExport(export, verifierKey, func(leaf []byte) error {
			if theirs.Size() < size {
				theirs.Append(nil, leaf)
				if same = theirs.Size() == size; same && theirs.Root() != ours {
					return errors.New("the export is of another history: it does not begin with what is there")
				}
				return nil
			}
			theirs.Append(nil, leaf)
			added++
			return t.place(&tree, leaf, bytes.Clone(leaf[len(ledger.Leaf(0, nil)):]), pending)
		})
		if err == nil && !same {
			err = fmt.Errorf("the export has %d events, fewer than there are", theirs.Size())
		}
		if err == nil {
			last, err = ledger.Open(note, verifierKey)
		}
		return t.failed(err)
	})
	if err != nil {
		return 0, last, err
	}
	return added, last, nil
}

// pendingBodies returns the events that have no place yet, by their bytes.
func (t *tx) pendingBodies() (map[string]int64, error) {
	pending := make(map[string]int64)
	err := t.each(`SELECT p.event, e.body FROM log_pending p JOIN log_event e ON e.id = p.event`, nil, func(r scanner) error {
		var event int64
		var body []byte
		err := r.Scan(&event, &body)
		pending[string(body)] = event
		return err
	})
	return pending, err
}

// place gives a leaf the next place in the tree, with the event it is of: one that
// waits for its place, or a new one.
func (t *tx) place(tree *ledger.Frontier, leaf, body []byte, pending map[string]int64) error {
	seq := tree.Size()
	event, waits := pending[string(body)]
	if !waits {
		if _, err := t.do(`INSERT INTO log_event (body) VALUES ($1)`, body); err != nil {
			return err
		}
		if err := t.get("event", `SELECT `+t.event, nil, &event); err != nil {
			return err
		}
	}
	if _, err := t.do(`DELETE FROM log_pending WHERE event = $1`, event); err != nil {
		return err
	}
	if _, err := t.do(`INSERT INTO log_leaf (seq, event) VALUES ($1, $2)`, seq, event); err != nil {
		return err
	}
	node := tlog.StoredHashCount(seq)
	for i, h := range tree.Append(nil, leaf) {
		if _, err := t.do(`INSERT INTO log_node (id, hash) VALUES ($1, $2)`, node+int64(i), h[:]); err != nil {
			return err
		}
	}
	return nil
}
