package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/server"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/evidence"
	"github.com/exeunt/exeunt/store/ledger"
)

func evidenceCommand() *cobra.Command {
	return group("evidence", "Show auditors what was done about everybody who left", populationCommand())
}

func populationCommand() *cobra.Command {
	var from, to, sla, out string
	c := &cobra.Command{
		Use:   "population",
		Short: "Write all departures of a period to a zip, with the proof that none is left out",
		Long: `Writes every departure that was received from the first day until before the last, as
population.csv and population.json, with columns for the controls of SOC 2, ISO 27001,
NIST 800-53 and PCI DSS, and the time from the trigger until every app was shut against
the SLA. The zip also holds every event of the log from before the period until after it,
so that exeunt verify can read the lists once more and show that nobody is missing. It
names nobody. Works beside a running exeunt.`,
		Example: `  exeunt evidence population --from 2026-07-01 --to 2026-10-01 --sla 24h -o q3.zip
  exeunt evidence population --from 2026-07-01 --to 2026-10-01 --sla fedramp-high -o q3.zip`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p := evidence.Period{}
			var err error
			if p.From, err = evidence.ParseDay(from); err != nil {
				return misusef("--from %w", err)
			}
			if p.To, err = evidence.ParseDay(to); err != nil {
				return misusef("--to %w", err)
			}
			if !p.From.Before(p.To) {
				return misusef("--to is the day after the last, and so after --from")
			}
			s, at, config, err := signedStore(c)
			if err != nil {
				return err
			}
			defer s.Close()
			if p.SLA, err = slaOf(config, sla); err != nil {
				return err
			}
			var found evidence.Survey
			if err := writeFile(out, func(w io.Writer) (err error) {
				found, err = s.WritePopulation(c.Context(), w, p, at)
				return err
			}); err != nil {
				return failf("the population could not be written: %w", err)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s.\n%s holds the list and its proof: exeunt verify %[2]s --key log.key.pub\n", found, out)
			return nil
		},
	}
	c.Flags().StringVar(&from, "from", "", "first `day`, such as 2026-07-01 (UTC), or a time")
	c.Flags().StringVar(&to, "to", "", "the `day` after the last")
	c.Flags().StringVar(&sla, "sla", "", "by when every app is to be shut: a `duration` such as 24h, or fedramp-high (default: sla in the configuration)")
	c.Flags().StringVarP(&out, "output", "o", "", "zip `file` to write")
	for _, name := range []string{"from", "to", "output"} {
		c.MarkFlagRequired(name)
	}
	return c
}

func caseCertificateCommand() *cobra.Command {
	var out, sla string
	var page, named bool
	c := &cobra.Command{
		Use:   "certificate ID",
		Short: "Write the certificate of a departure: for verifiers, or with --html for people",
		Long: `Writes what the log proves about a departure: a zip of the exact events, their proofs and
the signed checkpoint, which exeunt verify checks without this machine; or with --html a
page for people, with the timeline drawn, that prints well. Neither says who it is, unless
--named puts the person's name on the page. Works beside a running exeunt.`,
		Example: `  exeunt case certificate 0199c1d2-… -o certificate.zip
  exeunt case certificate 0199c1d2-… --html -o certificate.html
  exeunt case certificate 0199c1d2-… --html --named -o for-grace.html`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if named && !page {
				return misusef("--named is for the page: add --html")
			}
			s, at, config, err := signedStore(c)
			if err != nil {
				return err
			}
			defer s.Close()
			reader := evidence.Reader{}
			if reader.SLA, err = slaOf(config, sla); err != nil {
				return err
			}
			cert, err := s.Certify(c.Context(), args[0], at)
			switch {
			case bridge.IsKind(err, bridge.KindNotFound):
				return failf("the log has no case %q; exeunt case list lists all", plain(args[0]))
			case err != nil:
				return failf("there is no certificate now: %w", err)
			}
			if named && cert.Departure != nil {
				if err := s.View(c.Context(), func(tx bridge.Tx) error {
					reader.Name, err = server.NameOf(tx, cert.Departure.Case)
					return err
				}); err != nil {
					return failf("the person's name cannot be read: %w", err)
				}
			}
			if err := writeFile(out, func(w io.Writer) error {
				if page {
					return evidence.Page(w, cert, reader)
				}
				_, err := s.WriteCertificate(c.Context(), w, args[0], at)
				return err
			}); err != nil {
				return failf("the certificate could not be written: %w", err)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s.\n", cert)
			return nil
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "`file` to write")
	c.Flags().BoolVar(&page, "html", false, "write the page for people")
	c.Flags().BoolVar(&named, "named", false, "put the person's name on the page")
	c.Flags().StringVar(&sla, "sla", "", "what the page holds the times against: a `duration`, or fedramp-high (default: sla in the configuration)")
	c.MarkFlagRequired("output")
	return c
}

// signedStore opens a command's store for reading, with its newest checkpoint.
func signedStore(c *cobra.Command) (s *store.Store, at store.Signed, config server.Config, err error) {
	if config, err = configOf(c); err != nil {
		return nil, at, config, err
	}
	key, err := os.ReadFile(filepath.Join(config.Data, keyFile+".pub"))
	if err != nil {
		return nil, at, config, failf("the log's public key cannot be read: %w", err)
	}
	if s, err = readStore(c); err != nil {
		return nil, at, config, err
	}
	if at, err = newestSigned(c.Context(), s, strings.TrimSpace(string(key))); err == nil {
		var policy ledger.Policy
		policy, err = config.Log.ReadPolicy()
		at.Policy = policy.Text
	}
	if err != nil {
		s.Close()
	}
	return s, at, config, err
}

func newestSigned(ctx context.Context, s *store.Store, key string) (store.Signed, error) {
	note, err := s.LastCosigned(ctx, func([]byte) bool { return true })
	if err != nil {
		return store.Signed{}, failf("the log cannot be read: %w", err)
	}
	if len(note) == 0 {
		return store.Signed{}, failf("the log has no checkpoint yet: start exeunt serve, which signs one")
	}
	at, err := store.OpenSigned(note, key)
	if err != nil {
		return store.Signed{}, failf("the log's newest checkpoint is not signed by its key; run exeunt log verify")
	}
	return at, nil
}

// slaOf is what a flag says, else what the configuration says.
func slaOf(config server.Config, flag string) (time.Duration, error) {
	if flag == "" {
		return config.SLA, nil
	}
	sla, err := evidence.ParseSLA(flag)
	if err != nil {
		return 0, misusef("--sla %w", err)
	}
	return sla, nil
}

// writeFile writes a file that only its owner may read: whole, or not at all.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing to remove
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil { // the log will tell of a backup
		return err
	}
	return os.Rename(f.Name(), path)
}
