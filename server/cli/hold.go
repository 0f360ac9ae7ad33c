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

func holdCommand() *cobra.Command {
	return group("hold", "Legal holds: what must be kept, and until when somebody looks again",
		holdPlaceCommand(), holdListCommand(), holdLiftCommand(), holdReviewCommand())
}

func holdPlaceCommand() *cobra.Command {
	var body struct {
		Case      string    `json:"case,omitempty"`
		Person    string    `json:"person,omitempty"`
		Handle    string    `json:"handle,omitempty"`
		Source    string    `json:"source,omitempty"`
		Everybody bool      `json:"everybody,omitempty"`
		Basis     string    `json:"basis"`
		Approver  string    `json:"approver"`
		Review    time.Time `json:"review"`
	}
	var review time.Duration
	c := &cobra.Command{
		Use:   "place --basis WHY --approver WHO (--person ID | --case ID | --handle HANDLE | --source NAME | --everybody)",
		Short: "Place a legal hold",
		Long: `While it stands, nothing of those in its scope is erased, anonymised or deleted, in apps or
here. Access is taken away all the same: accounts are locked, and sessions, tokens, keys and
roles removed.`,
		Example: `  exeunt hold place --case 0199c1d2-… --basis "Smith v. Acme" --approver "C. Meyer" --review 2160h
  exeunt hold place --source workday --basis "audit 2026" --approver "C. Meyer"`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			body.Review = time.Now().Add(review)
			return holdCall(c, "", body, "placed")
		},
	}
	c.Flags().StringVar(&body.Person, "person", "", "on a person, by `id`")
	c.Flags().StringVar(&body.Case, "case", "", "by the `id` of a case of theirs")
	c.Flags().StringVar(&body.Handle, "handle", "", "or by their `name` in the log")
	c.Flags().StringVar(&body.Source, "source", "", "on everybody of a source, by its `name`")
	c.Flags().BoolVar(&body.Everybody, "everybody", false, "on everybody")
	c.Flags().StringVar(&body.Basis, "basis", "", "`why`")
	c.Flags().StringVar(&body.Approver, "approver", "", "`who` approved it")
	c.Flags().DurationVar(&review, "review", 90*24*time.Hour, "how `long` until somebody has to look again")
	c.MarkFlagRequired("basis")
	c.MarkFlagRequired("approver")
	c.MarkFlagsOneRequired("person", "case", "handle", "source", "everybody")
	c.MarkFlagsMutuallyExclusive("person", "case", "handle", "source", "everybody")
	c.Flags().String("url", "", "where exeunt listens, if not as configured: http://host:port")
	return c
}

func holdCall(c *cobra.Command, below string, body any, did string) error {
	config, err := configOf(c)
	if err != nil {
		return err
	}
	api, err := clientOf(c, config)
	if err != nil {
		return err
	}
	var h server.Hold
	if err := api.call(c.Context(), "POST", "/v1/holds"+below, body, &h); err != nil {
		return err
	}
	if h.Lifted == nil && h.Review != nil {
		did += "; somebody has to look again by " + stamp(*h.Review)
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "hold %s is %s\n", h.ID, did)
	return err
}

func holdLiftCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "lift ID",
		Short:   "Lift a hold; what waited for it goes on at once",
		Example: "  exeunt hold lift 0199c1d2-…",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return holdCall(c, "/"+url.PathEscape(args[0])+"/lift", nil, "lifted")
		},
	}
	c.Flags().String("url", "", "where exeunt listens, if not as configured: http://host:port")
	return c
}

func holdReviewCommand() *cobra.Command {
	var next time.Duration
	c := &cobra.Command{
		Use:     "review ID",
		Short:   "Note that you have looked, and that the hold is still needed",
		Example: "  exeunt hold review 0199c1d2-… --next 2160h",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return holdCall(c, "/"+url.PathEscape(args[0])+"/review", map[string]time.Time{"review": time.Now().Add(next)}, "kept")
		},
	}
	c.Flags().DurationVar(&next, "next", 90*24*time.Hour, "how `long` until somebody has to look again")
	c.Flags().String("url", "", "where exeunt listens, if not as configured: http://host:port")
	return c
}

func holdListCommand() *cobra.Command {
	var all, asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the holds that stand",
		Long:  "Reads the database of this configuration; exeunt serve may be running.",
		Example: `  exeunt hold list
  exeunt hold list --all --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			list := []server.Hold{}
			err := view(c, func(tx bridge.Tx) error {
				found, err := tx.Holds(all, 10000)
				for _, h := range found {
					list = append(list, server.ShowHold(h))
				}
				return err
			})
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(c.OutOrStdout(), list)
			}
			t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "HOLD\tON\tSTATE\tPLACED\tREVIEW\tBASIS\tAPPROVER")
			for _, h := range list {
				on, state, review := h.Scope, "stands", "-"
				if h.Handle+h.Source != "" {
					on += " " + h.Handle + h.Source
				}
				if h.Review != nil {
					review = stamp(*h.Review)
				}
				switch {
				case h.Lifted != nil:
					state = "lifted"
				case h.Overdue:
					state = "overdue"
				}
				basis := h.Basis
				if h.Says != "" {
					basis = "said by " + h.Says
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.ID, on, state, stamp(h.Placed), review, dash(plain(basis)), dash(plain(h.Approver)))
			}
			return t.Flush()
		},
	}
	c.Flags().BoolVar(&all, "all", false, "also those that were lifted")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
