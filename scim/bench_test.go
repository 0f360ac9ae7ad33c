package scim

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/exeunt/exeunt/bridge"
)

// steady holds one person and does what the door asks with it, and nothing
// that a store would: what is measured is the door.
type steady struct {
	*directory
	p bridge.Person
}

func (s *steady) See(_ context.Context, fn func(bridge.Sight) error) error {
	return fn(bridge.SightOf(still{p: s.p}, s.p.Source))
}

// still is a transaction that sees one person.
type still struct {
	bridge.Tx
	p bridge.Person
}

func (s still) Person(string) (bridge.Person, error) { return s.p, nil }

func (s still) People(bridge.Query) ([]bridge.Person, int, error) {
	return []bridge.Person{s.p}, 1, nil
}

func (s still) Memberships(int, ...string) (map[string][]bridge.Membership, error) { return nil, nil }

func (s *steady) AddPerson(_ context.Context, p bridge.Person) (bridge.Person, error) {
	p.ID, p.Version = s.p.ID, 1
	return p, nil
}

func (s *steady) ChangePerson(_ context.Context, _ string, change func(*bridge.Person) error) (bridge.Person, error) {
	p := s.p
	err := change(&p)
	p.Version++
	s.p = p
	return p, err
}

// nowhere is a client that reads only the status.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) WriteHeader(status int)      { n.status = status }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }

func benchmark(b *testing.B, method, path string, bodies ...string) {
	s := &steady{directory: newDirectory()}
	ctx := bridge.WithCaller(context.Background(), bridge.Caller{Source: "idp"})
	s.p, _ = s.directory.AddPerson(ctx, bridge.Person{UserName: "bjensen@example.com", Active: true})
	h := New(Options{People: s, Groups: s, Reader: s,
		BaseURL: func(*http.Request) string { return "https://exeunt.example/scim/v2" }})
	put := httptest.NewRequest("PUT", "/Users/1", strings.NewReader(bjensen)).WithContext(ctx)
	h.ServeHTTP(httptest.NewRecorder(), put)
	r := httptest.NewRequest(method, path, nil).WithContext(ctx)
	w := &nowhere{header: http.Header{}}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if len(bodies) > 0 {
			body := bodies[n%len(bodies)]
			n++
			r.Body, r.ContentLength = readCloser{strings.NewReader(body)}, int64(len(body))
		}
		h.ServeHTTP(w, r)
		if w.status >= 300 {
			b.Fatal(w.status)
		}
	}
	b.ReportMetric(float64(len(s.p.Resource)), "resource-bytes")
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func BenchmarkPatchActive(b *testing.B) {
	benchmark(b, "PATCH", "/Users/1",
		patch(`{"op":"Replace","path":"active","value":"False"}`), patch(`{"op":"Replace","path":"active","value":"True"}`))
}

func BenchmarkPatchPathless(b *testing.B) {
	benchmark(b, "PATCH", "/Users/1",
		patch(`{"op":"replace","value":{"active":false}}`), patch(`{"op":"replace","value":{"active":true}}`))
}

func BenchmarkFilterUserName(b *testing.B) {
	benchmark(b, "GET", `/Users?filter=userName+eq+%22bjensen@example.com%22`)
}

func BenchmarkFilterRest(b *testing.B) {
	benchmark(b, "GET", `/Users?filter=emails%5Btype+eq+%22work%22%5D.value+eq+%22bjensen@example.com%22`)
}

func BenchmarkCreate(b *testing.B)  { benchmark(b, "POST", "/Users", bjensen) }
func BenchmarkReplace(b *testing.B) { benchmark(b, "PUT", "/Users/1", bjensen) }
func BenchmarkGet(b *testing.B)     { benchmark(b, "GET", "/Users/1") }
func BenchmarkGetSome(b *testing.B) { benchmark(b, "GET", "/Users/1?attributes=userName,emails.value") }
