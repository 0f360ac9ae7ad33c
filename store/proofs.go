package store

import (
	"context"
	"encoding/binary"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/evidence"
	"github.com/exeunt/exeunt/store/ledger"
)

// ProveInclusion proves that an event is in the log of a checkpoint, as text of
// c2sp.org/tlog-proof. KindNotFound if it is not.
func (s *Store) ProveInclusion(ctx context.Context, seq int64, at Signed) (text []byte, err error) {
	if seq < 0 || seq >= at.Size {
		return nil, bridge.Errorf(bridge.KindNotFound, "the signed log has %d events, the first of which is 0", at.Size)
	}
	err = s.engine.view(ctx, s, func(t *tx) error {
		path, err := ledger.Inclusion(at.Size, seq, nodes{t})
		text = evidence.FormatInclusion(seq, path, at.Note)
		return err
	})
	return text, err
}

// ProveConsistency proves that the log of to events begins with that of from.
func (s *Store) ProveConsistency(ctx context.Context, from, to int64) (proof tlog.TreeProof, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		size, err := t.logSize()
		if err != nil {
			return err
		}
		if from < 0 || from > to || to > size {
			return bridge.Errorf(bridge.KindInvalid, "from and to are sizes of the log, which has %d events, from not the greater", size)
		}
		proof, err = ledger.Consistency(to, from, nodes{t})
		return err
	})
	return proof, err
}

// Tile returns a tile of hashes, whole or partial; with level -1, a bundle of
// entries: leaves, each behind its length (u16, big-endian). KindNotFound if the
// log does not reach so far yet, or, for entries, if one of them was pruned.
func (s *Store) Tile(ctx context.Context, tile tlog.Tile) (content []byte, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		size, err := t.logSize()
		if err != nil {
			return err
		}
		first := tile.N << tile.H
		if level := tile.H * max(tile.L, 0); level > 48 || tile.N > 1<<48 || first+int64(tile.W) > size>>level {
			return bridge.Errorf(bridge.KindNotFound, "the log has no such tile yet")
		}
		if tile.L >= 0 {
			content, err = tlog.ReadTileData(tile, nodes{t})
			return err
		}
		content = nil // view may run this again
		leaves, err := t.leavesFrom(first, tile.W)
		for _, leaf := range leaves {
			content = append(binary.BigEndian.AppendUint16(content, uint16(len(leaf))), leaf...)
		}
		return err
	})
	return content, err
}

// LeavesFrom returns the leaves from a position on, at most limit.
func (s *Store) LeavesFrom(ctx context.Context, from int64, limit int) (leaves [][]byte, err error) {
	err = s.engine.view(ctx, s, func(t *tx) error {
		leaves, err = t.leavesFrom(from, limit)
		return err
	})
	return leaves, err
}

// leavesFrom returns leaves that are all there.
func (t *tx) leavesFrom(from int64, limit int) ([][]byte, error) {
	leaves, err := logSource{t}.Leaves(from, limit)
	if err == nil && len(leaves) > 0 && leaves[0] == nil {
		return nil, errPruned
	}
	return leaves, err
}
