package store_test

import (
	"crypto/rand"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/storetest"
)

// BenchmarkUpdate measures what a deactivation costs: a person read and
// replaced, a case and an event, durable, by 1, 16 and 64 callers.
func BenchmarkUpdate(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("sqlite/%d", callers), func(b *testing.B) {
			updates(b, store.Options{Dir: b.TempDir()}, callers)
		})
	}
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("postgres/%d", callers), func(b *testing.B) {
			updates(b, storetest.OnPostgres(b), callers)
		})
	}
}

func updates(b *testing.B, opts store.Options, callers int) {
	opts.Logger, opts.LogKey = zerolog.Nop(), newKey(b)
	s := open(b, opts)
	people := make([]bridge.Person, 1000)
	if err := s.Update(b.Context(), func(tx bridge.Tx) error {
		for i := range people {
			name := fmt.Sprintf("user%d", i)
			people[i] = bridge.Person{ID: uuid.NewString(), Source: "hr", Handle: bridge.NewHandle(), UserName: name,
				ExternalID: name, DisplayName: name, Emails: []string{name + "@example.org"}, Active: true,
				Resource: make([]byte, 600), Version: 1, Created: time.Now(), Modified: time.Now()}
			if err := tx.PutPerson(people[i]); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	work := make(chan int)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := range work {
				if err := s.Update(b.Context(), func(tx bridge.Tx) error {
					p, err := tx.Person(people[i%len(people)].ID)
					if err != nil {
						return err
					}
					p.Version++
					p.Active = !p.Active
					if err := tx.PutPerson(p); err != nil {
						return err
					}
					c := bridge.Case{ID: uuid.Must(uuid.NewV7()).String(), Source: p.Source, Person: p.ID, Handle: p.Handle, Who: p.Identifiers(),
						Trigger: bridge.Deactivated, State: bridge.CaseOpen, Opened: time.Now()}
					if err := tx.PutCase(c); err != nil {
						return err
					}
					e := bridge.Event{At: time.Now(), Type: bridge.CaseOpened, Facts: bridge.Facts{Source: p.Source, Case: c.ID},
						Parties: []bridge.Party{{Role: bridge.Subject, Handle: p.Handle, Payload: []byte(`{"userName":"` + p.UserName + `"}`)}}}
					rand.Read(e.ID[:])
					e.Request = uuid.MustParse(c.ID)
					return tx.Append(e)
				}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	n := 0
	begun := time.Now()
	for b.Loop() {
		work <- n
		n++
	}
	close(work)
	wg.Wait()
	b.ReportMetric(float64(n)/time.Since(begun).Seconds(), "updates/s")
}
