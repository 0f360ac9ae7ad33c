package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/store"
)

func keysCommand() *cobra.Command {
	return group("keys", "Look at the keys that seal what is kept of people, and end their epoch",
		keysShowCommand(), keysRotateCommand())
}

func keysShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show where the keys are, since when, and until when copies can be read",
		Long: `Everything that is kept of a person is sealed under a key of that person, and all those
keys under the key of an epoch, which stands in the key file. When an epoch ends, its key
is destroyed: no older copy of the database, wherever it is, can be read from then on.

Keep a copy of the key file where copies of the database are not: without it nothing that
is kept of people can be read.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := configOf(c)
			if err != nil {
				return err
			}
			s, err := readStore(c)
			if err != nil {
				return err
			}
			defer s.Close()
			keys, err := s.Keys()
			if err != nil {
				return failf("the keys cannot be read: %w", err)
			}
			number, begun := keys.Epoch()
			t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintf(t, "key file\t%s\n", config.KeyFile())
			fmt.Fprintf(t, "epoch\t%d, since %s\n", number, stamp(begun))
			fmt.Fprintf(t, "ends\t%s\n", stamp(begun.Add(config.Keys.Epoch)))
			if oldest := keys.Oldest(); oldest < number {
				fmt.Fprintf(t, "ending\tepoch %d: its keys are being wrapped anew\n", oldest)
			}
			fmt.Fprintf(t, "erased\t%d noted, so that an older copy brings nobody back\n", len(keys.Erased()))
			return t.Flush()
		},
	}
}

func keysRotateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "rotate",
		Short: "End the key epoch now: no older backup can be read from then on",
		Long: `Begins a new key epoch, wraps the keys of all people anew, and destroys the key of the
old one. It happens by itself when an epoch is over (keys.epoch); do it now if a copy of
the database, or of the key file, went where it should not be. Backups from before are
worthless after it: make a new one.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := configOf(c)
			if err != nil {
				return err
			}
			var epoch int64
			err = change(c, config, func(api *client) error {
				var answer struct {
					Epoch int64 `json:"epoch"`
				}
				err := api.call(c.Context(), "POST", "/v1/keys/epoch", nil, &answer)
				epoch = answer.Epoch
				return err
			}, func(s *store.Store) (err error) {
				epoch, err = s.EndEpoch(c.Context())
				return err
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "key epoch %d has begun, and the keys before it are destroyed; make a new backup\n", epoch)
			return err
		},
	}
	c.Flags().String("url", "", "where exeunt listens, if not as configured: http://host:port")
	return c
}
