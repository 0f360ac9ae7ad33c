package evidence

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/store/ledger"
)

// A bundle is a certificate with what it takes to verify it without us: a zip of
//
//	certificate.json       read out of the leaves, once more by whoever verifies
//	checkpoint.txt         the log's size and root hash, signed (c2sp.org/tlog-checkpoint)
//	<n>.leaf               event number n, exactly as it stands in the log
//	<n>.tlog-proof         that it does (c2sp.org/tlog-proof), with the same checkpoint
//	policy.txt             which witnesses the log has (c2sp.org/tlog-policy); may be missing
//	README.txt             how to verify
//
// each once, and nothing else. Only README.txt, policy.txt, and what a zip says of
// its files beside name and content, is not authenticated: whoever verifies brings
// a policy of their own.
const (
	certificateFile = "certificate.json"
	policyFile      = "policy.txt"
)

const bundleReadme = `A certificate from the log of exeunt, and what it takes to verify it.

certificate.json was read out of the events in the .leaf files and out of nothing
else. Each .tlog-proof (c2sp.org/tlog-proof) shows that its event stands in the
log whose size and root hash checkpoint.txt states, signed.

  exeunt verify FILE --key log.key.pub

checks signature and proofs, reads the certificate once more out of the events,
and compares. Take the key from somewhere else than this file, and a checkpoint
that was kept elsewhere if you have one. Without exeunt: the leaf hash is
SHA-256 of a zero byte and the .leaf file (RFC 6962); any verifier of C2SP
tlog-proofs takes it from there. policy.txt, if it is here, is what the log says
its witnesses are: get yours from whom you trust. It and this text prove nothing.
`

// maxBundle bounds how many events a certificate may have.
const maxBundle = 50_000

// WriteBundle writes the bundle of a certificate. note is the signed checkpoint
// that it is from, policy that of the log, nil for none, and hashes are the log's.
func WriteBundle(w io.Writer, c Certificate, leaves [][]byte, note, policy []byte, hashes tlog.HashReader) error {
	text, err := c.JSON()
	if err != nil {
		return err
	}
	if len(leaves) > maxBundle {
		return fmt.Errorf("evidence: %d events are too many for one certificate", len(leaves))
	}
	z := zip.NewWriter(w)
	put := func(name string, content []byte) {
		var f io.Writer
		if err == nil {
			f, err = z.Create(name)
		}
		if err == nil {
			_, err = f.Write(content)
		}
	}
	put(certificateFile, text)
	put(checkpointFile, note)
	if len(policy) > 0 {
		put(policyFile, policy)
	}
	for i, leaf := range leaves {
		seq := c.Events[i].Seq
		path, failed := ledger.Inclusion(c.Log.Size, seq, hashes)
		err = errors.Join(err, failed)
		put(fmt.Sprintf("%d.leaf", seq), leaf)
		put(fmt.Sprintf("%d.tlog-proof", seq), FormatInclusion(seq, path, note))
	}
	put(readmeFile, []byte(bundleReadme))
	return errors.Join(err, z.Close())
}

// FormatInclusion is the proof of an event's place as c2sp.org/tlog-proof has it.
func FormatInclusion(seq int64, path tlog.RecordProof, note []byte) []byte {
	p := proof.TLogProof{Index: uint64(seq), Checkpoint: note}
	for _, h := range path {
		p.Hashes = append(p.Hashes, h)
	}
	return p.Marshal()
}

// VerifyBundle reads a bundle, and trusts nothing in it: every event is proven
// to stand in the log signed by verifierKey, and the certificate is read once more
// out of the events and compared. It returns the checkpoint too, for comparing
// it with one that was kept elsewhere. The error is a *ledger.EvidenceError if the
// bundle is not what it says, and a *ledger.InputError if nothing can be said
// about it.
func VerifyBundle(z *zip.Reader, verifierKey string) (Certificate, ledger.Checkpoint, error) {
	a, seqs, err := openBundle(z)
	if err != nil {
		return Certificate{}, ledger.Checkpoint{}, &ledger.InputError{Err: err}
	}
	note, err := a.text(checkpointFile, maxNote)
	if err != nil {
		return Certificate{}, ledger.Checkpoint{}, &ledger.InputError{Err: err}
	}
	c, err := ledger.Open(note, verifierKey)
	if err != nil {
		return Certificate{}, c, bad(ledger.FaultSignature, 0, err)
	}
	var leaves []ledger.ParsedLeaf
	for _, seq := range seqs {
		l, err := a.leaf(seq, c, note)
		if err != nil {
			return Certificate{}, c, bad(ledger.FaultLeaf, int64(l.Seq), err)
		}
		leaves = append(leaves, l)
	}
	cert, err := Certify(c, leaves)
	if err != nil {
		return Certificate{}, c, bad(ledger.FaultMissing, 0, err)
	}
	want, err := cert.JSON()
	if err != nil {
		return Certificate{}, c, err
	}
	if got, err := a.text(certificateFile, int64(len(want))); err != nil || !bytes.Equal(got, want) {
		return Certificate{}, c, bad(ledger.FaultLeaf, 0, fmt.Errorf("evidence: %s is not what the events say", certificateFile))
	}
	return cert, c, nil
}

// openBundle returns the files of a bundle, and the numbers of its events.
func openBundle(z *zip.Reader) (a archive, seqs []string, err error) {
	a = archive{}
	for _, f := range z.File {
		if a[f.Name] != nil {
			return nil, nil, errors.New("evidence: the bundle has a file twice")
		}
		a[f.Name] = f
		if seq, ok := strings.CutSuffix(f.Name, ".leaf"); ok {
			seqs = append(seqs, seq)
		}
	}
	for _, name := range []string{certificateFile, checkpointFile, readmeFile} {
		if a[name] == nil {
			return nil, nil, fmt.Errorf("evidence: the bundle has no %s", name)
		}
	}
	for _, seq := range seqs {
		if a[seq+".tlog-proof"] == nil {
			return nil, nil, fmt.Errorf("evidence: the bundle has an event without its proof")
		}
	}
	known := 3 + 2*len(seqs)
	if a[policyFile] != nil {
		known++
	}
	if len(seqs) > maxBundle || len(a) != known {
		return nil, nil, errors.New("evidence: the bundle has files that do not belong to it")
	}
	return a, seqs, nil
}

// leaf reads an event and checks its proof.
func (a archive) leaf(seq string, c ledger.Checkpoint, note []byte) (l ledger.ParsedLeaf, err error) {
	leaf, err1 := a.text(seq+".leaf", ledger.MaxLeaf)
	text, err2 := a.text(seq+".tlog-proof", maxNote+8<<10)
	if err := errors.Join(err1, err2); err != nil {
		return l, err
	}
	if l, err = ledger.ParseLeaf(leaf); err != nil {
		return l, err
	}
	var p proof.TLogProof
	if err := p.Unmarshal(text); err != nil {
		return l, fmt.Errorf("evidence: the proof of event %d: %w", l.Seq, err)
	}
	path := make(tlog.RecordProof, len(p.Hashes))
	for i, h := range p.Hashes {
		path[i] = h
	}
	switch {
	case fmt.Sprint(l.Seq) != seq, p.Index != l.Seq:
		return l, fmt.Errorf("evidence: event %d stands under another number", l.Seq)
	case p.ExtraData != nil, !bytes.Equal(p.Checkpoint, note), !bytes.Equal(p.Marshal(), text):
		return l, fmt.Errorf("evidence: the proof of event %d is not to this checkpoint, or in another spelling", l.Seq)
	}
	return l, ledger.CheckInclusion(c, leaf, path)
}
