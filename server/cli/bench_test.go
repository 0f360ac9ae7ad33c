package cli

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge/connector/sandbox"
	"github.com/exeunt/exeunt/server"
	"github.com/exeunt/exeunt/store/storetest"
)

// bench is exeunt with some webhook apps.
type bench struct {
	*running
	token string
	hooks []*sandbox.Hook
}

func newBench(b *testing.B, apps int, database string) *bench {
	b.Helper()
	dir := b.TempDir()
	t, _ := server.NewToken(server.SCIMToken)
	admin, _ := server.NewToken(server.AdminToken)
	x := &bench{token: t}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	write("token", t)
	write("admin", admin)
	config := fmt.Sprintf("listen: 127.0.0.1:0\ndata: %s/data\nadmin_token: file:%[1]s/admin\nsources: {hr: {token: file:%[1]s/token}}\n"+
		"limits: {rate: 100000, burst: 100000}\n", dir)
	if database != "" {
		write("database", database)
		config += fmt.Sprintf("database: file:%s/database\n", dir)
	}
	if apps > 0 {
		config += "apps:\n"
	}
	for i := range apps {
		hook, err := sandbox.StartHook(sandbox.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { hook.Close() })
		x.hooks = append(x.hooks, hook)
		write(fmt.Sprintf("secret%d", i), hook.Admin())
		config += fmt.Sprintf("  app%d: {connector: webhook, with: {url: %q, secrets: [file:%s/secret%[1]d], check: true, allow_networks: [127.0.0.1/32]},"+
			" policy: {deactivate: [lock]}, limits: {concurrency: 8, rate: 1000}}\n", i, hook.HookURL(), dir)
	}
	write("exeunt.yaml", config)
	c, list, _, err := server.LoadConfig(filepath.Join(dir, "exeunt.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	if x.running, err = start(b.Context(), c, list, c.AdminToken, zerolog.New(os.Stderr).Level(zerolog.WarnLevel)); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { x.running.stop(b.Context()) })
	return x
}

func (x *bench) call(b *testing.B, method, path, body string) string {
	r, err := http.NewRequest(method, x.URL+"/scim/v2"+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+x.token)
	r.Header.Set("Content-Type", "application/scim+json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		b.Fatalf("%s %s answered %d: %s", method, path, resp.StatusCode, answer)
	}
	return string(answer)
}

func (x *bench) person(b *testing.B, i int) (id string) {
	answer := x.call(b, "POST", "/Users", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"p%d@example.com","active":true}`, i))
	_, rest, _ := strings.Cut(answer, `"id":"`)
	id, _, _ = strings.Cut(rest, `"`)
	return id
}

const off = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"active","value":false}]}`

// BenchmarkFirstCall is the time from a PATCH's answer, which comes with its
// commit, to the first call of an app, with one app and with five, and
// departures apart from each other.
func BenchmarkFirstCall(b *testing.B) {
	for _, apps := range []int{1, 5} {
		b.Run(fmt.Sprintf("sqlite/apps=%d", apps), func(b *testing.B) { firstCall(b, newBench(b, apps, "")) })
		b.Run(fmt.Sprintf("postgres/apps=%d", apps), func(b *testing.B) { firstCall(b, newBench(b, apps, storetest.Postgres(b))) })
	}
}

func firstCall(b *testing.B, x *bench) {
	ids := make([]string, b.N)
	for i := range ids {
		ids[i] = x.person(b, i+int(time.Now().UnixNano()%1e9)*1000)
	}
	var waits []time.Duration
	b.ResetTimer()
	for _, id := range ids {
		time.Sleep(time.Duration(20+id[35]%60) * time.Millisecond) // people leave one by one
		x.call(b, "PATCH", "/Users/"+id, off)
		answered := time.Now()
		first := time.Time{}
		for first.IsZero() {
			for _, h := range x.hooks {
				for _, m := range h.Messages() {
					if !bytes.Contains(m.Data, []byte(id)) {
						continue
					}
					for _, a := range h.Asked() {
						if a.Key == m.ID && (first.IsZero() || a.At.Before(first)) {
							first = a.At
						}
					}
				}
			}
			time.Sleep(time.Millisecond)
		}
		waits = append(waits, first.Sub(answered))
	}
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkDepartures is how many departures a second are accepted and ended,
// from 16 callers, with five apps.
func BenchmarkDepartures(b *testing.B) {
	x := newBench(b, 5, "")
	ids := make([]string, b.N)
	for i := range ids {
		ids[i] = x.person(b, i)
	}
	b.ResetTimer()
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := w; i < len(ids); i += 16 {
				x.call(b, "PATCH", "/Users/"+ids[i], off)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "accepted/s")
	for {
		done := 0
		for _, h := range x.hooks {
			done += len(h.Messages())
		}
		if done == 5*b.N {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	b.ReportMetric(float64(5*b.N)/b.Elapsed().Seconds(), "calls/s")
}
