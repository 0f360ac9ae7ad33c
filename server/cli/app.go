package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/bridge"
)

func appCommand() *cobra.Command {
	check := &cobra.Command{
		Use:   "check [APP…]",
		Short: "Ask each app whether it can be reached, and list what it can do",
		Long: `Probes each app with its own credentials, which changes nothing there, and lists the
effects it offers: what each covers, whether it can be undone, and whether the app
lets us check it. What is not listed is impossible there, and each case says so.
Exit code 1 if an app does not answer as it should.`,
		Example: `  exeunt app check
  exeunt app check wiki crm`,
		RunE: func(c *cobra.Command, names []string) error {
			config, apps, err := loadConfig(c)
			if err != nil {
				return err
			}
			// An app that needs a key which is not there yet says so itself.
			_ = config.LoadOIDC(false)
			_, _ = config.SAMLAuthority(false, zerolog.Nop())
			if apps, err = chosen(apps, names); err != nil {
				return err
			}
			if len(apps) == 0 {
				return misusef("no apps are registered; add some under apps: in %s", defaultConfig)
			}
			problems := probe(c.Context(), apps)
			if err := listApps(c.OutOrStdout(), apps, problems); err != nil {
				return err
			}
			if n := len(slices.DeleteFunc(problems, func(e error) bool { return e == nil })); n > 0 {
				return failf("%s not in order; see PROBLEM above", count(n, "app"))
			}
			return nil
		},
	}
	return group("app", "Look at the registered apps", check)
}

// chosen returns the apps with the given names, or all.
func chosen(apps []bridge.App, names []string) (some []bridge.App, err error) {
	if len(names) == 0 {
		return apps, nil
	}
	for _, name := range names {
		i := slices.IndexFunc(apps, func(a bridge.App) bool { return a.Name == name })
		if i < 0 {
			return nil, misusef("there is no app %q in the configuration; exeunt app check lists all", name)
		}
		some = append(some, apps[i])
	}
	return some, nil
}

// probe asks all apps at once and returns what is wrong with each.
func probe(ctx context.Context, apps []bridge.App) []error {
	problems := make([]error, len(apps))
	var wait sync.WaitGroup
	for i, a := range apps {
		wait.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
			defer cancel()
			problems[i] = a.Connector.Probe(ctx)
		})
	}
	wait.Wait()
	return problems
}

func listApps(w io.Writer, apps []bridge.App, problems []error) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "APP\tCONNECTOR\tEFFECT\tCOVERS\tUNDO\tCHECK\tPROBLEM")
	for i, a := range apps {
		problem := "-"
		if problems[i] != nil {
			problem = problems[i].Error()
		}
		name, protocol := a.Name, a.Protocol
		for _, c := range a.Connector.Capabilities() {
			covers := "-"
			if len(c.Covers) > 0 {
				covers = strings.Join(c.Covers, ", ")
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, protocol, c.Effect, covers, yes(c.Undo), yes(c.Checked), problem)
			name, protocol, problem = "", "", ""
		}
		if name != "" { // it offers nothing
			fmt.Fprintf(t, "%s\t%s\t-\t-\t-\t-\t%s\n", name, protocol, problem)
		}
	}
	return t.Flush()
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
