package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/server"
)

func caseCommand() *cobra.Command {
	return group("case", "Look at departures, and help those that are stuck",
		caseListCommand(), caseShowCommand(), caseCertificateCommand(),
		caseOrderCommand("retry", "Send what is stuck in a case on its way again",
			`  exeunt case retry 0199c1d2-…     after you have mended what was stuck`, nil),
		caseOrderCommand("restore", "Carry out the restore that is offered on a case",
			`  exeunt case restore 0199c1d2-…             in all apps
  exeunt case restore 0199c1d2-… --app wiki  in one`, new(string)))
}

func caseListCommand() *cobra.Command {
	var states []string
	var limit int
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List departures and where they stand, newest first",
		Long:  "Reads the database of this configuration; exeunt serve may be running.",
		Example: `  exeunt case list
  exeunt case list --state stuck
  exeunt case list --json | jq -r '.[].id'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var wanted []bridge.CaseState
			for _, s := range states {
				if !slices.Contains(bridge.CaseStates, bridge.CaseState(s)) {
					return misusef("there is no state %q; known are %v", s, bridge.CaseStates)
				}
				wanted = append(wanted, bridge.CaseState(s))
			}
			if limit < 1 || limit > 10000 {
				return misusef("--limit must be from 1 to 10000")
			}
			cases := []server.Case{}
			err := view(c, func(tx bridge.Tx) error {
				found, err := tx.Cases(wanted, time.Time{}, limit)
				for _, one := range found {
					cases = append(cases, server.ShowCase(one, nil))
				}
				return err
			})
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(c.OutOrStdout(), cases)
			}
			return printCases(c.OutOrStdout(), cases)
		},
	}
	c.Flags().StringSliceVar(&states, "state", nil, "only cases in these `states`: open, running, stuck, closed, cancelled")
	c.Flags().IntVar(&limit, "limit", 50, "at most `n` cases")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.RegisterFlagCompletionFunc("state", func(*cobra.Command, []string, string) (words []string, _ cobra.ShellCompDirective) {
		for _, s := range bridge.CaseStates {
			words = append(words, string(s))
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	})
	return c
}

func caseShowCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show a departure: each door, the app's answer, and the check",
		Example: `  exeunt case show 0199c1d2-…
  exeunt case show 0199c1d2-… --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var shown server.Case
			err := view(c, func(tx bridge.Tx) error {
				found, err := tx.Case(args[0])
				if err != nil {
					return err
				}
				actions, err := tx.Actions(args[0])
				shown = server.ShowCase(found, actions)
				return err
			})
			switch {
			case bridge.IsKind(err, bridge.KindNotFound):
				return failf("there is no case %q; exeunt case list lists all", plain(args[0]))
			case err != nil:
				return err
			case asJSON:
				return printJSON(c.OutOrStdout(), shown)
			}
			return printCase(c.OutOrStdout(), shown)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// caseOrderCommand is a command that a running exeunt carries out. With an
// app, it may be for one app only.
func caseOrderCommand(verb, short, example string, app *string) *cobra.Command {
	c := &cobra.Command{
		Use:     verb + " ID",
		Short:   short,
		Long:    "Asks the running exeunt, with the administrator's token of this configuration.",
		Example: example,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			config, err := configOf(c)
			if err != nil {
				return err
			}
			api, err := clientOf(c, config)
			if err != nil {
				return err
			}
			var body any
			if app != nil {
				body = map[string]string{"app": *app}
			}
			var shown server.Case
			if err := api.call(c.Context(), "POST", "/v1/cases/"+url.PathEscape(args[0])+"/"+verb, body, &shown); err != nil {
				return err
			}
			return printCase(c.OutOrStdout(), shown)
		},
	}
	if app != nil {
		c.Flags().StringVar(app, "app", "", "only in this `app`")
	}
	c.Flags().String("url", "", "where exeunt listens, if not as configured: http://host:port")
	return c
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func printCases(w io.Writer, cases []server.Case) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CASE\tSTATE\tTRIGGER\tSOURCE\tOPENED\tPERSON")
	for _, c := range cases {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", c.ID, c.State, c.Trigger, c.Source, stamp(c.Opened), who(c))
	}
	return t.Flush()
}

func printCase(w io.Writer, c server.Case) error {
	fmt.Fprintf(w, "case     %s\nperson   %s (%s in the log)\nsource   %s, %s\nopened   %s\nstate    %s\n",
		c.ID, who(c), c.Handle, c.Source, c.Trigger, stamp(c.Opened), c.State)
	if c.Closed != nil {
		fmt.Fprintf(w, "closed   %s, after %s\n", stamp(*c.Closed), c.Closed.Sub(c.Opened).Round(time.Millisecond))
	}
	if c.Back != nil {
		fmt.Fprintf(w, "returned %s\n", stamp(*c.Back))
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "APP\tEFFECT\tSTATE\tTRIES\tANSWER\tCHECK\tPROBLEM")
	for _, a := range c.Actions {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", a.App, a.Effect, a.State, a.Attempts,
			summary(a.Done), summary(a.Checked), dash(plain(a.Problem)))
	}
	return t.Flush()
}

func summary(r *bridge.Receipt) string {
	if r == nil {
		return "-"
	}
	if r.Word != "" {
		return plain(r.Word + ": " + r.Summary)
	}
	return dash(plain(r.Summary))
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// who is by what a case's person is known to people.
func who(c server.Case) string {
	if c.Who.UserName == "" {
		return "(forgotten)"
	}
	return plain(c.Who.UserName)
}
