package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/server"
)

func sessionCommand() *cobra.Command {
	c := group("session", "See what is known of people's sessions", sessionListCommand())
	c.Long = `To end a session, an app must be told which. What follows from no template (name_id of saml,
subject of oidc) is told by whoever signs people in: feeds in the configuration, POST /v1/sessions.
When somebody leaves, what is known here is ended, in the case of their departure.`
	c.Example = `  exeunt session list --person ada@example.com    what would be ended, if she left now?
  exeunt case show 0199c1d2-…                     what was ended, and what is proven?`
	return c
}

func sessionListCommand() *cobra.Command {
	var person string
	var asJSON bool
	c := &cobra.Command{
		Use:   "list --person NAME",
		Short: "List what is known of a person's sessions, newest first",
		Long: `Says in which apps, what kind, who told, and until when it is kept; never names, tokens or
cookies. Reads the database of this configuration; exeunt serve may be running.`,
		Example: `  exeunt session list --person ada@example.com
  exeunt session list --person 3a2e3c5e-… --json   whoever was deleted is known by id`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := configOf(c)
			if err != nil {
				return err
			}
			var list []server.Session
			err = view(c, func(tx bridge.Tx) (err error) {
				list, err = server.ShowSessions(tx, slices.Sorted(maps.Keys(config.Sources)), person, time.Now())
				return err
			})
			switch {
			case bridge.IsKind(err, bridge.KindNotFound):
				return failf("%w; whoever was deleted is known by id only", err)
			case err != nil:
				return err
			case asJSON:
				return printJSON(c.OutOrStdout(), list)
			}
			t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "SESSION\tAPP\tKNOWN\tTOLD BY\tTOLD\tKEPT UNTIL")
			for _, s := range list {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.App, strings.Join(s.Known, ","), plain(s.By), stamp(s.Learned), stamp(s.Expires))
			}
			return t.Flush()
		},
	}
	c.Flags().StringVar(&person, "person", "", "whose: user `name` or id")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.MarkFlagRequired("person")
	return c
}
