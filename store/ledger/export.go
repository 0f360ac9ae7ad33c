package ledger

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/bridge"
)

// An export is a whole log as one stream:
//
//	exeunt.log/v1 <size>\n
//	records, each a byte that says what it is, the length of the rest (u32,
//	big-endian), and the rest:
//	  H  the hash of a leaf that was pruned; such stand only at the beginning
//	  L  a leaf; leaves stand in their order, none is missing
//	  C  a signed checkpoint, with cosignatures, right behind the last leaf under it
//	E and a length of 0 stand at the end: without it the stream was cut off
//
// What is in it is what the log says and has signed: no stored hashes, which
// whoever verifies computes, and no personal data.
const exportVersion = "exeunt.log/v1"

const (
	recordPruned     = 'H'
	recordLeaf       = 'L'
	recordCheckpoint = 'C'
	recordEnd        = 'E'
)

// IsExport reports whether a stream that begins so is an export.
func IsExport(head []byte) bool { return bytes.HasPrefix(head, []byte(exportVersion+" ")) }

// WriteExport writes the whole log, needing memory for a few leaves only.
func WriteExport(w io.Writer, src Source) error {
	size, err := src.Size()
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(w, 64<<10)
	fmt.Fprintf(b, "%s %d\n", exportVersion, size)
	put := func(what byte, content []byte) {
		b.WriteByte(what)
		b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(content))))
		b.Write(content)
	}
	var notes [][]byte // signed, and not written yet
	var next int64     // the size that the first of them is of
	last := int64(-1)
	more := func() (err error) {
		if len(notes) == 0 {
			if notes, err = src.Checkpoints(last, readLimit); err != nil {
				return err
			}
		}
		if next = -1; len(notes) > 0 {
			next, err = sizeOf(notes[0])
		}
		return err
	}
	if err := more(); err != nil {
		return err
	}
	for at := int64(0); ; {
		for next >= 0 && next <= at {
			put(recordCheckpoint, notes[0])
			last, notes = next, notes[1:]
			if err := more(); err != nil {
				return err
			}
		}
		if at == size {
			break
		}
		to := size
		if next >= 0 {
			to = min(to, next)
		}
		leaves, err := src.Leaves(at, int(min(to-at, readLimit)))
		if err != nil {
			return err
		}
		if len(leaves) == 0 {
			return fmt.Errorf("ledger: event %d is missing", at)
		}
		for i, leaf := range leaves {
			if leaf != nil {
				put(recordLeaf, leaf)
				continue
			}
			hashes, err := src.Hashes(tlog.StoredHashIndex(0, at+int64(i)), 1)
			if err != nil {
				return err
			}
			if len(hashes) == 0 {
				return fmt.Errorf("ledger: event %d is missing, and its hash too", at+int64(i))
			}
			put(recordPruned, hashes[0][:])
		}
		at += int64(len(leaves))
	}
	put(recordEnd, nil)
	return b.Flush() // which has any error of what was written
}

// sizeOf reads the size that a checkpoint states, whoever signed it.
func sizeOf(note []byte) (size int64, err error) {
	lines := bytes.SplitN(note, []byte("\n"), 3)
	if len(lines) == 3 {
		_, err = fmt.Sscanf(string(lines[1]), "%d", &size)
	}
	if len(lines) < 3 || err != nil || size < 0 {
		return 0, errors.New("ledger: a stored checkpoint states no size")
	}
	return size, nil
}

// VerifyExport recomputes everything from an export, in constant memory but for
// 16 bytes an event if ids are compared, and compares it with every checkpoint in
// it and with the one that was kept elsewhere. Errors are as [Verify]'s. What is
// returned beside the report is the last checkpoint of the export that meets the
// policy, with its cosignatures; nil if none does.
func VerifyExport(r io.Reader, opt Options) (Report, []byte, error) {
	return readExport(r, opt, nil)
}

// ReadExport is [VerifyExport] for whoever wants the leaves: each is handed out as
// it is read, before anything is proven of it. What comes of an error must be
// undone.
func ReadExport(r io.Reader, verifierKey string, each func(leaf []byte) error) (Report, []byte, error) {
	return readExport(r, Options{VerifierKey: verifierKey}, each)
}

func readExport(r io.Reader, opt Options, each func(leaf []byte) error) (Report, []byte, error) {
	v := &verification{each: each}
	var err error
	if v.key, err = newVerifier(opt.VerifierKey); err != nil {
		return Report{}, nil, &InputError{err}
	}
	v.report = Report{Origin: v.key.Name(), DistinctIDs: opt.DistinctIDs}
	if opt.DistinctIDs {
		v.ids = [][16]byte{}
	}
	if opt.Held != nil {
		c, err := open(opt.Held, v.key)
		if err != nil {
			return Report{}, nil, input("checkpoint kept elsewhere: %w", err)
		}
		v.held = &c
	}
	x := &exportReader{r: bufio.NewReaderSize(r, 64<<10)}
	if v.size, err = x.head(); err != nil {
		return Report{}, nil, &InputError{err}
	}
	if v.held != nil && v.held.Size > v.size {
		return Report{}, nil, evidence(FaultRollback, v.size,
			"the log has %d events, but the checkpoint kept elsewhere says it once had %d", v.size, v.held.Size)
	}
	last, err := v.records(x, opt.Policy)
	if err != nil {
		return Report{}, nil, err
	}
	if v.size > 0 && v.report.Signed == 0 {
		return Report{}, nil, evidence(FaultUnsigned, v.size, "there are %d events, and no checkpoint signs any of them", v.size)
	}
	if err := v.accounted(); err != nil {
		return Report{}, nil, err
	}
	if err := v.distinct(); err != nil {
		return Report{}, nil, err
	}
	v.report.Size, v.report.Root = v.size, v.tree.Root()
	return v.report, last, nil
}

// records reads all records, and returns the last checkpoint that meets the policy:
// witnesses cosign a little later, so the newest may have to do without them.
func (v *verification) records(x *exportReader, policy Policy) (last []byte, err error) {
	if err := v.compare(); err != nil { // with what was kept of the empty log
		return nil, err
	}
	for before := int64(-1); ; {
		what, content, err := x.record()
		if err != nil {
			return nil, &InputError{err}
		}
		at := v.tree.Size()
		switch {
		case what == recordPruned && v.each != nil:
			return nil, input("ledger: the first events were pruned from the export")
		case what == recordPruned && at < v.size:
			if err := v.prune(tlog.Hash(content)); err != nil {
				return nil, err
			}
			v.hashes = v.hashes[:0]
			if err := v.compare(); err != nil {
				return nil, err
			}
		case what == recordLeaf && at < v.size:
			if err := v.leaf(content); err != nil {
				return nil, err
			}
			v.hashes = v.hashes[:0] // nothing is stored to compare them with
			if v.each != nil {
				if err := v.each(content); err != nil {
					return nil, err
				}
			}
			if err := v.compare(); err != nil {
				return nil, err
			}
		case what == recordLeaf || what == recordPruned:
			return nil, evidence(FaultSurplus, at, "there is more after the last of %d events", v.size)
		case what == recordCheckpoint:
			c, err := open(content, v.key)
			if err != nil {
				return nil, evidence(FaultSignature, at, "the checkpoint behind event %d is bad: %v", at, err)
			}
			if c.Size != at || c.Size <= before {
				return nil, evidence(FaultSignature, at, "a checkpoint of %d events stands behind event %d", c.Size, at)
			}
			if c.Root != v.tree.Root() {
				return nil, evidence(FaultRoot, at, "the first %d events are not those that were signed", at)
			}
			v.report.Checkpoints++
			v.report.Signed, before = at, at
			if policy.Met(content) {
				last = bytes.Clone(content)
			}
		case at < v.size:
			return nil, evidence(FaultMissing, at, "event %d is missing", at)
		default:
			return last, nil
		}
	}
}

// leaf checks a leaf that stands next, and adds it to the tree.
func (v *verification) leaf(leaf []byte) error {
	seq := v.tree.Size()
	l, err := ParseLeaf(leaf)
	switch {
	case err != nil:
		return evidence(FaultLeaf, seq, "event %d cannot be read: %v", seq, err)
	case l.Seq != uint64(seq):
		return evidence(FaultLeaf, seq, "event %d stands at position %d", l.Seq, seq)
	}
	if v.ids != nil {
		v.ids = append(v.ids, l.ID)
	}
	if l.Type == bridge.LogPruned {
		v.told = max(v.told, l.Facts.Size)
	}
	if l.Type == bridge.LogContinued {
		root, _ := tlog.ParseHash(l.Facts.Root) // as whoever began the log wrote it
		v.report.Continues = Checkpoint{Origin: l.Facts.Origin, Size: l.Facts.Size, Root: root}
	}
	v.hashes = v.tree.Append(v.hashes, leaf)
	return nil
}

// distinct makes sure that no two events have the same id.
func (v *verification) distinct() error {
	slices.SortFunc(v.ids, func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
	for i := 1; i < len(v.ids); i++ {
		if v.ids[i] == v.ids[i-1] {
			return evidence(FaultDuplicate, v.size, "two events have the id %x", v.ids[i])
		}
	}
	return nil
}

// exportReader reads an export's records.
type exportReader struct {
	r    *bufio.Reader
	room []byte // for the record read last
}

func (x *exportReader) head() (size int64, err error) {
	line, err := x.r.ReadSlice('\n')
	if err != nil || len(line) > 64 {
		return 0, errors.New("ledger: not an export of a log")
	}
	if _, err := fmt.Sscanf(string(line), exportVersion+" %d\n", &size); err != nil || fmt.Sprintf("%s %d\n", exportVersion, size) != string(line) {
		return 0, errors.New("ledger: not an export of version " + exportVersion)
	}
	if size < 0 || size >= maxSize {
		return 0, fmt.Errorf("ledger: %d is no size of a log", size)
	}
	return size, nil
}

// record returns the next record; its content is good until the next call.
func (x *exportReader) record() (what byte, content []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(x.r, head[:]); err != nil {
		return 0, nil, errors.New("ledger: the export was cut off")
	}
	most := uint32(0)
	switch head[0] {
	case recordPruned:
		most = tlog.HashSize
	case recordLeaf:
		most = MaxLeaf
	case recordCheckpoint:
		most = maxNote
	case recordEnd:
	default:
		return 0, nil, errors.New("ledger: the export has a record that is none")
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > most || head[0] == recordPruned && n != most {
		return 0, nil, errors.New("ledger: the export has a record that is none")
	}
	if int(n) > cap(x.room) {
		x.room = make([]byte, n)
	}
	content = x.room[:n]
	if _, err := io.ReadFull(x.r, content); err != nil {
		return 0, nil, errors.New("ledger: the export was cut off")
	}
	if head[0] == recordEnd {
		if _, err := x.r.ReadByte(); err != io.EOF {
			return 0, nil, errors.New("ledger: there is something after the end of the export")
		}
	}
	return head[0], content, nil
}
