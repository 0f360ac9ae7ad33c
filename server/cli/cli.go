package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	good   = 0
	failed = 1 // it was tried and did not work out, or evidence is bad
	misuse = 2 // the command line or the configuration is wrong
)

// Main runs the command line of the process and returns its exit code.
func Main() int {
	return Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// Run runs one command line and returns its exit code. An error is one line on
// stderr that says what to do next.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := commands()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return good
	}
	var e *exit
	if !errors.As(err, &e) { // cobra's own: an unknown command, flag or argument
		e = &exit{misuse, err}
	}
	if e.err != nil {
		fmt.Fprintln(stderr, "exeunt: "+strings.TrimSpace(e.Error()))
	}
	return e.code
}

// exit is an error with an exit code. Without an err, all has been said.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

func failf(format string, args ...any) error { return &exit{failed, fmt.Errorf(format, args...)} }
func misusef(format string, args ...any) error {
	return &exit{misuse, fmt.Errorf(format, args...)}
}

func commands() *cobra.Command {
	root := &cobra.Command{
		Use:   "exeunt",
		Short: "They leave: shut every door, and prove it",
		Long: `exeunt hears by SCIM that somebody leaves, shuts their accounts, sessions, tokens
and keys in every registered application, checks each door, and keeps a log that
an auditor can verify.`,
		Example: `  exeunt serve                        safe defaults: loopback, ./exeunt-data, a fresh token
  exeunt serve --config exeunt.yaml   with sources and apps
  exeunt config check                 every mistake in exeunt.yaml at once
  exeunt case list --state stuck      departures that need a person`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.PersistentFlags().StringP("config", "c", "", "configuration `file` (default: exeunt.yaml here, then /etc/exeunt/exeunt.yaml)")
	root.MarkPersistentFlagFilename("config", "yaml", "yml")
	root.PersistentFlags().String("operator", "", "`file` with your own token, for what is said to a running exeunt (default: the administrator's)")
	root.AddCommand(
		demoCommand(),
		serveCommand(),
		configCommand(),
		appCommand(),
		caseCommand(),
		eraseCommand(),
		holdCommand(),
		evidenceCommand(),
		logCommand(),
		verifyCommand(),
		exportCommand(),
		witnessCommand(),
		keysCommand(),
		backupCommand(),
		restoreCommand(),
		recipeCommand(),
		samlCommand(),
		scimCommand(),
		retainedCommand(),
		sessionCommand(),
		tokenCommand(),
		healthCommand(),
		versionCommand(),
	)
	return root
}

// group is a command that only has others below it.
func group(use, short string, below ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: noCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(below...)
	return c
}

// noCommand refuses what is no command, and says which was probably meant.
func noCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return misusef("there is no command %q; did you mean %s %s?", plain(args[0]), c.CommandPath(), near[0])
	}
	return misusef("there is no command %q; %s --help lists all", plain(args[0]), c.CommandPath())
}
