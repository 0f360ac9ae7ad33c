package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/evidence"
)

func verifyCommand() *cobra.Command {
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	asked := evidence.Flags(flags)
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Verify a certificate, a population or an exported log, offline",
		Long:  evidence.About,
		Example: `  exeunt verify certificate.zip --key log.key.pub
  exeunt verify q3.zip --key log.key.pub --checkpoint june --consistency proof
  exeunt verify log.export --key log.key.pub --checkpoint june --policy witnesses`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			text, code := asked.Verify(args[0])
			if code != good {
				return &exit{code, errors.New(text)}
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), text)
			return err
		},
	}
	c.Flags().AddGoFlagSet(flags)
	return c
}

func logExportCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "export",
		Short: "Write the whole log to one file, for exeunt verify",
		Long: `Writes every event and every signed checkpoint, exactly as they stand in the log. It names
nobody. Works beside a running exeunt. Keep one elsewhere now and then: a database that was
lost or set back can be told what is missing.`,
		Example: `  exeunt log export -o log.export
  exeunt verify log.export --key log.key.pub`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := readStore(c)
			if err != nil {
				return err
			}
			defer s.Close()
			return exportLog(c, s, out)
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "`file` to write")
	c.MarkFlagRequired("output")
	return c
}

func exportLog(c *cobra.Command, s *store.Store, out string) error {
	if err := writeFile(out, func(w io.Writer) error { return s.ExportLog(c.Context(), w) }); err != nil {
		return failf("the log could not be exported: %w", err)
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "%s holds the log: exeunt verify %[1]s --key log.key.pub\n", out)
	return err
}
