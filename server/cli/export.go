package cli

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/server"
	"github.com/exeunt/exeunt/server/siem"
	"github.com/exeunt/exeunt/store"
)

// newExporter makes the exports of a configuration; it asks nobody.
func newExporter(s *store.Store, exports map[string]siem.Config, metrics *server.Metrics, log zerolog.Logger) (*siem.Exporter, error) {
	of := siem.Log{Origin: s.LogKey().Origin(), Version: version()}
	to := make(map[string]siem.Receiver)
	for name, c := range exports {
		var err error
		if to[name], err = c.Open(of, time.Now); err != nil {
			return nil, failf("exports.%s: %w", name, err)
		}
	}
	return siem.New(siem.Options{Store: s, Log: of, To: to, Observer: metrics, Now: time.Now, Logger: log}), nil
}

func exportCommand() *cobra.Command {
	return group("export", "See how far the log's exports have come, and send events again",
		exportStatusCommand(), exportReplayCommand())
}

func exportStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show how far each export has come, and what its receiver refused",
		Args:  cobra.NoArgs,
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
			list, size, err := s.Exports(c.Context())
			if err != nil {
				return failf("the exports cannot be read: %w", err)
			}
			t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "EXPORT\tTAKEN\tBEHIND\tSINCE\tREFUSED")
			begun := make(map[string]bool)
			for _, e := range list {
				note := ""
				if begun[e.Name] = true; config.Exports[e.Name].To == "" {
					note = "\tnot configured any more"
				}
				fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%d%s\n", e.Name, e.Next, max(0, size-e.Next), stamp(e.Moved), len(e.Refused), note)
			}
			for _, name := range slices.Sorted(maps.Keys(config.Exports)) {
				if !begun[name] {
					fmt.Fprintf(t, "%s\t0\t%d\tnot begun\t0\n", name, size)
				}
			}
			for _, e := range list {
				for _, r := range e.Refused {
					fmt.Fprintf(t, "%s refused event %d at %s with status %d\n", e.Name, r.Seq, stamp(r.At), r.Status)
				}
			}
			return t.Flush()
		},
	}
}

func exportReplayCommand() *cobra.Command {
	var from int64
	c := &cobra.Command{
		Use:   "replay name",
		Short: "Send events again, from a position of the log on",
		Long: `Has an export begin again at a position of the log: after its receiver lost events, or
when one that it refused is wanted now. Events come again with the same ids.`,
		Example: `  exeunt export replay siem --from 0
  exeunt export replay siem --from 1200`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			config, err := configOf(c)
			if err != nil {
				return err
			}
			if err := change(c, config, func(api *client) error {
				return api.call(c.Context(), "POST", "/v1/exports/"+url.PathEscape(args[0])+"/replay", map[string]int64{"from": from}, nil)
			}, func(s *store.Store) error {
				return s.Replay(c.Context(), args[0], from)
			}); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s is sent the log again, from event %d on\n", args[0], from)
			return err
		},
	}
	c.Flags().Int64Var(&from, "from", 0, "`position` of the first event, counted from 0")
	c.MarkFlagRequired("from")
	c.Flags().String("url", "", "where exeunt listens, if not as configured: http://host:port")
	return c
}
