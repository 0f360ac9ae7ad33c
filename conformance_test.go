package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/scim/conformance"
	"github.com/exeunt/exeunt/store/storetest"
)

// TestConformance has the whole suite of scim/conformance ask the real product,
// on both databases: nothing may fail. Each check is a subtest of its name.
func TestConformance(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { conforms(t, "") })
	t.Run("postgres", func(t *testing.T) { conforms(t, storetest.Postgres(t)) })
}

func conforms(t *testing.T, database string) {
	config := "log: {level: warn}\npublic_url: https://exeunt.example.com\nsources:\n  hr: {token: file:hr-token}\n  entra: {token: file:entra-token, dialect: entra}\n"
	if database != "" {
		config = "database: env:EXEUNT_DATABASE\n" + config
	}
	const entraToken = "entra-token-0123456789abcdef0123456789"
	p := newProduct(t, config, map[string]string{"entra-token": entraToken})
	p.env = []string{"EXEUNT_DATABASE=" + database}
	p.start()
	for _, r := range ask(t, p.url+"/scim/v2", hrToken).Results {
		if r.Outcome == conformance.Fail && strings.Contains(r.Check.ID, "-entra-") {
			// What Entra needs may be understood from Entra only.
			r = ask(t, p.url+"/scim/v2", entraToken, r.Check.ID).Results[0]
		}
		t.Run(r.Check.ID, func(t *testing.T) {
			switch r.Outcome {
			case conformance.Skip:
				t.Log(r.Why)
			case conformance.Error:
				t.Error(r.Why)
			case conformance.Fail:
				t.Errorf("%s\nasked     %s\nexpected  %s\ncame      %s", r.Check.Title, r.Finding.Asked, r.Finding.Expected, r.Finding.Came)
			}
		})
	}
}

// ask runs the suite, which must leave nothing behind.
func ask(t *testing.T, url, token string, only ...string) conformance.Report {
	t.Helper()
	report, err := runSuite(t, url, token, only...)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Left) > 0 {
		t.Errorf("the suite left %s behind", strings.Join(report.Left, ", "))
	}
	return report
}

func runSuite(t *testing.T, url, token string, only ...string) (conformance.Report, error) {
	return conformance.Run(t.Context(), conformance.Target{URL: url, Token: bridge.Secret(token)}, conformance.Options{Only: only})
}

// TestConformanceThirdParty has the suite ask an application that nobody here
// wrote. testdata/thirdparty/findings.json says what it finds there: under "",
// what that application really fails; under a planted fault, which checks it
// turns red beside those. Others must not change.
func TestConformanceThirdParty(t *testing.T) {
	text, err := os.ReadFile("testdata/thirdparty/findings.json")
	if err != nil {
		t.Fatal(err)
	}
	var findings map[string][]string
	if err := json.Unmarshal(text, &findings); err != nil || len(findings[""]) == 0 {
		t.Fatalf("%d findings, %v", len(findings[""]), err)
	}
	for fault, more := range findings {
		t.Run(fmt.Sprintf("fault %s", fault), func(t *testing.T) {
			t.Parallel()
			var app thirdParty
			if fault == "" {
				app = startThirdParty(t)
			} else {
				app = startThirdParty(t, fault)
			}
			report, err := runSuite(t, app.url, app.token)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range report.Results {
				known := slices.Contains(findings[""], r.Check.ID) || slices.Contains(more, r.Check.ID)
				switch {
				case r.Outcome == conformance.Error:
					t.Errorf("%s could not be found out: %s", r.Check.ID, r.Why)
				case r.Outcome == conformance.Fail && !known:
					t.Errorf("%s failed: asked %s, expected %s, came %s", r.Check.ID, r.Finding.Asked, r.Finding.Expected, r.Finding.Came)
				case r.Outcome != conformance.Fail && slices.Contains(more, r.Check.ID), r.Outcome == conformance.Pass && fault == "" && known:
					t.Errorf("%s: %s, and should fail", r.Check.ID, r.Outcome)
				}
			}
		})
	}
}
