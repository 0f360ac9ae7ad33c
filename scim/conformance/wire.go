package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

const (
	maxAnswer    = 16 << 20         // bytes of one answer
	maxRequests  = 10_000           // of one run
	maxRedirects = 3                // of one GET, all to the same origin
	maxWaits     = 5                // 429 in a row
	longestWait  = 60 * time.Second // that a 429 can make us wait
)

// wire speaks HTTP with one server and nobody else: with the token in a header,
// within bounds of time and size. It is safe for concurrent use.
type wire struct {
	base    *url.URL
	token   bridge.Secret
	client  *http.Client
	timeout time.Duration // of one request

	mu    sync.Mutex
	calls int
	made  map[string]bool // paths of what was created and has not been removed
}

func newWire(t Target, timeout time.Duration) (*wire, error) {
	base, err := url.Parse(strings.TrimSuffix(t.URL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("that is no URL; give the base URL of a SCIM server, such as https://app.example/scim/v2")
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("the URL must be a base URL only: no user, no query, no fragment; the token comes from a file")
	}
	if base.Scheme == "http" && !loopback(base.Hostname()) && !t.InsecureHTTP {
		return nil, errors.New("that URL is plain http, where anybody on the way could read the token; use https, or allow it with --insecure-http")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 8
	return &wire{base: base, token: t.Token, timeout: timeout, made: map[string]bool{},
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // see send
		}}}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// request is one request; the zero header set means: JSON in, JSON out.
type request struct {
	method, path string // path below the base URL, with its query
	body         []byte
	header       http.Header   // beside the usual ones; a nil value removes one
	token        bridge.Secret // instead of ours
	anonymous    bool          // no token at all
	stay         bool          // follow no redirect
}

// send sends a request, waits as long as a 429 asks for, and follows redirects
// of GET within the same origin. Anywhere else the token is not sent.
func (w *wire) send(ctx context.Context, r request) (answer, error) {
	target := w.base.String() + r.path
	for redirects, waits := 0, 0; ; {
		a, err := w.once(ctx, r, target)
		if err != nil {
			return a, err
		}
		switch {
		case a.status == http.StatusTooManyRequests && waits < maxWaits:
			waits++
			if err := rest(ctx, a.header.Get("Retry-After"), waits); err != nil {
				return a, err
			}
		case a.status == http.StatusTooManyRequests:
			return a, fmt.Errorf("it answers 429 again and again")
		case a.status/100 == 3 && a.status != http.StatusNotModified && r.method == http.MethodGet && !r.stay && redirects < maxRedirects:
			next, ok := w.sameOrigin(target, a.header.Get("Location"))
			if !ok {
				return a, nil
			}
			redirects++
			target = next
		default:
			w.note(r, a)
			return a, nil
		}
	}
}

// sameOrigin resolves a Location if it is at the same server.
func (w *wire) sameOrigin(from, location string) (string, bool) {
	base, err := url.Parse(from)
	if err != nil || location == "" {
		return "", false
	}
	to, err := base.Parse(location)
	if err != nil || to.Scheme != w.base.Scheme || !strings.EqualFold(to.Host, w.base.Host) {
		return "", false
	}
	return to.String(), true
}

// rest waits as long as Retry-After asks for, or longer each time.
func rest(ctx context.Context, after string, turn int) error {
	wait := time.Duration(turn) * time.Second
	if n, err := strconv.Atoi(after); err == nil && n >= 0 {
		wait = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(after); err == nil {
		wait = time.Until(at)
	}
	timer := time.NewTimer(min(wait, longestWait))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *wire) once(ctx context.Context, r request, target string) (answer, error) {
	a := answer{method: r.method, path: r.path, sent: string(r.body)}
	w.mu.Lock()
	w.calls++
	tooMany := w.calls > maxRequests
	w.mu.Unlock()
	if tooMany {
		return a, fmt.Errorf("more than %d requests would be needed", maxRequests)
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	out, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(r.body))
	if err != nil {
		return a, errors.New("the request could not be made")
	}
	out.Header.Set("Accept", "application/scim+json")
	out.Header.Set("User-Agent", "exeunt-scim-check")
	if len(r.body) > 0 {
		out.Header.Set("Content-Type", "application/scim+json")
	}
	maps.Copy(out.Header, r.header)
	if token := w.token; !r.anonymous {
		if r.token != "" {
			token = r.token
		}
		out.Header.Set("Authorization", "Bearer "+string(token))
	}
	in, err := w.do(out)
	if err != nil {
		return a, w.plainly(err)
	}
	defer in.Body.Close()
	a.status, a.header = in.StatusCode, in.Header
	a.body, err = io.ReadAll(io.LimitReader(in.Body, maxAnswer+1))
	if err != nil {
		return a, w.plainly(err)
	}
	if len(a.body) > maxAnswer {
		return a, fmt.Errorf("the answer to %s %s is longer than %d MiB", r.method, r.path, maxAnswer>>20)
	}
	a.json = decode(a.body)
	return a, nil
}

// do sends a request, and once more if the server closed a kept connection in
// the same moment: then it has not read it.
func (w *wire) do(r *http.Request) (*http.Response, error) {
	reused := false
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}
	in, err := w.client.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil && reused && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF)) {
		w.client.CloseIdleConnections()
		if r.Body, err = r.GetBody(); err == nil {
			in, err = w.client.Do(r)
		}
	}
	return in, err
}

// path is where a location leads below the base URL; "" if it is no URL of a
// resource. A server behind a proxy may call itself by another name: what is
// asked for all the same is this server.
func (w *wire) path(location string) string {
	to, err := url.Parse(w.base.String() + "/")
	if err == nil && location != "" {
		to, err = to.Parse(location)
	}
	if err != nil || location == "" {
		return ""
	}
	if path, ok := strings.CutPrefix(to.String(), w.base.String()); ok {
		return path
	}
	segments := strings.Split(to.EscapedPath(), "/")
	if n := len(segments); n > 2 && segments[n-1] != "" {
		return "/" + segments[n-2] + "/" + segments[n-1]
	}
	return ""
}

// plainly says what went wrong on the way, without the URL, which may be long.
func (w *wire) plainly(err error) error {
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %v", w.timeout)
	case errors.As(err, &dns):
		return fmt.Errorf("there is no host %s", w.base.Hostname())
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return errors.New(w.redact(err.Error()))
}

// redact takes the token out of a text.
func (w *wire) redact(s string) string {
	if w.token == "" {
		return s
	}
	return strings.ReplaceAll(s, string(w.token), "***")
}

// note keeps account of what was created and removed.
func (w *wire) note(r request, a answer) {
	path, _, _ := strings.Cut(r.path, "?")
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case r.method == http.MethodPost && strings.HasSuffix(path, "/.search"):
	case r.method == http.MethodPost && a.ok() && a.json.id() != "":
		w.made[path+"/"+url.PathEscape(a.json.id())] = true
	case r.method == http.MethodPost && a.ok():
		for _, o := range objects(a.json.at("Operations")) { // a bulk
			if p := w.path(o.text("location")); p != "" && o.text("method") == http.MethodPost {
				w.made[p] = true
			}
		}
	case r.method == http.MethodDelete && (a.ok() || a.status == http.StatusNotFound):
		delete(w.made, path)
	}
}

// left are the paths of what was created and has not been removed.
func (w *wire) left() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]string, 0, len(w.made))
	for path := range w.made {
		out = append(out, path)
	}
	return out
}
