package cli

import (
	"fmt"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/server"
)

func retainedCommand() *cobra.Command {
	return group("retained", "Recognise some of those who were forgotten, where that is lawful",
		retainedAskCommand(), retainedListCommand(), retainedDestroyCommand())
}

func retainedAskCommand() *cobra.Command {
	var person, caseID, purpose, approver string
	var keep time.Duration
	c := &cobra.Command{
		Use:   "ask --purpose NAME --approver WHO --for TIME (--case ID | --person ID)",
		Short: "Have somebody recognised again after they are forgotten",
		Long: `When that person is forgotten, a keyed hash of their user name and of each e-mail address
is kept, for that purpose and that long. The purpose, its legal basis and its document stand
in the configuration (retained:). Nothing is kept unless it is asked for before.`,
		Example: `  exeunt retained ask --case 0199c1d2-… --purpose fraud --approver "C. Meyer" --for 4380h`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := configOf(c)
			if err != nil {
				return err
			}
			api, err := clientOf(c, config)
			if err != nil {
				return err
			}
			until := time.Now().Add(keep)
			body := map[string]any{"case": caseID, "person": person, "purpose": purpose, "approver": approver, "expires": until}
			if err := api.call(c.Context(), "POST", "/v1/retained", body, nil); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "to be recognised for %s until %s, once they are forgotten\n", plain(purpose), stamp(until))
			return err
		},
	}
	c.Flags().StringVar(&person, "person", "", "`id` of the person")
	c.Flags().StringVar(&caseID, "case", "", "or `id` of a case of theirs")
	c.Flags().StringVar(&purpose, "purpose", "", "`name` of the purpose in the configuration")
	c.Flags().StringVar(&approver, "approver", "", "`who` approved it")
	c.Flags().DurationVar(&keep, "for", 0, "how `long`, from now on, such as 4380h")
	for _, name := range []string{"purpose", "approver", "for"} {
		c.MarkFlagRequired(name)
	}
	c.MarkFlagsOneRequired("person", "case")
	c.MarkFlagsMutuallyExclusive("person", "case")
	c.Flags().String("url", "", "where exeunt listens, if not as configured: http://host:port")
	return c
}

func retainedListCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List retained tokens: for what, on what ground, until when",
		Long:  "Whose they are nobody can say: that is what they are for.",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var list []server.Retained
			err := view(c, func(tx bridge.Tx) (err error) {
				list, err = server.ShowRetained(tx)
				return err
			})
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(c.OutOrStdout(), list)
			}
			t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "TOKEN\tPURPOSE\tMADE\tEXPIRES\tBASIS\tDOCUMENT\tAPPROVER")
			for _, r := range list {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Purpose, stamp(r.Made), stamp(r.Expires), plain(r.Basis), plain(r.Document), plain(r.Approver))
			}
			return t.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func retainedDestroyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "destroy ID",
		Short: "Destroy a retained token before its time",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			config, err := configOf(c)
			if err != nil {
				return err
			}
			api, err := clientOf(c, config)
			if err != nil {
				return err
			}
			if err := api.call(c.Context(), "DELETE", "/v1/retained/"+url.PathEscape(args[0]), nil, nil); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "retained token %s is destroyed\n", plain(args[0]))
			return err
		},
	}
	c.Flags().String("url", "", "where exeunt listens, if not as configured: http://host:port")
	return c
}
