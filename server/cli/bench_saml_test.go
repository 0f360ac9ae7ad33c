package cli

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector"
	"github.com/exeunt/exeunt/bridge/connector/saml"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
	"github.com/exeunt/exeunt/server"
	"github.com/exeunt/exeunt/testdata/peers"
)

// BenchmarkTearDown is how long it takes until a thousand people who leave at once
// have no session left in ten SAML apps, with the real engine and store, and how
// much memory that takes. The apps' own work, in the same process, is in it:
// each message is signed and verified on both sides.
//
//	go test ./server/cli -run xxx -bench TearDown -benchtime 1x
func BenchmarkTearDown(b *testing.B) {
	const people, apps, concurrency = 1000, 10, 4
	for range b.N {
		dir := b.TempDir()
		write := func(name, text string) string {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				b.Fatal(err)
			}
			return path
		}
		us := saml.NewAuthority(saml.Options{BaseURL: "https://us.example", Keys: []string{write("key.pem", peers.NewKey(b, "exeunt").File())}, Now: time.Now})
		if err := us.Load(false); err != nil {
			b.Fatal(err)
		}
		theirs := peers.NewKey(b, "app").Private
		var list []bridge.App
		var sites []*sandbox.Provider
		for i := range apps {
			site, err := sandbox.StartProvider(sandbox.Options{}, sandbox.Federation{Issuer: us.EntityID(), Key: theirs,
				Certificates: []*x509.Certificate{us.Pairs()[0].Certificate}})
			if err != nil {
				b.Fatal(err)
			}
			defer site.Close()
			config := &saml.Config{Role: "hub", NameID: &saml.NameIDConfig{Value: "userName"},
				Origin: saml.Origin{Metadata: write(fmt.Sprintf("app%d.xml", i), string(site.Metadata())),
					Egress: connector.Egress{AllowNetworks: []string{"127.0.0.1/32"}}}}
			name := fmt.Sprintf("app%d", i)
			c, err := connector.Open("saml", config, name, connector.Self{SAML: us})
			if err != nil {
				b.Fatal(err)
			}
			list = append(list, bridge.App{Name: name, Protocol: "saml", Connector: c, Limits: bridge.Limits{Concurrency: concurrency, Rate: 1000},
				Policy: bridge.Policy{bridge.Deactivated: {bridge.Revoke}}})
			sites = append(sites, site)
			for p := range people {
				site.SignIn(sandbox.Guest{Value: fmt.Sprintf("p%d@example.com", p)})
			}
		}
		if err := us.Load(false); err != nil { // the partners' metadata
			b.Fatal(err)
		}
		x := &bench{}
		x.token, _ = server.NewToken(server.SCIMToken)
		admin, _ := server.NewToken(server.AdminToken)
		c, _, _, err := server.LoadConfig(write("exeunt.yaml", fmt.Sprintf("listen: 127.0.0.1:0\ndata: data\nadmin_token: file:%s\n"+
			"sources: {hr: {token: file:%s}}\nlimits: {rate: 100000, burst: 100000}\n", write("admin", admin), write("token", x.token))))
		if err != nil {
			b.Fatal(err)
		}
		if x.running, err = start(b.Context(), c, list, c.AdminToken, zerolog.New(os.Stderr).Level(zerolog.WarnLevel)); err != nil {
			b.Fatal(err)
		}
		ids := make([]string, people)
		for i := range ids {
			ids[i] = x.person(b, i)
		}
		live := func() (n int) {
			for _, s := range sites {
				n += s.SignedIn(sandbox.Guest{})
			}
			return n
		}
		if n := live(); n != people*apps {
			b.Fatalf("%d sessions before", n)
		}
		runtime.GC()
		var before, now runtime.MemStats
		runtime.ReadMemStats(&before)
		most := before.HeapInuse
		b.ResetTimer()
		var all sync.WaitGroup
		for w := range 16 {
			all.Go(func() {
				for i := w; i < people; i += 16 {
					x.call(b, "PATCH", "/Users/"+ids[i], off)
				}
			})
		}
		all.Wait()
		accepted := b.Elapsed()
		for live() > 0 {
			time.Sleep(20 * time.Millisecond)
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapInuse)
		}
		b.ReportMetric(accepted.Seconds(), "accepted-s")
		b.ReportMetric(b.Elapsed().Seconds(), "dead-s")
		b.ReportMetric(float64(people*apps)/b.Elapsed().Seconds(), "sessions/s")
		b.ReportMetric(float64(before.HeapInuse)/(1<<20), "MiB-before")
		b.ReportMetric(float64(most)/(1<<20), "MiB-most")
		b.StopTimer()
		asked, atOnce := 0, 0
		for _, s := range sites {
			asked, atOnce = asked+len(s.Asked()), max(atOnce, s.AtOnce())
		}
		b.ReportMetric(float64(asked), "requests")
		b.ReportMetric(float64(atOnce), "at-once")
		if atOnce > concurrency {
			b.Errorf("an app was asked %d times at once, and %d is its limit", atOnce, concurrency)
		}
		x.stop(b.Context())
	}
}
