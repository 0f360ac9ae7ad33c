package store_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

// BenchmarkAppend is durable events, one a transaction, whose writers share commits:
// with nothing personal in them, and with a payload that is sealed.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 16} {
		for name, payload := range map[string][]byte{"bare": nil, "sealed": []byte(`{"receipt":{"summary":"PATCH /Users/7 → 200","status":200}}`)} {
			b.Run(fmt.Sprintf("%s/%d", name, callers), func(b *testing.B) {
				s := open(b, store.Options{Dir: filepath.Join(b.TempDir(), "data")})
				handle := bridge.NewHandle()
				b.SetParallelism(callers)
				b.ResetTimer()
				b.RunParallel(func(next *testing.PB) {
					for next.Next() {
						if err := s.Update(b.Context(), func(tx bridge.Tx) error {
							return tx.Append(bridge.NewEvent(time.Now(), bridge.ActionSettled, bridge.Facts{App: "wiki", Effect: "lock"},
								bridge.Party{Role: bridge.Subject, Handle: handle, Payload: payload}))
						}); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}
