package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/server"
)

func eraseLinkCommand() *cobra.Command {
	var person, caseID, law, good string
	c := &cobra.Command{
		Use:   "link (--case ID | --person ID)",
		Short: "Make an address by which a person asks for themselves to be forgotten",
		Long: `Prints an address to be sent to that person, and to nobody else: whoever opens it and
confirms is believed to be them. It is good once, for a week unless said otherwise, and is
shown this once. It needs public_url.`,
		Example: `  exeunt erase link --case 0199c1d2-… --law ccpa`,
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
			var l server.Link
			body := map[string]string{"case": caseID, "person": person, "law": law, "good_for": good}
			if err := api.call(c.Context(), "POST", "/v1/erasures/links", body, &l); err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), "Good once, until %s; send it to that person only:\n", stamp(l.Expires))
			_, err = fmt.Fprintln(c.OutOrStdout(), l.URL)
			return err
		},
	}
	c.Flags().StringVar(&person, "person", "", "`id` of the person")
	c.Flags().StringVar(&caseID, "case", "", "or `id` of a case of theirs")
	c.Flags().StringVar(&law, "law", "", "`name` of the law, if not that of the configuration")
	c.Flags().StringVar(&good, "for", "", "how `long` it is good, such as 72h; default 168h, at most 744h")
	c.MarkFlagsOneRequired("person", "case")
	c.MarkFlagsMutuallyExclusive("person", "case")
	c.Flags().String("url", "", "where exeunt listens, if not as configured: http://host:port")
	return c
}
