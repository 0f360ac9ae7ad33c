package server

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/evidence"
	"github.com/exeunt/exeunt/store/ledger"
)

// notarised is a front whose log is signed.
func notarised(t *testing.T) *front {
	t.Helper()
	secret, _, err := ledger.NewKey(ledger.NewOrigin())
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	var kept *store.Store
	settings := defaults()
	settings.Keys = append(settings.Keys, AuditorKey("pwc", auditText))
	f := start(t, settings, nil, func(o *Options) {
		if kept, err = store.Open(t.Context(), store.Options{Dir: t.TempDir(), LogKey: key, Logger: o.Logger}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { kept.Close() })
		o.Store, o.Evidence, o.LogKey = kept, kept, kept.VerifierKey()
		o.Operations = bridge.New(bridge.Options{Store: kept, Logger: o.Logger})
		o.Sign = func(ctx context.Context) ([]byte, error) {
			if _, err := kept.Seal(ctx); err != nil {
				return nil, err
			}
			return kept.Checkpoint(ctx)
		}
	})
	f.store = kept
	return f
}

func TestCertificatePage(t *testing.T) {
	f := notarised(t)
	id := f.departure(t, "grace@example.com")
	var handle bridge.Handle
	browser := []string{"Authorization", "Bearer " + adminText, "Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
	res, page := f.ask(t, "GET", "/v1/cases/"+id+"/certificate", "", browser...)
	if res.StatusCode != 200 || !strings.Contains(page, id) || strings.Contains(page, "grace") {
		t.Errorf("%d %s", res.StatusCode, page)
	}
	if csp := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("a page that may load something, or be kept: %v", res.Header)
	}
	if _, page := f.ask(t, "GET", "/v1/cases/"+id+"/certificate?named=true&sla=fedramp-high", "", browser...); !strings.Contains(page, "grace@example.com") {
		t.Error("the page was to say the name")
	}
	auditor := []string{"Authorization", "Bearer " + auditText, "Accept", "text/html"}
	if res, page := f.ask(t, "GET", "/v1/cases/"+id+"/certificate", "", auditor...); res.StatusCode != 200 || strings.Contains(page, "grace") {
		t.Errorf("an auditor gets %d %s", res.StatusCode, page)
	}
	if res, page := f.ask(t, "GET", "/v1/cases/"+id+"/certificate?named=true", "", auditor...); res.StatusCode != 403 || strings.Contains(page, "grace") {
		t.Errorf("an auditor is told who it is: %d %s", res.StatusCode, page)
	}
	if err := f.store.View(t.Context(), func(tx bridge.Tx) error {
		found, err := tx.Case(id)
		handle = found.Handle
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.Shred(t.Context(), handle); err != nil {
		t.Fatal(err)
	}
	if res, page := f.ask(t, "GET", "/v1/cases/"+id+"/certificate?named=true", "", browser...); res.StatusCode != 200 || strings.Contains(page, "grace") {
		t.Errorf("of somebody who was forgotten: %d %s", res.StatusCode, page)
	}
	for path, want := range map[string]int{"?sla=soon": 400, "?name=true": 400} {
		if res, body := f.ask(t, "GET", "/v1/cases/"+id+"/certificate"+path, "", browser...); res.StatusCode != want {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
	for _, other := range []string{"00000000-0000-7000-8000-000000000000", "x"} {
		if res, _ := f.ask(t, "GET", "/v1/cases/"+other+"/certificate", "", browser...); res.StatusCode != 404 {
			t.Errorf("%s: %d", other, res.StatusCode)
		}
	}
	if res, _ := f.ask(t, "GET", "/v1/cases/"+id+"/certificate", "", "Authorization", "Bearer "+hrText); res.StatusCode != 401 {
		t.Errorf("a source gets %d", res.StatusCode)
	}
}

func TestCertificateBundle(t *testing.T) {
	f := notarised(t)
	id := f.departure(t, "grace@example.com")
	res, body := f.ask(t, "GET", "/v1/cases/"+id+"/certificate", "", "Authorization", "Bearer "+adminText)
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/zip" {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	z, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	if c, _, err := evidence.VerifyBundle(z, f.LogKey); err != nil || c.Departure.Case != id || c.Issue != evidence.Interim {
		t.Errorf("%v, %v", c, err)
	}
}

func TestPopulation(t *testing.T) {
	f := notarised(t)
	first, second := f.departure(t, "grace@example.com"), f.departure(t, "ada@example.com")
	ask := func(query string, want int) string {
		t.Helper()
		res, body := f.ask(t, "GET", "/v1/evidence/population?"+query, "", "Authorization", "Bearer "+adminText)
		if res.StatusCode != want {
			t.Fatalf("%s: %d %s", query, res.StatusCode, body)
		}
		return body
	}
	day := time.Now().UTC().Format(time.DateOnly)
	body := ask("from="+day+"&to=2999-01-01&sla=24h", 200)
	z, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := evidence.VerifyArchive(z, f.LogKey)
	if err != nil || len(v.Departures) != 2 || v.Departures[0].Case != first || v.Departures[1].Case != second || v.Period.SLA != 24*time.Hour || v.Issue != evidence.Interim {
		t.Errorf("%+v, %v", v, err)
	}
	for _, wrong := range []string{"", "from=2026-07-01", "from=2026-07-01&to=2026-07-01", "from=July&to=2026-10-01", "from=2026-07-01&to=2026-10-01&sla=x",
		"from=2026-07-01&to=9999-12-31T23:59:59-12:00", "form=2026-07-01"} {
		ask(wrong, 400)
	}
}

// breaksOff fails after it has written so many bytes.
type breaksOff struct {
	Evidence
	after int
}

func (b breaksOff) WritePopulation(_ context.Context, w io.Writer, _ evidence.Period, _ store.Signed) (evidence.Survey, error) {
	if b.after > 0 {
		io.WriteString(w, strings.Repeat("x", b.after))
	}
	return evidence.Survey{}, errors.New("the disk is gone")
}

// What breaks off in the middle is not taken for the whole.
func TestPopulationBreaksOff(t *testing.T) {
	f := notarised(t)
	f.departure(t, "grace@example.com")
	whole := f.Evidence
	for after, want := range map[int]string{0: "500 problem", 100_000: "200 broken"} {
		f.Evidence = breaksOff{whole, after}
		req, err := http.NewRequestWithContext(t.Context(), "GET", f.url+"/v1/evidence/population?from=2026-07-01&to=2026-10-01", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+adminText)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(res.StatusCode, " problem")
		if _, err := io.ReadAll(res.Body); err != nil {
			got = fmt.Sprint(res.StatusCode, " broken")
		}
		res.Body.Close()
		if got != want || after == 0 && res.Header.Get("Content-Disposition") != "" {
			t.Errorf("after %d bytes: %s %v", after, got, res.Header)
		}
	}
}
