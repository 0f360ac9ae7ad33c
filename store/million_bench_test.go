package store_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/transparency-dev/formats/proof"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
)

// BenchmarkMillion makes a log of a million events, each with a sealed payload, and
// says what it takes: to make, to prove, to export and to verify. Its figures are
// beside the benchmark's own: events/s, bytes/event, µs a proof, seconds in all.
//
//	go test ./store -run xxx -bench Million -benchtime 1x -timeout 30m
func BenchmarkMillion(b *testing.B) {
	const size, together = 1_000_000, 2000
	ctx := b.Context()
	for b.Loop() {
		dir := filepath.Join(b.TempDir(), "data")
		s := open(b, store.Options{Dir: dir, LogKey: newKey(b)})
		handles := make([]bridge.Handle, 10_000)
		for i := range handles {
			handles[i] = bridge.NewHandle()
		}
		begun := time.Now()
		for done := 0; done < size; done += together {
			if err := s.Update(ctx, func(tx bridge.Tx) error {
				for range together {
					if err := tx.Append(bridge.NewEvent(time.Now(), bridge.ActionSettled,
						bridge.Facts{Operator: "engine", Rule: "wiki.deactivate", Trigger: "deactivate", App: "wiki", Effect: "lock", State: "verified", Attempt: 1, Status: 200},
						bridge.Party{Role: bridge.Subject, Handle: handles[rand.IntN(len(handles))], Payload: []byte(`{"receipt":{"summary":"PATCH /Users/7 → 200","status":200}}`)})); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(size/time.Since(begun).Seconds(), "appended/s")
		begun = time.Now()
		if _, err := s.Seal(ctx); err != nil {
			b.Fatal(err)
		}
		note, err := s.Checkpoint(ctx)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(size/time.Since(begun).Seconds(), "sealed/s")
		if info, err := os.Stat(filepath.Join(dir, "exeunt.db")); err == nil {
			b.ReportMetric(float64(info.Size())/size, "bytes/event")
		}
		at, err := store.OpenSigned(note, s.VerifierKey())
		if err != nil {
			b.Fatal(err)
		}
		proofs(b, s, at)
		export := filepath.Join(b.TempDir(), "export")
		f, err := os.Create(export)
		if err != nil {
			b.Fatal(err)
		}
		begun = time.Now()
		if err := s.ExportLog(ctx, f); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(begun).Seconds(), "s-export")
		for name, distinct := range map[string]bool{"s-verify-export": false, "s-verify-export+ids": true} {
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				b.Fatal(err)
			}
			begun = time.Now()
			if r, _, err := ledger.VerifyExport(f, ledger.Options{VerifierKey: s.VerifierKey(), DistinctIDs: distinct}); err != nil || r.Size != size {
				b.Fatal(r, err)
			}
			b.ReportMetric(time.Since(begun).Seconds(), name)
		}
		if info, err := f.Stat(); err == nil {
			b.ReportMetric(float64(info.Size())/size, "export-bytes/event")
		}
		f.Close()
	}
}

// proofs makes and checks proofs at random places.
func proofs(b *testing.B, s *store.Store, at store.Signed) {
	const n = 2000
	ctx := b.Context()
	var made, checked, madeTree time.Duration
	for range n {
		seq := rand.Int64N(at.Size)
		leaves, err := s.LeavesFrom(ctx, seq, 1)
		if err != nil {
			b.Fatal(err)
		}
		begun := time.Now()
		text, err := s.ProveInclusion(ctx, seq, at)
		made += time.Since(begun)
		if err != nil {
			b.Fatal(err)
		}
		var p proof.TLogProof
		if err := p.Unmarshal(bytes.Clone(text)); err != nil {
			b.Fatal(err)
		}
		var path tlog.RecordProof
		for _, h := range p.Hashes {
			path = append(path, tlog.Hash(h))
		}
		begun = time.Now()
		err = ledger.CheckInclusion(at.Checkpoint, leaves[0], path)
		checked += time.Since(begun)
		if err != nil {
			b.Fatal(err)
		}
		begun = time.Now()
		if _, err = s.ProveConsistency(ctx, seq, at.Size); err != nil {
			b.Fatal(err)
		}
		madeTree += time.Since(begun)
	}
	b.ReportMetric(float64(made.Microseconds())/n, "µs-inclusion")
	b.ReportMetric(float64(checked.Nanoseconds())/n/1000, "µs-check-inclusion")
	b.ReportMetric(float64(madeTree.Microseconds())/n, "µs-consistency")
}
