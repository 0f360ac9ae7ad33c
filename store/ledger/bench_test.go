package ledger

import (
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

func BenchmarkBody(b *testing.B) {
	e := testEvent(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Body(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseLeaf(b *testing.B) {
	leaf := Leaf(1, testBody(b, 1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseLeaf(leaf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppend is one leaf in a batch of 256 onto a log of 1000, reading
// the frontier once per batch, or what tlog reads per leaf.
func BenchmarkAppend(b *testing.B) {
	const size, batch = 1000, 256
	m := newMemory(b, size+batch)
	b.Run("frontier", func(b *testing.B) {
		b.ReportAllocs()
		hashes := make([]tlog.Hash, 0, 2*batch+64)
		var f Frontier
		for i := 0; b.Loop(); i++ {
			if i%batch == 0 {
				var err error
				if f, err = ReadFrontier(size, m); err != nil {
					b.Fatal(err)
				}
				hashes = hashes[:0]
			}
			hashes = f.Append(hashes, m.leaves[size+i%batch])
		}
	})
	b.Run("tlog", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			n := size + i%batch
			if _, err := Append(int64(n), m.leaves[n], m); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSign(b *testing.B) {
	s := testSigner(b)
	for b.Loop() {
		if _, err := s.Sign(1, tlog.Hash{1}); err != nil {
			b.Fatal(err)
		}
	}
}

// generated is a log of any size that needs no memory for its leaves: they are
// made when they are read. Its hashes are kept.
type generated struct {
	memory
	size int64
	body []byte
	page [][]byte
}

func (g *generated) Size() (int64, error) { return g.size, nil }

func (g *generated) Leaves(from int64, limit int) ([][]byte, error) {
	g.page = g.page[:0]
	for n := from; n < g.size && len(g.page) < limit; n++ {
		g.page = append(g.page, Leaf(uint64(n), g.body))
	}
	return g.page, nil
}

// BenchmarkVerify reports the time for the whole log, and per event.
func BenchmarkVerify(b *testing.B) {
	for _, size := range []int64{10_000, 1_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := testSigner(b)
			g := &generated{size: size, body: testBody(b, 1)}
			g.hashes = make([]tlog.Hash, 0, tlog.StoredHashCount(size))
			var f Frontier
			for n := range size {
				g.hashes = f.Append(g.hashes, Leaf(uint64(n), g.body))
			}
			g.sign(b, s, size)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Verify(g, Options{VerifierKey: s.VerifierKey()}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(int64(b.N)*size), "ns/event")
		})
	}
}
