package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/scim/conformance"
)

// maxToken is the longest token file that is read, in bytes.
const maxToken = 64 << 10

func scimCommand() *cobra.Command {
	var o scimCheck
	c := &cobra.Command{
		Use:   "check URL --token-file FILE",
		Short: "Ask any SCIM server whether it keeps RFC 7643, 7644 and 9865",
		Long: `Asks the SCIM server at URL, over HTTP, what RFC 7643, 7644 and 9865 demand of it: ours, or
an app that you want to connect. URL is the base URL: what comes before /Users. FILE holds
the bearer token and nothing else.

It creates users and groups there, whose names begin with "xc-", and removes them at the
end, also after Ctrl-C. Nobody else is changed, but lists are read: use a test tenant if
you have one. What the server says it does not offer is skipped.

Each check is of a level: MUST, and "feature" for what the server itself announces, decide
the exit code. SHOULD and "dialect" (what Okta and Entra ID really send) are for information.
Under each failure stands what was asked, what was expected, what came, and what a client of
that server will suffer.

Exit code 0 if everything that counts passed, 1 if not, 2 if the server could not be asked.`,
		Example: `  exeunt scim check https://app.example/scim/v2 --token-file app-token
  exeunt scim check https://app.example/scim/v2 --token-file app-token --only 7644-3.5
  exeunt scim check http://127.0.0.1:8080/scim/v2 --token-file t --json --junit scim.xml
  exeunt scim check --list`,
		Args: func(c *cobra.Command, args []string) error {
			if o.list {
				return cobra.NoArgs(c, args)
			}
			if len(args) != 1 {
				return misusef("which server? give its base URL: exeunt scim check https://app.example/scim/v2 --token-file FILE")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if o.list {
				return listChecks(c.OutOrStdout(), o.only)
			}
			// The second signal is not caught: it ends us as signals do.
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			defer context.AfterFunc(ctx, stop)()
			return o.run(ctx, args[0], c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&o.tokenFile, "token-file", "", "`file` with the bearer token")
	f.BoolVar(&o.json, "json", false, "print one JSON document instead of the table")
	f.StringVar(&o.junit, "junit", "", "also write the report to this `file`, as JUnit XML")
	f.StringSliceVar(&o.only, "only", nil, "only checks whose `ID` begins so, such as 7644-3.5; may be repeated")
	f.BoolVar(&o.list, "list", false, "list the checks and ask nobody")
	f.BoolVar(&o.insecure, "insecure-http", false, "send the token over plain http to another machine")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "how long one answer may take")
	c.MarkFlagFilename("token-file")
	c.MarkFlagFilename("junit", "xml")
	return group("scim", "Look at SCIM servers", c)
}

// scimCheck is one exeunt scim check.
type scimCheck struct {
	tokenFile, junit     string
	json, list, insecure bool
	only                 []string
	timeout              time.Duration
}

func (o scimCheck) run(ctx context.Context, url string, w io.Writer) error {
	token, err := readToken(o.tokenFile)
	if err != nil {
		return err
	}
	var shown error
	told := func(r conformance.Result) { shown = errors.Join(shown, r.Line(w)) }
	if o.json {
		told = nil
	}
	report, err := conformance.Run(ctx, conformance.Target{URL: url, Token: token, InsecureHTTP: o.insecure},
		conformance.Options{Only: o.only, Timeout: o.timeout, Told: told})
	if err != nil && ctx.Err() == nil {
		return misusef("%w", err)
	}
	if err := o.tell(report, w); err != nil {
		return err
	}
	switch {
	case shown != nil:
		return failf("the results could not be written: %w", shown)
	case err != nil:
		return failf("it was cut off after %s; the rest was not asked", count(len(report.Results), "check"))
	case !report.Conforms():
		n := report.Count(conformance.Fail, conformance.Must, conformance.Feature) + report.Count(conformance.Error, conformance.Must, conformance.Feature)
		return failf("the server does not conform: %s that count did not pass; run it with --only and an ID to see one again", count(n, "check"))
	}
	return nil
}

// tell writes the report wherever it is wanted.
func (o scimCheck) tell(report conformance.Report, w io.Writer) error {
	if o.junit != "" {
		f, err := os.Create(o.junit)
		if err != nil {
			return misusef("the report cannot be written: %w", err)
		}
		if err := errors.Join(report.JUnit(f), f.Close()); err != nil {
			return failf("the report could not be written: %w", err)
		}
	}
	if o.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(report)
	}
	_, err := fmt.Fprintln(w, report.Summary())
	return err
}

func readToken(file string) (bridge.Secret, error) {
	if file == "" {
		return "", misusef("which token? give the file that holds it: --token-file FILE")
	}
	f, err := os.Open(file)
	if err != nil {
		return "", misusef("the token cannot be read: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", misusef("the token cannot be read: %w", err)
	}
	token := strings.TrimSpace(string(raw))
	if token == "" || len(raw) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", misusef("%s is no token: it must hold one line of visible ASCII characters", plain(file))
	}
	return bridge.Secret(token), nil
}

func listChecks(w io.Writer, only []string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SECTION\tLEVEL\tID\tWHAT MUST BE TRUE")
	for _, c := range conformance.Chosen(only) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", c.Section(), c.Level, c.ID, c.Title)
	}
	return t.Flush()
}
