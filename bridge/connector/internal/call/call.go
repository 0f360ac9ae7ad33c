// Package call is the way out: every HTTP connector calls its app through a
// [Client], which bounds what the app can do to us and says what its answer
// means to the engine.
//
//	call.go     Client, Request, Response: one bounded exchange
//	egress.go   Egress: which addresses an app may have; the guard that dials
//	outcome.go  status and headers -> nil, Permanent, RetryAfter, retry      pure
//	json.go     JSON bodies, bounded in depth
//
// Deliberately absent: proxies (the guard would see the proxy's address and not
// the app's), cookies, and retries, which belong to the engine.
//
// No error of this package holds a URL, header or body: they may carry secrets
// and personal data. Errors name a request by its [Request.Name].
package call

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// Config is how a client behaves. The zero value of each field means the
// default given beside it.
type Config struct {
	Egress
	Timeout   time.Duration // for one exchange; 30 s. The context may end it sooner
	MaxBytes  int64         // size of an answer's body, unpacked; 1 MiB
	Redirects int           // same-origin redirects that a GET follows; none
	Resets    []Reset       // rate-limit headers beside Retry-After; none
}

const (
	defaultTimeout  = 30 * time.Second
	defaultMaxBytes = 1 << 20
	maxHeaderBytes  = 64 << 10
	agent           = "exeunt"
)

// Client makes calls to one app. It is safe for concurrent use.
type Client struct {
	http     *http.Client
	timeout  time.Duration
	maxBytes int64
	resets   []Reset
}

// New returns a client. Errors are of kind invalid and name the field.
func New(c Config) (*Client, error) {
	if problems := c.Egress.Validate(); len(problems) > 0 {
		return nil, problems[0]
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = defaultMaxBytes
	}
	roots, err := c.Roots()
	if err != nil {
		return nil, err
	}
	allowed := c.prefixes()
	way := &way{
		secure: transport(newGuard(allowed, false), roots),
		plain:  transport(newGuard(allowed, true), roots),
	}
	return &Client{
		http:     &http.Client{Transport: way, CheckRedirect: follow(c.Redirects)},
		timeout:  c.Timeout,
		maxBytes: c.MaxBytes,
		resets:   c.Resets,
	}, nil
}

// way keeps what is not encrypted apart: it reaches only networks that were
// allowed by name, so that no credential crosses the internet in clear.
type way struct{ secure, plain http.RoundTripper }

func (w *way) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "https" {
		return w.secure.RoundTrip(r)
	}
	return w.plain.RoundTrip(r)
}

func transport(g *guard, roots *x509.CertPool) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: g.control}
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: maxHeaderBytes,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        time.Minute,
	}
}

// Roots are the system's certificate authorities and those of CAFile; nil
// means the system's.
func (e Egress) Roots() (*x509.CertPool, error) {
	if e.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(e.CAFile)
	if err != nil {
		return nil, bridge.Invalid("ca_file", "the file cannot be read")
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, bridge.Invalid("ca_file", "there is no PEM certificate in it")
	}
	return pool, nil
}

// follow lets a GET follow up to n redirects within one origin. Every other
// redirect is handed to the caller as the answer it is.
func follow(n int) func(*http.Request, []*http.Request) error {
	return func(next *http.Request, via []*http.Request) error {
		first := via[0]
		same := next.URL.Scheme == first.URL.Scheme && next.URL.Host == first.URL.Host
		if len(via) > n || !same || first.Method != http.MethodGet {
			return http.ErrUseLastResponse
		}
		return nil
	}
}

// Request is one request to an app.
type Request struct {
	Name   string // how errors and receipts call it: "PATCH /Users/{id}"; no values in it
	Method string
	URL    string // absolute
	Header http.Header
	JSON   any    // sent as JSON if not nil; Body is then ignored
	Body   []byte // Content-Type is the caller's to set in Header
	Key    string // idempotency key; "" sends none

	StatusOnly bool // the body of the answer, which may be of any length, is not read
}

// Response is an app's answer, whole.
type Response struct {
	Name   string // of the request
	Status int
	Header http.Header
	Body   []byte
	At     time.Time     // when the request was begun
	Took   time.Duration // until the body was read

	resets []Reset
}

// Send makes one exchange. The error says what kept an answer from coming, as
// an outcome for the engine; what the answer means is for [Response.Outcome].
func (c *Client) Send(ctx context.Context, r Request) (*Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := r.build(ctx)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	answer, err := c.http.Do(req)
	if err != nil {
		return nil, failed(ctx, r.Name, err)
	}
	defer answer.Body.Close()
	var body []byte
	if !r.StatusOnly {
		body, err = io.ReadAll(io.LimitReader(answer.Body, c.maxBytes+1))
	}
	tooLong := int64(len(body)) > c.maxBytes
	if answer.StatusCode/100 != 2 {
		// The status says enough; what can be had of the body is a bonus.
		body = body[:min(int64(len(body)), c.maxBytes)]
	} else if err != nil {
		return nil, failed(ctx, r.Name, err)
	} else if tooLong {
		return nil, bridge.Permanent(fmt.Errorf("%s: the answer is larger than %d bytes", r.Name, c.maxBytes))
	}
	return &Response{Name: r.Name, Status: answer.StatusCode, Header: answer.Header, Body: body,
		At: begun, Took: time.Since(begun), resets: c.resets}, nil
}

func (r Request) build(ctx context.Context) (*http.Request, error) {
	body, kind := r.Body, ""
	if r.JSON != nil {
		var err error
		if body, err = json.Marshal(r.JSON); err != nil {
			return nil, bridge.Permanent(fmt.Errorf("%s: the body cannot be written as JSON", r.Name))
		}
		kind = "application/json"
	}
	var reader io.Reader
	if len(body) > 0 {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, reader)
	if err != nil || (req.URL.Scheme != "https" && req.URL.Scheme != "http") || req.URL.Host == "" {
		return nil, bridge.Permanent(fmt.Errorf("%s: not a request that can be sent", r.Name))
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set("User-Agent", agent)
	for name, values := range r.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if r.Key != "" {
		// In lower case, because net/http repeats requests that carry this
		// header by itself; how often an app was asked is the engine's to know.
		req.Header["idempotency-key"] = []string{r.Key}
	}
	return req, nil
}

// failed says in safe words why there was no answer.
func failed(ctx context.Context, name string, err error) error {
	var (
		dns       *net.DNSError
		cert      *tls.CertificateVerificationError
		timeout   net.Error
		plainOnly tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, errForbidden):
		return bridge.Permanent(fmt.Errorf("%s: %w", name, errForbidden))
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s: %w", name, context.Canceled)
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%s: no answer in time: %w", name, context.DeadlineExceeded)
	case errors.As(err, &dns):
		return fmt.Errorf("%s: the name cannot be resolved", name)
	case errors.As(err, &cert):
		return fmt.Errorf("%s: the certificate is not trusted", name)
	case errors.As(err, &plainOnly), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Errorf("%s: the other side does not speak TLS", name)
	default:
		return fmt.Errorf("%s: the connection failed", name)
	}
}
