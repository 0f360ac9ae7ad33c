package anchor

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/exeunt/exeunt/bridge/connector"
	"github.com/exeunt/exeunt/bridge/connector/webhook"
	"github.com/exeunt/exeunt/server/syslog"
)

// limit is how long one exchange with a place may take.
const limit = 10 * time.Second

// hook is a receiver of signed messages (Standard Webhooks).
type hook struct {
	client  *connector.Client
	url     string
	signing webhook.Signing
	now     func() time.Time
}

// Put sends the checkpoint; every 2xx says that it is kept. The id is the same in
// every attempt.
func (h hook) Put(ctx context.Context, c Checkpoint) error {
	now := h.now().UTC()
	body, err := json.Marshal(map[string]any{"type": "exeunt.checkpoint", "timestamp": now,
		"data": map[string]any{"origin": c.Origin, "size": c.Size, "root": c.Root.String(), "checkpoint": string(c.Note)}})
	if err != nil {
		return err
	}
	header, err := h.signing.Header(fmt.Sprintf("checkpoint-%d-%s", c.Size, hex.EncodeToString(c.Root[:8])), now, body)
	if err != nil {
		return err
	}
	answer, err := h.client.Send(ctx, connector.Request{Name: "POST checkpoint", Method: http.MethodPost, URL: h.url, Header: header, Body: body})
	if err == nil && answer.Status/100 != 2 {
		err = fmt.Errorf("it answered %d", answer.Status)
	}
	return err
}

// journal is a syslog receiver.
type journal struct {
	to  syslog.Target
	tls *tls.Config
	now func() time.Time
}

// Put sends the checkpoint as structured data, the signed note in base64. The
// connection is closed in order after it: that is the nearest to an answer that
// there is.
func (j journal) Put(ctx context.Context, c Checkpoint) error {
	conn, err := syslog.Dial(ctx, j.to, j.tls)
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // "-" without
	err = conn.Send(syslog.Message{Facility: syslog.FacilityAudit, Severity: syslog.SeverityNotice, Time: j.now(),
		Host: host, App: "exeunt", Proc: strconv.Itoa(os.Getpid()), ID: "checkpoint",
		Data: []syslog.Element{{ID: "checkpoint@32473", Params: []syslog.Param{{Name: "origin", Value: c.Origin},
			{Name: "size", Value: strconv.FormatInt(c.Size, 10)}, {Name: "root", Value: c.Root.String()},
			{Name: "note", Value: base64.StdEncoding.EncodeToString(c.Note)}}}}})
	if ended := conn.Close(); err == nil {
		err = ended
	}
	return err
}
