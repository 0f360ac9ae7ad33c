package evidence

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/store/ledger"
)

// A population archive is a zip of these, each once. Only README.txt, and what
// a zip says of its files beside name and content, is not authenticated.
const (
	checkpointFile = "checkpoint.txt"  // signed
	spanFile       = "span.txt"        // proves that the leaves are all between two positions of its log
	leavesFile     = "leaves.bin"      // each as its length, four bytes, the first the highest; and itself
	surveyFile     = "population.json" // read out of the leaves, once more by whoever verifies
	tableFile      = "population.csv"  // the same as a table
	readmeFile     = "README.txt"      // how to verify
)

var archiveFiles = []string{checkpointFile, spanFile, leavesFile, surveyFile, tableFile, readmeFile}

// maxNote bounds a signed checkpoint in bytes, as ledger does.
const maxNote = 128 << 10

const archiveReadme = `All departures of a period, and none left out.

population.csv and population.json were read out of leaves.bin: a stretch of the
log from before the period to after it. checkpoint.txt is the log's size and root
hash, signed; span.txt has the hashes beside the stretch (RFC 6962), so that the
root can be computed from it: no event of the stretch can be missing or changed.

  exeunt verify FILE --key log.key.pub

does that, reads both lists once more out of the leaves, and compares. Take the
key from somewhere else than this file, and a checkpoint that was kept elsewhere
if you have one. This text proves nothing.
`

// Stretch is where a population archive gets its leaves from.
type Stretch struct {
	Checkpoint ledger.Checkpoint
	Note       []byte // the same, signed
	First      int64  // the first leaf to read: one from before the period
	// Leaves returns leaves from a position on, at least one while there are any.
	Leaves func(from int64) ([][]byte, error)
	Hashes tlog.HashReader
}

// WriteArchive writes the population archive of a period. It reads as many leaves
// as the survey needs and holds few of them at once.
func WriteArchive(w io.Writer, p Period, from Stretch) (Survey, error) {
	s, err := NewSurveyor(p)
	if err != nil {
		return Survey{}, err
	}
	z := zip.NewWriter(w)
	leaves, err := z.Create(leavesFile)
	if err != nil {
		return Survey{}, err
	}
	at := from.First
	for at < from.Checkpoint.Size && !s.Enough() {
		page, err := from.Leaves(at)
		if err != nil {
			return Survey{}, err
		}
		if len(page) == 0 {
			return Survey{}, fmt.Errorf("evidence: event %d is missing", at)
		}
		for _, leaf := range page {
			if at >= from.Checkpoint.Size || s.Enough() {
				break
			}
			l, err := ledger.ParseLeaf(leaf)
			if err != nil {
				return Survey{}, err
			}
			if err := s.Hear(l); err != nil {
				return Survey{}, err
			}
			if _, err := leaves.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(leaf))), leaf...)); err != nil {
				return Survey{}, err
			}
			at++
		}
	}
	v, err := s.Survey(from.Checkpoint)
	if err != nil {
		return Survey{}, err
	}
	proof, err := ledger.ProveSpan(from.Checkpoint.Size, from.First, at, from.Hashes)
	if err != nil {
		return Survey{}, err
	}
	list, err1 := v.JSON()
	table, err2 := v.CSV()
	if err := errors.Join(err1, err2); err != nil {
		return Survey{}, err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{surveyFile, list}, {tableFile, table}, {spanFile, proof.Marshal()}, {checkpointFile, from.Note}, {readmeFile, []byte(archiveReadme)}} {
		file, err := z.Create(f.name)
		if err != nil {
			return Survey{}, err
		}
		if _, err := file.Write(f.text); err != nil {
			return Survey{}, err
		}
	}
	return v, z.Close()
}

// VerifyArchive reads a population archive, and trusts nothing in it: the leaves
// are proven to be all of a stretch of the log signed by verifierKey, and the
// lists are read once more out of them and compared. It returns the checkpoint
// too, for comparing it with one that was kept elsewhere. The error is a
// *ledger.EvidenceError if the archive is not what it says, and a
// *ledger.InputError if nothing can be said about it.
func VerifyArchive(z *zip.Reader, verifierKey string) (Survey, ledger.Checkpoint, error) {
	a, err := openArchive(z)
	if err != nil {
		return Survey{}, ledger.Checkpoint{}, &ledger.InputError{Err: err}
	}
	note, err1 := a.text(checkpointFile, maxNote)
	span, err2 := a.text(spanFile, 16<<10)
	if err := errors.Join(err1, err2); err != nil {
		return Survey{}, ledger.Checkpoint{}, &ledger.InputError{Err: err}
	}
	c, err := ledger.Open(note, verifierKey)
	if err != nil {
		return Survey{}, c, bad(ledger.FaultSignature, 0, err)
	}
	proof, err := ledger.ParseSpanProof(span)
	if err != nil {
		return Survey{}, c, bad(ledger.FaultRoot, 0, err)
	}
	// Twice, so that nothing is made of leaves before they are proven.
	if err := a.leaves(func(next func() ([]byte, error)) error { return ledger.CheckSpan(c, proof, next) }); err != nil {
		return Survey{}, c, bad(ledger.FaultRoot, proof.From, err)
	}
	v, err := a.survey(c)
	if err != nil {
		return Survey{}, c, bad(ledger.FaultLeaf, proof.From, err)
	}
	return v, c, nil
}

func bad(f ledger.Fault, at int64, err error) error {
	return &ledger.EvidenceError{Fault: f, At: at, Message: err.Error()}
}

// archive is the files of a population archive, by name.
type archive map[string]*zip.File

func openArchive(z *zip.Reader) (archive, error) {
	a := archive{}
	for _, f := range z.File {
		if a[f.Name] != nil {
			return nil, errors.New("evidence: the archive has a file twice")
		}
		a[f.Name] = f
	}
	for _, name := range archiveFiles {
		if a[name] == nil {
			return nil, fmt.Errorf("evidence: the archive has no %s", name)
		}
	}
	if len(a) != len(archiveFiles) {
		return nil, errors.New("evidence: the archive has files that do not belong to it")
	}
	return a, nil
}

// text is a whole file, of at most so many bytes, whatever its header says.
func (a archive) text(name string, most int64) ([]byte, error) {
	f, err := a[name].Open()
	if err != nil {
		return nil, fmt.Errorf("evidence: %s: %w", name, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("evidence: %s: %w", name, err)
	case int64(len(b)) > most:
		return nil, fmt.Errorf("evidence: %s is longer than it can be", name)
	}
	return b, nil
}

// leaves hands read a function that returns the leaves one by one, and io.EOF
// after the last; read has to read them all.
func (a archive) leaves(read func(next func() ([]byte, error)) error) error {
	f, err := a[leavesFile].Open()
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	next := func() ([]byte, error) {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil, err
		}
		n := binary.BigEndian.Uint32(head[:])
		if n > ledger.MaxLeaf {
			return nil, errors.New("evidence: a leaf is longer than it can be")
		}
		leaf := make([]byte, n)
		_, err := io.ReadFull(r, leaf)
		return leaf, err
	}
	if err := read(next); err != nil {
		return err
	}
	if _, err := next(); err != io.EOF { // reads to the end, so the zip's checksum is compared
		return errors.New("evidence: there are bytes after the last leaf")
	}
	return nil
}

// survey reads the lists once more out of the leaves, which are proven, and
// compares. What it measures against is part of the list, and nobody's claim.
func (a archive) survey(c ledger.Checkpoint) (Survey, error) {
	p, err := a.period()
	if err != nil {
		return Survey{}, err
	}
	s, err := NewSurveyor(p)
	if err != nil {
		return Survey{}, err
	}
	if err := a.leaves(func(next func() ([]byte, error)) error {
		for {
			leaf, err := next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			l, err := ledger.ParseLeaf(leaf)
			if err != nil {
				return err
			}
			if err := s.Hear(l); err != nil {
				return err
			}
		}
	}); err != nil {
		return Survey{}, err
	}
	v, err := s.Survey(c)
	if err != nil {
		return Survey{}, err
	}
	list, err1 := v.JSON()
	table, err2 := v.CSV()
	if err := errors.Join(err1, err2); err != nil {
		return Survey{}, err
	}
	for name, want := range map[string][]byte{surveyFile: list, tableFile: table} {
		if got, err := a.text(name, int64(len(want))); err != nil || !bytes.Equal(got, want) {
			return Survey{}, fmt.Errorf("evidence: %s is not what the events say", name)
		}
	}
	return v, nil
}

// period is what population.json says it is about, in its first lines.
func (a archive) period() (p Period, err error) {
	f, err := a[surveyFile].Open()
	if err != nil {
		return p, err
	}
	defer f.Close()
	d := json.NewDecoder(io.LimitReader(f, 4<<10))
	for _, want := range []json.Token{json.Delim('{'), "version", SurveyVersion, "period"} {
		if got, err := d.Token(); err != nil || got != want {
			return p, fmt.Errorf("evidence: %s is not of version %s", surveyFile, SurveyVersion)
		}
	}
	if d.Decode(&p) != nil {
		return p, fmt.Errorf("evidence: %s names no period", surveyFile)
	}
	return p, nil
}
