package server

import (
	"bytes"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
)

// room bounds the memory that all requests under way take together for their
// bodies and for what these become when they are decoded. Whoever finds none is
// turned away at once: who waited would hold what it has meanwhile. A quarter is
// kept for small requests, so that a departure gets through while groups are
// imported.
type room struct {
	size int64
	used atomic.Int64
}

const (
	leastRoom = 64 << 20  // however short bodies must be
	bodyRoom  = 16        // as many of the longest bodies
	smallHold = 256 << 10 // up to here a request is small
)

func newRoom(longestBody int64) *room { return &room{size: max(leastRoom, bodyRoom*longestBody)} }

// hold is what one request has of a room.
type hold struct {
	*room
	n int64
}

// grow takes n bytes more, and reports whether they were free. One request
// alone always finds room: what goes beyond is not counted.
func (h *hold) grow(n int64) bool {
	limit := h.size
	if h.n+n > smallHold {
		limit -= h.size / 4
		n = min(n, limit-h.n)
	}
	for {
		used := h.used.Load()
		if used+n > limit && n > 0 {
			return false
		}
		if h.used.CompareAndSwap(used, used+n) {
			h.n += n
			return true
		}
	}
}

func (h *hold) release() { h.used.Add(-h.n) }

var (
	errNoRoom  = errors.New("no room for a body")
	errTooMuch = errors.New("the body is longer than allowed")
)

// read reads a body of at most limit bytes and takes room as it arrives: what
// was only announced holds nothing. Its errors are errNoRoom, errTooMuch, and
// those of reading.
func (h *hold) read(from io.Reader, announced, limit int64) ([]byte, error) {
	want := int64(4 << 10)
	if announced >= 0 {
		want = min(announced+1, 64<<10) // one more, to see the end
	}
	if !h.grow(want) {
		return nil, errNoRoom
	}
	body := make([]byte, 0, want)
	for {
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > limit:
			return nil, errTooMuch
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, err
		}
		if len(body) == cap(body) {
			more := min(int64(cap(body)), limit+1-int64(cap(body)))
			if announced >= int64(cap(body)) {
				more = min(more, announced+1-int64(cap(body)))
			}
			if !h.grow(more) {
				return nil, errNoRoom
			}
			longer := make([]byte, len(body), int64(cap(body))+more)
			copy(longer, body)
			body = longer
		}
	}
}

// decoded is about how much memory a JSON document takes beside its text when
// it is decoded: its strings once more, and objects are dear. It counts what stands
// in strings too.
func decoded(body []byte) int64 {
	count := func(c string) int64 { return int64(bytes.Count(body, []byte(c))) }
	return int64(len(body)) + 384*count("{") + 64*count("[") + 64*count(",") + 32*count(":")
}

// sized reads the body before anything is done with it, so that too long a
// body is refused as a whole and a slow one holds nothing but memory.
func (s *Server) sized(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, now := c.Request(), s.now.Load()
		limit := now.Limit.Body
		if r.ContentLength > limit {
			drain(r.Body, 2*limit)
			return tooLong(limit)
		}
		if r.Body == nil || r.ContentLength == 0 {
			return next(c)
		}
		h := hold{room: now.room}
		defer h.release()
		body, err := h.read(r.Body, r.ContentLength, limit)
		if err == nil && !h.grow(decoded(body)) {
			err = errNoRoom
		}
		switch err {
		case nil:
		case errTooMuch:
			drain(r.Body, limit)
			return tooLong(limit)
		case errNoRoom:
			return s.tooMuch(c, "memory", time.Second)
		default:
			return errCutOff
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		return next(c)
	}
}

// drain reads what nobody wants, so that a client that is at writing yet gets to
// read why; n bytes of it, and whoever sends more finds the connection closed.
func drain(body io.Reader, n int64) { io.CopyN(io.Discard, body, n) }

// MaxBody is how many bytes the body of a SCIM request may have now.
func (s *Server) MaxBody() int64 { return s.now.Load().Limit.Body }
