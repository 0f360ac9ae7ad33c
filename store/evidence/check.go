package evidence

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/store/ledger"
)

// Brought is what whoever verifies brings along. None of it should come from where
// the evidence does: it would prove little.
type Brought struct {
	VerifierKey string // of the log. Required
	Origin      string // what the log should be called; "" is what the key says
	Held        []byte // an earlier signed checkpoint; nil if there is none
	// Consistency is the proof, as the API serves it, that the log of the evidence
	// begins with that of Held; an export needs none.
	Consistency []byte
	Policy      []byte // which witnesses must have cosigned (c2sp.org/tlog-policy); nil for none
}

// Check verifies a file of evidence: the bundle of a certificate, the archive of a
// population, or the export of a whole log; which, is seen by its content. It says
// in one sentence what was proven and what was not. The error is a
// *ledger.EvidenceError if the evidence is bad, else a *ledger.InputError.
func Check(path string, b Brought) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", &ledger.InputError{Err: err}
	}
	defer f.Close()
	if _, err := note.NewVerifier(b.VerifierKey); err != nil {
		return "", &ledger.InputError{Err: errors.New("the key is no log's public key")}
	}
	policy := ledger.Policy{}
	if b.Policy != nil {
		if policy, err = ledger.ParsePolicy(b.Policy); err != nil {
			return "", &ledger.InputError{Err: err}
		}
		if len(policy.Logs) > 0 && !slices.Contains(policy.Logs, b.VerifierKey) {
			return "", &ledger.InputError{Err: errors.New("the policy is that of other logs: the key is not among theirs")}
		}
	}
	if name, _, _ := strings.Cut(b.VerifierKey, "+"); b.Origin != "" && b.Origin != name {
		return "", &ledger.InputError{Err: fmt.Errorf("the key is that of log %q, not of %q", name, b.Origin)}
	}
	head := make([]byte, 64)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return "", &ledger.InputError{Err: err}
	}
	if ledger.IsExport(head[:n]) {
		r, last, err := ledger.VerifyExport(f, ledger.Options{VerifierKey: b.VerifierKey, Held: b.Held, DistinctIDs: true, Policy: policy})
		if err != nil {
			return "", err
		}
		return said(policy, last, r.Size, r.String())
	}
	info, err := f.Stat()
	if err != nil {
		return "", &ledger.InputError{Err: err}
	}
	z, err := zip.NewReader(f, info.Size())
	if err != nil {
		return "", &ledger.InputError{Err: fmt.Errorf("%s is neither a certificate, nor a population, nor the export of a log", path)}
	}
	if b.Held == nil && b.Consistency != nil {
		return "", &ledger.InputError{Err: errors.New("a proof of consistency says nothing without the checkpoint kept elsewhere")}
	}
	found, c, err := Verify(z, b.VerifierKey)
	if err != nil {
		return "", err
	}
	signed, err := archiveNote(z)
	if err != nil {
		return "", &ledger.InputError{Err: err}
	}
	compared, err := compare(c, b)
	if err != nil {
		return "", err
	}
	proven := found.String() + ". "
	if cert, ok := found.(Certificate); ok {
		proven += fmt.Sprintf("Each of its %d events stands in the signed log; that there are no others about it, only the whole log shows. ", len(cert.Events))
	}
	return said(policy, signed, c.Size, proven+compared)
}

// archiveNote is the signed checkpoint of a bundle or archive.
func archiveNote(z *zip.Reader) ([]byte, error) {
	for _, f := range z.File {
		if f.Name == checkpointFile {
			return archive{checkpointFile: f}.text(checkpointFile, maxNote)
		}
	}
	return nil, fmt.Errorf("evidence: there is no %s", checkpointFile)
}

// compare holds the checkpoint of the evidence against the one that was kept. Who
// brings one along has asked for that: without the proof it takes, nothing is good.
func compare(c ledger.Checkpoint, b Brought) (string, error) {
	if b.Held == nil {
		return "No checkpoint kept elsewhere was given: whoever holds the signing key could have written another history.", nil
	}
	held, err := ledger.Open(b.Held, b.VerifierKey)
	if err != nil {
		return "", &ledger.InputError{Err: fmt.Errorf("checkpoint kept elsewhere: %w", err)}
	}
	switch {
	case held.Size == c.Size:
		if held.Root != c.Root {
			return "", fork(c.Size)
		}
		return "Its log is that of the checkpoint kept elsewhere.", nil
	case b.Consistency == nil:
		return "", &ledger.InputError{Err: fmt.Errorf("between its log of %d events and the checkpoint kept elsewhere, of %d, the proof of consistency is missing: "+
			"GET /v1/log/proof/consistency?from=%d&to=%d has it", c.Size, held.Size, min(held.Size, c.Size), max(held.Size, c.Size))}
	}
	proof, err := ParseConsistency(b.Consistency)
	if err != nil {
		return "", &ledger.InputError{Err: err}
	}
	from, to := held, c
	if held.Size > c.Size {
		from, to = c, held
	}
	if ledger.CheckConsistency(to, from, proof) != nil {
		return "", fork(from.Size)
	}
	return fmt.Sprintf("Its log of %d events and that of the checkpoint kept elsewhere, of %d, are one history.", c.Size, held.Size), nil
}

func fork(size int64) error {
	return &ledger.EvidenceError{Fault: ledger.FaultFork, At: size,
		Message: fmt.Sprintf("it is not shown that the first %d events are those of the checkpoint kept elsewhere", size)}
}

// FormatConsistency is a proof as the API serves it: a hash a line, base64.
func FormatConsistency(p tlog.TreeProof) []byte {
	var b bytes.Buffer
	for _, h := range p {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	return b.Bytes()
}

// ParseConsistency reads what [FormatConsistency] writes, and nothing else.
func ParseConsistency(text []byte) (p tlog.TreeProof, err error) {
	if len(text) > 8<<10 {
		return nil, fmt.Errorf("evidence: a proof of consistency is shorter")
	}
	for line := range strings.Lines(string(text)) {
		h, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(line, "\n"))
		if err != nil || len(h) != tlog.HashSize {
			return nil, fmt.Errorf("evidence: the proof of consistency has a line that is no hash")
		}
		p = append(p, tlog.Hash(h))
	}
	if !bytes.Equal(FormatConsistency(p), text) {
		return nil, fmt.Errorf("evidence: the proof of consistency is in another spelling")
	}
	return p, nil
}

// said adds to what was proven of a log of so many events who has cosigned it, and
// how far, if they are enough.
func said(p ledger.Policy, note []byte, size int64, proven string) (string, error) {
	switch {
	case !p.Needed():
		return proven, nil
	case !p.Met(note):
		return "", &ledger.EvidenceError{Fault: ledger.FaultSignature,
			Message: "no checkpoint in it was cosigned by as many witnesses as the policy demands"}
	}
	under, err := strconv.ParseInt(strings.SplitN(string(note), "\n", 3)[1], 10, 64) // it was opened before
	if err != nil {
		return "", &ledger.InputError{Err: err}
	}
	text := fmt.Sprintf("%s Its first %d events are cosigned by %s, as the policy demands", proven, under, strings.Join(p.Cosigned(note), ", "))
	if under < size {
		text += fmt.Sprintf("; the last %d are NOT, and prove no more than the log's own signature", size-under)
	}
	return text + ".", nil
}
