package siem

import (
	"net/url"
	"time"
)

// cloudEvent is a CloudEvent 1.0 in structured JSON. id and source together are
// the same each time the event is sent.
type cloudEvent struct {
	Spec        string `json:"specversion"`
	ID          string `json:"id"`
	Source      string `json:"source"` // a URI reference
	Type        string `json:"type"`
	Subject     string `json:"subject,omitempty"`
	Time        string `json:"time"`
	ContentType string `json:"datacontenttype"`
	Data        plain  `json:"data"`
}

func (l Log) cloud(r Row) []byte {
	return marshal(cloudEvent{Spec: "1.0", ID: r.id(), Source: "/" + (&url.URL{Path: l.Origin}).EscapedPath(), Type: "exeunt." + r.Type.String(),
		Subject: subject(r), Time: r.At.Format(time.RFC3339Nano), ContentType: "application/json", Data: l.plain(r)})
}
