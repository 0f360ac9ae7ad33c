package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/server"
)

// defaultConfig is read if it is there and no other file is named; else
// systemConfig is, if that is there.
const (
	defaultConfig = "exeunt.yaml"
	systemConfig  = "/etc/exeunt/exeunt.yaml"
)

// configFile returns the file to read, "" if there is none.
func configFile(c *cobra.Command) string {
	if file, _ := c.Flags().GetString("config"); file != "" {
		return file
	}
	for _, file := range []string{defaultConfig, systemConfig} {
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return ""
}

// loadConfig reads a command's configuration, or the defaults if there is no
// file. Mistakes and warnings go to stderr.
func loadConfig(c *cobra.Command) (server.Config, []bridge.App, error) {
	file := configFile(c)
	if file == "" {
		return server.DefaultConfig(), nil, nil
	}
	config, apps, warnings, err := server.LoadConfig(file)
	for _, m := range warnings {
		fmt.Fprintln(c.ErrOrStderr(), "warning: "+m.String())
	}
	return config, apps, explain(c.ErrOrStderr(), file, err)
}

// configOf is [loadConfig] for commands that need no apps.
func configOf(c *cobra.Command) (server.Config, error) {
	config, _, err := loadConfig(c)
	return config, err
}

// explain writes every mistake to w and returns the error that sums them up.
func explain(w io.Writer, file string, err error) error {
	var mistakes server.Mistakes
	switch {
	case errors.As(err, &mistakes):
		fmt.Fprintln(w, mistakes.Error())
		return misusef("%s has %s; mend it, then try: exeunt config check --config %[1]s", file, count(len(mistakes), "mistake"))
	case err != nil:
		return misusef("%w; name the file with --config", err)
	}
	return nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func configCommand() *cobra.Command {
	check := &cobra.Command{
		Use:   "check",
		Short: "Report every mistake in the configuration at once",
		Long: `Reads the configuration with everything it refers to, calls nobody, and reports every
mistake with its line and what to do. Exit code 0 if it can be used, 2 if not.`,
		Example: `  exeunt config check
  exeunt config check --config /etc/exeunt/exeunt.yaml`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			file := configFile(c)
			if file == "" {
				return misusef("there is no %s here; name the file with --config", defaultConfig)
			}
			config, apps, err := loadConfig(c)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is good: %s, %s\n", file, count(len(config.Sources), "source"), count(len(apps), "app"))
			return nil
		},
	}
	schema := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration, for editors",
		Example: `  exeunt config schema > exeunt.schema.json
  # then, as the first line of exeunt.yaml:
  # yaml-language-server: $schema=exeunt.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			e := json.NewEncoder(c.OutOrStdout())
			e.SetIndent("", "  ")
			e.SetEscapeHTML(false)
			return e.Encode(server.ConfigSchema())
		},
	}
	return group("config", "Check and describe the configuration", check, schema)
}
