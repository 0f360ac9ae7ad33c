package siem

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector"
	"github.com/exeunt/exeunt/bridge/connector/webhook"
	"github.com/exeunt/exeunt/server/syslog"
)

// limit is how long one exchange with a receiver may take.
const limit = 10 * time.Second

// Receiver is where an export goes. It is not used concurrently.
type Receiver interface {
	// Send brings rows there, in their order. nil says that all were taken; a
	// [Refusal], that none was and these rows will never be; any other error
	// leaves that open, and they are sent again.
	Send(ctx context.Context, rows []Row) error
}

// Refusal is a receiver's no to what was sent, and not to who sent it.
type Refusal struct{ Status int }

func (r *Refusal) Error() string { return fmt.Sprintf("it answered %d", r.Status) }

// hook is a receiver of HTTP requests.
type hook struct {
	client  *connector.Client
	url     string
	format  string
	encode  func(Row) []byte
	token   bridge.Secret
	signing *webhook.Signing // nil: unsigned
	now     func() time.Time
}

// Send sends a JSON array, or lines of CEF; every 2xx says that all is kept. The
// id is the same when the same rows are sent again.
func (h *hook) Send(ctx context.Context, rows []Row) error {
	var body []byte
	kind := "application/json"
	switch h.format {
	case "cef":
		kind, body = "text/plain; charset=utf-8", lines(rows, h.encode)
	default:
		encoded := make([][]byte, len(rows))
		for i, r := range rows {
			encoded[i] = h.encode(r)
		}
		body = fmt.Appendf(nil, "[%s]", bytes.Join(encoded, []byte(",")))
		if h.format == "cloudevents" {
			kind = "application/cloudevents-batch+json"
		}
	}
	header := http.Header{}
	if h.signing != nil {
		signed, err := h.signing.Header(fmt.Sprintf("events-%s-%d", rows[0].id(), len(rows)), h.now().UTC(), body)
		if err != nil {
			return err
		}
		header = signed
	}
	header.Set("Content-Type", kind)
	if h.token != "" {
		header.Set("Authorization", "Bearer "+string(h.token))
	}
	answer, err := h.client.Send(ctx, connector.Request{Name: "POST events", Method: http.MethodPost, URL: h.url, Header: header, Body: body})
	if err != nil {
		return err
	}
	switch answer.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return &Refusal{answer.Status}
	}
	return answer.Outcome()
}

// journal is a syslog receiver.
type journal struct {
	to     syslog.Target
	dialer *net.Dialer
	tls    *tls.Config
	log    Log
	encode func(Row) []byte
}

// Send sends a message for each row, on a connection of their own. That it was
// closed in order by the other side is the nearest to an answer that there is.
func (j *journal) Send(ctx context.Context, rows []Row) error {
	conn, err := syslog.DialBy(ctx, j.dialer, j.to, j.tls)
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // "-" without
	for _, r := range rows {
		if err = conn.Send(j.message(r, host)); err != nil {
			break
		}
	}
	if ended := conn.Close(); err == nil {
		err = ended
	}
	return err
}

// syslogSeverity is that of RFC 5424.
var syslogSeverity = map[int]int{informational: syslog.SeverityInfo, low: syslog.SeverityNotice, medium: syslog.SeverityWarning, critical: syslog.SeverityAlert}

func (j *journal) message(r Row, host string) syslog.Message {
	at := j.log.place(r)
	return syslog.Message{Facility: syslog.FacilityAudit, Severity: syslogSeverity[severity(r)], Time: r.At,
		Host: host, App: "exeunt", Proc: strconv.Itoa(os.Getpid()), ID: r.Type.String(),
		Data: []syslog.Element{{ID: "log@32473", Params: []syslog.Param{{Name: "origin", Value: at.Origin},
			{Name: "index", Value: strconv.FormatInt(at.Index, 10)}, {Name: "leafHash", Value: at.Hash}}}},
		Text: string(j.encode(r))}
}

// file is a file that grows; whoever rotates it may move it away at any time.
type file struct {
	path   string
	encode func(Row) []byte
}

// Send appends a line for each row, and returns when they are on the disk.
func (f *file) Send(_ context.Context, rows []Row) (err error) {
	out, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return withoutPath(err)
	}
	defer func() {
		if ended := out.Close(); err == nil {
			err = withoutPath(ended)
		}
	}()
	text := lines(rows, f.encode)
	// A line that was cut off by a crash stays a line of its own.
	last := make([]byte, 1)
	if end, err := out.Seek(0, io.SeekEnd); err == nil && end > 0 {
		if _, err := out.ReadAt(last, end-1); err == nil && last[0] != '\n' {
			text = append([]byte("\n"), text...)
		}
	}
	if _, err := out.Write(text); err != nil {
		return withoutPath(err)
	}
	return withoutPath(out.Sync())
}

// withoutPath is err without the name of the file, for the log.
func withoutPath(err error) error {
	if p, ok := err.(*os.PathError); ok {
		return p.Err
	}
	return err
}

func lines(rows []Row, encode func(Row) []byte) (text []byte) {
	for _, r := range rows {
		text = append(append(text, encode(r)...), '\n')
	}
	return text
}
