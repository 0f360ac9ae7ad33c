package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/evidence"
)

func logPruneCommand() *cobra.Command {
	var before, archive string
	var yes bool
	c := &cobra.Command{
		Use:   "prune --before DAY",
		Short: "Remove old events from the log, by a policy of retention; their hashes stay",
		Long: `Removes the events from before a day, and what was kept beside them, for good. The tree's
hashes stay: the log goes on, and every proof of what is left is what it was. An event says
that it was done. log.retention in the configuration says how old events must be; without
it nothing can be removed. Only what a checkpoint covers that all places outside have kept
is removed, and no departure or erasure that is still open, or that would be cut in two.
Certificates and populations of what is removed cannot be made any more: with --archive the
whole log is exported first. exeunt must not run. Without --yes it only says what would go.`,
		Example: `  exeunt log prune --before 2025-11-01
  exeunt log prune --before 2025-11-01 --archive log-until-2026-11 --yes`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := configOf(c)
			if err != nil {
				return err
			}
			day, err := evidence.ParseDay(before)
			if err != nil {
				return misusef("--before %w", err)
			}
			switch {
			case config.Log.Retention == 0:
				return misusef("log.retention is not set: events are kept for ever")
			case day.After(time.Now().Add(-config.Log.Retention)):
				return misusef("log.retention keeps events for %s: name a day before %s", config.Log.Retention, stamp(time.Now().Add(-config.Log.Retention)))
			}
			if config.Database != "" {
				return misusef("a log on PostgreSQL cannot be pruned")
			}
			if _, err := os.Stat(archive); archive != "" && err == nil {
				return misusef("%s is there already, and may be the only copy of what was pruned before: name another file", archive)
			}
			if archive != "" && yes {
				s, err := readStore(c)
				if err != nil {
					return err
				}
				err = exportLog(c, s, archive)
				s.Close()
				if err != nil {
					return err
				}
			}
			if !yes {
				s, err := readStore(c)
				if err != nil {
					return err
				}
				defer s.Close()
				n, err := s.Prunable(c.Context(), day)
				if err != nil {
					return failf("the log cannot be read: %w", err)
				}
				if n == 0 {
					_, err = fmt.Fprintln(c.OutOrStdout(), "nothing would be removed")
					return err
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "what is left of events 0 to %d would be removed; say --yes to have that done\n", n-1)
				return err
			}
			opts := storeOptions(config, zerolog.New(os.Stderr).Level(zerolog.ErrorLevel))
			if opts.LogKey, err = logKey(filepath.Join(config.Data, keyFile)); err != nil {
				return failf("%w", err)
			}
			n, err := store.Prune(c.Context(), opts, day)
			if err != nil {
				return failf("the log was not pruned: %w", err)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s removed\n", count(int(n), "event"))
			return err
		},
	}
	c.Flags().StringVar(&before, "before", "", "first `day` whose events stay, such as 2025-11-01")
	c.Flags().StringVar(&archive, "archive", "", "`file` to export the whole log to first")
	c.Flags().BoolVar(&yes, "yes", false, "do it")
	c.MarkFlagRequired("before")
	return c
}
