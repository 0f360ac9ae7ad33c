package cli

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/server"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
)

func logCommand() *cobra.Command {
	return group("log", "Verify and read the append-only log", logVerifyCommand(), logTailCommand(), logExportCommand(), logContinueCommand(), logPruneCommand())
}

func logVerifyCommand() *cobra.Command {
	var held, key string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Recompute the whole log from its stored leaves, and say what that proves",
		Long: `Reads every leaf back, recomputes the tree, and compares it with the stored hashes and
signed checkpoints. With a checkpoint that was kept elsewhere it also proves that the log
was not rewritten or set back since. Works beside a running exeunt. Exit code 1 if the
evidence is bad.`,
		Example: `  exeunt log verify
  exeunt log verify --checkpoint /mnt/auditor/checkpoint --key /mnt/auditor/log.key.pub`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := configOf(c)
			if err != nil {
				return err
			}
			o, err := verifyOptions(config, held, key)
			if err != nil {
				return err
			}
			s, err := readStore(c)
			if err != nil {
				return err
			}
			defer s.Close()
			report, err := s.VerifyLog(c.Context(), o)
			var bad *ledger.EvidenceError
			switch {
			case errors.As(err, &bad):
				return failf("the log is NOT what was logged and signed (%s at %d): %s; keep this machine as it is and tell whoever audits you", bad.Fault, bad.At, bad)
			case err != nil:
				return failf("the log could not be verified: %w", err)
			}
			fmt.Fprintln(c.OutOrStdout(), report.Report.String())
			if report.Pending > 0 {
				fmt.Fprintf(c.OutOrStdout(), "%s not in the tree yet; a running exeunt seals them within seconds.\n", count(int(report.Pending), "event"))
			}
			return nil
		},
	}
	c.Flags().StringVar(&held, "checkpoint", "", "`file` with a checkpoint that was kept elsewhere")
	c.Flags().StringVar(&key, "key", "", "`file` with the log's public key that was kept elsewhere (default: log.key.pub in the data directory)")
	return c
}

func verifyOptions(config server.Config, held, key string) (o store.VerifyOptions, err error) {
	if held != "" {
		if o.Held, err = os.ReadFile(held); err != nil {
			return o, misusef("the checkpoint cannot be read: %w", err)
		}
	}
	if key == "" {
		key = filepath.Join(config.Data, keyFile+".pub")
	}
	raw, err := os.ReadFile(key)
	if err != nil {
		return o, misusef("the log's public key cannot be read: %w; name it with --key", err)
	}
	o.VerifierKey = strings.TrimSpace(string(raw))
	return o, nil
}

func logTailCommand() *cobra.Command {
	var last int
	var follow, asJSON bool
	c := &cobra.Command{
		Use:   "tail",
		Short: "Print the newest events of the log",
		Long: `Prints the newest events, oldest first. The log names nobody: people appear under random
handles, which exeunt case show tells apart.`,
		Example: `  exeunt log tail
  exeunt log tail --follow
  exeunt log tail --json --last 1000`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if last < 0 {
				return misusef("--last must not be negative")
			}
			s, err := readStore(c)
			if err != nil {
				return err
			}
			defer s.Close()
			stats, err := s.Stats(c.Context())
			if err != nil {
				return failf("the log cannot be read: %w", err)
			}
			after := max(stats.Size-int64(last), 0) - 1
			for {
				events, err := s.Tail(c.Context(), after, 500)
				if c.Context().Err() != nil {
					return nil
				}
				if err != nil {
					return failf("the log cannot be read: %w", err)
				}
				for _, e := range events {
					if err := printEvent(c.OutOrStdout(), e, asJSON); err != nil {
						return err
					}
					after = e.Seq
				}
				if len(events) > 0 {
					continue
				}
				if !follow {
					return nil
				}
				select {
				case <-c.Context().Done():
					return nil
				case <-time.After(500 * time.Millisecond): // the store tells nobody outside its process
				}
			}
		},
	}
	c.Flags().IntVarP(&last, "last", "n", 50, "begin with the last `n` events")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on as events come")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return c
}

func printEvent(w io.Writer, e store.LoggedEvent, asJSON bool) error {
	facts, err := json.Marshal(e.Facts)
	if err != nil {
		return err
	}
	var who []string
	for _, p := range e.Parties {
		who = append(who, p.Handle.String())
	}
	if asJSON {
		return json.NewEncoder(w).Encode(map[string]any{"seq": e.Seq, "id": hex.EncodeToString(e.ID[:]), "at": e.At,
			"type": e.Type.String(), "facts": json.RawMessage(facts), "parties": who})
	}
	_, err = fmt.Fprintf(w, "%6d  %s  %-18s  %s  %s\n", e.Seq, e.At.UTC().Format("2006-01-02 15:04:05.000Z"), e.Type,
		dash(strings.Join(who, " ")), facts)
	return err
}
