// Package syslog writes messages of RFC 5424 to a receiver, by TLS (RFC 5425),
// TCP (RFC 6587, octet counting) or UDP (RFC 5426).
//
//	message.go  Message: what is said, as bytes      pure
//	conn.go     Target, Conn: where it goes
//
// The protocol has no answers: that a receiver took a message is never certain.
// [Conn.Close] comes as near as can be: it waits until the receiver has read to
// the end and closes too.
package syslog
