// Package siem brings the log's sealed events to places that watch: a SIEM, a
// queue, a file. What goes out are the facts and random handles of the leaf,
// never a name, and with each event its place in the log and its hash, so that
// a row there can be held against the log.
//
//	config.go    Config: what an administrator writes
//	row.go       Row: an event as it goes out; plain JSON
//	ocsf.go      as OCSF 1.8 or 1.9
//	cef.go       as CEF
//	cloud.go     as CloudEvents 1.0
//	receiver.go  Receiver: a webhook, a syslog receiver, a file; Refusal
//	exporter.go  Exporter: every event gets there, in order, at least once
//
// An export stands where its receiver last said that it had taken everything,
// and goes on from there, whatever happens: after an answer that was lost,
// events come again, with the same ids.
package siem
