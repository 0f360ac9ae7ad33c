package anchor

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/bridge/connector"
	"github.com/exeunt/exeunt/store/ledger"
)

// Log is what a witness is told from, and where its signatures are kept;
// *store.Store has it.
type Log interface {
	Consistency(ctx context.Context, size, old int64) (tlog.TreeProof, error)
	Cosigned(ctx context.Context, size int64, witness string, line []byte) error
}

// witness is a C2SP tlog-witness.
type witness struct {
	client *connector.Client
	url    string // of add-checkpoint
	key    string // its verifier key
	log    Log
	seen   int64 // what it had cosigned, as far as we know
}

// NewWitness is a witness of a policy that has a URL.
func NewWitness(w ledger.Witness, egress connector.Egress, log Log) (Place, error) {
	if e := egress.CheckURL("witness "+w.Name, w.URL); e != nil {
		return nil, e
	}
	client, err := connector.NewClient(egress, limit)
	if err != nil {
		return nil, err
	}
	return &witness{client: client, url: strings.TrimSuffix(w.URL, "/") + "/add-checkpoint", key: w.Key, log: log}, nil
}

// Put asks for a cosignature, and keeps it. Whoever is told that the witness has
// seen less than we thought, or more, goes on from there; if it has seen more than
// there is, or something else, that is a contradiction.
func (w *witness) Put(ctx context.Context, c Checkpoint) error {
	old := min(w.seen, c.Size)
	for range 3 { // another node may be telling it at the same time
		proof, err := w.log.Consistency(ctx, c.Size, old)
		if err != nil {
			return err
		}
		answer, err := w.client.Send(ctx, connector.Request{Name: "POST add-checkpoint", Method: http.MethodPost, URL: w.url,
			Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: addCheckpoint(old, proof, c.Note)})
		if err != nil {
			return err
		}
		switch answer.Status {
		case http.StatusOK:
			line, _, err := ledger.Cosignature(c.Note, answer.Body, w.key)
			if err != nil {
				return errors.New("its answer holds no cosignature of its key")
			}
			w.seen = c.Size
			return w.log.Cosigned(ctx, c.Size, w.key, line)
		case http.StatusConflict:
			size, err := readSize(answer.Body)
			if err != nil {
				return err
			}
			if size > c.Size {
				return &Contradiction{fmt.Sprintf("it has cosigned %d events, and they are not here", size), size}
			}
			if size == old && size == c.Size {
				return contradicts("it has cosigned another history of %d events", size)
			}
			w.seen, old = size, size
		case http.StatusUnprocessableEntity:
			return contradicts("it has cosigned %d events that are not the beginning of the log", old)
		case http.StatusNotFound:
			return errors.New("it does not know this log; add the log's public key there")
		default:
			return fmt.Errorf("it answered %d", answer.Status)
		}
	}
	return errors.New("it says something else each time")
}

// addCheckpoint is the body of a request.
func addCheckpoint(old int64, proof tlog.TreeProof, note []byte) []byte {
	b := fmt.Appendf(nil, "old %d\n", old)
	for _, h := range proof {
		b = base64.StdEncoding.AppendEncode(b, h[:])
		b = append(b, '\n')
	}
	return append(append(b, '\n'), note...)
}

func readSize(body []byte) (int64, error) {
	text, ok := strings.CutSuffix(string(body), "\n")
	size, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil || size < 0 || strconv.FormatInt(size, 10) != text {
		return 0, errors.New("it answered 409 without a size")
	}
	return size, nil
}
