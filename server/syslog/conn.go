package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"time"
)

// Target is a receiver.
type Target struct {
	Network string // "tls", "tcp" or "udp"
	Address string // host:port
}

// Port is the port of the address.
func (t Target) Port() uint16 {
	_, port, _ := net.SplitHostPort(t.Address)
	n, _ := strconv.ParseUint(port, 10, 16) // ParseTarget has seen that it is one
	return uint16(n)
}

var ports = map[string]string{"tls": "6514", "tcp": "601", "udp": "514"}

// ParseTarget reads tls://host:6514, tcp://host:601 or udp://host:514; the port
// may be left out. With TCP and UDP anybody in between can read and change what
// is sent.
func ParseTarget(s string) (Target, error) {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || ports[u.Scheme] == "" || u.Path+u.RawQuery+u.Fragment != "" || u.User != nil {
		return Target{}, errors.New("needs an address such as tls://siem.example.com:6514; tcp:// and udp:// work too")
	}
	port := u.Port()
	if port == "" {
		port = ports[u.Scheme]
	} else if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return Target{}, errors.New("has no valid port")
	}
	return Target{u.Scheme, net.JoinHostPort(u.Hostname(), port)}, nil
}

const (
	dialFor = 10 * time.Second // to connect
	sendFor = 10 * time.Second // for one message
	endFor  = 5 * time.Second  // until the receiver has read all
)

// maxUDP is the longest message that fits a datagram everywhere (RFC 5426,
// section 3.2, asks receivers for 2048).
const maxUDP = 2048

// Conn is a connection to a receiver. It is not safe for concurrent use. After
// an error it is good for nothing more but Close.
type Conn struct {
	net.Conn
	datagrams bool
}

// Dial connects. config is for TLS; nil trusts the system's authorities. The
// receiver's certificate must have the target's host as a name.
func Dial(ctx context.Context, to Target, config *tls.Config) (*Conn, error) {
	return DialBy(ctx, &net.Dialer{}, to, config)
}

// DialBy is [Dial] by a dialer that may refuse addresses.
func DialBy(ctx context.Context, dialer *net.Dialer, to Target, config *tls.Config) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialFor)
	defer cancel()
	var (
		c   net.Conn
		err error
	)
	switch to.Network {
	case "tls":
		if config == nil {
			config = &tls.Config{}
		}
		config = config.Clone()
		config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
		c, err = (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", to.Address)
	case "tcp", "udp":
		c, err = dialer.DialContext(ctx, to.Network, to.Address)
	default:
		err = fmt.Errorf("syslog: there is no network %q", to.Network)
	}
	if err != nil {
		return nil, fmt.Errorf("syslog: %w", err)
	}
	return &Conn{c, to.Network == "udp"}, nil
}

// Send writes one message. That it returns nil does not mean that the receiver
// has read it.
func (c *Conn) Send(m Message) error {
	text := m.Append(nil)
	frame := text
	if c.datagrams {
		if len(text) > maxUDP {
			return fmt.Errorf("syslog: a message of %d bytes does not fit a datagram; use tls:// or tcp://", len(text))
		}
	} else {
		if err := c.alive(); err != nil {
			return err
		}
		frame = append(strconv.AppendInt(nil, int64(len(text)), 10), ' ')
		frame = append(frame, text...)
	}
	if err := c.SetWriteDeadline(time.Now().Add(sendFor)); err != nil {
		return fmt.Errorf("syslog: %w", err)
	}
	if _, err := c.Write(frame); err != nil {
		return fmt.Errorf("syslog: %w", err)
	}
	return nil
}

// alive notices that the receiver has gone, which a write would not: nothing is
// ever read from it, so anything that can be read is the end.
func (c *Conn) alive() error {
	if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return fmt.Errorf("syslog: %w", err)
	}
	n, err := c.Read(make([]byte, 1))
	var slow net.Error
	switch {
	case n > 0:
		return nil // a talkative receiver
	case errors.As(err, &slow) && slow.Timeout():
		return nil
	}
	return fmt.Errorf("syslog: the receiver has closed the connection: %w", err)
}

// Close ends the connection in order: nil says that the receiver has closed its
// side too, after it had read all, or said nothing for five seconds.
func (c *Conn) Close() (err error) {
	defer func() { c.Conn.Close() }()
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if c.datagrams || !ok {
		return nil
	}
	if err := half.CloseWrite(); err != nil {
		return fmt.Errorf("syslog: %w", err)
	}
	if err := c.SetReadDeadline(time.Now().Add(endFor)); err != nil {
		return fmt.Errorf("syslog: %w", err)
	}
	_, err = io.Copy(io.Discard, c.Conn)
	var slow net.Error
	if err != nil && !(errors.As(err, &slow) && slow.Timeout()) {
		return fmt.Errorf("syslog: %w", err)
	}
	return nil
}
