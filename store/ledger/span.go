package ledger

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const spanVersion = "exeunt.span/v1"

// SpanProof proves a span: every leaf from one position up to, but not including,
// another. Its hashes are those of the subtrees beside it, from left to right,
// at most about two for each level of the tree: with them and the leaves the
// root can be computed, so none of the leaves between can be missing or changed.
type SpanProof struct {
	From, To int64 // To is not in it any more
	Hashes   []tlog.Hash
}

// maxSpanProof bounds a proof's text: two hashes a level, and the rest.
const maxSpanProof = 8 << 10

// Marshal is the proof's one spelling: three lines or more.
//
//	exeunt.span/v1
//	<from> <to>
//	<hash in base64>, any number of them
func (p SpanProof) Marshal() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n%d %d\n", spanVersion, p.From, p.To)
	for _, h := range p.Hashes {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	return b.Bytes()
}

// ParseSpanProof reads what [SpanProof.Marshal] writes, and nothing else.
func ParseSpanProof(text []byte) (p SpanProof, err error) {
	if len(text) > maxSpanProof {
		return p, errors.New("ledger: the proof of a span is too long")
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if lines[0] != spanVersion || len(lines) < 2 {
		return p, errors.New("ledger: not a proof of version " + spanVersion)
	}
	if _, err := fmt.Sscanf(lines[1], "%d %d", &p.From, &p.To); err != nil {
		return p, errors.New("ledger: the proof of a span does not say of which")
	}
	for _, line := range lines[2:] {
		h, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(h) != tlog.HashSize {
			return p, errors.New("ledger: the proof of a span has a line that is no hash")
		}
		p.Hashes = append(p.Hashes, tlog.Hash(h))
	}
	if !bytes.Equal(p.Marshal(), text) {
		return p, errors.New("ledger: the proof of a span is in another spelling")
	}
	return p, nil
}

// ProveSpan proves the leaves from up to to of a log of size leaves.
func ProveSpan(size, from, to int64, r tlog.HashReader) (p SpanProof, err error) {
	if from < 0 || from >= to || to > size || size >= maxSize {
		return p, fmt.Errorf("ledger: a log of %d has no events %d to %d", size, from, to)
	}
	var indexes []int64
	if _, err := span(0, size, from, to, func(level int, n int64) (tlog.Hash, error) {
		indexes = append(indexes, tlog.StoredHashIndex(level, n))
		return tlog.Hash{}, nil
	}, func() (tlog.Hash, error) { return tlog.Hash{}, nil }); err != nil {
		return p, err
	}
	p = SpanProof{From: from, To: to}
	if len(indexes) == 0 {
		return p, nil // all leaves
	}
	p.Hashes, err = r.ReadHashes(indexes)
	if err == nil && len(p.Hashes) != len(indexes) {
		err = errors.New("ledger: hashes of the tree are missing")
	}
	return p, err
}

// CheckSpan says whether the leaves that next hands out, one by one, are all of
// those that p is about in the log of c, in their order. It needs memory for one
// leaf only, and hands each on to nobody: next sees them before they are proven.
// An error of next is returned as it is.
func CheckSpan(c Checkpoint, p SpanProof, next func() (leaf []byte, err error)) error {
	from, to, proof := p.From, p.To, p.Hashes
	if from < 0 || from >= to || to > c.Size || c.Size >= maxSize {
		return fmt.Errorf("ledger: a log of %d has no events %d to %d", c.Size, from, to)
	}
	at := from
	root, err := span(0, c.Size, from, to, func(int, int64) (h tlog.Hash, err error) {
		if len(proof) == 0 {
			return h, errors.New("ledger: the proof ends too early")
		}
		h, proof = proof[0], proof[1:]
		return h, nil
	}, func() (tlog.Hash, error) {
		leaf, err := next()
		if err != nil {
			return tlog.Hash{}, err
		}
		l, err := ParseLeaf(leaf)
		if err != nil {
			return tlog.Hash{}, err
		}
		if int64(l.Seq) != at {
			return tlog.Hash{}, fmt.Errorf("ledger: where event %d belongs stands event %d", at, l.Seq)
		}
		at++
		return tlog.RecordHash(leaf), nil
	})
	switch {
	case err != nil:
		return err
	case len(proof) > 0:
		return errors.New("ledger: the proof has hashes left over")
	case root != c.Root:
		return fmt.Errorf("ledger: events %d to %d are not those of the log", from, to-1)
	}
	return nil
}

// span computes the hash of the subtree of leaves lo up to hi. Perfect subtrees
// beside from and to are asked for by level and number there, and leaves within
// one by one, all from left to right.
func span(lo, hi, from, to int64, beside func(level int, n int64) (tlog.Hash, error), within func() (tlog.Hash, error)) (tlog.Hash, error) {
	width := hi - lo
	switch outside := hi <= from || lo >= to; {
	case outside && width&(width-1) == 0:
		level := bits.TrailingZeros64(uint64(width))
		return beside(level, lo>>level)
	case width == 1:
		return within()
	}
	middle := lo + 1<<(bits.Len64(uint64(width-1))-1)
	left, err := span(lo, middle, from, to, beside, within)
	if err != nil {
		return tlog.Hash{}, err
	}
	right, err := span(middle, hi, from, to, beside, within)
	return tlog.NodeHash(left, right), err
}
