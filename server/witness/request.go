package witness

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	maxBody  = 256 << 10 // bytes; a checkpoint with many cosignatures
	maxProof = 63        // hashes
)

// request is what a log sends.
type request struct {
	old        int64 // size of the checkpoint that was cosigned last, as the log knows it
	proof      tlog.TreeProof
	checkpoint []byte
	origin     string // as it stands in checkpoint, not verified
}

var errMalformed = errors.New("the body is no add-checkpoint request")

// parse reads a body: "old" and a size, up to 63 hashes, an empty line, and the
// checkpoint. Every number and hash has one spelling.
func parse(body []byte) (r request, err error) {
	head, checkpoint, ok := bytes.Cut(body, []byte("\n\n"))
	if !ok || len(body) > maxBody {
		return r, errMalformed
	}
	lines := strings.Split(string(head), "\n")
	size, ok := strings.CutPrefix(lines[0], "old ")
	if r.old, err = strconv.ParseInt(size, 10, 64); !ok || err != nil || r.old < 0 || strconv.FormatInt(r.old, 10) != size || len(lines)-1 > maxProof {
		return r, errMalformed
	}
	for _, line := range lines[1:] {
		h, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(h) != tlog.HashSize || strings.ContainsAny(line, "\r\n") {
			return r, errMalformed
		}
		r.proof = append(r.proof, tlog.Hash(h))
	}
	r.checkpoint = checkpoint
	r.origin, _, ok = strings.Cut(string(checkpoint), "\n")
	if !ok {
		return r, errMalformed
	}
	return r, nil
}
